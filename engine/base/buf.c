/* Growable bytes: doubling growth, every overflow checked. */
#include "engine/base/buf.h"

#include "engine/base/alloc.h"

#include <stdarg.h>
#include <stdio.h>

enum { BUF_CAP_MIN = 64 };

void buf_deinit(struct buf *b)
{
	mem_free(b->data);
	*b = (struct buf){0};
}

enum status buf_reserve(struct buf *b, size_t extra)
{
	size_t need;
	size_t cap = b->cap < BUF_CAP_MIN ? BUF_CAP_MIN : b->cap;
	uint8_t *data;

	if (b->cap - b->len >= extra && b->data != NULL) {
		return ST_OK;
	}
	if (__builtin_add_overflow(b->len, extra, &need) || need > SIZE_MAX / 4) {
		return ST_NO_MEMORY;
	}
	while (cap < need) {
		cap *= 2;
	}
	data = mem_realloc(b->data, cap);
	if (data == NULL) {
		return ST_NO_MEMORY;
	}
	b->data = data;
	b->cap = cap;
	return ST_OK;
}

enum status buf_append(struct buf *b, const void *data, size_t len)
{
	enum status st;

	if (len == 0) {
		return ST_OK;
	}
	st = buf_reserve(b, len);
	if (st != ST_OK) {
		return st;
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
	return ST_OK;
}

__attribute__((format(printf, 2, 0))) static enum status
append_formatted(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int need;
	enum status st;

	va_copy(again, ap);
	need = vsnprintf(NULL, 0, fmt, ap);
	st = need < 0 ? ST_INVALID : buf_reserve(b, (size_t)need + 1);
	if (st == ST_OK) {
		(void)vsnprintf((char *)b->data + b->len, (size_t)need + 1, fmt, again);
		b->len += (size_t)need;
	}
	va_end(again);
	return st;
}

enum status buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	enum status st;

	va_start(ap, fmt);
	st = append_formatted(b, fmt, ap);
	va_end(ap);
	return st;
}

void buf_note(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	enum status st;

	va_start(ap, fmt);
	st = append_formatted(b, fmt, ap);
	va_end(ap);
	(void)st;
}

void buf_consume(struct buf *b, size_t n)
{
	if (n == 0) {
		return;
	}
	b->len -= n;
	if (b->len > 0) {
		memmove(b->data, b->data + n, b->len);
	}
}

void buf_shrink(struct buf *b, size_t keep)
{
	if (b->len == 0 && b->cap > keep) {
		buf_deinit(b);
	}
}
