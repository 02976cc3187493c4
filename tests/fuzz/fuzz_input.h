/* What fuzz targets share: taking an input apart, and canaries.
 *
 * A canary marks a state that is hard to reach. In a build with CAIRN_FUZZ_CANARY reaching it ends
 * the run like a finding, which shows that the target gets that deep. */
#ifndef CAIRN_TESTS_FUZZ_FUZZ_INPUT_H
#define CAIRN_TESTS_FUZZ_FUZZ_INPUT_H

#include "engine/base/slice.h"

#include <stdio.h>
#include <stdlib.h>

/* libFuzzer's entry: one input. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef CAIRN_FUZZ_CANARY
#define FUZZ_CANARY(cond)                                                                          \
	do {                                                                                       \
		if (cond) {                                                                        \
			(void)fputs("canary found\n", stderr);                                     \
			abort();                                                                   \
		}                                                                                  \
	} while (0)
#else
#define FUZZ_CANARY(cond) ((void)sizeof((cond) ? 1 : 0))
#endif

/* Each takes from the front of in; past its end there are zeros. */
static inline uint8_t fuzz_u8(struct slice *in)
{
	uint8_t v = in->len > 0 ? in->data[0] : 0;

	*in = in->len > 0 ? slice_skip(*in, 1) : *in;
	return v;
}

static inline uint64_t fuzz_u64(struct slice *in)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++) {
		v |= (uint64_t)fuzz_u8(in) << (8 * i);
	}
	return v;
}

/* A number that is mostly small: one byte, or eight after a byte of 255. */
static inline uint64_t fuzz_number(struct slice *in)
{
	uint8_t v = fuzz_u8(in);

	return v == 255 ? fuzz_u64(in) : v;
}

/* The next len bytes, or what is left of them. */
static inline struct slice fuzz_take(struct slice *in, size_t len)
{
	struct slice taken = slice_of(in->data, len < in->len ? len : in->len);

	if (taken.len > 0) {
		*in = slice_skip(*in, taken.len);
	}
	return taken;
}

/* Bytes with their length, up to 254, in front. */
static inline struct slice fuzz_counted(struct slice *in)
{
	uint8_t len = fuzz_u8(in);

	return fuzz_take(in, len);
}

/* A copy on the heap of exactly these bytes, so that the address sanitizer sees a step beyond.
 * Freed by free. */
static inline uint8_t *fuzz_exact(struct slice bytes)
{
	uint8_t *copy = malloc(bytes.len == 0 ? 1 : bytes.len);

	if (copy == NULL) {
		abort();
	}
	if (bytes.len > 0) {
		memcpy(copy, bytes.data, bytes.len);
	}
	return copy;
}

#endif
