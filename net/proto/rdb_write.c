/* Writing RDB lengths, strings and the footer. */
#include "net/proto/rdb_write.h"

#include "engine/base/bytes.h"

enum { INT_TEXT_MAX = 11 }; /* "-2147483648" */

size_t rdb_put_len(uint8_t *dst, uint64_t len)
{
	if (len < 1 << 6) {
		dst[0] = (uint8_t)len;
		return 1;
	}
	if (len < 1 << 14) {
		dst[0] = (uint8_t)(0x40 | len >> 8);
		dst[1] = (uint8_t)len;
		return 2;
	}
	if (len <= UINT32_MAX) {
		dst[0] = RDB_LEN_32;
		bytes_put_u32be(dst + 1, (uint32_t)len);
		return 5;
	}
	dst[0] = RDB_LEN_64;
	bytes_put_u64be(dst + 1, len);
	return 9;
}

/* True when the text is how a number of 32 bits is written. */
static bool is_int32(struct slice text, int32_t *out)
{
	bool negative = text.len > 0 && text.data[0] == '-';
	int64_t v = 0;

	if (text.len <= negative || text.len > INT_TEXT_MAX) {
		return false;
	}
	if (text.data[negative] == '0' && text.len > 1) {
		return false; /* also "-0" */
	}
	for (size_t i = negative; i < text.len; i++) {
		uint8_t digit = (uint8_t)(text.data[i] - '0');

		if (digit > 9) {
			return false;
		}
		v = v * 10 + digit;
	}
	v = negative ? -v : v;
	*out = (int32_t)v;
	return v >= INT32_MIN && v <= INT32_MAX;
}

size_t rdb_put_string(uint8_t *dst, struct slice text, bool *whole)
{
	int32_t v;

	*whole = is_int32(text, &v);
	if (!*whole) {
		return rdb_put_len(dst, text.len);
	}
	if (v >= INT8_MIN && v <= INT8_MAX) {
		dst[0] = 0xc0 | RDB_STRING_INT8;
		dst[1] = (uint8_t)v;
		return 2;
	}
	if (v >= INT16_MIN && v <= INT16_MAX) {
		dst[0] = 0xc0 | RDB_STRING_INT16;
		bytes_put_u16le(dst + 1, (uint16_t)v);
		return 3;
	}
	dst[0] = 0xc0 | RDB_STRING_INT32;
	bytes_put_u32le(dst + 1, (uint32_t)v);
	return 5;
}

void rdb_put_version(uint8_t dst[2], uint16_t version)
{
	bytes_put_u16le(dst, version);
}

void rdb_put_checksum(uint8_t dst[8], uint64_t crc)
{
	bytes_put_u64le(dst, crc);
}
