/* The newest state of what changed since the last checkpoint: a hash by store key over recycled
 * arenas.
 *
 * Entries hang in groups: the keys of one slot, or the elements of one collection. A group keeps
 * its entries in the order of arrival and sorts them only when an ordered scan asks (sorted runs
 * that merge as they grow), so a write pays for the hash alone.
 *
 * The active table belongs to the executor. A frozen table no longer changes: the executor reads
 * it, and the checkpoint thread reads its entries through memtable_sort at the same time. */
#ifndef CAIRN_ENGINE_MEMTABLE_H
#define CAIRN_ENGINE_MEMTABLE_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

#include <stdbool.h>

enum mt_flags {
	MT_TOMBSTONE = 1, /* deleted: hides what is below */
	MT_ABSENT = 2,	  /* says nothing: an undone insert; readers and the checkpoint skip it */
	MT_BLIND = 4, /* the writer did not look below: a collection it replaces is dropped at the
			 checkpoint */
};

struct mt_entry {
	struct mt_entry *next; /* in its group, newest first */
	uint64_t lsn;	       /* of the last change */
	uint8_t *value;	       /* stored value (with the whole name in front, for a long key) */
	uint32_t value_len, value_cap;
	uint32_t hash; /* low bits choose the bucket */
	uint16_t key_len;
	uint8_t flags;
	uint8_t base;  /* enum mt_base: what is below this table, for key records */
	uint8_t key[]; /* store key */
};

enum mt_base { MT_BASE_UNKNOWN, MT_BASE_ABSENT, MT_BASE_PRESENT };

static inline struct slice mt_entry_key(const struct mt_entry *e)
{
	return slice_of(e->key, e->key_len);
}

static inline struct slice mt_entry_value(const struct mt_entry *e)
{
	return slice_of(e->value, e->value_len);
}

struct memtable;

/* Entries of a frozen table in key order. */
struct mt_sorted {
	const struct mt_entry **entries;
	size_t count;
};

/* Sorts a frozen table's entries. Checkpoint thread; touches nothing that the executor changes.
 * ST_NO_MEMORY. */
MUST_CHECK enum status memtable_sort(const struct memtable *mt, struct mt_sorted *out);
void mt_sorted_deinit(struct mt_sorted *s);

/* True when the table began with a FLUSH: everything below it is to be removed first. */
bool memtable_flushed(const struct memtable *mt);

#endif
