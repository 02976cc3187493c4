/* Reading the log ahead of its replay: a thread reads, checks, decompresses and decodes; the caller
 * applies what came before. */
#ifndef CAIRN_ENGINE_RECOVERY_AHEAD_H
#define CAIRN_ENGINE_RECOVERY_AHEAD_H

#include "engine/base/buf.h"
#include "engine/key_codec.h"
#include "engine/wal/wal_reader.h"

enum { RECOVERY_BATCH_MAX = 256 };

/* What is looked at first comes first: two cache lines, mostly. */
struct recovery_item {
	uint64_t hash, lsn;
	struct wal_op op;
	struct store_key key;
};

/* Operations in the log's order. */
struct recovery_batch {
	struct recovery_item items[RECOVERY_BATCH_MAX];
	uint32_t count, records; /* records: that end here */
	uint64_t last_lsn;	 /* of the record that ended last; with records > 0 */
	bool whole;		 /* the last operation is its record's last */
	bool lent;		 /* the operations borrow the reader, not bytes */
	struct buf bytes;
	struct wal_reader_end end; /* of what was read for this batch */
	/* Why nothing follows: ST_OK while something does. As wal_reader_next says, and ST_CORRUPT
	 * when the log does not begin where it should. */
	enum status stop;
};

struct recovery_ahead;

/* Begins to read. The first record must have the LSN from_lsn; seed: of the tables' hash. r belongs
 * to the thread until recovery_ahead_end. ST_NO_MEMORY. */
MUST_CHECK enum status recovery_ahead_start(struct wal_reader *r, uint64_t from_lsn, uint64_t seed,
					    struct recovery_ahead **out);

/* The next batch, waiting for it; valid until the next call. After one that says stop there is
 * none.
 */
struct recovery_batch *recovery_ahead_next(struct recovery_ahead *a);

/* Ends the thread, wherever it is. The LSN that was there instead of from_lsn, 0 when it began
 * right. NULL is fine. */
uint64_t recovery_ahead_end(struct recovery_ahead *a);

#endif
