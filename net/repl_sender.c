/* The thread that feeds one replica. */
#include "net/repl_sender.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/logger.h"
#include "engine/base/thread.h"
#include "engine/refetch.h"
#include "net/proto/repl_message.h"
#include "net/repl_copy_out.h"
#include "net/repl_peer.h"
#include "net/repl_words.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	PIECE_BYTES = 256 << 10, /* of log read and sent at a time */
	ACK_BUFFER = 4096,
};

struct repl_sender {
	struct repl_sender_options opts;
	pthread_t thread;
	struct repl_peer peer;
	struct buf resume, refetch;

	_Atomic uint64_t ship_lsn, horizon;
	struct repl_words words;
	_Atomic bool sleeping, want_ack;
	_Atomic int state;
	_Atomic bool copied;
	_Atomic uint64_t received_lsn, durable_lsn, ack_us, sent_lsn, copy_bytes;

	/* The thread's own. */
	struct wal_pin pin;
	struct wal_tail *tail;
	uint8_t acks[ACK_BUFFER];
	size_t acks_len;
	uint64_t heartbeat_us;
	struct buf out, error;
};

static uint64_t now_us(void)
{
	return clock_system()->mono_us(NULL);
}

/* --- the executor's side --- */

static void set_state(struct repl_sender *s, enum repl_sender_state state)
{
	atomic_store(&s->state, (int)state);
	s->opts.notify(s->opts.arg);
}

/* There is something new to say. */
static void nudge(struct repl_sender *s)
{
	if (atomic_exchange(&s->sleeping, false)) {
		repl_peer_wake(&s->peer);
	}
}

void repl_sender_publish(struct repl_sender *s, uint64_t lsn, uint64_t horizon)
{
	atomic_store(&s->horizon, horizon);
	if (atomic_exchange(&s->ship_lsn, lsn) != lsn) {
		nudge(s);
	}
}

void repl_sender_mark(struct repl_sender *s, uint64_t lsn)
{
	if (s->opts.digests && repl_words_mark(&s->words, lsn)) {
		nudge(s);
	}
}

enum status repl_sender_contents(struct repl_sender *s, struct slice payload)
{
	enum status st = s->opts.digests ? repl_words_contents(&s->words, payload) : ST_OK;

	nudge(s);
	return st;
}

void repl_sender_want_ack(struct repl_sender *s, bool wanted)
{
	atomic_store(&s->want_ack, wanted);
}

void repl_sender_info(const struct repl_sender *s, struct repl_sender_info *out)
{
	uint64_t now = now_us(), ack = atomic_load(&s->ack_us);

	*out = (struct repl_sender_info){
	    .state = (enum repl_sender_state)atomic_load(&s->state),
	    .copied = atomic_load(&s->copied),
	    .received_lsn = atomic_load(&s->received_lsn),
	    .durable_lsn = atomic_load(&s->durable_lsn),
	    .sent_lsn = atomic_load(&s->sent_lsn),
	    .ack_age_ms = now > ack ? (now - ack) / 1000 : 0,
	    .bytes_sent = atomic_load(&s->peer.bytes_sent),
	    .copy_bytes_sent = atomic_load(&s->copy_bytes),
	};
}

/* --- the socket --- */

static enum status take_acks(struct repl_sender *s)
{
	size_t at = 0;

	while (at < s->acks_len) {
		struct repl_message m;
		struct repl_ack ack;
		size_t used;
		enum status st = repl_decode(slice_of(s->acks + at, s->acks_len - at), &m, &used);

		if (st == ST_NEED_MORE && used <= sizeof s->acks) {
			break;
		}
		if (st != ST_OK || m.type != REPL_ACK || repl_get_ack(m.payload, &ack) != ST_OK) {
			buf_note(&s->error, "the replica sent what is no acknowledgement");
			return ST_CORRUPT;
		}
		at += used;
		atomic_store(&s->received_lsn, ack.received_lsn);
		atomic_store(&s->durable_lsn, ack.durable_lsn);
		atomic_store(&s->ack_us, now_us());
	}
	memmove(s->acks, s->acks + at, s->acks_len - at);
	s->acks_len -= at;
	if (at > 0) {
		uint64_t lsn = atomic_load(&s->durable_lsn);

		/* What the replica has on disk it will not ask for again. */
		if (atomic_load(&s->state) == REPL_SENDER_ONLINE && lsn + 1 > s->pin.lsn) {
			engine_pin(s->opts.engine, &s->pin, lsn + 1);
		}
		if (atomic_load(&s->want_ack)) {
			s->opts.notify(s->opts.arg);
		}
	}
	return ST_OK;
}

