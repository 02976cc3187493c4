/* Borrowed bytes. A slice owns nothing; its lifetime is said where it is handed out. */
#ifndef CAIRN_ENGINE_BASE_SLICE_H
#define CAIRN_ENGINE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *data;
	size_t len;
};

/* Bytes at data; data may be NULL when len is 0. */
static inline struct slice slice_of(const void *data, size_t len)
{
	return (struct slice){.data = data, .len = len};
}

/* The bytes of a C string without its terminator. */
static inline struct slice slice_str(const char *text)
{
	return (struct slice){.data = (const uint8_t *)text, .len = strlen(text)};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Order of unsigned bytes, a proper prefix first: LMDB's default key order. */
static inline int slice_cmp(struct slice a, struct slice b)
{
	size_t min = a.len < b.len ? a.len : b.len;
	int c = min == 0 ? 0 : memcmp(a.data, b.data, min);

	if (c != 0) {
		return c;
	}
	return a.len < b.len ? -1 : a.len > b.len;
}

/* True when a starts with the bytes of prefix. */
static inline bool slice_has_prefix(struct slice a, struct slice prefix)
{
	return a.len >= prefix.len &&
	       (prefix.len == 0 || memcmp(a.data, prefix.data, prefix.len) == 0);
}

/* a without its first n bytes; n must be at most a.len. */
static inline struct slice slice_skip(struct slice a, size_t n)
{
	return slice_of(a.data + n, a.len - n);
}

#endif
