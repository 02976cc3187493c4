/* The LMDB file: the only place that includes <lmdb.h>. One environment per data directory.
 *
 * Tables: "keyspace" (store keys of engine/key_codec.h -> stored value + 4-byte checksum),
 * "expires"
 * ([expire_at_ms u64 BE][store key of the key, cut when long] -> empty or the whole key), "slots"
 * ([slot u16 BE] -> keys, expires, bytes, garbage, digest), "sums" ([slot u16 BE][collection id u64
 * BE] -> what engine/digest_keeper.h knows of a large collection) and "node" (format version,
 * checkpoint LSN, drain mark, WAL history at the checkpoint, next collection id; notes of a copy in
 * the making).
 * LMDB pages have no checksum, so each keyspace value ends with the low 32 bits of XXH3-64 over the
 * value, mixed with that of the key; it is checked at every read and never shown to callers.
 *
 * Opened NOTLS and (for a node) NORDAHEAD with default, fully synced commits; never NOSYNC,
 * WRITEMAP or MAPASYNC. The map is large, sparse and never resized while in use. */
#ifndef CAIRN_ENGINE_STORE_H
#define CAIRN_ENGINE_STORE_H

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/content_digest.h"
#include "engine/wal/wal_history.h"

#include <stdbool.h>

/* Version 1 had no digests: opened for writing it becomes version 2, its slots undigested. */
enum { STORE_FORMAT_VERSION = 2, STORE_FORMAT_OLDEST = 1 };

struct store;
struct store_reader; /* a read transaction: one thread at a time */
struct store_cursor; /* a place in the keyspace table, of one reader */

struct store_options {
	const char *path;      /* the LMDB file, e.g. DIR/keyspace.mdb */
	const struct io *io;   /* for creation beside, rename, directory sync */
	uint64_t map_size_max; /* bytes of address space, 1 TiB usually */
	bool read_only; /* for tools: nothing is created or changed, works beside a running node */
};

/* What the "node" table says; one consistent set per commit. */
struct store_state {
	uint64_t checkpoint_lsn; /* every record up to here is in the store */
	uint64_t
	    previous_checkpoint_lsn; /* of the checkpoint before: the WAL is kept back to here */
	uint64_t drain_lsn;	     /* effects of records up to here may be in the store */
	uint64_t next_id; /* no collection id at or above this was used up to checkpoint_lsn */
	struct wal_history history;
};

/* The state in the file of a store that this process has not opened. Errors as store_open, for
 * reading. */
MUST_CHECK enum status store_peek_state(const struct io *io, const char *path,
					struct store_state *out, struct buf *error);

struct slot_stat {
	uint64_t keys;	  /* key records */
	uint64_t expires; /* of them with an expiry */
	uint64_t bytes;	  /* store keys and stored values, elements and garbage marks included */
	uint64_t garbage; /* dead collections still to be removed */
	struct digest digest; /* of the keys; see undigested */
	bool undigested;      /* nobody has kept the digest: it says nothing, or is being built */
};

/* What is known of a large collection. */
struct collection_sum {
	struct digest elements; /* the sum of theirs */
	int64_t names;		/* key records that name it: one, but within a rename */
};

/* Opens, or creates when missing (into a temporary name, synced, renamed, directory synced). Checks
 * the file's length against its meta page. ST_VERSION: another format. ST_CORRUPT, ST_IO,
 * ST_NO_SPACE, ST_NOT_FOUND (read-only). error gets a line for humans: what, where, what to do. */
MUST_CHECK enum status store_open(const struct store_options *opts, struct store **out,
				  struct buf *error);
void store_close(struct store *s); /* NULL is fine; readers must be closed before */

/* A read transaction at the newest commit. */
MUST_CHECK enum status store_reader_open(struct store *s, struct store_reader **out);
/* Moves the reader to the newest commit; everything borrowed from it ends. Cursors stay usable
 * after a new seek. */
MUST_CHECK enum status store_reader_renew(struct store_reader *r);
/* Lets go of the snapshot until the next renew, so that an idle reader pins no pages. */
void store_reader_reset(struct store_reader *r);
void store_reader_close(struct store_reader *r);

