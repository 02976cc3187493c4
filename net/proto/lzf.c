/* Unpacking LZF with every run checked against both ends. */
#include "net/proto/lzf.h"

enum {
	LITERAL_MAX = 32,     /* control bytes below are runs of literals */
	LONG_COPY = 7,	      /* in the length's bits: another byte follows */
	COPY_BYTES_MAX = 264, /* the longest copy, of three packed bytes */
};

bool lzf_plausible(size_t packed_len, uint64_t len)
{
	return len / COPY_BYTES_MAX <= packed_len;
}

/* Copies len bytes from distance before at; they may overlap, which repeats them. */
static void copy_back(uint8_t *at, size_t distance, size_t len)
{
	const uint8_t *from = at - distance;

	if (distance >= len) {
		memcpy(at, from, len);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		at[i] = from[i];
	}
}

enum status lzf_unpack(struct slice packed, uint8_t *dst, size_t len)
{
	const uint8_t *in = packed.data;
	size_t left = packed.len, done = 0;

	while (left > 0) {
		uint8_t control = *in++;
		size_t run, distance;

		left--;
		if (control < LITERAL_MAX) {
			run = (size_t)control + 1;
			if (run > left || run > len - done) {
				return ST_CORRUPT;
			}
			memcpy(dst + done, in, run);
			in += run;
			left -= run;
			done += run;
			continue;
		}
		run = (size_t)(control >> 5);
		if (left < (run == LONG_COPY ? 2U : 1U)) {
			return ST_CORRUPT;
		}
		if (run == LONG_COPY) {
			run += *in++;
			left--;
		}
		run += 2;
		distance = ((size_t)(control & 0x1f) << 8) + *in++ + 1;
		left--;
		if (distance > done || run > len - done) {
			return ST_CORRUPT;
		}
		copy_back(dst + done, distance, run);
		done += run;
	}
	return done == len ? ST_OK : ST_CORRUPT;
}
