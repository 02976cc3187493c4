/* The checkpoint thread: jobs in chunks, retries, and reclaiming when there is no job. */
#include "engine/checkpoint_impl.h"

#include "engine/base/alloc.h"
#include "engine/base/invariant.h"
#include "engine/base/logger.h"
#include "engine/base/planted.h"
#include "engine/base/thread.h"
#include "engine/library_set.h"

#include <inttypes.h>

enum {
	RECLAIM_PAUSE_MS = 20, /* between two transactions that remove dead elements */
	RETRY_CHUNK_MIN = 1 << 20,
	LOOK_AHEAD = 16, /* entries */
	CACHE_LINE = 64,
};

/* --- the calling side --- */

static enum status read_store(struct checkpoint *c)
{
	enum status st = store_reader_open(c->opts.store, &c->reader);

	if (st == ST_OK) {
		st = store_reader_state(c->reader, &c->state);
	}
	if (st == ST_OK) {
		st = drain_load(c->drain, c->reader);
	}
	return st;
}

static void free_parts(struct checkpoint *c)
{
	if (c->is_sorted) {
		mt_sorted_deinit(&c->sorted);
	}
	store_reader_close(c->reader);
	mem_free(c->drain);
	mem_free(c->changes);
	(void)pthread_cond_destroy(&c->wake);
	(void)pthread_cond_destroy(&c->rested);
	(void)pthread_mutex_destroy(&c->lock);
	mem_free(c);
}

static void *run(void *arg);

enum status checkpoint_start(const struct checkpoint_options *opts, struct checkpoint **out)
{
	struct checkpoint *c = mem_calloc(1, sizeof *c);
	pthread_condattr_t attr;
	enum status st = ST_NO_MEMORY;

	if (c == NULL) {
		return ST_NO_MEMORY;
	}
	c->opts = *opts;
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&c->wake, &attr);
	(void)pthread_cond_init(&c->rested, NULL);
	(void)pthread_condattr_destroy(&attr);
	c->drain = mem_calloc(1, sizeof *c->drain);
	if (c->drain != NULL) {
		c->drain->store = opts->store;
		st = read_store(c);
	}
	if (st == ST_OK) {
		c->stats.reclaim_pending = c->drain->garbage;
		if (!thread_start(&c->thread, "checkpoint", run, c)) {
			st = ST_NO_MEMORY;
		}
	}
	if (st != ST_OK) {
		free_parts(c);
		return st;
	}
	*out = c;
	return ST_OK;
}

void checkpoint_submit(struct checkpoint *c, const struct checkpoint_job *job)
{
	int phase;

	(void)pthread_mutex_lock(&c->lock);
	phase = atomic_load(&c->phase);
	/* Removing dead collections may have failed since the caller looked: so has this job, then.
	 */
	INVARIANT(phase == CHECKPOINT_IDLE || phase == CHECKPOINT_FAILED);
	c->job = *job;
	atomic_store(&c->progress, 0);
	atomic_store(&c->progress_end, 0);
	if (phase == CHECKPOINT_IDLE) {
		atomic_store(&c->phase, CHECKPOINT_DRAINING);
	}
	(void)pthread_cond_signal(&c->wake);
	(void)pthread_mutex_unlock(&c->lock);
}

uint64_t checkpoint_commits(const struct checkpoint *c)
{
	return atomic_load(&c->commits);
}

double checkpoint_progress(const struct checkpoint *c)
{
	size_t end = atomic_load(&c->progress_end);
	size_t at = atomic_load(&c->progress);

	return end == 0 ? 0 : (double)(at < end ? at : end) / (double)end;
}

enum checkpoint_phase checkpoint_phase(const struct checkpoint *c)
{
	return (enum checkpoint_phase)atomic_load(&c->phase);
}

bool checkpoint_take(struct checkpoint *c, struct checkpoint_slot_change **changes, uint32_t *count,
		     uint64_t *release_lsn)
{
	bool done;

	(void)pthread_mutex_lock(&c->lock);
	done = atomic_load(&c->phase) == CHECKPOINT_DONE;
	if (done) {
		*changes = c->changes;
		*count = c->changes_count;
		*release_lsn = c->release_lsn;
		c->changes = NULL;
		atomic_store(&c->phase, CHECKPOINT_IDLE);
		(void)pthread_cond_signal(&c->wake); /* digests are built in this phase only */
	} else {
		/* Dead collections are removed between DONE and now, too, and that may fail. */
		INVARIANT(atomic_load(&c->phase) == CHECKPOINT_FAILED);
	}
	(void)pthread_mutex_unlock(&c->lock);
	return done;
}

