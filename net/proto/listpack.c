/* Entries, each with its length behind it, between a header and an end mark. */
#include "net/proto/listpack.h"

#include "engine/base/bytes.h"

enum {
	HEADER = 6,
	COUNT_UNKNOWN = 65535,
	HEAD_MAX = 9,
	BACK_MAX = 5,
	INT_13 = 0xc0,
	STRING_6 = 0x80,
	STRING_12 = 0xe0,
	STRING_32 = 0xf0,
	INT_16 = 0xf1,
	INT_32 = 0xf3,
	INT_64 = 0xf4,
	END = 0xff,
};

enum status listpack_begin(struct listpack *lp)
{
	static const uint8_t header[HEADER] = {0};

	lp->bytes.len = 0;
	lp->entries = 0;
	return buf_append(&lp->bytes, header, sizeof header);
}

/* An entry's length in seven bits a byte, the first byte being the highest; all but the first have
 * the high bit. */
static size_t put_back_length(uint8_t *dst, uint64_t len)
{
	uint8_t parts[BACK_MAX];
	size_t n = 0;

	do {
		parts[n++] = (uint8_t)(len & 0x7f);
		len >>= 7;
	} while (len > 0);
	for (size_t i = 0; i < n; i++) {
		dst[i] = (uint8_t)(parts[n - 1 - i] | (i > 0 ? 0x80 : 0));
	}
	return n;
}

static enum status add(struct listpack *lp, const uint8_t *head, size_t head_len, struct slice text)
{
	uint8_t back[BACK_MAX];
	size_t back_len = put_back_length(back, head_len + text.len);

	if (buf_reserve(&lp->bytes, head_len + text.len + back_len) != ST_OK ||
	    buf_append(&lp->bytes, head, head_len) != ST_OK ||
	    buf_append(&lp->bytes, text.data, text.len) != ST_OK) {
		return ST_NO_MEMORY;
	}
	lp->entries++;
	return buf_append(&lp->bytes, back, back_len);
}

enum status listpack_int(struct listpack *lp, int64_t v)
{
	uint8_t head[HEAD_MAX];
	size_t len;

	if (v >= 0 && v <= 127) {
		head[0] = (uint8_t)v;
		len = 1;
	} else if (v >= -4096 && v <= 4095) {
		uint64_t bits = (uint64_t)v & 0x1fff;

		head[0] = (uint8_t)(INT_13 | bits >> 8);
		head[1] = (uint8_t)bits;
		len = 2;
	} else if (v >= INT16_MIN && v <= INT16_MAX) {
		head[0] = INT_16;
		bytes_put_u16le(head + 1, (uint16_t)v);
		len = 3;
	} else if (v >= INT32_MIN && v <= INT32_MAX) {
		head[0] = INT_32;
		bytes_put_u32le(head + 1, (uint32_t)v);
		len = 5;
	} else {
		head[0] = INT_64;
		bytes_put_u64le(head + 1, (uint64_t)v);
		len = 9;
	}
	return add(lp, head, len, slice_of(NULL, 0));
}

enum status listpack_string(struct listpack *lp, struct slice text)
{
	uint8_t head[HEAD_MAX];
	size_t len;

	if (text.len < 64) {
		head[0] = (uint8_t)(STRING_6 | text.len);
		len = 1;
	} else if (text.len < 4096) {
		head[0] = (uint8_t)(STRING_12 | text.len >> 8);
		head[1] = (uint8_t)text.len;
		len = 2;
	} else if (text.len <= UINT32_MAX) {
		head[0] = STRING_32;
		bytes_put_u32le(head + 1, (uint32_t)text.len);
		len = 5;
	} else {
		return ST_LIMIT;
	}
	return add(lp, head, len, text);
}

enum status listpack_end(struct listpack *lp)
{
	static const uint8_t end = END;

	if (lp->bytes.len >= UINT32_MAX) {
		return ST_LIMIT;
	}
	if (buf_append(&lp->bytes, &end, 1) != ST_OK) {
		return ST_NO_MEMORY;
	}
	bytes_put_u32le(lp->bytes.data, (uint32_t)lp->bytes.len);
	bytes_put_u16le(lp->bytes.data + 4, lp->entries < COUNT_UNKNOWN ? (uint16_t)lp->entries
									: (uint16_t)COUNT_UNKNOWN);
	return ST_OK;
}
