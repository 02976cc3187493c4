/* The thread that follows the primary. */
#include "net/repl_receiver.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/logger.h"
#include "engine/base/thread.h"
#include "engine/base/waiting.h"
#include "net/repl_copy_in.h"
#include "net/repl_patch_in.h"
#include "net/repl_receiver_impl.h"
#include "net/repl_socket.h"
#include "net/tls.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	READ_STEP = 256 << 10,
	READ_STEP_MAX = 4 << 20, /* how far ahead of its bytes a large message's buffer grows */
	KEEP_BUFFER = 1 << 20,
	QUEUE_BYTES_MAX = 16 << 20, /* waiting for the executor; then the socket is left to fill */
	QUEUE_WAIT_US = 100000,
	ACK_MS = 1000, /* an ack at least this often */
};

static uint64_t now_us(void)
{
	return clock_system()->mono_us(NULL);
}

static void wake(struct repl_receiver *r)
{
	uint64_t one = 1;
	ssize_t n = write(r->wake_fd, &one, sizeof one);

	(void)n; /* full, so it is readable */
}

/* --- items --- */

struct repl_item *repl_receiver_peek(struct repl_receiver *r)
{
	return repl_queue_peek(&r->queue);
}

void repl_receiver_drop(struct repl_receiver *r)
{
	repl_queue_drop(&r->queue);
}

static void push(struct repl_receiver *r, struct repl_item *item)
{
	if (repl_queue_push(&r->queue, item)) {
		r->opts.notify(r->opts.arg);
	}
}

enum status repl_receiver_note(struct repl_receiver *r, enum repl_item_kind kind)
{
	struct repl_item *item = repl_item_create(kind);

	if (item == NULL) {
		return ST_NO_MEMORY;
	}
	push(r, item);
	return ST_OK;
}

/* --- acks --- */

enum status repl_receiver_write(struct repl_receiver *r, struct slice bytes)
{
	while (bytes.len > 0) {
		ssize_t n = stream_write(&r->stream, bytes.data, bytes.len);
		bool readable;

		if (n > 0) {
			bytes = slice_skip(bytes, (size_t)n);
			continue;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			buf_note(&r->error, "the connection broke: %m");
			return ST_IO;
		}
		if (atomic_load(&r->stop)) {
			return ST_END;
		}
		if (now_us() - atomic_load(&r->io_us) > (uint64_t)r->opts.timeout_ms * 1000) {
			buf_note(&r->error, "the primary takes nothing (repl-timeout)");
			return ST_IO;
		}
		repl_wait(&r->stream, r->wake_fd, true, QUEUE_WAIT_US / 1000, &readable);
	}
	return ST_OK;
}

/* Tells the primary what is new, or that this node lives. */
static enum status ack(struct repl_receiver *r)
{
	struct repl_ack a = {.received_lsn = atomic_load(&r->applied_lsn),
			     .durable_lsn = atomic_load(&r->durable_lsn)};
	uint64_t now = now_us();
	enum status st;

	if (atomic_load(&r->state) < (int)REPL_RECEIVER_COPY ||
	    (a.received_lsn == r->acked_applied && a.durable_lsn == r->acked_durable &&
	     now - r->ack_us < ACK_MS * 1000)) {
		return ST_OK;
	}
	if (r->copy != NULL || r->patch != NULL) {
		a = (struct repl_ack){0}; /* what this node holds is not the primary's yet */
	}
	r->out.len = 0;
	st = repl_put_ack(&a, &r->out);
	if (st == ST_OK) {
		st = repl_receiver_write(r, buf_slice(&r->out));
	}
	r->acked_applied = a.received_lsn;
	r->acked_durable = a.durable_lsn;
	r->ack_us = now;
	return st;
}

void repl_receiver_publish(struct repl_receiver *r, uint64_t applied_lsn, uint64_t durable_lsn)
{
	bool moved = atomic_exchange(&r->applied_lsn, applied_lsn) != applied_lsn;

	moved |= atomic_exchange(&r->durable_lsn, durable_lsn) != durable_lsn;
	if (moved && atomic_exchange(&r->sleeping, false)) {
		wake(r);
	}
}

