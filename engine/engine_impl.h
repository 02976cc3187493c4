/* The inside of the engine, shared by its source files: engine.c (open, close, turns),
 * engine_freeze.c, batch.c (writes and undo), keyspace.c (user keys), merge_iter.c (ordered scans),
 * counts.c, expire.c, recovery.c, residency.c, engine_shard.c, engine_digest.c, engine_library.c.
 */
#ifndef CAIRN_ENGINE_ENGINE_IMPL_H
#define CAIRN_ENGINE_ENGINE_IMPL_H

#include "engine/base/buf.h"
#include "engine/base/mem_ahead.h"
#include "engine/base/rng.h"
#include "engine/engine.h"
#include "engine/library_set.h"
#include "engine/memtable.h"
#include "engine/residency.h"
#include "engine/store.h"
#include "engine/wal/wal_record.h"

enum {
	ENGINE_ITERS = 8,	 /* scans that may be open at once */
	EXPIRED_SEEN_MAX = 16,	 /* expired keys noticed by reads of one batch, removed after it */
	RESET_STEP = 256 * 1024, /* bytes of an old table cleared per turn */
};

/* What an entry was before the open batch changed it. */
struct undo {
	struct mt_entry *entry;
	uint8_t *value;
	uint64_t lsn;
	size_t saved_off; /* where the overwritten value's bytes are in undo_bytes, or SIZE_MAX */
	uint32_t value_len, value_cap;
	uint8_t flags, base;
};

struct batch {
	struct slice cmd;
	uint64_t now_ms, client_id;
	uint64_t seen_lsn;
	size_t record_start; /* in engine.turn */
	uint32_t ops;
	bool open, met_expired;
	struct buf undo; /* struct undo */
	struct buf undo_bytes;
	struct memtable *undo_active; /* the table that a FLUSH of this batch replaced */
	size_t undo_flush_len;	      /* length of undo then */
	uint64_t undo_next_id;
	bool libraries_kept; /* the libraries as they were before it: */
	struct library_set undo_libraries;
	uint64_t undo_libraries_lsn;
};

/* The libraries of functions (engine_library.h). */
struct libraries {
	struct library_set set;
	uint64_t lsn; /* of the last change; 0: it is in the store */
	uint64_t version;
	bool changed;	     /* since the active table began: the next checkpoint stores them */
	struct buf frozen;   /* encoded, as of frozen_lsn, for the checkpoint under way */
	bool frozen_changed; /* ... which stores them */
};

/* One side of a merge: the entry it stands at. */
struct merge_side {
	struct slice key, value;
	struct mt_entry *entry; /* memtables only */
	bool at_end;
};

struct engine_iter {
	struct engine *e;
	bool in_use, reverse;
	uint8_t prefix[16];
	size_t prefix_len;
	struct mt_scan active, frozen;
	struct merge_side sides[3];  /* active, frozen, store */
	struct store_cursor *cursor; /* opened at the first use, kept */
	bool store_started;
	uint8_t start[STORE_KEY_MAX + 1];
	size_t start_len;
};

/* How fast writers may go (engine_pace.c). */
struct engine_pace {
	uint64_t drain_began_us; /* when the frozen table's drain began */
	uint64_t drain_us;	 /* how long the one before it took */
	uint64_t next_us;	 /* when the next byte may come */
	size_t counted;		 /* bytes of the active table that next_us takes into account */
};

struct engine {
	struct engine_options opts;
	char *dir, *wal_dir, *archive_dir;
	struct io_file *lock;
	uint64_t hash_seed;
	struct rng rng;

	struct store *store;
	struct store_reader *reader;
	uint64_t reader_commits; /* checkpoint_commits when the reader was last renewed */
	struct checkpoint *checkpoint;
	struct wal_writer *wal;
	struct wal_history history;
	struct residency *residency;

