/* The check of one value by the kind of its directive. */

#include "engine/base/alloc.h"
#include "net/command/command.h"
#include "net/command/command_host.h"
#include "net/config_impl.h"
#include "net/proto/float_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
	WORD_MAX = 4096,
	WORDS_MAX = 32,
	TEXT_SLACK = 512,
	HZ_MIN = 1,
	HZ_MAX = 500,
	BACKLOG_MIN = 16384
};

/* A value's words as C strings, and room for its text, in one piece of memory. */
struct value_words {
	char *words[WORDS_MAX];
	size_t count;
	char *text;
	size_t text_size;
	void *memory;
};

/* ST_INVALID: too many or too long words, or a NUL byte in one; ST_NO_MEMORY. */
static enum status copy_words(struct value_words *v, const struct slice *words, size_t count)
{
	size_t all = 0;
	char *at;

	if (count > WORDS_MAX) {
		return ST_INVALID;
	}
	for (size_t i = 0; i < count; i++) {
		if (words[i].len >= WORD_MAX ||
		    (words[i].len > 0 && memchr(words[i].data, 0, words[i].len) != NULL)) {
			return ST_INVALID;
		}
		all += words[i].len + 1;
	}
	v->text_size = all + TEXT_SLACK;
	v->memory = mem_alloc(all + v->text_size);
	if (v->memory == NULL) {
		return ST_NO_MEMORY;
	}
	v->text = v->memory;
	at = v->text + v->text_size;
	for (v->count = 0; v->count < count; v->count++) {
		struct slice word = words[v->count];

		if (word.len > 0) {
			memcpy(at, word.data, word.len);
		}
		at[word.len] = 0;
		v->words[v->count] = at;
		at += word.len + 1;
	}
	return ST_OK;
}

static bool parse_octal(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 8);
	return errno == 0 && *text != 0 && *text != ' ' && *end == 0;
}

/* Bytes with the units of redis.conf: k and kb differ as 1000 and 1024 do. No digits are 0, and too
 * many are more than any limit. */
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
	size_t digits = strspn(text, "0123456789");
	unsigned long long n;

	errno = 0;
	n = digits == 0 ? 0 : strtoull(text, NULL, 10);
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcasecmp(text + digits, units[i].unit) == 0) {
			if (errno != 0 || __builtin_mul_overflow(n, units[i].bytes, out)) {
				*out = INT64_MIN;
			}
			return true;
		}
	}
	return false;
}

