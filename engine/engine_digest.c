/* What the engine says of its slots' digests. */
#include "engine/engine_digest.h"

#include "engine/engine_impl.h"

bool engine_digest_lsn(const struct engine *e, uint64_t *lsn)
{
	*lsn = e->stats.checkpoint_lsn;
	return e->base_exact;
}

void engine_slot_content(const struct engine *e, uint16_t slot, struct slot_content *out)
{
	const struct slot_stat *stat = &e->base[slot];

	*out = (struct slot_content){
	    .digest = stat->digest, .keys = stat->keys, .known = !stat->undigested};
}

uint64_t engine_freeze_lsn(const struct engine *e)
{
	return e->frozen_lsn;
}

void engine_freeze_at(struct engine *e, uint64_t lsn)
{
	e->freeze_at = lsn;
	e->freezes_told = true;
	engine_freeze_told(e, e->next_lsn - 1);
}
