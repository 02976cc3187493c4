/* Lookups ahead of time come across exactly the keys that are there, in trees of every depth, and
 * change nothing about what lookups find. */
#include "engine/base/rng.h"
#include "engine/store.h"
#include "tests/support/temp_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAP_SIZE = 256 << 20, KEY_MAX = 511 };

struct name {
	uint8_t bytes[KEY_MAX];
	size_t len;
};

/* Key number n: some share long prefixes, some are as long as keys can be, so that branches have
 * few and many nodes. */
static struct slice make_key(uint64_t n, struct name *out)
{
	size_t pad = n % 17 == 0 ? 480 : n % 5 == 0 ? 40 : 0;

	memset(out->bytes, 'p', pad);
	out->len = pad + (size_t)snprintf((char *)out->bytes + pad, KEY_MAX - pad, "%llu",
					  (unsigned long long)(n * 2654435761u % 1000003));
	return slice_of(out->bytes, out->len);
}

static size_t value_len(uint64_t n)
{
	return n % 50 == 0 ? 3000 : n % 90;
}

static void put_range(struct store *s, uint64_t from, uint64_t to)
{
	static const uint8_t value[3000];
	struct store_txn *t;

	assert_int_equal(store_txn_begin(s, &t), ST_OK);
	for (uint64_t n = from; n < to; n++) {
		struct name name;

		assert_int_equal(
		    store_txn_put(t, make_key(n, &name), slice_of(value, value_len(n))), ST_OK);
	}
	assert_int_equal(store_txn_commit(t), ST_OK);
}

struct batch {
	struct name names[STORE_AHEAD_MAX];
	struct slice keys[STORE_AHEAD_MAX], values[STORE_AHEAD_MAX];
	enum status found[STORE_AHEAD_MAX];
	uint64_t n[STORE_AHEAD_MAX];
	size_t count, there;
};

/* Random keys below limit, and what lookups find without a look ahead. */
static void pick(struct store_reader *r, struct rng *rng, uint64_t limit, struct batch *b)
{
	b->count = 1 + rng_below(rng, STORE_AHEAD_MAX);
	b->there = 0;
	assert_true(store_reader_ahead(r, b->keys, 0) == 0);
	for (size_t i = 0; i < b->count; i++) {
		b->n[i] = rng_below(rng, limit);
		b->keys[i] = make_key(b->n[i], &b->names[i]);
		b->values[i] = slice_of(NULL, 0);
		b->found[i] = store_get(r, b->keys[i], &b->values[i]);
		b->there += b->found[i] == ST_OK;
	}
}

/* Looks some or all of them up again, in order or not. */
static void look_up_again(struct store_reader *r, struct rng *rng, const struct batch *b)
{
	bool shuffled = rng_below(rng, 4) == 0;
	uint64_t skip = rng_below(rng, 8);

	for (size_t i = 0; i < b->count; i++) {
		size_t at = shuffled ? rng_below(rng, b->count) : i;
		struct slice value = slice_of(NULL, 0);
		enum status st;

		if (rng_below(rng, 8) < skip) {
			continue;
		}
		st = store_get(r, b->keys[at], &value);
		if (b->found[at] == ST_CORRUPT && st == ST_OK) {
			/* The other way down did not meet the damage. */
			assert_int_equal(value.len, value_len(b->n[at]));
			continue;
		}
		assert_int_equal(st, b->found[at]);
		assert_ptr_equal(value.data, b->values[at].data);
		assert_int_equal(value.len, b->values[at].len);
	}
}

/* Asks for batches of keys below limit, and compares with what lookups find. */
static void compare(struct store_reader *r, struct rng *rng, uint64_t limit)
{
	for (int round = 0; round < 50; round++) {
		struct batch b;

		pick(r, rng, limit, &b);
		assert_int_equal(store_reader_ahead(r, b.keys, b.count), b.there);
		look_up_again(r, rng, &b);
	}
}

/* What was come across in one snapshot is not given in the next. */
static void what_it_came_across_ends_with_the_snapshot(void **state)
{
	struct temp_store t;
	struct store_reader *r;
	struct store_txn *txn;
	struct name name;
	struct slice key = make_key(7, &name), value;

	(void)state;
	temp_store_create(&t, MAP_SIZE);
	put_range(t.store, 0, 300);
	assert_int_equal(store_reader_open(t.store, &r), ST_OK);
	assert_int_equal(store_reader_ahead(r, &key, 1), 1);
	assert_int_equal(store_txn_begin(t.store, &txn), ST_OK);
	assert_int_equal(store_txn_put(txn, key, slice_str("new")), ST_OK);
	assert_int_equal(store_txn_commit(txn), ST_OK);
	assert_int_equal(store_reader_renew(r), ST_OK);
	assert_int_equal(store_get(r, key, &value), ST_OK);
	assert_true(slice_eq(value, slice_str("new")));
	assert_int_equal(store_reader_ahead(r, &key, 1), 1);
	store_reader_reset(r);
	assert_int_equal(store_get(r, key, &value), ST_INVALID);
	store_reader_close(r);
	temp_store_destroy(&t);
}

