/* The engine's life: open and close, and what happens between two turns of the event loop. */
#include "engine/engine.h"

#include "engine/base/alloc.h"
#include "engine/base/invariant.h"
#include "engine/base/logger.h"
#include "engine/base/planted.h"
#include "engine/base/waiting.h"
#include "engine/dataset.h"
#include "engine/dir_lock.h"
#include "engine/engine_impl.h"
#include "engine/engine_shard.h"
#include "engine/refetch.h"
#include "engine/rewind.h"

#include <stdio.h>

enum {
	/* Dirty pages per checkpoint transaction: LMDB keeps them on the heap, so they follow the
	 * size that memtables may have. */
	CHUNK_BYTES_MIN = 64 << 10,
	CHUNK_BYTES_MAX = 64 << 20,
	RECLAIM_MAX = 20000, /* elements of dead collections per transaction */
	CHECKPOINT_RETRY_MS = 500,
	CLOSE_POLL_US = 1000,
	PATH_LEN_MAX = 4096,
};

static char *join_path(const char *dir, const char *name)
{
	char path[PATH_LEN_MAX];
	int n = snprintf(path, sizeof path, "%s/%s", dir, name);

	return n < 0 || (size_t)n >= sizeof path ? NULL : mem_strdup(path);
}

/* --- callbacks from the WAL and checkpoint threads --- */

static void on_progress(void *arg)
{
	struct engine *e = arg;

	if (e->opts.wakeup != NULL) {
		e->opts.wakeup(e->opts.wakeup_arg);
	}
}

static enum status on_wal_sync(void *arg, uint64_t lsn)
{
	struct engine *e = arg;

	/* Without a writer this is recovery, which has synced what it read. */
	return e->wal == NULL ? ST_OK : wal_writer_sync(e->wal, lsn);
}

/* --- open --- */

static void say(struct buf *error, const char *what, const char *path, enum status st)
{
	buf_note(error, "%s %s: %s", what, path, status_text(st));
}

/* Makes the data directory and locks it, brings its files to rest after an interrupted change of
 * dataset or rewind, then makes what else must be there. */
static enum status open_dirs(struct engine *e, struct buf *error)
{
	const struct io *io = e->opts.io;
	const char *dirs[] = {e->wal_dir, e->archive_dir};
	enum status st = io->ops->mkdir(io->ctx, e->dir);

	if (st != ST_OK) {
		say(error, "cannot create directory", e->dir, st);
		return st;
	}
	st = dir_lock_take(io, e->dir, &e->lock, error);
	if (st == ST_OK) {
		st = dataset_recover(io, e->dir, error);
	}
	if (st == ST_OK) {
		st = refetch_recover(io, e->dir, e->opts.map_size_max, error);
	}
	if (st == ST_OK) {
		st = rewind_recover(io, e->dir, error);
	}
	for (size_t i = 0; st == ST_OK && i < 2; i++) {
		st = dirs[i] == NULL ? ST_OK : io->ops->mkdir(io->ctx, dirs[i]);
		if (st != ST_OK) {
			say(error, "cannot create directory", dirs[i], st);
		}
	}
	return st == ST_OK ? io->ops->sync_dir(io->ctx, e->dir) : st;
}

static enum status open_store(struct engine *e, struct store_state *state, struct buf *error)
{
	char *path = join_path(e->dir, "keyspace.mdb");
	struct store_options opts = {
	    .path = path, .io = e->opts.io, .map_size_max = e->opts.map_size_max};
	enum status st;

	if (path == NULL) {
		return ST_NO_MEMORY;
	}
	st = store_open(&opts, &e->store, error);
	if (st == ST_OK) {
		st = store_reader_open(e->store, &e->reader);
	}
	if (st == ST_OK) {
		st = store_reader_state(e->reader, state);
	}
	if (st == ST_OK) {
		st = counts_load(e);
	}
	if (st == ST_OK) {
		st = libraries_load(e, error);
	}
	if (st != ST_OK && error->len == 0) {
		say(error, "cannot read", path, st);
	}
	mem_free(path);
	return st;
}

uint64_t engine_random_id(struct engine *e)
{
	uint64_t id;

	do {
		id = rng_next(&e->rng);
	} while (id == 0);
	return id;
}

/* New records get a new timeline in a new store and after an unclean stop: what a lost tail held
 * may never be taken for what follows now. A replica's timelines are its primary's to begin. */
static void begin_timeline(struct engine *e, bool clean)
{
	struct wal_history *h = &e->history;

	if (h->shard_id == 0) {
		h->shard_id = engine_random_id(e);
	}
	if (h->count > 0 && (clean || e->opts.replica || PLANTED(53))) {
		return;
	}
	wal_history_begin(h, (struct wal_timeline){
				 .id = engine_random_id(e),
				 .epoch = h->count > 0 ? h->items[h->count - 1].epoch : 0,
				 .first_lsn = e->next_lsn,
			     });
}

