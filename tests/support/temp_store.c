/* A store in a temporary directory. */
#include "tests/support/temp_store.h"

#include "engine/key_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum status temp_store_try(struct temp_store *t, uint64_t map_size, bool read_only,
			   struct buf *error)
{
	struct store_options opts = {
	    .path = t->path, .io = io_posix(), .map_size_max = map_size, .read_only = read_only};

	return store_open(&opts, &t->store, error);
}

void temp_store_reopen(struct temp_store *t, uint64_t map_size)
{
	struct buf error = {0};
	enum status st;

	temp_store_close(t);
	st = temp_store_try(t, map_size, false, &error);
	if (st != ST_OK) {
		print_error("%.*s\n", (int)error.len, (const char *)error.data);
	}
	assert_int_equal(st, ST_OK);
	buf_deinit(&error);
}

void temp_store_create(struct temp_store *t, uint64_t map_size)
{
	memset(t, 0, sizeof *t);
	(void)snprintf(t->dir, sizeof t->dir, "/tmp/cairn-store-XXXXXX");
	assert_non_null(mkdtemp(t->dir));
	(void)snprintf(t->path, sizeof t->path, "%s/keyspace.mdb", t->dir);
	temp_store_reopen(t, map_size);
}

void temp_store_close(struct temp_store *t)
{
	store_close(t->store);
	t->store = NULL;
}

static void remove_one(void *dir, const char *name)
{
	char path[512];

	(void)snprintf(path, sizeof path, "%s/%s", (const char *)dir, name);
	(void)unlink(path);
}

void temp_store_destroy(struct temp_store *t)
{
	temp_store_close(t);
	assert_int_equal(io_posix()->ops->list(NULL, t->dir, remove_one, t->dir), ST_OK);
	assert_int_equal(rmdir(t->dir), 0);
}

struct index_check {
	struct store_reader *reader;
	uint64_t entries;
};

/* Every index entry must be a live record's expiry. */
static void check_index(void *arg, uint64_t expire_at_ms, struct slice key)
{
	struct index_check *check = arg;
	struct slice stored, name, value;
	struct meta m;

	assert_int_equal(store_get(check->reader, key, &stored), ST_OK);
	assert_int_equal(stored_split(key, stored, &name, &value), ST_OK);
	assert_int_equal(meta_decode(value, &m), ST_OK);
	assert_int_equal(m.expire_at_ms, expire_at_ms);
	check->entries++;
}

static void count_key(struct slot_stat *stat, struct slice key, struct slice stored)
{
	struct slice name, value;
	struct meta m;

	assert_int_equal(stored_split(key, stored, &name, &value), ST_OK);
	assert_int_equal(meta_decode(value, &m), ST_OK);
	stat->keys++;
	stat->expires += m.expire_at_ms != 0;
}

static uint64_t count_all(struct store_reader *r, struct slot_stat *stats)
{
	struct store_cursor *c;
	struct slice key, value;
	struct content_digest content = {0};
	uint16_t slot = 0;
	uint64_t entries = 0;
	enum status st;

	assert_int_equal(store_cursor_open(r, &c), ST_OK);
	st = store_cursor_seek(c, slice_of(NULL, 0), &key, &value);
	for (; st == ST_OK; st = store_cursor_next(c, &key, &value)) {
		struct slot_stat *stat;

		assert_int_equal(store_key_check(key), ST_OK);
		if (store_key_slot(key) != slot) {
			stats[slot].digest = content_digest_take(&content);
			slot = store_key_slot(key);
		}
		assert_int_equal(content_digest_add(&content, key, value), ST_OK);
		stat = &stats[store_key_slot(key)];
		stat->bytes += key.len + value.len;
		stat->garbage += store_key_space(key) == KEYSPACE_GARBAGE;
		if (store_key_space(key) == KEYSPACE_KEY) {
			count_key(stat, key, value);
		}
		entries++;
	}
	assert_int_equal(st, ST_NOT_FOUND);
	stats[slot].digest = content_digest_take(&content);
	content_digest_deinit(&content);
	store_cursor_close(c);
	return entries;
}

uint64_t temp_store_verify(struct store *s)
{
	struct slot_stat *found = calloc(SLOTS, sizeof *found);
	struct slot_stat *stored = calloc(SLOTS, sizeof *stored);
	struct index_check check = {0};
	uint64_t entries, expires = 0;

	assert_int_equal(store_reader_open(s, &check.reader), ST_OK);
	entries = count_all(check.reader, found);
	assert_int_equal(store_reader_slots(check.reader, stored), ST_OK);
	for (size_t i = 0; i < SLOTS; i++) {
		assert_memory_equal(&found[i], &stored[i], sizeof found[i]);
		expires += found[i].expires;
	}
	assert_int_equal(store_reader_expiries(check.reader, 0, slice_of(NULL, 0), UINT64_MAX,
					       UINT32_MAX, check_index, &check),
			 ST_OK);
	assert_int_equal(check.entries, expires);
	store_reader_close(check.reader);
	free(found);
	free(stored);
	return entries;
}

enum { OWNERS_MAX = 4096 };

/* The collections that something of the slot under way names. */
struct owners {
	uint16_t slot;
	size_t count;
	uint64_t ids[OWNERS_MAX];
};

static void add_owner(struct owners *o, struct slice key, struct slice stored)
{
	struct slice name, value;
	struct meta m;

	assert_true(o->count < OWNERS_MAX);
	if (store_key_space(key) == KEYSPACE_GARBAGE) {
		o->ids[o->count++] = store_key_id(key);
		return;
	}
	assert_int_equal(stored_split(key, stored, &name, &value), ST_OK);
	assert_int_equal(meta_decode(value, &m), ST_OK);
	if (m.form == FORM_LARGE) {
		o->ids[o->count++] = m.id;
	}
}

static bool owned(const struct owners *o, uint64_t id)
{
	for (size_t i = 0; i < o->count; i++) {
		if (o->ids[i] == id) {
			return true;
		}
	}
	return false;
}

uint64_t temp_store_orphans(struct store *s)
{
	struct owners *o = calloc(1, sizeof *o);
	struct store_reader *r;
	struct store_cursor *c;
	struct slice key, value;
	uint64_t orphans = 0;
	enum status st;

	assert_int_equal(store_reader_open(s, &r), ST_OK);
	assert_int_equal(store_cursor_open(r, &c), ST_OK);
	st = store_cursor_seek(c, slice_of(NULL, 0), &key, &value);
	for (; st == ST_OK; st = store_cursor_next(c, &key, &value)) {
		if (store_key_slot(key) != o->slot) {
			o->slot = store_key_slot(key);
			o->count = 0;
		}
		if (store_key_space(key) == KEYSPACE_ELEM) {
			orphans += !owned(o, store_key_id(key));
		} else {
			add_owner(o, key, value);
		}
	}
	assert_int_equal(st, ST_NOT_FOUND);
	store_cursor_close(c);
	store_reader_close(r);
	free(o);
	return orphans;
}
