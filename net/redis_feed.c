/* The thread that feeds one Redis replica, and the stream of commands. */
#include "net/redis_feed_impl.h"

#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "engine/base/thread.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PIECE_BYTES = 256 << 10, /* of log read and sent at a time */
	ACK_BYTES = 4096,
	POLL_MS = 1000,
};

static uint64_t now_us(void)
{
	return clock_system()->mono_us(NULL);
}

void redis_feed_set_state(struct redis_feed *f, enum repl_sender_state state)
{
	atomic_store(&f->state, (int)state);
	f->opts.notify(f->opts.arg);
}

/* --- what the replica says --- */

static void took_ack(struct redis_feed *f)
{
	atomic_store(&f->ack_us, now_us());
	if (f->streaming) {
		atomic_store(&f->received_lsn, f->acks.lsn);
	}
	if (atomic_load(&f->want_ack)) {
		f->opts.notify(f->opts.arg);
	}
}

static enum status read_acks(void *arg)
{
	struct redis_feed *f = arg;
	uint8_t bytes[ACK_BYTES];
	size_t got;
	enum status st = repl_peer_read(&f->peer, bytes, sizeof bytes, &got);

	if (st == ST_OK) {
		st = redis_acks_take(&f->acks, slice_of(bytes, got));
	}
	if (st == ST_INVALID) {
		buf_note(&f->error, "%s", f->acks.fault);
	}
	if (f->acks.alive) {
		/* An empty line too: that is all that comes while it loads the file. */
		f->acks.alive = false;
		took_ack(f);
	}
	return st;
}

/* --- the stream --- */

/* As resp_sink.take: a part of the stream. When the link breaks, what is under way goes to the
 * backlog all the same: a stream that ended in the midst of a record could not go on. */
static enum status take(void *arg, struct slice bytes, uint64_t commands)
{
	struct redis_feed *f = arg;

	(void)commands;
	redis_backlog_add(&f->backlog, bytes);
	if (f->link == ST_OK) {
		f->link = repl_peer_send(&f->peer, bytes);
	}
	return ST_OK;
}

/* Sends what the sink holds. */
static enum status flush(struct redis_feed *f)
{
	enum status st = resp_flush(&f->sink);

	return st == ST_OK ? f->link : st;
}

static enum status say(struct redis_feed *f, const struct slice *argv, size_t argc)
{
	enum status st = resp_command(&f->sink, argv, argc);

	return st == ST_OK ? flush(f) : st;
}

static enum status take_record(void *arg, const struct wal_record *rec)
{
	struct redis_feed *f = arg;
	uint64_t left_out = f->translator.left_out;
	enum status st = translate_record(&f->translator, rec, &f->sink);

	if (st == ST_CORRUPT || f->translator.left_out != left_out) {
		buf_note(&f->error, "the record at LSN %" PRIu64 " can't be told in commands",
			 rec->lsn);
		return ST_CORRUPT;
	}
	return st;
}

/* Everything up to the LSN before log.next_lsn is in the stream. */
static void note_sent(struct redis_feed *f)
{
	uint64_t lsn = f->log.next_lsn - 1;

	redis_acks_mark(&f->acks, f->backlog.offset, lsn);
	atomic_store(&f->sent_lsn, lsn);
	atomic_store(&f->received_lsn, f->acks.lsn);
	engine_pin(f->opts.engine, &f->pin, f->log.next_lsn);
}

static enum status send_piece(struct redis_feed *f, const struct wal_tail_piece *piece)
{
	enum status st = log_records_take(&f->log, piece, take_record, f);

	if (st == ST_OK) {
		st = flush(f);
	}
	if (st == ST_OK) {
		note_sent(f);
	}
	return st;
}

static enum status ping(struct redis_feed *f)
{
	const struct slice word = slice_str("PING");
	enum status st;

	f->ping_us = now_us();
	st = say(f, &word, 1);
	redis_acks_mark(&f->acks, f->backlog.offset, f->log.next_lsn - 1);
	return st;
}

/* Somebody waits for an acknowledgement, and the replica gives one a second by itself. */
static enum status ask_for_ack(struct redis_feed *f)
{
	const struct slice argv[] = {slice_str("REPLCONF"), slice_str("GETACK"), slice_str("*")};
	enum status st;

	f->asked_lsn = f->log.next_lsn - 1;
	st = say(f, argv, 3);
	redis_acks_mark(&f->acks, f->backlog.offset, f->asked_lsn);
	return st;
}

/* Sleeps until there is more to send, an ack comes or a ping is due. */
static enum status idle(struct redis_feed *f)
{
	uint64_t due = f->ping_us + (uint64_t)f->opts.ping_ms * 1000, now = now_us(), ack;

