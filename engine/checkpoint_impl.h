/* The inside of the checkpoint thread, shared by checkpoint.c (jobs, reclaiming) and
 * checkpoint_build.c (digests of slots that have none). */
#ifndef CAIRN_ENGINE_CHECKPOINT_IMPL_H
#define CAIRN_ENGINE_CHECKPOINT_IMPL_H

#include "engine/checkpoint.h"
#include "engine/drain.h"

#include <pthread.h>
#include <stdatomic.h>

struct checkpoint {
	struct checkpoint_options opts;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake, rested; /* rested: no removal is under way */
	_Atomic int phase;
	_Atomic uint64_t commits;
	_Atomic size_t progress, progress_end; /* entries; end 0: not known yet */
	/* Under lock. */
	bool stop, reclaiming, build_wanted;
	uint16_t holds[SLOTS]; /* changes, as drain->held does, only while !reclaiming */
	struct checkpoint_job job;
	struct checkpoint_stats stats;
	struct checkpoint_slot_change *changes;
	uint32_t changes_count;
	uint64_t release_lsn;
	struct digest_built built[DIGEST_BUILT_MAX]; /* not taken yet */
	_Atomic uint32_t built_count;
	/* The thread's own. */
	struct drain *drain;
	struct store_reader *reader;
	struct store_state state; /* as committed */
	struct mt_sorted sorted;
	bool is_sorted;
	uint64_t chunk_bytes; /* of this job: shrinks while it does not fit */
	bool complained;
	struct digest_builder builder;
	bool build_told;
};

/* --- checkpoint.c; all on the thread --- */

uint64_t checkpoint_now_us(const struct checkpoint *c);
/* Notes the last attempt's error for checkpoint_stats. Lock not held. */
void checkpoint_set_error(struct checkpoint *c, enum status st);
/* Errors that pass when somebody makes room. */
bool checkpoint_retryable(enum status st);
/* After a commit: the executor is to renew its reader. Lock not held. */
void checkpoint_committed(struct checkpoint *c);

/* --- checkpoint_build.c --- */

/* Only while the executor's counters are of the checkpoint that the store holds. Lock held. */
bool checkpoint_may_build(const struct checkpoint *c);
/* One bounded step of building digests; returns for how many milliseconds to rest after it. Lock
 * not held. */
uint32_t checkpoint_build(struct checkpoint *c);

#endif
