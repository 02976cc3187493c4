/* Fixed-width and varint integers at byte offsets; bytes on disk are never reached by struct cast.
 */
#ifndef CAIRN_ENGINE_BASE_BYTES_H
#define CAIRN_ENGINE_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Cairn is built for little-endian machines"
#endif

static inline void bytes_put_u16le(uint8_t *at, uint16_t v)
{
	memcpy(at, &v, sizeof v);
}

static inline void bytes_put_u32le(uint8_t *at, uint32_t v)
{
	memcpy(at, &v, sizeof v);
}

static inline void bytes_put_u64le(uint8_t *at, uint64_t v)
{
	memcpy(at, &v, sizeof v);
}

static inline uint16_t bytes_get_u16le(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof v);
	return v;
}

static inline uint32_t bytes_get_u32le(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof v);
	return v;
}

static inline uint64_t bytes_get_u64le(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof v);
	return v;
}

static inline void bytes_put_u16be(uint8_t *at, uint16_t v)
{
	bytes_put_u16le(at, __builtin_bswap16(v));
}

static inline void bytes_put_u32be(uint8_t *at, uint32_t v)
{
	bytes_put_u32le(at, __builtin_bswap32(v));
}

static inline void bytes_put_u64be(uint8_t *at, uint64_t v)
{
	bytes_put_u64le(at, __builtin_bswap64(v));
}

static inline uint16_t bytes_get_u16be(const uint8_t *at)
{
	return __builtin_bswap16(bytes_get_u16le(at));
}

static inline uint32_t bytes_get_u32be(const uint8_t *at)
{
	return __builtin_bswap32(bytes_get_u32le(at));
}

static inline uint64_t bytes_get_u64be(const uint8_t *at)
{
	return __builtin_bswap64(bytes_get_u64le(at));
}

enum { BYTES_VARINT_MAX = 10 };

/* LEB128. Writes at most BYTES_VARINT_MAX bytes; returns how many. */
static inline size_t bytes_put_varint(uint8_t *at, uint64_t v)
{
	size_t n = 0;

	while (v >= 0x80) {
		at[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	at[n++] = (uint8_t)v;
	return n;
}

/* Reads a varint from at most avail bytes; returns its length, or 0 when it is cut, over 64 bits or
 * longer than bytes_put_varint writes it: a number has one form, so that bytes can be compared. */
static inline size_t bytes_get_varint(const uint8_t *at, size_t avail, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t n = 0; n < avail && n < BYTES_VARINT_MAX; n++) {
		if (n == BYTES_VARINT_MAX - 1 && at[n] > 1) {
			return 0;
		}
		v |= (uint64_t)(at[n] & 0x7f) << (7 * n);
		if ((at[n] & 0x80) == 0) {
			if (n > 0 && at[n] == 0) {
				return 0;
			}
			*out = v;
			return n + 1;
		}
	}
	return 0;
}

#endif
