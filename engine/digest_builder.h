/* Makes the digests of slots that have none: those of a store from before there were digests. It
 * reads a slot's entries in key order, a bounded number at a time, and counts them; an entry that
 * changes meanwhile counts by itself when it lies before the place that is reached
 * (engine/digest_keeper.h). A slot that a stop or an error interrupts is begun anew: its row in the
 * store says that it has no digest until all of it has been read. Checkpoint thread. */
#ifndef CAIRN_ENGINE_DIGEST_BUILDER_H
#define CAIRN_ENGINE_DIGEST_BUILDER_H

#include "engine/drain.h"

enum { DIGEST_BUILT_MAX = 128 }; /* slots of one step */

struct digest_builder {
	uint64_t damaged[SLOTS / 64]; /* slots that can't be read: they stay without a digest */
	uint16_t at;		      /* no slot below it is to be built */
	uint64_t built;
};

/* What a step has finished. */
struct digest_built {
	uint16_t slot;
	struct digest digest;
};

/* Slots that have no digest and can be read. */
uint32_t digest_builder_left(const struct digest_builder *b, const struct drain *d);

/* Reads about so many bytes of entries, in a transaction of its own; out[DIGEST_BUILT_MAX] gets the
 * slots that are done, *count how many. r is renewed and reset. ST_NOT_FOUND: there is nothing to
 * build. Other errors as store_txn_put and store_get: nothing is in the store, and the counters
 * must be loaded again (drain_load). A damaged entry is none: its slot is passed over, and told. */
MUST_CHECK enum status digest_builder_step(struct digest_builder *b, struct drain *d,
					   struct store_reader *r, uint64_t bytes,
					   struct digest_built *out, uint32_t *count);

#endif
