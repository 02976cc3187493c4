/* Configuration as a whole: defaults, file, arguments, changes at run time. */
#include "net/config.h"

#include "engine/base/alloc.h"
#include "net/proto/quoted_words.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum { LINE_WORDS_MAX = 33, FILE_MAX = 16 << 20, INCLUDE_DEPTH = 16 };

static enum status assign(struct config *c, enum config_id id, const struct slice *words,
			  size_t count, const char **reason)
{
	char *text;
	int64_t number;
	enum status st = config_parse(c, id, words, count, &text, &number, reason);

	if (st != ST_OK) {
		return st;
	}
	mem_free(c->text[id]);
	c->text[id] = text;
	c->number[id] = number;
	return ST_OK;
}

/* Splits a line into words in place; quoted_word_next never writes more than it read. */
static enum status split(char *line, size_t len, struct slice words[LINE_WORDS_MAX], size_t *count,
			 char *store)
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

enum status config_init(struct config *c)
{
	*c = (struct config){0};
	for (int id = 0; id < CONFIG_COUNT; id++) {
		char line[256], store[512];
		struct slice words[LINE_WORDS_MAX] = {{0}};
		size_t count;
		const char *reason;
		enum status st;

		(void)snprintf(line, sizeof line, "%s", config_default((enum config_id)id));
		if (!config_many_words((enum config_id)id) || line[0] == 0) {
			words[0] = slice_str(line);
			count = 1;
		} else if (split(line, strlen(line), words, &count, store) != ST_OK) {
			return ST_INVALID;
		}
		st = assign(c, (enum config_id)id, words, count, &reason);
		if (st != ST_OK) {
			return st;
		}
	}
	return ST_OK;
}

void config_deinit(struct config *c)
{
	for (int id = 0; id < CONFIG_COUNT; id++) {
		mem_free(c->text[id]);
	}
	mem_free(c->file);
	*c = (struct config){0};
}

/* --- lines --- */

static enum status include(struct config *c, struct slice path, struct buf *error,
			   const char **reason)
{
	char name[PATH_MAX];

	*reason = "too many nested includes, or a path that is too long";
	if (path.len >= sizeof name || c->depth >= INCLUDE_DEPTH) {
		return ST_INVALID;
	}
	memcpy(name, path.data, path.len);
	name[path.len] = 0;
	return config_read_file(c, name, error);
}

/* save lines add up; the first one replaces the default. */
static enum status add_save(struct config *c, const struct slice *words, size_t count,
			    const char **reason)
{
	struct slice all[LINE_WORDS_MAX];
	char old[512], store[1024];
	size_t n = 0;

	if (c->given[CONFIG_SAVE] && !(count == 1 && words[0].len == 0)) {
		(void)snprintf(old, sizeof old, "%s", c->text[CONFIG_SAVE]);
		if (split(old, strlen(old), all, &n, store) != ST_OK) {
			return ST_INVALID;
		}
	}
	*reason = "Invalid save parameters";
	for (size_t i = 0; i < count; i++) {
		if (n == LINE_WORDS_MAX) {
			return ST_INVALID;
		}
		all[n++] = words[i];
	}
	return assign(c, CONFIG_SAVE, all, n, reason);
}

static enum status apply_words(struct config *c, const struct slice *words, size_t count,
			       struct buf *error, const char **reason)
{
	enum config_id id;
	enum status st;

	*reason = "Bad directive or wrong number of arguments";
	if (words[0].len == 7 && strncasecmp((const char *)words[0].data, "include", 7) == 0 &&
	    count == 2) {
		return include(c, words[1], error, reason);
	}
	id = config_find(words[0]);
	if (id == CONFIG_COUNT || count < 2) {
		return ST_INVALID;
	}
	st = id == CONFIG_SAVE ? add_save(c, words + 1, count - 1, reason)
			       : assign(c, id, words + 1, count - 1, reason);
	c->given[id] |= st == ST_OK;
	return st;
}

