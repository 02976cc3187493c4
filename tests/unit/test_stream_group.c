/* Consumer groups against a plain model: who has what pending, under deliveries, acknowledgements,
 * changes of owner and removals, with checkpoints and restarts between them. */
#include "engine/types/stream_group.h"

#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { IDS = 200, CONSUMERS = 4, STEPS = 1200 };

struct fixture {
	struct engine_box box;
	struct store_key key;
	int owner[IDS]; /* consumer, -1: not pending */
	uint64_t deliveries[IDS];
	bool there[CONSUMERS];
};

static const char *const names[CONSUMERS] = {"b", "a", "", "c"};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	assert_non_null(f);
	engine_box_open(&f->box, 17);
	store_key_of_key(&f->key, slice_str("stream"));
	for (int i = 0; i < IDS; i++) {
		f->owner[i] = -1;
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	engine_box_close(&f->box);
	free(f);
	return 0;
}

static struct stream_id id_of(int i)
{
	return (struct stream_id){(uint64_t)i / 3 + 1, (uint64_t)i % 3};
}

/* Opens the stream and its group, which are made at the first call. */
static void begin(struct fixture *f, struct stream *s, struct stream_group *g)
{
	struct meta m;
	enum status st;

	engine_box_begin(&f->box);
	st = ks_lookup(f->box.e, &f->key, &m);
	assert_int_equal(stream_open(s, f->box.e, &f->key, st == ST_OK ? &m : NULL), ST_OK);
	st = stream_group_get(s, slice_str("group"), g);
	if (st == ST_NOT_FOUND) {
		st = stream_group_create(s, slice_str("group"), STREAM_ID_MIN, 0, g);
	}
	assert_int_equal(st, ST_OK);
}

static void end(struct fixture *f, struct stream *s, struct stream_group *g)
{
	assert_int_equal(stream_group_put(s, g), ST_OK);
	assert_int_equal(stream_save(s), ST_OK);
	engine_box_commit(&f->box);
}

static void consumer(struct fixture *f, struct stream *s, struct stream_group *g, int n,
		     struct stream_consumer *c)
{
	struct slice name = slice_str(names[n]);
	enum status st = stream_consumer_get(s, g, name, c);

	assert_int_equal(st, f->there[n] ? ST_OK : ST_NOT_FOUND);
	if (st == ST_NOT_FOUND) {
		assert_int_equal(stream_consumer_create(s, g, name, 5, c), ST_OK);
		f->there[n] = true;
	}
}

/* Some entries go to a consumer, whoever had them. */
static void give(struct fixture *f, struct stream *s, struct stream_group *g)
{
	int n = (int)rng_below(&f->box.rng, CONSUMERS);
	struct stream_consumer c;

	consumer(f, s, g, n, &c);
	for (uint64_t k = 1 + rng_below(&f->box.rng, 5); k > 0; k--) {
		int i = (int)rng_below(&f->box.rng, IDS);
		struct stream_pending p = {.id = id_of(i), .consumer = c.number, .deliveries = 1};
		struct stream_pending old;
		enum status st = stream_pending_get(s, g, p.id, &old);

		assert_int_equal(st, f->owner[i] >= 0 ? ST_OK : ST_NOT_FOUND);
		p.deliveries = st == ST_OK ? old.deliveries + 1 : 1;
		assert_int_equal(stream_pending_put(s, g, &c, st == ST_OK ? &old : NULL, &p),
				 ST_OK);
		f->owner[i] = n;
		f->deliveries[i] = p.deliveries;
	}
	assert_int_equal(stream_consumer_put(s, g, &c), ST_OK);
}

/* The oldest, or any. */
static void acknowledge(struct fixture *f, struct stream *s, struct stream_group *g)
{
	bool oldest = rng_below(&f->box.rng, 2) == 0;
	int i = oldest ? 0 : (int)rng_below(&f->box.rng, IDS);
	struct stream_pending p;

	while (oldest && i < IDS && f->owner[i] < 0) {
		i++;
	}
	if (i == IDS || f->owner[i] < 0) {
		return;
	}
	assert_int_equal(stream_pending_get(s, g, id_of(i), &p), ST_OK);
	assert_int_equal(stream_pending_delete(s, g, &p), ST_OK);
	f->owner[i] = -1;
}

static void remove_consumer(struct fixture *f, struct stream *s, struct stream_group *g)
{
	int n = (int)rng_below(&f->box.rng, CONSUMERS);
	struct stream_consumer c;

	if (!f->there[n]) {
		return;
	}
	consumer(f, s, g, n, &c);
	assert_int_equal(stream_consumer_delete(s, g, &c), ST_OK);
	f->there[n] = false;
	for (int i = 0; i < IDS; i++) {
		f->owner[i] = f->owner[i] == n ? -1 : f->owner[i];
	}
}

