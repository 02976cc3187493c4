/* The known workload: strings, collections, deletes, renames and flushes over a few keys in three
 * slots. */
#include "tests/support/small_node.h"

#include "engine/engine_library.h"
#include "engine/keyspace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { NAME_LEN = 640, VALUE_LEN = 700, NOW_MS = 1000000 };

void small_node_init(struct small_node *s, const char *dir, uint64_t seed)
{
	memset(s, 0, sizeof *s);
	(void)snprintf(s->dir, sizeof s->dir, "%s", dir);
	rng_seed(&s->rng, seed);
	rng_seed(&s->library_rng, seed);
	s->memtable_max = 64 * 1024;
	s->segment_size = 16 * 1024;
	s->keep_size = 32 * 1024;
	s->fsync = WAL_FSYNC_ALWAYS;
	s->digests = calloc(SMALL_LSN_MAX, sizeof *s->digests);
}

void small_node_deinit(struct small_node *s)
{
	buf_deinit(&s->error);
	free(s->digests);
}

enum status small_node_open(struct small_node *s)
{
	struct engine_options opts = {
	    .dir = s->dir,
	    .io = io_posix(),
	    .clock = clock_system(),
	    .seed = 4711,
	    .map_size_max = (uint64_t)1 << 28,
	    .memtable_max = s->memtable_max,
	    .checkpoint_interval_ms = 3600000,
	    .wal_archive_dir = s->archive_dir,
	    .wal_segment_size = s->segment_size,
	    .wal_keep_size = s->keep_size,
	    .wal_compression_level = 1,
	    .fsync = s->fsync,
	};

	s->error.len = 0;
	return engine_open(&opts, &s->e, &s->error);
}

enum status small_node_close(struct small_node *s)
{
	enum status st = engine_close(s->e);

	s->e = NULL;
	return st;
}

uint64_t small_node_lsn(struct small_node *s)
{
	struct engine_stats stats;

	engine_stats(s->e, &stats);
	return stats.last_lsn;
}

static struct slice name_of(uint32_t n, char *dst)
{
	int len = snprintf(dst, NAME_LEN, "{%u}", n % 3);

	if (n % 12 == 11) {
		memset(dst + len, 'n', 520);
		len += 520;
	}
	len += snprintf(dst + len, 16, "%u", n);
	return slice_of(dst, (size_t)len);
}

static struct slice field_of(uint32_t n, char *dst)
{
	return slice_of(dst, (size_t)snprintf(dst, NAME_LEN, "f%u", n));
}

static struct slice value_of(uint32_t v, char *dst)
{
	int len = snprintf(dst, VALUE_LEN, "%u,", v);
	size_t extra = v % 97 == 0 ? 600 : v % 50;

	for (size_t i = 0; i < extra; i++) {
		dst[(size_t)len + i] = (char)('a' + (v + i * i) % 26);
	}
	return slice_of(dst, (size_t)len + extra);
}

static uint64_t hash_pair(struct slice name, struct slice field, struct slice value)
{
	uint64_t h = XXH3_64bits_withSeed(name.data, name.len, 1);

	h = XXH3_64bits_withSeed(field.data, field.len, h);
	return XXH3_64bits_withSeed(value.data, value.len, h);
}

static uint64_t model_digest(const struct small_node *s)
{
	char name[NAME_LEN], field[NAME_LEN], value[VALUE_LEN];
	uint64_t sum = 0;

	for (uint32_t n = 0; n < SMALL_KEYS; n++) {
		struct slice key = name_of(n, name);

		if (s->keys[n].value != 0) {
			sum += hash_pair(key, slice_str(""), value_of(s->keys[n].value, value));
		}
		for (uint32_t f = 0; s->keys[n].large && f < SMALL_FIELDS; f++) {
			if (s->keys[n].fields[f] != 0) {
				sum += hash_pair(key, field_of(f, field),
						 value_of(s->keys[n].fields[f], value));
			}
		}
		sum += s->keys[n].large ? hash_pair(key, slice_str("large"), slice_str("")) : 0;
	}
	for (uint32_t n = 0; n < SMALL_LIBRARIES; n++) {
		if (s->libraries[n] != 0) {
			sum += hash_pair(field_of(n, name), slice_str("library"),
					 value_of(s->libraries[n], value));
		}
	}
	return sum;
}

