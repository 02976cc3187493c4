/* Whether a user may run a request: its command by number, its keys and channels by patterns. */
#include "net/command/acl.h"
#include "net/command/command_facts.h"
#include "net/command/command_keys.h"

/* --- categories --- */

/* In the order in which ACL CAT lists them. */
static const char *const categories[ACL_CATEGORIES] = {
    "keyspace", "read",	  "write",	 "set",	      "sortedset",  "list",	   "hash",
    "string",	"bitmap", "hyperloglog", "geo",	      "stream",	    "pubsub",	   "admin",
    "fast",	"slow",	  "blocking",	 "dangerous", "connection", "transaction", "scripting"};

const char *acl_category_name(size_t i)
{
	return categories[i];
}

size_t acl_category_find(struct slice name)
{
	size_t i = 0;

	while (i < ACL_CATEGORIES && !word_is(name, categories[i])) {
		i++;
	}
	return i;
}

/* --- commands --- */

static uint8_t use_of(struct slice flags)
{
	struct slice word;
	uint8_t use = 0;

	while (facts_word(&flags, ' ', &word)) {
		if (slice_eq(word, slice_str("access"))) {
			use |= ACL_READ;
		} else if (slice_eq(word, slice_str("insert")) ||
			   slice_eq(word, slice_str("delete")) ||
			   slice_eq(word, slice_str("update"))) {
			use |= ACL_WRITE;
		}
	}
	return use;
}

/* True when the row alone says where the keys are, and one specification what becomes of them. */
static bool is_plain(const struct command_entry *e, const struct acl_command *c)
{
	struct slice rest = slice_str(c->facts->keys);
	struct key_spec k;

	return e->cmd->keys.first > 0 && (e->cmd->flags & CMD_MOVABLE_KEYS) == 0 &&
	       key_spec_next(&rest, &k) && rest.len == 0 && !c->exact;
}

static void learn_channels(const struct command_entry *e, struct acl_command *c)
{
	static const struct {
		const char *name;
		bool one, patterns;
	} listening[] = {{"subscribe", false, false},
			 {"ssubscribe", false, false},
			 {"psubscribe", false, true},
			 {"publish", true, false},
			 {"spublish", true, false}};

	for (size_t i = 0; i < sizeof listening / sizeof listening[0]; i++) {
		if (strcmp(e->full_name, listening[i].name) == 0) {
			c->channels = true;
			c->one = listening[i].one;
			c->patterns = listening[i].patterns;
		}
	}
}

static void learn(const struct command_entry *e, struct acl_command *c)
{
	struct slice words, word;
	struct key_spec k;

	c->known = true;
	c->facts = command_facts_find(e->full_name);
	learn_channels(e, c);
	if (c->facts == NULL) {
		return;
	}
	words = slice_str(c->facts->acl != NULL ? c->facts->acl : "");
	while (facts_word(&words, ' ', &word)) {
		size_t at = acl_category_find(word);

		c->categories |= at < ACL_CATEGORIES ? UINT32_C(1) << at : 0;
	}
	if (c->facts->keys == NULL || strncmp(c->facts->keys, "not_key", 7) == 0) {
		return;
	}
	c->keys = true;
	c->exact = command_has_exact_flags(e->full_name);
	c->plain = is_plain(e, c);
	words = slice_str(c->facts->keys);
	if (c->plain && key_spec_next(&words, &k)) {
		c->use = use_of(k.flags);
	}
}

const struct acl_command *acl_command_of(struct acl *a, const struct command_entry *e)
{
	struct acl_command *c = &a->commands[e->index];

	if (!c->known) {
		learn(e, c);
	}
	return c;
}

/* --- one selector --- */

/* A request, and how far one selector lets it go. */
struct check {
	const struct acl_selector *selector;
	const struct command_entry *entry;
	const struct acl_command *command;
	const struct slice *argv;
	size_t argc;
	struct slice denied;
};

static bool command_ok(const struct check *c)
{
	const struct acl_selector *s = c->selector;
	uint32_t index = c->entry->index;

	if ((s->commands[index / 64] >> (index % 64) & 1) != 0 ||
	    (c->entry->cmd->flags & CMD_NO_AUTH) != 0) {
		return true;
	}
	for (size_t i = 0; c->argc > 1 && i < byte_list_count(&s->first_args); i++) {
		struct slice word = byte_list_at(&s->first_args, i);
		uint32_t of;

		memcpy(&of, s->first_args_of.data + i * sizeof of, sizeof of);
		if (of == index && words_same(word, c->argv[1])) {
			return true;
		}
	}
	return false;
}