static void it_comes_across_the_keys_that_are_there(void **state)
{
	static const uint64_t sizes[] = {0, 1, 10, 300, 5000, 60000};
	struct temp_store t;
	struct store_reader *r;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 21);
	temp_store_create(&t, MAP_SIZE);
	assert_int_equal(store_reader_open(t.store, &r), ST_OK);
	for (size_t i = 1; i < sizeof sizes / sizeof sizes[0]; i++) {
		put_range(t.store, sizes[i - 1], sizes[i]);
		/* The old snapshot first, then the new one. */
		compare(r, &rng, sizes[i] * 2);
		assert_int_equal(store_reader_renew(r), ST_OK);
		compare(r, &rng, sizes[i] * 2);
	}
	store_reader_close(r);
	temp_store_destroy(&t);
}

enum { NEIGHBOURS = 5000 };

/* A key as elements of a list have them: one behind the other. Every seventh is missing. */
static struct slice make_neighbour(uint64_t n, struct name *out)
{
	memset(out->bytes, 'e', 11);
	for (int i = 0; i < 8; i++) {
		out->bytes[11 + i] = (uint8_t)(n >> (56 - 8 * i));
	}
	out->len = 19;
	return slice_of(out->bytes, out->len);
}

/* Ways up and down among neighbours, with leaps, and what lookups find without a look ahead. */
static void pick_neighbours(struct store_reader *r, struct rng *rng, struct batch *b)
{
	uint64_t n = rng_below(rng, NEIGHBOURS);
	int64_t step = (int64_t)rng_below(rng, 7) - 3;

	b->count = 1 + rng_below(rng, STORE_AHEAD_MAX);
	b->there = 0;
	assert_true(store_reader_ahead(r, b->keys, 0) == 0);
	for (size_t i = 0; i < b->count; i++) {
		n = rng_below(rng, 20) == 0 ? rng_below(rng, NEIGHBOURS) : n + (uint64_t)step;
		b->n[i] = n;
		b->keys[i] = make_neighbour(n, &b->names[i]);
		b->values[i] = slice_of(NULL, 0);
		b->found[i] = store_get(r, b->keys[i], &b->values[i]);
		b->there += b->found[i] == ST_OK;
	}
}

static void among_neighbours_it_comes_across_those_that_are_there(void **state)
{
	struct temp_store t;
	struct store_reader *r;
	struct store_txn *txn;
	struct rng rng;
	size_t there = 0, missing = 0;

	(void)state;
	rng_seed(&rng, 24);
	temp_store_create(&t, MAP_SIZE);
	put_range(t.store, 0, 5000);
	assert_int_equal(store_txn_begin(t.store, &txn), ST_OK);
	for (uint64_t n = 0; n < NEIGHBOURS; n++) {
		uint8_t value[64] = {0};
		struct name name;

		if (n % 7 != 0) {
			assert_int_equal(store_txn_put(txn, make_neighbour(n, &name),
						       slice_of(value, n % sizeof value)),
					 ST_OK);
		}
	}
	assert_int_equal(store_txn_commit(txn), ST_OK);
	assert_int_equal(store_reader_open(t.store, &r), ST_OK);
	for (int round = 0; round < 500; round++) {
		struct batch b;

		pick_neighbours(r, &rng, &b);
		assert_int_equal(store_reader_ahead(r, b.keys, b.count), b.there);
		there += b.there;
		missing += b.count - b.there;
		look_up_again(r, &rng, &b);
	}
	assert_true(there > 1000 && missing > 1000);
	store_reader_close(r);
	temp_store_destroy(&t);
}