static enum status read_acks(void *arg)
{
	struct repl_sender *s = arg;
	size_t got;
	enum status st =
	    repl_peer_read(&s->peer, s->acks + s->acks_len, sizeof s->acks - s->acks_len, &got);

	s->acks_len += got;
	return st == ST_OK && got > 0 ? take_acks(s) : st;
}

static struct iovec part_of(struct slice bytes)
{
	return (struct iovec){.iov_base = (void *)(uintptr_t)bytes.data, .iov_len = bytes.len};
}

static enum status send_message(struct repl_sender *s, enum repl_type type, struct slice payload)
{
	uint8_t header[REPL_HEADER_LEN];
	struct iovec parts[2] = {{.iov_base = header, .iov_len = sizeof header}, part_of(payload)};

	repl_header(type, payload, header);
	return repl_peer_send_parts(&s->peer, parts, 2);
}

/* Sends what s->out holds. */
static enum status send_out(struct repl_sender *s)
{
	return repl_peer_send(&s->peer, buf_slice(&s->out));
}

static enum status heartbeat(struct repl_sender *s)
{
	struct repl_heartbeat h = {
	    .last_lsn = atomic_load(&s->ship_lsn),
	    .durable_lsn = engine_durable_lsn(s->opts.engine),
	    .horizon_lsn = atomic_load(&s->horizon),
	    .wall_ms = clock_system()->wall_ms(NULL),
	};
	enum status st;

	s->heartbeat_us = now_us();
	s->out.len = 0;
	st = repl_put_heartbeat(&h, &s->out);
	return st == ST_OK ? send_out(s) : st;
}

/* --- frames --- */

static enum status send_piece(struct repl_sender *s, const struct wal_tail_piece *piece)
{
	enum status st = ST_OK;

	if (piece->header.len > 0) {
		st = send_message(s, REPL_SEGMENT, piece->header);
	}
	if (st == ST_OK && piece->frames.len > 0) {
		st = send_message(s, REPL_FRAMES, piece->frames);
	}
	if (st == ST_OK) {
		atomic_store(&s->sent_lsn, piece->next_lsn - 1);
	}
	return st;
}

/* Says what there is to say between frames. A mark is read after the limit of those that follow, so
 * it is never late. */
static enum status say(struct repl_sender *s)
{
	enum status st;

	s->out.len = 0;
	st = repl_words_take(&s->words, wal_tail_lsn(s->tail), &s->out);
	return st == ST_OK && s->out.len > 0 ? send_out(s) : st;
}

/* Sleeps until there is more to show, an ack comes or a heartbeat is due. */
static enum status idle(struct repl_sender *s)
{
	uint64_t due = s->heartbeat_us + (uint64_t)s->opts.ping_ms * 1000, now = now_us();

	if (now >= due) {
		return heartbeat(s);
	}
	atomic_store(&s->sleeping, true);
	if (wal_tail_lsn(s->tail) <= atomic_load(&s->ship_lsn) ||
	    repl_words_due(&s->words, wal_tail_lsn(s->tail))) {
		atomic_store(&s->sleeping, false);
		return ST_OK;
	}
	return repl_peer_wait(&s->peer, false, (due - now + 999) / 1000);
}

static enum status stream(struct repl_sender *s)
{
	enum status st = heartbeat(s);

	/* The history first: it may have grown without a record yet. */
	if (st == ST_OK) {
		st = send_message(s, REPL_SEGMENT, wal_tail_header(s->tail));
	}
	while (st == ST_OK && !atomic_load(&s->peer.stop)) {
		struct wal_tail_piece piece;
		uint64_t limit = atomic_load(&s->ship_lsn);

		st = say(s);
		if (st != ST_OK) {
			break;
		}
		st = wal_tail_next(s->tail, limit, PIECE_BYTES, &piece, &s->error);
		if (st == ST_OK) {
			st = send_piece(s, &piece);
		} else if (st == ST_END) {
			st = idle(s);
		}
	}
	return st;
}

