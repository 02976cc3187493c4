/* CRC-64, eight bytes a step, from tables that are made before main. */
#include "net/proto/crc64.h"

#include "engine/base/bytes.h"

enum { STEP = 8 };

#define POLYNOMIAL UINT64_C(0x95ac9329ac4bc9b5) /* 0xad93d23594c935a9 with its bits reversed */

/* tables[n][b]: what byte b does to the sum when n zero bytes follow it. */
static uint64_t tables[STEP][256];

__attribute__((constructor)) static void make_tables(void)
{
	for (uint64_t b = 0; b < 256; b++) {
		uint64_t crc = b;

		for (int bit = 0; bit < 8; bit++) {
			crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
		}
		tables[0][b] = crc;
	}
	for (int n = 1; n < STEP; n++) {
		for (int b = 0; b < 256; b++) {
			uint64_t before = tables[n - 1][b];

			tables[n][b] = (before >> 8) ^ tables[0][before & 0xff];
		}
	}
}

uint64_t crc64(uint64_t crc, struct slice bytes)
{
	const uint8_t *p = bytes.data;
	size_t left = bytes.len;

	for (; left >= STEP; left -= STEP, p += STEP) {
		uint64_t v = crc ^ bytes_get_u64le(p);

		crc = 0;
		for (int n = 0; n < STEP; n++) {
			crc ^= tables[STEP - 1 - n][v >> (8 * n) & 0xff];
		}
	}
	for (; left > 0; left--, p++) {
		crc = (crc >> 8) ^ tables[0][(crc ^ *p) & 0xff];
	}
	return crc;
}
