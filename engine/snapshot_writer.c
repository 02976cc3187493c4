/* Building a store from the blocks of a full copy. */
#include "engine/base/alloc.h"
#include "engine/key_codec.h"
#include "engine/library_set.h"
#include "engine/snapshot_writer_impl.h"

#include <inttypes.h>

enum { REST_BYTES = 1 << 20 /* worth a commit when there is nothing else to do */ };

const char snapshot_writer_note_name[] = "copy";

/* --- transactions --- */

static enum status put_note(struct snapshot_writer *w)
{
	enum status st;

	w->note.len = 0;
	st = snapshot_resume_encode(&w->place, &w->note);
	if (st == ST_OK) {
		st = snapshot_head_encode(&w->head, &w->note);
	}
	return st == ST_OK ? store_txn_note(w->txn, snapshot_writer_note_name, buf_slice(&w->note))
			   : st;
}

enum status snapshot_writer_begin(struct snapshot_writer *w)
{
	enum status st;

	if (w->txn != NULL) {
		return ST_OK;
	}
	st = store_txn_begin(w->store, &w->txn);
	digest_keeper_begin(&w->digests, w->txn);
	return st;
}

static enum status put_slots(struct snapshot_writer *w)
{
	enum status st = ST_OK;

	for (uint32_t slot = 0; st == ST_OK && slot < SLOTS; slot++) {
		if ((w->touched[slot / 64] >> (slot % 64) & 1) != 0) {
			st = store_txn_slot(w->txn, (uint16_t)slot, &w->stats[slot]);
		}
	}
	return st;
}

enum status snapshot_writer_commit(struct snapshot_writer *w)
{
	enum status st = digest_keeper_save(&w->digests);

	if (st == ST_OK) {
		st = put_slots(w);
	}
	if (st == ST_OK) {
		st = store_txn_commit(w->txn);
	} else {
		store_txn_abort(w->txn);
	}
	w->txn = NULL;
	memset(w->touched, 0, sizeof w->touched);
	return st;
}

enum status snapshot_writer_commit_with_note(struct snapshot_writer *w)
{
	enum status st = put_note(w);

	if (st != ST_OK) {
		store_txn_abort(w->txn);
		w->txn = NULL;
		return st;
	}
	return snapshot_writer_commit(w);
}

enum status snapshot_writer_record_of(struct slice key, struct slice stored, struct meta *out)
{
	struct slice name, record;
	enum status st = stored_split(key, stored, &name, &record);

	return st == ST_OK ? meta_decode(record, out) : st;
}

struct slot_stat *snapshot_writer_touch(struct snapshot_writer *w, uint16_t slot)
{
	w->touched[slot / 64] |= UINT64_C(1) << (slot % 64);
	return &w->stats[slot];
}

void snapshot_writer_close(struct snapshot_writer *w)
{
	if (w == NULL) {
		return;
	}
	if (w->txn != NULL && w->failed == ST_OK) {
		w->failed = snapshot_writer_commit_with_note(w); /* as far as it can be kept */
	}
	store_close(w->store);
	snapshot_codec_destroy(w->codec);
	buf_deinit(&w->note);
	buf_deinit(&w->resume);
	mem_free(w);
}

struct slice snapshot_writer_resume(struct snapshot_writer *w)
{
	w->resume.len = 0;
	return snapshot_resume_encode(&w->place, &w->resume) == ST_OK ? buf_slice(&w->resume)
								      : slice_of(NULL, 0);
}

void snapshot_writer_set_commit(struct snapshot_writer *w, uint64_t bytes)
{
	w->commit_bytes = bytes;
}

void snapshot_writer_progress(const struct snapshot_writer *w, uint64_t *entries, uint64_t *bytes)
{
	*entries = w->entries;
	*bytes = w->bytes;
}

/* --- blocks --- */

static void set_key(struct store_key *k, struct slice key)
{
	memcpy(k->bytes, key.data, key.len);
	k->len = (uint16_t)key.len;
	k->slot = store_key_slot(key);
}

/* Where a key stands in the order. */
struct order {
	struct store_key last, mark;
};

/* Whether key is a garbage mark that comes once more at the end of its slot. */
static bool comes_again(const struct order *o, struct slice key)
{
	return store_key_space(key) == KEYSPACE_GARBAGE && o->last.len > 0 &&
	       store_key_slot(key) == o->last.slot &&
	       slice_cmp(key, store_key_slice(&o->last)) <= 0;
}