void checkpoint_stats(struct checkpoint *c, struct checkpoint_stats *out)
{
	(void)pthread_mutex_lock(&c->lock);
	*out = c->stats;
	(void)pthread_mutex_unlock(&c->lock);
}

/* Locks while nothing is being removed. */
static void lock_rested(struct checkpoint *c)
{
	(void)pthread_mutex_lock(&c->lock);
	while (c->reclaiming) {
		(void)pthread_cond_wait(&c->rested, &c->lock);
	}
}

void checkpoint_hold(struct checkpoint *c, uint16_t slot)
{
	lock_rested(c);
	c->holds[slot]++;
	c->drain->held[slot / 64] |= UINT64_C(1) << (slot % 64);
	(void)pthread_mutex_unlock(&c->lock);
}

void checkpoint_let_go(struct checkpoint *c, uint16_t slot)
{
	lock_rested(c);
	INVARIANT(c->holds[slot] > 0);
	if (--c->holds[slot] == 0) {
		c->drain->held[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
		(void)pthread_cond_signal(&c->wake);
	}
	(void)pthread_mutex_unlock(&c->lock);
}

void checkpoint_stop(struct checkpoint *c)
{
	if (c == NULL) {
		return;
	}
	(void)pthread_mutex_lock(&c->lock);
	c->stop = true;
	(void)pthread_cond_signal(&c->wake);
	(void)pthread_mutex_unlock(&c->lock);
	(void)pthread_join(c->thread, NULL);
	free_parts(c);
}

/* --- the thread --- */

uint64_t checkpoint_now_us(const struct checkpoint *c)
{
	return c->opts.clock->mono_us(c->opts.clock->ctx);
}

/* Sleeps for a while, or until woken for stop or, when that counts, a job. Lock held. */
static void sleep_ms(struct checkpoint *c, uint32_t ms, bool job_wakes)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (!c->stop && !(job_wakes && atomic_load(&c->phase) == CHECKPOINT_DRAINING)) {
		if (pthread_cond_timedwait(&c->wake, &c->lock, &until) != 0) {
			break;
		}
	}
}

void checkpoint_set_error(struct checkpoint *c, enum status st)
{
	(void)pthread_mutex_lock(&c->lock);
	c->stats.last_error = st;
	(void)pthread_mutex_unlock(&c->lock);
}

bool checkpoint_retryable(enum status st)
{
	return st == ST_MAP_FULL || st == ST_NO_SPACE || st == ST_NO_MEMORY;
}

static void complain(struct checkpoint *c, enum status st)
{
	const char *what = "memory is short: free some";

	if (st == ST_MAP_FULL) {
		what = "the keyspace file has reached map-size-max: raise it and restart";
	} else if (st == ST_NO_SPACE) {
		what = "no space left where the data directory is: free some";
	}
	logger(LOG_LVL_WARNING,
	       "checkpoint waits: %s; nothing is lost, the log has it all, and it is tried again "
	       "every %" PRIu32 " ms",
	       what, c->opts.retry_ms);
}

/* After a failed attempt: waits if another one makes sense. False: give up, with *st. */
static bool try_again(struct checkpoint *c, enum status *st)
{
	enum status loaded;
	bool stop;

	drain_abort(c->drain);
	checkpoint_set_error(c, *st);
	if (!checkpoint_retryable(*st)) {
		return false;
	}
	if (!c->complained) {
		complain(c, *st);
		c->complained = true;
	}
	/* A smaller transaction needs less room beside what it replaces. */
	if (c->chunk_bytes / 2 >= RETRY_CHUNK_MIN) {
		c->chunk_bytes /= 2;
	}
	c->opts.notify(c->opts.arg);
	(void)pthread_mutex_lock(&c->lock);
	sleep_ms(c, c->opts.retry_ms, false);
	stop = c->stop;
	(void)pthread_mutex_unlock(&c->lock);
	loaded = drain_load(c->drain, c->reader);
	if (loaded != ST_OK) {
		checkpoint_set_error(c, loaded);
		*st = loaded;
	}
	return !stop && loaded == ST_OK;
}

void checkpoint_committed(struct checkpoint *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->stats.reclaim_pending = c->drain->garbage;
	c->stats.last_error = ST_OK;
	(void)pthread_mutex_unlock(&c->lock);
	atomic_fetch_add(&c->commits, 1);
	c->complained = false;
}

/* All that must be there before the first transaction. */
static enum status prepare(struct checkpoint *c)
{
	enum status st;

