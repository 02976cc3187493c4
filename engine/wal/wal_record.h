/* WAL records: the physical effects of one atomic batch, encoded and decoded in memory. Pure.
 *
 * One record = one batch = one LSN. The LSN is not stored: a frame gives its first record's LSN
 * (engine/wal/wal_frame.h) and the others follow by one. All integers are little-endian.
 *
 *   off  size  field
 *     0     4  body_len: bytes after this field
 *     4     1  record flags: bit 0 = client id present; others must be 0
 *     5     6  wall-clock time of the batch, ms since the Unix epoch
 *    11     1  command name length n
 *    12     n  command name, lower case, for people and filters only
 *   +n   [ 8]  client id (flag bit 0)
 *    ...       operations until the end of the body
 *
 * Operation: u8 kind (row number in wal_ops.def), u8 flags (WAL_OP_*), then by kind:
 *   [slot u16, collection id varint] [name length varint, name] [value length varint, value]
 *
 * Effects are final values, so replay is idempotent and needs no command code. */
#ifndef CAIRN_ENGINE_WAL_WAL_RECORD_H
#define CAIRN_ENGINE_WAL_WAL_RECORD_H

#include "engine/base/buf.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"

enum wal_op_kind {
#define WAL_OP(sym, text, loc, name, value) WAL_OP_##sym,
#include "engine/wal/wal_ops.def"
#undef WAL_OP
	WAL_OP_KINDS
};

enum wal_op_flags {
	/* PUT_KEY by a command that did not look at what was there: a collection that this write
	 * replaces in the store is found and dropped when the write is checkpointed. */
	WAL_OP_BLIND = 1,
};

struct wal_op {
	enum wal_op_kind kind;
	uint8_t flags;
	uint16_t slot; /* of the key; for PUT_KEY and DEL_KEY derived from the name when decoding */
	uint64_t id;   /* collection, for the kinds that have one */
	struct slice name;  /* borrows the record's bytes when decoded */
	struct slice value; /* likewise */
};

struct wal_record {
	uint64_t lsn;	    /* filled in by the frame reader; 0 from wal_record_decode alone */
	uint64_t time_ms;   /* wall clock of the batch */
	uint64_t client_id; /* 0 when absent */
	struct slice cmd;
	struct slice ops;   /* the encoded operations, for wal_op_next */
	struct slice whole; /* the record as encoded, its length in front */
};

enum {
	WAL_RECORD_LEN_MAX = 1 << 30
}; /* bytes of one record; a larger batch is refused before it starts */

/* Starts a record at the end of out; *start gets its offset for the other calls.
 * cmd is cut at 255 bytes; client_id 0 is left out. ST_NO_MEMORY: out unchanged. */
MUST_CHECK enum status wal_record_begin(struct buf *out, struct slice cmd, uint64_t time_ms,
					uint64_t client_id, size_t *start);

/* Appends one operation. value_parts are written back to back as the value (count 0: empty value;
 * op->value is not looked at). ST_NO_MEMORY or ST_LIMIT (record over WAL_RECORD_LEN_MAX): out as
 * before the call. */
MUST_CHECK enum status wal_record_add(struct buf *out, size_t start, const struct wal_op *op,
				      const struct slice *value_parts, size_t value_parts_count);

/* Finishes the record: writes its length. */
void wal_record_end(struct buf *out, size_t start);

/* Reads one record from the front of in; *used gets its whole length. The record borrows in.
 * ST_CORRUPT: lengths that do not fit, unknown flags or operations. */
MUST_CHECK enum status wal_record_decode(struct slice in, struct wal_record *out, size_t *used);

/* Reads the next operation from *ops and advances it. ST_END when there is none left; ST_CORRUPT.
 */
MUST_CHECK enum status wal_op_next(struct slice *ops, struct wal_op *out);

/* The name of a kind as in wal_ops.def. */
const char *wal_op_kind_text(enum wal_op_kind kind);

#endif
