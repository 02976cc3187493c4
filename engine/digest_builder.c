/* Building digests of slots, step by step. */
#include "engine/digest_builder.h"

#include "engine/base/bytes.h"
#include "engine/base/logger.h"

struct step {
	struct digest_builder *b;
	struct drain *d;
	struct store_cursor *cursor;
	uint64_t bytes, bytes_max;
	struct digest_built *out;
	uint32_t count;
};

static bool is_damaged(const struct digest_builder *b, uint16_t slot)
{
	return (b->damaged[slot / 64] >> (slot % 64) & 1) != 0;
}

static bool is_due(const struct digest_builder *b, const struct drain *d, uint16_t slot)
{
	return d->stats[slot].undigested && !is_damaged(b, slot);
}

uint32_t digest_builder_left(const struct digest_builder *b, const struct drain *d)
{
	uint32_t n = 0;

	for (uint16_t slot = 0; slot < SLOTS; slot++) {
		n += is_due(b, d, slot);
	}
	return n;
}

/* The slot to go on with; SLOTS: there is none. Slots get no digest taken away while the store is
 * open, so none comes back behind the place that was reached. */
static uint16_t next_slot(struct digest_builder *b, const struct drain *d)
{
	while (b->at < SLOTS && !is_due(b, d, b->at)) {
		b->at++;
	}
	return b->at;
}

static enum status begin_slot(struct step *s, uint16_t slot)
{
	struct digest_keeper *k = &s->d->digests;
	enum status st = digest_keeper_clear(k, &s->d->stats[slot], slot);

	k->building = st == ST_OK;
	k->built.slot = slot;
	k->built.len = KEY_PREFIX_LEN;
	bytes_put_u16be(k->built.bytes, slot);
	k->built.bytes[2] = 0; /* before any key of the slot */
	return st;
}

static enum status count_entry(struct step *s, struct slice key, struct slice stored)
{
	static const struct kept_entry none;
	struct digest_keeper *k = &s->d->digests;
	struct slot_stat *stat = &s->d->stats[k->built.slot];
	struct kept_entry kept;
	enum status st;

	if (key.len > sizeof k->built.bytes) {
		return ST_CORRUPT;
	}
	memcpy(k->built.bytes, key.data, key.len);
	k->built.len = (uint16_t)key.len;
	s->bytes += key.len + stored.len;
	if (store_key_space(key) == KEYSPACE_KEY) {
		st = kept_entry_read(key, stored, &kept);
		return st == ST_OK ? digest_keeper_record(k, stat, key, &none, &kept) : st;
	}
	if (store_key_space(key) != KEYSPACE_ELEM) {
		return ST_OK;
	}
	return digest_keeper_element(k, stat, key, none.digest, digest_of_entry(key, stored));
}

static void end_slot(struct step *s)
{
	struct digest_keeper *k = &s->d->digests;
	uint16_t slot = k->built.slot;

	s->d->stats[slot].undigested = false;
	s->d->touched[slot / 64] |= UINT64_C(1) << (slot % 64);
	k->building = false;
	s->out[s->count++] =
	    (struct digest_built){.slot = slot, .digest = s->d->stats[slot].digest};
}

/* Goes on in the slot that is being built, to its end or until enough has been read. */
static enum status walk(struct step *s)
{
	struct digest_keeper *k = &s->d->digests;
	struct store_key last = k->built;
	struct slice key, value;
	enum status st = store_cursor_seek(s->cursor, store_key_slice(&last), &key, &value);

	if (st == ST_OK && slice_cmp(key, store_key_slice(&last)) == 0) {
		st = store_cursor_next(s->cursor, &key, &value);
	}
	while (st == ST_OK && store_key_slot(key) == k->built.slot) {
		st = count_entry(s, key, value);
		if (st != ST_OK || s->bytes >= s->bytes_max) {
			return st;
		}
		st = store_cursor_next(s->cursor, &key, &value);
	}
	if (st == ST_OK || st == ST_NOT_FOUND) {
		end_slot(s);
		return ST_OK;
	}
	return st;
}

static enum status run(struct step *s)
{
	struct digest_keeper *k = &s->d->digests;
	enum status st = ST_OK;

	/* The keyspace was emptied, or what was counted is forgotten. */
	if (k->building && !is_due(s->b, s->d, k->built.slot)) {
		k->building = false;
	}
	while (st == ST_OK && s->bytes < s->bytes_max && s->count < DIGEST_BUILT_MAX) {
		if (!k->building) {
			uint16_t slot = next_slot(s->b, s->d);

			if (slot == SLOTS) {
				break;
			}
			st = begin_slot(s, slot);
		}
		if (st == ST_OK) {
			st = walk(s);
		}
	}
	if (st == ST_CORRUPT && k->building) {
		uint16_t slot = k->built.slot;

		s->b->damaged[slot / 64] |= UINT64_C(1) << (slot % 64);
		logger(LOG_LVL_WARNING,
		       "slot %u gets no digest: an entry of it is damaged; check it with "
		       "cairn-slot check",
		       (unsigned)slot);
	}
	return st;
}

enum status digest_builder_step(struct digest_builder *b, struct drain *d, struct store_reader *r,
				uint64_t bytes, struct digest_built *out, uint32_t *count)
{
	struct step s = {.b = b, .d = d, .bytes_max = bytes, .out = out};
	uint16_t at = next_slot(b, d);
	bool damaged;
	enum status st;

	*count = 0;
	if (at == SLOTS) {
		return ST_NOT_FOUND;
	}
	st = drain_begin(d);
	if (st == ST_OK) {
		st = store_reader_renew(r);
	}
	if (st == ST_OK) {
		st = store_cursor_open(r, &s.cursor);
	}
	if (st == ST_OK) {
		st = run(&s);
	}
	store_cursor_close(s.cursor);
	store_reader_reset(r);
	damaged = st == ST_CORRUPT && d->digests.building && is_damaged(b, d->digests.built.slot);
	if (st == ST_OK) {
		st = drain_commit(d);
	}
	if (st != ST_OK) {
		drain_abort(d);
		b->at = at; /* what this step had finished is not in the store */
		return damaged ? drain_load(d, r) : st;
	}
	*count = s.count;
	b->built += s.count;
	return ST_OK;
}
