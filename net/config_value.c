/* The table of directives, and the check of one value by its kind. */
#include "net/config.h"

#include "engine/base/alloc.h"
#include "net/command/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

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
};

enum { WORD_MAX = 4096, TEXT_MAX = 1 << 16 };

static const struct directive {
	const char *name, *other;
	enum kind kind;
	const char *init;
	int64_t least, most;
	unsigned flags;
	const char *words;
} table[] = {
#define CONFIG(id, name, other, kind, init, least, most, flags, words)                             \
	[CONFIG_##id] = {name, other, KIND_##kind, init, least, most, flags, words},
#include "net/config.def"
#undef CONFIG
};

unsigned config_flags(enum config_id id)
{
	return table[id].flags;
}

const char *config_default(enum config_id id)
{
	return table[id].init;
}

const char *config_name(enum config_id id)
{
	return table[id].name;
}

const char *config_alias(enum config_id id)
{
	return table[id].other;
}

bool config_many_words(enum config_id id)
{
	enum kind k = table[id].kind;

	return k == KIND_BIND || k == KIND_WORDS || k == KIND_SAVE_POINTS ||
	       k == KIND_OUTPUT_LIMIT || k == KIND_OOM_VALUES || k == KIND_PERCENTILES;
}

static bool same_name(struct slice a, const char *b)
{
	return b != NULL && strlen(b) == a.len && strncasecmp((const char *)a.data, b, a.len) == 0;
}

enum config_id config_find(struct slice name)
{
	for (int i = 0; i < CONFIG_COUNT; i++) {
		if (same_name(name, table[i].name) || same_name(name, table[i].other)) {
			return (enum config_id)i;
		}
	}
	return CONFIG_COUNT;
}

/* Copies a word as a C string. */
static bool word_text(struct slice word, char dst[WORD_MAX])
{
	if (word.len >= WORD_MAX ||
	    memchr(word.data == NULL ? (const uint8_t *)"" : word.data, 0, word.len) != NULL) {
		return false;
	}
	if (word.len > 0) {
		memcpy(dst, word.data, word.len);
	}
	dst[word.len] = 0;
	return true;
}

static bool parse_whole(const char *text, int base, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, base);
	return errno == 0 && *text != 0 && *text != ' ' && *end == 0;
}

/* Bytes with the units of redis.conf: k and kb differ as 1000 and 1024 do. */
static bool parse_memory(const char *text, int64_t *out)
{
	static const struct {
		const char *unit;
		int64_t bytes;
	} units[] = {{"", 1},
		     {"b", 1},
		     {"k", 1000},
		     {"kb", 1024},
		     {"m", 1000000},
		     {"mb", 1 << 20},
		     {"g", 1000000000},
		     {"gb", 1 << 30},
		     {"t", (int64_t)1000000000000},
		     {"tb", (int64_t)1 << 40}};
	char *end;
	int64_t n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno != 0 || end == text) {
		return false;
	}
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcasecmp(end, units[i].unit) == 0) {
			return !__builtin_mul_overflow(n, units[i].bytes, out);
		}
	}
	return false;
}

/* Index of a word in a comma-separated list, -1: not in it. */
static int64_t word_index(const char *words, const char *word)
{
	size_t len = strlen(word);
	int64_t i = 0;

	for (const char *at = words; at != NULL; i++) {
		const char *comma = strchr(at, ',');
		size_t n = comma == NULL ? strlen(at) : (size_t)(comma - at);

		if (n == len && strncasecmp(at, word, n) == 0) {
			return i;
		}
		at = comma == NULL ? NULL : comma + 1;
	}
	return -1;
}

static const char *range_reason(const struct directive *d)
{
	static char text[128];

	(void)snprintf(text, sizeof text, "argument must be between %lld and %lld inclusive",
		       (long long)d->least, (long long)d->most);
	return text;
}

static const char *words_reason(const struct directive *d)
{
	static char text[512];
	size_t n =
	    (size_t)snprintf(text, sizeof text, "argument(s) must be one of the following: ");

	for (const char *at = d->words; *at != 0 && n + 3 < sizeof text; at++) {
		text[n++] = *at;
		if (*at == ',') {
			text[n++] = ' ';
		}
	}
	text[n] = 0;
	return text;
}

