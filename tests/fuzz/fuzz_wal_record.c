/* Records of the log from bytes: nothing is believed beyond its length, and what decodes is encoded
 * to the same bytes again.
 *
 * Input: records back to back. */
#include "engine/base/invariant.h"
#include "engine/base/keyslot.h"
#include "engine/wal/wal_record.h"
#include "tests/fuzz/fuzz_input.h"

/* Encodes rec and its operations to out. False: an operation does not decode. */
static bool encode_again(const struct wal_record *rec, struct buf *out)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	size_t start = 0, count = 0, large = 0;
	enum status st;

	INVARIANT(wal_record_begin(out, rec->cmd, rec->time_ms, rec->client_id, &start) == ST_OK);
	while ((st = wal_op_next(&ops, &op)) == ST_OK) {
		INVARIANT(op.slot < SLOTS && op.kind < WAL_OP_KINDS);
		INVARIANT(op.name.len + op.value.len < rec->ops.len);
		INVARIANT(wal_op_kind_text(op.kind)[0] != 0);
		INVARIANT(wal_record_add(out, start, &op, &op.value, 1) == ST_OK);
		count++;
		large += op.kind == WAL_OP_PUT_ELEM && op.id > UINT32_MAX && op.value.len > 2;
	}
	INVARIANT(st == ST_END || st == ST_CORRUPT);
	wal_record_end(out, start);
	FUZZ_CANARY(st == ST_END && count >= 3 && large >= 1 && rec->client_id != 0);
	return st == ST_END;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = fuzz_exact(slice_of(data, size));
	struct slice in = slice_of(copy, size);
	struct buf again = {0};
	struct wal_record rec;
	size_t used;

	while (in.len > 0 && wal_record_decode(in, &rec, &used) == ST_OK) {
		INVARIANT(used > 0 && used <= in.len);
		INVARIANT(rec.cmd.len + rec.ops.len < used);
		again.len = 0;
		if (encode_again(&rec, &again)) {
			INVARIANT(slice_eq(buf_slice(&again), slice_of(in.data, used)));
		}
		in = slice_skip(in, used);
	}
	buf_deinit(&again);
	free(copy);
	return 0;
}
