/* HyperLogLog values, which clients may write themselves: nothing is read or written outside of
 * them, one that holds stays so, and both encodings say the same.
 *
 * Input: the length of sparse values, a counted value (empty: a new one), then elements. */
#include "engine/base/invariant.h"
#include "engine/types/hll.h"
#include "tests/fuzz/fuzz_input.h"

/* Walks over the runs; returns how many registers they cover, or UINT64_MAX. */
static uint64_t covered(const struct hll *h)
{
	struct hll_run run;
	size_t at = HLL_HEADER;
	uint64_t n = 0;
	enum status st;

	while ((st = hll_run_next(h, &at, &run)) == ST_OK) {
		INVARIANT(run.len > 0 && (run.value > 0) == (run.kind == HLL_RUN_VALUE));
		n += run.len;
	}
	return st == ST_END ? n : UINT64_MAX;
}

/* What must be so whatever the value holds; true when it makes sense. */
static bool check(const struct hll *h)
{
	static uint8_t registers[HLL_REGISTERS], again[HLL_REGISTERS];
	static struct hll dense;
	uint64_t count, dense_count;
	bool whole = hll_is_dense(h) || covered(h) == HLL_REGISTERS;

	INVARIANT(hll_is_value(slice_of(h->bytes, h->len), h->len));
	memset(registers, 0, sizeof registers);
	memset(again, 0, sizeof again);
	INVARIANT((hll_count(h, &count) == ST_OK) == whole);
	INVARIANT((hll_merge(h, registers) == ST_OK) == whole);
	dense = *h;
	INVARIANT((hll_to_dense(&dense) == ST_OK) == whole);
	if (whole) {
		INVARIANT(hll_is_dense(&dense) && dense.len == HLL_DENSE_LEN);
		INVARIANT(hll_merge(&dense, again) == ST_OK);
		INVARIANT(memcmp(registers, again, sizeof again) == 0);
		INVARIANT(hll_count(&dense, &dense_count) == ST_OK && dense_count == count);
		INVARIANT(hll_count_registers(registers) == count);
	}
	return whole;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hll h;
	struct slice in = slice_of(data, size);
	uint64_t sparse_max = fuzz_u8(&in) * UINT64_C(32);
	struct slice value = fuzz_counted(&in);
	bool whole, raised, again;

	hll_init(&h);
	if (hll_is_value(value, value.len)) {
		h.len = value.len;
		memcpy(h.bytes, value.data, value.len);
	}
	whole = check(&h);
	while (in.len > 0) {
		struct slice element = fuzz_counted(&in);
		enum status st = hll_add(&h, element, sparse_max, &raised);

		INVARIANT(st == ST_OK || (st == ST_CORRUPT && !whole && !raised));
		if (st == ST_OK) {
			INVARIANT(hll_add(&h, element, sparse_max, &again) == ST_OK && !again);
		}
		INVARIANT(check(&h) || !whole);
		FUZZ_CANARY(hll_is_dense(&h) && raised && element.len == 3);
	}
	return 0;
}
