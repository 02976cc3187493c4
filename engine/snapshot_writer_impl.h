/* The inside of the taking side of a full copy, shared by its files: snapshot_writer.c (blocks and
 * the end) and snapshot_writer_open.c (beginning, and going on with what was begun). */
#ifndef CAIRN_ENGINE_SNAPSHOT_WRITER_IMPL_H
#define CAIRN_ENGINE_SNAPSHOT_WRITER_IMPL_H

#include "engine/digest_keeper.h"
#include "engine/key_codec.h"
#include "engine/snapshot_writer.h"
#include "engine/store.h"

/* The note in the store of a copy: [place, SNAPSHOT_RESUME_LEN][head]. */
extern const char snapshot_writer_note_name[];

struct snapshot_writer {
	struct store *store;
	struct store_txn *txn; /* NULL: none is open */
	struct snapshot_codec *codec;
	struct snapshot_head head;
	struct buf note, resume;
	struct slot_stat stats[SLOTS];
	struct digest_keeper digests;
	uint64_t touched[SLOTS / 64]; /* since the last commit */
	uint64_t entries, sum, bytes;
	struct snapshot_resume place; /* the beginning of the slot under way */
	/* The order of keys: marks of a slot may come once more at its end. */
	struct store_key last; /* without a name; len 0: none yet */
	struct store_key mark; /* of the slot under way; len 0: none yet */
	uint64_t commit_bytes;
	enum status failed;
};

/* Opens a transaction unless one is open. */
MUST_CHECK enum status snapshot_writer_begin(struct snapshot_writer *w);
/* Commits it with the counters of the slots that changed; on failure it is gone as well. */
MUST_CHECK enum status snapshot_writer_commit(struct snapshot_writer *w);
/* Likewise, with the place and the head. */
MUST_CHECK enum status snapshot_writer_commit_with_note(struct snapshot_writer *w);
/* The counters of a slot that is about to change. */
struct slot_stat *snapshot_writer_touch(struct snapshot_writer *w, uint16_t slot);
/* Decodes a key record. ST_CORRUPT. */
MUST_CHECK enum status snapshot_writer_record_of(struct slice key, struct slice stored,
						 struct meta *out);

#endif
