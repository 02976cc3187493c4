/* Exact numbers of keys although blind writes do not look: after every step, once resolved, the
 * counters say what a plain array says. */
#include "engine/keyspace.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { KEYS_MAX = 30, ROUNDS = 1200 };

struct fixture {
	struct engine_box box;
	bool there[KEYS_MAX], expires[KEYS_MAX];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	engine_box_open(&f->box, 31);
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

static void key_of(struct store_key *key, uint32_t n, char name[16])
{
	(void)snprintf(name, 16, "{s%u}%u", n % 3, n);
	store_key_of_key(key, slice_str(name));
}

static void change(struct fixture *f)
{
	struct engine_box *b = &f->box;
	uint32_t n = (uint32_t)rng_below(&b->rng, KEYS_MAX);
	uint64_t dice = rng_below(&b->rng, 10);
	struct meta m = {.type = TYPE_STRING}, old;
	struct slice value = slice_str("value");
	struct store_key key;
	char name[16];
	bool expires = rng_below(&b->rng, 3) == 0;

	key_of(&key, n, name);
	m.expire_at_ms = expires ? b->now_ms + 3600000 : 0;
	if (dice < 6) {
		assert_int_equal(ks_put_blind(b->e, &key, &m, &value, 1), ST_OK);
		f->there[n] = true;
		f->expires[n] = expires;
		return;
	}
	assert_int_equal(ks_lookup(b->e, &key, &old), f->there[n] ? ST_OK : ST_NOT_FOUND);
	if (dice < 8) {
		assert_int_equal(ks_put(b->e, &key, f->there[n] ? &old : NULL, &m, &value, 1),
				 ST_OK);
		f->there[n] = true;
		f->expires[n] = expires;
	} else if (f->there[n]) {
		assert_int_equal(ks_delete(b->e, &key, &old), ST_OK);
		f->there[n] = f->expires[n] = false;
	}
}

/* Counted, and never too few before everything is resolved. */
static void check(struct fixture *f)
{
	struct engine_box *b = &f->box;
	uint64_t keys = 0, expires = 0, slots[3] = {0};

	for (uint32_t n = 0; n < KEYS_MAX; n++) {
		keys += f->there[n];
		expires += f->expires[n];
		slots[n % 3] += f->there[n];
	}
	assert_true(engine_keys(b->e) >= keys);
	while (engine_count_resolve(b->e, 4) > 0) {
		(void)engine_turn_end(b->e);
		(void)usleep(100);
	}
	assert_int_equal(engine_keys(b->e), keys);
	assert_int_equal(engine_expires(b->e), expires);
	for (uint32_t s = 0; s < 3; s++) {
		char name[16];
		struct store_key key;

		key_of(&key, s, name);
		assert_int_equal(engine_slot_keys(b->e, key.slot), slots[s]);
	}
}

static void put_blind(struct engine_box *b, uint32_t count, uint32_t step)
{
	struct meta m = {.type = TYPE_STRING};
	struct slice value = slice_str("value");
	struct store_key key;
	char name[16];

	for (uint32_t n = 0; n < count; n += step) {
		key_of(&key, n, name);
		assert_int_equal(ks_put_blind(b->e, &key, &m, &value, 1), ST_OK);
	}
}

static void counters_agree_with_the_keys_whatever_was_written_blindly(void **state)
{
	struct fixture *f = *state, before;
	struct engine_box *b = &f->box;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t fate = rng_below(&b->rng, 20);

		engine_box_begin(b);
		before = *f;
		for (uint64_t n = rng_below(&b->rng, 8); n > 0; n--) {
			change(f);
		}
		if (fate == 0) {
			engine_box_rollback(b);
			memcpy(f->there, before.there, sizeof f->there);
			memcpy(f->expires, before.expires, sizeof f->expires);
		} else {
			if (fate == 1) {
				assert_int_equal(ks_flush(b->e), ST_OK);
				memset(f->there, 0, sizeof f->there);
				memset(f->expires, 0, sizeof f->expires);
				change(f);
			}
			engine_box_commit(b);
		}
		engine_box_live(b);
		if (round % 10 == 0) {
			check(f);
		}
	}
	engine_box_checkpoint(b);
	check(f);
	engine_box_restart(b);
	check(f);
}

/* Every second key is in the store when all are written blindly; whatever part of them the
 * checkpoint has moved by then, the count is exact without waiting for its end. */
static void blind_writes_are_counted_while_the_checkpoint_moves_them(void **state)
{
	enum { MANY = 20000 };
	struct fixture *f = *state;
	struct engine_box *b = &f->box;
	struct engine_stats stats;
	int amid = 0;

	b->memtable_max = 128 << 10; /* so are the checkpoint's transactions */
	engine_box_restart(b);
	for (int round = 0; round < 4; round++) {
		engine_box_begin(b);
		assert_int_equal(ks_flush(b->e), ST_OK);
		put_blind(b, MANY, 2);
		engine_box_commit(b);
		engine_box_checkpoint(b);
		engine_box_begin(b);
		put_blind(b, MANY, 1);
		engine_box_commit(b);
		(void)engine_turn_end(b->e);
		for (int i = 0; i < round; i++) {
			(void)usleep(5000);
			(void)engine_turn_end(b->e);
		}
		while (engine_count_resolve(b->e, 1000) > 0) {
			(void)engine_turn_end(b->e);
		}
		engine_stats(b->e, &stats);
		amid += stats.checkpoint_running;
		assert_int_equal(engine_keys(b->e), MANY);
		engine_box_checkpoint(b);
		assert_int_equal(engine_keys(b->e), MANY);
	}
	print_message("%d of 4 counted amid a checkpoint\n", amid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		counters_agree_with_the_keys_whatever_was_written_blindly, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		blind_writes_are_counted_while_the_checkpoint_moves_them, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