/* Puts, removes or replaces a library; rarely removes all. */
static enum status change_library(struct small_node *s)
{
	uint32_t n = (uint32_t)rng_below(&s->library_rng, SMALL_LIBRARIES);
	uint64_t dice = rng_below(&s->library_rng, 20);
	char name[NAME_LEN], value[VALUE_LEN];

	if (dice == 0) {
		memset(s->libraries, 0, sizeof s->libraries);
		return engine_libraries_flush(s->e);
	}
	if (dice < 6) {
		s->libraries[n] = 0;
		return engine_library_del(s->e, field_of(n, name));
	}
	s->libraries[n] = 1 + (uint32_t)rng_below(&s->library_rng, 1000000);
	return engine_library_put(s->e, field_of(n, name), value_of(s->libraries[n], value));
}

static enum status set_string(struct small_node *s, uint32_t n)
{
	char name[NAME_LEN], value[VALUE_LEN];
	struct meta m = {.type = TYPE_STRING}, old;
	uint32_t v = 1 + (uint32_t)rng_below(&s->rng, 1000000);
	struct slice part = value_of(v, value);
	struct store_key key;
	enum status st;

	store_key_of_key(&key, name_of(n, name));
	if (rng_below(&s->rng, 2) == 0) {
		st = ks_put_blind(s->e, &key, &m, &part, 1);
	} else {
		st = ks_lookup(s->e, &key, &old);
		if (st == ST_OK || st == ST_NOT_FOUND) {
			st = ks_put(s->e, &key, st == ST_OK ? &old : NULL, &m, &part, 1);
		}
	}
	if (st == ST_OK) {
		memset(&s->keys[n], 0, sizeof s->keys[n]);
		s->keys[n].value = v;
	}
	return st;
}

static enum status set_fields(struct small_node *s, uint32_t n)
{
	char name[NAME_LEN], fname[NAME_LEN], value[VALUE_LEN];
	struct meta m, old;
	struct store_key key;
	enum status found, st;

	store_key_of_key(&key, name_of(n, name));
	found = ks_lookup(s->e, &key, &old);
	if (found != ST_OK && found != ST_NOT_FOUND) {
		return found;
	}
	if (found == ST_OK && old.form == FORM_LARGE) {
		m = old;
	} else {
		m = (struct meta){.type = TYPE_HASH, .form = FORM_LARGE, .id = ks_new_id(s->e)};
		memset(&s->keys[n], 0, sizeof s->keys[n]);
		s->keys[n].large = true;
	}
	m.count++;
	st = ks_put(s->e, &key, found == ST_OK ? &old : NULL, &m, NULL, 0);
	for (int i = 0; st == ST_OK && i < 3; i++) {
		uint32_t f = (uint32_t)rng_below(&s->rng, SMALL_FIELDS);

		if (rng_below(&s->rng, 3) == 0) {
			s->keys[n].fields[f] = 0;
			st = ks_field_del(s->e, key.slot, m.id, field_of(f, fname));
		} else {
			uint32_t v = 1 + (uint32_t)rng_below(&s->rng, 1000000);
			struct slice part = value_of(v, value);

			s->keys[n].fields[f] = v;
			st = ks_field_put(s->e, key.slot, m.id, field_of(f, fname), &part, 1);
		}
	}
	return st;
}

static enum status delete_key(struct small_node *s, uint32_t n)
{
	char name[NAME_LEN];
	struct store_key key;
	struct meta old;
	enum status st;

