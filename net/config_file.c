/* Configuration from text: redis.conf-style files, stdin, and redis-server-style arguments. */
#include "engine/base/alloc.h"
#include "net/command/command_groups.h"
#include "net/config_impl.h"
#include "net/proto/quoted_words.h"

#include <ctype.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { FILE_MAX = 16 << 20, INCLUDE_DEPTH = 16 };

/* --- words --- */

enum status config_split(const char *line, size_t len, struct slice words[LINE_WORDS_MAX],
			 size_t *count, char *store)
{
	size_t at = 0, used = 0;

	*count = 0;
	for (;;) {
		size_t n;
		enum status st =
		    quoted_word_next((const uint8_t *)line, len, &at, store + used, &n);

		if (st == ST_END) {
			return ST_OK;
		}
		if (st != ST_OK || *count == LINE_WORDS_MAX) {
			return ST_INVALID;
		}
		words[(*count)++] = slice_of(store + used, n);
		used += n;
	}
}

enum status config_split_blanks(struct slice line, struct slice words[LINE_WORDS_MAX],
				size_t *count)
{
	size_t at = 0;

	*count = 0;
	while (at < line.len) {
		size_t begin;

		while (at < line.len && isspace(line.data[at])) {
			at++;
		}
		begin = at;
		while (at < line.len && !isspace(line.data[at])) {
			at++;
		}
		if (at > begin && *count == LINE_WORDS_MAX) {
			return ST_INVALID;
		}
		if (at > begin) {
			words[(*count)++] = slice_of(line.data + begin, at - begin);
		}
	}
	if (*count == 0) {
		words[(*count)++] = slice_of(line.data, 0); /* an empty value is a value */
	}
	return ST_OK;
}

enum status config_quote(struct buf *out, const char *word)
{
	enum status st = buf_append(out, "\"", 1);

	for (; st == ST_OK && *word != 0; word++) {
		uint8_t b = (uint8_t)*word;

		if (b == '"' || b == '\\') {
			st = buf_printf(out, "\\%c", b);
		} else if (b < 0x20 || b == 0x7f) {
			st = buf_printf(out, "\\x%02x", b);
		} else {
			st = buf_append(out, &b, 1);
		}
	}
	return st == ST_OK ? buf_append(out, "\"", 1) : st;
}

/* --- lines --- */

/* Reads the files that match a pattern; one that is no pattern has to be there. */
static enum status include(struct config *c, struct slice path, struct buf *error,
			   const char **reason)
{
	const char *outer = c->reading;
	char name[PATH_MAX];
	glob_t found;
	enum status st = ST_OK;

	*reason = "too many nested includes, or a path that is too long";
	if (path.len >= sizeof name || c->depth >= INCLUDE_DEPTH) {
		return ST_INVALID;
	}
	memcpy(name, path.data, path.len);
	name[path.len] = 0;
	if (strpbrk(name, "*?[") == NULL) {
		c->reading = name;
		st = config_read_file(c, name, error);
		c->reading = outer;
		return st;
	}
	switch (glob(name, 0, NULL, &found)) {
	case 0:
		break;
	case GLOB_NOMATCH:
		return ST_OK;
	default:
		*reason = "the files to include can't be listed";
		return ST_INVALID;
	}
	for (size_t i = 0; st == ST_OK && i < found.gl_pathc; i++) {
		c->reading = found.gl_pathv[i];
		st = config_read_file(c, found.gl_pathv[i], error);
	}
	c->reading = outer;
	globfree(&found);
	return st;
}

/* save lines add up; the first one replaces the default. */
static enum status add_save(struct config *c, const struct slice *words, size_t count,
			    const char **reason)
{
	struct slice all[LINE_WORDS_MAX];
	char *store = NULL;
	size_t n = 0;
	enum status st = ST_OK;

	if (c->given[CONFIG_SAVE] && !(count == 1 && words[0].len == 0)) {
		const char *old = c->text[CONFIG_SAVE];

		store = mem_alloc(strlen(old) + 1);
		st = store == NULL ? ST_NO_MEMORY : config_split(old, strlen(old), all, &n, store);
	}
	*reason = "Invalid save parameters";
	for (size_t i = 0; st == ST_OK && i < count; i++) {
		if (n == LINE_WORDS_MAX) {
			st = ST_INVALID;
		} else {
			all[n++] = words[i];
		}
	}
	if (st == ST_OK) {
		st = config_assign(c, CONFIG_SAVE, all, n, reason);
	}
	mem_free(store);
	return st;
}

static enum status add_rename(struct config *c, struct slice from, struct slice to)
{
	struct config_rename *grown =
	    mem_realloc(c->renames, (c->renames_count + 1) * sizeof *grown);
	struct config_rename *r;

