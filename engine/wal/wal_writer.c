/* The WAL thread: group commit, frames, rotation, watermarks. */
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/base/logger.h"
#include "engine/base/planted.h"
#include "engine/base/waiting.h"
#include "engine/wal/wal_writer_impl.h"

#include <errno.h>

/* --- states --- */

static void set_state(struct wal_writer *w, enum wal_state state, int error)
{
	(void)pthread_mutex_lock(&w->lock);
	atomic_store(&w->state, (int)state);
	w->stats.last_errno = error;
	(void)pthread_cond_broadcast(&w->synced);
	(void)pthread_mutex_unlock(&w->lock);
	wal_notify(w);
}

/* Nothing becomes durable any more: what the kernel holds of a failed write or sync can't be
 * trusted, and a second sync would only hide it. */
static enum status failed(struct wal_writer *w, const char *what, enum status st)
{
	int error = errno;

	if (atomic_load(&w->state) != WAL_FAILED) {
		errno = error;
		logger(LOG_LVL_WARNING,
		       "WAL: %s failed at LSN %llu (%m): no write is acknowledged from now on; "
		       "mend the "
		       "disk and restart",
		       what, (unsigned long long)atomic_load(&w->written));
		set_state(w, WAL_FAILED, error);
	}
	w->result = st;
	return st;
}

/* Waits a little for space. False: the log is to be closed. */
static bool stall(struct wal_writer *w, const char *what)
{
	bool go_on;

	if (atomic_load(&w->state) == WAL_RUNNING) {
		logger(LOG_LVL_WARNING,
		       "WAL: no space left for %s in %s: writes wait; free space there, the node "
		       "goes on by "
		       "itself",
		       what, w->dir);
		set_state(w, WAL_STALLED, ENOSPC);
	}
	(void)pthread_mutex_lock(&w->lock);
	if (!w->stop) {
		waiting_cond_us(&w->wake, &w->lock, STALL_RETRY_US);
	}
	go_on = !w->stop;
	(void)pthread_mutex_unlock(&w->lock);
	return go_on;
}

/* Memory may come back; the records are safe in their buffer until then. */
bool wal_wait_for_memory(struct wal_writer *w)
{
	return stall(w, "a frame in memory");
}

static void resume(struct wal_writer *w)
{
	if (atomic_load(&w->state) == WAL_STALLED) {
		logger(LOG_LVL_NOTICE, "WAL: there is space again, writes go on");
		set_state(w, WAL_RUNNING, 0);
	}
}

/* --- disk --- */

enum status wal_sync_log(struct wal_writer *w)
{
	uint64_t written = atomic_load(&w->written), began = wal_now_us(w), took;
	enum status st = ST_OK;

	w->last_sync_us = began;
	if (PLANTED(2)) {
		atomic_store(&w->durable, written);
		wal_notify(w);
	}
	if (!PLANTED(1)) {
		st = w->opts.io->ops->datasync(w->opts.io->ctx, w->file);
	}
	if (st != ST_OK && !PLANTED(9)) {
		return failed(w, "fdatasync", st);
	}
	took = wal_now_us(w) - began;
	(void)pthread_mutex_lock(&w->lock);
	atomic_store(&w->durable, written);
	w->stats.fsyncs++;
	w->stats.fsync_us_total += took;
	if (took > w->stats.fsync_us_max) {
		w->stats.fsync_us_max = took;
	}
	(void)pthread_cond_broadcast(&w->synced);
	(void)pthread_mutex_unlock(&w->lock);
	return ST_OK;
}

/* Blanks a piece of a new file ahead of the frames. Blocks that are only reserved make every sync
 * write the file's metadata as well: a third more flushes without a journal, three times the
 * latency with one. A whole file at once would be a burst that others wait for. */
static void blank_ahead(struct wal_writer *w)
{
	static const uint8_t zeros[BLANK_STEP];
	const struct io *io = w->opts.io;
	uint64_t from = w->off + w->group.len;
	uint64_t len = BLANK_STEP;

	if (w->segment.recycled || from <= w->blank_to || from >= w->opts.segment_size) {
		return;
	}
	if (len > w->opts.segment_size - from) {
		len = w->opts.segment_size - from;
	}
	/* Only speed depends on it. A disk that fails says so to the frames themselves. */
	(void)io->ops->pwrite(io->ctx, w->file, zeros, len, from);
	w->blank_to = from + len;
}

