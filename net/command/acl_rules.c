/* The modifiers of ACL SETUSER, one at a time. */
#include "net/command/acl_impl.h"
#include "net/command/command_facts.h"

#include <ctype.h>

static const char why_syntax[] = "Syntax error";
static const char why_unknown[] = "Unknown command or category name in ACL";
static const char why_hash[] = "The password hash must be exactly 64 characters and contain only "
			       "lowercase hexadecimal characters";

static enum status refuse(const char **reason, const char *why)
{
	*reason = why;
	return ST_INVALID;
}

/* --- commands --- */

/* By the name that the command was made with, whatever rename-command calls it. */
static const struct command_entry *find_command(const struct acl *a, struct slice name)
{
	for (size_t i = 0; i < a->table->count; i++) {
		const struct command_entry *e = &a->table->entries[i];

		if (e->full_name_len == name.len && word_is(name, e->full_name)) {
			return e;
		}
	}
	return NULL;
}

static void forget_first_args(struct acl_selector *s, uint32_t command)
{
	struct byte_list words = {0};
	struct buf of = {0};
	uint32_t at;

	for (size_t i = 0; i < byte_list_count(&s->first_args); i++) {
		memcpy(&at, s->first_args_of.data + i * sizeof at, sizeof at);
		if (at == command) {
			continue;
		}
		if (byte_list_add(&words, byte_list_at(&s->first_args, i)) != ST_OK ||
		    buf_append(&of, &at, sizeof at) != ST_OK) {
			/* Without memory all go: less is allowed then, never more. */
			byte_list_deinit(&words);
			buf_deinit(&of);
			break;
		}
	}
	byte_list_deinit(&s->first_args);
	buf_deinit(&s->first_args_of);
	s->first_args = words;
	s->first_args_of = of;
}

static void set_bit(struct acl_selector *s, const struct command_entry *e, bool on)
{
	uint64_t bit = UINT64_C(1) << (e->index % 64);

	if (on) {
		s->commands[e->index / 64] |= bit;
	} else {
		s->commands[e->index / 64] &= ~bit;
		s->all_commands = false;
	}
}

/* A command stands for its subcommands as well. */
static void set_command(struct acl_selector *s, const struct command_entry *e, bool on)
{
	set_bit(s, e, on);
	if (s->first_args_of.len > 0) {
		forget_first_args(s, e->index);
	}
	for (size_t i = 0; i < e->subs_count; i++) {
		set_bit(s, &e->subs[i], on);
	}
}

/* True when an earlier rule says nothing any more beside a new one: it is of the same command or
 * category, or of a subcommand. */
static bool replaces(struct slice rule, struct slice earlier)
{
	return slice_has_prefix(earlier, rule) &&
	       (earlier.len == rule.len || earlier.data[rule.len] == '|');
}

/* Notes a rule behind the others, without those that it makes void. */
static enum status note_rule(struct acl_selector *s, struct slice name, bool on)
{
	struct slice rest = buf_slice(&s->rules), word;
	struct buf rules = {0}, rule = {0};
	enum status st = buf_append(&rule, on ? "+" : "-", 1);

	for (size_t i = 0; st == ST_OK && i < name.len; i++) {
		char c = (char)tolower(name.data[i]);

		st = buf_append(&rule, &c, 1);
	}
	while (st == ST_OK && facts_word(&rest, ' ', &word)) {
		if (!replaces(slice_skip(buf_slice(&rule), 1), slice_skip(word, 1))) {
			st = buf_append(&rules, word.data, word.len);
			st = st == ST_OK ? buf_append(&rules, " ", 1) : st;
		}
	}
	st = st == ST_OK ? buf_append(&rules, rule.data, rule.len) : st;
	buf_deinit(&rule);
	if (st != ST_OK) {
		buf_deinit(&rules);
		return st;
	}
	buf_deinit(&s->rules);
	s->rules = rules;
	return ST_OK;
}

/* "+select|0": a command without subcommands, with one word as its first argument. */
static enum status allow_first_arg(struct acl_selector *s, const struct command_entry *e,
				   struct slice word)
{
	enum status st;

