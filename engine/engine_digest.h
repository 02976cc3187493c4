/* Digests of slots as of the newest checkpoint (engine/content_digest.h says what they are), and
 * checkpoints at an LSN that the primary chose, so that the nodes of a shard have theirs at the
 * same one. Executor. */
#ifndef CAIRN_ENGINE_ENGINE_DIGEST_H
#define CAIRN_ENGINE_ENGINE_DIGEST_H

#include "engine/content_digest.h"
#include "engine/engine.h"

/* A slot at engine_digest_lsn. */
struct slot_content {
	struct digest digest;
	uint64_t keys;
	bool known; /* false: nobody has kept the digest, which says nothing then */
};

/* The LSN that the digests are of: what the store holds is exactly the effect of the records up to
 * there. False: it is in between (a start amid a checkpoint, or after keys were fetched anew), and
 * the next checkpoint will tell. */
bool engine_digest_lsn(const struct engine *e, uint64_t *lsn);

/* What it holds there. */
void engine_slot_content(const struct engine *e, uint16_t slot, struct slot_content *out);

/* The newest LSN at which what is in memory was put aside for a checkpoint; 0: none since the
 * start. */
uint64_t engine_freeze_lsn(const struct engine *e);

/* Asks a replica's engine to do the same at this LSN, as soon as it has applied that record and no
 * other; what is too late, or comes while a checkpoint is under way, is left out. From then on its
 * own checkpoints wait a little longer than otherwise, for those of the primary to come first. */
void engine_freeze_at(struct engine *e, uint64_t lsn);

#endif