/* Writes the gathered frames at the end of the segment. */
enum status wal_write_group(struct wal_writer *w)
{
	const struct io *io = w->opts.io;
	enum status st;

	if (w->group.len == 0) {
		return ST_OK;
	}
	blank_ahead(w);
	/* After ENOSPC the same bytes are written to the same place again: nothing behind them
	 * counts yet. */
	while ((st = io->ops->pwrite(io->ctx, w->file, w->group.data, w->group.len, w->off)) ==
	       ST_NO_SPACE) {
		if (!stall(w, "a log frame")) {
			w->result = st;
			return st;
		}
	}
	if (st != ST_OK) {
		return failed(w, "write", st);
	}
	resume(w);
	w->off += w->group.len;
	(void)pthread_mutex_lock(&w->lock);
	w->stats.disk_bytes += w->group.len;
	w->chain_lsn = w->next_lsn - 1;
	w->chain_digest = w->chain;
	(void)pthread_mutex_unlock(&w->lock);
	w->group.len = 0;
	/* One record of hundreds of megabytes must not be held for good. */
	buf_shrink(&w->group, SPARE_KEEP);
	atomic_store(&w->written, w->next_lsn - 1);
	return ST_OK;
}

/* Begins a segment at next_lsn. The one before is durable, so its header can say so. */
enum status wal_begin_segment(struct wal_writer *w, bool may_stall)
{
	struct wal_segment segment = {
	    .first_lsn = w->next_lsn,
	    .chain = w->chain,
	    .watermark = w->next_lsn - 1,
	    .created_ms = wal_wall_ms(w),
	    .history = w->opts.history,
	    .dictionary = w->opts.dictionary,
	};
	struct io_file *file;
	enum status st;

	for (;;) {
		uint64_t release, keep_size, keep_ms;

		(void)pthread_mutex_lock(&w->lock);
		release = wal_released(w);
		keep_size = w->opts.keep_size;
		keep_ms = w->opts.keep_ms;
		w->files.archived_below = w->archived_below;
		(void)pthread_mutex_unlock(&w->lock);
		st = wal_files_begin(&w->files, &segment, w->opts.segment_size, release, keep_size,
				     keep_ms, &file);
		if (st != ST_NO_SPACE || !may_stall) {
			break;
		}
		if (!stall(w, "a log segment")) {
			w->result = st;
			return st;
		}
	}
	if (st != ST_OK) {
		return may_stall ? failed(w, "beginning a segment", st) : st;
	}
	if (may_stall) {
		resume(w);
	}
	if (w->file != NULL) {
		w->opts.io->ops->close(w->opts.io->ctx, w->file);
	}
	w->file = file;
	w->segment = segment;
	w->off = segment.header_len;
	w->blank_to = 0;
	w->witnessed = segment.watermark;
	(void)pthread_mutex_lock(&w->lock);
	w->stats.segments = w->files.count;
	w->stats.segments_bytes = wal_files_bytes(&w->files);
	w->stats.first_lsn = w->files.entries[0].first_lsn;
	w->stats.disk_bytes += segment.header_len;
	w->finished_below = segment.first_lsn;
	(void)pthread_cond_signal(&w->archive_wake);
	(void)pthread_mutex_unlock(&w->lock);
	return ST_OK;
}

/* Ends the full segment and begins the next one. */
enum status wal_rotate(struct wal_writer *w)
{
	enum status st = wal_write_group(w);

	if (st == ST_OK && atomic_load(&w->durable) < atomic_load(&w->written) && !PLANTED(16)) {
		st = wal_sync_log(w);
		wal_notify(w);
	}
	return st == ST_OK ? wal_begin_segment(w, true) : st;
}

/* --- frames --- */

uint64_t wal_watermark(const struct wal_writer *w)
{
	return PLANTED(12) ? w->next_lsn - 1
			   : atomic_load_explicit(&w->durable, memory_order_relaxed);
}

enum status wal_make_room(struct wal_writer *w, uint64_t bytes)
{
	if (w->off + w->group.len + bytes <= w->opts.segment_size ||
	    w->off + w->group.len <= w->segment.header_len) {
		return ST_OK;
	}
	return wal_rotate(w);
}

