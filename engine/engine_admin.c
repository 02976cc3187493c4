/* The engine's side doors: statistics, settings changed at run time, and touching cold keys from
 * helper threads. */
#include "engine/engine_impl.h"

enum { PAGE = 4096 };

void engine_stats(struct engine *e, struct engine_stats *out)
{
	const struct wal_timeline *last = &e->history.items[e->history.count - 1];

	*out = e->stats;
	wal_writer_stats(e->wal, &out->wal);
	checkpoint_stats(e->checkpoint, &out->checkpoint);
	if (store_info(e->store, &out->store) != ST_OK) {
		out->store = (struct store_info){0};
	}
	out->last_lsn = e->next_lsn - 1;
	out->timeline = last->id;
	out->epoch = last->epoch;
	out->shard_id = e->history.shard_id;
	out->memtable_bytes = memtable_bytes(e->active);
	out->memtable_frozen_bytes = e->frozen == NULL ? 0 : memtable_bytes(e->frozen);
	out->memtable_entries = memtable_entries(e->active);
	out->memtable_max = e->memtable_max;
	out->checkpoint_running = e->frozen != NULL;
	out->write_state = engine_writable(e);
}

void engine_set_fsync(struct engine *e, enum wal_fsync fsync)
{
	e->opts.fsync = fsync;
	wal_writer_set_fsync(e->wal, fsync);
}

void engine_set_wal(struct engine *e, int compression_level, uint64_t keep_size, uint64_t keep_ms)
{
	wal_writer_set_level(e->wal, compression_level);
	wal_writer_set_retention(e->wal, keep_size, keep_ms);
}

void engine_count_throttled(struct engine *e)
{
	e->stats.throttled++;
}

void engine_set_memtable_max(struct engine *e, uint64_t bytes)
{
	e->memtable_max = bytes;
}

bool engine_all_warm(struct engine *e)
{
	/* residency_warm asks for the next look as well. */
	return residency_all(e->residency) && residency_warm(e->residency, 0);
}

/* Whether a record as it is stored is that of a collection whose elements lie elsewhere. */
static bool is_large(struct slice key, struct slice stored)
{
	struct slice name, value;
	struct meta m;

	return stored_split(key, stored, &name, &value) == ST_OK &&
	       meta_decode(value, &m) == ST_OK && m.form == FORM_LARGE;
}

bool engine_key_warm(struct engine *e, const struct store_key *key, bool elements)
{
	struct slice bytes = store_key_slice(key), stored;
	const struct mt_entry *entry;
	uint64_t hash;
	bool hidden;

	if (engine_all_warm(e)) {
		return true;
	}
	hash = memtable_hash(bytes, e->hash_seed);
	entry = view_find(e, bytes, hash, &hidden);
	if (entry == NULL && !hidden && !store_reader_resident(e->reader, bytes)) {
		return false;
	}
	if (!elements || hidden || (entry != NULL && (entry->flags & MT_TOMBSTONE) != 0)) {
		return true;
	}
	if (entry != NULL) {
		stored = mt_entry_value(entry);
	} else if (store_get(e->reader, bytes, &stored) != ST_OK) {
		return true;
	}
	if (!is_large(bytes, stored) || residency_warm(e->residency, hash)) {
		return true;
	}
	residency_mark(e->residency, hash);
	return false;
}

enum status engine_reader_open(struct engine *e, struct store_reader **out)
{
	enum status st = store_reader_open(e->store, out);

	if (st == ST_OK) {
		store_reader_reset(*out);
	}
	return st;
}

void engine_reader_close(struct store_reader *r)
{
	store_reader_close(r);
}

/* Reads one byte of every page, so that the pages are in memory when the executor comes. */
static void touch_bytes(struct slice bytes)
{
	volatile uint8_t sink = 0;

	for (size_t i = 0; i < bytes.len; i += PAGE) {
		sink = (uint8_t)(sink + bytes.data[i]);
	}
	(void)sink;
}

static void touch_elements(struct store_reader *r, uint16_t slot, uint64_t id, uint32_t max)
{
	struct store_cursor *c;
	struct store_key prefix;
	struct slice key, value;
	enum status st;

	if (store_cursor_open(r, &c) != ST_OK) {
		return;
	}
	store_key_of_elem(&prefix, slot, id, slice_of(NULL, 0));
	st = store_cursor_seek(c, store_key_slice(&prefix), &key, &value);
	for (uint32_t n = 0; n < max && st == ST_OK; n++) {
		if (!slice_has_prefix(key, store_key_slice(&prefix))) {
			break;
		}
		touch_bytes(value);
		st = store_cursor_next(c, &key, &value);
	}
	store_cursor_close(c);
}

void engine_touch(struct store_reader *r, struct slice key, uint32_t elements_max)
{
	struct slice stored, name, value;
	struct meta m;

	if (store_reader_renew(r) != ST_OK) {
		return;
	}
	if (store_get(r, key, &stored) == ST_OK) {
		touch_bytes(stored);
		if (elements_max > 0 && store_key_space(key) == KEYSPACE_KEY &&
		    stored_split(key, stored, &name, &value) == ST_OK &&
		    meta_decode(value, &m) == ST_OK && m.form == FORM_LARGE) {
			touch_elements(r, store_key_slot(key), m.id, elements_max);
		}
	}
	/* An idle reader would pin pages and make the file grow. */
	store_reader_reset(r);
}