/* Leaves the socket to fill while the executor is behind. */
static enum status wait_for_room(struct repl_receiver *r)
{
	enum status st = ST_OK;

	while (st == ST_OK && !atomic_load(&r->stop) &&
	       repl_queue_full(&r->queue, QUEUE_BYTES_MAX, QUEUE_WAIT_US)) {
		st = ack(r);
	}
	return atomic_load(&r->stop) ? ST_END : st;
}

/* --- reading --- */

/* Waits for more bytes; want: how many the next message has in all, as far as known. */
enum status repl_receiver_read(struct repl_receiver *r, size_t want)
{
	size_t have = r->in.len - r->in_at, step = READ_STEP;
	ssize_t n;
	enum status st;

	if (r->in_at > 0) {
		buf_consume(&r->in, r->in_at);
		r->in_at = 0;
	}
	if (want > have + step) {
		step = want - have > READ_STEP_MAX ? READ_STEP_MAX : want - have;
	}
	st = buf_reserve(&r->in, step);
	while (st == ST_OK) {
		bool readable;

		n = stream_read(&r->stream, r->in.data + r->in.len, r->in.cap - r->in.len);
		if (n > 0) {
			r->in.len += (size_t)n;
			atomic_fetch_add(&r->bytes, (uint64_t)n);
			atomic_store(&r->io_us, now_us());
			return ST_OK;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			buf_note(&r->error, n == 0 ? "the primary closed the connection"
						   : "the connection broke: %m");
			return ST_IO;
		}
		if (now_us() - atomic_load(&r->io_us) > (uint64_t)r->opts.timeout_ms * 1000) {
			buf_note(&r->error, "no sign of life for %" PRIu32 " ms (repl-timeout)",
				 r->opts.timeout_ms);
			return ST_IO;
		}
		st = r->copy != NULL ? repl_copy_in_rest(r->copy, &r->error) : ST_OK;
		atomic_store(&r->sleeping, true);
		if (st == ST_OK) {
			st = ack(r);
		}
		if (st == ST_OK && !atomic_load(&r->stop)) {
			repl_wait(&r->stream, r->wake_fd, false, ACK_MS, &readable);
		}
		atomic_store(&r->sleeping, false);
		if (atomic_load(&r->stop)) {
			return ST_END;
		}
	}
	return st;
}

void repl_receiver_used(struct repl_receiver *r, size_t n)
{
	r->in_at += n;
	if (r->in_at == r->in.len) {
		r->in.len = 0;
		r->in_at = 0;
		buf_shrink(&r->in, KEEP_BUFFER);
	}
}

/* --- messages --- */

static enum status take_segment(struct repl_receiver *r, struct slice payload)
{
	struct repl_item *item;
	enum status st;

	r->header.len = 0;
	st = buf_append(&r->header, payload.data, payload.len);
	if (st == ST_OK) {
		st = wal_segment_decode(buf_slice(&r->header), &r->segment);
	}
	if (st == ST_OK) {
		st = wal_frame_decoder_set_dictionary(r->decoder, r->segment.dictionary);
	}
	if (st != ST_OK) {
		buf_note(&r->error, "a segment header that does not decode: %s", status_text(st));
		return st == ST_NO_MEMORY ? st : ST_CORRUPT;
	}
	r->has_segment = true;
	if (r->copy != NULL) {
		return repl_copy_in_segment(r->copy, &r->segment, &r->error);
	}
	if (r->patch != NULL) {
		return ST_OK;
	}
	item = repl_item_create(REPL_ITEM_HISTORY);
	if (item == NULL) {
		return ST_NO_MEMORY;
	}
	item->history = r->segment.history;
	st = buf_append(&item->dictionary, r->segment.dictionary.data, r->segment.dictionary.len);
	if (st != ST_OK) {
		repl_item_destroy(item);
		return st;
	}
	push(r, item);
	return ST_OK;
}