static bool key_ok(const struct acl_selector *s, struct slice key, uint8_t use)
{
	for (size_t i = 0; i < byte_list_count(&s->keys); i++) {
		if ((s->keys_use.data[i] & use) == use &&
		    glob_match(byte_list_at(&s->keys, i), key, false)) {
			return true;
		}
	}
	return false;
}

static bool key_of_spec_ok(void *arg, struct slice key, struct slice flags)
{
	struct check *c = arg;

	if (c->command->exact) {
		flags = command_exact_flags(c->entry->full_name, flags, c->argv, c->argc);
	}
	c->denied = key;
	return key_ok(c->selector, key, use_of(flags));
}

static bool keys_ok(struct check *c)
{
	if (c->selector->all_keys || !c->command->keys) {
		return true;
	}
	if (!c->command->plain) {
		/* What makes no sense is refused by the command itself. */
		return command_keys_each_of(c->command->facts, c->argv, c->argc, false,
					    key_of_spec_ok, c) != ST_END;
	}
	for (size_t at = 0; command_key_next(c->entry->cmd, c->argc, &at);) {
		if (!key_ok(c->selector, c->argv[at], c->command->use)) {
			c->denied = c->argv[at];
			return false;
		}
	}
	return true;
}

static bool channel_ok(const struct acl_selector *s, struct slice channel, bool pattern)
{
	if (s->all_channels) {
		return true;
	}
	for (size_t i = 0; i < byte_list_count(&s->channels); i++) {
		struct slice allowed = byte_list_at(&s->channels, i);

		if (pattern ? slice_eq(allowed, channel) : glob_match(allowed, channel, false)) {
			return true;
		}
	}
	return false;
}

static bool channels_ok(struct check *c)
{
	size_t end = c->command->one ? 2 : c->argc;

	for (size_t i = 1; c->command->channels && i < end && i < c->argc; i++) {
		if (!channel_ok(c->selector, c->argv[i], c->command->patterns)) {
			c->denied = c->argv[i];
			return false;
		}
	}
	return true;
}

static enum acl_denial check_selector(struct check *c)
{
	if (!command_ok(c)) {
		return ACL_DENIED_COMMAND;
	}
	if (!keys_ok(c)) {
		return ACL_DENIED_KEY;
	}
	return channels_ok(c) ? ACL_ALLOWED : ACL_DENIED_CHANNEL;
}

/* --- a user --- */

/* The index of the argument that a slice was taken from. */
static size_t arg_of(const struct check *c, struct slice s)
{
	size_t i = 0;

	while (i < c->argc && c->argv[i].data != s.data) {
		i++;
	}
	return i;
}

enum acl_denial acl_check(struct acl *a, const struct acl_user *u, const struct command_entry *e,
			  const struct slice *argv, size_t argc, struct slice *object)
{
	struct check c = {.entry = e, .command = acl_command_of(a, e), .argv = argv, .argc = argc};
	enum acl_denial worst = ACL_DENIED_COMMAND;
	size_t farthest = 0;

	*object = slice_of(NULL, 0);
	for (size_t i = 0; i < u->selectors_count; i++) {
		enum acl_denial found;
		size_t at;

		c.selector = &u->selectors[i];
		found = check_selector(&c);
		if (found == ACL_ALLOWED) {
			return ACL_ALLOWED;
		}
		/* Told is what the selector that let most of it pass says. */
		at = found == ACL_DENIED_COMMAND ? 0 : arg_of(&c, c.denied);
		if (found > worst || (found == worst && at > farthest)) {
			worst = found;
			farthest = at;
			*object = c.denied;
		}
	}
	return worst;
}

bool acl_reads_all_keys(struct acl *a, const struct acl_user *u, const struct command_entry *e,
			const struct slice *argv, size_t argc)
{
	struct check c = {.entry = e, .command = acl_command_of(a, e), .argv = argv, .argc = argc};

	for (size_t i = 0; i < u->selectors_count; i++) {
		const struct acl_selector *s = &u->selectors[i];
		bool all = s->all_keys;

		for (size_t k = 0; !all && k < byte_list_count(&s->keys); k++) {
			all = (s->keys_use.data[k] & ACL_READ) != 0 &&
			      slice_eq(byte_list_at(&s->keys, k), slice_str("*"));
		}
		c.selector = s;
		if (all && check_selector(&c) == ACL_ALLOWED) {
			return true;
		}
	}
	return false;
}

bool acl_channel_ok(const struct acl_user *u, struct slice channel, bool pattern)
{
	for (size_t i = 0; i < u->selectors_count; i++) {
		if (channel_ok(&u->selectors[i], channel, pattern)) {
			return true;
		}
	}
	return false;
}
