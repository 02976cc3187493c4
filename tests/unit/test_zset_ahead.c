/* Looking ahead in sorted sets: each way goes to the leaf where the command will go, from the
 * memtable and from the store, and nothing is said by it. */
#include "engine/types/zset_ahead.h"

#include "engine/base/rng.h"
#include "engine/types/type_zset.h"
#include "tests/support/engine_box.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MEMBERS = 20000, MEMBER_MAX = 300, BATCH = 40 };

static const struct zset_limits limits = {.entries = 128, .value = 64};

static int setup(void **state)
{
	struct engine_box *b = calloc(1, sizeof *b);

	engine_box_open(b, 5);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	engine_box_close(*state);
	free(*state);
	return 0;
}

/* Some are longer than an item holds; beginnings repeat. */
static struct slice member_of(uint32_t n, uint8_t dst[MEMBER_MAX])
{
	size_t fill = n % 13 == 0 ? 200 : 0;

	memset(dst, 'm', fill);
	return slice_of(dst, fill + (size_t)snprintf((char *)dst + fill, 16, "%u", n * 7919));
}

/* Many members share a score. */
static double score_of(uint32_t n)
{
	return n % 5 == 0 ? 1000 : n;
}

static void open_set(struct engine_box *b, struct store_key *key, struct meta *m)
{
	store_key_of_key(key, slice_str("set"));
	engine_box_begin(b);
	assert_int_equal(ks_lookup(b->e, key, m), ST_OK);
}

static void make_set(struct engine_box *b, uint32_t members)
{
	struct store_key key;
	struct zset_edit ed;

	store_key_of_key(&key, slice_str("set"));
	engine_box_begin(b);
	assert_int_equal(zset_edit_begin(&ed, b->e, &key, NULL, &limits), ST_OK);
	for (uint32_t n = 0; n < members; n++) {
		uint8_t bytes[MEMBER_MAX];

		assert_int_equal(zset_edit_set(&ed, member_of(n, bytes), NULL, score_of(n)), ST_OK);
	}
	assert_int_equal(zset_edit_end(&ed), ST_OK);
	engine_box_commit(b);
}

struct request {
	uint8_t bytes[MEMBER_MAX];
	struct slice member;
};

/* Notes a request; true: as one about an element of a large collection. */
static bool note(struct engine_box *b, struct zset_ahead *z, struct request *r, uint32_t n,
		 enum zset_ahead_kind kind, double score)
{
	struct slice elements[2];
	int element;

	r->member = member_of(n, r->bytes);
	elements[0] = r->member;
	elements[1] = slice_of(NULL, 0);
	element = ahead_add_element(b->e, slice_str("set"), elements, true);
	if (element >= 0) {
		zset_ahead_add(z, b->e, element, r->member, kind, score);
	}
	return element >= 0;
}

static size_t fetch(struct engine_box *b, struct zset_ahead *z)
{
	(void)ahead_fetch(b->e);
	return zset_ahead_fetch(z, b->e);
}

/* The leaf where an element is, or would be. */
static uint64_t leaf_of(struct engine_box *b, struct slice member, double score)
{
	struct zset_bound bound = {.kind = ZSET_BOUND_ITEM, .score = score, .member = member};
	struct store_key key;
	struct meta m;
	struct zset_tree tree = {.e = b->e, .m = &m};
	struct zset_path path;
	struct zset_view leaf;

	open_set(b, &key, &m);
	tree.slot = key.slot;
	assert_int_equal(zset_tree_find(&tree, &bound, false, &path, &leaf), ST_OK);
	engine_box_commit(b);
	return path.at[0].number;
}

/* One batch of requests about members below limit: how many ways went down. The last is checked
 * where none is missing: a memtable may seem to have a key that it has not, and the store is not
 * asked then. */
static size_t batch(struct engine_box *b, struct zset_ahead *z, struct rng *rng,
		    enum zset_ahead_kind kind, uint32_t limit, int *checked)
{
	static struct request requests[BATCH + 1];
	double score = kind == ZSET_AHEAD_FIND ? 0 : (double)rng_below(rng, MEMBERS) - 0.5;
	uint32_t n = 0;
	size_t ways;

	for (size_t i = 0; i <= BATCH; i++) {
		n = (uint32_t)rng_below(rng, limit);
		assert_int_equal(note(b, z, &requests[i], n, kind, score), i > 0);
	}
	ways = fetch(b, z);
	if (limit == MEMBERS && ways == (kind == ZSET_AHEAD_FIND ? BATCH : 2 * BATCH)) {
		double there = score_of(n);

		(*checked)++;
		if (kind == ZSET_AHEAD_FIND) {
			score = there;
		} else if (kind == ZSET_AHEAD_ADD) {
			score += there;
		}
		/* Of long members the first bytes alone decide here. */
		if (n % 13 != 0) {
			assert_int_equal(z->last_leaf,
					 leaf_of(b, member_of(n, requests[0].bytes), score));
		}
	}
	return ways;
}