	if (now >= due) {
		return ping(f);
	}
	ack = atomic_load(&f->ack_us);
	if (f->opts.wish.psync && now > ack && now - ack > (uint64_t)f->opts.timeout_ms * 1000) {
		buf_note(&f->error, "no acknowledgement for %" PRIu32 " ms (repl-timeout)",
			 f->opts.timeout_ms);
		return ST_END;
	}
	/* Whoever wants something from here on wakes the thread. */
	atomic_store(&f->sleeping, true);
	if (wal_tail_lsn(f->tail) <= atomic_load(&f->ship_lsn)) {
		atomic_store(&f->sleeping, false);
		return ST_OK;
	}
	if (atomic_load(&f->want_ack) && f->asked_lsn < f->log.next_lsn - 1 &&
	    f->acks.lsn < f->log.next_lsn - 1) {
		atomic_store(&f->sleeping, false);
		return ask_for_ack(f);
	}
	return repl_peer_wait(&f->peer, false, (due - now + 999) / 1000);
}

static enum status stream(struct redis_feed *f)
{
	enum status st = ST_OK;

	redis_feed_set_state(f, REPL_SENDER_ONLINE);
	while (st == ST_OK && !atomic_load(&f->peer.stop)) {
		struct wal_tail_piece piece;

		st = wal_tail_next(f->tail, atomic_load(&f->ship_lsn), PIECE_BYTES, &piece,
				   &f->error);
		if (st == ST_OK) {
			st = send_piece(f, &piece);
		} else if (st == ST_END) {
			st = idle(f);
		}
	}
	return st;
}

enum status redis_feed_open_log(struct redis_feed *f, uint64_t lsn)
{
	enum status st = engine_tail_open(f->opts.engine, lsn, &f->pin, &f->tail, &f->error);

	log_records_close(&f->log);
	if (st == ST_OK) {
		st = log_records_open(&f->log, lsn);
	}
	return st == ST_OK ? log_records_segment(&f->log, wal_tail_header(f->tail)) : st;
}

/* --- the ways to begin --- */

/* A replica that knows the file by the mark at its end may take what follows for a part of it, so
 * it has to say that it has seen it. */
static enum status wait_for_first_ack(struct redis_feed *f)
{
	uint64_t before = f->acks.count;
	enum status st = ST_OK;

	while (st == ST_OK && f->acks.count == before) {
		st = repl_peer_wait(&f->peer, false, POLL_MS);
	}
	return st;
}

/* One that wanted the file alone goes when it has it. */
static enum status wait_for_end(struct redis_feed *f)
{
	enum status st = ST_OK;

	while (st == ST_OK) {
		st = repl_peer_wait(&f->peer, false, POLL_MS);
	}
	return st;
}

static enum status begin(struct redis_feed *f)
{
	const struct slice select[] = {slice_str("SELECT"), slice_str("0")};
	enum status st;

	f->streaming = false;
	resp_sink_deinit(&f->sink);
	f->sink = (struct resp_sink){.take = take, .arg = f};
	atomic_store(&f->copied, true);
	st = redis_feed_copy(f);
	if (st == ST_OK && f->opts.wish.rdb_only) {
		return wait_for_end(f);
	}
	if (st == ST_OK && f->opts.wish.eof) {
		st = wait_for_first_ack(f);
	}
	if (st != ST_OK) {
		return st;
	}
	logger(LOG_LVL_NOTICE,
	       "Synchronization with a redis-server succeeded: commands follow from LSN %" PRIu64,
	       f->log.next_lsn);
	f->asked_lsn = 0;
	atomic_store(&f->received_lsn, f->acks.lsn);
	atomic_store(&f->ack_us, now_us());
	f->ping_us = now_us();
	f->streaming = true;
	st = say(f, select, 2);
	if (st == ST_OK) {
		note_sent(f);
	}
	return st == ST_OK ? stream(f) : st;
}

/* Behind the offset that the replica has: what is in the backlog, then the log. */
static enum status go_on(struct redis_feed *f)
{
	uint64_t at = f->resume_offset;
	struct buf line = {0};
	enum status st;

	st = f->opts.wish.named_continue ? buf_printf(&line, "+CONTINUE %s\r\n", f->replid)
					 : buf_printf(&line, "+CONTINUE\r\n");
	if (st == ST_OK) {
		st = repl_peer_send(&f->peer, buf_slice(&line));
	}
	buf_deinit(&line);
	while (st == ST_OK && at < f->backlog.offset) {
		struct slice part = redis_backlog_from(&f->backlog, at);

		st = repl_peer_send(&f->peer, part);
		at += part.len;
	}
	f->asked_lsn = 0;
	atomic_store(&f->ack_us, now_us());
	return st == ST_OK ? stream(f) : st;
}

static enum status serve(struct redis_feed *f)
{
	enum status st;

	if (!f->resuming) {
		return begin(f);
	}
	st = redis_feed_open_log(f, f->log.next_lsn);
	if (st == ST_OK) {
		return go_on(f);
	}
	if (st != ST_NOT_FOUND) {
		return st;
	}
	f->error.len = 0;
	return begin(f);
}

/* --- the thread --- */

