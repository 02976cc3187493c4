/* Reading the store for a full copy, one short read transaction per block. */
#include "engine/snapshot_reader.h"

#include "engine/base/alloc.h"
#include "engine/engine_impl.h"

struct snapshot_reader {
	struct store_reader *reader;
	struct store_cursor *cursor, *marks;
	struct checkpoint *checkpoint;
	struct snapshot_codec *codec;
	struct snapshot_head head;
	uint64_t entries, sum;	    /* sent so far */
	uint16_t slot;		    /* the slot under way, or the next one, or what follows them */
	bool split;		    /* it has been read in part: its marks are held */
	uint16_t key_len;	    /* 0: nothing of the slot was sent yet */
	uint8_t key[STORE_KEY_MAX]; /* sent last, but for marks sent once more */
	struct buf raw;
	/* The block under way. */
	uint64_t block_entries, block_sum;
};

/* --- beginning and end --- */

/* The store as it is now; *drain_lsn: how far effects may have got. */
static enum status read_state(struct snapshot_reader *r, struct store_state *state,
			      uint64_t *drain_lsn)
{
	enum status st = store_reader_state(r->reader, state);

	if (st == ST_OK) {
		*drain_lsn = state->drain_lsn > state->checkpoint_lsn ? state->drain_lsn
								      : state->checkpoint_lsn;
	}
	return st;
}

static enum status read_head(struct snapshot_reader *r, uint64_t *drain_lsn)
{
	struct slot_stat *stats = mem_alloc(SLOTS * sizeof *stats);
	struct store_state state;
	enum status st = stats == NULL ? ST_NO_MEMORY : read_state(r, &state, drain_lsn);

	if (st == ST_OK) {
		st = store_reader_slots(r->reader, stats);
	}
	if (st == ST_OK) {
		r->head = (struct snapshot_head){.lsn = state.checkpoint_lsn,
						 .next_id = state.next_id,
						 .history = state.history};
		for (size_t i = 0; i < SLOTS; i++) {
			r->head.keys += stats[i].keys;
			r->head.bytes += stats[i].bytes;
		}
	}
	mem_free(stats);
	return st;
}

static enum status go_on(struct snapshot_reader *r, struct slice resume, uint64_t drain_lsn)
{
	struct snapshot_resume place;
	enum status st = snapshot_resume_decode(resume, &place);

	if (st != ST_OK) {
		return st;
	}
	if (place.lsn > r->head.lsn || place.drain_lsn > drain_lsn) {
		return ST_AGAIN;
	}
	r->head.lsn = place.lsn;
	r->entries = place.entries;
	r->sum = place.sum;
	r->slot = place.slot;
	return ST_OK;
}

enum status snapshot_reader_open(struct engine *e, struct slice resume,
				 struct snapshot_reader **out)
{
	struct snapshot_reader *r = mem_calloc(1, sizeof *r);
	uint64_t drain_lsn = 0;
	enum status st;

	if (r == NULL) {
		return ST_NO_MEMORY;
	}
	r->checkpoint = e->checkpoint;
	st = snapshot_codec_create(&r->codec);
	if (st == ST_OK) {
		st = store_reader_open(e->store, &r->reader);
	}
	if (st == ST_OK) {
		st = read_head(r, &drain_lsn);
	}
	if (st == ST_OK && resume.len > 0) {
		st = go_on(r, resume, drain_lsn);
	}
	if (st == ST_OK) {
		st = store_cursor_open(r->reader, &r->cursor);
	}
	if (st == ST_OK) {
		st = store_cursor_open(r->reader, &r->marks);
	}
	if (st != ST_OK) {
		snapshot_reader_close(r);
		return st;
	}
	store_reader_reset(r->reader);
	*out = r;
	return ST_OK;
}

void snapshot_reader_close(struct snapshot_reader *r)
{
	if (r == NULL) {
		return;
	}
	if (r->split) {
		checkpoint_let_go(r->checkpoint, r->slot);
	}
	store_cursor_close(r->cursor);
	store_cursor_close(r->marks);
	store_reader_close(r->reader);
	snapshot_codec_destroy(r->codec);
	buf_deinit(&r->raw);
	mem_free(r);
}

const struct snapshot_head *snapshot_reader_head(const struct snapshot_reader *r)
{
	return &r->head;
}

/* --- blocks --- */

/* Where a block leaves off; taken over when it has been made. */
struct place {
	uint16_t slot;
	bool split;
	uint16_t key_len;
	uint8_t key[STORE_KEY_MAX];
};

static enum status add(struct snapshot_reader *r, struct slice key, struct slice value)
{
	enum status st = snapshot_entry_encode(key, value, &r->raw);

	if (st == ST_OK) {
		r->block_entries++;
		r->block_sum += snapshot_entry_digest(key, value);
	}
	return st;
}

/* All garbage marks of the slot that was read in several transactions. */
static enum status add_marks(struct snapshot_reader *r, uint16_t slot)
{
	struct store_key first;
	struct slice key, value, prefix;
	enum status st;

	store_key_of_garbage(&first, slot, 0);
	prefix = slice_of(first.bytes, KEY_PREFIX_LEN);
	st = store_cursor_seek(r->marks, store_key_slice(&first), &key, &value);
	while (st == ST_OK && slice_has_prefix(key, prefix)) {
		st = add(r, key, value);
		if (st == ST_OK) {
			st = store_cursor_next(r->marks, &key, &value);
		}
	}
	return st == ST_NOT_FOUND ? ST_OK : st;
}

/* The first entry behind the place. */
static enum status seek(struct snapshot_reader *r, const struct place *at, struct slice *key,
			struct slice *value)
{
	struct slice last = slice_of(at->key, at->key_len);
	struct store_key first;
	enum status st;