enum status wal_frame_placed(struct wal_writer *w, const struct wal_frame *f)
{
	w->witnessed = f->watermark;
	if (f->records > 0) {
		w->chain = f->digest;
		w->next_lsn += f->records;
	}
	(void)pthread_mutex_lock(&w->lock);
	w->stats.frames++;
	w->stats.records += f->records;
	w->stats.raw_bytes += f->raw_len;
	w->stats.stored_bytes += wal_frame_span(f);
	(void)pthread_mutex_unlock(&w->lock);
	return w->group.len >= GROUP_BYTES_MAX ? wal_write_group(w) : ST_OK;
}

/* Appends a frame of count records to the group. */
enum status wal_add_frame(struct wal_writer *w, struct slice raw, uint32_t count, unsigned flags)
{
	const struct wal_timeline *t;
	struct wal_frame f;
	enum status st = ST_OK;

	if (count > 0) {
		st = wal_make_room(w, WAL_FRAME_HEADER_LEN + raw.len + WAL_FRAME_ALIGN);
	}
	if (st != ST_OK) {
		return st;
	}
	t = &w->opts.history.items[w->opts.history.count - 1];
	f = (struct wal_frame){
	    .flags = flags,
	    .records = count,
	    .first_lsn = w->next_lsn,
	    .epoch = t->epoch,
	    .timeline = t->id,
	    .time_ms = wal_wall_ms(w),
	    .chain = w->chain,
	    .watermark = wal_watermark(w),
	};
	while ((st = wal_frame_encode(w->encoder, &f, raw, w->segment.salt, &w->group)) ==
	       ST_NO_MEMORY) {
		if (!wal_wait_for_memory(w)) {
			return st;
		}
	}
	resume(w);
	return wal_frame_placed(w, &f);
}

/* Cuts whole records into frames and writes them. */
static enum status write_records(struct wal_writer *w, struct slice records)
{
	enum status st = ST_OK;

	while (st == ST_OK && records.len > 0) {
		size_t len = 0;
		uint32_t count = 0;

		while (len < records.len) {
			size_t one = RECORD_LEN_FIELD + (size_t)bytes_get_u32le(records.data + len);

			if (count > 0 && len + one > WAL_FRAME_RAW_TARGET) {
				break;
			}
			len += one;
			count++;
		}
		st = wal_add_frame(w, slice_of(records.data, len), count, 0);
		records = slice_skip(records, len);
	}
	return st == ST_OK ? wal_write_group(w) : st;
}

/* An empty frame that says how far the log is durable, so that damage to the last group can be told
 * from a torn tail. */
static void write_witness(struct wal_writer *w)
{
	if (wal_add_frame(w, slice_of(NULL, 0), 0, 0) == ST_OK) {
		(void)wal_write_group(w);
	}
}

/* --- the thread --- */

static bool sync_due(struct wal_writer *w, enum wal_fsync fsync, uint64_t wanted, bool stopping)
{
	uint64_t written = atomic_load(&w->written), durable = atomic_load(&w->durable);

	if (durable >= written) {
		return false;
	}
	return stopping || fsync == WAL_FSYNC_ALWAYS || wanted > durable ||
	       (fsync == WAL_FSYNC_EVERYSEC && wal_now_us(w) - w->last_sync_us >= EVERYSEC_US);
}

/* How long the thread may sleep, 0: as long as nothing comes. */
static uint64_t sleep_us(const struct wal_writer *w)
{
	uint64_t now = wal_now_us(w), durable = atomic_load(&w->durable);

	if (durable < atomic_load(&w->written)) {
		uint64_t due = w->last_sync_us + EVERYSEC_US;

		return w->opts.fsync != WAL_FSYNC_EVERYSEC ? 0 : due > now ? due - now : 1;
	}
	if (w->witnessed < durable) {
		uint64_t due = w->last_busy_us + WATERMARK_IDLE_US;

		return due > now ? due - now : 1;
	}
	return 0;
}

/* Waits for something to do; takes the records that are pending. The lock is held. True: records
 * were taken. */
