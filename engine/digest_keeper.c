/* Adding and subtracting as entries come and go. */
#include "engine/digest_keeper.h"

#include "engine/base/planted.h"

enum status kept_entry_read(struct slice key, struct slice stored, struct kept_entry *out)
{
	struct slice name, value;
	struct meta m;
	enum status st = stored_split(key, stored, &name, &value);

	if (st == ST_OK) {
		st = meta_decode(value, &m);
	}
	if (st == ST_OK) {
		*out = (struct kept_entry){.digest = digest_of_entry(key, stored),
					   .id = m.form == FORM_LARGE ? m.id : 0};
	}
	return st;
}

void digest_keeper_begin(struct digest_keeper *k, struct store_txn *txn)
{
	k->txn = txn;
	k->known = false;
	k->changed = false;
}

enum status digest_keeper_save(struct digest_keeper *k)
{
	enum status st = ST_OK;

	if (k->changed) {
		st = store_txn_sum_put(k->txn, k->slot, k->id, &k->sum);
		k->changed = st != ST_OK;
	}
	return st;
}

/* Makes a collection the one that is dealt with. */
static enum status take(struct digest_keeper *k, uint16_t slot, uint64_t id)
{
	enum status st;

	if (k->known && k->slot == slot && k->id == id) {
		return ST_OK;
	}
	st = digest_keeper_save(k);
	if (st == ST_OK) {
		k->known = false;
		st = store_txn_sum_get(k->txn, slot, id, &k->sum);
	}
	if (st == ST_NOT_FOUND) {
		k->sum = (struct collection_sum){0};
		st = ST_OK;
	}
	if (st == ST_OK) {
		k->known = true;
		k->slot = slot;
		k->id = id;
	}
	return st;
}

/* A key record begins (1) or ceases (-1) to name a collection. */
static enum status name(struct digest_keeper *k, struct slot_stat *stat, uint16_t slot, uint64_t id,
			int64_t change)
{
	enum status st = take(k, slot, id);

	if (st == ST_OK) {
		k->sum.names += change;
		k->changed = true;
		stat->digest = digest_add(stat->digest, digest_times(k->sum.elements, change));
	}
	return st;
}

/* Whether an entry counts by now. */
static bool counts(const struct digest_keeper *k, const struct slot_stat *stat, struct slice key)
{
	return !stat->undigested || (k->building && k->built.slot == store_key_slot(key) &&
				     slice_cmp(key, store_key_slice(&k->built)) <= 0);
}

enum status digest_keeper_record(struct digest_keeper *k, struct slot_stat *stat, struct slice key,
				 const struct kept_entry *before, const struct kept_entry *after)
{
	uint16_t slot = store_key_slot(key);
	enum status st = ST_OK;

	if (!counts(k, stat, key)) {
		return ST_OK;
	}
	stat->digest = digest_add(stat->digest, digest_sub(after->digest, before->digest));
	if (before->id == after->id) {
		return ST_OK;
	}
	if (after->id != 0) {
		st = name(k, stat, slot, after->id, 1);
	}
	if (st == ST_OK && before->id != 0 && !PLANTED(54)) {
		st = name(k, stat, slot, before->id, -1);
	}
	return st;
}

enum status digest_keeper_element(struct digest_keeper *k, struct slot_stat *stat, struct slice key,
				  struct digest before, struct digest after)
{
	struct digest change = digest_sub(after, before);
	enum status st;

	if (!counts(k, stat, key)) {
		return ST_OK;
	}
	st = take(k, store_key_slot(key), store_key_id(key));
	if (st == ST_OK) {
		k->sum.elements = digest_add(k->sum.elements, change);
		k->changed = true;
		stat->digest = digest_add(stat->digest, digest_times(change, k->sum.names));
	}
	return st;
}

enum status digest_keeper_empty(struct digest_keeper *k, struct slot_stat *stat, uint16_t slot,
				uint64_t id)
{
	enum status st = take(k, slot, id);

	if (st != ST_OK) {
		return st;
	}
	stat->digest = digest_sub(stat->digest, digest_times(k->sum.elements, k->sum.names));
	k->sum.elements = (struct digest){0};
	k->changed = k->sum.names != 0;
	return k->changed ? ST_OK : store_txn_sum_del(k->txn, slot, id);
}

enum status digest_keeper_clear(struct digest_keeper *k, struct slot_stat *stat, uint16_t slot)
{
	if (k->known && k->slot == slot) {
		k->known = false;
		k->changed = false;
	}
	stat->digest = (struct digest){0};
	return store_txn_sums_clear(k->txn, slot);
}