	struct mem_ahead *mem_ahead; /* backs what the tables will take */
	struct memtable *active;
	struct memtable *frozen; /* NULL: no drain under way */
	struct memtable *spare;	 /* empty, or being emptied */
	bool spare_clean;
	uint64_t frozen_lsn, active_since_ms;
	bool frozen_held;   /* the frozen table waits for the horizon before it is drained */
	bool frozen_wanted; /* it was frozen because somebody asked for a checkpoint */
	uint64_t horizon;   /* engine_set_horizon */
	uint64_t recovered_release_lsn; /* what recovery may let go of, once the log is open */
	bool checkpoint_wanted;
	uint64_t freeze_at; /* engine_freeze_at */
	bool freezes_told;  /* ... has ever been called for this primary */
	size_t memtable_max;

	struct engine_pace pace;

	uint64_t next_lsn, next_id;
	struct buf turn; /* encoded records not yet handed to the WAL */
	uint64_t turn_first_lsn;
	uint32_t turn_count;
	struct batch batch;
	struct libraries libraries;

	struct engine_iter iters[ENGINE_ITERS];
	struct ahead *ahead; /* keys of requests to come */

	/* Whether the store held the key that was looked up there last: spares a write after a read
	 * the second look. */
	uint64_t looked_hash;
	bool looked, looked_present;

	struct slot_stat *base; /* [SLOTS]: what the store holds */
	bool base_exact;	/* it holds the records up to the checkpoint and nothing later */
	uint64_t base_keys, base_expires;
	uint64_t unresolved_listed; /* entries whose base was unknown, ever */
	/* Entries of the tables' lists before these are resolved. */
	size_t unresolved_at, frozen_unresolved_at;

	/* expiry */
	uint64_t index_ms; /* how far the store's expiry index was walked under this reader */
	uint8_t index_key[STORE_KEY_MAX];
	size_t index_key_len;
	struct buf expired_names; /* keys that reads found expired: [u32 len][name]... */
	uint32_t expired_count;
	bool expiring;

	/* what engine_turn_end compares with */
	uint64_t last_ack_lsn;
	enum status last_writable;
	enum status failed; /* ST_OK, or why writes are stopped for good */

	struct engine_stats stats; /* the parts that the engine itself counts */
};

/* --- engine.c --- */

/* Stops writes for good, saying why, unless they are stopped already. */
void engine_fail(struct engine *e, const char *what, enum status st);
/* Never 0. */
uint64_t engine_random_id(struct engine *e);

/* --- engine_freeze.c --- */

/* Whether there is anything that the store has not. */
bool engine_changed(const struct engine *e);
/* Freezes the active table when it is full, old or wanted, and submits what may be drained. */
void engine_freeze_due(struct engine *e, uint64_t now_ms);
/* Freezes the active table when lsn, the newest applied, is where it was asked for. */
void engine_freeze_told(struct engine *e, uint64_t lsn);
/* Renews the reader behind commits and takes over a finished drain. */
void engine_follow_checkpoint(struct engine *e);
/* Freezes the active table and drains it, waiting for the end; for a log's tail that is larger than
 * the memtable may be. Before the WAL is open. history: of the records in it. */
MUST_CHECK enum status engine_drain_recovered(struct engine *e, const struct wal_history *history);

/* Has memory made ready that the executor will write to soon: the active table's, and in time a
 * table for when that one is full. */
void engine_back_tables(struct engine *e);

/* An empty table for the active place: the spare one, or a new one. */
MUST_CHECK enum status engine_fresh_table(struct engine *e, struct memtable **out);
/* Keeps a table that is no longer used as the spare one, or lets it go. */
void engine_retire_table(struct engine *e, struct memtable *mt);

/* --- engine_pace.c --- */

/* A drain begins now; it has ended. */
void engine_pace_drain(struct engine *e);
void engine_pace_drained(struct engine *e);

/* --- batch.c --- */

/* Encodes one operation into the record and applies it to the active table. key is the operation's
 * store key. blind: only for PUT_KEY. Any failure leaves the batch as before this operation. */
MUST_CHECK enum status batch_apply(struct engine *e, const struct wal_op *op,
				   const struct store_key *key, const struct slice *parts,
				   size_t parts_count);
