/* The WAL thread: group commit, frames, rotation, watermarks. */
#include "engine/wal/wal_writer.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/base/logger.h"
#include "engine/base/planted.h"
#include "engine/base/waiting.h"
#include "engine/wal/wal_files.h"
#include "engine/wal/wal_frame.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum {
	EVERYSEC_US = 1000000,
	WATERMARK_IDLE_US =
	    100000, /* quiet time after which an empty frame bears witness to the last sync */
	STALL_RETRY_US = 200000,
	GROUP_BYTES_MAX = 4 << 20, /* stored bytes given to one pwrite */
	SPARE_KEEP = 8 << 20,	   /* capacity kept of a records buffer */
	RECORD_LEN_FIELD = 4,
};

struct wal_writer {
	/* Settings; those that may change are guarded by lock. */
	struct wal_writer_options opts;
	char *dir, *archive_dir;

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake, synced;
	bool sleeping, stop;
	struct buf pending, spare; /* records handed over; an empty one to swap with */
	uint64_t pending_first;
	uint32_t pending_count;
	uint64_t sync_wanted; /* somebody waits for this LSN */
	uint64_t release_lsn;
	bool trim;
	int level_wanted;
	struct wal_stats stats;

	_Atomic uint64_t written, durable;
	_Atomic int state;
	_Atomic uint64_t pending_bytes;

	/* WAL thread only. */
	struct wal_files files;
	struct wal_frame_encoder *encoder;
	struct wal_segment segment;
	struct io_file *file;
	uint64_t off;
	uint64_t next_lsn; /* of the next record to be framed */
	uint64_t chain;
	uint64_t witnessed; /* newest watermark in a header that was written */
	uint64_t last_sync_us, last_busy_us;
	struct buf group; /* frames not yet written */
	int level;
	enum status result;

	/* The archiver, when there is an archive. */
	pthread_t archiver;
	bool archiving;
	pthread_cond_t archive_wake;
	uint64_t archived_below, finished_below;
};

static uint64_t now_us(const struct wal_writer *w)
{
	return w->opts.clock->mono_us(w->opts.clock->ctx);
}

static uint64_t wall_ms(const struct wal_writer *w)
{
	return w->opts.clock->wall_ms(w->opts.clock->ctx);
}

static void notify(struct wal_writer *w)
{
	if (w->opts.notify != NULL) {
		w->opts.notify(w->opts.notify_arg);
	}
}

/* --- states --- */

static void set_state(struct wal_writer *w, enum wal_state state, int error)
{
	(void)pthread_mutex_lock(&w->lock);
	atomic_store(&w->state, (int)state);
	w->stats.last_errno = error;
	(void)pthread_cond_broadcast(&w->synced);
	(void)pthread_mutex_unlock(&w->lock);
	notify(w);
}

/* Nothing becomes durable any more: what the kernel holds of a failed write or sync can't be
 * trusted, and a second sync would only hide it. */
static enum status failed(struct wal_writer *w, const char *what, enum status st)
{
	int error = errno;

