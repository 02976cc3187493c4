/* Bits within bytes, as Redis numbers them: bit 0 is the highest bit of byte 0. Pure. */
#ifndef CAIRN_ENGINE_TYPES_BITS_H
#define CAIRN_ENGINE_TYPES_BITS_H

#include "engine/base/slice.h"

/* Number of one bits. */
uint64_t bits_count(struct slice bytes);

/* Index of the first bit equal to bit at or after from; bytes.len * 8 when there is none. */
uint64_t bits_find(struct slice bytes, bool bit, uint64_t from);

enum bits_op { BITS_AND, BITS_OR, BITS_XOR };

/* dst = dst op src, byte by byte. */
void bits_combine(enum bits_op op, uint8_t *dst, const uint8_t *src, size_t len);
void bits_invert(uint8_t *dst, size_t len);

enum { BITS_FIELD_SPAN = 9 }; /* bytes that a field of 64 bits may reach into */

/* The width bits (1 to 64) that begin at bit at (below 8) of bytes, as an unsigned number, and
 * their replacement by the low bits of v. bytes holds (at + width + 7) / 8 bytes at least. */
uint64_t bits_get(const uint8_t *bytes, unsigned at, unsigned width);
void bits_set(uint8_t *bytes, unsigned at, unsigned width, uint64_t v);

/* v, a number of width bits, with its top bit taken as the sign. */
int64_t bits_sign(uint64_t v, unsigned width);

enum bits_overflow { BITS_WRAP, BITS_SAT, BITS_FAIL };

/* Adds by to v within width bits (signed: 1 to 64, v an int64; unsigned: 1 to 63) and handles what
 * does not fit by how. v itself may be out of range. false: it does not fit and how is BITS_FAIL,
 * *out is not set. */
bool bits_add(uint64_t v, int64_t by, bool is_signed, unsigned width, enum bits_overflow how,
	      uint64_t *out);

#endif
