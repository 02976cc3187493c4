/* The storage engine of one node: WAL, memtables and LMDB store behind one facade.
 *
 * One thread, the executor, calls everything here unless a function says otherwise. It never waits
 * for a disk.
 *
 *   engine_begin(e, "set", now)  ...reads and writes...  engine_commit(e)     one atomic record
 *   engine_turn_end(e)                                                      hands the turn's
 * records to the WAL thread
 *
 * Writes are visible to reads at once, also within their own batch. A reply may leave when
 * engine_ack_lsn() has reached the newest LSN that the command wrote or saw. */
#ifndef CAIRN_ENGINE_ENGINE_H
#define CAIRN_ENGINE_ENGINE_H

#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/checkpoint.h"
#include "engine/key_codec.h"
#include "engine/wal/wal_writer.h"

struct engine;
struct engine_iter;

/* What engine_options.expired tells of a key. */
enum expiry_news {
	/* A read of the open batch met it (once or more); it goes after that batch is committed,
	 * unless the batch has put something in its place. */
	EXPIRY_MET,
	EXPIRY_KEY,	    /* it has gone, without having been met */
	EXPIRY_FIELDS,	    /* fields of it have gone */
	EXPIRY_LAST_FIELDS, /* ... and it with them */
};

/* What engine_options.expire_fields did. */
struct fields_expired {
	uint32_t removed;
	bool last; /* the key has gone with them */
};

struct engine_options {
	const char *dir; /* data directory; created when missing, locked while open */
	const struct io *io;
	const struct clock *clock;
	uint64_t seed;	       /* for hash seeds, shard id, timelines */
	uint64_t map_size_max; /* bytes */
	uint64_t memtable_max; /* bytes of one memtable; at most three exist for short times */
	uint32_t checkpoint_interval_ms; /* a memtable older than this is frozen even when small */
	const char *wal_archive_dir;	 /* NULL: none */
	uint64_t wal_segment_size, wal_keep_size, wal_keep_ms;
	int wal_compression_level;
	struct slice wal_dictionary;
	enum wal_fsync fsync;
	/* Called from other threads when engine_turn_end has something to do; must not block. NULL:
	 * none. */
	void (*wakeup)(void *arg);
	void *wakeup_arg;
	/* Called on the executor for each change of a user key (also of its elements and by
	 * expiry), before it is done; key NULL: the whole keyspace was emptied. For WATCH and its
	 * kin. NULL: none. */
	void (*touched)(void *arg, const struct store_key *key);
	void *touched_arg;
	/* Called on the executor, with touched_arg, for a key that is removed, or loses fields,
	 * because the time has come. key is borrowed. NULL: none. */
	void (*expired)(void *arg, struct slice key, enum expiry_news news);
	/* Removes at most max fields, whose time has come, of the hash that key and m describe, and
	 * the key with its last one; within a batch (type_hash_expire). NULL: no fields expire. */
	enum status (*expire_fields)(struct engine *e, const struct store_key *key,
				     const struct meta *m, uint32_t max,
				     struct fields_expired *out);
	/* Opened to follow a primary (engine/engine_shard.h): no timeline is begun, nothing expires
	 * here. */
	bool replica;
};

/* Opens the directory and recovers: every durable record is visible on return. error gets one line
 * for humans on failure: what, where, what to do. ST_LOCKED (with the holder's pid in error),
 * ST_VERSION, ST_CORRUPT, ST_IO, ST_NO_SPACE. */
MUST_CHECK enum status engine_open(const struct engine_options *opts, struct engine **out,
				   struct buf *error);

/* Clean end: hands over and syncs the WAL, checkpoints what is in memory, closes. Returns the first
 * error met. */
enum status engine_close(struct engine *e);

/* --- batches --- */

/* Begins a batch: cmd (borrowed until commit) goes into the record, now_ms decides what has
 * expired. Reads need a batch too (for the clock), one without writes costs nothing. */
void engine_begin(struct engine *e, struct slice cmd, uint64_t now_ms, uint64_t client_id);

/* Seals the batch as one record. Returns its LSN, or 0 when nothing was written. */
uint64_t engine_commit(struct engine *e);

/* Undoes every write since engine_begin. */
void engine_rollback(struct engine *e);

/* The now_ms that engine_begin was given. */
uint64_t engine_now_ms(const struct engine *e);

/* Number of operations in the open batch so far. */
uint32_t engine_batch_ops(const struct engine *e);

/* The newest LSN among entries that were read or written since engine_begin; the open batch counts
 * as the LSN it will get. */
uint64_t engine_seen_lsn(const struct engine *e);