	store_key_of_key(&key, name_of(n, name));
	st = ks_lookup(s->e, &key, &old);
	if (st == ST_OK) {
		st = ks_delete(s->e, &key, &old);
	}
	memset(&s->keys[n], 0, sizeof s->keys[n]);
	return st == ST_NOT_FOUND ? ST_OK : st;
}

/* Moves a collection to another key of its slot. */
static enum status rename_key(struct small_node *s, uint32_t from)
{
	uint32_t to = (from + 3) % SMALL_KEYS;
	char a[NAME_LEN], b[NAME_LEN];
	struct store_key src, dst;
	struct meta old, replaced;
	enum status st, found;

	store_key_of_key(&src, name_of(from, a));
	store_key_of_key(&dst, name_of(to, b));
	st = ks_lookup(s->e, &src, &old);
	if (st == ST_NOT_FOUND || (st == ST_OK && old.form != FORM_LARGE)) {
		return ST_OK;
	}
	found = ks_lookup(s->e, &dst, &replaced);
	if (st == ST_OK && (found == ST_OK || found == ST_NOT_FOUND)) {
		st = ks_detach(s->e, &src, &old);
	} else {
		st = st != ST_OK ? st : found;
	}
	if (st == ST_OK) {
		st = ks_put(s->e, &dst, found == ST_OK ? &replaced : NULL, &old, NULL, 0);
	}
	s->keys[to] = s->keys[from];
	memset(&s->keys[from], 0, sizeof s->keys[from]);
	return st;
}

enum status small_node_step(struct small_node *s)
{
	struct small_node before = *s;
	uint64_t ops = 1 + rng_below(&s->rng, 4), lsn;
	enum status st = engine_writable(s->e);

	if (st != ST_OK) {
		return st;
	}
	engine_begin(s->e, slice_str("step"), NOW_MS, 7);
	for (uint64_t i = 0; st == ST_OK && i < ops; i++) {
		uint32_t n = (uint32_t)rng_below(&s->rng, SMALL_KEYS);
		uint64_t dice = rng_below(&s->rng, 100);

		if (dice < 50) {
			st = set_string(s, n);
		} else if (dice < 80) {
			st = set_fields(s, n);
		} else if (dice < 90) {
			st = delete_key(s, n);
		} else if (dice < 99) {
			st = rename_key(s, n);
		} else {
			st = ks_flush(s->e);
			memset(s->keys, 0, sizeof s->keys);
		}
	}
	if (st == ST_OK && !s->keys_alone && rng_below(&s->library_rng, 12) == 0) {
		st = change_library(s);
	}
	if (st != ST_OK) {
		engine_rollback(s->e);
		memcpy(s->keys, before.keys, sizeof s->keys);
		memcpy(s->libraries, before.libraries, sizeof s->libraries);
		return st;
	}
	lsn = engine_commit(s->e);
	if (lsn == 0) {
		return ST_OK;
	}
	if (lsn >= SMALL_LSN_MAX) {
		abort();
	}
	s->last_lsn = lsn;
	s->digests[lsn] = model_digest(s);
	return ST_OK;
}

/* One key by lookup: its own and its fields' share of the digest. */
static enum status digest_key(struct small_node *s, uint32_t n, uint64_t *sum)
{
	char name[NAME_LEN], fname[NAME_LEN];
	struct store_key key;
	struct slice value;
	struct meta m;
	enum status st;

	store_key_of_key(&key, name_of(n, name));
	st = ks_lookup(s->e, &key, &m);
	if (st != ST_OK) {
		return st == ST_NOT_FOUND ? ST_OK : st;
	}
	if (m.form == FORM_INLINE) {
		*sum += hash_pair(key.name, slice_str(""), m.payload);
		return ST_OK;
	}
	*sum += hash_pair(key.name, slice_str("large"), slice_str(""));
	for (uint32_t f = 0; f < SMALL_FIELDS; f++) {
		st = ks_field_get(s->e, key.slot, m.id, field_of(f, fname), &value);
		if (st == ST_OK) {
			*sum += hash_pair(key.name, field_of(f, fname), value);
		} else if (st != ST_NOT_FOUND) {
			return st;
		}
	}
	return ST_OK;
}

