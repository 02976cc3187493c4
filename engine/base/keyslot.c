/* CRC16-XMODEM by table (polynomial 0x1021, start 0), and the hash-tag rule. */
#include "engine/base/keyslot.h"

#include <pthread.h>

static uint16_t crc_table[256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void crc_fill(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint16_t c = (uint16_t)(i << 8);

		for (int bit = 0; bit < 8; bit++) {
			c = (uint16_t)((c & 0x8000) != 0 ? (c << 1) ^ 0x1021 : c << 1);
		}
		crc_table[i] = c;
	}
}

static uint16_t crc16(const uint8_t *p, size_t len)
{
	uint16_t c = 0;

	for (size_t i = 0; i < len; i++) {
		c = (uint16_t)((c << 8) ^ crc_table[((c >> 8) ^ p[i]) & 0xff]);
	}
	return c;
}

uint16_t keyslot(struct slice key)
{
	const uint8_t *open = key.len == 0 ? NULL : memchr(key.data, '{', key.len);

	(void)pthread_once(&crc_once, crc_fill);
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
