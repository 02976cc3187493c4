/* Looking ahead: which keys are looked for in the store, and that nothing is said by it. */
#include "engine/ahead.h"

#include "engine/keyspace.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int setup(void **state)
{
	struct engine_box *b = calloc(1, sizeof *b);

	engine_box_open(b, 3);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	engine_box_close(*state);
	free(*state);
	return 0;
}

static struct slice name_of(unsigned n, char dst[24])
{
	return slice_of(dst, (size_t)snprintf(dst, 24, "key:%u", n));
}

static void set(struct engine_box *b, unsigned n)
{
	char name[24];
	struct store_key key;
	struct meta m = {.type = TYPE_STRING};
	struct slice value = slice_str("value");

	store_key_of_key(&key, name_of(n, name));
	engine_box_begin(b);
	assert_int_equal(ks_put_blind(b->e, &key, &m, &value, 1), ST_OK);
	engine_box_commit(b);
}

/* How many of the keys [from, from + count) are looked for in the store. */
static size_t fetch(struct engine_box *b, unsigned from, unsigned count, bool looks)
{
	char name[24];

	for (unsigned n = from; n < from + count; n++) {
		ahead_add(b->e, name_of(n, name), looks);
	}
	return ahead_fetch(b->e);
}

static void only_what_no_memtable_knows_is_looked_for_in_the_store(void **state)
{
	struct engine_box *b = *state;

	for (unsigned n = 0; n < 40; n++) {
		set(b, n);
	}
	assert_int_equal(fetch(b, 0, 40, true), 0);
	engine_box_checkpoint(b);
	engine_box_restart(b);
	assert_int_equal(fetch(b, 0, 40, true), 40);
	assert_int_equal(fetch(b, 1000, 40, true), 40);
	for (unsigned n = 0; n < 10; n++) {
		set(b, n);
	}
	assert_int_equal(fetch(b, 0, 40, true), 30);
	/* Blind writes look at nothing, and one lookup alone gains nothing. */
	assert_int_equal(fetch(b, 0, 40, false), 0);
	assert_int_equal(fetch(b, 20, 1, true), 0);
	assert_int_equal(ahead_fetch(b->e), 0);
}

static void too_many_keys_are_not_noted(void **state)
{
	struct engine_box *b = *state;

	assert_int_equal(fetch(b, 0, 10 * AHEAD_MAX, true), AHEAD_MAX);
	assert_int_equal(ahead_fetch(b->e), 0);
}

static void below_a_flush_nothing_is_looked_for(void **state)
{
	struct engine_box *b = *state;

	set(b, 1);
	engine_box_checkpoint(b);
	engine_box_begin(b);
	assert_int_equal(ks_flush(b->e), ST_OK);
	engine_box_commit(b);
	assert_int_equal(fetch(b, 0, 40, true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    TEST(only_what_no_memtable_knows_is_looked_for_in_the_store),
	    TEST(too_many_keys_are_not_noted),
	    TEST(below_a_flush_nothing_is_looked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
