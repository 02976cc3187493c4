/* The life of a memtable: active, frozen, held back for the replicas, drained by the checkpoint,
 * and emptied for its next turn. */
#include "engine/base/alloc.h"
#include "engine/base/planted.h"
#include "engine/base/waiting.h"
#include "engine/engine_impl.h"

enum {
	TOLD_SHARE = 4, /* a quarter more time and room before a table is frozen of itself, where
			   the primary tells when */
	RESOLVE_AT_FREEZE = 2000, /* blind writes looked up when a table freezes, where that makes
				     counts exact: a millisecond or two */
	DRAIN_POLL_US = 1000,
};

enum status engine_fresh_table(struct engine *e, struct memtable **out)
{
	if (e->spare != NULL) {
		while (!e->spare_clean) {
			e->spare_clean = memtable_reset(e->spare, SIZE_MAX);
		}
		*out = e->spare;
		e->spare = NULL;
		return ST_OK;
	}
	return memtable_create(e->memtable_max, e->hash_seed, out);
}

void engine_retire_table(struct engine *e, struct memtable *mt)
{
	if (e->spare != NULL) {
		memtable_destroy(mt);
		return;
	}
	e->spare = mt;
	e->spare_clean = false;
}

void engine_back_tables(struct engine *e)
{
	if (memtable_bytes(e->active) == 0) {
		return; /* an idle node costs no memory */
	}
	memtable_back_ahead(e->active, e->mem_ahead);
	/* A drained table comes back as the spare one, so only the first freezes need new ones. */
	if (e->spare == NULL && e->frozen == NULL &&
	    memtable_bytes(e->active) > e->memtable_max / 4 &&
	    memtable_create(e->memtable_max, e->hash_seed, &e->spare) == ST_OK) {
		e->spare_clean = true;
		memtable_back_ahead(e->spare, e->mem_ahead);
	}
}

bool engine_changed(const struct engine *e)
{
	return memtable_entries(e->active) > 0 || memtable_flushed(e->active) ||
	       e->libraries.changed;
}

/* Whether the active table may be frozen. */
static bool can_freeze(const struct engine *e)
{
	return e->frozen == NULL && e->turn_count == 0 && e->failed == ST_OK &&
	       checkpoint_phase(e->checkpoint) == CHECKPOINT_IDLE;
}

static bool freeze_due(const struct engine *e, uint64_t now_ms)
{
	bool told = e->opts.replica && e->freezes_told;
	uint64_t interval = e->opts.checkpoint_interval_ms, max = e->memtable_max;

	if (!can_freeze(e)) {
		return false;
	}
	if (memtable_bytes(e->active) >= max + (told ? max / TOLD_SHARE : 0)) {
		return true;
	}
	if (!engine_changed(e)) {
		return false;
	}
	return e->checkpoint_wanted ||
	       now_ms - e->active_since_ms >= interval + (told ? interval / TOLD_SHARE : 0);
}

static void submit(struct engine *e, const struct wal_history *history)
{
	e->frozen_held = false;
	engine_pace_drain(e);
	checkpoint_submit(
	    e->checkpoint,
	    &(struct checkpoint_job){
		.table = e->frozen,
		.lsn = e->frozen_lsn,
		.next_id = e->next_id,
		.history = *history,
		.libraries = e->libraries.frozen_changed ? &e->libraries.frozen : NULL,
	    });
}

/* Makes the active table the checkpoint's next job. */
static bool freeze(struct engine *e, uint64_t now_ms)
{
	struct memtable *fresh;
	size_t count;

	if (libraries_freeze(e) != ST_OK || engine_fresh_table(e, &fresh) != ST_OK) {
		return false; /* memory is short: the active table grows on, and writers are held
				 back */
	}
	(void)memtable_unresolved(e->active, &count);
	if (count - e->unresolved_at <= RESOLVE_AT_FREEZE) {
		(void)engine_count_resolve(e, RESOLVE_AT_FREEZE);
	}
	e->frozen_unresolved_at = e->unresolved_at;
	e->frozen = e->active;
	e->frozen_lsn = e->next_lsn - 1;
	e->frozen_held = true;
	e->frozen_wanted = e->checkpoint_wanted;
	e->checkpoint_wanted = false;
	e->libraries.frozen_changed = e->libraries.changed;
	e->libraries.changed = false;
	e->active = fresh;
	e->active_since_ms = now_ms;
	e->unresolved_at = 0;
	e->looked = false;
	return true;
}

/* Lets a frozen table be drained once all replicas have what is in it, or memory or the user want
 * it. */
static void release_held(struct engine *e)
{
	if (e->frozen_held &&
	    (e->frozen_lsn <= e->horizon || e->frozen_wanted || e->checkpoint_wanted ||
	     memtable_bytes(e->active) > e->memtable_max / 2)) {
		submit(e, &e->history);
	}
}