/* "5%" as -5, which no number of bytes is. */
static bool parse_percent(const char *text, int64_t *out)
{
	size_t len = strlen(text);

	return len > 1 && text[len - 1] == '%' && parse_int(slice_of(text, len - 1), out) &&
	       *out >= 0;
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

static enum status parse_choice(const struct directive *d, const char *word, char *text,
				size_t size, int64_t *number, const char **reason)
{
	const char *at = d->words;

	*number = word_index(d->words, word);
	if (*number < 0) {
		*reason = words_reason(d);
		return ST_INVALID;
	}
	for (int64_t i = 0; i < *number; i++) {
		at = strchr(at, ',') + 1;
	}
	(void)snprintf(text, size, "%.*s", (int)strcspn(at, ","), at);
	return ST_OK;
}

static enum status parse_bytes(const struct directive *d, const char *word, char *text, size_t size,
			       int64_t *number, const char **reason)
{
	if ((d->flags & PERCENT) != 0 && parse_percent(word, number)) {
		*reason = "percentage argument must be less or equal to 100";
		if (*number > 100) {
			return ST_INVALID;
		}
		(void)snprintf(text, size, "%lld%%", (long long)*number);
		*number = -*number;
		return ST_OK;
	}
	if (!parse_memory(word, number)) {
		*reason = (d->flags & PERCENT) != 0 ? "argument must be a memory or percent value"
						    : "argument must be a memory value";
		return ST_INVALID;
	}
	if (*number < d->least || *number > d->most) {
		*reason = range_reason(d);
		return ST_INVALID;
	}
	if (d == config_directive(CONFIG_REPL_BACKLOG_SIZE) && *number < BACKLOG_MIN) {
		*number = BACKLOG_MIN;
	}
	(void)snprintf(text, size, "%lld", (long long)*number);
	return ST_OK;
}

/* Numbers, booleans and choices: one word. */
static enum status parse_scalar(const struct directive *d, const char *word, char *text,
				size_t size, int64_t *number, const char **reason)
{
	bool octal = d->kind == KIND_OCTAL;

	switch (d->kind) {
	case KIND_BOOL:
		*number = strcasecmp(word, "yes") == 0;
		*reason = "argument must be 'yes' or 'no'";
		(void)snprintf(text, size, "%s", *number != 0 ? "yes" : "no");
		return *number != 0 || strcasecmp(word, "no") == 0 ? ST_OK : ST_INVALID;
	case KIND_ENUM:
		return parse_choice(d, word, text, size, number, reason);
	case KIND_MEMORY:
		return parse_bytes(d, word, text, size, number, reason);
	default:
		break;
	}
	if (!(octal ? parse_octal(word, number) : parse_int(slice_str(word), number))) {
		*reason = octal ? "argument couldn't be parsed as an octal number"
				: "argument couldn't be parsed into an integer";
		return ST_INVALID;
	}
	if (*number < d->least || *number > d->most) {
		*reason = range_reason(d);
		return ST_INVALID;
	}
	if (d == config_directive(CONFIG_HZ)) {
		*number = *number < HZ_MIN ? HZ_MIN : *number > HZ_MAX ? HZ_MAX : *number;
	}
	(void)snprintf(text, size, octal ? "%llo" : "%lld", (long long)*number);
	return ST_OK;
}

/* Words that may be combined; *number has bit i for the i-th word after the first, which stands for
 * none. */
static enum status parse_flags(const struct directive *d, char *const *words, size_t count,
			       char *text, size_t size, int64_t *number, const char **reason)
{
	const char *at = strchr(d->words, ',') + 1;
	size_t n = 0;

	*reason = words_reason(d);
	for (size_t i = 0; i < count; i++) {
		int64_t index = word_index(d->words, words[i]);

		if (index < 0) {
			return ST_INVALID;
		}
		*number |= index == 0 ? 0 : (int64_t)1 << (index - 1);
	}
	if ((*number & (SHUTDOWN_SAVE | SHUTDOWN_NOSAVE)) == (SHUTDOWN_SAVE | SHUTDOWN_NOSAVE)) {
		*reason = "shutdown options SAVE and NOSAVE can't be used simultaneously";
		return ST_INVALID;
	}
	(void)snprintf(text, size, "%.*s", (int)strcspn(d->words, ","), d->words);
	for (int64_t bits = *number; bits != 0; bits >>= 1) {
		size_t len = strcspn(at, ",");

		if ((bits & 1) != 0) {
			n += (size_t)snprintf(text + n, size - n, "%s%.*s", n == 0 ? "" : " ",
					      (int)len, at);
		}
		at += len + 1;
	}
	return ST_OK;
}

/* Classes of keyspace events, in the order in which Redis prints them. */
static enum status parse_events(const char *word, char *text, size_t size, int64_t *number,
				const char **reason)
{
	static const char letters[] = "g$lshzxetdKEmn";
	const int64_t all = (1 << 10) - 1;
	size_t n = 0;

	for (const char *c = word; *c != 0; c++) {
		const char *at = strchr(letters, *c);

		if (*c == 'A') {
			*number |= all;
		} else if (at != NULL) {
			*number |= (int64_t)1 << (at - letters);
		} else {
			*reason = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
			return ST_INVALID;
		}
	}
	/* In Redis's order, n among those that A stands for. */
	if ((*number & all) == all && n + 1 < size) {
		text[n++] = 'A';
	}
	for (const char *c = "g$lshzxetdnKEm"; *c != 0 && n + 1 < size; c++) {
		int64_t bit = (int64_t)1 << (strchr(letters, *c) - letters);

		if ((*number & bit) != 0 && ((*number & all) != all || (bit & all) == 0)) {
			text[n++] = *c;
		}
	}
	text[n] = 0;
	return ST_OK;
}

struct output_class {
	int64_t hard, soft, seconds;
};

static const char *const class_names[] = {"normal", "slave", "pubsub"};

/* Class limits come in fours and change only the classes they name. */
static enum status parse_output_limit(const char *present, char *const *words, size_t count,
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
	if (count == 1 && words[0][0] == 0) {
		count = 0; /* changes no class */
	}
	if (count % 4 != 0) {
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
		    !parse_int(slice_str(words[i + 3]), &l.seconds) || l.hard < 0 || l.soft < 0 ||
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

static const char *numbers_reason(const struct directive *d, bool range)
{
	switch (d->kind) {
	case KIND_SAVE_POINTS:
		return "Invalid save parameters";
	case KIND_PERCENTILES:
		return range ? "latency-tracking-info-percentiles parameters should sit between "
			       "[0.0,100.0]"
			     : "Invalid latency-tracking-info-percentiles parameters";
	default:
		return range ? "Invalid oom-score-adj-values, elements must be between -2000 and "
			       "2000."
			     : "wrong number of arguments";
	}
}

/* An element of a list of numbers. */
static bool number_ok(const struct directive *d, const char *word, bool *in_range)
{
	int64_t whole = 0;
	double v = 0;

	*in_range = true;
	if (d->kind == KIND_PERCENTILES) {
		char *end;

		v = strtod(word, &end);
		*in_range = v >= 0 && v <= 100;
		return end != word && *end == 0;
	}
	if (!parse_int(slice_str(word), &whole)) {
		return false;
	}
	*in_range = d->kind == KIND_SAVE_POINTS ? whole >= 0 : whole >= -2000 && whole <= 2000;
	return true;
}

static enum status check_numbers(const struct directive *d, char *const *words, size_t count,
				 const char **reason)
{
	*reason = numbers_reason(d, false);
	if (d->kind != KIND_OOM_VALUES && count == 1 && words[0][0] == 0) {
		return ST_OK;
	}
	if ((d->kind == KIND_SAVE_POINTS && count % 2 != 0) ||
	    (d->kind == KIND_OOM_VALUES && count != 3)) {
		return ST_INVALID;
	}
	for (size_t i = 0; i < count; i++) {
		bool in_range;
		bool number = number_ok(d, words[i], &in_range);

		if (!number || !in_range) {
			*reason = numbers_reason(d, number || d->kind == KIND_OOM_VALUES);
			return ST_INVALID;
		}
	}
	return ST_OK;
}

/* True for a word that a line holds without quotes. */
static bool plain_word(const char *word)
{
	for (const char *at = word; *at != 0; at++) {
		uint8_t b = (uint8_t)*at;

		if (b <= ' ' || b == '"' || b == '\'' || b == 0x7f) {
			return false;
		}
	}
	return *word != 0;
}

/* Writes the words with blanks between them. False: they could not be told apart again. */
static bool join_words(struct value_words *v)
{
	size_t n = 0;

	v->text[0] = 0;
	for (size_t i = 0; i < v->count; i++) {
		if (!plain_word(v->words[i]) && (v->count != 1 || v->words[0][0] != 0)) {
			return false;
		}
		n += (size_t)snprintf(v->text + n, v->text_size - n, "%s%s", i == 0 ? "" : " ",
				      v->words[i]);
	}
	return true;
}

/* Percentiles as plain decimals, without zeros at their ends. False: too long. */
static bool join_percentiles(struct value_words *v)
{
	char number[FLOAT_TEXT_CAP];
	size_t n = 0;

	v->text[0] = 0;
	for (size_t i = 0; i < v->count && v->words[i][0] != 0; i++) {
		size_t len = float_text(strtold(v->words[i], NULL), number);

		if (len + 2 > v->text_size - n) {
			return false;
		}
		n += (size_t)snprintf(v->text + n, v->text_size - n, "%s%.*s", i == 0 ? "" : " ",
				      (int)len, number);
	}
	return true;
}

static enum status parse_words(const struct directive *d, const char *present,
			       struct value_words *v, int64_t *number, const char **reason)
{
	enum status st;

	if (d == config_directive(CONFIG_DBFILENAME) && strchr(v->words[0], '/') != NULL) {
		*reason = "dbfilename can't be a path, just a filename";
		return ST_INVALID;
	}
	switch (d->kind) {
	case KIND_OUTPUT_LIMIT:
		return parse_output_limit(present, v->words, v->count, v->text, v->text_size,
					  reason);
	case KIND_SAVE_POINTS:
	case KIND_OOM_VALUES:
		st = check_numbers(d, v->words, v->count, reason);
		return st == ST_OK && !join_words(v) ? ST_INVALID : st;
	case KIND_PERCENTILES:
		st = check_numbers(d, v->words, v->count, reason);
		return st == ST_OK && !join_percentiles(v) ? ST_INVALID : st;
	case KIND_BIND:
	case KIND_WORDS:
		*reason = "a word must not hold blanks or quotes";
		return join_words(v) ? ST_OK : ST_INVALID;
	case KIND_STRING:
		(void)snprintf(v->text, v->text_size, "%s", v->words[0]);
		return ST_OK;
	case KIND_EVENTS:
		return parse_events(v->words[0], v->text, v->text_size, number, reason);
	case KIND_FLAGS:
		return parse_flags(d, v->words, v->count, v->text, v->text_size, number, reason);
	default:
		return parse_scalar(d, v->words[0], v->text, v->text_size, number, reason);
	}
}

enum status config_parse(const struct config *c, enum config_id id, const struct slice *words,
			 size_t count, char **text, int64_t *number, const char **reason)
{
	const struct directive *d = config_directive(id);
	struct value_words v = {.count = 0};
	enum status st = ST_INVALID;

	*number = 0;
	*reason = "wrong number of arguments";
	if (count == 1 || config_many_words(id)) {
		st = copy_words(&v, words, count);
	}
	if (st == ST_OK) {
		st = parse_words(d, c->text[id], &v, number, reason);
	}
	if (st == ST_OK && id == CONFIG_REPLICAOF && strcasecmp(v.text, "no one") == 0) {
		v.text[0] = 0;
	}
	if (st == ST_OK && id == CONFIG_REPLICA_READ_ONLY && *number == 0) {
		*reason = "a replica's log is its primary's: it can take no writes of its own";
		st = ST_INVALID;
	}
	if (st == ST_OK) {
		*text = mem_strdup(v.text);
		st = *text == NULL ? ST_NO_MEMORY : ST_OK;
	}
	mem_free(v.memory);
	return st;
}

void config_output_limits(const struct config *c, struct output_limit *normal,
			  struct output_limit *pubsub)
{
	*normal = *pubsub = (struct output_limit){0};
	(void)sscanf(config_text(c, CONFIG_OUTPUT_BUFFER_LIMIT),
		     "normal %" SCNu64 " %" SCNu64 " %" SCNu64 " slave %*u %*u %*u pubsub %" SCNu64
		     " %" SCNu64 " %" SCNu64,
		     &normal->hard, &normal->soft, &normal->seconds, &pubsub->hard, &pubsub->soft,
		     &pubsub->seconds);
}
