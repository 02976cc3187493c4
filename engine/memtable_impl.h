/* The inside of a memtable, shared by memtable.c (hash, groups) and memtable_scan.c (order, heap).
 */
#ifndef CAIRN_ENGINE_MEMTABLE_IMPL_H
#define CAIRN_ENGINE_MEMTABLE_IMPL_H

#include "engine/arena.h"
#include "engine/base/buf.h"
#include "engine/memtable.h"

struct mt_run {
	struct mt_entry **entries; /* in key order */
	size_t count;
};

/* Sorted runs over a group's entries from sorted_head on; made by its first scan. Run sizes fall at
 * least by half from one to the next, so that keeping them costs O(log n) per entry. Executor only,
 * also in a frozen table. */
struct mt_runs {
	struct mt_runs *next; /* all of the table's */
	struct mt_group *group;
	struct mt_entry *sorted_head;
	uint32_t count;
	struct mt_run items[MT_RUNS_MAX];
};

/* Entries that share a slot and space, and for elements a collection. */
struct mt_group {
	struct mt_group *next; /* all groups of the table */
	struct mt_entry *head; /* newest first */
	struct mt_runs *runs;
	uint64_t id;
	uint32_t count;
	uint16_t slot;
	uint8_t space;
};

struct memtable {
	uint64_t *cells; /* tag (16 high bits of the hash) and pointer; 0: free */
	size_t mask, cells_used;
	uint64_t *filter; /* a bit per hash, at most one in six set: most misses end here, within
			     the CPU's cache */
	size_t filter_mask;
	uint64_t seed;
	struct arena arena;
	struct mt_group **key_groups; /* [SLOTS] */
	struct mt_group *groups, *last_group;
	struct mt_runs *runs; /* of all groups that were scanned */
	size_t groups_count, entries;
	int32_t *slot_keys; /* [SLOTS] */
	struct mt_counts counts;
	struct mt_entry **unresolved;
	size_t unresolved_count, unresolved_max;
	struct buf timers;	 /* struct mt_timer, a binary heap */
	size_t cleared;		 /* bytes of cells cleared by a reset under way */
	struct mem_ahead *ahead; /* NULL until memtable_back_ahead */
	size_t back_len, backed; /* of the arena: kept backed beyond what is in use; asked for */
	size_t unresolved_backed;
	bool flushed;
};

#endif
