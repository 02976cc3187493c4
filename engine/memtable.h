/* The newest state of what changed since the last checkpoint: a hash by store key over recycled
 * arenas.
 *
 * Entries hang in groups: the keys of one slot, or the elements of one collection. A group keeps
 * its entries in the order of arrival and sorts them only when an ordered scan asks (sorted runs
 * that merge as they grow), so a write pays for the hash alone.
 *
 * The active table belongs to the executor. A frozen table no longer changes, but for what its
 * entries say of their base: the executor reads it, and the checkpoint thread reads its entries
 * through memtable_sort at the same time. */
#ifndef CAIRN_ENGINE_MEMTABLE_H
#define CAIRN_ENGINE_MEMTABLE_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

#include <stdatomic.h>
#include <stdbool.h>

enum mt_flags {
	MT_TOMBSTONE = 1, /* deleted: hides what is below */
	MT_ABSENT = 2,	  /* says nothing: an undone insert; readers and the checkpoint skip it */
	MT_BLIND = 4, /* the writer did not look below: a collection that it replaces is dropped at
			 the checkpoint */
	MT_TIMED = 8, /* the expiry heap has an item for it, due no later than its expiry */
};

/* What is below this table; kept for key records alone. */
enum mt_base {
	MT_BASE_UNKNOWN,
	MT_BASE_ABSENT,
	MT_BASE_PRESENT,
	MT_BASE_EXPIRES = 4, /* with PRESENT: and it has an expiry */
	MT_BASE_DRAINED = 8, /* the checkpoint saw it, and no counter knows that yet */
};

struct mt_entry {
	struct mt_entry *next; /* in its group, newest first */
	uint64_t lsn;	       /* of the last change */
	uint8_t *value;	       /* stored value (a long key's begins with the whole name) */
	uint32_t value_len, value_cap;
	uint16_t key_len;
	uint8_t flags;	      /* enum mt_flags */
	_Atomic uint8_t base; /* enum mt_base; by the executor, and by the checkpoint as long as it
				 is unknown */
	uint8_t key[];	      /* store key */
};

static inline struct slice mt_entry_key(const struct mt_entry *e)
{
	return slice_of(e->key, e->key_len);
}

static inline struct slice mt_entry_value(const struct mt_entry *e)
{
	return slice_of(e->value, e->value_len);
}

struct memtable;
struct mt_group;
struct mem_ahead;

/* A table that is meant to hold bytes_max bytes (it takes more when a batch needs it); seed keys
 * its hash. Tables that are looked up with the same hash must share the seed. */
MUST_CHECK enum status memtable_create(size_t bytes_max, uint64_t seed, struct memtable **out);
void memtable_destroy(struct memtable *mt); /* NULL is fine */

/* The hash of a store key under a table's seed. */
uint64_t memtable_hash(struct slice key, uint64_t seed);

/* The entry of a key, also a tombstone or an absent one; NULL when there is none. */
struct mt_entry *memtable_find(const struct memtable *mt, struct slice key, uint64_t hash);

/* Fetch into the cache, without waiting, what memtable_find will look at: first the cell, then,
 * once that has come, the entry. For callers that have several lookups ahead of them. False: the
 * table does not have the key. */
void memtable_prefetch_cell(const struct memtable *mt, struct slice key, uint64_t hash);
bool memtable_prefetch_entry(const struct memtable *mt, struct slice key, uint64_t hash);

/* The entry of a key, made absent (MT_ABSENT, no value) when there was none. ST_NO_MEMORY:
 * unchanged. */
MUST_CHECK enum status memtable_upsert(struct memtable *mt, struct slice key, uint64_t hash,
				       struct mt_entry **out);

/* True when storing value bytes of this length would overwrite the old ones where they are. */
static inline bool mt_fits(const struct mt_entry *e, size_t len)
{
	return e->value != NULL && len <= e->value_cap;
}

/* Gives an entry the value made of parts back to back, in place when it fits and no part borrows
 * from it. Flags are the caller's. ST_NO_MEMORY, ST_LIMIT (4 GiB): unchanged. */
MUST_CHECK enum status memtable_store(struct memtable *mt, struct mt_entry *e,
				      const struct slice *parts, size_t parts_count);

/* Has the memory that the table will take next backed by m's thread: the hash at the first call,
 * and a part of what it may hold beyond what is in use. For the table's writer, now and then;
 * cheap. m must outlive the table. */
void memtable_back_ahead(struct memtable *mt, struct mem_ahead *m);

/* Bytes in use, and number of entries. */
size_t memtable_bytes(const struct memtable *mt);
size_t memtable_entries(const struct memtable *mt);

/* Empties the table for reuse, a bounded piece (about step bytes cleared) per call. True when it is
 * empty. */
bool memtable_reset(struct memtable *mt, size_t step);

/* --- groups and ordered scans (executor) --- */

/* The group of a slot's key records (space KEYSPACE_KEY, id 0), of its garbage marks
 * (KEYSPACE_GARBAGE, id 0) or of a collection's elements; NULL when nothing in it changed. */
struct mt_group *memtable_group(const struct memtable *mt, uint16_t slot, uint8_t space,
				uint64_t id);

enum { MT_RUNS_MAX = 32 };

/* A walk over one group in key order. */
struct mt_scan {
	uint32_t count; /* runs */
	bool reverse;
	struct {
		struct mt_entry **at, **begin, **end;
	} runs[MT_RUNS_MAX];
};

/* Starts at the first entry with key >= from, or, in reverse, at the last with key < from (an empty
 * from: the last). group may be NULL: an empty walk. Entries that arrive later are not seen.
 * ST_NO_MEMORY. */
MUST_CHECK enum status mt_scan_open(struct memtable *mt, struct mt_group *group, struct slice from,
				    bool reverse, struct mt_scan *out);
/* The entry the walk stands at, or NULL at its end; tombstones and absent entries included. */
struct mt_entry *mt_scan_peek(struct mt_scan *s);
/* Moves past the entry that peek returned. */
void mt_scan_advance(struct mt_scan *s, const struct mt_entry *e);

/* --- counters of key records, relative to what is below the table --- */

struct mt_counts {
	int64_t keys, expires;
};
struct mt_counts *memtable_counts(struct memtable *mt);
int32_t *memtable_slot_keys(struct memtable *mt); /* [SLOTS]: change of keys per slot */

/* Entries whose base was unknown when they were made, in order of arrival (some may be known by
 * now). */
struct mt_entry **memtable_unresolved(struct memtable *mt, size_t *count);
MUST_CHECK enum status memtable_unresolved_add(struct memtable *mt, struct mt_entry *e);

/* --- expiry heap: key records with an expiry, earliest first --- */

MUST_CHECK enum status memtable_timer_add(struct memtable *mt, uint64_t expire_at_ms,
					  struct mt_entry *e);
/* Takes the earliest item when it is due at now_ms; NULL otherwise. */
struct mt_entry *memtable_timer_pop(struct memtable *mt, uint64_t now_ms);

/* --- the checkpoint's side --- */

/* Entries of a frozen table in key order, absent ones left out. */
struct mt_sorted {
	struct mt_entry **entries;
	size_t count;
};

/* Sorts a frozen table's entries. Checkpoint thread; reads nothing that the executor changes.
 * ST_NO_MEMORY. */
MUST_CHECK enum status memtable_sort(const struct memtable *mt, struct mt_sorted *out);
void mt_sorted_deinit(struct mt_sorted *s);

/* Whether the table began with a FLUSH: everything below it is to be removed first. */
bool memtable_flushed(const struct memtable *mt);
void memtable_set_flushed(struct memtable *mt, bool flushed);

#endif