static int by_bytes(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Of keys in order each leaf counts once. */
static void in_order_it_goes_to_each_leaf_once(void **state)
{
	struct temp_store t;
	struct store_reader *r;
	struct store_info info;
	struct batch b;
	struct rng rng;
	size_t sparse = 0, dense = 0;

	(void)state;
	rng_seed(&rng, 23);
	temp_store_create(&t, MAP_SIZE);
	assert_int_equal(store_reader_open(t.store, &r), ST_OK);
	pick(r, &rng, 20000, &b);
	assert_int_equal(store_reader_ahead_sorted(r, b.keys, b.count), 0); /* an empty tree */
	put_range(t.store, 0, 20000);
	assert_int_equal(store_info(t.store, &info), ST_OK);
	assert_true(info.depth > 2);
	assert_int_equal(store_reader_renew(r), ST_OK);
	for (int round = 0; round < 200; round++) {
		struct slice prefix[STORE_AHEAD_MAX];
		size_t leaves;

		pick(r, &rng, 20000, &b);
		memcpy(prefix, b.keys, sizeof prefix);
		qsort(prefix, b.count, sizeof *prefix, by_bytes);
		leaves = store_reader_ahead_sorted(r, prefix, b.count);
		assert_in_range(leaves, 1, b.count);
		sparse += leaves * 2 > b.count;
		look_up_again(r, &rng, &b);
		/* One key many times. */
		for (size_t i = 1; i < b.count; i++) {
			prefix[i] = prefix[0];
		}
		dense += store_reader_ahead_sorted(r, prefix, b.count) == 1;
	}
	assert_true(sparse > 100);
	assert_int_equal(dense, 200);
	store_reader_close(r);
	temp_store_destroy(&t);
}

static void without_a_snapshot_it_does_nothing(void **state)
{
	struct temp_store t;
	struct store_reader *r;
	struct name name;
	struct slice key = make_key(1, &name);

	(void)state;
	temp_store_create(&t, MAP_SIZE);
	put_range(t.store, 0, 100);
	assert_int_equal(store_reader_open(t.store, &r), ST_OK);
	assert_int_equal(store_reader_ahead(r, &key, 1), 1);
	store_reader_reset(r);
	assert_int_equal(store_reader_ahead(r, &key, 1), 0);
	assert_int_equal(store_reader_ahead_sorted(r, &key, 1), 0);
	assert_int_equal(store_reader_renew(r), ST_OK);
	assert_int_equal(store_reader_ahead(r, &key, 1), 1);
	store_reader_close(r);
	temp_store_destroy(&t);
}

/* Whatever a page holds, the walk ends, stays in the file, and makes no lookup find what is not
 * there. */
static void damaged_pages_lead_nowhere(void **state)
{
	struct temp_store t;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 22);
	temp_store_create(&t, MAP_SIZE);
	put_range(t.store, 0, 20000);
	for (int round = 0; round < 30; round++) {
		struct store_reader *r;
		FILE *f;
		long pages;

		/* The meta pages and the tables' roots stay whole, or it would not open. */
		temp_store_close(&t);
		f = fopen(t.path, "r+b");
		assert_non_null(f);
		assert_int_equal(fseek(f, 0, SEEK_END), 0);
		pages = ftell(f) / 4096;
		for (int n = 0; n < 40; n++) {
			long page = 8 + (long)rng_below(&rng, (uint64_t)pages - 8);
			uint8_t junk[64];

			for (size_t i = 0; i < sizeof junk; i++) {
				junk[i] = (uint8_t)rng_next(&rng);
			}
			assert_int_equal(
			    fseek(f, page * 4096 + 10 + (long)rng_below(&rng, 200), SEEK_SET), 0);
			assert_int_equal(fwrite(junk, 1, sizeof junk, f), sizeof junk);
		}
		assert_int_equal(fclose(f), 0);
		{
			struct buf error = {0};

			if (temp_store_try(&t, MAP_SIZE, false, &error) != ST_OK) {
				buf_deinit(&error);
				break; /* it hit what opening needs: enough was seen */
			}
			buf_deinit(&error);
		}
		if (store_reader_open(t.store, &r) == ST_OK) {
			for (int batch = 0; batch < 200; batch++) {
				struct batch b;

				pick(r, &rng, 20000, &b);
				assert_true(store_reader_ahead(r, b.keys, b.count) <= b.count);
				look_up_again(r, &rng, &b);
				/* In order many are near each other. */
				pick(r, &rng, 20000, &b);
				qsort(b.keys, b.count, sizeof *b.keys, by_bytes);
				assert_true(store_reader_ahead(r, b.keys, b.count) <= b.count);
				assert_true(store_reader_ahead_sorted(r, b.keys, b.count) <=
					    b.count);
			}
			store_reader_close(r);
		}
	}
	temp_store_destroy(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_comes_across_the_keys_that_are_there),
	    cmocka_unit_test(among_neighbours_it_comes_across_those_that_are_there),
	    cmocka_unit_test(what_it_came_across_ends_with_the_snapshot),
	    cmocka_unit_test(in_order_it_goes_to_each_leaf_once),
	    cmocka_unit_test(without_a_snapshot_it_does_nothing),
	    cmocka_unit_test(damaged_pages_lead_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