/* The stored value of a key. Borrows the map until the reader is renewed or closed.
 * ST_NOT_FOUND; ST_CORRUPT: the checksum does not match; ST_IO. */
MUST_CHECK enum status store_get(struct store_reader *r, struct slice key, struct slice *out);

enum { STORE_AHEAD_MAX = 64 };

/* Has the CPU fetch what store_get will read for these keys, at most STORE_AHEAD_MAX, all at the
 * same time. Worth it when several lookups follow, and only while the file is in memory: a page
 * that is not would be waited for here. store_get finds what was come across here without a search,
 * if it is asked in about this order. Returns how many of the keys that were, 0 without a snapshot;
 * a hint, not an answer. */
size_t store_reader_ahead(struct store_reader *r, const struct slice *keys, size_t count);

/* The value of a key that store_reader_ahead came across, as store_get gives it. ST_NOT_FOUND: it
 * did not, which says nothing about the key; ST_CORRUPT. */
MUST_CHECK enum status store_ahead_get(struct store_reader *r, struct slice key, struct slice *out);

/* Begins with the first of what was come across again, for somebody who looks twice. */
void store_ahead_rewind(struct store_reader *r);

/* Looks for keys, at most STORE_AHEAD_MAX, all at the same time: values[i] gets what is stored,
 * borrowed as store_get does; data NULL: nothing was come across. Neither checked nor an answer:
 * for looking ahead alone. store_get finds nothing faster by it but what is in the cache then. */
void store_reader_peek(struct store_reader *r, const struct slice *keys, size_t count,
		       struct slice *values);

/* store_reader_ahead for writes in key order: has the leaves fetched that these ascending keys
 * belong on, up to STORE_AHEAD_MAX of them. store_get finds nothing faster by it. Returns how many
 * leaves there are. */
size_t store_reader_ahead_sorted(struct store_reader *r, const struct slice *keys, size_t count);

/* A cursor of the reader; close it before the reader. ST_NO_MEMORY, ST_IO. */
MUST_CHECK enum status store_cursor_open(struct store_reader *r, struct store_cursor **out);
void store_cursor_close(struct store_cursor *c);
/* First entry at or after key; last entry before key. ST_NOT_FOUND at the end. key and value borrow
 * as store_get. */
MUST_CHECK enum status store_cursor_seek(struct store_cursor *c, struct slice at, struct slice *key,
					 struct slice *value);
MUST_CHECK enum status store_cursor_seek_before(struct store_cursor *c, struct slice at,
						struct slice *key, struct slice *value);
MUST_CHECK enum status store_cursor_next(struct store_cursor *c, struct slice *key,
					 struct slice *value);
MUST_CHECK enum status store_cursor_prev(struct store_cursor *c, struct slice *key,
					 struct slice *value);

/* Walks the expiry index from (from_ms, from_key) (exclusive; zero and empty: from the start) while
 * expire_at_ms <= until_ms, at most max entries; each gets the expiry and the store key of the user
 * key's record. */
MUST_CHECK enum status
store_reader_expiries(struct store_reader *r, uint64_t from_ms, struct slice from_key,
		      uint64_t until_ms, uint32_t max,
		      void (*each)(void *arg, uint64_t expire_at_ms, struct slice key), void *arg);

MUST_CHECK enum status store_reader_state(struct store_reader *r, struct store_state *out);
/* What store_txn_note has put; borrows as store_get. ST_NOT_FOUND, ST_CORRUPT, ST_IO. */
MUST_CHECK enum status store_reader_note(struct store_reader *r, const char *name,
					 struct slice *out);
/* Fills stats[SLOTS]. */
MUST_CHECK enum status store_reader_slots(struct store_reader *r, struct slot_stat *stats);
/* ST_NOT_FOUND; ST_CORRUPT. */
MUST_CHECK enum status store_reader_sum(struct store_reader *r, uint16_t slot, uint64_t id,
					struct collection_sum *out);