static void say_fatal(struct buf *error, const char *where, int line_number, const char *line,
		      size_t len, const char *reason)
{
	buf_note(error,
		 "*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading %s, at line %d\n>>> "
		 "'%.*s'\n%s",
		 where, line_number, (int)len, line, reason);
}

static enum status apply_line(struct config *c, const char *where, int line_number, char *line,
			      size_t len, struct buf *error)
{
	struct slice words[LINE_WORDS_MAX];
	const char *reason = "Unbalanced quotes in configuration line";
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
	store = mem_alloc(len + 1);
	if (store == NULL) {
		return ST_NO_MEMORY;
	}
	st = split(line, len, words, &count, store);
	if (st == ST_OK && count > 0) {
		st = apply_words(c, words, count, error, &reason);
	}
	mem_free(store);
	if (st != ST_OK && error->len == 0) {
		say_fatal(error, where, line_number, line, len, reason);
	}
	return st;
}

static enum status read_text(const char *path, struct buf *text, struct buf *error)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	enum status st = ST_OK;

	if (f == NULL) {
		buf_note(error, "Fatal error, can't open config file '%s': %m", path);
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
	if (st == ST_OK && text->len >= FILE_MAX) {
		buf_note(error, "Fatal error, config file '%s' is over 16 MiB", path);
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
	enum status st = read_text(path, &text, error);

	c->depth++;
	if (st == ST_OK) {
		st = apply_text(c, "the configuration file", &text, error);
	}
	c->depth--;
	buf_deinit(&text);
	return st;
}

/* --- arguments --- */

/* Writes an argument so that the line splits back into it. */
static enum status quote(struct buf *out, const char *word)
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

/* "--name value value" becomes a line of its own, as redis-server does it. */
static enum status args_to_text(int argc, char **argv, struct buf *text)
{
	enum status st = ST_OK;
	bool value_wanted = false;

	for (int i = 0; st == ST_OK && i < argc; i++) {
		bool option = strncmp(argv[i], "--", 2) == 0 && !value_wanted;

		if (option) {
			st = buf_printf(text, "%s%s", i == 0 ? "" : "\n", argv[i] + 2);
			value_wanted = strcmp(argv[i], "--save") != 0;
			/* "--save" alone turns saving off. */
			if (strcmp(argv[i], "--save") == 0 &&
			    (i + 1 == argc || strncmp(argv[i + 1], "--", 2) == 0)) {
				st = st == ST_OK ? buf_append(text, " \"\"", 3) : st;
			}
			continue;
		}
		st = buf_append(text, " ", 1);
		if (st == ST_OK) {
			/* A single argument may hold several words ("--bind 127.0.0.1 ::1" in one).
			 */
			st = strchr(argv[i], ' ') != NULL && strchr(argv[i], '"') == NULL
				 ? buf_append(text, argv[i], strlen(argv[i]))
				 : quote(text, argv[i]);
		}
		value_wanted = false;
	}
	return st;
}

enum status config_read_args(struct config *c, int argc, char **argv, struct buf *error)
{
	struct buf text = {0};
	enum status st = ST_OK;
	int at = 0;

	if (argc > 0 && (argv[0][0] != '-' || argv[0][1] == 0)) {
		char full[PATH_MAX];

		at = 1;
		if (argv[0][0] != '-' && realpath(argv[0], full) == NULL) {
			buf_note(error, "Fatal error, can't open config file '%s': %m", argv[0]);
			return ST_NOT_FOUND;
		}
		if (argv[0][0] != '-') {
			c->file = mem_strdup(full);
		}
		st = config_read_file(c, argv[0], error);
	}
	if (st == ST_OK) {
		st = args_to_text(argc - at, argv + at, &text);
	}
	if (st == ST_OK) {
		st = apply_text(c, "the command line", &text, error);
	}
	buf_deinit(&text);
	return st;
}

/* --- run time --- */

static enum status may_set(const struct config *c, enum config_id id, bool local,
			   const char **reason)
{
	const char *protected = c->text[CONFIG_ENABLE_PROTECTED_CONFIGS];
	unsigned flags = config_flags(id);

	if ((flags & IMMUTABLE) != 0 && id != CONFIG_DIR) {
		*reason = "can't set immutable config";
		return ST_INVALID;
	}
	if ((flags & PROTECTED) != 0 &&
	    (strcmp(protected, "no") == 0 || (strcmp(protected, "local") == 0 && !local))) {
		*reason = "can't set protected config";
		return ST_INVALID;
	}
	if (id == CONFIG_DIR) {
		*reason = "the data directory is chosen when the node starts";
		return ST_INVALID;
	}
	return ST_OK;
}

static enum status parse_pair(struct config *c, struct slice name, struct slice value, bool local,
			      enum config_id *id, char **text, int64_t *number, const char **reason)
{
	struct slice words[LINE_WORDS_MAX];
	char *store = NULL, *line = NULL;
	size_t count = 1;
	enum status st;

	*id = config_find(name);
	*reason = "unknown";
	if (*id == CONFIG_COUNT) {
		return ST_NOT_FOUND;
	}
	st = may_set(c, *id, local, reason);
	if (st != ST_OK) {
		return st;
	}
	words[0] = value;
	if (config_many_words(*id) && value.len > 0) {
		store = mem_alloc(value.len + 1);
		line = mem_alloc(value.len + 1);
		if (store == NULL || line == NULL) {
			st = ST_NO_MEMORY;
			goto out;
		}
		memcpy(line, value.data, value.len);
		*reason = "Unbalanced quotes in value";
		st = split(line, value.len, words, &count, store);
	}
	if (st == ST_OK) {
		st = config_parse(c, *id, words, count, text, number, reason);
	}
out:
	mem_free(store);
	mem_free(line);
	return st;
}

enum status config_set_pairs(struct config *c, const struct slice *pairs, size_t count, bool local,
			     struct buf *error)
{
	struct change {
		enum config_id id;
		char *text;
		int64_t number;
	} *changes = mem_calloc(count, sizeof *changes);
	enum status st = changes == NULL ? ST_NO_MEMORY : ST_OK;
	size_t n = 0;

	for (; st == ST_OK && n < count; n++) {
		struct change *ch = &changes[n];
		const char *reason = "";

		st = parse_pair(c, pairs[2 * n], pairs[2 * n + 1], local, &ch->id, &ch->text,
				&ch->number, &reason);
		if (st != ST_OK) {
			buf_note(error, "%.*s') - %s", (int)pairs[2 * n].len,
				 (const char *)pairs[2 * n].data, reason);
			break;
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (st == ST_OK) {
			mem_free(c->text[changes[i].id]);
			c->text[changes[i].id] = changes[i].text;
			c->number[changes[i].id] = changes[i].number;
			c->given[changes[i].id] = true;
		} else {
			mem_free(changes[i].text);
		}
	}
	mem_free(changes);
	return st;
}

bool config_meaningless(const struct config *c, struct buf *names)
{
	for (int id = 0; id < CONFIG_COUNT; id++) {
		if (c->given[id] && (config_flags((enum config_id)id) & NO_MEANING) != 0) {
			buf_note(names, "%s%s", names->len == 0 ? "" : " ",
				 config_name((enum config_id)id));
		}
	}
	return names->len > 0;
}

/* --- rewrite --- */

static enum status append_directive(struct buf *out, const struct config *c, enum config_id id)
{
	enum status st = buf_printf(out, "%s ", config_name(id));

	if (st == ST_OK && config_many_words(id) && c->text[id][0] != 0) {
		st = buf_append(out, c->text[id], strlen(c->text[id]));
	} else if (st == ST_OK && (config_default(id)[0] == 0 || c->text[id][0] == 0)) {
		st = quote(out, c->text[id]);
	} else if (st == ST_OK) {
		st = buf_append(out, c->text[id], strlen(c->text[id]));
	}
	return st == ST_OK ? buf_append(out, "\n", 1) : st;
}

/* Takes over one line of the old file, or replaces it by the present value the first time its
 * directive comes. */
static enum status rewrite_line(struct buf *out, const struct config *c, char *line, size_t len,
				bool done[CONFIG_COUNT])
{
	struct slice words[LINE_WORDS_MAX];
	char *store = mem_alloc(len + 1);
	enum config_id id = CONFIG_COUNT;
	size_t count = 0;
	enum status st = store == NULL ? ST_NO_MEMORY : ST_OK;

	if (st == ST_OK && len > 0 && line[0] != '#' &&
	    split(line, len, words, &count, store) == ST_OK && count > 0) {
		id = config_find(words[0]);
	}
	if (st == ST_OK && id == CONFIG_COUNT) {
		st = buf_append(out, line, len);
		if (st == ST_OK) {
			st = buf_append(out, "\n", 1);
		}
	} else if (st == ST_OK && !done[id]) {
		done[id] = true;
		st = append_directive(out, c, id);
	}
	mem_free(store);
	return st;
}

static enum status write_beside(const char *path, const struct buf *text, struct buf *error)
{
	char tmp[PATH_MAX], dir[PATH_MAX];
	char *slash;
	int fd = -1, dir_fd = -1;
	bool ok;

	if (snprintf(tmp, sizeof tmp, "%s.rewrite-tmp", path) >= (int)sizeof tmp) {
		return ST_LIMIT;
	}
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ok = fd >= 0;
	for (size_t at = 0; ok && at < text->len;) {
		ssize_t n = write(fd, text->data + at, text->len - at);

		ok = n > 0 || (n < 0 && errno == EINTR);
		at += n > 0 ? (size_t)n : 0;
	}
	ok = ok && fsync(fd) == 0;
	if (fd >= 0) {
		(void)close(fd);
	}
	ok = ok && rename(tmp, path) == 0;
	(void)snprintf(dir, sizeof dir, "%s", path);
	slash = strrchr(dir, '/');
	if (ok && slash != NULL) {
		slash[slash == dir ? 1 : 0] = 0;
		dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ok = dir_fd >= 0 && fsync(dir_fd) == 0;
	}
	if (!ok) {
		buf_note(error, "%m");
	}
	if (dir_fd >= 0) {
		(void)close(dir_fd);
	}
	return ok ? ST_OK : ST_IO;
}

enum status config_rewrite(const struct config *c, struct buf *error)
{
	static const char mark[] = "# Generated by CONFIG REWRITE\n";
	struct buf old = {0}, out = {0};
	bool done[CONFIG_COUNT] = {false}, marked = false;
	enum status st = read_text(c->file, &old, error);

	for (size_t at = 0; st == ST_OK && at < old.len;) {
		char *line = (char *)old.data + at;
		char *end = memchr(line, '\n', old.len - at);
		size_t len = end == NULL ? old.len - at : (size_t)(end - line);

		marked |= len + 1 == sizeof mark - 1 && memcmp(line, mark, len) == 0;
		at += len + 1;
		st = rewrite_line(&out, c, line, len, done);
	}
	for (int id = 0; st == ST_OK && id < CONFIG_COUNT; id++) {
		if (done[id] || !c->given[id]) {
			continue;
		}
		if (!marked) {
			st = buf_append(&out, mark, sizeof mark - 1);
			marked = true;
		}
		if (st == ST_OK) {
			st = append_directive(&out, c, (enum config_id)id);
		}
	}
	if (st == ST_OK) {
		st = write_beside(c->file, &out, error);
	}
	buf_deinit(&old);
	buf_deinit(&out);
	return st;
}