/* Opens the tail at lsn. */
static enum status open_tail(struct repl_sender *s, uint64_t lsn)
{
	return engine_tail_open(s->opts.engine, lsn, &s->pin, &s->tail, &s->error);
}

/* Whether the replica's log can go on where it ends. ST_NOT_FOUND: not from this log. */
static enum status try_continue(struct repl_sender *s)
{
	enum status st = s->opts.full_copy ? ST_NOT_FOUND : open_tail(s, s->opts.lsn + 1);

	if (st != ST_OK) {
		return st;
	}
	if (wal_tail_lsn(s->tail) != s->opts.lsn + 1 || wal_tail_chain(s->tail) != s->opts.chain) {
		logger(LOG_LVL_WARNING,
		       "a replica's log ends at LSN %" PRIu64
		       " of our history with other records than ours: it gets a full copy",
		       s->opts.lsn);
		wal_tail_close(s->tail);
		s->tail = NULL;
		return ST_NOT_FOUND;
	}
	return ST_OK;
}

/* --- full copy --- */

static enum status copy_message(void *arg, enum repl_type type, struct slice payload)
{
	struct repl_sender *s = arg;
	enum status st = send_message(s, type, payload);

	atomic_fetch_add(&s->copy_bytes, REPL_HEADER_LEN + payload.len);
	/* The log's heartbeats go on between blocks. */
	if (st == ST_OK && now_us() - s->heartbeat_us > (uint64_t)s->opts.ping_ms * 1000) {
		st = heartbeat(s);
	}
	return st;
}

static enum status copy_wait(void *arg, uint64_t ms)
{
	struct repl_sender *s = arg;

	return repl_peer_wait(&s->peer, false, ms);
}

static uint64_t shown_lsn(void *arg)
{
	struct repl_sender *s = arg;

	return atomic_load(&s->ship_lsn);
}

/* Sends the store, then leaves the tail where the copy's log begins. */
static enum status full_copy(struct repl_sender *s)
{
	struct repl_copy_out out = {
	    .engine = s->opts.engine,
	    .resume = buf_slice(&s->resume),
	    .history = &s->opts.history,
	    .bandwidth_max = s->opts.bandwidth_max,
	    .executor = s->opts.executor,
	    .cpu_percent = s->opts.copy_cpu,
	    .message = copy_message,
	    .wait = copy_wait,
	    .shown = shown_lsn,
	    .arg = s,
	};
	uint64_t lsn;
	enum status st;

	set_state(s, REPL_SENDER_COPY);
	st = repl_copy_out_begin(&out, &s->pin, &lsn, &s->error);
	if (st == ST_OK) {
		/* The frame that ends with the copy's LSN, or goes beyond it, tells the chain. */
		st = open_tail(s, lsn == 0 ? 1 : lsn);
	}
	if (st == ST_OK) {
		st = repl_copy_out_run(&out, &s->error);
	}
	repl_copy_out_end(&out);
	return st;
}

/* --- what a replica fetches anew --- */

/* The patch, with the tail at the fork. ST_NOT_FOUND: a full copy is needed. */
static enum status make_patch(struct repl_sender *s, struct buf *patch)
{
	struct slice in = buf_slice(&s->refetch);
	struct divergent_names names;
	enum status st = open_tail(s, s->opts.refetch_lsn + 1);

	if (st == ST_OK && wal_tail_lsn(s->tail) != s->opts.refetch_lsn + 1) {
		st = ST_NOT_FOUND;
	}
	if (st == ST_OK) {
		st = refetch_names_decode(&in, &names);
	}
	if (st == ST_OK) {
		st = refetch_make(s->opts.engine, &s->opts.history, s->opts.refetch_lsn,
				  atomic_load(&s->ship_lsn), &names, patch);
		divergent_names_deinit(&names);
	}
	if (st != ST_OK) {
		wal_tail_close(s->tail);
		s->tail = NULL;
	}
	return st == ST_LIMIT ? ST_NOT_FOUND : st;
}

/* The replica comes again when it has put all of it in its place; until then it counts as one that
 * gets a copy. */