static bool take_work(struct wal_writer *w, struct buf *records)
{
	if (w->pending_count == 0 && w->pending_frames_count == 0 && !w->turn_wanted && !w->stop &&
	    w->sync_wanted <= atomic_load(&w->durable) && !w->trim) {
		uint64_t us = sleep_us(w);

		w->sleeping = true;
		if (us == 0) {
			(void)pthread_cond_wait(&w->wake, &w->lock);
		} else {
			waiting_cond_us(&w->wake, &w->lock, us);
		}
		w->sleeping = false;
	}
	if (w->pending_count == 0) {
		return false;
	}
	INVARIANT(w->pending_first == w->next_lsn);
	*records = w->pending;
	w->pending = w->spare;
	w->spare = (struct buf){0};
	w->pending_count = 0;
	return true;
}

static void give_back(struct wal_writer *w, struct buf *records)
{
	atomic_fetch_sub(&w->pending_bytes, records->len);
	records->len = 0;
	buf_shrink(records, SPARE_KEEP);
	(void)pthread_mutex_lock(&w->lock);
	if (w->spare.data == NULL) {
		w->spare = *records;
		*records = (struct buf){0};
	}
	(void)pthread_mutex_unlock(&w->lock);
	buf_deinit(records);
}

static void trim(struct wal_writer *w)
{
	uint64_t release, keep_size, keep_ms;

	(void)pthread_mutex_lock(&w->lock);
	w->trim = false;
	release = wal_released(w);
	keep_size = w->opts.keep_size;
	keep_ms = w->opts.keep_ms;
	w->files.archived_below = w->archived_below;
	(void)pthread_mutex_unlock(&w->lock);
	wal_files_trim(&w->files, release, keep_size, keep_ms, wal_wall_ms(w));
	(void)pthread_mutex_lock(&w->lock);
	w->stats.segments = w->files.count;
	w->stats.segments_bytes = wal_files_bytes(&w->files);
	w->stats.first_lsn = w->files.count > 0 ? w->files.entries[0].first_lsn : 0;
	(void)pthread_mutex_unlock(&w->lock);
}

/* One round: write what came, sync when due, tell. False: the log has failed or was given up. */
static bool work(struct wal_writer *w)
{
	struct buf records = {0}, frames = {0};
	enum wal_fsync fsync;
	uint64_t wanted;
	bool stopping, took, received, turn, trim_now;

	(void)pthread_mutex_lock(&w->lock);
	took = take_work(w, &records);
	received = wal_take_received(w, &frames, &turn);
	fsync = w->opts.fsync;
	wanted = w->sync_wanted;
	stopping = w->stop;
	trim_now = w->trim;
	if (w->level_wanted != w->level &&
	    wal_frame_encoder_set_level(w->encoder, w->level_wanted) == ST_OK) {
		w->level = w->level_wanted;
	}
	(void)pthread_mutex_unlock(&w->lock);

	if (took || received) {
		enum status st = took ? write_records(w, buf_slice(&records))
				      : wal_write_received(w, buf_slice(&frames), turn);

		if (took) {
			give_back(w, &records);
		}
		buf_deinit(&frames);
		w->last_busy_us = wal_now_us(w);
		if (st != ST_OK) {
			return false;
		}
		if (fsync != WAL_FSYNC_ALWAYS) {
			wal_notify(w);
		}
	}
	if (sync_due(w, fsync, wanted, stopping)) {
		if (wal_sync_log(w) != ST_OK) {
			return false;
		}
		w->last_busy_us = wal_now_us(w);
		wal_notify(w);
	} else if (!took && !received && w->witnessed < atomic_load(&w->durable) &&
		   atomic_load(&w->durable) == atomic_load(&w->written) &&
		   wal_now_us(w) - w->last_busy_us >= WATERMARK_IDLE_US) {
		write_witness(w);
	}
	if (trim_now) {
		trim(w);
	}
	return atomic_load(&w->state) != WAL_FAILED;
}

void *wal_thread(void *arg)
{
	struct wal_writer *w = arg;

	for (;;) {
		bool done;

		if (!work(w)) {
			break;
		}
		(void)pthread_mutex_lock(&w->lock);
		done = w->stop && w->pending_count == 0 && w->pending_frames_count == 0;
		(void)pthread_mutex_unlock(&w->lock);
		if (done && atomic_load(&w->durable) == atomic_load(&w->written)) {
			break;
		}
	}
	(void)pthread_mutex_lock(&w->lock);
	(void)pthread_cond_broadcast(&w->synced);
	while (!w->stop) {
		(void)pthread_cond_wait(&w->wake, &w->lock);
	}
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}
