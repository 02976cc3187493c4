/* Applying memtable entries to the store, and removing what became garbage. */
#include "engine/drain.h"

#include "engine/base/bytes.h"
#include "engine/base/logger.h"
#include "engine/base/planted.h"
#include "engine/key_codec.h"

#include <inttypes.h>

/* What the drain must know of a key record. */
struct record {
	bool there;
	bool large;
	uint64_t size; /* of store key and stored value */
	uint64_t expire_at_ms;
	uint64_t due_ms;	/* its place in the expiry index */
	struct kept_entry kept; /* with the id of a large collection */
};

static void mark_slot(uint64_t *set, uint16_t slot)
{
	set[slot / 64] |= UINT64_C(1) << (slot % 64);
}

/* The counters of a slot that is about to change. */
static struct slot_stat *touch(struct drain *d, uint16_t slot)
{
	mark_slot(d->touched, slot);
	return &d->stats[slot];
}

enum status drain_load(struct drain *d, struct store_reader *r)
{
	enum status st = store_reader_renew(r);

	if (st == ST_OK) {
		st = store_reader_slots(r, d->stats);
	}
	store_reader_reset(r);
	d->digests.building = false;
	d->garbage = 0;
	for (size_t i = 0; i < SLOTS; i++) {
		d->garbage += d->stats[i].garbage;
	}
	return st;
}

enum status drain_begin(struct drain *d)
{
	enum status st;

	memset(d->touched, 0, sizeof d->touched);
	d->entries = 0;
	d->bytes = 0;
	d->group_known = false;
	st = store_txn_begin(d->store, &d->txn);
	digest_keeper_begin(&d->digests, d->txn);
	return st;
}

enum status drain_clear(struct drain *d)
{
	for (uint16_t slot = 0; slot < SLOTS; slot++) {
		if (d->stats[slot].bytes != 0) {
			mark_slot(d->touched, slot);
		}
	}
	memset(d->stats, 0, sizeof d->stats);
	d->garbage = 0;
	digest_keeper_begin(&d->digests, d->txn);
	d->digests.building = false;
	return store_txn_clear(d->txn);
}

static enum status parse(struct slice key, struct slice stored, struct record *out)
{
	struct slice name, value;
	struct meta meta;
	enum status st = stored_split(key, stored, &name, &value);

	if (st == ST_OK) {
		st = meta_decode(value, &meta);
	}
	if (st != ST_OK) {
		return st;
	}
	*out = (struct record){
	    .there = true,
	    .large = meta.form == FORM_LARGE,
	    .size = key.len + stored.len,
	    .expire_at_ms = meta.expire_at_ms,
	    .due_ms = meta_due_ms(&meta),
	    .kept = {.digest = digest_of_entry(key, stored),
		     .id = meta.form == FORM_LARGE ? meta.id : 0},
	};
	return ST_OK;
}

/* Bytes that a key takes in the store now, and its digest; 0: it is not there. */
static enum status look(struct drain *d, struct slice key, uint64_t *size, struct digest *digest)
{
	struct slice old;
	enum status st = store_txn_get(d->txn, key, &old);

	*size = st == ST_OK ? key.len + old.len : 0;
	*digest = st == ST_OK ? digest_of_entry(key, old) : (struct digest){0};
	return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status put_mark(struct drain *d, struct slice key)
{
	struct slot_stat *stat;
	struct slice old;
	enum status st = store_txn_get(d->txn, key, &old);

	if (st != ST_NOT_FOUND) {
		return st;
	}
	stat = touch(d, store_key_slot(key));
	stat->bytes += key.len;
	stat->garbage++;
	d->garbage++;
	return store_txn_put(d->txn, key, slice_of(NULL, 0));
}

/* Moves a key's entry in the expiry index. */
static enum status move_expiry(struct drain *d, struct slice key, const struct record *old,
			       const struct record *new)
{
	enum status st = ST_OK;

	if (old->due_ms == new->due_ms) {
		return ST_OK;
	}
	if (old->due_ms != 0) {
		st = store_txn_expiry(d->txn, old->due_ms, key, false);
	}
	if (st == ST_OK && new->due_ms != 0) {
		st = store_txn_expiry(d->txn, new->due_ms, key, true);
	}
	return st;
}

static enum status read_old(struct drain *d, struct slice key, struct record *out)
{
	struct slice stored;
	enum status st = store_txn_get(d->txn, key, &stored);

	*out = (struct record){0};
	if (st == ST_NOT_FOUND) {
		return ST_OK;
	}
	return st == ST_OK ? parse(key, stored, out) : st;
}

/* Writes or removes a key's record. */
static enum status write_entry(struct drain *d, const struct mt_entry *e)
{
	struct slice key = mt_entry_key(e), value = mt_entry_value(e);