/* Checks that a frame is whole and the one that follows. */
static enum status check_frame(struct repl_receiver *r, const struct wal_frame *f,
			       struct slice stored)
{
	if (wal_frame_check_payload(f, stored) != ST_OK) {
		buf_note(&r->error, "the frame at LSN %" PRIu64 " is damaged", f->first_lsn);
		return ST_CORRUPT;
	}
	if (r->copy != NULL || r->patch != NULL) {
		return ST_OK; /* judged there */
	}
	if (f->records > 0 && (f->first_lsn != r->next_lsn || f->chain != r->chain)) {
		buf_note(&r->error,
			 "the frame at LSN %" PRIu64 " does not follow LSN %" PRIu64
			 " of this node's log",
			 f->first_lsn, r->next_lsn - 1);
		return ST_CORRUPT;
	}
	return ST_OK;
}

static enum status queue_frame(struct repl_receiver *r, const struct wal_frame *f,
			       struct slice stored)
{
	struct slice records;
	struct repl_item *item;
	enum status st = wal_frame_decode(r->decoder, f, stored, &records);

	if (st != ST_OK) {
		buf_note(&r->error, "the frame at LSN %" PRIu64 " does not decode: %s",
			 f->first_lsn, status_text(st));
		return st;
	}
	item = repl_item_create(REPL_ITEM_FRAME);
	if (item == NULL) {
		return ST_NO_MEMORY;
	}
	item->frame = *f;
	st = buf_append(&item->stored, stored.data, stored.len);
	if (st == ST_OK) {
		st = buf_append(&item->records, records.data, records.len);
	}
	if (st != ST_OK) {
		repl_item_destroy(item);
		return st;
	}
	push(r, item);
	r->next_lsn = wal_frame_next_lsn(f);
	r->chain = f->digest;
	return wait_for_room(r);
}

static enum status take_frames(struct repl_receiver *r, struct slice in)
{
	enum status st = r->has_segment ? ST_OK : ST_CORRUPT;

	while (st == ST_OK && in.len > 0) {
		struct wal_frame f;
		struct slice stored;

		st = wal_frame_decode_header(in, r->segment.salt, &f);
		if (st != ST_OK || wal_frame_span(&f) > in.len) {
			buf_note(&r->error,
				 "a frame header that does not decode after LSN %" PRIu64,
				 r->next_lsn - 1);
			return st == ST_VERSION ? st : ST_CORRUPT;
		}
		stored = slice_of(in.data + WAL_FRAME_HEADER_LEN, f.stored_len);
		st = check_frame(r, &f, stored);
		if (st == ST_OK && f.records > 0) {
			st = r->copy != NULL
				 ? repl_copy_in_frame(r->copy, &r->segment, &f, stored, &r->error)
			     : r->patch != NULL
				 ? repl_patch_in_frame(r->patch, &r->segment, &f, stored, &r->error)
				 : queue_frame(r, &f, stored);
		}
		in = slice_skip(in, wal_frame_span(&f));
	}
	return st;
}

static enum status take_heartbeat(struct repl_receiver *r, struct slice payload)
{
	struct repl_item *item = repl_item_create(REPL_ITEM_HEARTBEAT);
	enum status st =
	    item == NULL ? ST_NO_MEMORY : repl_get_heartbeat(payload, &item->heartbeat);

	if (st != ST_OK) {
		if (item != NULL) {
			repl_item_destroy(item);
		}
		return st;
	}
	push(r, item);
	return ST_OK;
}

/* A mark or contents. While a dataset is being fetched they say nothing of the one in use. */
static enum status take_word(struct repl_receiver *r, const struct repl_message *m)
{
	struct repl_contents contents;
	struct repl_item *item;
	enum status st;

