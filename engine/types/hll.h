/* HyperLogLog values, byte for byte as Redis keeps them in strings. Pure.
 *
 *   off  size  field
 *     0     4  "HYLL"
 *     4     1  encoding: 0 dense, 1 sparse
 *     5     3  not used
 *     8     8  the last count, u64 LE; the highest bit says that it does not hold any more
 *    16   ...  16384 registers: how long the runs of zero bits were, at most 63
 *
 * Dense: 6 bits each, lowest bits first, 12288 bytes. Sparse: runs of registers, one or two bytes
 * each, which together cover all:
 *
 *   00nnnnnn            n + 1 registers are 0
 *   01nnnnnn nnnnnnnn   the same, high bits first
 *   1vvvvvnn            n + 1 registers are v + 1
 *
 * Sparse values that would grow beyond a given length, or have a register above 32, turn dense for
 * good. Values come from anywhere: each step looks at what it reads. ST_CORRUPT: runs that do not
 * cover the registers exactly. */
#ifndef CAIRN_ENGINE_TYPES_HLL_H
#define CAIRN_ENGINE_TYPES_HLL_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

enum {
	HLL_REGISTERS = 16384,
	HLL_HEADER = 16,
	HLL_DENSE_LEN = HLL_HEADER + HLL_REGISTERS * 6 / 8,
	HLL_LEN_MAX =
	    HLL_HEADER + 2 * HLL_REGISTERS, /* no sparse value that makes sense is longer */
};

/* A value being worked on. Private but for reading. */
struct hll {
	size_t len;
	uint8_t bytes[HLL_LEN_MAX];
};

/* An empty one: sparse. */
void hll_init(struct hll *h);

/* Whether a string begins and is as long as such a value; its registers are not looked at. */
bool hll_is_value(struct slice head, uint64_t len);

static inline bool hll_is_dense(const struct hll *h)
{
	return h->bytes[4] == 0;
}

/* The count that is kept in the value. False: it does not hold any more. */
MUST_CHECK bool hll_cached(const struct hll *h, uint64_t *out);
void hll_set_cached(struct hll *h, uint64_t count);
void hll_invalidate(struct hll *h);

/* Raises a register to value when it is lower; *changed. sparse_max: bytes of a sparse value.
 * ST_CORRUPT: as far as it was looked at. */
MUST_CHECK enum status hll_raise(struct hll *h, uint32_t index, uint8_t value, uint64_t sparse_max,
				 bool *changed);

/* Counts an element in: the same for the register that its hash means. */
MUST_CHECK enum status hll_add(struct hll *h, struct slice element, uint64_t sparse_max,
			       bool *changed);

/* Makes it dense. */
MUST_CHECK enum status hll_to_dense(struct hll *h);

/* Raises all of registers to those of h. */
MUST_CHECK enum status hll_merge(const struct hll *h, uint8_t registers[HLL_REGISTERS]);

/* The estimate of how many different elements were added. */
MUST_CHECK enum status hll_count(const struct hll *h, uint64_t *out);
uint64_t hll_count_registers(const uint8_t registers[HLL_REGISTERS]);

/* A sparse value's runs, one after the other. */
struct hll_run {
	enum { HLL_RUN_ZERO, HLL_RUN_LONG_ZERO, HLL_RUN_VALUE } kind;
	uint32_t len;  /* registers */
	uint8_t value; /* of each; 0 unless HLL_RUN_VALUE */
};

/* Takes the run at *at, which moves behind it. ST_END; ST_CORRUPT: half of one. */
MUST_CHECK enum status hll_run_next(const struct hll *h, size_t *at, struct hll_run *out);

#endif