	if ((e->flags & MT_TOMBSTONE) != 0) {
		return PLANTED(25) ? ST_OK : store_txn_del(d->txn, key);
	}
	d->bytes += key.len + value.len;
	return store_txn_put(d->txn, key, value);
}

/* For whoever counts keys meanwhile: once this entry is in the store, nobody else can tell. */
static void note_base(struct mt_entry *e, const struct record *old)
{
	uint8_t unknown = MT_BASE_UNKNOWN;
	uint8_t base = MT_BASE_DRAINED | (old->there ? MT_BASE_PRESENT : MT_BASE_ABSENT);

	if (old->expire_at_ms != 0) {
		base |= MT_BASE_EXPIRES;
	}
	(void)atomic_compare_exchange_strong(&e->base, &unknown, base);
}

static enum status drain_key(struct drain *d, struct mt_entry *e)
{
	struct slice key = mt_entry_key(e);
	struct record old, new = {0};
	struct slot_stat *stat = touch(d, store_key_slot(key));
	enum status st = read_old(d, key, &old);

	if (st == ST_OK) {
		note_base(e, &old);
	}
	if (st == ST_OK && (e->flags & MT_TOMBSTONE) == 0) {
		st = parse(key, mt_entry_value(e), &new);
	}
	if (st == ST_OK) {
		st = write_entry(d, e);
	}
	if (st == ST_OK) {
		st = move_expiry(d, key, &old, &new);
	}
	if (st == ST_OK) {
		st = digest_keeper_record(&d->digests, stat, key, &old.kept, &new.kept);
	}
	/* Nobody knew, when this was written, that it replaces a collection. */
	if (st == ST_OK && (e->flags & MT_BLIND) != 0 && old.large && new.kept.id != old.kept.id) {
		struct store_key mark;

		store_key_of_garbage(&mark, store_key_slot(key), old.kept.id);
		st = put_mark(d, store_key_slice(&mark));
	}
	stat->keys += (uint64_t) new.there - (uint64_t)old.there;
	stat->expires += (uint64_t)(new.expire_at_ms != 0) - (uint64_t)(old.expire_at_ms != 0);
	stat->bytes += new.size - old.size;
	return st;
}

/* Whether the collection of an element is dead. */
static enum status group_dead(struct drain *d, uint16_t slot, uint64_t id, bool *dead)
{
	struct store_key mark;
	struct slice nothing;
	enum status st;

	if (!d->group_known || d->group_slot != slot || d->group_id != id) {
		store_key_of_garbage(&mark, slot, id);
		st = store_txn_get(d->txn, store_key_slice(&mark), &nothing);
		if (st != ST_OK && st != ST_NOT_FOUND) {
			return st;
		}
		d->group_known = true;
		d->group_slot = slot;
		d->group_id = id;
		d->group_dead = st == ST_OK;
	}
	*dead = d->group_dead;
	return ST_OK;
}

static enum status drain_elem(struct drain *d, const struct mt_entry *e)
{
	struct slice key = mt_entry_key(e);
	uint16_t slot = store_key_slot(key);
	struct slot_stat *stat;
	struct digest before, after = {0};
	uint64_t size_before, size_after = 0;
	bool dead;
	enum status st = group_dead(d, slot, store_key_id(key), &dead);

	if (st != ST_OK || dead) {
		return st;
	}
	st = look(d, key, &size_before, &before);
	if (st == ST_OK) {
		st = write_entry(d, e);
	}
	if ((e->flags & MT_TOMBSTONE) == 0) {
		size_after = key.len + e->value_len;
		after = digest_of_entry(key, mt_entry_value(e));
	}
	stat = touch(d, slot);
	stat->bytes += size_after - size_before;
	return st == ST_OK ? digest_keeper_element(&d->digests, stat, key, before, after) : st;
}

static enum status apply(struct drain *d, struct mt_entry *e)
{
	struct slice key = mt_entry_key(e);

	switch (store_key_space(key)) {
	case KEYSPACE_KEY:
		return drain_key(d, e);
	case KEYSPACE_ELEM:
		return drain_elem(d, e);
	default:
		return (e->flags & MT_TOMBSTONE) != 0 ? ST_OK : put_mark(d, key);
	}
}

enum status drain_entry(struct drain *d, struct mt_entry *e)
{
	enum status st;