/* Replaces the active table by an empty one that hides everything below; logs the flush. */
MUST_CHECK enum status batch_flush(struct engine *e);

/* The store key of a decoded operation; borrows its name. ST_CORRUPT. */
MUST_CHECK enum status apply_key(const struct wal_op *op, struct store_key *key);
/* Applies a decoded operation of the record lsn to the active table. key and hash are the
 * operation's. ST_CORRUPT: a value that is no key record. */
MUST_CHECK enum status apply_op(struct engine *e, const struct wal_op *op,
				const struct store_key *key, uint64_t hash, uint64_t lsn);

/* Logs an operation on libraries and does it. Any failure leaves the batch as before. */
MUST_CHECK enum status batch_library(struct engine *e, const struct wal_op *op);

/* --- engine_library.c --- */

/* Takes the libraries that the store has. error gets a line on failure. */
MUST_CHECK enum status libraries_load(struct engine *e, struct buf *error);
/* Does an operation of the record lsn. ST_CORRUPT: it can't have been logged; ST_NO_MEMORY. */
MUST_CHECK enum status libraries_apply(struct engine *e, const struct wal_op *op, uint64_t lsn);
/* Keeps what there is, once in a batch, for its end: which drops it, or brings it back. */
MUST_CHECK enum status libraries_keep(struct engine *e);
void libraries_settle(struct engine *e, bool undo);
/* Makes their bytes for a checkpoint, where they changed. ST_NO_MEMORY. */
MUST_CHECK enum status libraries_freeze(struct engine *e);

/* --- reads through the three layers (keyspace.c) --- */

/* The stored value of a store key. ST_NOT_FOUND. Notes the LSN that was seen. */
MUST_CHECK enum status view_lookup(struct engine *e, struct slice key, struct slice *stored);

/* What the key record in an entry says; false: there is none, or it does not decode. */
bool engine_entry_meta(const struct mt_entry *entry, struct meta *out);

/* The entry that decides in the memtables (maybe a tombstone), NULL when the store decides;
 * *hidden: a FLUSH hides the store. */
struct mt_entry *view_find(const struct engine *e, struct slice key, uint64_t hash, bool *hidden);

/* --- merge_iter.c --- */

/* Walks entries whose store key begins with prefix, from start on (a store key; in reverse: those
 * below start, or all when start_len is 0). ST_LIMIT: too many iterators are open. */
MUST_CHECK enum status merge_open(struct engine *e, struct slice prefix, struct slice start,
				  bool reverse, struct engine_iter **out);
/* Next entry that is there. ST_END. */
MUST_CHECK enum status merge_next(struct engine_iter *it, struct slice *key, struct slice *value);
void merge_close(struct engine_iter *it);

/* --- counts.c --- */

/* Keeps the table's counters right around a change of a key record: take its share out before, put
 * it back after. */
void counts_remove(struct memtable *mt, const struct mt_entry *e);
void counts_add(struct memtable *mt, const struct mt_entry *e);
/* Sets what is below a new entry as far as it is known; unknown ones are listed. */
MUST_CHECK enum status counts_base(struct engine *e, struct mt_entry *entry, bool looked_below);
MUST_CHECK enum status counts_load(struct engine *e);

/* --- recovery.c --- */

/* Replays the log after the store's checkpoint into the active table. *at is where the log
 * continues, *clean whether it was closed cleanly. */
MUST_CHECK enum status recovery_run(struct engine *e, const struct store_state *state,
				    struct wal_position *at, bool *clean, struct buf *error);

/* --- ahead.c --- */

/* Makes room for noted keys. */
MUST_CHECK enum status ahead_create(struct engine *e);

/* --- expire.c --- */

/* Notes that a read met this expired key, to be removed after the batch. */
void expire_noticed(struct engine *e, struct slice name);
/* The same for a hash with fields whose time has come: these go. */
void expire_noticed_fields(struct engine *e, struct slice name);
/* Removes the keys noticed; outside a batch. */
void expire_run_noticed(struct engine *e, uint64_t now_ms);

#endif