static enum status send_patch(struct repl_sender *s)
{
	struct buf patch = {0};
	enum status st = make_patch(s, &patch);

	if (st == ST_OK) {
		set_state(s, REPL_SENDER_COPY);
		st = buf_printf(&s->out, "+REFETCH %" PRIu64 "\r\n", s->opts.refetch_lsn);
	}
	if (st == ST_OK) {
		st = send_out(s);
	}
	if (st == ST_OK) {
		st = send_message(s, REPL_PATCH, buf_slice(&patch));
	}
	buf_deinit(&patch);
	return st == ST_OK ? stream(s) : st;
}

/* --- the thread --- */

static enum status serve(struct repl_sender *s)
{
	bool refetches = s->refetch.len > 0 && !s->opts.full_copy;
	enum status st = refetches ? send_patch(s) : try_continue(s);

	if (refetches && st != ST_NOT_FOUND) {
		return st;
	}
	if (st == ST_NOT_FOUND) {
		atomic_store(&s->copied, true);
		s->error.len = 0;
		st = buf_printf(&s->out, "+FULLCOPY\r\n");
		if (st == ST_OK) {
			st = send_out(s);
		}
		if (st == ST_OK) {
			st = full_copy(s);
		}
	} else if (st == ST_OK) {
		st = buf_printf(&s->out, "+CONTINUE %" PRIu64 "\r\n", s->opts.lsn);
		if (st == ST_OK) {
			st = send_out(s);
		}
	}
	if (st != ST_OK) {
		return st;
	}
	set_state(s, REPL_SENDER_ONLINE);
	return stream(s);
}

static void *run(void *arg)
{
	struct repl_sender *s = arg;
	enum status st = serve(s);

	if (!atomic_load(&s->peer.stop)) {
		logger(LOG_LVL_NOTICE, "the stream to a replica ended at LSN %" PRIu64 ": %.*s",
		       atomic_load(&s->sent_lsn),
		       s->error.len > 0 ? (int)s->error.len : (int)strlen(status_text(st)),
		       s->error.len > 0 ? (const char *)s->error.data : status_text(st));
	}
	wal_tail_close(s->tail);
	engine_unpin(s->opts.engine, &s->pin);
	(void)shutdown(s->peer.stream.fd, SHUT_RDWR);
	set_state(s, REPL_SENDER_GONE);
	return NULL;
}

static void release(struct repl_sender *s)
{
	repl_peer_close(&s->peer);
	repl_words_deinit(&s->words);
	buf_deinit(&s->resume);
	buf_deinit(&s->refetch);
	buf_deinit(&s->out);
	buf_deinit(&s->error);
	mem_free(s);
}

enum status repl_sender_start(const struct repl_sender_options *opts, struct repl_sender **out)
{
	struct repl_sender *s = mem_calloc(1, sizeof *s);

	if (s == NULL) {
		struct stream stream = opts->stream;

		stream_close(&stream);
		return ST_NO_MEMORY;
	}
	s->opts = *opts;
	atomic_store(&s->ship_lsn, opts->ship_lsn);
	atomic_store(&s->horizon, opts->horizon);
	atomic_store(&s->received_lsn, opts->full_copy || opts->refetch.len > 0 ? 0 : opts->lsn);
	atomic_store(&s->durable_lsn, opts->full_copy || opts->refetch.len > 0 ? 0 : opts->lsn);
	atomic_store(&s->ack_us, now_us());
	s->peer.timeout_ms = opts->timeout_ms;
	s->peer.readable = read_acks;
	s->peer.arg = s;
	s->peer.error = &s->error;
	if (repl_peer_open(&s->peer, &opts->stream, opts->nodelay) != ST_OK ||
	    buf_append(&s->resume, opts->resume.data, opts->resume.len) != ST_OK ||
	    buf_append(&s->refetch, opts->refetch.data, opts->refetch.len) != ST_OK ||
	    !thread_start(&s->thread, "repl-sender", run, s)) {
		release(s);
		return ST_NO_MEMORY;
	}
	*out = s;
	return ST_OK;
}

void repl_sender_stop(struct repl_sender *s)
{
	if (s == NULL) {
		return;
	}
	repl_peer_stop(&s->peer);
	(void)pthread_join(s->thread, NULL);
	release(s);
}