/* Numbers, booleans and choices: one word. */
static enum status parse_scalar(const struct directive *d, const char *word, char *text,
				size_t size, int64_t *number, const char **reason)
{
	switch (d->kind) {
	case KIND_BOOL:
		*number = strcasecmp(word, "yes") == 0;
		*reason = "argument must be 'yes' or 'no'";
		(void)snprintf(text, size, "%s", *number != 0 ? "yes" : "no");
		return *number != 0 || strcasecmp(word, "no") == 0 ? ST_OK : ST_INVALID;
	case KIND_ENUM:
		*number = word_index(d->words, word);
		if (*number < 0) {
			*reason = words_reason(d);
			return ST_INVALID;
		}
		(void)snprintf(text, size, "%s", word);
		return ST_OK;
	case KIND_MEMORY:
		*reason = "argument must be a memory value";
		if (!parse_memory(word, number)) {
			return ST_INVALID;
		}
		break;
	default:
		*reason = d->kind == KIND_OCTAL ? "argument couldn't be parsed as an octal number"
						: "argument couldn't be parsed into an integer";
		if (!parse_whole(word, d->kind == KIND_OCTAL ? 8 : 10, number)) {
			return ST_INVALID;
		}
	}
	if (*number < d->least || *number > d->most) {
		*reason = range_reason(d);
		return ST_INVALID;
	}
	(void)snprintf(text, size, d->kind == KIND_OCTAL ? "%llo" : "%lld", (long long)*number);
	return ST_OK;
}

struct output_class {
	int64_t hard, soft, seconds;
};

static const char *const class_names[] = {"normal", "slave", "pubsub"};

/* Class limits come in fours and change only the classes they name. */
static enum status parse_output_limit(const char *present, char (*words)[WORD_MAX], size_t count,
				      char *text, size_t size, const char **reason)
{
	struct output_class limits[3] = {{0}};

	*reason = "Wrong number of arguments in buffer limit configuration.";
	if (present != NULL) {
		(void)sscanf(present,
			     "normal %" SCNd64 " %" SCNd64 " %" SCNd64 " slave %" SCNd64 " %" SCNd64
			     " %" SCNd64 " pubsub %" SCNd64 " %" SCNd64 " %" SCNd64,
			     &limits[0].hard, &limits[0].soft, &limits[0].seconds, &limits[1].hard,
			     &limits[1].soft, &limits[1].seconds, &limits[2].hard, &limits[2].soft,
			     &limits[2].seconds);
	}
	if (count == 0 || count % 4 != 0) {
		return ST_INVALID;
	}
	for (size_t i = 0; i < count; i += 4) {
		struct output_class l;
		int64_t class = word_index("normal,slave,pubsub", words[i]);

		if (strcasecmp(words[i], "replica") == 0) {
			class = 1;
		}
		*reason = "Invalid client class specified in buffer limit configuration.";
		if (class < 0) {
			return ST_INVALID;
		}
		*reason =
		    "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
		if (!parse_memory(words[i + 1], &l.hard) || !parse_memory(words[i + 2], &l.soft) ||
		    !parse_whole(words[i + 3], 10, &l.seconds) || l.hard < 0 || l.soft < 0 ||
		    l.seconds < 0) {
			return ST_INVALID;
		}
		limits[class] = l;
	}
	size_t n = 0;

	for (int i = 0; i < 3; i++) {
		n += (size_t)snprintf(text + n, size - n, "%s%s %lld %lld %lld", i == 0 ? "" : " ",
				      class_names[i], (long long)limits[i].hard,
				      (long long)limits[i].soft, (long long)limits[i].seconds);
	}
	return ST_OK;
}

static enum status check_numbers(const struct directive *d, char (*words)[WORD_MAX], size_t count,
				 const char **reason)
{
	*reason = d->kind == KIND_SAVE_POINTS ? "Invalid save parameters" : "Invalid argument";
	if (d->kind == KIND_SAVE_POINTS && count == 1 && words[0][0] == 0) {
		return ST_OK;
	}
	if ((d->kind == KIND_SAVE_POINTS && count % 2 != 0) ||
	    (d->kind == KIND_OOM_VALUES && count != 3)) {
		return ST_INVALID;
	}
	for (size_t i = 0; i < count; i++) {
		char *end;
		double v = strtod(words[i], &end);

		if (end == words[i] || *end != 0) {
			return ST_INVALID;
		}
		if ((d->kind == KIND_SAVE_POINTS && v < 0) ||
		    (d->kind == KIND_PERCENTILES && (v < 0 || v > 100)) ||
		    (d->kind == KIND_OOM_VALUES && (v < -2000 || v > 2000))) {
			*reason = "argument out of range";
			return ST_INVALID;
		}
	}
	return ST_OK;
}

