/* RESP2 and RESP3 replies into a buffer. Every reply is composed whole before it is appended, or
 * its room is reserved first, so that a failed allocation never leaves half of one. */
#include "net/proto/resp_writer.h"

#include "net/proto/float_text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum {
	DIGITS_MAX = 20,	     /* of a 64-bit integer with its sign */
	HEADER_MAX = DIGITS_MAX + 3, /* kind, digits, CRLF */
	ERROR_TEXT_MAX = 1024,
};

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
				  "25262728293031323334353637383940414243444546474849"
				  "50515253545556575859606162636465666768697071727374"
				  "75767778798081828384858687888990919293949596979899";

/* Writes v in decimal; returns the number of characters. */
static size_t put_u64(uint8_t *dst, uint64_t v)
{
	uint8_t text[DIGITS_MAX];
	size_t at = sizeof text;

	if (v < 10) {
		dst[0] = (uint8_t)('0' + v);
		return 1;
	}
	while (v >= 100) {
		at -= 2;
		memcpy(text + at, digit_pairs + (v % 100) * 2, 2);
		v /= 100;
	}
	if (v >= 10) {
		at -= 2;
		memcpy(text + at, digit_pairs + v * 2, 2);
	} else {
		text[--at] = (uint8_t)('0' + v);
	}
	memcpy(dst, text + at, sizeof text - at);
	return sizeof text - at;
}

static size_t put_i64(uint8_t *dst, int64_t v)
{
	if (v >= 0) {
		return put_u64(dst, (uint64_t)v);
	}
	dst[0] = '-';
	return 1 + put_u64(dst + 1, 0 - (uint64_t)v);
}

/* Room for len bytes at the end of the output, or NULL with the sticky flag set. */
static inline uint8_t *room(struct resp_writer *w, size_t len)
{
	struct buf *out = w->out;

	if (__builtin_expect(w->failed, 0)) {
		return NULL;
	}
	if (__builtin_expect(out->cap - out->len < len || out->data == NULL, 0) &&
	    buf_reserve(out, len) != ST_OK) {
		w->failed = true;
		return NULL;
	}
	return out->data + out->len;
}

static void put_bytes(struct resp_writer *w, const void *bytes, size_t len)
{
	uint8_t *at = room(w, len);

	if (at != NULL && len > 0) {
		memcpy(at, bytes, len);
		w->out->len += len;
	}
}

static void put_literal(struct resp_writer *w, const char *text)
{
	put_bytes(w, text, strlen(text));
}

static size_t header_text(uint8_t *dst, char kind, uint64_t n)
{
	size_t len = 1;

	dst[0] = (uint8_t)kind;
	len += put_u64(dst + 1, n);
	dst[len++] = '\r';
	dst[len++] = '\n';
	return len;
}

static void put_header(struct resp_writer *w, char kind, uint64_t n)
{
	uint8_t *at = room(w, HEADER_MAX);

	if (at != NULL) {
		w->out->len += header_text(at, kind, n);
	}
}

/* kind, text, CRLF in one piece. */
static void put_line(struct resp_writer *w, char kind, const void *text, size_t len)
{
	uint8_t *at = room(w, len + 3);

	if (at == NULL) {
		return;
	}
	at[0] = (uint8_t)kind;
	if (len > 0) {
		memcpy(at + 1, text, len);
	}
	at[len + 1] = '\r';
	at[len + 2] = '\n';
	w->out->len += len + 3;
}

void resp_ok(struct resp_writer *w)
{
	put_bytes(w, "+OK\r\n", 5);
}

void resp_simple(struct resp_writer *w, const char *text)
{
	put_line(w, '+', text, strlen(text));
}

void resp_error(struct resp_writer *w, const char *fmt, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list ap;
	int need;
	size_t len;

	va_start(ap, fmt);
	need = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (need < 0) {
		need = 0;
	}
	len = (size_t)need < sizeof text ? (size_t)need : sizeof text - 1;
	/* A line break would end the reply early and let its rest pass for another one. */
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\r' || text[i] == '\n') {
			text[i] = ' ';
		}
	}
	put_line(w, '-', text, len);
}

void resp_int(struct resp_writer *w, int64_t v)
{
	uint8_t *at = room(w, HEADER_MAX);
	size_t len = 1;

	if (at == NULL) {
		return;
	}
	at[0] = ':';
	len += put_i64(at + 1, v);
	at[len++] = '\r';
	at[len++] = '\n';
	w->out->len += len;
}

/* A length-prefixed reply of any kind, composed in place. */
static void put_blob(struct resp_writer *w, char kind, struct slice bytes)
{
	uint8_t *at = room(w, HEADER_MAX + bytes.len + 2);
	size_t len;

	if (at == NULL) {
		return;
	}
	len = header_text(at, kind, bytes.len);
	if (bytes.len > 0) {
		memcpy(at + len, bytes.data, bytes.len);
		len += bytes.len;
	}
	at[len++] = '\r';
	at[len++] = '\n';
	w->out->len += len;
}

void resp_bulk(struct resp_writer *w, struct slice bytes)
{
	put_blob(w, '$', bytes);
}

void resp_bulk_str(struct resp_writer *w, const char *text)
{
	put_blob(w, '$', slice_str(text));
}

