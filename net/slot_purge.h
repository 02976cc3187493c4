/* Deleting the keys of slots that this primary has lost: a little in every turn, so that a slot of
 * a million keys holds nobody up. The deletes are writes like any other, so replicas follow them.
 * Executor thread. */
#ifndef CAIRN_NET_SLOT_PURGE_H
#define CAIRN_NET_SLOT_PURGE_H

#include "cluster/cluster_types.h"
#include "engine/engine.h"

/* Zeroed: nothing to do. */
struct slot_purge {
	struct slot_bits slots;
	unsigned count; /* slots that are still to be looked at */
	unsigned next;	/* where the look goes on */
};

/* Adds slots. */
void slot_purge_add(struct slot_purge *p, const struct slot_bits *slots);

/* Forgets all: a replica's keys are its primary's affair. */
void slot_purge_drop(struct slot_purge *p);

/* Removes at most keys_max keys, in records of their own. Outside of a batch. Returns how many. A
 * failed write leaves the rest for later. */
unsigned slot_purge_step(struct slot_purge *p, struct engine *e, uint64_t now_ms,
			 unsigned keys_max);

/* Finishes one slot now, because it is about to be filled again. in_batch: the deletes belong to
 * the open batch of a command. Errors of the keyspace; the slot then stays to be done. */
MUST_CHECK enum status slot_purge_finish(struct slot_purge *p, struct engine *e, unsigned slot,
					 uint64_t now_ms, bool in_batch);

#endif
