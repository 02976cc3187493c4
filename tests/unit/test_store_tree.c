/* Walking the store's trees without LMDB: over a file that LMDB wrote, every way of asking gives
 * what is there; over a damaged one, never anything else. */
#include "engine/store_tree.h"

#include "engine/base/bytes.h"
#include "engine/base/rng.h"
#include "engine/store_format.h"
#include "tests/support/temp_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEYS = 3000, COMMITS = 12, PAGE = 4096, MAP = 64 << 20, NAME_MAX = 300 };

/* A file's bytes, and which keys are in it. */
static struct {
	uint8_t *data;
	size_t len;
	bool there[KEYS];
	struct store_seen seen;
	struct store_tree keyspace;
} file;

/* Keys of both short and long names, so that there are three levels. */
static struct slice key_of(uint32_t n, uint8_t dst[NAME_MAX])
{
	size_t len = n % 3 == 0 ? 280 : 12;

	memset(dst, 'x', len);
	(void)snprintf((char *)dst, 8, "K%06u", n);
	dst[7] = 'x';
	return slice_of(dst, len);
}

static size_t value_len(uint32_t n)
{
	return n % 200 == 5 ? 9000 + n : n % 90;
}

static void write_some(struct temp_store *t, struct rng *rng)
{
	static uint8_t value[NAME_MAX * 60];
	uint8_t name[NAME_MAX];
	struct store_txn *txn;

	assert_int_equal(store_txn_begin(t->store, &txn), ST_OK);
	for (int i = 0; i < 700; i++) {
		uint32_t n = (uint32_t)rng_below(rng, KEYS);
		struct slice key = key_of(n, name);

		if (rng_below(rng, 4) == 0) {
			assert_int_equal(store_txn_del(txn, key), ST_OK);
			file.there[n] = false;
			continue;
		}
		memset(value, (int)('a' + n % 26), value_len(n));
		assert_int_equal(store_txn_put(txn, key, slice_of(value, value_len(n))), ST_OK);
		file.there[n] = true;
	}
	assert_int_equal(store_txn_commit(txn), ST_OK);
}

static void load(const char *path)
{
	const struct io *io = io_posix();
	struct io_file *f;
	uint64_t size;
	size_t got;

	assert_int_equal(io->ops->open(io->ctx, path, IO_READ, &f), ST_OK);
	assert_int_equal(io->ops->size(io->ctx, f, &size), ST_OK);
	file.len = (size_t)size;
	file.data = malloc(file.len); /* its end is its end: a step beyond is noticed */
	assert_int_equal(io->ops->pread(io->ctx, f, file.data, file.len, 0, &got), ST_OK);
	assert_int_equal(got, file.len);
	io->ops->close(io->ctx, f);
}

static void find_keyspace(void)
{
	const uint8_t *meta = file.data + 16;
	struct store_tree t = {.map = file.data, .page_size = PAGE, .seen = &file.seen};
	struct store_place at;
	struct slice key, value;
	bool exact, table;

	meta += bytes_get_u64le(meta + PAGE + 128) > bytes_get_u64le(meta + 128) ? PAGE : 0;
	t.pages = file.len / PAGE;
	assert_int_equal(store_tree_of(&t, slice_of(meta + 72, 48)), ST_OK);
	assert_int_equal(store_tree_seek(&t, slice_str("keyspace"), &at, &exact), ST_OK);
	assert_true(exact);
	assert_int_equal(store_tree_entry(&t, &at, &key, &value, &table), ST_OK);
	assert_true(table);
	file.keyspace = t;
	assert_int_equal(store_tree_of(&file.keyspace, value), ST_OK);
	assert_int_equal(file.keyspace.depth, 3);
}

static int setup(void **state)
{
	struct temp_store t;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 11);
	memset(&file, 0, sizeof file);
	temp_store_create(&t, MAP);
	for (int i = 0; i < COMMITS; i++) {
		write_some(&t, &rng);
	}
	temp_store_close(&t);
	load(t.path);
	temp_store_destroy(&t);
	find_keyspace();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(file.data);
	return 0;
}

static bool right_value(uint32_t n, struct slice key, struct slice stored)
{
	struct slice value;

	return store_sum_check(key, stored, &value) == ST_OK && value.len == value_len(n);
}

static void a_walk_gives_every_entry_in_order(void **state)
{
	struct store_place at;
	struct slice key, value;
	uint8_t name[NAME_MAX];
	uint32_t n = 0, back = KEYS;
	bool exact;
	enum status st = store_tree_seek(&file.keyspace, slice_of(NULL, 0), &at, &exact);

	(void)state;
	for (; st == ST_OK; st = store_tree_next(&file.keyspace, &at)) {
		while (!file.there[n]) {
			n++;
		}
		assert_int_equal(store_tree_entry(&file.keyspace, &at, &key, &value, NULL), ST_OK);
		assert_true(slice_eq(key, key_of(n, name)));
		assert_true(right_value(n, key, value));
		assert_int_equal(store_tree_check(&file.keyspace, &at), ST_OK);
		n++;
	}
	assert_int_equal(st, ST_NOT_FOUND);
	while (n < KEYS && !file.there[n]) {
		n++;
	}
	assert_int_equal(n, KEYS);
	assert_int_equal(store_tree_last(&file.keyspace, &at), ST_OK);
	while ((st = store_tree_prev(&file.keyspace, &at)) == ST_OK) {
		back--;
		while (!file.there[back]) {
			back--;
		}
		assert_int_equal(store_tree_entry(&file.keyspace, &at, &key, &value, NULL), ST_OK);
		assert_true(slice_eq(key, key_of(back, name)));
	}
	assert_int_equal(st, ST_NOT_FOUND);
	while (back > 0 && !file.there[back - 1]) {
		back--;
	}
	assert_int_equal(back, 0);
}