static void compare_all(struct engine_box *b, struct zset_ahead *z, struct rng *rng)
{
	enum { ROUNDS = 50, MISSED_MAX = 5 };
	int checked = 0;

	for (int round = 0; round < ROUNDS; round++) {
		size_t ways = batch(b, z, rng, ZSET_AHEAD_FIND, MEMBERS, &checked);

		assert_in_range(ways, BATCH - MISSED_MAX, BATCH);
		ways = batch(b, z, rng, ZSET_AHEAD_SET, MEMBERS, &checked);
		assert_in_range(ways, 2 * BATCH - MISSED_MAX, 2 * BATCH);
		ways = batch(b, z, rng, ZSET_AHEAD_ADD, MEMBERS, &checked);
		assert_in_range(ways, 2 * BATCH - MISSED_MAX, 2 * BATCH);
		/* Of members that are not there nothing but the place they will get. */
		ways = batch(b, z, rng, ZSET_AHEAD_FIND, 2 * MEMBERS, &checked);
		assert_in_range(ways, 1, BATCH - 1);
		ways = batch(b, z, rng, ZSET_AHEAD_SET, 2 * MEMBERS, &checked);
		assert_in_range(ways, BATCH + 1, 2 * BATCH - 1);
	}
	assert_true(checked > ROUNDS);
}

static void ways_go_where_the_commands_will(void **state)
{
	struct engine_box *b = *state;
	struct zset_ahead z = {0};
	struct rng rng;

	rng_seed(&rng, 31);
	make_set(b, MEMBERS);
	compare_all(b, &z, &rng); /* all in the memtable */
	engine_box_checkpoint(b);
	compare_all(b, &z, &rng);
	engine_box_restart(b);
	compare_all(b, &z, &rng); /* all in the store */
	for (uint32_t n = 0; n < MEMBERS; n += 50) {
		uint8_t bytes[MEMBER_MAX];
		struct zset_edit ed;
		struct store_key key;
		struct meta m;
		double now = score_of(n);

		open_set(b, &key, &m);
		assert_int_equal(zset_edit_begin(&ed, b->e, &key, &m, &limits), ST_OK);
		assert_int_equal(zset_edit_set(&ed, member_of(n, bytes), &now, now + 0.25), ST_OK);
		assert_int_equal(
		    zset_edit_set(&ed, member_of(n, bytes), &(double){now + 0.25}, now), ST_OK);
		assert_int_equal(zset_edit_end(&ed), ST_OK);
		engine_box_commit(b);
	}
	compare_all(b, &z, &rng); /* some here, some there */
}

static void nothing_is_said_by_it(void **state)
{
	struct engine_box *b = *state;
	struct zset_ahead z = {0};
	struct request r[2];

	make_set(b, 1000);
	assert_false(note(b, &z, &r[0], 1, ZSET_AHEAD_FIND, 0));
	assert_true(note(b, &z, &r[0], 1, ZSET_AHEAD_SET, 2));
	assert_true(note(b, &z, &r[1], 2, ZSET_AHEAD_SET, INFINITY));
	engine_box_begin(b);
	assert_int_equal(fetch(b, &z), 4);
	assert_int_equal(engine_seen_lsn(b->e), 0);
	engine_box_commit(b);
	assert_int_equal(fetch(b, &z), 0); /* they are forgotten */
}

static void one_way_alone_and_scores_that_are_none_are_left_out(void **state)
{
	struct engine_box *b = *state;
	struct zset_ahead z = {0};
	struct request r[3];

	make_set(b, 1000);
	assert_false(note(b, &z, &r[0], 1, ZSET_AHEAD_FIND, 0));
	assert_true(note(b, &z, &r[0], 1, ZSET_AHEAD_FIND, 0));
	assert_int_equal(fetch(b, &z), 0);
	assert_false(note(b, &z, &r[0], 1, ZSET_AHEAD_FIND, 0));
	assert_true(note(b, &z, &r[0], 1, ZSET_AHEAD_SET, NAN));
	assert_true(note(b, &z, &r[1], 2, ZSET_AHEAD_ADD, NAN));
	assert_int_equal(fetch(b, &z), 2); /* to where they are now */
}

static void small_sets_and_flushed_ones_have_no_tree(void **state)
{
	struct engine_box *b = *state;
	struct zset_ahead z = {0};
	struct request r[3];

	make_set(b, 5);
	for (int i = 0; i < 3; i++) {
		assert_false(note(b, &z, &r[i], 1, ZSET_AHEAD_FIND, 0));
	}
	assert_int_equal(fetch(b, &z), 0);
	make_set(b, 1000);
	engine_box_checkpoint(b);
	assert_false(note(b, &z, &r[0], 1, ZSET_AHEAD_FIND, 0));
	assert_true(note(b, &z, &r[0], 1, ZSET_AHEAD_FIND, 0));
	engine_box_begin(b);
	assert_int_equal(ks_flush(b->e), ST_OK);
	engine_box_commit(b);
	for (int i = 0; i < 3; i++) {
		(void)note(b, &z, &r[i], 1, ZSET_AHEAD_SET, 5);
	}
	assert_int_equal(fetch(b, &z), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    TEST(ways_go_where_the_commands_will),
	    TEST(nothing_is_said_by_it),
	    TEST(one_way_alone_and_scores_that_are_none_are_left_out),
	    TEST(small_sets_and_flushed_ones_have_no_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
