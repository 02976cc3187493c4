/* Beginning and end of a log's writer. */
#include "engine/base/alloc.h"
#include "engine/base/planted.h"
#include "engine/base/thread.h"
#include "engine/base/waiting.h"
#include "engine/wal/wal_writer_impl.h"

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
	buf_deinit(&w->pending_frames);
	buf_deinit(&w->turn_dictionary);
	buf_deinit(&w->dictionary);
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

	if (at->segment_first == 0 || w->opts.fresh_segment) {
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
	return ST_OK;
}

/* The clean mark that stands before this place is void from here on, and whoever reads the log has
 * to see that even if the next record never gets there whole: an empty frame says so first. */
static enum status void_clean_mark(struct wal_writer *w)
{
	const struct io *io = w->opts.io;
	enum status st = wal_add_frame(w, slice_of(NULL, 0), 0, 0);

	if (st == ST_OK) {
		st = io->ops->pwrite(io->ctx, w->file, w->group.data, w->group.len, w->off);
	}
	if (st == ST_OK) {
		st = io->ops->datasync(io->ctx, w->file);
	}
	w->off += w->group.len;
	w->group.len = 0;
	return st;
}

/* After a kill the end of the log may be in the page cache alone: what recovery read from there
 * counts as durable from here on, so it has to be. */
static enum status sync_recovered(struct wal_writer *w)
{
	const struct io *io = w->opts.io;
	char name[WAL_SEGMENT_NAME_SIZE], path[WAL_PATH_MAX];
	struct io_file *file;
	enum status st;

	if (w->opts.at.segment_first == 0 || PLANTED(13)) {
		return ST_OK;
	}
	wal_segment_name(w->opts.at.segment_first, name);
	st = wal_segment_path(w->dir, name, path);
	if (st == ST_OK) {
		st = io->ops->open(io->ctx, path, IO_READ | IO_WRITE, &file);
	}
	if (st == ST_OK) {
		st = io->ops->datasync(io->ctx, file);
		io->ops->close(io->ctx, file);
	}
	return st == ST_OK ? io->ops->sync_dir(io->ctx, w->dir) : st;
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
	w->chain_lsn = w->next_lsn - 1;
	w->chain_digest = w->chain;
	w->level = w->level_wanted = opts->compression_level;
	w->last_sync_us = w->last_busy_us = wal_now_us(w);
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
		st = sync_recovered(w);
	}
	if (st == ST_OK) {
		st = continue_segment(w);
		if (st == ST_OK && !PLANTED(7)) {
			st = void_clean_mark(w);
		}
		w->finished_below = w->segment.first_lsn;
		if (st == ST_NOT_FOUND) {
			st = wal_begin_segment(w, false);
		}
	}
	if (st != ST_OK) {
		goto fail;
	}
	w->stats.segments = w->files.count;
	w->stats.segments_bytes = wal_files_bytes(&w->files);
	w->stats.first_lsn = w->files.entries[0].first_lsn;
	if (!thread_start(&w->thread, "wal", wal_thread, w)) {
		st = ST_NO_MEMORY;
		goto fail;
	}
	w->archiving =
	    w->archive_dir != NULL && thread_start(&w->archiver, "wal-archive", wal_archiver, w);
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
		if (wal_add_frame(w, slice_of(NULL, 0), 0, WAL_FRAME_CLEAN) == ST_OK &&
		    wal_write_group(w) == ST_OK) {
			(void)wal_sync_log(w);
		}
	}
	st = w->result;
	release_all(w);
	return st;
}
