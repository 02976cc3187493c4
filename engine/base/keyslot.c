/* CRC16-XMODEM by tables (polynomial 0x1021, start 0), and the hash-tag rule. */
#include "engine/base/keyslot.h"

#include <pthread.h>

/* Slicing by eight: tables[k] advances a byte that k more bytes follow. */
static uint16_t tables[8][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void fill_tables(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint16_t c = (uint16_t)(i << 8);

		for (int bit = 0; bit < 8; bit++) {
			c = (uint16_t)((c & 0x8000) != 0 ? (c << 1) ^ 0x1021 : c << 1);
		}
		tables[0][i] = c;
	}
	for (unsigned i = 0; i < 256; i++) {
		for (int k = 1; k < 8; k++) {
			uint16_t c = tables[k - 1][i];

			tables[k][i] = (uint16_t)((c << 8) ^ tables[0][c >> 8]);
		}
	}
}

static uint16_t crc16(const uint8_t *p, size_t len)
{
	uint16_t c = 0;

	for (; len >= 8; len -= 8, p += 8) {
		c = (uint16_t)(tables[7][p[0] ^ (c >> 8)] ^ tables[6][p[1] ^ (c & 0xff)] ^
			       tables[5][p[2]] ^ tables[4][p[3]] ^ tables[3][p[4]] ^
			       tables[2][p[5]] ^ tables[1][p[6]] ^ tables[0][p[7]]);
	}
	for (; len > 0; len--, p++) {
		c = (uint16_t)((c << 8) ^ tables[0][(c >> 8) ^ *p]);
	}
	return c;
}

uint16_t keyslot(struct slice key)
{
	const uint8_t *open = key.len == 0 ? NULL : memchr(key.data, '{', key.len);

	(void)pthread_once(&tables_once, fill_tables);
	if (open != NULL) {
		const uint8_t *tag = open + 1;
		size_t rest = key.len - (size_t)(tag - key.data);
		const uint8_t *end = rest == 0 ? NULL : memchr(tag, '}', rest);

		if (end != NULL && end != tag) {
			return crc16(tag, (size_t)(end - tag)) % SLOTS;
		}
	}
	return crc16(key.data, key.len) % SLOTS;
}