static void a_seek_finds_the_key_or_its_place(void **state)
{
	uint8_t name[NAME_MAX];

	(void)state;
	for (uint32_t n = 0; n < KEYS; n++) {
		struct slice want = key_of(n, name), key, value;
		uint8_t next_name[NAME_MAX];
		struct store_place at;
		uint32_t next = n;
		bool exact;

		assert_int_equal(store_tree_seek(&file.keyspace, want, &at, &exact), ST_OK);
		assert_int_equal(exact, file.there[n]);
		while (next < KEYS && !file.there[next]) {
			next++;
		}
		assert_int_equal(store_tree_settle(&file.keyspace, &at),
				 next < KEYS ? ST_OK : ST_NOT_FOUND);
		if (next < KEYS) {
			assert_int_equal(store_tree_entry(&file.keyspace, &at, &key, &value, NULL),
					 ST_OK);
			assert_true(slice_eq(key, key_of(next, next_name)));
		}
	}
}

static void an_empty_tree_has_nothing(void **state)
{
	struct store_tree t = file.keyspace;
	struct store_place at;
	uint8_t record[48] = {0};
	bool exact;

	(void)state;
	bytes_put_u64le(record + 40, UINT64_MAX);
	assert_int_equal(store_tree_of(&t, slice_of(record, sizeof record)), ST_OK);
	assert_int_equal(store_tree_seek(&t, slice_str("K"), &at, &exact), ST_NOT_FOUND);
	assert_int_equal(store_tree_last(&t, &at), ST_NOT_FOUND);
	record[6] = 1; /* a level without a page */
	assert_int_equal(store_tree_of(&t, slice_of(record, sizeof record)), ST_CORRUPT);
	assert_int_equal(store_tree_of(&t, slice_of(record, 47)), ST_CORRUPT);
	record[6] = 33;
	bytes_put_u64le(record + 40, 5);
	assert_int_equal(store_tree_of(&t, slice_of(record, sizeof record)), ST_CORRUPT);
}

/* What a reader makes of one key: found with a right value, damage, or missing after the pages on
 * the way were checked. */
static void ask(uint32_t n)
{
	uint8_t name[NAME_MAX];
	struct slice want = key_of(n, name), key, value;
	struct store_place at;
	bool exact;
	enum status st = store_tree_seek(&file.keyspace, want, &at, &exact);

	if (st == ST_OK && exact) {
		st = store_tree_entry(&file.keyspace, &at, &key, &value, NULL);
		if (st == ST_OK && store_sum_check(key, value, &value) == ST_OK) {
			assert_true(file.there[n] && value.len == value_len(n));
		}
	} else if (st == ST_OK) {
		/* A key in the page may be damaged so that it looks like another: its neighbours'
		 * checksums tell. Everything else the pages tell. */
		st = store_tree_check(&file.keyspace, &at);
		assert_true(st == ST_OK || st == ST_CORRUPT);
	} else {
		assert_int_equal(st, ST_CORRUPT);
	}
}

static void walk_both_ways(void)
{
	struct store_place at;
	struct slice key, value;
	bool exact;
	uint32_t steps = 0;
	enum status st = store_tree_seek(&file.keyspace, slice_of(NULL, 0), &at, &exact);

	if (st == ST_OK) {
		st = store_tree_check(&file.keyspace, &at);
	}
	while (st == ST_OK && steps++ <= KEYS) {
		st = store_tree_entry(&file.keyspace, &at, &key, &value, NULL);
		st = st == ST_OK ? store_tree_next(&file.keyspace, &at) : st;
	}
	assert_true(steps <= KEYS); /* no way leads round in a circle */
	st = store_tree_last(&file.keyspace, &at);
	for (steps = 0; st == ST_OK && steps++ <= KEYS;) {
		st = store_tree_prev(&file.keyspace, &at);
	}
	assert_true(steps <= KEYS);
}

static void no_damage_leads_astray(void **state)
{
	uint8_t *copy = malloc(file.len);
	struct rng rng;

	(void)state;
	memcpy(copy, file.data, file.len);
	rng_seed(&rng, 3);
	for (int n = 0; n < 1500; n++) {
		size_t page = 2 + rng_below(&rng, file.len / PAGE - 2);
		uint8_t *at = file.data + page * PAGE;

		if (n % 5 == 0) {
			memcpy(at, copy + (2 + rng_below(&rng, file.len / PAGE - 2)) * PAGE, PAGE);
		} else {
			at[rng_below(&rng, n % 2 == 0 ? 40 : PAGE)] ^=
			    (uint8_t)(1u << rng_below(&rng, 8));
		}
		memset(&file.seen, 0, sizeof file.seen);
		for (int k = 0; k < 60; k++) {
			ask((uint32_t)rng_below(&rng, KEYS));
		}
		walk_both_ways();
		memcpy(at, copy + page * PAGE, PAGE);
	}
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_walk_gives_every_entry_in_order),
	    cmocka_unit_test(a_seek_finds_the_key_or_its_place),
	    cmocka_unit_test(an_empty_tree_has_nothing),
	    cmocka_unit_test(no_damage_leads_astray),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