	if (grown == NULL) {
		return ST_NO_MEMORY;
	}
	c->renames = grown;
	r = &grown[c->renames_count];
	r->from = mem_calloc(1, from.len + 1);
	r->to = mem_calloc(1, to.len + 1);
	if (r->from == NULL || r->to == NULL) {
		mem_free(r->from);
		mem_free(r->to);
		return ST_NO_MEMORY;
	}
	memcpy(r->from, from.data, from.len);
	memcpy(r->to, to.data, to.len);
	c->renames_count++;
	return ST_OK;
}

/* What redis.conf knows and Cairn does not have: said so, not called unknown. */
static const char *refusal(struct slice name)
{
	static const struct {
		const char *name, *reason;
	} refused[] = {
	    {"loadmodule", "Cairn has no modules"},
	    {"sentinel", "Cairn is no sentinel"},
	};

	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		if (word_is(name, refused[i].name)) {
			return refused[i].reason;
		}
	}
	return "Bad directive or wrong number of arguments";
}

struct slice config_user_of(struct slice line)
{
	if (line.len < 4 || !word_is(slice_of(line.data, 4), "user") ||
	    (line.len > 4 && !isblank(line.data[4]))) {
		return slice_of(NULL, 0);
	}
	return slice_skip(line, 4);
}

/* Users are read when there are commands that they may run. */
static enum status add_user(struct config *c, struct slice rest)
{
	struct slice *grown = mem_realloc(c->users, (c->users_count + 1) * sizeof *grown);
	uint8_t *copy = mem_alloc(rest.len + 1);

	if (grown != NULL) {
		c->users = grown;
	}
	if (grown == NULL || copy == NULL) {
		mem_free(copy);
		return ST_NO_MEMORY;
	}
	if (rest.len > 0) {
		memcpy(copy, rest.data, rest.len);
	}
	c->users[c->users_count++] = slice_of(copy, rest.len);
	return ST_OK;
}

static enum status apply_words(struct config *c, const struct slice *words, size_t count,
			       struct buf *error, const char **reason)
{
	struct slice split[LINE_WORDS_MAX];
	enum config_id id;
	enum status st = ST_OK;

	if (word_is(words[0], "include") && count == 2) {
		return include(c, words[1], error, reason);
	}
	if (word_is(words[0], "rename-command") && count == 3) {
		return add_rename(c, words[1], words[2]);
	}
	id = config_find(words[0]);
	*reason = id == CONFIG_COUNT ? refusal(words[0]) : "wrong number of arguments";
	if (id == CONFIG_COUNT || count < 2) {
		return ST_INVALID;
	}
	words++;
	count--;
	if (count == 1 && config_many_words(id)) {
		st = config_split_blanks(words[0], split, &count);
		words = split;
	}
	if (st == ST_OK) {
		st = id == CONFIG_SAVE ? add_save(c, words, count, reason)
				       : config_assign(c, id, words, count, reason);
	}
	c->given[id] |= st == ST_OK;
	return st;
}

static void say_fatal(struct buf *error, const char *where, int line_number, const char *line,
		      size_t len, const char *reason)
{
	buf_note(error,
		 "*** FATAL CONFIG FILE ERROR (Redis " REDIS_COMPAT_VERSION
		 ") ***\nReading %s, at line %d\n>>> '%.*s'\n%s",
		 where, line_number, (int)len, line, reason);
}

static enum status apply_line(struct config *c, const char *where, int line_number, char *line,
			      size_t len, struct buf *error)
{
	struct slice words[LINE_WORDS_MAX];
	const char *reason = "Unbalanced quotes in configuration line";
	struct slice user;
	char *store;
	size_t count;
	enum status st;

	while (len > 0 &&
	       (line[len - 1] == '\r' || line[len - 1] == ' ' || line[len - 1] == '\t')) {
		len--;
	}
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	if (len == 0 || *line == '#') {
		return ST_OK;
	}
	user = config_user_of(slice_of(line, len));
	if (user.data != NULL) {
		return add_user(c, user);
	}
	store = mem_alloc(len + 1);
	if (store == NULL) {
		return ST_NO_MEMORY;
	}
	st = config_split(line, len, words, &count, store);
	if (st == ST_OK && count > 0) {
		st = apply_words(c, words, count, error, &reason);
	}
	mem_free(store);
	if (st != ST_OK && error->len == 0) {
		say_fatal(error, where, line_number, line, len, reason);
	}
	return st;
}