	if (at->key_len == 0) {
		/* 'G' is the first of a slot's three spaces. */
		store_key_of_garbage(&first, at->slot, 0);
		last = slice_of(first.bytes, KEY_PREFIX_LEN);
	}
	st = store_cursor_seek(r->cursor, last, key, value);
	if (st == ST_OK && at->key_len > 0 && slice_eq(*key, last)) {
		st = store_cursor_next(r->cursor, key, value);
	}
	return st;
}

/* Ends the slot under way, if any; next is the one that follows. */
static enum status end_slot(struct snapshot_reader *r, struct place *at, uint16_t next)
{
	enum status st = at->split ? add_marks(r, at->slot) : ST_OK;

	at->slot = next;
	at->split = false;
	at->key_len = 0;
	return st;
}

static enum status fill(struct snapshot_reader *r, struct place *at, size_t raw_target)
{
	struct slice key, value;
	enum status st = seek(r, at, &key, &value);

	while (st == ST_OK) {
		uint16_t slot = store_key_slot(key);

		if (slot != at->slot) {
			st = end_slot(r, at, slot);
		}
		if (st == ST_OK && r->block_entries > 0 &&
		    r->raw.len + snapshot_entry_len(key, value) > SNAPSHOT_RAW_MAX) {
			break;
		}
		if (st == ST_OK) {
			st = add(r, key, value);
		}
		if (st != ST_OK) {
			return st;
		}
		memcpy(at->key, key.data, key.len);
		at->key_len = (uint16_t)key.len;
		if (r->raw.len >= raw_target || r->block_entries == UINT32_MAX) {
			break;
		}
		st = store_cursor_next(r->cursor, &key, &value);
	}
	if (st == ST_NOT_FOUND) {
		return end_slot(r, at, SNAPSHOT_LIBRARIES);
	}
	at->split = st == ST_OK && at->key_len > 0;
	return st;
}

/* The libraries of functions, behind the last slot: as they are now, which is as good as at any
 * other time since the copy began, for the log's operations on them are final too. */
static enum status add_libraries(struct snapshot_reader *r, struct place *at)
{
	struct slice key = snapshot_libraries_key(), value;
	enum status st = store_reader_note(r->reader, library_set_note, &value);

	if (st == ST_OK && r->block_entries > 0 &&
	    r->raw.len + snapshot_entry_len(key, value) > SNAPSHOT_RAW_MAX) {
		return ST_OK; /* with the next block */
	}
	if (st == ST_OK) {
		st = add(r, key, value);
	}
	if (st == ST_OK || st == ST_NOT_FOUND) {
		at->slot = SNAPSHOT_END;
		return ST_OK;
	}
	return st;
}

static enum status seal(struct snapshot_reader *r, uint64_t drain_lsn, struct buf *out)
{
	struct snapshot_block block = {
	    .lsn = r->head.lsn,
	    .drain_lsn = drain_lsn,
	    .entries_before = r->entries,
	    .sum_before = r->sum,
	    .entries = (uint32_t)r->block_entries,
	};

	return snapshot_block_encode(r->codec, &block, buf_slice(&r->raw), out);
}

/* Takes over the new place. The hold is there before the next transaction begins, which is soon
 * enough: what this one has shown of the slot had its marks. */
static void move_to(struct snapshot_reader *r, const struct place *at)
{
	bool keeps = r->split && at->split && r->slot == at->slot;

	if (r->split && !keeps) {
		checkpoint_let_go(r->checkpoint, r->slot);
	}
	if (at->split && !keeps) {
		checkpoint_hold(r->checkpoint, at->slot);
	}
	r->slot = at->slot;
	r->split = at->split;
	r->key_len = at->key_len;
	memcpy(r->key, at->key, at->key_len);
	r->entries += r->block_entries;
	r->sum += r->block_sum;
}

enum status snapshot_reader_next(struct snapshot_reader *r, size_t raw_target, struct buf *out)
{
	struct place at = {.slot = r->slot, .split = r->split, .key_len = r->key_len};
	struct store_state state;
	uint64_t drain_lsn = 0;
	enum status st;

	if (r->slot == SNAPSHOT_END) {
		return ST_END;
	}
	memcpy(at.key, r->key, r->key_len);
	r->raw.len = 0;
	buf_shrink(&r->raw, 2 * raw_target);
	r->block_entries = 0;
	r->block_sum = 0;
	st = store_reader_renew(r->reader);
	if (st != ST_OK) {
		return st;
	}
	st = read_state(r, &state, &drain_lsn);
	if (st == ST_OK && at.slot < SLOTS) {
		st = fill(r, &at, raw_target);
	}
	if (st == ST_OK && at.slot == SNAPSHOT_LIBRARIES) {
		st = add_libraries(r, &at);
	}
	store_reader_reset(r->reader);
	if (st == ST_OK && r->block_entries > 0) {
		st = seal(r, drain_lsn, out);
	}
	if (st != ST_OK) {
		return st;
	}
	move_to(r, &at);
	return r->block_entries > 0 ? ST_OK : ST_END;
}

enum status snapshot_reader_tail(struct snapshot_reader *r, struct snapshot_tail *out)
{
	struct store_state state;
	uint64_t drain_lsn = 0;
	enum status st;

	if (r->slot != SNAPSHOT_END) {
		return ST_INVALID;
	}
	st = store_reader_renew(r->reader);
	if (st == ST_OK) {
		st = read_state(r, &state, &drain_lsn);
		store_reader_reset(r->reader);
	}
	if (st == ST_OK) {
		*out = (struct snapshot_tail){.drain_lsn = drain_lsn,
					      .next_id = state.next_id,
					      .entries = r->entries,
					      .sum = r->sum};
	}
	return st;
}