	if (atomic_load(&w->state) != WAL_FAILED) {
		logger(LOG_LVL_WARNING,
		       "WAL: %s failed at LSN %llu (%s): no write is acknowledged from now on; "
		       "mend the "
		       "disk and restart",
		       what, (unsigned long long)atomic_load(&w->written), strerror(error));
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

static void resume(struct wal_writer *w)
{
	if (atomic_load(&w->state) == WAL_STALLED) {
		logger(LOG_LVL_NOTICE, "WAL: there is space again, writes go on");
		set_state(w, WAL_RUNNING, 0);
	}
}

/* --- disk --- */

static enum status sync_log(struct wal_writer *w)
{
	uint64_t written = atomic_load(&w->written), began = now_us(w), took;
	enum status st = ST_OK;

	w->last_sync_us = began;
	if (PLANTED(2)) {
		atomic_store(&w->durable, written);
		notify(w);
	}
	if (!PLANTED(1)) {
		st = w->opts.io->ops->datasync(w->opts.io->ctx, w->file);
	}
	if (st != ST_OK && !PLANTED(9)) {
		return failed(w, "fdatasync", st);
	}
	took = now_us(w) - began;
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

/* Writes the gathered frames at the end of the segment. */
static enum status write_group(struct wal_writer *w)
{
	const struct io *io = w->opts.io;
	enum status st;

	if (w->group.len == 0) {
		return ST_OK;
	}
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
	(void)pthread_mutex_unlock(&w->lock);
	w->group.len = 0;
	atomic_store(&w->written, w->next_lsn - 1);
	return ST_OK;
}

/* Begins a segment at next_lsn. The one before is durable, so its header can say so. */
static enum status begin_segment(struct wal_writer *w, bool may_stall)
{
	struct wal_segment segment = {
	    .first_lsn = w->next_lsn,
	    .chain = w->chain,
	    .watermark = w->next_lsn - 1,
	    .created_ms = wall_ms(w),
	    .history = w->opts.history,
	    .dictionary = w->opts.dictionary,
	};
	struct io_file *file;
	enum status st;

	for (;;) {
		uint64_t release, keep_size, keep_ms;

		(void)pthread_mutex_lock(&w->lock);
		release = w->release_lsn;
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
static enum status rotate(struct wal_writer *w)
{
	enum status st = write_group(w);

	if (st == ST_OK && atomic_load(&w->durable) < atomic_load(&w->written)) {
		st = sync_log(w);
		notify(w);
	}
	return st == ST_OK ? begin_segment(w, true) : st;
}

/* --- frames --- */

static uint64_t watermark(const struct wal_writer *w)
{
	return PLANTED(12) ? w->next_lsn - 1
			   : atomic_load_explicit(&w->durable, memory_order_relaxed);
}

/* Appends a frame of count records to the group. */
static enum status add_frame(struct wal_writer *w, struct slice raw, uint32_t count, unsigned flags)
{
	const struct wal_timeline *t = &w->opts.history.items[w->opts.history.count - 1];
	struct wal_frame f = {
	    .flags = flags,
	    .records = count,
	    .first_lsn = w->next_lsn,
	    .epoch = t->epoch,
	    .timeline = t->id,
	    .time_ms = wall_ms(w),
	    .chain = w->chain,
	    .watermark = watermark(w),
	};
	uint64_t room = WAL_FRAME_HEADER_LEN + raw.len + WAL_FRAME_ALIGN;
	enum status st;

	if (w->off + w->group.len + room > w->opts.segment_size &&
	    w->off + w->group.len > w->segment.header_len && count > 0) {
		st = rotate(w);
		if (st != ST_OK) {
			return st;
		}
		f.watermark = watermark(w);
	}
	while ((st = wal_frame_encode(w->encoder, &f, raw, w->segment.salt, &w->group)) ==
	       ST_NO_MEMORY) {
		/* Memory may come back; the records are safe in their buffer until then. */
		if (!stall(w, "a frame in memory")) {
			return st;
		}
	}
	resume(w);
	w->witnessed = f.watermark;
	if (count > 0) {
		w->chain = f.digest;
		w->next_lsn += count;
	}
	(void)pthread_mutex_lock(&w->lock);
	w->stats.frames++;
	w->stats.records += count;
	w->stats.raw_bytes += raw.len;
	w->stats.stored_bytes += wal_frame_span(&f);
	(void)pthread_mutex_unlock(&w->lock);
	return w->group.len >= GROUP_BYTES_MAX ? write_group(w) : ST_OK;
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
		st = add_frame(w, slice_of(records.data, len), count, 0);
		records = slice_skip(records, len);
	}
	return st == ST_OK ? write_group(w) : st;
}

/* An empty frame that says how far the log is durable, so that damage to the last group can be told
 * from a torn tail. */
static void write_witness(struct wal_writer *w)
{
	if (add_frame(w, slice_of(NULL, 0), 0, 0) == ST_OK) {
		(void)write_group(w);
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
	       (fsync == WAL_FSYNC_EVERYSEC && now_us(w) - w->last_sync_us >= EVERYSEC_US);
}

/* How long the thread may sleep, 0: as long as nothing comes. */
static uint64_t sleep_us(const struct wal_writer *w)
{
	uint64_t now = now_us(w), durable = atomic_load(&w->durable);

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

/* Waits for something to do; takes what is pending. The lock is held. True: records were taken. */
static bool take_work(struct wal_writer *w, struct buf *records)
{
	if (w->pending_count == 0 && !w->stop && w->sync_wanted <= atomic_load(&w->durable) &&
	    !w->trim) {
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
	release = w->release_lsn;
	keep_size = w->opts.keep_size;
	keep_ms = w->opts.keep_ms;
	w->files.archived_below = w->archived_below;
	(void)pthread_mutex_unlock(&w->lock);
	wal_files_trim(&w->files, release, keep_size, keep_ms, wall_ms(w));
	(void)pthread_mutex_lock(&w->lock);
	w->stats.segments = w->files.count;
	w->stats.segments_bytes = wal_files_bytes(&w->files);
	w->stats.first_lsn = w->files.count > 0 ? w->files.entries[0].first_lsn : 0;
	(void)pthread_mutex_unlock(&w->lock);
}

/* One round: write what came, sync when due, tell. False: the log has failed or was given up. */
static bool work(struct wal_writer *w)
{
	struct buf records = {0};
	enum wal_fsync fsync;
	uint64_t wanted;
	bool stopping, took, trim_now;

	(void)pthread_mutex_lock(&w->lock);
	took = take_work(w, &records);
	fsync = w->opts.fsync;
	wanted = w->sync_wanted;
	stopping = w->stop;
	trim_now = w->trim;
	if (w->level_wanted != w->level &&
	    wal_frame_encoder_set_level(w->encoder, w->level_wanted) == ST_OK) {
		w->level = w->level_wanted;
	}
	(void)pthread_mutex_unlock(&w->lock);

	if (took) {
		enum status st = write_records(w, buf_slice(&records));

		give_back(w, &records);
		w->last_busy_us = now_us(w);
		if (st != ST_OK) {
			return false;
		}
		if (fsync != WAL_FSYNC_ALWAYS) {
			notify(w);
		}
	}
	if (sync_due(w, fsync, wanted, stopping)) {
		if (sync_log(w) != ST_OK) {
			return false;
		}
		w->last_busy_us = now_us(w);
		notify(w);
	} else if (!took && w->witnessed < atomic_load(&w->durable) &&
		   atomic_load(&w->durable) == atomic_load(&w->written) &&
		   now_us(w) - w->last_busy_us >= WATERMARK_IDLE_US) {
		write_witness(w);
	}
	if (trim_now) {
		trim(w);
	}
	return atomic_load(&w->state) != WAL_FAILED;
}

static void *run(void *arg)
{
	struct wal_writer *w = arg;

	for (;;) {
		bool done;

		if (!work(w)) {
			break;
		}
		(void)pthread_mutex_lock(&w->lock);
		done = w->stop && w->pending_count == 0;
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

/* --- the archiver --- */

static void *archive(void *arg)
{
	struct wal_writer *w = arg;

	(void)pthread_mutex_lock(&w->lock);
	while (!w->stop || w->archived_below < w->finished_below) {
		struct wal_segment_list list = {0};
		uint64_t from = w->archived_below, below = w->finished_below;
		enum status st = ST_OK;

		if (from >= below) {
			(void)pthread_cond_wait(&w->archive_wake, &w->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&w->lock);
		st = wal_segment_list_read(w->opts.io, w->dir, &list);
		for (size_t i = 0; st == ST_OK && i < list.count; i++) {
			if (list.first_lsn[i] >= from && list.first_lsn[i] < below) {
				st = wal_archive_copy(w->opts.io, w->dir, w->archive_dir,
						      list.first_lsn[i]);
			}
		}
		wal_segment_list_deinit(&list);
		(void)pthread_mutex_lock(&w->lock);
		if (st == ST_OK) {
			w->archived_below = below;
			w->trim = true;
			continue;
		}
		logger(LOG_LVL_WARNING,
		       "WAL: cannot archive to %s (%s): segments are kept until it works",
		       w->archive_dir, status_text(st));
		if (w->stop) {
			break;
		}
		waiting_cond_us(&w->archive_wake, &w->lock, EVERYSEC_US);
	}
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* --- open and close --- */

static void init_sync(struct wal_writer *w)
{
	(void)pthread_mutex_init(&w->lock, NULL);
	waiting_cond_init(&w->wake);
	waiting_cond_init(&w->synced);
	waiting_cond_init(&w->archive_wake);
}

static void release_all(struct wal_writer *w)
{
	if (w->file != NULL) {
		w->opts.io->ops->close(w->opts.io->ctx, w->file);
	}
	wal_files_close(&w->files);
	wal_frame_encoder_destroy(w->encoder);
	buf_deinit(&w->pending);
	buf_deinit(&w->spare);
	buf_deinit(&w->group);
	(void)pthread_cond_destroy(&w->wake);
	(void)pthread_cond_destroy(&w->synced);
	(void)pthread_cond_destroy(&w->archive_wake);
	(void)pthread_mutex_destroy(&w->lock);
	mem_free(w->dir);
	mem_free(w->archive_dir);
	mem_free(w);
}

/* Goes on in the segment where the log ended, if its header is of the present timeline.
 * ST_NOT_FOUND: begin a new one. */
static enum status continue_segment(struct wal_writer *w)
{
	const struct wal_position *at = &w->opts.at;
	const struct wal_timeline *now = &w->opts.history.items[w->opts.history.count - 1];
	struct wal_source_file source = {.io = w->opts.io};
	struct buf storage = {0};
	char name[WAL_SEGMENT_NAME_SIZE], path[WAL_PATH_MAX];
	enum status st;

	if (at->segment_first == 0) {
		return ST_NOT_FOUND;
	}
	wal_segment_name(at->segment_first, name);
	st = wal_segment_path(w->dir, name, path);
	if (st == ST_OK) {
		st = w->opts.io->ops->open(w->opts.io->ctx, path, IO_READ | IO_WRITE, &w->file);
	}
	if (st != ST_OK) {
		return st;
	}
	source.file = w->file;
	st = wal_segment_read(wal_source_of_file(&source), &storage, &w->segment);
	if (st == ST_OK && (w->segment.history.items[w->segment.history.count - 1].id != now->id ||
			    !slice_eq(w->segment.dictionary, w->opts.dictionary) ||
			    at->segment_off >= w->opts.segment_size)) {
		st = ST_NOT_FOUND;
	}
	w->segment.dictionary = w->opts.dictionary;
	buf_deinit(&storage);
	if (st != ST_OK) {
		w->opts.io->ops->close(w->opts.io->ctx, w->file);
		w->file = NULL;
		return st;
	}
	w->off = at->segment_off;
	/* The clean mark that stands before this place is void from here on, but nothing that it
	 * covered is. */
	w->witnessed = 0;
	return ST_OK;
}

enum status wal_writer_open(const struct wal_writer_options *opts, struct wal_writer **out)
{
	struct wal_writer *w = mem_calloc(1, sizeof *w);
	enum status st = ST_NO_MEMORY;

	if (w == NULL) {
		return ST_NO_MEMORY;
	}
	init_sync(w);
	w->opts = *opts;
	w->dir = mem_strdup(opts->dir);
	w->archive_dir = opts->archive_dir == NULL ? NULL : mem_strdup(opts->archive_dir);
	w->next_lsn = opts->at.next_lsn;
	w->chain = opts->at.chain;
	w->level = w->level_wanted = opts->compression_level;
	w->last_sync_us = w->last_busy_us = now_us(w);
	atomic_store(&w->written, w->next_lsn - 1);
	atomic_store(&w->durable, w->next_lsn - 1);
	if (w->dir == NULL || (opts->archive_dir != NULL && w->archive_dir == NULL)) {
		goto fail;
	}
	w->opts.dir = w->dir;
	w->opts.archive_dir = w->archive_dir;
	st = wal_frame_encoder_create(w->level, opts->dictionary, &w->encoder);
	if (st == ST_OK) {
		st = wal_files_open(&w->files, opts->io, w->dir, w->archive_dir);
	}
	if (st == ST_OK) {
		st = continue_segment(w);
		w->finished_below = w->segment.first_lsn;
		if (st == ST_NOT_FOUND) {
			st = begin_segment(w, false);
		}
	}
	if (st != ST_OK) {
		goto fail;
	}
	w->stats.segments = w->files.count;
	w->stats.segments_bytes = wal_files_bytes(&w->files);
	w->stats.first_lsn = w->files.entries[0].first_lsn;
	if (pthread_create(&w->thread, NULL, run, w) != 0) {
		st = ST_NO_MEMORY;
		goto fail;
	}
	w->archiving =
	    w->archive_dir != NULL && pthread_create(&w->archiver, NULL, archive, w) == 0;
	*out = w;
	return ST_OK;
fail:
	release_all(w);
	return st;
}

enum status wal_writer_close(struct wal_writer *w)
{
	enum status st;

	if (w == NULL) {
		return ST_OK;
	}
	(void)pthread_mutex_lock(&w->lock);
	w->stop = true;
	(void)pthread_cond_signal(&w->wake);
	(void)pthread_cond_signal(&w->archive_wake);
	(void)pthread_mutex_unlock(&w->lock);
	(void)pthread_join(w->thread, NULL);
	if (w->archiving) {
		(void)pthread_join(w->archiver, NULL);
	}
	if (w->result == ST_OK && atomic_load(&w->state) == WAL_RUNNING) {
		if (add_frame(w, slice_of(NULL, 0), 0, WAL_FRAME_CLEAN) == ST_OK &&
		    write_group(w) == ST_OK) {
			(void)sync_log(w);
		}
	}
	st = w->result;
	release_all(w);
	return st;
}

/* --- the executor's side --- */

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