/* The newest LSN whose effects may be shown to clients under the present appendfsync. */
uint64_t engine_ack_lsn(const struct engine *e);

/* Newest LSN of all, visible or not yet acknowledged; 0: none. */
uint64_t engine_last_lsn(const struct engine *e);

/* Newest durable LSN, whatever appendfsync says. Any thread. */
uint64_t engine_durable_lsn(const struct engine *e);

/* ST_OK when writes are taken. ST_READ_ONLY: the WAL or store failed; ST_NO_SPACE: stalled until
 * there is room again; ST_AGAIN: memtables are full, the checkpoint is behind: try again later. */
enum status engine_writable(const struct engine *e);

/* How long the writer that has just written should be held before its next command, microseconds;
 * 0 below half full, and where it would be less than a millisecond. Writers share the time in which
 * the checkpoint makes room: each one's bytes move on the moment at which the next may come. */
uint32_t engine_backpressure_us(struct engine *e);

/* Counts a writer that was held (engine_stats.throttled). */
void engine_count_throttled(struct engine *e);

/* --- keys: see engine/keyspace.h for reads and writes in terms of user keys --- */

/* --- the loop --- */

/* End of an event-loop turn: gives records to the WAL thread, freezes a full memtable, takes over
 * finished checkpoints. Returns true when engine_ack_lsn or engine_writable may have changed since
 * the last call. */
bool engine_turn_end(struct engine *e);

/* Removes what has expired, each batch as the command "expire": at most max keys and fields, or a
 * batch's more; returns how many. */
uint32_t engine_expire_cycle(struct engine *e, uint64_t now_ms, uint32_t max);

/* Asks for a checkpoint of what is in memory now (BGSAVE). ST_AGAIN: one is running already,
 * another will follow. */
enum status engine_checkpoint(struct engine *e);

/* True when a lookup of this key will not wait for the disk: it is in a memtable, or each page that
 * holds it is in memory. elements: the elements of a collection will be read too; those of a large
 * one count as being in memory for some time after a call said that they are not (and the caller
 * has had them touched). Executor. */
bool engine_key_warm(struct engine *e, const struct store_key *key, bool elements);

/* True when the whole store is expected to be in memory: then every key is warm. Cheaper than
 * asking for each. */
bool engine_all_warm(struct engine *e);

/* Touches, on a helper thread and in its own read transaction, what a lookup of this key would
 * read; bytes read elsewhere are faulted in. Thread: any but the executor; each thread passes its
 * own reader. */
struct store_reader;
MUST_CHECK enum status engine_reader_open(struct engine *e, struct store_reader **out);
void engine_reader_close(struct store_reader *r); /* NULL is fine */
void engine_touch(struct store_reader *r, struct slice key, uint32_t elements_max);

/* --- counters --- */

/* Exact numbers need every blind write resolved; this resolves at most budget of them, oldest
 * first, and returns how many are left; until none is, engine_keys and engine_expires are upper
 * bounds. Where writes never pause the end may never come: what was written before a request is
 * resolved once engine_count_listed less what is left has reached what the former was then. */
uint64_t engine_count_resolve(struct engine *e, uint32_t budget);
uint64_t engine_count_listed(const struct engine *e); /* blind writes ever */
uint64_t engine_keys(const struct engine *e);	 /* exact when engine_count_resolve returned 0 */
uint64_t engine_expires(const struct engine *e); /* likewise */
uint64_t engine_slot_keys(const struct engine *e, uint16_t slot);

struct engine_stats {
	struct wal_stats wal;
	struct checkpoint_stats checkpoint;
	struct store_info store;
	uint64_t last_lsn, checkpoint_lsn;
	uint64_t timeline, epoch, shard_id;
	uint64_t memtable_bytes, memtable_frozen_bytes, memtable_entries, memtable_max;
	uint64_t throttled;		  /* commands held by back-pressure */
	uint64_t expired_keys;		  /* removed because their time had come */
	uint64_t expired_fields;	  /* the same of hashes' fields */
	uint64_t checkpoint_time_ms;	  /* wall clock of the last finished one, 0: none yet */
	uint64_t writes_since_checkpoint; /* operations */
	uint64_t recovery_us, recovery_records, recovery_torn_bytes, recovery_cut_lsn;
	bool checkpoint_running;
	enum status write_state; /* as engine_writable */
};
void engine_stats(struct engine *e, struct engine_stats *out);

/* Settings that change while running; each holds from the next frame or freeze on. */
void engine_set_fsync(struct engine *e, enum wal_fsync fsync);
void engine_set_wal(struct engine *e, int compression_level, uint64_t keep_size, uint64_t keep_ms);
void engine_set_memtable_max(struct engine *e, uint64_t bytes);

#endif