	if (r->copy != NULL || r->patch != NULL) {
		return ST_OK;
	}
	item = repl_item_create(m->type == REPL_MARK ? REPL_ITEM_MARK : REPL_ITEM_CONTENTS);
	if (item == NULL) {
		return ST_NO_MEMORY;
	}
	if (m->type == REPL_MARK) {
		st = repl_get_mark(m->payload, &item->lsn);
	} else {
		st = repl_get_contents(m->payload, &contents);
	}
	if (st != ST_OK) {
		buf_note(&r->error, "what the primary says of its checkpoint does not decode");
	} else if (m->type == REPL_CONTENTS) {
		st = buf_append(&item->stored, m->payload.data, m->payload.len);
	}
	if (st != ST_OK) {
		repl_item_destroy(item);
		return st;
	}
	push(r, item);
	return ST_OK;
}

static enum status take_copy(struct repl_receiver *r, const struct repl_message *m)
{
	uint64_t total = 0, bytes = 0;
	enum status st = ST_CORRUPT;

	atomic_store(&r->copy_us, now_us());
	if (m->type == REPL_COPY_BEGIN && r->copy == NULL) {
		st = repl_copy_in_begin(r->dir, r->opts.map_size_max, r->opts.wal_segment_size,
					m->payload, &r->copy, &r->error);
	} else if (r->copy != NULL && m->type != REPL_COPY_BEGIN) {
		st = m->type == REPL_COPY_BLOCK ? repl_copy_in_block(r->copy, m->payload, &r->error)
						: repl_copy_in_end(r->copy, m->payload, &r->error);
	} else {
		buf_note(&r->error, "a full copy's parts are out of order");
	}
	if (r->copy != NULL) {
		repl_copy_in_progress(r->copy, &total, &bytes);
	}
	atomic_store(&r->copy_total, total);
	atomic_store(&r->copy_bytes, bytes);
	return st;
}

static enum status take_message(struct repl_receiver *r, const struct repl_message *m)
{
	switch (m->type) {
	case REPL_SEGMENT:
		return take_segment(r, m->payload);
	case REPL_FRAMES:
		return take_frames(r, m->payload);
	case REPL_HEARTBEAT:
		return take_heartbeat(r, m->payload);
	case REPL_COPY_BEGIN:
	case REPL_COPY_BLOCK:
	case REPL_COPY_END:
		if (atomic_load(&r->state) == REPL_RECEIVER_COPY) {
			return take_copy(r, m);
		}
		break;
	case REPL_PATCH:
		if (r->patch == NULL && r->copy == NULL && r->refetch.len > 0 &&
		    atomic_load(&r->state) == REPL_RECEIVER_COPY) {
			return repl_patch_in_begin(r->dir, r->opts.wal_segment_size,
						   r->opts.refetch_lsn, m->payload, &r->patch,
						   &r->error);
		}
		break;
	case REPL_MARK:
	case REPL_CONTENTS:
		return take_word(r, m);
	case REPL_ACK:
		break;
	}
	buf_note(&r->error, "a message of type %c has no place here", (char)m->type);
	return ST_CORRUPT;
}

/* Takes messages until something ends it. ST_END without an error text: the copy is complete. */
static enum status follow(struct repl_receiver *r)
{
	enum status st = ST_OK;

	while (st == ST_OK && !atomic_load(&r->stop)) {
		struct repl_message m;
		size_t used;

		st = repl_decode(slice_skip(buf_slice(&r->in), r->in_at), &m, &used);
		if (st == ST_NEED_MORE) {
			st = repl_receiver_read(r, used);
			continue;
		}
		if (st != ST_OK) {
			buf_note(&r->error, "the stream is damaged");
			return st;
		}
		st = take_message(r, &m);
		repl_receiver_used(r, used);
		if (st == ST_OK) {
			st = ack(r);
		}
	}
	return st;
}

/* --- the thread --- */