	for (size_t i = 0; i < byte_list_count(&s->first_args); i++) {
		uint32_t of;

		memcpy(&of, s->first_args_of.data + i * sizeof of, sizeof of);
		if (of == e->index && slice_eq(byte_list_at(&s->first_args, i), word)) {
			return ST_OK;
		}
	}
	st = buf_reserve(&s->first_args_of, sizeof e->index);
	st = st == ST_OK ? byte_list_add(&s->first_args, word) : st;
	return st == ST_OK ? buf_append(&s->first_args_of, &e->index, sizeof e->index) : st;
}

static enum status part_rule(const struct acl *a, struct acl_selector *s, struct slice name,
			     struct slice command, struct slice word, const char **reason)
{
	const struct command_entry *e = find_command(a, command);
	enum status st;

	if (e == NULL) {
		return refuse(reason, why_unknown);
	}
	if (e->parent != NULL) {
		return refuse(reason, "Allowing first-arg of a subcommand is not supported");
	}
	if (word.len == 0 || !acl_name_ok(word)) {
		return refuse(reason, why_syntax);
	}
	if (e->subs_count > 0) {
		e = find_command(a, name);
		if (e == NULL) {
			return refuse(reason, why_unknown);
		}
		set_command(s, e, true);
		st = ST_OK;
	} else {
		st = allow_first_arg(s, e, word);
	}
	return st == ST_OK ? note_rule(s, name, true) : st;
}

static enum status command_rule(const struct acl *a, struct acl_selector *s, struct slice op,
				const char **reason)
{
	struct slice name = slice_skip(op, 1);
	bool on = op.data[0] == '+';
	const struct command_entry *e;
	size_t bar = name.len;

	while (on && bar > 0 && name.data[bar - 1] != '|') {
		bar--;
	}
	if (on && bar > 0) {
		return part_rule(a, s, name, slice_of(name.data, bar - 1), slice_skip(name, bar),
				 reason);
	}
	e = find_command(a, name);
	if (e == NULL) {
		return refuse(reason, why_unknown);
	}
	set_command(s, e, on);
	return note_rule(s, name, on);
}

static enum status category_rule(struct acl *a, struct acl_selector *s, struct slice op,
				 const char **reason)
{
	size_t category = acl_category_find(slice_skip(op, 2));
	bool on = op.data[0] == '+';

	if (category == ACL_CATEGORIES) {
		return refuse(reason, why_unknown);
	}
	for (size_t i = 0; i < a->table->count; i++) {
		const struct command_entry *e = &a->table->entries[i];

		if ((acl_command_of(a, e)->categories >> category & 1) != 0) {
			set_command(s, e, on);
		}
	}
	if (!on) {
		s->all_commands = false;
	}
	return note_rule(s, slice_skip(op, 1), on);
}

/* --- keys and channels --- */

static size_t find_text(const struct byte_list *l, struct slice text)
{
	size_t i = 0;

	while (i < byte_list_count(l) && !slice_eq(byte_list_at(l, i), text)) {
		i++;
	}
	return i;
}

/* "~pattern", "%R~pattern", "%W~pattern", "%RW~pattern". */
static enum status key_rule(struct acl_selector *s, struct slice op, const char **reason)
{
	uint8_t use = op.data[0] == '~' ? ACL_READ_WRITE : 0;
	struct slice pattern;
	enum status st;
	size_t at = 0;

	if (s->all_keys) {
		return refuse(reason, "Adding a pattern after the * pattern (or the 'allkeys' "
				      "flag) is not valid and does not have any effect. Try "
				      "'resetkeys' to start with an empty list of patterns");
	}
	if (op.data[0] == '%') {
		for (at = 1; at < op.len && op.data[at] != '~'; at++) {
			int c = toupper(op.data[at]);
			uint8_t one = c == 'R' ? ACL_READ : c == 'W' ? ACL_WRITE : 0;

			if (one == 0 || (use & one) != 0) {
				return refuse(reason, why_syntax);
			}
			use |= one;
		}
	}
	if (use == 0 || at == op.len) {
		return refuse(reason, why_syntax);
	}
	pattern = slice_skip(op, at + 1);
	if (!acl_name_ok(pattern)) {
		return refuse(reason, why_syntax);
	}
	at = find_text(&s->keys, pattern);
	if (at < byte_list_count(&s->keys)) {
		s->keys_use.data[at] |= use;
		return ST_OK;
	}
	st = buf_reserve(&s->keys_use, sizeof use);
	st = st == ST_OK ? byte_list_add(&s->keys, pattern) : st;
	return st == ST_OK ? buf_append(&s->keys_use, &use, sizeof use) : st;
}

