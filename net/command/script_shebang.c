/* Shebang lines. */
#include "net/command/script_shebang.h"

#include "engine/base/alloc.h"
#include "net/proto/quoted_words.h"

#include <stdio.h>
#include <strings.h>

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

/* --- libraries --- */

bool script_name_ok(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t b = name.data[i], lower = b | 0x20;

		if (!(lower >= 'a' && lower <= 'z') && !(b >= '0' && b <= '9') && b != '_') {
			return false;
		}
	}
	return name.len > 0;
}

/* What follows the engine's name, one word after the other. */
static enum status read_options(struct slice line, size_t at, char *word, struct buf *name,
				struct buf *error)
{
	static const char option[] = "name=";
	const size_t option_len = sizeof option - 1;
	bool named = false;
	enum status st;
	size_t len;

	while ((st = quoted_word_next(line.data, line.len, &at, word, &len)) == ST_OK) {
		if (len < option_len || strncasecmp(word, option, option_len) != 0) {
			buf_note(error, "ERR Invalid metadata value given: %.*s", (int)len, word);
			return ST_INVALID;
		}
		if (named) {
			buf_note(error, "ERR Invalid metadata value, name argument was given "
					"multiple times");
			return ST_INVALID;
		}
		named = true;
		st = buf_append(name, word + option_len, len - option_len);
		if (st != ST_OK) {
			buf_note(error, "OOM out of memory: the library was not loaded");
			return st;
		}
	}
	if (!named) {
		buf_note(error, "ERR Library name was not given");
		return ST_INVALID;
	}
	return ST_OK;
}

/* word has room for the line. */
static enum status read_library_line(struct slice line, char *word, struct buf *name,
				     struct buf *error)
{
	size_t at = 0, len;
	char engine[64]; /* as far as an error shows it */
	bool lua;
	enum status st;

	if (!well_quoted(line, word)) {
		buf_note(error, "ERR Invalid library metadata");
		return ST_INVALID;
	}
	st = quoted_word_next(line.data, line.len, &at, word, &len);
	if (st != ST_OK || len < 2) { /* the mark may have been quoted away */
		buf_note(error, "ERR Invalid library metadata");
		return ST_INVALID;
	}
	lua = len == 5 && strncasecmp(word + 2, "lua", 3) == 0;
	(void)snprintf(engine, sizeof engine, "%.*s", (int)(len - 2), word + 2);
	st = read_options(line, at, word, name, error);
	if (st != ST_OK) {
		return st;
	}
	if (!script_name_ok(buf_slice(name))) {
		buf_note(error, "ERR " SCRIPT_NAME_ERROR);
		return ST_INVALID;
	}
	if (!lua) {
		buf_note(error, "ERR Engine '%s' not found", engine);
		return ST_INVALID;
	}
	return ST_OK;
}

enum status script_library_head(struct slice code, struct library_head *head, struct buf *error)
{
	const uint8_t *end;
	struct slice line;
	enum status st;
	char *word;

	if (code.len < 2 || memcmp(code.data, "#!", 2) != 0) {
		buf_note(error, "ERR Missing library metadata");
		return ST_INVALID;
	}
	end = memchr(code.data, '\n', code.len);
	if (end == NULL || memchr(code.data, 0, (size_t)(end - code.data)) != NULL) {
		buf_note(error, "ERR Invalid library metadata");
		return ST_INVALID;
	}
	line = slice_of(code.data, (size_t)(end - code.data));
	head->body = slice_skip(code, line.len);
	word = mem_alloc(line.len);
	if (word == NULL) {
		buf_note(error, "OOM out of memory: the library was not loaded");
		return ST_NO_MEMORY;
	}
	st = read_library_line(line, word, &head->name, error);
	mem_free(word);
	return st;
}
