/* Owned, growable bytes. */
#ifndef CAIRN_ENGINE_BASE_BUF_H
#define CAIRN_ENGINE_BASE_BUF_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

/* A zeroed struct buf is a valid empty buffer. */
struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
};

/* Frees the bytes; the buffer is empty and usable again. */
void buf_deinit(struct buf *b);

/* Makes room for extra more bytes after len (capacity grows by doubling). ST_NO_MEMORY: unchanged.
 */
MUST_CHECK enum status buf_reserve(struct buf *b, size_t extra);

/* Appends bytes. ST_NO_MEMORY: unchanged. */
MUST_CHECK enum status buf_append(struct buf *b, const void *data, size_t len);

/* Appends formatted text without a terminator. ST_NO_MEMORY: unchanged. */
MUST_CHECK enum status buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Likewise for texts that are a courtesy, such as error details: out of memory loses the text. */
void buf_note(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Drops the first n bytes (n at most len), moving the rest down. */
void buf_consume(struct buf *b, size_t n);

/* Frees spare capacity above keep bytes when the buffer is empty. */
void buf_shrink(struct buf *b, size_t keep);

static inline struct slice buf_slice(const struct buf *b)
{
	return slice_of(b->data, b->len);
}

#endif