	if (!c->is_sorted) {
		st = memtable_sort(c->job.table, &c->sorted);
		if (st != ST_OK) {
			return st;
		}
		c->is_sorted = true;
	}
	if (c->changes == NULL) {
		c->changes = mem_alloc(SLOTS * sizeof *c->changes);
		if (c->changes == NULL) {
			return ST_NO_MEMORY;
		}
	}
	return PLANTED(20) ? ST_OK : c->opts.wal_sync(c->opts.arg, c->job.lsn);
}

/* The state that a transaction stores: the drain mark, and with the last one the checkpoint. */
static struct store_state next_state(const struct checkpoint *c, bool last)
{
	struct store_state next = c->state;

	/* The store of a full copy, or one that was half drained when its log's tail was drained in
	 * parts, may hold effects of later records than this job's. */
	if (!PLANTED(23) && c->job.lsn > next.drain_lsn) {
		next.drain_lsn = c->job.lsn;
	}
	if (!last && !PLANTED(21)) {
		return next;
	}
	if (c->job.lsn != c->state.checkpoint_lsn) {
		next.previous_checkpoint_lsn = PLANTED(27) ? c->job.lsn : c->state.checkpoint_lsn;
	}
	next.checkpoint_lsn = c->job.lsn;
	next.next_id = c->job.next_id;
	next.history = c->job.history;
	return next;
}

/* The drain waits for memory more than for anything else: each entry lies somewhere, and each leaf
 * that it goes into too. So those of the next entries are fetched together. */
static void look_ahead(struct checkpoint *c, size_t at)
{
	struct mt_entry *const *entries = c->sorted.entries;
	struct slice keys[LOOK_AHEAD];
	size_t n = 0;

	for (size_t i = at; i < c->sorted.count && i < at + (size_t)2 * LOOK_AHEAD; i++) {
		if (i >= at + LOOK_AHEAD) {
			__builtin_prefetch(entries[i]);
			continue;
		}
		if (entries[i]->value != NULL) { /* a tombstone has none */
			__builtin_prefetch(entries[i]->value);
			__builtin_prefetch(entries[i]->value + CACHE_LINE);
		}
		keys[n++] = mt_entry_key(entries[i]);
	}
	(void)store_reader_ahead_sorted(c->reader, keys, n);
}

/* One transaction: entries from *at on, at least one if there is one. */
static enum status drain_chunk(struct checkpoint *c, size_t *at, bool *done)
{
	struct drain *d = c->drain;
	struct store_state next;
	size_t i = *at;
	enum status st = drain_begin(d);

	if (st == ST_OK && i == 0 && memtable_flushed(c->job.table) && !PLANTED(26)) {
		st = drain_clear(d);
	}
	/* Without a snapshot it is slower. */
	(void)!store_reader_renew(c->reader);
	for (size_t first = i; st == ST_OK && i < c->sorted.count;) {
		if ((i - first) % LOOK_AHEAD == 0) {
			look_ahead(c, i);
			atomic_store_explicit(&c->progress, i, memory_order_relaxed);
		}
		st = drain_entry(d, c->sorted.entries[i++]);
		if (st == ST_OK && store_txn_dirty(d->txn) >= c->chunk_bytes) {
			break;
		}
	}
	store_reader_reset(c->reader);
	if (st == ST_OK && c->job.libraries != NULL && i == c->sorted.count) {
		st = store_txn_note(d->txn, library_set_note, buf_slice(c->job.libraries));
	}
	if (st == ST_OK) {
		next = next_state(c, i == c->sorted.count);
		st = store_txn_state(d->txn, &next);
	}
	if (st == ST_OK) {
		st = drain_commit(d);
	}
	if (st != ST_OK) {
		return st;
	}
	*at = i;
	*done = i == c->sorted.count;
	c->state = next;
	(void)pthread_mutex_lock(&c->lock);
	c->stats.chunks++;
	c->stats.entries += d->entries;
	c->stats.bytes += d->bytes;
	(void)pthread_mutex_unlock(&c->lock);
	checkpoint_committed(c);
	return ST_OK;
}

static enum status drain_all(struct checkpoint *c)
{
	size_t at = 0;
	bool done = false;
	enum status st;

	c->chunk_bytes = c->opts.chunk_bytes;
	c->complained = false;
	while ((st = prepare(c)) != ST_OK) {
		if (!try_again(c, &st)) {
			return st;
		}
	}
	atomic_store(&c->progress_end, c->sorted.count);
	while (!done) {
		st = drain_chunk(c, &at, &done);
		if (st == ST_OK && !done) {
			c->opts.notify(c->opts.arg);
		}
		if (st != ST_OK && !try_again(c, &st)) {
			return st;
		}
	}
	return ST_OK;
}

