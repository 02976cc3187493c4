/* The part of the writer that replication needs: frames that a primary sent go into this log as
 * they came, only sealed anew; a new timeline begins a segment; pins keep segments for replicas
 * that have not read them yet. */
#include "engine/base/invariant.h"
#include "engine/wal/wal_writer_impl.h"

#include <string.h>

/* --- the executor's side --- */

/* Puts both parts in, or neither. */
static enum status push_frame(struct buf *b, const struct wal_frame *f, struct slice stored)
{
	enum status st = buf_reserve(b, sizeof *f + stored.len);

	if (st == ST_OK) {
		st = buf_append(b, f, sizeof *f);
	}
	return st == ST_OK ? buf_append(b, stored.data, stored.len) : st;
}

enum status wal_writer_append_frame(struct wal_writer *w, const struct wal_frame *f,
				    struct slice stored)
{
	enum status st = ST_AGAIN;
	bool wake = false;

	INVARIANT(f->records > 0 && f->stored_len == stored.len);
	if (atomic_load(&w->state) == WAL_FAILED) {
		return ST_READ_ONLY;
	}
	(void)pthread_mutex_lock(&w->lock);
	if (w->pending_count == 0 && !w->turn_wanted) {
		st = push_frame(&w->pending_frames, f, stored);
	}
	if (st == ST_OK) {
		w->pending_frames_count++;
		wake = w->sleeping;
	}
	(void)pthread_mutex_unlock(&w->lock);
	if (st == ST_OK) {
		atomic_fetch_add(&w->pending_bytes, stored.len);
	}
	if (wake) {
		(void)pthread_cond_signal(&w->wake);
	}
	return st;
}

enum status wal_writer_set_history(struct wal_writer *w, const struct wal_history *history,
				   struct slice dictionary)
{
	enum status st = ST_AGAIN;

	if (atomic_load(&w->state) == WAL_FAILED) {
		return ST_READ_ONLY;
	}
	(void)pthread_mutex_lock(&w->lock);
	if (w->pending_count == 0 && w->pending_frames_count == 0 && !w->turn_wanted) {
		w->turn_dictionary.len = 0;
		st = buf_append(&w->turn_dictionary, dictionary.data, dictionary.len);
	}
	if (st == ST_OK) {
		w->turn_history = *history;
		w->turn_wanted = true;
		(void)pthread_cond_signal(&w->wake);
	}
	(void)pthread_mutex_unlock(&w->lock);
	return st;
}

void wal_writer_chain(struct wal_writer *w, uint64_t *lsn, uint64_t *chain)
{
	(void)pthread_mutex_lock(&w->lock);
	*lsn = w->chain_lsn;
	*chain = w->chain_digest;
	(void)pthread_mutex_unlock(&w->lock);
}

/* --- the WAL thread --- */

bool wal_take_received(struct wal_writer *w, struct buf *frames, bool *turn)
{
	*turn = w->turn_wanted;
	if (!w->turn_wanted && w->pending_frames_count == 0) {
		return false;
	}
	*frames = w->pending_frames;
	w->pending_frames = (struct buf){0};
	w->pending_frames_count = 0;
	return true;
}

/* Begins a segment of the wanted history, unless the present one is. turn_* stay ours until
 * turn_wanted is taken back. */
static enum status begin_turn(struct wal_writer *w)
{
	enum status st = ST_OK;
	bool same = wal_history_eq(&w->turn_history, &w->segment.history) &&
		    slice_eq(buf_slice(&w->turn_dictionary), w->segment.dictionary);
	struct buf old = w->dictionary;

	w->opts.history = w->turn_history;
	if (!same) {
		w->dictionary = w->turn_dictionary;
		w->turn_dictionary = (struct buf){0};
		w->opts.dictionary = buf_slice(&w->dictionary);
		st = wal_rotate(w);
		buf_deinit(&old);
	}
	(void)pthread_mutex_lock(&w->lock);
	w->turn_wanted = false;
	(void)pthread_mutex_unlock(&w->lock);
	return st;
}

/* One frame under this segment's seal. */
static enum status write_frame(struct wal_writer *w, struct wal_frame *f, struct slice stored)
{
	uint64_t span = wal_frame_span(f);
	uint8_t *at;
	enum status st = wal_make_room(w, span);

	if (st != ST_OK) {
		return st;
	}
	INVARIANT(f->first_lsn == w->next_lsn);
	INVARIANT(f->chain == w->chain);
	while (buf_reserve(&w->group, span) != ST_OK) {
		if (!wal_wait_for_memory(w)) {
			return ST_NO_MEMORY;
		}
	}
	f->watermark = wal_watermark(w);
	at = w->group.data + w->group.len;
	wal_frame_encode_header(f, w->segment.salt, at);
	memcpy(at + WAL_FRAME_HEADER_LEN, stored.data, stored.len);
	memset(at + WAL_FRAME_HEADER_LEN + stored.len, 0, span - WAL_FRAME_HEADER_LEN - stored.len);
	w->group.len += span;
	atomic_fetch_sub(&w->pending_bytes, stored.len);
	return wal_frame_placed(w, f);
}

enum status wal_write_received(struct wal_writer *w, struct slice frames, bool turn)
{
	enum status st = turn ? begin_turn(w) : ST_OK;

	while (st == ST_OK && frames.len > 0) {
		struct wal_frame f;
		struct slice stored;

		memcpy(&f, frames.data, sizeof f);
		stored = slice_of(frames.data + sizeof f, f.stored_len);
		st = write_frame(w, &f, stored);
		frames = slice_skip(frames, sizeof f + stored.len);
	}
	return st == ST_OK ? wal_write_group(w) : st;
}

/* --- pins --- */

uint64_t wal_released(const struct wal_writer *w)
{
	uint64_t lsn = w->release_lsn;

	for (const struct wal_pin *p = w->pins; p != NULL; p = p->next) {
		if (p->lsn <= lsn) {
			lsn = p->lsn == 0 ? 0 : p->lsn - 1;
		}
	}
	return lsn;
}

void wal_writer_pin(struct wal_writer *w, struct wal_pin *pin, uint64_t lsn)
{
	(void)pthread_mutex_lock(&w->lock);
	pin->lsn = lsn;
	if (!pin->placed) {
		pin->placed = true;
		pin->prev = NULL;
		pin->next = w->pins;
		if (w->pins != NULL) {
			w->pins->prev = pin;
		}
		w->pins = pin;
	}
	(void)pthread_mutex_unlock(&w->lock);
}

void wal_writer_unpin(struct wal_writer *w, struct wal_pin *pin)
{
	(void)pthread_mutex_lock(&w->lock);
	if (pin->placed) {
		pin->placed = false;
		if (pin->prev != NULL) {
			pin->prev->next = pin->next;
		} else {
			w->pins = pin->next;
		}
		if (pin->next != NULL) {
			pin->next->prev = pin->prev;
		}
		w->trim = true;
		(void)pthread_cond_signal(&w->wake);
	}
	(void)pthread_mutex_unlock(&w->lock);
}
