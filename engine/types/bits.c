/* Counting, finding and combining bits; fields of up to 64 bits at any bit offset. */
#include "engine/types/bits.h"

#include "engine/base/bytes.h"

uint64_t bits_count(struct slice bytes)
{
	uint64_t total = 0;
	size_t i = 0;

	/* Sums of neighbours in ever wider lanes: needs no instruction beyond the baseline. */
	for (; i + sizeof(uint64_t) <= bytes.len; i += sizeof(uint64_t)) {
		uint64_t w = bytes_get_u64le(bytes.data + i);

		w -= (w >> 1) & 0x5555555555555555U;
		w = (w & 0x3333333333333333U) + ((w >> 2) & 0x3333333333333333U);
		w = (w + (w >> 4)) & 0x0f0f0f0f0f0f0f0fU;
		total += (w * 0x0101010101010101U) >> 56;
	}
	for (; i < bytes.len; i++) {
		total += (unsigned)__builtin_popcount(bytes.data[i]);
	}
	return total;
}

uint64_t bits_find(struct slice bytes, bool bit, uint64_t from)
{
	uint64_t skip = bit ? 0 : UINT64_MAX; /* a word that cannot hold it */
	size_t i = (size_t)(from / 8);

	if (i >= bytes.len) {
		return (uint64_t)bytes.len * 8;
	}
	if (from % 8 != 0) {
		unsigned rest =
		    (bit ? bytes.data[i] : (uint8_t)~bytes.data[i]) & (0xffU >> from % 8);

		if (rest != 0) {
			return (uint64_t)i * 8 + (unsigned)__builtin_clz(rest) - 24;
		}
		i++;
	}
	while (i + sizeof(uint64_t) <= bytes.len && bytes_get_u64le(bytes.data + i) == skip) {
		i += sizeof(uint64_t);
	}
	while (i < bytes.len && bytes.data[i] == (uint8_t)skip) {
		i++;
	}
	if (i < bytes.len) {
		unsigned byte = bit ? bytes.data[i] : (uint8_t)~bytes.data[i];

		return (uint64_t)i * 8 + (unsigned)__builtin_clz(byte) - 24;
	}
	return (uint64_t)bytes.len * 8;
}

static uint64_t combine_words(enum bits_op op, uint64_t a, uint64_t b)
{
	switch (op) {
	case BITS_AND:
		return a & b;
	case BITS_OR:
		return a | b;
	default:
		return a ^ b;
	}
}

void bits_combine(enum bits_op op, uint8_t *dst, const uint8_t *src, size_t len)
{
	size_t i = 0;

	for (; i + sizeof(uint64_t) <= len; i += sizeof(uint64_t)) {
		bytes_put_u64le(
		    dst + i, combine_words(op, bytes_get_u64le(dst + i), bytes_get_u64le(src + i)));
	}
	for (; i < len; i++) {
		dst[i] = (uint8_t)combine_words(op, dst[i], src[i]);
	}
}

void bits_invert(uint8_t *dst, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		dst[i] = (uint8_t)~dst[i];
	}
}

uint64_t bits_get(const uint8_t *bytes, unsigned at, unsigned width)
{
	uint64_t v = 0;

	for (unsigned done = 0; done < width;) {
		unsigned bit = at + done;
		unsigned left = width - done;
		unsigned take = 8 - bit % 8 < left ? 8 - bit % 8 : left;
		unsigned byte = (unsigned)bytes[bit / 8] >> (8 - bit % 8 - take);

		v = v << take | (byte & (0xffU >> (8 - take)));
		done += take;
	}
	return v;
}

void bits_set(uint8_t *bytes, unsigned at, unsigned width, uint64_t v)
{
	for (unsigned done = 0; done < width;) {
		unsigned bit = at + done;
		unsigned left = width - done;
		unsigned take = 8 - bit % 8 < left ? 8 - bit % 8 : left;
		unsigned shift = 8 - bit % 8 - take;
		unsigned mask = (0xffU >> (8 - take)) << shift;
		unsigned part = (unsigned)(v >> (left - take)) << shift;

		bytes[bit / 8] = (uint8_t)((bytes[bit / 8] & ~mask) | (part & mask));
		done += take;
	}
}

int64_t bits_sign(uint64_t v, unsigned width)
{
	uint64_t top = (uint64_t)1 << (width - 1);

	return (int64_t)((v ^ top) - top);
}

/* What a value that does not fit becomes; above: it lies over the range, not under it. */
static bool overflowed(uint64_t wrapped, uint64_t min, uint64_t max, bool above,
		       enum bits_overflow how, uint64_t *out)
{
	if (how == BITS_FAIL) {
		return false;
	}
	if (how == BITS_WRAP) {
		*out = wrapped;
	} else {
		*out = above ? max : min;
	}
	return true;
}

static bool add_unsigned(uint64_t v, int64_t by, unsigned width, enum bits_overflow how,
			 uint64_t *out)
{
	uint64_t max = ((uint64_t)1 << width) - 1;
	uint64_t sum = v + (uint64_t)by;
	uint64_t less = by < 0 ? 0 - (uint64_t)by : 0;

	if (v > max || (by > 0 && (uint64_t)by > max - v)) {
		return overflowed(sum & max, 0, max, true, how, out);
	}
	if (less > v) {
		return overflowed(sum & max, 0, max, false, how, out);
	}
	*out = sum;
	return true;
}

static bool add_signed(int64_t v, int64_t by, unsigned width, enum bits_overflow how, uint64_t *out)
{
	int64_t max = (int64_t)((UINT64_MAX >> (64 - width)) >> 1);
	int64_t min = -max - 1;
	uint64_t sum = (uint64_t)v + (uint64_t)by;
	uint64_t wrapped =
	    (uint64_t)bits_sign(width == 64 ? sum : sum & (((uint64_t)1 << width) - 1), width);
	int64_t exact = 0;
	bool wraps64 = __builtin_add_overflow(v, by, &exact);

	if (wraps64 || v > max || v < min || exact > max || exact < min) {
		/* Of a number so low that its distance to max exceeds an int64, Redis says that it
		 * is too high; clients of BITFIELD see which end it saturates to. */
		bool above = v > max || (v >= min && by > 0) || (width < 64 && v < max - INT64_MAX);

		return overflowed(wrapped, (uint64_t)min, (uint64_t)max, above, how, out);
	}
	*out = sum;
	return true;
}

bool bits_add(uint64_t v, int64_t by, bool is_signed, unsigned width, enum bits_overflow how,
	      uint64_t *out)
{
	return is_signed ? add_signed((int64_t)v, by, width, how, out)
			 : add_unsigned(v, by, width, how, out);
}
