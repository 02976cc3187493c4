/* RESP requests from bytes: a small state machine over (arguments left, length of the argument
 * being read) that remembers where it stopped. Limits are judged by position, never by how the
 * bytes were cut. */
#include "net/proto/resp_reader.h"

#include "engine/base/alloc.h"
#include "net/proto/quoted_words.h"

#include <limits.h>
#include <stdio.h>

enum {
	SPANS_MIN = 8,
	SPANS_KEEP = 1024, /* arrays larger than this are given back after their request */
	FAST_DIGITS_MAX = 9,
};

void resp_reader_init(struct resp_reader *r)
{
	*r = (struct resp_reader){0};
}

void resp_reader_deinit(struct resp_reader *r)
{
	mem_free(r->spans);
	mem_free(r->argv);
	mem_free(r->inline_copy);
	*r = (struct resp_reader){0};
}

size_t resp_reader_want(const struct resp_reader *r)
{
	return r->started && r->bulk_len >= 0 ? r->at + (size_t)r->bulk_len + 2 : 0;
}

static enum status fail(struct resp_reader *r, const char *text)
{
	(void)snprintf(r->error, sizeof r->error, "%s", text);
	r->started = false;
	return ST_INVALID;
}

/* Forgets what only the previous request needed. */
static void begin(struct resp_reader *r)
{
	mem_free(r->inline_copy);
	r->inline_copy = NULL;
	if (r->spans_cap > SPANS_KEEP) {
		mem_free(r->spans);
		r->spans = NULL;
		r->spans_cap = 0;
	}
	if (r->argv_cap > SPANS_KEEP) {
		mem_free(r->argv);
		r->argv = NULL;
		r->argv_cap = 0;
	}
	r->args_left = -1;
	r->bulk_len = -1;
	r->at = 0;
	r->scanned = 0;
	r->spans_len = 0;
	r->started = true;
}

static enum status add_span(struct resp_reader *r, size_t off, size_t len)
{
	if (r->spans_len == r->spans_cap) {
		/* Grows with the arguments that came, not with the number that was announced. */
		size_t cap = r->spans_cap == 0 ? SPANS_MIN : r->spans_cap * 2;
		struct resp_span *spans = mem_realloc(r->spans, cap * sizeof *spans);

		if (spans == NULL) {
			return ST_NO_MEMORY;
		}
		r->spans = spans;
		r->spans_cap = cap;
	}
	r->spans[r->spans_len++] = (struct resp_span){off, len};
	return ST_OK;
}

/* Turns spans of base into the argument array. */
static enum status finish(struct resp_reader *r, const uint8_t *base, const struct slice **argv,
			  size_t *argc)
{
	if (r->argv_cap < r->spans_len) {
		struct slice *grown = mem_realloc(r->argv, r->spans_cap * sizeof *grown);

		if (grown == NULL) {
			return ST_NO_MEMORY;
		}
		r->argv = grown;
		r->argv_cap = r->spans_cap;
	}
	for (size_t i = 0; i < r->spans_len; i++) {
		r->argv[i] = slice_of(base + r->spans[i].off, r->spans[i].len);
	}
	*argv = r->argv;
	*argc = r->spans_len;
	r->started = false;
	return ST_OK;
}

/* A decimal number in Redis's strict form: no space, plus or leading zero. */
static bool parse_number(const uint8_t *text, size_t len, int64_t *out)
{
	bool negative = len > 0 && text[0] == '-';
	size_t i = negative ? 1 : 0;
	uint64_t v = 0;

	if (len == i || len > 20) {
		return false;
	}
	if (text[i] == '0') {
		*out = 0;
		return len == 1;
	}
	for (; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(text[i] - '0'), &v)) {
			return false;
		}
	}
	if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
		return false;
	}
	*out = negative ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

/* Reads the header line at r->at: a kind byte, a number, CR and one more byte, whatever it is (as
 * Redis does). *ok is false when the number is not one; r->at is moved past the line. */
static enum status header_line(struct resp_reader *r, struct slice in, uint64_t line_max,
			       const char *too_big, int64_t *out, bool *ok)
{
	const uint8_t *text = in.data + r->at;
	size_t avail = in.len - r->at;
	const uint8_t *cr;
	size_t from, len;

	/* Nearly every header is a few digits that are all there. */
	if (avail > FAST_DIGITS_MAX + 3 && text[1] >= '1' && text[1] <= '9') {
		int64_t v = text[1] - '0';
		size_t i = 2;

		while (i <= FAST_DIGITS_MAX && text[i] >= '0' && text[i] <= '9') {
			v = v * 10 + (text[i++] - '0');
		}
		if (text[i] == '\r') {
			*out = v;
			*ok = true;
			r->at += i + 2;
			return ST_OK;
		}
	}
	from = r->scanned > r->at ? r->scanned - r->at : 0;
	cr = from < avail ? memchr(text + from, '\r', avail - from) : NULL;
	len = cr == NULL ? avail : (size_t)(cr - text);
	if (len > line_max) {
		return fail(r, too_big);
	}
	if (cr == NULL || avail - len < 2) {
		r->scanned = r->at + len;
		return ST_NEED_MORE;
	}
	*ok = len > 0 && parse_number(text + 1, len - 1, out);
	r->at += len + 2;
	return ST_OK;
}

