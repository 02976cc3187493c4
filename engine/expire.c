/* Expiry: keys, and fields of hashes, whose time has come are removed as writes of their own, found
 * by reads that met them, by the memtables' heaps (what changed since the last checkpoint) and by
 * the store's index (the rest). */
#include "engine/base/bytes.h"
#include "engine/engine_impl.h"
#include "engine/keyspace.h"

enum {
	EXPIRE_BATCH = 64,
	EXPIRE_FIELDS = 64, /* of all hashes of one batch, beyond one of each */
	NOTICED_FIELDS = 16,
};

/* Takes the name down, to be looked at after the batch. False: no room, or nothing to be done. */
static bool take_down(struct engine *e, struct slice name)
{
	uint8_t len[4];

	/* A replica waits for its primary's delete. */
	if (e->opts.replica || e->expired_count >= EXPIRED_SEEN_MAX || e->expiring ||
	    name.len > UINT32_MAX) {
		return false;
	}
	bytes_put_u32le(len, (uint32_t)name.len);
	if (buf_append(&e->expired_names, len, sizeof len) != ST_OK) {
		return false;
	}
	if (buf_append(&e->expired_names, name.data, name.len) != ST_OK) {
		e->expired_names.len -= sizeof len;
		return false;
	}
	e->expired_count++;
	return true;
}

void expire_noticed(struct engine *e, struct slice name)
{
	e->batch.met_expired = true;
	if (take_down(e, name) && e->opts.expired != NULL && engine_writable(e) == ST_OK) {
		e->opts.expired(e->opts.touched_arg, name, EXPIRY_MET);
	}
}

void expire_noticed_fields(struct engine *e, struct slice name)
{
	(void)take_down(e, name);
}

/* What a batch of removals has done so far. */
struct removal {
	uint32_t keys, fields, fields_left;
	struct {
		bool any;
		enum expiry_news news;
	} told[EXPIRE_BATCH]; /* by name, in order */
};

/* Removes fields whose time has come: at least one, so that each visit gets on. */
static enum status remove_fields(struct engine *e, const struct store_key *key,
				 const struct meta *m, struct removal *r, size_t name)
{
	struct fields_expired gone = {0};
	enum status st;

	if (m->fields_at_ms == 0 || m->fields_at_ms > e->batch.now_ms ||
	    e->opts.expire_fields == NULL) {
		return ST_OK;
	}
	st = e->opts.expire_fields(e, key, m, r->fields_left > 0 ? r->fields_left : 1, &gone);
	if (st == ST_OK) {
		r->fields += gone.removed;
		r->fields_left -= gone.removed < r->fields_left ? gone.removed : r->fields_left;
		r->told[name].any = gone.removed > 0;
		r->told[name].news = gone.last ? EXPIRY_LAST_FIELDS : EXPIRY_FIELDS;
	}
	return st;
}

/* Deletes the key, or its fields, in the open batch if the time has come. */
static enum status remove_if_due(struct engine *e, struct slice name, struct removal *r, size_t n)
{
	struct store_key key;
	struct slice stored, whole, value;
	struct meta m;
	enum status st;

	store_key_of_key(&key, name);
	st = view_lookup(e, store_key_slice(&key), &stored);
	if (st == ST_OK) {
		st = stored_split(store_key_slice(&key), stored, &whole, &value);
	}
	if (st == ST_OK) {
		st = meta_decode(value, &m);
	}
	if (st == ST_NOT_FOUND || st == ST_CORRUPT) {
		return ST_OK; /* gone, or to be reported by who reads it */
	}
	if (st != ST_OK || !slice_eq(whole, name)) {
		return st;
	}
	if (m.expire_at_ms == 0 || m.expire_at_ms > e->batch.now_ms) {
		return remove_fields(e, &key, &m, r, n);
	}
	st = ks_delete(e, &key, &m);
	if (st == ST_OK) {
		r->keys++;
		r->told[n].any = true;
		r->told[n].news = EXPIRY_KEY;
	}
	return st;
}

/* Takes the next name off names packed as [u32 length][name]. */
static struct slice next_name(struct slice *names)
{
	uint32_t len = bytes_get_u32le(names->data);
	struct slice name = slice_of(names->data + 4, len);

	*names = slice_skip(*names, 4 + (size_t)len);
	return name;
}

/* Tells of what a committed batch has removed. keys: also of whole keys. */
static void tell(struct engine *e, struct slice names, const struct removal *r, bool keys)
{
	for (size_t n = 0; names.len > 0; n++) {
		struct slice name = next_name(&names);

		if (r->told[n].any && (keys || r->told[n].news != EXPIRY_KEY)) {
			e->opts.expired(e->opts.touched_arg, name, r->told[n].news);
		}
	}
}

/* Runs over at most EXPIRE_BATCH packed names in one batch. met: keys among them were told of. */
static enum status remove_batch(struct engine *e, struct slice names, uint64_t now_ms, bool met,
				struct removal *r)
{
	struct slice rest = names;
	enum status st = ST_OK;

	*r = (struct removal){.fields_left = met ? NOTICED_FIELDS : EXPIRE_FIELDS};
	engine_begin(e, slice_str("expire"), now_ms, 0);
	for (size_t n = 0; st == ST_OK && rest.len > 0; n++) {
		st = remove_if_due(e, next_name(&rest), r, n);
	}
	if (st != ST_OK) {
		engine_rollback(e);
		*r = (struct removal){0};
		return st;
	}
	(void)engine_commit(e);
	e->stats.expired_keys += r->keys;
	e->stats.expired_fields += r->fields;
	if (e->opts.expired != NULL) {
		tell(e, names, r, !met);
	}
	return ST_OK;
}