static enum status renew_reader(struct engine *e)
{
	uint64_t commits = checkpoint_commits(e->checkpoint);
	enum status st;

	if (commits == e->reader_commits) {
		return ST_OK;
	}
	st = store_reader_renew(e->reader);
	if (st == ST_OK) {
		e->reader_commits = commits;
		residency_look(e->residency);
		e->looked = false;
		/* What the index showed before may have been removed, or have come back. */
		e->index_ms = 0;
		e->index_key_len = 0;
	}
	return st;
}

/* Digests that were built are of the checkpoint that base is of. */
static void take_built(struct engine *e)
{
	struct digest_built built[DIGEST_BUILT_MAX];
	uint32_t count = checkpoint_take_built(e->checkpoint, built);

	for (uint32_t i = 0; i < count; i++) {
		e->base[built[i].slot].digest = built[i].digest;
		e->base[built[i].slot].undigested = false;
	}
}

/* Takes over a finished drain: the store now holds what the frozen table held. */
static void finish_drain(struct engine *e)
{
	struct checkpoint_slot_change *changes;
	uint32_t count;
	uint64_t release_lsn;
	bool flushed = memtable_flushed(e->frozen);
	struct checkpoint_stats stats;

	take_built(e);
	if (!checkpoint_take(e->checkpoint, &changes, &count, &release_lsn)) {
		return; /* the next look finds that it failed */
	}
	if (flushed) {
		memset(e->base, 0, SLOTS * sizeof *e->base);
		e->base_keys = 0;
		e->base_expires = 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct slot_stat *base = &e->base[changes[i].slot];

		e->base_keys += changes[i].stat.keys - base->keys;
		e->base_expires += changes[i].stat.expires - base->expires;
		*base = changes[i].stat;
	}
	mem_free(changes);
	checkpoint_stats(e->checkpoint, &stats);
	e->base_exact = stats.exact;
	engine_pace_drained(e);
	e->stats.checkpoint_lsn = e->frozen_lsn;
	e->stats.checkpoint_time_ms = e->opts.clock->wall_ms(e->opts.clock->ctx);
	e->stats.writes_since_checkpoint = e->next_lsn - 1 - e->frozen_lsn;
	engine_retire_table(e, e->frozen);
	e->frozen = NULL;
	if (e->wal == NULL) {
		e->recovered_release_lsn = release_lsn;
		return;
	}
	wal_writer_release(e->wal, PLANTED(46) ? e->next_lsn - 1 : release_lsn);
}

void engine_follow_checkpoint(struct engine *e)
{
	enum status st = renew_reader(e);

	if (st != ST_OK) {
		engine_fail(e, "reading the store", st);
		return;
	}
	switch (checkpoint_phase(e->checkpoint)) {
	case CHECKPOINT_DONE:
		/* The phase is set after the last commit, so the reader may have to move once more.
		 */
		if (renew_reader(e) == ST_OK) {
			finish_drain(e);
		}
		break;
	case CHECKPOINT_FAILED: {
		struct checkpoint_stats stats;

		checkpoint_stats(e->checkpoint, &stats);
		engine_fail(e, "the checkpoint", stats.last_error);
		break;
	}
	case CHECKPOINT_IDLE:
	case CHECKPOINT_DRAINING:
		take_built(e);
		break;
	}
}

enum status engine_drain_recovered(struct engine *e, const struct wal_history *history)
{
	if (!freeze(e, e->opts.clock->mono_us(e->opts.clock->ctx) / 1000)) {
		return ST_NO_MEMORY;
	}
	submit(e, history);
	for (;;) {
		struct checkpoint_stats stats;

		engine_follow_checkpoint(e);
		if (e->frozen == NULL || e->failed != ST_OK) {
			return e->failed;
		}
		checkpoint_stats(e->checkpoint, &stats);
		if (stats.last_error != ST_OK) {
			return stats.last_error;
		}
		waiting_pause_us(DRAIN_POLL_US);
	}
}

void engine_freeze_told(struct engine *e, uint64_t lsn)
{
	if (e->freeze_at == 0 || lsn < e->freeze_at) {
		return;
	}
	if (lsn == e->freeze_at && e->opts.replica && engine_changed(e) && can_freeze(e)) {
		(void)freeze(e, e->opts.clock->mono_us(e->opts.clock->ctx) / 1000);
	}
	e->freeze_at = 0;
}

void engine_freeze_due(struct engine *e, uint64_t now_ms)
{
	if (freeze_due(e, now_ms)) {
		(void)freeze(e, now_ms);
	}
	release_held(e);
}