static void *run(void *arg)
{
	struct redis_feed *f = arg;
	enum status st = serve(f);

	if (!atomic_load(&f->peer.stop)) {
		const char *text = f->error.len > 0 ? (const char *)f->error.data : status_text(st);
		size_t len = f->error.len > 0 ? f->error.len : strlen(text);

		logger(LOG_LVL_NOTICE,
		       "the stream to a redis-server ended at LSN %" PRIu64 ": %.*s",
		       atomic_load(&f->sent_lsn), (int)len, text);
	}
	if (st != ST_END && st != ST_OK) {
		f->streaming = false; /* nobody knows what of a record is in the backlog */
	}
	wal_tail_close(f->tail);
	f->tail = NULL;
	engine_unpin(f->opts.engine, &f->pin);
	(void)shutdown(f->peer.stream.fd, SHUT_RDWR);
	redis_feed_set_state(f, REPL_SENDER_GONE);
	return NULL;
}

static enum status launch(struct redis_feed *f, const struct redis_feed_options *opts)
{
	f->opts = *opts;
	f->error.len = 0;
	f->link = ST_OK;
	f->pin = (struct wal_pin){0};
	f->peer = (struct repl_peer){
	    .timeout_ms = opts->timeout_ms, .readable = read_acks, .arg = f, .error = &f->error};
	atomic_store(&f->ship_lsn, opts->ship_lsn);
	atomic_store(&f->state, (int)REPL_SENDER_STARTING);
	atomic_store(&f->copied, false);
	atomic_store(&f->copy_bytes, 0);
	atomic_store(&f->ack_us, now_us());
	f->ping_us = now_us();
	if (repl_peer_open(&f->peer, &opts->stream, opts->nodelay) != ST_OK) {
		return ST_NO_MEMORY;
	}
	f->running = thread_start(&f->thread, "redis-feed", run, f);
	if (!f->running) {
		repl_peer_close(&f->peer);
		return ST_NO_MEMORY;
	}
	return ST_OK;
}

/* --- the executor's side --- */

enum status redis_feed_start(const struct redis_feed_options *opts, struct redis_feed **out)
{
	struct redis_feed *f = mem_calloc(1, sizeof *f);

	if (f == NULL) {
		struct stream stream = opts->stream;

		stream_close(&stream);
		return ST_NO_MEMORY;
	}
	if (launch(f, opts) != ST_OK) {
		mem_free(f);
		return ST_NO_MEMORY;
	}
	*out = f;
	return ST_OK;
}

void redis_feed_halt(struct redis_feed *f)
{
	if (f->running) {
		repl_peer_stop(&f->peer);
		(void)pthread_join(f->thread, NULL);
		f->running = false;
		repl_peer_close(&f->peer);
	}
}

bool redis_feed_is_stream(struct redis_feed *f, const char *replid)
{
	/* The thread goes on with the old one, or begins what opts names. */
	return strcmp(f->opts.replid, replid) == 0 ||
	       (f->resuming && strcmp(f->resumed_replid, replid) == 0);
}

bool redis_feed_is_whole(const struct redis_feed *f)
{
	return !f->running && f->streaming;
}

bool redis_feed_can_resume(const struct redis_feed *f, const char *replid, uint64_t offset)
{
	return redis_feed_is_whole(f) && strcmp(f->replid, replid) == 0 &&
	       redis_backlog_reaches(&f->backlog, offset);
}

enum status redis_feed_resume(struct redis_feed *f, const struct redis_feed_options *opts,
			      uint64_t offset)
{
	f->resuming = true;
	f->resume_offset = offset;
	memcpy(f->resumed_replid, f->replid, sizeof f->replid);
	redis_acks_relink(&f->acks);
	return launch(f, opts);
}

void redis_feed_destroy(struct redis_feed *f)
{
	if (f == NULL) {
		return;
	}
	redis_feed_halt(f);
	translate_deinit(&f->translator);
	redis_backlog_deinit(&f->backlog);
	redis_acks_deinit(&f->acks);
	log_records_close(&f->log);
	resp_sink_deinit(&f->sink);
	buf_deinit(&f->error);
	mem_free(f);
}

void redis_feed_publish(struct redis_feed *f, uint64_t lsn)
{
	if (atomic_exchange(&f->ship_lsn, lsn) != lsn && atomic_exchange(&f->sleeping, false)) {
		repl_peer_wake(&f->peer);
	}
}

void redis_feed_want_ack(struct redis_feed *f, bool wanted)
{
	if (atomic_exchange(&f->want_ack, wanted) != wanted && wanted &&
	    atomic_exchange(&f->sleeping, false)) {
		repl_peer_wake(&f->peer);
	}
}

void redis_feed_info(const struct redis_feed *f, struct repl_sender_info *out)
{
	uint64_t now = now_us(), ack = atomic_load(&f->ack_us);

	*out = (struct repl_sender_info){
	    .state = (enum repl_sender_state)atomic_load(&f->state),
	    .copied = atomic_load(&f->copied),
	    .received_lsn = atomic_load(&f->received_lsn),
	    .sent_lsn = atomic_load(&f->sent_lsn),
	    .ack_age_ms = now > ack ? (now - ack) / 1000 : 0,
	    .bytes_sent = atomic_load(&f->peer.bytes_sent),
	    .copy_bytes_sent = atomic_load(&f->copy_bytes),
	};
}