void resp_bulk_int(struct resp_writer *w, int64_t v)
{
	uint8_t text[DIGITS_MAX + 1];

	put_blob(w, '$', slice_of(text, put_i64(text, v)));
}

void resp_bulk_begin(struct resp_writer *w, size_t len)
{
	/* All of it is reserved here, so that the parts can't fail half-way. */
	if (room(w, HEADER_MAX + len + 2) != NULL) {
		put_header(w, '$', len);
	}
}

void resp_bulk_part(struct resp_writer *w, struct slice bytes)
{
	put_bytes(w, bytes.data, bytes.len);
}

void resp_bulk_end(struct resp_writer *w)
{
	put_bytes(w, "\r\n", 2);
}

void resp_null(struct resp_writer *w)
{
	put_literal(w, w->proto >= 3 ? "_\r\n" : "$-1\r\n");
}

void resp_null_array(struct resp_writer *w)
{
	put_literal(w, w->proto >= 3 ? "_\r\n" : "*-1\r\n");
}

void resp_array(struct resp_writer *w, size_t count)
{
	put_header(w, '*', count);
}

/* The header kind and number of a collection under the writer's protocol. */
static char collection_kind(const struct resp_writer *w, char kind, size_t *count)
{
	if (w->proto >= 3) {
		return kind;
	}
	if (kind == '%') {
		*count *= 2;
	}
	return '*';
}

static void put_collection(struct resp_writer *w, char kind, size_t count)
{
	kind = collection_kind(w, kind, &count);
	put_header(w, kind, count);
}

void resp_map(struct resp_writer *w, size_t pairs)
{
	put_collection(w, '%', pairs);
}

void resp_set(struct resp_writer *w, size_t count)
{
	put_collection(w, '~', count);
}

void resp_push(struct resp_writer *w, size_t count)
{
	put_collection(w, '>', count);
}

void resp_attribute(struct resp_writer *w, size_t pairs)
{
	put_header(w, '|', pairs);
}

void resp_bool(struct resp_writer *w, bool v)
{
	if (w->proto >= 3) {
		put_literal(w, v ? "#t\r\n" : "#f\r\n");
	} else {
		put_literal(w, v ? ":1\r\n" : ":0\r\n");
	}
}

static size_t double_text(char *dst, size_t cap, double v)
{
	const char *special = isnan(v) ? "nan" : isinf(v) ? (v > 0 ? "inf" : "-inf") : NULL;
	int len =
	    special != NULL ? snprintf(dst, cap, "%s", special) : snprintf(dst, cap, "%.17g", v);

	return len > 0 && (size_t)len < cap ? (size_t)len : 0;
}

void resp_double(struct resp_writer *w, double v)
{
	char text[64];
	size_t len = double_text(text, sizeof text, v);

	if (w->proto >= 3) {
		put_line(w, ',', text, len);
	} else {
		put_blob(w, '$', slice_of(text, len));
	}
}

void resp_long_double(struct resp_writer *w, long double v)
{
	char text[FLOAT_TEXT_CAP];

	resp_bulk(w, slice_of(text, float_text(v, text)));
}

void resp_plain_double(struct resp_writer *w, double v)
{
	char text[FLOAT_TEXT_CAP];
	size_t len = float_text(v, text);

	if (w->proto < 3) {
		resp_bulk(w, slice_of(text, len));
		return;
	}
	put_bytes(w, ",", 1);
	put_bytes(w, text, len);
	put_bytes(w, "\r\n", 2);
}

void resp_verbatim(struct resp_writer *w, const char ext[3], struct slice text)
{
	uint8_t *at;

	if (w->proto < 3) {
		resp_bulk(w, text);
		return;
	}
	at = room(w, HEADER_MAX + 4 + text.len + 2);
	if (at == NULL) {
		return;
	}
	w->out->len += header_text(at, '=', text.len + 4);
	put_bytes(w, ext, 3);
	put_bytes(w, ":", 1);
	put_bytes(w, text.data, text.len);
	put_bytes(w, "\r\n", 2);
}

void resp_big_number(struct resp_writer *w, struct slice digits)
{
	if (w->proto >= 3) {
		put_line(w, '(', digits.data, digits.len);
	} else {
		resp_bulk(w, digits);
	}
}

size_t resp_deferred_begin(struct resp_writer *w)
{
	return w->out->len;
}

/* Moves what was written since mark up to put a header in front of it. */
static void insert_header(struct resp_writer *w, size_t mark, char kind, size_t count)
{
	uint8_t header[HEADER_MAX];
	size_t len = header_text(header, kind, count);

	if (room(w, len) == NULL) {
		return;
	}
	memmove(w->out->data + mark + len, w->out->data + mark, w->out->len - mark);
	memcpy(w->out->data + mark, header, len);
	w->out->len += len;
}

void resp_deferred_end(struct resp_writer *w, size_t mark, char kind, size_t count)
{
	kind = collection_kind(w, kind, &count);
	insert_header(w, mark, kind, count);
}

void resp_bulk_deferred_end(struct resp_writer *w, size_t mark)
{
	insert_header(w, mark, '$', w->out->len - mark);
	resp_bulk_end(w);
}