static enum status digest_slot(struct small_node *s, uint16_t slot, uint64_t *sum)
{
	struct ks_iter keys = {0}, fields = {0};
	struct slice name, field, value;
	struct meta m;
	uint64_t order;
	enum status st = ks_keys_open(s->e, slot, 0, &keys);

	while (st == ST_OK && (st = ks_keys_next(&keys, &order, &name, &m)) == ST_OK) {
		if (m.form == FORM_INLINE) {
			*sum += hash_pair(name, slice_str(""), m.payload);
			continue;
		}
		*sum += hash_pair(name, slice_str("large"), slice_str(""));
		st = ks_fields_open(s->e, slot, m.id, 0, &fields);
		while (st == ST_OK &&
		       (st = ks_fields_next(&fields, &order, &field, &value)) == ST_OK) {
			*sum += hash_pair(name, field, value);
		}
		ks_iter_close(&fields);
		if (st == ST_END) {
			st = ST_OK;
		}
	}
	ks_iter_close(&keys);
	return st == ST_END ? ST_OK : st;
}

static uint64_t digest_libraries(struct small_node *s)
{
	const struct library_set *set = engine_libraries(s->e);
	uint64_t sum = 0;

	for (size_t i = 0; i < set->count; i++) {
		sum += hash_pair(library_name(set->items[i]), slice_str("library"),
				 library_code(set->items[i]));
	}
	return sum;
}

enum status small_node_digest(struct small_node *s, uint64_t *out)
{
	uint64_t by_lookup = 0, by_scan = 0;
	enum status st = ST_OK;

	engine_begin(s->e, slice_str("digest"), NOW_MS, 0);
	for (uint32_t n = 0; st == ST_OK && n < SMALL_KEYS; n++) {
		st = digest_key(s, n, &by_lookup);
	}
	for (unsigned slot = 0; st == ST_OK && slot < SLOTS; slot++) {
		if (engine_slot_keys(s->e, (uint16_t)slot) > 0) {
			st = digest_slot(s, (uint16_t)slot, &by_scan);
		}
	}
	*out = by_lookup + digest_libraries(s);
	(void)engine_commit(s->e);
	if (st == ST_OK && by_lookup != by_scan) {
		return ST_INVALID;
	}
	return st;
}

void small_node_adopt(struct small_node *s)
{
	char name[NAME_LEN], fname[NAME_LEN];
	struct slice value;

	engine_begin(s->e, slice_str("adopt"), NOW_MS, 0);
	memset(s->keys, 0, sizeof s->keys);
	for (uint32_t n = 0; n < SMALL_KEYS; n++) {
		struct store_key key;
		struct meta m;

		store_key_of_key(&key, name_of(n, name));
		if (ks_lookup(s->e, &key, &m) != ST_OK) {
			continue;
		}
		if (m.form == FORM_INLINE) {
			s->keys[n].value =
			    (uint32_t)strtoul((const char *)m.payload.data, NULL, 10);
			continue;
		}
		s->keys[n].large = true;
		for (uint32_t f = 0; f < SMALL_FIELDS; f++) {
			if (ks_field_get(s->e, key.slot, m.id, field_of(f, fname), &value) ==
			    ST_OK) {
				s->keys[n].fields[f] =
				    (uint32_t)strtoul((const char *)value.data, NULL, 10);
			}
		}
	}
	for (uint32_t n = 0; n < SMALL_LIBRARIES; n++) {
		const struct library *l =
		    library_set_find(engine_libraries(s->e), field_of(n, name));

		s->libraries[n] =
		    l != NULL ? (uint32_t)strtoul((const char *)library_code(l).data, NULL, 10) : 0;
	}
	(void)engine_commit(s->e);
	s->last_lsn = small_node_lsn(s);
}