/* The pending entries of consumer n (-1: all) from a random ID on. */
static void compare_pending(struct fixture *f, const struct stream *s, const struct stream_group *g,
			    int n, uint64_t number)
{
	int i = (int)rng_below(&f->box.rng, IDS) / 2;
	struct stream_pending_iter it;
	struct stream_pending p;
	enum status st;

	assert_int_equal(stream_pending_open(s, g, number, id_of(i), &it), ST_OK);
	while ((st = stream_pending_next(&it, &p)) == ST_OK) {
		while (i < IDS && (f->owner[i] < 0 || (n >= 0 && f->owner[i] != n))) {
			i++;
		}
		assert_true(i < IDS);
		assert_int_equal(stream_id_compare(p.id, id_of(i)), 0);
		assert_int_equal(p.deliveries, f->deliveries[i]);
		i++;
	}
	stream_pending_close(&it);
	assert_int_equal(st, ST_END);
	for (; i < IDS; i++) {
		assert_true(f->owner[i] < 0 || (n >= 0 && f->owner[i] != n));
	}
}

static void compare(struct fixture *f)
{
	struct stream s;
	struct stream_group g;
	struct stream_consumer c;
	struct ks_iter it;
	uint64_t number, pending = 0, consumers = 0;
	char seen[CONSUMERS * 2 + 1] = "";

	begin(f, &s, &g);
	for (int i = 0; i < IDS; i++) {
		pending += f->owner[i] >= 0;
	}
	assert_int_equal(g.pending, pending);
	compare_pending(f, &s, &g, -1, 0);
	assert_int_equal(stream_consumers_open(&s, &g, &it), ST_OK);
	while (stream_consumers_next(&it, &g, &number) == ST_OK) {
		assert_int_equal(stream_consumer_of(&s, &g, number, &c), ST_OK);
		(void)snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%.*s",
			       (int)c.name.len, (const char *)c.name.data);
		consumers++;
	}
	ks_iter_close(&it);
	assert_int_equal(g.consumers, consumers);
	for (size_t i = 1; seen[0] != 0 && seen[i] != 0; i++) {
		assert_true(seen[i - 1] < seen[i]); /* by name */
	}
	for (int n = 0; n < CONSUMERS; n++) {
		uint64_t own = 0;

		if (!f->there[n]) {
			continue;
		}
		for (int i = 0; i < IDS; i++) {
			own += f->owner[i] == n;
		}
		consumer(f, &s, &g, n, &c);
		assert_int_equal(c.pending, own);
		compare_pending(f, &s, &g, n, c.number);
	}
	engine_box_rollback(&f->box);
}

static void random_operations_agree_with_a_model(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < STEPS; i++) {
		uint64_t what = rng_below(&f->box.rng, 20);
		struct stream s;
		struct stream_group g;

		begin(f, &s, &g);
		if (what == 0) {
			remove_consumer(f, &s, &g);
		} else if (what < 10) {
			acknowledge(f, &s, &g);
		} else {
			give(f, &s, &g);
		}
		end(f, &s, &g);
		if (i % 5 == 0) {
			compare(f);
		}
		engine_box_live(&f->box);
	}
	engine_box_restart(&f->box);
	compare(f);
}

/* Everything that a removed group had is gone, and its neighbour has all it had. */
static void a_removed_group_leaves_nothing_behind(void **state)
{
	struct fixture *f = *state;
	struct stream s;
	struct stream_group g, other;
	struct stream_consumer c;
	struct ks_iter it;
	struct slice subkey, value;
	uint64_t left = 0;

	begin(f, &s, &g);
	assert_int_equal(stream_group_create(&s, slice_str("other"), STREAM_ID_MIN, 0, &other),
			 ST_OK);
	for (int n = 0; n < 2; n++) {
		struct stream_group *of = n == 0 ? &g : &other;

		assert_int_equal(stream_consumer_create(&s, of, slice_str("c"), 1, &c), ST_OK);
		for (int i = 0; i < 150; i++) {
			struct stream_pending p = {.id = id_of(i), .consumer = c.number};

			assert_int_equal(stream_pending_put(&s, of, &c, NULL, &p), ST_OK);
		}
		assert_int_equal(stream_consumer_put(&s, of, &c), ST_OK);
		assert_int_equal(stream_group_put(&s, of), ST_OK);
	}
	assert_int_equal(stream_save(&s), ST_OK);
	engine_box_commit(&f->box);
	engine_box_checkpoint(&f->box);
	begin(f, &s, &g);
	assert_int_equal(stream_group_destroy(&s, &g), ST_OK);
	assert_int_equal(stream_group_get(&s, slice_str("group"), &g), ST_NOT_FOUND);
	assert_int_equal(stream_save(&s), ST_OK);
	assert_int_equal(
	    ks_elems_open(f->box.e, f->key.slot, s.meta.id, slice_of(NULL, 0), false, &it), ST_OK);
	while (ks_elems_next(&it, &subkey, &value) == ST_OK) {
		left++;
	}
	ks_iter_close(&it);
	assert_int_equal(left, 150 * 2 + 2 + 1 + 1); /* pending, consumer, group, extra */
	engine_box_commit(&f->box);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(random_operations_agree_with_a_model),
	    TEST(a_removed_group_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