static enum status open_wal(struct engine *e, const struct wal_position *at, struct buf *error)
{
	struct wal_writer_options opts = {
	    .io = e->opts.io,
	    .clock = e->opts.clock,
	    .dir = e->wal_dir,
	    .archive_dir = e->archive_dir,
	    .segment_size = e->opts.wal_segment_size,
	    .keep_size = e->opts.wal_keep_size,
	    .keep_ms = e->opts.wal_keep_ms,
	    .compression_level = e->opts.wal_compression_level,
	    .dictionary = e->opts.wal_dictionary,
	    .fsync = e->opts.fsync,
	    .history = e->history,
	    .at = *at,
	    .fresh_segment = e->stats.recovery_torn_bytes > 0,
	    .notify = on_progress,
	    .notify_arg = e,
	};
	enum status st = wal_writer_open(&opts, &e->wal);

	if (st != ST_OK) {
		say(error, "cannot start the write-ahead log in", e->wal_dir, st);
	}
	return st;
}

static enum status open_checkpoint(struct engine *e)
{
	uint64_t chunk = e->memtable_max < CHUNK_BYTES_MIN   ? CHUNK_BYTES_MIN
			 : e->memtable_max > CHUNK_BYTES_MAX ? CHUNK_BYTES_MAX
							     : e->memtable_max;
	struct checkpoint_options opts = {
	    .store = e->store,
	    .clock = e->opts.clock,
	    .chunk_bytes = chunk,
	    .reclaim_max = RECLAIM_MAX,
	    .wal_sync = on_wal_sync,
	    .notify = on_progress,
	    .arg = e,
	    .retry_ms = CHECKPOINT_RETRY_MS,
	};

	return checkpoint_start(&opts, &e->checkpoint);
}

static enum status alloc_parts(struct engine *e, const struct engine_options *opts)
{
	e->opts = *opts;
	e->memtable_max = opts->memtable_max;
	rng_seed(&e->rng, opts->seed);
	e->hash_seed = rng_next(&e->rng);
	e->next_lsn = 1;
	e->next_id = 1;
	e->horizon = UINT64_MAX;
	e->dir = mem_strdup(opts->dir);
	e->wal_dir = join_path(opts->dir, "wal");
	e->base = mem_calloc(SLOTS, sizeof *e->base);
	if (opts->wal_archive_dir != NULL) {
		e->archive_dir = mem_strdup(opts->wal_archive_dir);
		if (e->archive_dir == NULL) {
			return ST_NO_MEMORY;
		}
	}
	if (e->dir == NULL || e->wal_dir == NULL || e->base == NULL) {
		return ST_NO_MEMORY;
	}
	if (ahead_create(e) != ST_OK) {
		return ST_NO_MEMORY;
	}
	return memtable_create(e->memtable_max, e->hash_seed, &e->active);
}

enum status engine_open(const struct engine_options *opts, struct engine **out, struct buf *error)
{
	struct engine *e = mem_calloc(1, sizeof *e);
	struct store_state state = {0};
	struct wal_position at = {0};
	uint64_t started = opts->clock->mono_us(opts->clock->ctx);
	bool clean = false;
	enum status st;

	if (e == NULL) {
		return ST_NO_MEMORY;
	}
	st = alloc_parts(e, opts);
	if (st == ST_OK) {
		st = open_dirs(e, error);
	}
	/* No thread for a directory that another process holds. */
	if (st == ST_OK) {
		st = mem_ahead_start(&e->mem_ahead);
	}
	if (st == ST_OK) {
		st = open_store(e, &state, error);
	}
	if (st == ST_OK) {
		st = residency_start(e->store, &e->residency);
	}
	if (st == ST_OK) {
		st = open_checkpoint(e);
	}
	if (st == ST_OK) {
		e->next_id = state.next_id > 1 ? state.next_id : 1;
		e->recovered_release_lsn = state.previous_checkpoint_lsn;
		e->stats.checkpoint_lsn = state.checkpoint_lsn;
		e->base_exact = state.drain_lsn <= state.checkpoint_lsn;
		st = recovery_run(e, &state, &at, &clean, error);
	}
	if (st == ST_OK) {
		e->next_lsn = at.next_lsn;
		begin_timeline(e, clean);
		st = open_wal(e, &at, error);
	}
	if (st != ST_OK) {
		if (error->len == 0) {
			say(error, "cannot open", opts->dir, st);
		}
		(void)engine_close(e);
		return st;
	}
	wal_writer_release(e->wal, e->recovered_release_lsn);
	checkpoint_build_digests(e->checkpoint);
	residency_ready(e->residency);
	residency_look(e->residency);
	e->stats.recovery_us = opts->clock->mono_us(opts->clock->ctx) - started;
	e->active_since_ms = opts->clock->mono_us(opts->clock->ctx) / 1000;
	*out = e;
	return ST_OK;
}

/* --- turns --- */

void engine_fail(struct engine *e, const char *what, enum status st)
{
	if (e->failed == ST_OK) {
		logger(LOG_LVL_WARNING,
		       "%s failed (%s): writes are refused from now on, reads go on; mend the disk "
		       "and "
		       "restart",
		       what, status_text(st));
		e->failed = st;
	}
}