/* ST_CORRUPT: the key may not come now. */
static enum status advance(struct order *o, struct slice key)
{
	struct store_key *before = comes_again(o, key) ? &o->mark : &o->last;

	if (before->len > 0 && slice_cmp(key, store_key_slice(before)) <= 0) {
		return ST_CORRUPT;
	}
	/* The marks end the slot. */
	if (before == &o->last && o->mark.len > 0) {
		if (store_key_slot(key) == o->mark.slot) {
			return ST_CORRUPT;
		}
		o->mark.len = 0;
	}
	set_key(before, key);
	return ST_OK;
}

static bool is_libraries(struct slice key)
{
	return slice_eq(key, snapshot_libraries_key());
}

/* The place of a key among slots and what follows them. */
static uint16_t place_of(struct slice key)
{
	return is_libraries(key) ? (uint16_t)SNAPSHOT_LIBRARIES : store_key_slot(key);
}

/* Everything that can be wrong with a block is found here. */
static enum status check_block(const struct snapshot_writer *w, const struct snapshot_block *b,
			       struct slice raw, struct buf *error)
{
	struct order o = {w->last, w->mark};
	struct slice key, value;
	uint32_t count = 0;
	enum status st;

	if (b->lsn != w->head.lsn || b->entries_before != w->entries || b->sum_before != w->sum) {
		buf_note(error,
			 "the copy's next block is not the one that follows: it begins at entry "
			 "%" PRIu64 " of the copy at LSN %" PRIu64 ", wanted is entry %" PRIu64
			 " at LSN %" PRIu64,
			 b->entries_before, b->lsn, w->entries, w->head.lsn);
		return ST_CORRUPT;
	}
	while ((st = snapshot_entry_decode(&raw, &key, &value)) == ST_OK) {
		st = snapshot_entry_check(key, value);
		if (st == ST_OK) {
			st = place_of(key) < w->place.slot ? ST_CORRUPT : advance(&o, key);
		}
		if (st != ST_OK) {
			break;
		}
		count++;
	}
	if (st != ST_END || count != b->entries || count == 0) {
		buf_note(error, "entry %" PRIu64 " of the copy is damaged, out of order or missing",
			 w->entries + count);
		return ST_CORRUPT;
	}
	return ST_OK;
}

/* What belongs to a key record that was put. */
static enum status count_record(struct snapshot_writer *w, struct slot_stat *stat, struct slice key,
				struct slice value)
{
	static const struct kept_entry none;
	struct kept_entry kept = {.digest = digest_of_entry(key, value)};
	struct meta m;
	enum status st = snapshot_writer_record_of(key, value, &m);

	if (st != ST_OK) {
		return st;
	}
	stat->keys++;
	kept.id = m.form == FORM_LARGE ? m.id : 0;
	st = digest_keeper_record(&w->digests, stat, key, &none, &kept);
	stat->expires += m.expire_at_ms != 0;
	if (st == ST_OK && meta_due_ms(&m) != 0) {
		st = store_txn_expiry(w->txn, meta_due_ms(&m), key, true);
	}
	return st;
}

static enum status put_entry(struct snapshot_writer *w, const struct order *o, struct slice key,
			     struct slice value)
{
	struct slot_stat *stat = snapshot_writer_touch(w, store_key_slot(key));
	struct slice old;
	enum status st = ST_OK;

	if (comes_again(o, key)) {
		st = store_txn_get(w->txn, key, &old);
		if (st != ST_NOT_FOUND) {
			return st;
		}
		st = store_txn_put(w->txn, key, value);
	} else {
		st = store_txn_append(w->txn, key, value);
	}
	if (st == ST_OK && store_key_space(key) == KEYSPACE_KEY) {
		st = count_record(w, stat, key, value);
	} else if (st == ST_OK && store_key_space(key) == KEYSPACE_ELEM) {
		st = digest_keeper_element(&w->digests, stat, key, (struct digest){0},
					   digest_of_entry(key, value));
	}
	stat->garbage += store_key_space(key) == KEYSPACE_GARBAGE;
	stat->bytes += key.len + value.len;
	w->bytes += key.len + value.len;
	return st;
}

static enum status put_libraries(struct snapshot_writer *w, struct slice value)
{
	w->bytes += value.len;
	return store_txn_note(w->txn, library_set_note, value);
}

/* Takes a block that has been checked. */
static enum status take(struct snapshot_writer *w, const struct snapshot_block *b, struct slice raw)
{
	struct order o = {w->last, w->mark};
	struct slice key, value;
	enum status st = snapshot_writer_begin(w);

