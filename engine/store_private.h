/* What the files of the store share (store.c: opening and looking at the whole; store_read.c;
 * store_write.c; store_sums.c). Private to them: nobody else sees LMDB. */
#ifndef CAIRN_ENGINE_STORE_PRIVATE_H
#define CAIRN_ENGINE_STORE_PRIVATE_H

#include "engine/store.h"
#include "engine/store_format.h"
#include "engine/store_tree.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

/* A neighbour or an old value longer than this is not read just to compare its checksum. */
enum { STORE_CHECK_LEN_MAX = 4096, STORE_NOTE_MAX = 64 };

/* Where a meta page has what is read of it here; engine/store_file.c has all of it. */
enum {
	STORE_META_MAIN = 16 + 72,
	STORE_META_LAST_PAGE = 16 + 120,
	STORE_META_TXN = 16 + 128,
	STORE_TABLE_LEN = 48,
};

#define STORE_STATE_KEY "state"

/* The tables of one snapshot. */
struct store_trees {
	struct store_tree keyspace, expires, slots, sums, node;
	struct store_seen seen;
};

struct store_txn {
	struct store *store;
	MDB_txn *txn; /* NULL: none is open */
	MDB_cursor *keys, *expiry;
	struct store_trees base; /* the commit that it began from */
	bool cleared;		 /* nothing of base is left */
	/* The leaf of base's keyspace that the last write was led to, its way checked whole, and
	 * the keys that belong on it. Depth 0: none. */
	struct store_place guarded;
	struct slice guarded_lo, guarded_hi;
	bool guarded_beside; /* the leaves beside that one were looked at, too */
	struct store_io_count {
		uint64_t leaves;   /* leaf pages copied */
		uint64_t big;	   /* bytes in overflow pages */
		uint64_t inserted; /* bytes that made leaves grow */
	} count;
	const void *last_clean; /* page that was counted last */
	MDB_val old;		/* what the last search found */
	bool found, clean;
	size_t key_len; /* of the last search, while the cursor stands there; 0: nowhere */
	uint8_t key[STORE_INDEX_MAX];
};

struct store {
	MDB_env *env;
	MDB_dbi keyspace, expires, slots, sums, node;
	bool has_sums; /* not so in an old one that is open for reading */
	const struct io *io;
	struct io_file *file; /* for its length */
	struct io_file *look; /* for store_resident, which has a thread of its own */
	uint64_t mapped;      /* store_map_resident: bytes whose pages were mapped */
	bool read_only;
	const uint8_t *map; /* where page 0 is mapped */
	uint64_t map_size;
	size_t page_size, os_page;
	struct store_txn txn;
	pthread_mutex_t info_lock;
	struct store_info info; /* of the newest commit; under info_lock */
	_Atomic uint32_t resident_turn;
};

struct store_reader {
	struct store *store;
	MDB_txn *txn, *spare; /* spare: reset, for the next renewal; NULL until needed */
	uint64_t round;	      /* counts renewals */
	bool active;
	unsigned turn;		     /* which of trees is the present snapshot's */
	struct store_trees trees[2]; /* a renewal that fails leaves the other one alone */
	/* Entries of the present snapshot that store_reader_ahead came across, in the order of its
	 * keys; those before ahead_next have been asked for. */
	struct store_step ahead[STORE_AHEAD_MAX];
	unsigned ahead_count, ahead_next;
};

struct store_cursor {
	struct store_reader *reader;
	struct store_place at;
	uint64_t round; /* of the reader at the last seek; 0: nowhere */
};

static inline MDB_val to_val(struct slice s)
{
	/* LMDB does not write through it. */
	return (MDB_val){.mv_size = s.len, .mv_data = (void *)(uintptr_t)s.data};
}

static inline struct slice from_val(MDB_val v)
{
	return slice_of(v.mv_data, v.mv_size);
}

/* The key of a note in the "node" table, in dst of STORE_NOTE_MAX bytes; cut when too long. */
struct slice store_note_key(const char *name, char *dst);

/* The tables of the reader's snapshot. */
static inline const struct store_trees *store_reader_trees(const struct store_reader *r)
{
	return &r->trees[r->turn];
}

/* The status of an LMDB return code. */
enum status store_from_lmdb(int rc);

/* Puts value and its checksum; returns LMDB's code. */
int store_put_record(MDB_txn *txn, MDB_dbi dbi, struct slice key, struct slice value);

/* Gets a record of the small tables; value borrows the map. ST_NOT_FOUND, ST_CORRUPT. */
MUST_CHECK enum status store_get_record(MDB_txn *txn, MDB_dbi dbi, struct slice key,
					struct slice *value);

/* Gets a record of a small table of a snapshot; value borrows the map. ST_NOT_FOUND, ST_CORRUPT. */
MUST_CHECK enum status store_tree_record(const struct store_tree *t, struct slice key,
					 struct slice *value);

/* Before LMDB steps on a key of a table: looks at the way there, with removal at the leaves beside
 * too. Returns 0 or MDB_CORRUPTED. */
int store_txn_guard(const struct store_txn *t, const struct store_tree *tree, struct slice key,
		    bool removal);

/* Puts the state record; returns LMDB's code. */
int store_put_state(MDB_txn *txn, MDB_dbi node, const struct store_state *state);

/* Gets the state record of txn's snapshot. */
MUST_CHECK enum status store_get_state(const struct store *s, MDB_txn *txn,
				       struct store_state *out);

/* Finds the tables of the snapshot of a transaction. ST_AGAIN: a later commit has taken its meta
 * page; ST_CORRUPT, ST_IO. */
MUST_CHECK enum status store_trees_load(struct store *s, uint64_t txnid, struct store_trees *out);

/* Forgets what was come across: the snapshot changes. */
void store_ahead_forget(struct store_reader *r);

/* Puts the record of the format; returns LMDB's code. */
int store_put_version(MDB_txn *txn, MDB_dbi node);

/* Brings a store of the oldest format, which has no table of sums, to this one. Nothing that was
 * there is changed but the version: what is new begins empty. Returns LMDB's code. */
int store_sums_create(struct store *s);

/* Takes new figures for store_info after a commit. */
void store_remember_info(struct store *s);

#endif
