/* The inside of the log's writer, shared by its files: wal_writer.c (the thread),
 * wal_writer_archive.c (copies of finished segments), wal_writer_open.c (beginning and end),
 * wal_writer_handover.c (the executor's side), wal_writer_frames.c (frames that a primary sent,
 * pins). */
#ifndef CAIRN_ENGINE_WAL_WAL_WRITER_IMPL_H
#define CAIRN_ENGINE_WAL_WAL_WRITER_IMPL_H

#include "engine/wal/wal_files.h"
#include "engine/wal/wal_frame.h"
#include "engine/wal/wal_writer.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	EVERYSEC_US = 1000000,
	WATERMARK_IDLE_US =
	    100000, /* quiet time after which an empty frame bears witness to the last sync */
	STALL_RETRY_US = 200000,
	GROUP_BYTES_MAX = 4 << 20, /* stored bytes given to one pwrite */
	SPARE_KEEP = 8 << 20,	   /* capacity kept of a buffer of records or frames */
	RECORD_LEN_FIELD = 4,
	BLANK_STEP = 256 * 1024,
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
	/* Received frames, each a struct wal_frame and its payload; never together with records.
	 */
	struct buf pending_frames;
	uint32_t pending_frames_count;
	/* A segment to be begun before anything that is appended after it. */
	bool turn_wanted;
	struct wal_history turn_history;
	struct buf turn_dictionary;
	struct buf dictionary; /* WAL thread: what opts.dictionary borrows after a turn */
	struct wal_pin *pins;
	uint64_t chain_lsn, chain_digest; /* of what was written: wal_writer_chain */
	uint64_t sync_wanted;		  /* somebody waits for this LSN */
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
	uint64_t blank_to; /* a new file is blanked up to here */
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

static inline uint64_t wal_now_us(const struct wal_writer *w)
{
	return w->opts.clock->mono_us(w->opts.clock->ctx);
}

static inline uint64_t wal_wall_ms(const struct wal_writer *w)
{
	return w->opts.clock->wall_ms(w->opts.clock->ctx);
}

static inline void wal_notify(struct wal_writer *w)
{
	if (w->opts.notify != NULL) {
		w->opts.notify(w->opts.notify_arg);
	}
}

/* Threads of the writer; arg is the struct wal_writer. */
void *wal_thread(void *arg);
void *wal_archiver(void *arg);

/* What may be given up by now: released, and not pinned. The lock is held. */
uint64_t wal_released(const struct wal_writer *w);

/* WAL thread. Ends the full segment, durable, and begins the next one; the newest LSN to call
 * durable in a header; waits until memory may be there again (false: the log is to be closed). */
enum status wal_rotate(struct wal_writer *w);
uint64_t wal_watermark(const struct wal_writer *w);
bool wal_wait_for_memory(struct wal_writer *w);

/* WAL thread. Takes what was received out of w; the lock is held. False: there is nothing. */
bool wal_take_received(struct wal_writer *w, struct buf *frames, bool *turn);
/* WAL thread. Begins the wanted segment, then writes the frames. */
enum status wal_write_received(struct wal_writer *w, struct slice frames, bool turn);
/* WAL thread. Makes room for bytes more in the segment, by rotating if need be. */
enum status wal_make_room(struct wal_writer *w, uint64_t bytes);
/* WAL thread. Moves on over a frame that was put into the group. */
enum status wal_frame_placed(struct wal_writer *w, const struct wal_frame *f);

/* WAL thread, or while it does not run: appends a frame of count records to the group; writes the
 * group; syncs and publishes; begins a segment at next_lsn (may_stall: waits for space, and fails
 * the log on errors). */
enum status wal_add_frame(struct wal_writer *w, struct slice raw, uint32_t count, unsigned flags);
enum status wal_write_group(struct wal_writer *w);
enum status wal_sync_log(struct wal_writer *w);
enum status wal_begin_segment(struct wal_writer *w, bool may_stall);

#endif