static enum status channel_rule(struct acl_selector *s, struct slice op, const char **reason)
{
	struct slice pattern = slice_skip(op, 1);

	if (s->all_channels) {
		return refuse(reason, "Adding a pattern after the * pattern (or the "
				      "'allchannels' flag) is not valid and does not have any "
				      "effect. Try 'resetchannels' to start with an empty list of "
				      "channels");
	}
	if (!acl_name_ok(pattern)) {
		return refuse(reason, why_syntax);
	}
	if (find_text(&s->channels, pattern) < byte_list_count(&s->channels)) {
		return ST_OK;
	}
	return byte_list_add(&s->channels, pattern);
}

static void reset_keys(struct acl_selector *s, bool all)
{
	s->all_keys = all;
	byte_list_deinit(&s->keys);
	s->keys_use.len = 0;
}

static void reset_channels(struct acl_selector *s, bool all)
{
	s->all_channels = all;
	byte_list_deinit(&s->channels);
}

/* --- selectors --- */

static enum status selector_rule(struct acl *a, struct acl_selector *s, struct slice op,
				 const char **reason)
{
	bool sign = op.len > 0 && (op.data[0] == '+' || op.data[0] == '-');

	if (op.len == 0) {
		return ST_OK;
	}
	if (word_is(op, "allkeys") || word_is(op, "~*") || word_is(op, "resetkeys")) {
		reset_keys(s, !word_is(op, "resetkeys"));
	} else if (word_is(op, "allchannels") || word_is(op, "&*") ||
		   word_is(op, "resetchannels")) {
		reset_channels(s, !word_is(op, "resetchannels"));
	} else if (word_is(op, "allcommands") || word_is(op, "+@all")) {
		acl_selector_all_commands(a, s, true);
	} else if (word_is(op, "nocommands") || word_is(op, "-@all")) {
		acl_selector_all_commands(a, s, false);
	} else if (op.data[0] == '~' || op.data[0] == '%') {
		return key_rule(s, op, reason);
	} else if (op.data[0] == '&') {
		return channel_rule(s, op, reason);
	} else if (sign && op.len > 1 && op.data[1] == '@') {
		return category_rule(a, s, op, reason);
	} else if (sign) {
		return command_rule(a, s, op, reason);
	} else {
		return refuse(reason, why_syntax);
	}
	return ST_OK;
}

/* "(+get ~a*)" */
static enum status add_selector(struct acl *a, struct acl_user *u, struct slice op,
				const char **reason)
{
	struct slice rest = slice_of(op.data + 1, op.len - 2), word;
	struct acl_selector *s;
	enum status st = acl_user_add_selector(a, u, &s);

	while (st == ST_OK && facts_word(&rest, ' ', &word)) {
		/* In a line of text such a word would end the selector. */
		st = word.data[word.len - 1] == ')' ? refuse(reason, why_syntax)
						    : selector_rule(a, s, word, reason);
	}
	return st;
}

/* --- users --- */

static bool hash_from_hex(struct slice hex, uint8_t hash[ACL_HASH_LEN])
{
	static const char digits[] = "0123456789abcdef";

	if (hex.len != (size_t)2 * ACL_HASH_LEN) {
		return false;
	}
	for (size_t i = 0; i < hex.len; i++) {
		const char *at = hex.data[i] == 0 ? NULL : strchr(digits, hex.data[i]);

		if (at == NULL) {
			return false;
		}
		hash[i / 2] = (uint8_t)(hash[i / 2] << 4 | (at - digits));
	}
	return true;
}

/* ">pass", "#hash", "<pass", "!hash" */
static enum status password_rule(struct acl_user *u, struct slice op, const char **reason)
{
	bool add = op.data[0] == '>' || op.data[0] == '#';
	uint8_t hash[ACL_HASH_LEN] = {0};
	size_t at = 0;