/* Calls each for every collection in "sums", in order. */
MUST_CHECK enum status store_reader_sums(struct store_reader *r,
					 void (*each)(void *arg, uint16_t slot, uint64_t id,
						      const struct collection_sum *sum),
					 void *arg);

struct store_info {
	uint64_t map_size, file_bytes, pages_used, pages_free, page_size, entries, depth, readers,
	    last_txn;
};
/* Figures of the data file as of the newest commit. ST_IO. */
MUST_CHECK enum status store_info(struct store *s, struct store_info *out);

/* True when every page of the data file is in the page cache, as far as one look can tell; a few
 * that are missing are fetched, at most fetch_max. Reads the disk then. Any thread but the
 * executor. */
bool store_resident(struct store *s, uint32_t fetch_max);

/* True when a lookup of this key would wait for no disk: each page that it reads is in the page
 * cache. That is asked of the kernel before the page is touched. */
bool store_reader_resident(struct store_reader *r, struct slice key);

/* Maps the data file's pages after store_resident found them all, as far as the file has grown
 * since the last time: each first read would take a fault instead. Same thread as store_resident.
 */
void store_map_resident(struct store *s);

/* Writing: one transaction at a time, from one thread (the checkpoint's). */
struct store_txn;
MUST_CHECK enum status store_txn_begin(struct store *s, struct store_txn **out);
/* What the key holds in this transaction; borrowed until the next write in it. The checksum of a
 * value over 4 KiB is not compared: who overwrites it wants its first bytes and its size alone. */
MUST_CHECK enum status store_txn_get(struct store_txn *t, struct slice key, struct slice *out);
/* ST_MAP_FULL, ST_NO_SPACE, ST_IO: the transaction must be aborted. */
MUST_CHECK enum status store_txn_put(struct store_txn *t, struct slice key, struct slice value);
/* Puts a key that is greater than every key there is: cheaper, and pages become full. ST_INVALID:
 * it is not. Others as store_txn_put. */
MUST_CHECK enum status store_txn_append(struct store_txn *t, struct slice key, struct slice value);
MUST_CHECK enum status store_txn_del(struct store_txn *t,
				     struct slice key); /* ST_OK when it was not there */
MUST_CHECK enum status store_txn_expiry(struct store_txn *t, uint64_t expire_at_ms,
					struct slice key, bool add);
MUST_CHECK enum status store_txn_slot(struct store_txn *t, uint16_t slot,
				      const struct slot_stat *stat);
MUST_CHECK enum status store_txn_state(struct store_txn *t, const struct store_state *state);
/* A collection's row in "sums". ST_NOT_FOUND. */
MUST_CHECK enum status store_txn_sum_get(struct store_txn *t, uint16_t slot, uint64_t id,
					 struct collection_sum *out);
MUST_CHECK enum status store_txn_sum_put(struct store_txn *t, uint16_t slot, uint64_t id,
					 const struct collection_sum *sum);
MUST_CHECK enum status store_txn_sum_del(struct store_txn *t, uint16_t slot,
					 uint64_t id); /* ST_OK when it was not there */
/* Removes all of a slot's. */
MUST_CHECK enum status store_txn_sums_clear(struct store_txn *t, uint16_t slot);
/* Keeps a short text beside the state, under a name of its own; an empty value removes it. Errors
 * as store_txn_put. */
MUST_CHECK enum status store_txn_note(struct store_txn *t, const char *name, struct slice value);
/* Removes at most max entries whose key starts with prefix; *removed and *bytes say what went (done
 * when *removed < max). */
MUST_CHECK enum status store_txn_del_prefix(struct store_txn *t, struct slice prefix, uint32_t max,
					    uint32_t *removed, uint64_t *bytes);
/* Empties keyspace, expires, slots and sums. */
MUST_CHECK enum status store_txn_clear(struct store_txn *t);
/* Bytes of pages this transaction has dirtied so far, estimated from its writes. */
uint64_t store_txn_dirty(const struct store_txn *t);
/* Fully synced. On failure nothing of the transaction is in the store. */
MUST_CHECK enum status store_txn_commit(struct store_txn *t);
void store_txn_abort(struct store_txn *t);

#endif
