/* Looking ahead: which keys are looked for in the store, and that nothing is said by it. */
#include "engine/ahead.h"

#include "engine/keyspace.h"
#include "engine/types/type_hash.h"
#include "engine/types/type_list.h"
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

enum { FIELDS = 300 };

static void make_hash(struct engine_box *b, const char *name, unsigned fields)
{
	static const struct hash_limits limits = {.entries = 10, .value = 64};

	for (unsigned n = 0; n < fields; n++) {
		char field[24];
		struct slice pair[2] = {name_of(n, field), slice_str("a value of some bytes")};
		struct store_key key;
		struct meta old;
		uint64_t added;
		enum status st;

		store_key_of_key(&key, slice_str(name));
		engine_box_begin(b);
		st = ks_lookup(b->e, &key, &old);
		assert_true(st == ST_OK || st == ST_NOT_FOUND);
		assert_int_equal(
		    type_hash_set(b->e, &key, st == ST_OK ? &old : NULL, pair, 1, &limits, &added),
		    ST_OK);
		engine_box_commit(b);
	}
}

/* How many keys and fields are looked for in the store, of requests for so many fields. */
static size_t fetch_fields(struct engine_box *b, const char *name, unsigned count,
			   bool behind_score)
{
	for (unsigned n = 0; n < count; n++) {
		char field[24];
		struct slice element = name_of(n, field);
		struct slice elements[2] = {element, slice_of(NULL, 0)};

		if (behind_score) {
			elements[0] = slice_str("1");
			elements[1] = element;
		}
		ahead_add_element(b->e, slice_str(name), elements, true);
	}
	return ahead_fetch(b->e);
}

static void fields_of_one_key_are_looked_for_once_it_is_known_to_have_such(void **state)
{
	struct engine_box *b = *state;

	make_hash(b, "large", FIELDS);
	make_hash(b, "small", 3);
	assert_int_equal(fetch_fields(b, "large", 40, false), 0); /* all in the memtable */
	engine_box_checkpoint(b);
	engine_box_restart(b);
	assert_int_equal(fetch_fields(b, "large", 40, false), 40);  /* the key and 39 fields */
	assert_int_equal(fetch_fields(b, "small", 40, false), 0);   /* the key alone */
	assert_int_equal(fetch_fields(b, "missing", 40, false), 0); /* likewise */
	/* Of a hash it is the first argument that counts, whatever follows. */
	assert_int_equal(fetch_fields(b, "large", 40, true), 40);
	make_hash(b, "large", 10); /* fields 1 to 9 of those asked for are in the memtable now */
	assert_int_equal(fetch_fields(b, "large", 40, false), 31);
	assert_int_equal(fetch_fields(b, "large", 10 * AHEAD_MAX, false), AHEAD_MAX - 9);
}

static void requests_for_keys_in_turn_note_the_keys(void **state)
{
	struct engine_box *b = *state;
	static const char *const names[] = {"one", "two"};
	struct slice elements[2] = {slice_str("key:1"), slice_of(NULL, 0)};

	make_hash(b, "one", FIELDS);
	make_hash(b, "two", FIELDS);
	engine_box_checkpoint(b);
	engine_box_restart(b);
	for (unsigned n = 0; n < 40; n++) {
		ahead_add_element(b->e, slice_str(names[n % 2]), elements, true);
	}
	assert_int_equal(ahead_fetch(b->e), 40);
}

/* How many are looked for in the store, of so many requests at an end of the list. */
static size_t fetch_end(struct engine_box *b, unsigned count, bool left, bool pop)
{
	for (unsigned n = 0; n < count; n++) {
		ahead_add_list_end(b->e, slice_str("list"), left, pop);
	}
	return ahead_fetch(b->e);
}

static enum status look_up(struct engine_box *b, struct store_key *key, struct meta *m)
{
	store_key_of_key(key, slice_str("list"));
	engine_box_begin(b);
	return ks_lookup(b->e, key, m);
}

static void a_lists_ends_are_followed_request_by_request(void **state)
{
	struct engine_box *b = *state;
	struct slice value = slice_str("an element of some thirty bytes");
	struct store_key key;
	struct meta m;
	uint64_t length = 0;

	while (length < FIELDS) {
		enum status st = look_up(b, &key, &m);

		assert_int_equal(
		    type_list_push(b->e, &key, st == ST_OK ? &m : NULL, false, &value, 1, &length),
		    ST_OK);
		engine_box_commit(b);
	}
	assert_int_equal(fetch_end(b, 40, false, true), 0); /* all in the memtable */
	engine_box_checkpoint(b);
	engine_box_restart(b);
	assert_int_equal(fetch_end(b, 40, false, true), 40); /* the key and 39 elements */
	assert_int_equal(fetch_end(b, 40, true, true), 40);
	assert_int_equal(fetch_end(b, 40, false, false), 0); /* where nothing can be */

	/* Those popped at the tail are known to be gone; the head is as it was. */
	assert_int_equal(look_up(b, &key, &m), ST_OK);
	assert_int_equal(type_list_trim(b->e, &key, &m, 0, FIELDS - 10), ST_OK);
	engine_box_commit(b);
	assert_int_equal(fetch_end(b, 40, false, true), 39);
	assert_int_equal(fetch_end(b, 40, true, true), 39);
	assert_int_equal(look_up(b, &key, &m), ST_OK);
	assert_int_equal(
	    type_list_push(b->e, &key, &m, false, (struct slice[]){value, value}, 2, &length),
	    ST_OK);
	engine_box_commit(b);
	assert_int_equal(fetch_end(b, 40, false, true), 37); /* two of them in the memtable */

	/* No further than the list goes. */
	assert_int_equal(look_up(b, &key, &m), ST_OK);
	assert_int_equal(type_list_trim(b->e, &key, &m, 5, 150), ST_OK);
	engine_box_commit(b);
	engine_box_checkpoint(b);
	engine_box_restart(b);
	assert_int_equal(fetch_end(b, AHEAD_MAX, true, true), AHEAD_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    TEST(only_what_no_memtable_knows_is_looked_for_in_the_store),
	    TEST(too_many_keys_are_not_noted),
	    TEST(below_a_flush_nothing_is_looked_for),
	    TEST(fields_of_one_key_are_looked_for_once_it_is_known_to_have_such),
	    TEST(a_lists_ends_are_followed_request_by_request),
	    TEST(requests_for_keys_in_turn_note_the_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
