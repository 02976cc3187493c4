/* What a Redis replica sends: bytes in any pieces say the same, and never more is acknowledged than
 * marks say.
 *
 * Input: a byte that says where to cut, then the bytes. */
#include "engine/base/invariant.h"
#include "net/redis_acks.h"
#include "tests/fuzz/fuzz_input.h"

enum { MARKS = 40, STEP = 10 };

/* Everything at once, or in pieces of so many bytes. */
static enum status run(struct redis_acks *a, struct slice in, size_t piece)
{
	enum status st = ST_OK;

	redis_acks_init(a, 0, 0);
	for (uint64_t i = 1; i <= MARKS; i++) {
		redis_acks_mark(a, i * STEP, i);
	}
	while (in.len > 0 && st == ST_OK) {
		struct slice part = fuzz_take(&in, piece);

		st = redis_acks_take(a, part);
		INVARIANT(a->lsn <= MARKS && a->lsn * STEP <= a->offset);
		INVARIANT(a->offset / STEP <= a->lsn || a->lsn == MARKS);
		if (part.len < piece) {
			break;
		}
	}
	return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = fuzz_exact(slice_of(data, size));
	struct slice in = slice_of(copy, size);
	size_t piece = 1 + fuzz_u8(&in) % 64u;
	struct redis_acks whole, parts;
	enum status st = run(&whole, in, SIZE_MAX);

	INVARIANT(run(&parts, in, piece) == st);
	INVARIANT(st == ST_OK || (st == ST_INVALID && whole.fault != NULL));
	INVARIANT(parts.offset == whole.offset && parts.count == whole.count);
	FUZZ_CANARY(whole.count >= 3 && whole.offset == 77);
	redis_acks_deinit(&whole);
	redis_acks_deinit(&parts);
	free(copy);
	return 0;
}
