/* What a memtable entry does to the store: the record itself, the expiry index, the mark of a
 * collection that nobody saw being replaced, and the counters and the digest of its slot.
 * Checkpoint thread.
 *
 * A collection is dead when its garbage mark is in the store. Marks of a slot come before its
 * elements in key order, so an element that is drained can tell. */
#ifndef CAIRN_ENGINE_DRAIN_H
#define CAIRN_ENGINE_DRAIN_H

#include "engine/base/keyslot.h"
#include "engine/digest_keeper.h"
#include "engine/memtable.h"
#include "engine/store.h"

struct drain {
	struct store *store;
	struct store_txn *txn; /* NULL: none is open */
	struct slot_stat stats[SLOTS];
	uint64_t touched[SLOTS / 64]; /* slots changed in the open transaction */
	uint64_t changed[SLOTS / 64]; /* slots changed since drain_take_changed */
	uint64_t garbage;	      /* marks in the store, all slots */
	uint64_t held[SLOTS / 64];    /* slots in which nothing is reclaimed */
	uint64_t entries, bytes;      /* given to the open transaction */
	/* The collection of the last element. */
	uint64_t group_id;
	uint16_t group_slot;
	bool group_known, group_dead;
	struct digest_keeper digests;
};

/* Takes the counters from the store; also after an abort. */
MUST_CHECK enum status drain_load(struct drain *d, struct store_reader *r);

MUST_CHECK enum status drain_begin(struct drain *d);
/* Empties the store, in the open transaction. */
MUST_CHECK enum status drain_clear(struct drain *d);
/* Applies one entry. Any error: abort. Notes in the entry what the store held before, where nobody
 * knew; a second drain of the same entry does not change that. */
MUST_CHECK enum status drain_entry(struct drain *d, struct mt_entry *e);
/* Stores the counters of the slots that changed, then commits. On failure nothing is in the store
 * and the counters here must be loaded again. */
MUST_CHECK enum status drain_commit(struct drain *d);
void drain_abort(struct drain *d); /* then load; fine when no transaction is open */

/* Whether there is a mark in a slot that is not held. */
bool drain_has_garbage(const struct drain *d);

/* Removes at most max elements of a dead collection, or its mark when none are left, in a
 * transaction of its own; held slots are passed over. r is renewed and reset. *removed gets the
 * number of elements. ST_NOT_FOUND: nothing to do. */
MUST_CHECK enum status drain_reclaim(struct drain *d, struct store_reader *r, uint32_t max,
				     uint32_t *removed);

#endif