	while (st == ST_OK && (st = snapshot_entry_decode(&raw, &key, &value)) == ST_OK) {
		uint16_t slot = place_of(key);

		if (slot > w->place.slot || w->entries == 0) {
			w->place.slot = slot;
			w->place.entries = w->entries;
			w->place.sum = w->sum;
		}
		st = is_libraries(key) ? put_libraries(w, value) : put_entry(w, &o, key, value);
		if (st == ST_OK) {
			st = advance(&o, key);
		}
		w->entries++;
		w->sum += snapshot_entry_digest(key, value);
	}
	if (st != ST_END) {
		return st;
	}
	w->last = o.last;
	w->mark = o.mark;
	if (b->drain_lsn > w->place.drain_lsn) {
		w->place.drain_lsn = b->drain_lsn;
	}
	return store_txn_dirty(w->txn) >= w->commit_bytes ? snapshot_writer_commit_with_note(w)
							  : ST_OK;
}

static enum status failed(struct snapshot_writer *w, enum status st, struct buf *error)
{
	if (w->txn != NULL) {
		store_txn_abort(w->txn);
		w->txn = NULL;
	}
	w->failed = st;
	buf_note(error, "cannot write the copy: %s", status_text(st));
	return st;
}

enum status snapshot_writer_add(struct snapshot_writer *w, struct slice block, struct buf *error)
{
	struct snapshot_block b;
	struct slice raw;
	enum status st = w->failed;

	if (st != ST_OK) {
		buf_note(error, "the copy was given up before: %s", status_text(st));
		return st;
	}
	st = snapshot_block_decode(w->codec, block, &b, &raw);
	if (st != ST_OK) {
		buf_note(error, "a block of the copy, behind entry %" PRIu64 ", is unusable: %s",
			 w->entries, status_text(st));
		return st;
	}
	st = check_block(w, &b, raw, error);
	if (st != ST_OK) {
		return st;
	}
	st = take(w, &b, raw);
	return st == ST_OK ? ST_OK : failed(w, st, error);
}

enum status snapshot_writer_rest(struct snapshot_writer *w, struct buf *error)
{
	enum status st;

	if (w->failed != ST_OK || w->txn == NULL || store_txn_dirty(w->txn) < REST_BYTES) {
		return ST_OK;
	}
	st = snapshot_writer_commit_with_note(w);
	return st == ST_OK ? ST_OK : failed(w, st, error);
}

/* --- the end --- */

static enum status put_state(struct snapshot_writer *w, const struct snapshot_tail *tail)
{
	struct store_state state = {
	    .checkpoint_lsn = w->head.lsn,
	    .previous_checkpoint_lsn = w->head.lsn,
	    .drain_lsn = tail->drain_lsn,
	    .next_id = tail->next_id > w->head.next_id ? tail->next_id : w->head.next_id,
	    .history = w->head.history,
	};
	enum status st = store_txn_state(w->txn, &state);

	/* With the note the finished copy can still be taken up, should it not become the dataset
	 * now. */
	w->place = (struct snapshot_resume){.lsn = w->head.lsn,
					    .drain_lsn = tail->drain_lsn,
					    .entries = w->entries,
					    .sum = w->sum,
					    .slot = SNAPSHOT_END};
	return st == ST_OK ? put_note(w) : st;
}

enum status snapshot_writer_finish(struct snapshot_writer *w, const struct snapshot_tail *tail,
				   struct buf *error)
{
	enum status st = w->failed;

	if (st != ST_OK) {
		buf_note(error, "the copy was given up before: %s", status_text(st));
		return st;
	}
	if (tail->entries != w->entries || tail->sum != w->sum ||
	    tail->drain_lsn < w->place.drain_lsn) {
		buf_note(error,
			 "the copy does not add up: %" PRIu64 " entries came, %" PRIu64
			 " were sent%s",
			 w->entries, tail->entries,
			 tail->entries == w->entries ? ", and they differ" : "");
		return ST_CORRUPT;
	}
	st = snapshot_writer_begin(w);
	if (st == ST_OK) {
		st = put_state(w, tail);
	}
	if (st == ST_OK) {
		st = snapshot_writer_commit(w);
	}
	if (st != ST_OK) {
		return failed(w, st, error);
	}
	store_close(w->store);
	w->store = NULL;
	w->failed = ST_END;
	return ST_OK;
}