static enum status read_multibulk_header(struct resp_reader *r, struct slice in,
					 const struct resp_limits *limits)
{
	int64_t count = 0;
	bool ok = false;
	enum status st =
	    header_line(r, in, limits->inline_max, "too big mbulk count string", &count, &ok);

	if (st != ST_OK) {
		return st;
	}
	if (!ok || count > INT_MAX) {
		return fail(r, "invalid multibulk length");
	}
	if (count > 0 && (uint64_t)count > limits->args_max) {
		return fail(r, limits->args_max < RESP_ARGS_MAX ? "unauthenticated multibulk length"
								: "invalid multibulk length");
	}
	r->args_left = count > 0 ? count : 0;
	return ST_OK;
}

static enum status read_bulk_header(struct resp_reader *r, struct slice in,
				    const struct resp_limits *limits)
{
	size_t start = r->at;
	int64_t len = 0;
	bool ok = false;
	enum status st =
	    header_line(r, in, limits->inline_max, "too big bulk count string", &len, &ok);

	if (st != ST_OK) {
		return st;
	}
	if (in.data[start] != '$') {
		(void)snprintf(r->error, sizeof r->error, "expected '$', got '%c'", in.data[start]);
		r->started = false;
		return ST_INVALID;
	}
	if (!ok || len < 0 || (uint64_t)len > limits->bulk_max) {
		return fail(r, "invalid bulk length");
	}
	if (limits->bulk_unauthenticated_max != 0 &&
	    (uint64_t)len > limits->bulk_unauthenticated_max) {
		return fail(r, "unauthenticated bulk length");
	}
	r->bulk_len = len;
	return ST_OK;
}

static enum status next_multibulk(struct resp_reader *r, struct slice in,
				  const struct resp_limits *limits)
{
	enum status st = ST_OK;

	if (r->args_left < 0) {
		st = read_multibulk_header(r, in, limits);
	}
	while (st == ST_OK && r->args_left > 0) {
		if (r->bulk_len < 0) {
			if (r->at >= in.len) {
				return ST_NEED_MORE;
			}
			st = read_bulk_header(r, in, limits);
			if (st != ST_OK) {
				return st;
			}
		}
		if (in.len < r->at || in.len - r->at < (size_t)r->bulk_len + 2) {
			return ST_NEED_MORE;
		}
		st = add_span(r, r->at, (size_t)r->bulk_len);
		if (st != ST_OK) {
			return st;
		}
		r->at += (size_t)r->bulk_len + 2;
		r->bulk_len = -1;
		r->args_left--;
	}
	return st;
}

static enum status split_inline(struct resp_reader *r, const uint8_t *text, size_t len)
{
	size_t at = 0, out = 0, n = 0;
	enum status st = ST_OK;

	/* One copy for all words: unescaping never makes them longer. */
	r->inline_copy = mem_alloc(len + 1);
	if (r->inline_copy == NULL) {
		return ST_NO_MEMORY;
	}
	while (st == ST_OK) {
		st = quoted_word_next(text, len, &at, r->inline_copy + out, &n);
		if (st == ST_OK) {
			st = add_span(r, out, n);
			out += n;
		}
	}
	if (st == ST_INVALID) {
		return fail(r, "unbalanced quotes in request");
	}
	return st == ST_END ? ST_OK : st;
}

static enum status next_inline(struct resp_reader *r, struct slice in,
			       const struct resp_limits *limits)
{
	size_t from = r->scanned;
	const uint8_t *lf = from < in.len ? memchr(in.data + from, '\n', in.len - from) : NULL;
	size_t len = lf == NULL ? in.len : (size_t)(lf - in.data);
	const uint8_t *nul;
	enum status st;

	if (len > limits->inline_max) {
		return fail(r, "too big inline request");
	}
	if (lf == NULL) {
		r->scanned = len;
		return ST_NEED_MORE;
	}
	r->at = len + 1;
	if (len > 0 && in.data[len - 1] == '\r') {
		len--;
	}
	/* A NUL byte ends the line for its words, as in a C string. */
	nul = memchr(in.data, '\0', len);
	st = split_inline(r, in.data, nul == NULL ? len : (size_t)(nul - in.data));
	return st;
}

enum status resp_reader_next(struct resp_reader *r, struct slice in,
			     const struct resp_limits *limits, const struct slice **argv,
			     size_t *argc, size_t *used)
{
	const uint8_t *base = in.data;
	enum status st;

	*used = 0;
	if (in.len == 0) {
		return ST_NEED_MORE;
	}
	if (!r->started) {
		begin(r);
	}
	if (in.data[0] == '*') {
		st = next_multibulk(r, in, limits);
	} else {
		st = next_inline(r, in, limits);
		base = (const uint8_t *)r->inline_copy;
	}
	if (st == ST_OK) {
		st = finish(r, base, argv, argc);
	}
	if (st == ST_OK) {
		*used = r->at;
	} else if (st == ST_NO_MEMORY && in.data[0] != '*') {
		/* The line is whole: reading it again must not find a half-made copy of it. */
		r->started = false;
	}
	return st;
}
