/* What the files of the store share (store.c: opening and looking at the whole; store_read.c;
 * store_write.c). Private to them: nobody else sees LMDB. */
#ifndef CAIRN_ENGINE_STORE_PRIVATE_H
#define CAIRN_ENGINE_STORE_PRIVATE_H

#include "engine/store.h"
#include "engine/store_format.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

/* A neighbour or an old value longer than this is not read just to compare its checksum. */
enum { STORE_CHECK_LEN_MAX = 4096, STORE_NOTE_MAX = 64 };

struct store_txn {
	struct store *store;
	MDB_txn *txn; /* NULL: none is open */
	MDB_cursor *keys, *expiry;
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
	MDB_dbi keyspace, expires, slots, node;
	const struct io *io;
	struct io_file *file; /* for its length */
	struct io_file *look; /* for store_resident, which has a thread of its own */
	bool read_only;
	const uint8_t *map; /* where page 0 is mapped; NULL when it could not be found out */
	uint64_t map_size;
	size_t page_size, os_page;
	struct store_txn txn;
	pthread_mutex_t info_lock;
	struct store_info info; /* of the newest commit; under info_lock */
	_Atomic uint32_t resident_turn;
};

struct store_reader {
	struct store *store;
	MDB_txn *txn, *spare;	    /* spare: reset, for the next renewal; NULL until needed */
	MDB_cursor *probe, *expiry; /* NULL until needed */
	uint64_t round;		    /* counts renewals */
	uint64_t probe_round, expiry_round;
	/* store_ahead.c: the keyspace's root page, and how many pages the file has. */
	const uint8_t *root;
	uint64_t root_round, root_pages;
	bool active;
};

struct store_cursor {
	struct store_reader *reader;
	MDB_cursor *cursor;
	uint64_t round;
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

/* The status of an LMDB return code. */
enum status store_from_lmdb(int rc);

/* Puts value and its checksum; returns LMDB's code. */
int store_put_record(MDB_txn *txn, MDB_dbi dbi, struct slice key, struct slice value);

/* Gets a record of the small tables; value borrows the map. ST_NOT_FOUND, ST_CORRUPT. */
MUST_CHECK enum status store_get_record(MDB_txn *txn, MDB_dbi dbi, struct slice key,
					struct slice *value);

/* Puts the state record; returns LMDB's code. */
int store_put_state(MDB_txn *txn, MDB_dbi node, const struct store_state *state);

/* Gets the state record of txn's snapshot. */
MUST_CHECK enum status store_get_state(const struct store *s, MDB_txn *txn,
				       struct store_state *out);

/* Takes new figures for store_info after a commit. */
void store_remember_info(struct store *s);

#endif