	if (op.data[0] == '>' || op.data[0] == '<') {
		acl_hash(slice_skip(op, 1), hash);
	} else if (!hash_from_hex(slice_skip(op, 1), hash)) {
		return refuse(reason, why_hash);
	}
	while (at < u->passwords.len && memcmp(u->passwords.data + at, hash, ACL_HASH_LEN) != 0) {
		at += ACL_HASH_LEN;
	}
	if (add) {
		u->nopass = false;
		return at < u->passwords.len ? ST_OK
					     : buf_append(&u->passwords, hash, ACL_HASH_LEN);
	}
	if (at == u->passwords.len) {
		return refuse(reason, "The password you are trying to remove from the user does "
				      "not exist");
	}
	memmove(u->passwords.data + at, u->passwords.data + at + ACL_HASH_LEN,
		u->passwords.len - at - ACL_HASH_LEN);
	u->passwords.len -= ACL_HASH_LEN;
	return ST_OK;
}

static void reset_user(const struct acl *a, struct acl_user *u)
{
	acl_user_drop_selectors(u, 1);
	acl_selector_all_commands(a, &u->selectors[0], false);
	reset_keys(&u->selectors[0], false);
	reset_channels(&u->selectors[0], a->channels_open);
	u->passwords.len = 0;
	u->enabled = u->nopass = u->skip_sanitize = false;
}

static enum status user_rule(struct acl *a, struct acl_user *u, struct slice op,
			     const char **reason)
{
	if (op.len == 0) {
		return ST_OK;
	}
	if (word_is(op, "on") || word_is(op, "off")) {
		u->enabled = word_is(op, "on");
	} else if (word_is(op, "nopass") || word_is(op, "resetpass")) {
		u->nopass = word_is(op, "nopass");
		u->passwords.len = 0;
	} else if (word_is(op, "sanitize-payload") || word_is(op, "skip-sanitize-payload")) {
		u->skip_sanitize = word_is(op, "skip-sanitize-payload");
	} else if (strchr("><#!", op.data[0]) != NULL && op.data[0] != 0) {
		return password_rule(u, op, reason);
	} else if (op.len > 1 && op.data[0] == '(' && op.data[op.len - 1] == ')') {
		return add_selector(a, u, op, reason);
	} else if (word_is(op, "clearselectors")) {
		acl_user_drop_selectors(u, 1);
	} else if (word_is(op, "reset")) {
		reset_user(a, u);
	} else {
		return selector_rule(a, &u->selectors[0], op, reason);
	}
	return ST_OK;
}

enum status acl_user_rule(struct acl *a, struct acl_user *u, struct slice op, const char **reason)
{
	enum status st = user_rule(a, u, op, reason);

	acl_user_judge(u);
	return st;
}

/* --- selectors in several words --- */

static bool begins_selector(struct slice word)
{
	return word.len > 0 && word.data[0] == '(' && word.data[word.len - 1] != ')';
}

enum status acl_join_selectors(const struct slice *argv, size_t argc, struct slice *words,
			       size_t *count, struct byte_list *store)
{
	struct buf joined = {0};
	enum status st = ST_OK;
	size_t n = 0, open = argc, stored = 0;

	for (size_t i = 0; st == ST_OK && i < argc; i++) {
		if (open == argc && !begins_selector(argv[i])) {
			words[n++] = argv[i];
			continue;
		}
		if (open == argc) {
			open = i;
			joined.len = 0;
		} else {
			st = buf_append(&joined, " ", 1);
		}
		if (st == ST_OK && argv[i].len > 0) {
			st = buf_append(&joined, argv[i].data, argv[i].len);
		}
		if (st == ST_OK && i != open && argv[i].len > 0 &&
		    argv[i].data[argv[i].len - 1] == ')') {
			st = byte_list_add(store, buf_slice(&joined));
			words[n++] = slice_of(NULL, SIZE_MAX); /* its place: the list may move */
			open = argc;
		}
	}
	buf_deinit(&joined);
	if (st == ST_OK && open < argc) {
		*count = open;
		return ST_INVALID;
	}
	for (size_t i = 0; st == ST_OK && i < n; i++) {
		if (words[i].len == SIZE_MAX) {
			words[i] = byte_list_at(store, stored++);
		}
	}
	*count = n;
	return st;
}