static void hand_over(struct engine *e)
{
	enum status st;

	if (e->turn_count == 0) {
		return;
	}
	st = wal_writer_append(e->wal, &e->turn, e->turn_first_lsn, e->turn_count);
	if (st == ST_OK) {
		e->turn_count = 0;
	} else if (st == ST_READ_ONLY) {
		engine_fail(e, "the write-ahead log", ST_IO);
	}
}

bool engine_turn_end(struct engine *e)
{
	uint64_t now_ms = e->opts.clock->mono_us(e->opts.clock->ctx) / 1000;
	uint64_t ack;
	enum status writable;
	bool moved;

	INVARIANT(!e->batch.open);
	hand_over(e);
	engine_follow_checkpoint(e);
	if (e->spare != NULL && !e->spare_clean) {
		e->spare_clean = memtable_reset(e->spare, RESET_STEP);
	}
	engine_freeze_due(e, now_ms);
	engine_back_tables(e);
	ack = engine_ack_lsn(e);
	writable = engine_writable(e);
	moved = ack != e->last_ack_lsn || writable != e->last_writable;
	e->last_ack_lsn = ack;
	e->last_writable = writable;
	return moved;
}

uint64_t engine_ack_lsn(const struct engine *e)
{
	return e->opts.fsync == WAL_FSYNC_ALWAYS && !PLANTED(44) ? wal_writer_durable_lsn(e->wal)
								 : wal_writer_written_lsn(e->wal);
}

enum status engine_writable(const struct engine *e)
{
	enum wal_state wal = wal_writer_state(e->wal);

	if (e->failed != ST_OK || wal == WAL_FAILED) {
		return ST_READ_ONLY;
	}
	if (wal == WAL_STALLED) {
		return ST_NO_SPACE;
	}
	if (e->frozen != NULL && memtable_bytes(e->active) >= e->memtable_max) {
		struct checkpoint_stats stats;

		checkpoint_stats(e->checkpoint, &stats);
		return stats.last_error == ST_OK ? ST_AGAIN : stats.last_error;
	}
	return ST_OK;
}

enum status engine_checkpoint(struct engine *e)
{
	e->checkpoint_wanted = engine_changed(e);
	return e->frozen != NULL ? ST_AGAIN : ST_OK;
}

/* --- close --- */

/* Checkpoints all that is in memory, unless the disk does not let us: then the log keeps it. */
static void drain_all(struct engine *e)
{
	for (;;) {
		struct checkpoint_stats stats;

		(void)engine_checkpoint(e);
		(void)engine_turn_end(e);
		checkpoint_stats(e->checkpoint, &stats);
		if (e->failed != ST_OK || stats.last_error != ST_OK ||
		    wal_writer_state(e->wal) != WAL_RUNNING ||
		    (e->frozen == NULL && !e->checkpoint_wanted)) {
			return;
		}
		waiting_pause_us(CLOSE_POLL_US);
	}
}

/* What replicas may not have yet stays out of the store. */
static bool may_drain(const struct engine *e)
{
	return e->checkpoint != NULL && e->wal != NULL && e->next_lsn - 1 <= e->horizon;
}

static enum status close_engine(struct engine *e, bool drain)
{
	enum status st = ST_OK;

	if (e == NULL) {
		return ST_OK;
	}
	if (e->wal != NULL) {
		(void)engine_turn_end(e);
	}
	if (drain && may_drain(e)) {
		drain_all(e);
	}
	checkpoint_stop(e->checkpoint);
	if (e->wal != NULL) {
		st = wal_writer_close(e->wal);
	}
	residency_stop(e->residency);
	for (int i = 0; i < ENGINE_ITERS; i++) {
		if (e->iters[i].cursor != NULL) {
			store_cursor_close(e->iters[i].cursor);
		}
	}
	if (e->reader != NULL) {
		store_reader_close(e->reader);
	}
	store_close(e->store);
	if (e->lock != NULL) {
		e->opts.io->ops->close(e->opts.io->ctx, e->lock);
	}
	memtable_destroy(e->active);
	memtable_destroy(e->frozen);
	memtable_destroy(e->spare);
	mem_ahead_stop(e->mem_ahead);
	library_set_deinit(&e->libraries.set);
	buf_deinit(&e->libraries.frozen);
	buf_deinit(&e->turn);
	buf_deinit(&e->batch.undo);
	buf_deinit(&e->batch.undo_bytes);
	buf_deinit(&e->expired_names);
	mem_free(e->base);
	mem_free(e->ahead);
	mem_free(e->dir);
	mem_free(e->wal_dir);
	mem_free(e->archive_dir);
	st = st == ST_OK ? e->failed : st;
	mem_free(e);
	return st;
}

enum status engine_close(struct engine *e)
{
	return close_engine(e, true);
}

enum status engine_close_quick(struct engine *e)
{
	return close_engine(e, false);
}