static void join_words(char (*words)[WORD_MAX], size_t count, char *text, size_t size)
{
	size_t n = 0;

	text[0] = 0;
	for (size_t i = 0; i < count && n < size; i++) {
		n += (size_t)snprintf(text + n, size - n, "%s%s", i == 0 ? "" : " ", words[i]);
	}
}

enum status config_parse(const struct config *c, enum config_id id, const struct slice *words,
			 size_t count, char **text, int64_t *number, const char **reason)
{
	enum { WORDS_MAX = 32 };
	const struct directive *d = &table[id];
	char(*copy)[WORD_MAX] = mem_alloc(WORDS_MAX * sizeof *copy);
	char *joined = mem_alloc(TEXT_MAX);
	enum status st = ST_INVALID;

	*number = 0;
	*reason = "Bad directive or wrong number of arguments";
	if (copy == NULL || joined == NULL) {
		st = ST_NO_MEMORY;
		goto out;
	}
	if (count > WORDS_MAX || (count != 1 && !config_many_words(id))) {
		goto out;
	}
	for (size_t i = 0; i < count; i++) {
		if (!word_text(words[i], copy[i])) {
			goto out;
		}
	}
	switch (d->kind) {
	case KIND_OUTPUT_LIMIT:
		st = parse_output_limit(c->text[id], copy, count, joined, TEXT_MAX, reason);
		break;
	case KIND_SAVE_POINTS:
	case KIND_OOM_VALUES:
	case KIND_PERCENTILES:
		st = check_numbers(d, copy, count, reason);
		join_words(copy, count, joined, TEXT_MAX);
		break;
	case KIND_BIND:
	case KIND_WORDS:
	case KIND_STRING:
	case KIND_EVENTS:
		st = ST_OK;
		join_words(copy, count, joined, TEXT_MAX);
		break;
	default:
		st = parse_scalar(d, copy[0], joined, TEXT_MAX, number, reason);
	}
	if (st == ST_OK && (d->flags & ABSENT) != 0 && strcasecmp(joined, d->init) != 0) {
		*reason =
		    "this needs replication, the cluster, TLS or ACL files, which this version of "
		    "Cairn does not have";
		st = ST_INVALID;
	}
	if (st == ST_OK) {
		*text = mem_strdup(joined);
		st = *text == NULL ? ST_NO_MEMORY : ST_OK;
	}
out:
	mem_free(copy);
	mem_free(joined);
	return st;
}

static bool is_glob(struct slice pattern)
{
	return memchr(pattern.data, '*', pattern.len) != NULL ||
	       memchr(pattern.data, '?', pattern.len) != NULL ||
	       memchr(pattern.data, '[', pattern.len) != NULL;
}

void config_each(const struct config *c, struct slice pattern,
		 void (*each)(void *arg, const char *name, const char *value), void *arg)
{
	char exact_name[128];

	/* As Redis: a name without glob characters is given back as it was asked for. */
	if (pattern.len < sizeof exact_name && pattern.len > 0 && !is_glob(pattern)) {
		enum config_id id = config_find(pattern);

		if (id != CONFIG_COUNT) {
			memcpy(exact_name, pattern.data, pattern.len);
			exact_name[pattern.len] = 0;
			each(arg, exact_name, c->text[id]);
		}
		return;
	}
	for (int id = 0; id < CONFIG_COUNT; id++) {
		const char *names[] = {config_name((enum config_id)id),
				       config_alias((enum config_id)id)};

		if ((config_flags((enum config_id)id) & HIDDEN) != 0) {
			continue;
		}
		for (int i = 0; i < 2; i++) {
			if (names[i] != NULL && glob_match(pattern, slice_str(names[i]), true)) {
				each(arg, names[i], c->text[id]);
			}
		}
	}
}
