/* The executor's side of the writer: handing records over, watermarks, settings. */
#include "engine/base/invariant.h"
#include "engine/wal/wal_writer_impl.h"

enum status wal_writer_append(struct wal_writer *w, struct buf *records, uint64_t first_lsn,
			      uint32_t count)
{
	enum status st = ST_OK;
	size_t len = records->len;
	bool wake;

	if (atomic_load(&w->state) == WAL_FAILED) {
		return ST_READ_ONLY;
	}
	(void)pthread_mutex_lock(&w->lock);
	if (w->pending_frames_count > 0 || w->turn_wanted) {
		(void)pthread_mutex_unlock(&w->lock);
		return ST_AGAIN;
	}
	if (w->pending_count == 0) {
		struct buf empty = w->pending;

		w->pending_first = first_lsn;
		w->pending = *records;
		*records = empty;
		records->len = 0;
	} else {
		INVARIANT(first_lsn == w->pending_first + w->pending_count);
		st = buf_append(&w->pending, records->data, len);
		if (st == ST_OK) {
			records->len = 0;
			buf_shrink(records, SPARE_KEEP);
		}
	}
	if (st == ST_OK) {
		w->pending_count += count;
	}
	wake = w->sleeping;
	(void)pthread_mutex_unlock(&w->lock);
	if (st == ST_OK) {
		atomic_fetch_add(&w->pending_bytes, len);
		if (wake) {
			(void)pthread_cond_signal(&w->wake);
		}
	}
	return st;
}

uint64_t wal_writer_written_lsn(const struct wal_writer *w)
{
	return atomic_load_explicit(&w->written, memory_order_acquire);
}

uint64_t wal_writer_durable_lsn(const struct wal_writer *w)
{
	return atomic_load_explicit(&w->durable, memory_order_acquire);
}

enum wal_state wal_writer_state(const struct wal_writer *w)
{
	return (enum wal_state)atomic_load_explicit(&w->state, memory_order_relaxed);
}

enum status wal_writer_sync(struct wal_writer *w, uint64_t lsn)
{
	enum status st = ST_OK;

	(void)pthread_mutex_lock(&w->lock);
	while (atomic_load(&w->durable) < lsn) {
		if (atomic_load(&w->state) == WAL_FAILED || w->stop) {
			st = ST_IO;
			break;
		}
		if (atomic_load(&w->state) == WAL_STALLED) {
			st = ST_NO_SPACE;
			break;
		}
		if (lsn > w->sync_wanted) {
			w->sync_wanted = lsn;
		}
		(void)pthread_cond_signal(&w->wake);
		(void)pthread_cond_wait(&w->synced, &w->lock);
	}
	(void)pthread_mutex_unlock(&w->lock);
	return st;
}

void wal_writer_release(struct wal_writer *w, uint64_t lsn)
{
	(void)pthread_mutex_lock(&w->lock);
	if (lsn > w->release_lsn) {
		w->release_lsn = lsn;
		w->trim = true;
		(void)pthread_cond_signal(&w->wake);
	}
	(void)pthread_mutex_unlock(&w->lock);
}

void wal_writer_set_fsync(struct wal_writer *w, enum wal_fsync fsync)
{
	(void)pthread_mutex_lock(&w->lock);
	w->opts.fsync = fsync;
	w->sync_wanted = atomic_load(&w->written);
	(void)pthread_cond_signal(&w->wake);
	(void)pthread_mutex_unlock(&w->lock);
}

void wal_writer_set_level(struct wal_writer *w, int level)
{
	(void)pthread_mutex_lock(&w->lock);
	w->level_wanted = level;
	(void)pthread_mutex_unlock(&w->lock);
}

void wal_writer_set_retention(struct wal_writer *w, uint64_t keep_size, uint64_t keep_ms)
{
	(void)pthread_mutex_lock(&w->lock);
	w->opts.keep_size = keep_size;
	w->opts.keep_ms = keep_ms;
	w->trim = true;
	(void)pthread_cond_signal(&w->wake);
	(void)pthread_mutex_unlock(&w->lock);
}

void wal_writer_stats(struct wal_writer *w, struct wal_stats *out)
{
	(void)pthread_mutex_lock(&w->lock);
	*out = w->stats;
	(void)pthread_mutex_unlock(&w->lock);
	out->written_lsn = atomic_load(&w->written);
	out->durable_lsn = atomic_load(&w->durable);
	out->pending_bytes = atomic_load(&w->pending_bytes);
	out->state = (enum wal_state)atomic_load(&w->state);
}
