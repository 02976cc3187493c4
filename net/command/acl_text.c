/* Users as text: what ACL LIST and ACL GETUSER say of them, and the lines of an aclfile. */
#include "engine/base/alloc.h"
#include "net/command/acl_impl.h"

enum { WORDS_FIRST = 32 };

/* --- writing --- */

static enum status put(struct buf *out, struct slice bytes)
{
	return bytes.len == 0 ? ST_OK : buf_append(out, bytes.data, bytes.len);
}

static enum status put_text(struct buf *out, const char *text)
{
	return buf_append(out, text, strlen(text));
}

void acl_hash_text(const uint8_t hash[ACL_HASH_LEN], char text[2 * ACL_HASH_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < ACL_HASH_LEN; i++) {
		text[2 * i] = digits[hash[i] >> 4];
		text[2 * i + 1] = digits[hash[i] & 15];
	}
	text[(size_t)2 * ACL_HASH_LEN] = 0;
}

enum status acl_describe_commands(const struct acl_selector *s, struct buf *out)
{
	enum status st = put_text(out, s->future ? "+@all" : "-@all");

	if (st == ST_OK && s->rules.len > 0) {
		st = put_text(out, " ");
		st = st == ST_OK ? put(out, buf_slice(&s->rules)) : st;
	}
	return st;
}

enum status acl_describe_keys(const struct acl_selector *s, struct buf *out)
{
	static const char *const prefixes[] = {
	    [ACL_READ] = "%R~", [ACL_WRITE] = "%W~", [ACL_READ_WRITE] = "~"};
	enum status st = s->all_keys ? put_text(out, "~*") : ST_OK;

	for (size_t i = 0; st == ST_OK && i < byte_list_count(&s->keys); i++) {
		st = i > 0 ? put_text(out, " ") : ST_OK;
		st = st == ST_OK ? put_text(out, prefixes[s->keys_use.data[i]]) : st;
		st = st == ST_OK ? put(out, byte_list_at(&s->keys, i)) : st;
	}
	return st;
}

enum status acl_describe_channels(const struct acl_selector *s, struct buf *out)
{
	enum status st = s->all_channels ? put_text(out, "&*") : ST_OK;

	for (size_t i = 0; st == ST_OK && i < byte_list_count(&s->channels); i++) {
		st = put_text(out, i > 0 ? " &" : "&");
		st = st == ST_OK ? put(out, byte_list_at(&s->channels, i)) : st;
	}
	return st;
}

/* "~keys &channels -@all +commands" */
static enum status describe_selector(const struct acl_selector *s, struct buf *out)
{
	size_t at = out->len;
	enum status st = acl_describe_keys(s, out);

	if (st == ST_OK && out->len > at) {
		st = put_text(out, " ");
	}
	if (st == ST_OK && !s->all_channels) {
		st = put_text(out, "resetchannels ");
	}
	at = out->len;
	st = st == ST_OK ? acl_describe_channels(s, out) : st;
	if (st == ST_OK && out->len > at) {
		st = put_text(out, " ");
	}
	return st == ST_OK ? acl_describe_commands(s, out) : st;
}

enum status acl_describe(const struct acl_user *u, struct buf *out)
{
	enum status st = buf_printf(
	    out, "user %s %s%s %s ", u->name, u->enabled ? "on" : "off", u->nopass ? " nopass" : "",
	    u->skip_sanitize ? "skip-sanitize-payload" : "sanitize-payload");

	for (size_t at = 0; st == ST_OK && at < u->passwords.len; at += ACL_HASH_LEN) {
		char hash[2 * ACL_HASH_LEN + 1];

		acl_hash_text(u->passwords.data + at, hash);
		st = buf_printf(out, "#%s ", hash);
	}
	for (size_t i = 0; st == ST_OK && i < u->selectors_count; i++) {
		st = i > 0 ? put_text(out, " (") : ST_OK;
		st = st == ST_OK ? describe_selector(&u->selectors[i], out) : st;
		st = st == ST_OK && i > 0 ? put_text(out, ")") : st;
	}
	return st;
}

enum status acl_write(const struct acl *a, struct buf *out)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < a->users_count; i++) {
		st = acl_describe(a->users[i], out);
		st = st == ST_OK ? put_text(out, "\n") : st;
	}
	return st;
}

/* --- reading --- */

