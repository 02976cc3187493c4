/* Shebang lines. */
#include "net/command/script_shebang.h"

#include "engine/base/alloc.h"
#include "net/proto/quoted_words.h"

#include <stdio.h>

const char *const script_flag_names[] = {
    "no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys", NULL};

unsigned script_flag_of(struct slice name)
{
	for (unsigned i = 0; script_flag_names[i] != NULL; i++) {
		if (slice_eq(name, slice_str(script_flag_names[i]))) {
			return 1u << i;
		}
	}
	return 0;
}

/* Takes the text up to sep, or all, off the front. */
static struct slice take(struct slice *text, char sep)
{
	const uint8_t *end = text->len > 0 ? memchr(text->data, sep, text->len) : NULL;
	struct slice word = *text;

	if (end == NULL) {
		*text = slice_skip(*text, text->len);
		return word;
	}
	word.len = (size_t)(end - text->data);
	*text = slice_skip(*text, word.len + 1);
	return word;
}

static enum status refuse(char *error, size_t cap, const char *what, struct slice word)
{
	(void)snprintf(error, cap, "ERR %s: %.*s", what, (int)(word.len < 128 ? word.len : 128),
		       (const char *)word.data);
	return ST_INVALID;
}

static enum status read_flags(struct slice list, unsigned *flags, char *error, size_t cap)
{
	const uint8_t *end = list.data + list.len;

	while (list.len > 0) {
		struct slice name = take(&list, ',');
		unsigned flag = script_flag_of(name);

		/* A comma at the end has an empty name behind it. */
		if (flag != 0 && list.len == 0 && name.data + name.len < end) {
			name.len = 0;
			flag = 0;
		}
		if (flag == 0) {
			return refuse(error, cap, "Unexpected flag in script shebang", name);
		}
		*flags |= flag;
	}
	return ST_OK;
}

/* The words of the line, one after the other in word, which has room for them. */
static enum status read_line(struct slice line, char *word, unsigned *flags, char *error,
			     size_t cap)
{
	struct slice flags_word = slice_str("flags="), text;
	size_t at = 0, len;
	enum status st = quoted_word_next(line.data, line.len, &at, word, &len);

	if (st == ST_OK && !slice_eq(slice_of(word, len), slice_str("#!lua"))) {
		return refuse(error, cap, "Unexpected engine in script shebang",
			      slice_of(word, len));
	}
	while (st == ST_OK) {
		st = quoted_word_next(line.data, line.len, &at, word, &len);
		text = slice_of(word, len);
		if (st != ST_OK) {
			break;
		}
		if (!slice_has_prefix(text, flags_word)) {
			return refuse(error, cap, "Unknown lua shebang option", text);
		}
		if (read_flags(slice_skip(text, flags_word.len), flags, error, cap) != ST_OK) {
			return ST_INVALID;
		}
	}
	return st == ST_END ? ST_OK : st;
}

/* A line whose quotes do not match is none at all, whatever stands before them. */
static bool well_quoted(struct slice line, char *word)
{
	size_t at = 0, len;
	enum status st;

	do {
		st = quoted_word_next(line.data, line.len, &at, word, &len);
	} while (st == ST_OK);
	return st == ST_END;
}

enum status script_shebang_read(struct slice body, unsigned *flags, struct slice *code, char *error,
				size_t error_cap)
{
	static const struct slice mark = {(const uint8_t *)"#!", 2};
	struct slice line;
	const uint8_t *end;
	enum status st;
	char *word;

	*flags = SCRIPT_PLAIN;
	*code = body;
	if (!slice_has_prefix(body, mark)) {
		return ST_OK;
	}
	end = memchr(body.data, '\n', body.len);
	if (end == NULL) {
		(void)snprintf(error, error_cap, "ERR Invalid script shebang");
		return ST_INVALID;
	}
	line = slice_of(body.data, (size_t)(end - body.data));
	*code = slice_skip(body, line.len);
	*flags = 0;
	word = mem_alloc(line.len);
	if (word == NULL) {
		(void)snprintf(error, error_cap, "OOM out of memory: the script was not compiled");
		return ST_INVALID;
	}
	if (well_quoted(line, word)) {
		st = read_line(line, word, flags, error, error_cap);
	} else {
		(void)snprintf(error, error_cap, "ERR Invalid engine in script shebang");
		st = ST_INVALID;
	}
	mem_free(word);
	return st;
}