enum status config_read_text(const char *path, const char *what, struct buf *text,
			     struct buf *error)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	enum status st = ST_OK;

	if (f == NULL) {
		buf_note(error, "Fatal error, can't open %s '%s': %m", what, path);
		return ST_NOT_FOUND;
	}
	while (st == ST_OK && text->len < FILE_MAX) {
		size_t n;

		st = buf_reserve(text, 4096);
		if (st != ST_OK) {
			break;
		}
		n = fread(text->data + text->len, 1, 4096, f);
		if (n == 0) {
			break;
		}
		text->len += n;
	}
	if (st == ST_OK && ferror(f) != 0) {
		buf_note(error, "Fatal error, can't read %s '%s': %m", what, path);
		st = ST_IO;
	}
	if (st == ST_OK && text->len >= FILE_MAX) {
		buf_note(error, "Fatal error, %s '%s' is over 16 MiB", what, path);
		st = ST_LIMIT;
	}
	if (f != stdin) {
		(void)fclose(f);
	}
	return st;
}

static enum status apply_text(struct config *c, const char *where, struct buf *text,
			      struct buf *error)
{
	size_t at = 0;
	int line_number = 0;
	enum status st = ST_OK;

	while (st == ST_OK && at < text->len) {
		uint8_t *line = text->data + at;
		uint8_t *end = memchr(line, '\n', text->len - at);
		size_t len = end == NULL ? text->len - at : (size_t)(end - line);

		line_number++;
		at += len + 1;
		st = apply_line(c, where, line_number, (char *)line, len, error);
	}
	return st;
}

enum status config_read_file(struct config *c, const char *path, struct buf *error)
{
	struct buf text = {0};
	char where[PATH_MAX + 32];
	enum status st = config_read_text(path, "config file", &text, error);

	(void)snprintf(where, sizeof where, "the configuration file%s%s",
		       c->reading != NULL ? " " : "", c->reading != NULL ? c->reading : "");
	c->depth++;
	if (st == ST_OK) {
		st = apply_text(c, where, &text, error);
	}
	c->depth--;
	buf_deinit(&text);
	return st;
}

/* --- arguments --- */

/* "--name": a line of its own begins. True: its value is still to come, whatever it looks like. */
static enum status begin_option(struct buf *text, int argc, char **argv, int i, bool *value_wanted)
{
	const char *name = argv[i] + 2;
	bool last = i + 1 == argc || strncmp(argv[i + 1], "--", 2) == 0;
	enum status st = buf_printf(text, "%s%s", text->len == 0 ? "" : "\n", name);

	/* "--port 7000" may be one argument, and "--save" alone turns saving off. */
	*value_wanted = strpbrk(name, " \t") == NULL;
	if (st == ST_OK && last && strcasecmp(name, "save") == 0) {
		*value_wanted = false;
		st = buf_append(text, " \"\"", 3);
	}
	return st;
}

static enum status args_to_text(int argc, char **argv, struct buf *text)
{
	enum status st = ST_OK;
	bool value_wanted = false;

	for (int i = 0; st == ST_OK && i < argc; i++) {
		if (strncmp(argv[i], "--", 2) == 0 && !value_wanted) {
			st = begin_option(text, argc, argv, i, &value_wanted);
			continue;
		}
		st = buf_append(text, " ", 1);
		if (st == ST_OK) {
			st = config_quote(text, argv[i]);
		}
		value_wanted = false;
	}
	return st;
}

/* The file's name stays as it is from wherever the node goes. */
static enum status remember_file(struct config *c, const char *name, struct buf *error)
{
	char full[PATH_MAX];

	if (realpath(name, full) == NULL) {
		buf_note(error, "Fatal error, can't open config file '%s': %m", name);
		return ST_NOT_FOUND;
	}
	mem_free(c->file);
	c->file = mem_strdup(full);
	return c->file == NULL ? ST_NO_MEMORY : ST_OK;
}

enum status config_read_args(struct config *c, int argc, char **argv, struct buf *error)
{
	struct buf text = {0};
	enum status st = ST_OK;

	if (argc > 0 && argv[0][0] != '-') {
		st = remember_file(c, argv[0], error);
		if (st == ST_OK) {
			st = config_read_file(c, c->file, error);
		}
		argc--;
		argv++;
	}
	/* Standard input comes after the file and before the options, wherever it is named. */
	if (st == ST_OK && argc > 0 && strcmp(argv[0], "-") == 0) {
		st = config_read_file(c, "-", error);
		argc--;
		argv++;
	} else if (st == ST_OK && argc > 0 && strcmp(argv[argc - 1], "-") == 0) {
		st = config_read_file(c, "-", error);
		argc--;
	}
	if (st == ST_OK) {
		st = args_to_text(argc, argv, &text);
	}
	if (st == ST_OK) {
		st = apply_text(c, "the command line", &text, error);
	}
	buf_deinit(&text);
	return st;
}
