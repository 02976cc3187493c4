/* What the files of the configuration share: the table's rows, words of lines, quoting. */
#ifndef CAIRN_NET_CONFIG_IMPL_H
#define CAIRN_NET_CONFIG_IMPL_H

#include "net/config.h"

enum { LINE_WORDS_MAX = 33 };

enum kind {
	KIND_BIND,
	KIND_INT,
	KIND_BOOL,
	KIND_MEMORY,
	KIND_OCTAL,
	KIND_ENUM,
	KIND_STRING,
	KIND_WORDS,
	KIND_SAVE_POINTS,
	KIND_OUTPUT_LIMIT,
	KIND_OOM_VALUES,
	KIND_PERCENTILES,
	KIND_EVENTS,
	KIND_FLAGS,
};

enum config_flags {
	IMMUTABLE = 1,
	PROTECTED = 2,
	NO_MEANING = 4,
	PATH = 16,
	PASSWORD = 32,
	HIDDEN = 64,
	PERCENT = 128
};

struct directive {
	const char *name, *other; /* other: NULL when there is none */
	enum kind kind;
	const char *init;
	int64_t least, most;
	unsigned flags;
	const char *words; /* the choices of an ENUM or of FLAGS, with commas */
};

/* --- config_table.c --- */

const struct directive *config_directive(enum config_id id);
/* True when the directive takes several words. */
bool config_many_words(enum config_id id);
/* True when its value is free text, which a file has in quotes. */
bool config_quoted(enum config_id id);
unsigned config_flags(enum config_id id);
const char *config_default(enum config_id id);
const char *config_alias(enum config_id id); /* NULL: none */

/* --- config_value.c --- */

/* Checks and normalises the words of a directive's value; gives its text (owned) and number. reason
 * gets Redis's words. ST_INVALID, ST_NO_MEMORY. */
MUST_CHECK enum status config_parse(const struct config *c, enum config_id id,
				    const struct slice *words, size_t count, char **text,
				    int64_t *number, const char **reason);

/* --- config.c --- */

/* Gives a directive the value of these words. ST_INVALID with Redis's words in reason, else
 * ST_NO_MEMORY. */
MUST_CHECK enum status config_assign(struct config *c, enum config_id id, const struct slice *words,
				     size_t count, const char **reason);

/* --- config_file.c --- */

/* Splits a line into words by redis.conf's rules of quoting. store (at least len bytes) holds them.
 * ST_INVALID: quotes that do not close, or too many words. */
MUST_CHECK enum status config_split(const char *line, size_t len,
				    struct slice words[LINE_WORDS_MAX], size_t *count, char *store);
/* Splits at blanks alone, as CONFIG SET does; the words lie in line. ST_INVALID: too many. */
MUST_CHECK enum status config_split_blanks(struct slice line, struct slice words[LINE_WORDS_MAX],
					   size_t *count);
/* Appends a word in quotes so that config_split gives it back. */
MUST_CHECK enum status config_quote(struct buf *out, const char *word);
/* Appends the whole file ("-": stdin); what: "config file". ST_NOT_FOUND, ST_LIMIT with error said.
 */
MUST_CHECK enum status config_read_text(const char *path, const char *what, struct buf *text,
					struct buf *error);
/* What follows the word "user" in a line that begins with it; data NULL: it begins otherwise. */
struct slice config_user_of(struct slice line);

#endif