static void *run(void *arg)
{
	struct repl_receiver *r = arg;
	struct repl_item *item;
	enum status st = wal_frame_decoder_create(&r->decoder);

	if (st == ST_OK) {
		st = repl_handshake(r);
	}
	if (st == ST_OK) {
		st = follow(r);
		if (st == ST_END && (r->copy != NULL || r->patch != NULL) && r->error.len == 0 &&
		    !atomic_load(&r->stop)) {
			r->end = r->copy != NULL ? REPL_END_COPIED : REPL_END_REFETCHED;
			buf_note(&r->error, "%s",
				 r->copy != NULL ? "the full copy is complete"
						 : "what was to be fetched anew is complete");
		}
	}
	repl_copy_in_close(r->copy);
	repl_patch_in_close(r->patch);
	r->copy = NULL;
	r->patch = NULL;
	stream_close(&r->stream);
	atomic_store(&r->state, (int)REPL_RECEIVER_ENDED);
	while ((item = repl_item_create(REPL_ITEM_END)) == NULL) {
		waiting_pause_us(QUEUE_WAIT_US);
	}
	item->end = r->end;
	item->lsn = r->end_lsn;
	(void)snprintf(item->text, sizeof item->text, "%.*s",
		       r->error.len > 0 ? (int)r->error.len : (int)strlen(status_text(st)),
		       r->error.len > 0 ? (const char *)r->error.data : status_text(st));
	push(r, item);
	return NULL;
}

static void release(struct repl_receiver *r)
{
	if (r->wake_fd >= 0) {
		(void)close(r->wake_fd);
	}
	tls_connector_free(r->opts.ssl);
	wal_frame_decoder_destroy(r->decoder);
	buf_deinit(&r->in);
	buf_deinit(&r->out);
	buf_deinit(&r->error);
	buf_deinit(&r->header);
	buf_deinit(&r->refetch);
	repl_queue_deinit(&r->queue);
	mem_free(r->host);
	mem_free(r->user);
	mem_free(r->password);
	mem_free(r->node_id);
	mem_free(r->my_ip);
	mem_free(r->source);
	mem_free(r->dir);
	mem_free(r);
}

enum status repl_receiver_start(const struct repl_receiver_options *opts,
				struct repl_receiver **out)
{
	struct repl_receiver *r = mem_calloc(1, sizeof *r);

	if (r == NULL) {
		tls_connector_free(opts->ssl);
		return ST_NO_MEMORY;
	}
	r->opts = *opts;
	r->stream = STREAM_NONE;
	repl_queue_init(&r->queue);
	r->host = mem_strdup(opts->host);
	r->source = mem_strdup(opts->source);
	r->user = mem_strdup(opts->user);
	r->password = mem_strdup(opts->password);
	r->node_id = mem_strdup(opts->node_id);
	r->my_ip = mem_strdup(opts->my_ip);
	r->dir = mem_strdup(opts->dir);
	r->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r->next_lsn = opts->at.lsn + 1;
	r->chain = opts->at.chain;
	atomic_store(&r->applied_lsn, opts->at.lsn);
	atomic_store(&r->durable_lsn, opts->at.lsn);
	atomic_store(&r->io_us, now_us());
	if (r->host == NULL || r->source == NULL || r->user == NULL || r->password == NULL ||
	    r->node_id == NULL || r->my_ip == NULL || r->dir == NULL || r->wake_fd < 0 ||
	    buf_append(&r->refetch, opts->refetch.data, opts->refetch.len) != ST_OK ||
	    !thread_start(&r->thread, "repl-receiver", run, r)) {
		release(r);
		return ST_NO_MEMORY;
	}
	*out = r;
	return ST_OK;
}

void repl_receiver_stop(struct repl_receiver *r)
{
	if (r == NULL) {
		return;
	}
	atomic_store(&r->stop, true);
	wake(r);
	(void)pthread_join(r->thread, NULL);
	release(r);
}

void repl_receiver_info(const struct repl_receiver *r, struct repl_receiver_info *out)
{
	uint64_t now = now_us(), io = atomic_load(&r->io_us), copy = atomic_load(&r->copy_us);

	*out = (struct repl_receiver_info){
	    .state = (enum repl_receiver_state)atomic_load(&r->state),
	    .io_age_ms = now > io ? (now - io) / 1000 : 0,
	    .bytes = atomic_load(&r->bytes),
	    .copy_total = atomic_load(&r->copy_total),
	    .copy_bytes = atomic_load(&r->copy_bytes),
	    .copy_age_ms = copy != 0 && now > copy ? (now - copy) / 1000 : 0,
	};
}