	if ((e->flags & MT_ABSENT) != 0) {
		return ST_OK;
	}
	st = apply(d, e);
	d->entries += st == ST_OK;
	if (st == ST_CORRUPT) {
		logger(LOG_LVL_WARNING,
		       "the store is damaged at or beside a key of slot %u (LSN %" PRIu64
		       "): check it with cairn-slot check",
		       (unsigned)store_key_slot(mt_entry_key(e)), e->lsn);
	}
	return st;
}

static enum status store_slots(struct drain *d)
{
	enum status st = ST_OK;

	for (uint32_t i = 0; i < SLOTS / 64 && st == ST_OK; i++) {
		for (uint64_t left = d->touched[i]; left != 0 && st == ST_OK; left &= left - 1) {
			uint16_t slot = (uint16_t)(i * 64 + (uint32_t)__builtin_ctzll(left));

			st = store_txn_slot(d->txn, slot, &d->stats[slot]);
		}
	}
	return st;
}

enum status drain_commit(struct drain *d)
{
	enum status st = digest_keeper_save(&d->digests);

	if (st == ST_OK) {
		st = store_slots(d);
	}
	if (st != ST_OK) {
		drain_abort(d);
		return st;
	}
	st = store_txn_commit(d->txn);
	d->txn = NULL;
	for (uint32_t i = 0; i < SLOTS / 64 && st == ST_OK; i++) {
		d->changed[i] |= d->touched[i];
	}
	return st;
}

void drain_abort(struct drain *d)
{
	if (d->txn != NULL) {
		store_txn_abort(d->txn);
		d->txn = NULL;
	}
}

/* The first slot from which something may be removed; SLOTS: there is none. */
static uint16_t garbage_slot(const struct drain *d)
{
	uint16_t slot = 0;

	while (slot < SLOTS &&
	       (d->stats[slot].garbage == 0 || (d->held[slot / 64] >> (slot % 64) & 1) != 0)) {
		slot++;
	}
	return slot;
}

bool drain_has_garbage(const struct drain *d)
{
	return d->garbage > 0 && garbage_slot(d) < SLOTS;
}

/* The first mark of the first slot that has one. */
static enum status find_mark(struct drain *d, struct store_reader *r, struct store_key *out)
{
	struct store_cursor *c = NULL;
	struct slice key, value;
	uint16_t slot = garbage_slot(d);
	enum status st;

	if (slot == SLOTS) {
		return ST_NOT_FOUND;
	}
	store_key_of_garbage(out, slot, 0);
	st = store_reader_renew(r);
	if (st == ST_OK) {
		st = store_cursor_open(r, &c);
	}
	if (st == ST_OK) {
		st = store_cursor_seek(c, store_key_slice(out), &key, &value);
	}
	if (st == ST_OK && (key.len != out->len || memcmp(key.data, out->bytes, KEY_PREFIX_LEN))) {
		st = ST_NOT_FOUND;
	}
	if (st == ST_OK) {
		store_key_of_garbage(out, slot, store_key_id(key));
	} else if (st == ST_NOT_FOUND) {
		st = ST_CORRUPT; /* the counter says that there is one */
	}
	store_cursor_close(c);
	store_reader_reset(r);
	return st;
}

static enum status remove_some(struct drain *d, const struct store_key *mark, uint32_t max,
			       uint32_t *removed)
{
	struct store_key prefix;
	struct slot_stat *stat = touch(d, mark->slot);
	uint64_t bytes = 0;
	enum status st;

	store_key_of_elem(&prefix, mark->slot, store_key_id(store_key_slice(mark)),
			  slice_of(NULL, 0));
	st = store_txn_del_prefix(
	    d->txn, slice_of(prefix.bytes, (size_t)prefix.len - (PLANTED(28) ? 1 : 0)), max,
	    removed, &bytes);
	stat->bytes -= bytes;
	if (st == ST_OK && *removed < max) {
		st = store_txn_del(d->txn, store_key_slice(mark));
		stat->bytes -= mark->len;
		stat->garbage--;
		d->garbage--;
	}
	if (st == ST_OK && *removed < max) {
		st = digest_keeper_empty(&d->digests, stat, mark->slot,
					 store_key_id(store_key_slice(mark)));
	}
	return st;
}

enum status drain_reclaim(struct drain *d, struct store_reader *r, uint32_t max, uint32_t *removed)
{
	struct store_key mark;
	enum status st;

	*removed = 0;
	st = find_mark(d, r, &mark);
	if (st != ST_OK) {
		return st;
	}
	st = drain_begin(d);
	if (st == ST_OK) {
		st = remove_some(d, &mark, max, removed);
	}
	if (st == ST_OK) {
		return drain_commit(d);
	}
	drain_abort(d);
	return st;
}