/* Removes what is due; returns how many keys and fields. */
static uint32_t remove_names(struct engine *e, struct slice names, uint64_t now_ms, bool met)
{
	struct removal r;
	uint32_t removed = 0;
	enum status st;

	e->expiring = true;
	st = remove_batch(e, names, now_ms, met, &r);
	removed = r.keys + r.fields;
	/* One damaged hash must not keep the others. */
	for (struct slice rest = names; st == ST_CORRUPT && rest.len > 0;) {
		struct slice from = rest, name = next_name(&rest);

		if (remove_batch(e, slice_of(from.data, 4 + name.len), now_ms, met, &r) == ST_OK) {
			removed += r.keys + r.fields;
		}
	}
	e->expiring = false;
	return removed;
}

void expire_run_noticed(struct engine *e, uint64_t now_ms)
{
	uint64_t seen = e->batch.seen_lsn;
	struct buf names = e->expired_names;

	e->expired_names = (struct buf){0};
	e->expired_count = 0;
	if (engine_writable(e) == ST_OK) {
		(void)remove_names(e, buf_slice(&names), now_ms, true);
	}
	e->batch.seen_lsn = seen;
	names.len = 0;
	e->expired_names = names;
}

static enum status pack(struct buf *names, struct slice name)
{
	uint8_t len[4];
	enum status st = buf_reserve(names, sizeof len + name.len);

	if (st == ST_OK) {
		bytes_put_u32le(len, (uint32_t)name.len);
		st = buf_append(names, len, sizeof len);
	}
	if (st == ST_OK) {
		st = buf_append(names, name.data, name.len);
	}
	return st;
}

/* Collects due names from one memtable's heap. */
static uint32_t due_in_table(struct memtable *mt, bool frozen, uint64_t now_ms, uint32_t max,
			     struct buf *names)
{
	uint32_t n = 0;

	while (n < max) {
		struct mt_entry *entry = memtable_timer_pop(mt, now_ms);
		struct slice name, value;
		struct meta m;

		if (entry == NULL) {
			break;
		}
		/* The checkpoint thread reads a frozen table's entries. */
		if (!frozen) {
			entry->flags &= (uint8_t)~MT_TIMED;
		}
		if ((entry->flags & (MT_TOMBSTONE | MT_ABSENT)) != 0 ||
		    stored_split(mt_entry_key(entry), mt_entry_value(entry), &name, &value) !=
			ST_OK ||
		    meta_decode(value, &m) != ST_OK || meta_due_ms(&m) == 0) {
			continue;
		}
		if (meta_due_ms(&m) > now_ms) {
			if (memtable_timer_add(mt, meta_due_ms(&m), entry) == ST_OK && !frozen) {
				entry->flags |= MT_TIMED;
			}
			continue;
		}
		if (pack(names, name) != ST_OK) {
			break;
		}
		n++;
	}
	return n;
}

struct index_walk {
	struct engine *e;
	struct buf *names;
	uint32_t seen;
	bool failed;
};

static void index_entry(void *arg, uint64_t expire_at_ms, struct slice key)
{
	struct index_walk *w = arg;
	struct slice stored, name, value;

	w->seen++;
	if (w->failed) {
		return;
	}
	w->e->index_ms = expire_at_ms;
	memcpy(w->e->index_key, key.data, key.len);
	w->e->index_key_len = key.len;
	/* A long key's whole name is in its record. */
	if (view_lookup(w->e, key, &stored) != ST_OK ||
	    stored_split(key, stored, &name, &value) != ST_OK) {
		return;
	}
	w->failed = pack(w->names, name) != ST_OK;
}

static uint32_t due_in_store(struct engine *e, uint64_t now_ms, uint32_t max, struct buf *names)
{
	struct index_walk w = {.e = e, .names = names};
	uint8_t from[STORE_KEY_MAX];
	size_t from_len = e->index_key_len;

	if (memtable_flushed(e->active) || (e->frozen != NULL && memtable_flushed(e->frozen))) {
		return 0;
	}
	memcpy(from, e->index_key, from_len);
	if (store_reader_expiries(e->reader, e->index_ms, slice_of(from, from_len), now_ms, max,
				  index_entry, &w) != ST_OK) {
		return 0;
	}
	return w.seen;
}

uint32_t engine_expire_cycle(struct engine *e, uint64_t now_ms, uint32_t max)
{
	uint32_t removed = 0, looked = 0;

	while (looked < max && !e->opts.replica && engine_writable(e) == ST_OK) {
		uint32_t left = max - looked;
		uint32_t page = left < EXPIRE_BATCH ? left : EXPIRE_BATCH;
		struct buf names = {0};
		uint32_t n = due_in_table(e->active, false, now_ms, page, &names);

		if (n < page && e->frozen != NULL && !memtable_flushed(e->active)) {
			n += due_in_table(e->frozen, true, now_ms, page - n, &names);
		}
		if (n < page) {
			n += due_in_store(e, now_ms, page - n, &names);
		}
		if (names.len > 0) {
			uint32_t gone = remove_names(e, buf_slice(&names), now_ms, false);

			removed += gone;
			looked += gone > n ? gone - n : 0; /* fields are work as well */
		}
		buf_deinit(&names);
		looked += n;
		if (n == 0) {
			break;
		}
	}
	return removed;
}