/* The modifiers of a line, joined and applied; the first that is wrong ends it. */
static enum status apply_words(struct acl *fresh, struct acl_user *u, const struct slice *words,
			       size_t count, struct buf *error)
{
	struct slice *joined = mem_calloc(count + 1, sizeof *joined);
	struct byte_list store = {0};
	const char *reason = NULL;
	size_t n = 0, i = 0;
	enum status st =
	    joined == NULL ? ST_NO_MEMORY : acl_join_selectors(words, count, joined, &n, &store);

	if (st == ST_INVALID) {
		buf_note(error, "Unmatched parenthesis in selector definition");
	}
	while (st == ST_OK && i < n) {
		st = acl_user_rule(fresh, u, joined[i], &reason);
		i++;
	}
	if (reason != NULL && st == ST_INVALID) {
		/* A password is not told: the text may end up in a log. */
		bool secret =
		    joined[i - 1].len > 0 && memchr("><#!", joined[i - 1].data[0], 4) != NULL;

		buf_note(error, "Error in applying operation '%.*s': %s",
			 secret ? 1 : (int)joined[i - 1].len,
			 joined[i - 1].len > 0 ? (const char *)joined[i - 1].data : "", reason);
	}
	byte_list_deinit(&store);
	mem_free(joined);
	return st;
}

enum status acl_read_user(struct acl *fresh, const struct slice *words, size_t count,
			  struct buf *error)
{
	struct acl_user *u, *old;
	enum status st;

	if (count == 0 || words[0].len == 0 || !acl_name_ok(words[0])) {
		buf_note(error, "the name of a user can't be empty, nor hold spaces");
		return ST_INVALID;
	}
	old = acl_find(fresh, words[0]);
	if (old != NULL && old != fresh->standard) {
		buf_note(error, "Duplicate user '%s' found", old->name);
		return ST_INVALID;
	}
	st = acl_user_create(fresh, words[0], &u);
	if (st != ST_OK) {
		return st;
	}
	st = apply_words(fresh, u, words + 1, count - 1, error);
	if (st == ST_OK && old != NULL) {
		acl_user_swap(old, u);
		fresh->standard = NULL; /* defined now, and only once */
		acl_user_destroy(u);
		return ST_OK;
	}
	st = st == ST_OK ? acl_add(fresh, u) : st;
	if (st != ST_OK) {
		acl_user_destroy(u);
	}
	return st;
}

static struct slice trimmed(struct slice line)
{
	while (line.len > 0 && memchr(" \t\r", line.data[0], 3) != NULL) {
		line = slice_skip(line, 1);
	}
	while (line.len > 0 && memchr(" \t\r", line.data[line.len - 1], 3) != NULL) {
		line.len--;
	}
	return line;
}

/* The words of a line, in an array that the caller frees. NULL: out of memory. */
static struct slice *split(struct slice line, size_t *count)
{
	size_t cap = WORDS_FIRST;
	struct slice *words = mem_alloc(cap * sizeof *words);

	*count = 0;
	while (words != NULL && line.len > 0) {
		const uint8_t *end = memchr(line.data, ' ', line.len);
		size_t len = end == NULL ? line.len : (size_t)(end - line.data);

		if (*count == cap) {
			struct slice *grown = mem_realloc(words, 2 * cap * sizeof *words);

			if (grown == NULL) {
				mem_free(words);
				return NULL;
			}
			words = grown;
			cap *= 2;
		}
		if (len > 0) {
			words[(*count)++] = slice_of(line.data, len);
		}
		line = slice_skip(line, len < line.len ? len + 1 : len);
	}
	return words;
}

static enum status read_line(struct acl *fresh, const char *file, size_t number, struct slice line,
			     struct buf *error)
{
	struct buf why = {0};
	struct slice *words;
	size_t count;
	enum status st = ST_INVALID;

	line = trimmed(line);
	if (line.len == 0 || line.data[0] == '#') {
		return ST_OK;
	}
	words = split(line, &count);
	if (words == NULL) {
		return ST_NO_MEMORY;
	}
	if (count < 2 || !slice_eq(words[0], slice_str("user"))) {
		buf_note(&why, "line should start with user keyword followed by the username");
	} else {
		st = acl_read_user(fresh, words + 1, count - 1, &why);
	}
	if (st == ST_INVALID) {
		buf_note(error, "%s:%zu: %.*s. ", file, number, (int)why.len,
			 why.len > 0 ? (const char *)why.data : "");
	}
	buf_deinit(&why);
	mem_free(words);
	return st;
}

enum status acl_read(struct acl *fresh, const char *file, struct slice text, struct buf *error)
{
	enum status all = ST_OK;

	for (size_t number = 1; text.len > 0; number++) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t len = end == NULL ? text.len : (size_t)(end - text.data);
		enum status st = read_line(fresh, file, number, slice_of(text.data, len), error);

		if (st != ST_OK && st != ST_INVALID) {
			return st;
		}
		all = st != ST_OK ? st : all; /* all bad lines are told */
		text = slice_skip(text, len < text.len ? len + 1 : len);
	}
	return all;
}