/* Lists the counters that changed since the last list. */
static uint32_t list_changes(struct checkpoint *c)
{
	struct drain *d = c->drain;
	uint32_t n = 0;

	for (uint16_t slot = 0; slot < SLOTS; slot++) {
		if ((d->changed[slot / 64] >> (slot % 64) & 1) != 0) {
			c->changes[n].slot = slot;
			c->changes[n].stat = d->stats[slot];
			n++;
		}
	}
	memset(d->changed, 0, sizeof d->changed);
	return n;
}

static void run_job(struct checkpoint *c)
{
	uint64_t began_us = checkpoint_now_us(c);
	enum status st = drain_all(c);

	if (c->is_sorted) {
		mt_sorted_deinit(&c->sorted);
		c->is_sorted = false;
	}
	(void)pthread_mutex_lock(&c->lock);
	if (st == ST_OK) {
		c->changes_count = list_changes(c);
		c->release_lsn = c->state.previous_checkpoint_lsn;
		c->stats.drains++;
		c->stats.exact = c->state.drain_lsn <= c->state.checkpoint_lsn;
		c->stats.drain_us_last = checkpoint_now_us(c) - began_us;
		c->stats.drain_us_total += c->stats.drain_us_last;
		atomic_store(&c->phase, CHECKPOINT_DONE);
	} else if (!checkpoint_retryable(st)) {
		logger(LOG_LVL_WARNING, "checkpoint failed: %s", status_text(st));
		atomic_store(&c->phase, CHECKPOINT_FAILED);
	}
	(void)pthread_mutex_unlock(&c->lock);
	c->opts.notify(c->opts.arg);
}

/* A half-drained table may come again after a restart, with elements of collections whose marks are
 * in the store already: the marks must stay until it has been drained whole. */
static bool may_reclaim(const struct checkpoint *c)
{
	int phase = atomic_load(&c->phase);

	return (phase == CHECKPOINT_IDLE || phase == CHECKPOINT_DONE) &&
	       c->state.drain_lsn <= c->state.checkpoint_lsn && drain_has_garbage(c->drain);
}

/* One bounded step; returns how long to rest after it. */
static uint32_t reclaim(struct checkpoint *c)
{
	uint32_t removed;
	enum status st = drain_reclaim(c->drain, c->reader, c->opts.reclaim_max, &removed);

	if (st == ST_OK) {
		(void)pthread_mutex_lock(&c->lock);
		c->stats.reclaimed += removed;
		(void)pthread_mutex_unlock(&c->lock);
		checkpoint_committed(c);
		c->opts.notify(c->opts.arg);
		return RECLAIM_PAUSE_MS;
	}
	checkpoint_set_error(c, st);
	if (checkpoint_retryable(st)) {
		if (!c->complained) {
			complain(c, st);
			c->complained = true;
		}
		st = drain_load(c->drain, c->reader);
		if (st == ST_OK) {
			return c->opts.retry_ms;
		}
	}
	(void)pthread_mutex_lock(&c->lock);
	logger(LOG_LVL_WARNING, "removing dead collections failed: %s", status_text(st));
	c->stats.last_error = st;
	atomic_store(&c->phase, CHECKPOINT_FAILED);
	(void)pthread_mutex_unlock(&c->lock);
	c->opts.notify(c->opts.arg);
	return 0;
}

static void *run(void *arg)
{
	struct checkpoint *c = arg;

	(void)pthread_mutex_lock(&c->lock);
	for (;;) {
		bool job = atomic_load(&c->phase) == CHECKPOINT_DRAINING;

		if (c->stop && (!job || c->stats.last_error != ST_OK)) {
			break;
		}
		if (job) {
			(void)pthread_mutex_unlock(&c->lock);
			run_job(c);
			(void)pthread_mutex_lock(&c->lock);
		} else if (may_reclaim(c) || checkpoint_may_build(c)) {
			bool reclaims = may_reclaim(c);
			uint32_t rest;

			c->reclaiming = true;
			(void)pthread_mutex_unlock(&c->lock);
			rest = reclaims ? reclaim(c) : checkpoint_build(c);
			(void)pthread_mutex_lock(&c->lock);
			c->reclaiming = false;
			(void)pthread_cond_broadcast(&c->rested);
			sleep_ms(c, rest, true);
		} else {
			(void)pthread_cond_wait(&c->wake, &c->lock);
		}
	}
	(void)pthread_mutex_unlock(&c->lock);
	return NULL;
}
