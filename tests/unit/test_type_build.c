/* Collections made from a stream: the same as those that commands make, in both forms, whatever the
 * key held before. */
#include "engine/types/type_build.h"

#include "engine/types/type_list.h"
#include "engine/types/type_string.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct hash_limits limits = {512, 64};

static const uint32_t sizes[] = {1, 2, 20, 150, 513, 3000};

enum { SIZES = sizeof sizes / sizeof sizes[0] };

static struct slice field_name(uint32_t i, char dst[16])
{
	return slice_of(dst, (size_t)snprintf(dst, 16, "field%u", i));
}

static void build_list(struct engine_box *b, const struct store_key *key, uint32_t n)
{
	struct type_build build;
	uint8_t bytes[BOX_VALUE_MAX];

	type_build_list(&build, b->e, key);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(type_build_element(&build, engine_box_value(i, bytes)), ST_OK);
	}
	assert_int_equal(type_build_end(&build, 0), ST_OK);
}

static void check_list(struct engine_box *b, const struct store_key *key, uint32_t n)
{
	uint8_t bytes[BOX_VALUE_MAX];
	struct meta m;
	uint64_t count;

	assert_int_equal(ks_lookup(b->e, key, &m), ST_OK);
	assert_int_equal(m.type, TYPE_LIST);
	assert_int_equal(type_list_count(&m, &count), ST_OK);
	assert_int_equal(count, n);
	for (uint32_t i = 0; i < n; i++) {
		struct slice got;

		assert_int_equal(type_list_get(b->e, key, &m, i, &got), ST_OK);
		assert_true(slice_eq(got, engine_box_value(i, bytes)));
	}
}

static void build_hash(struct engine_box *b, const struct store_key *key, uint32_t n,
		       uint64_t expire_at_ms)
{
	struct type_build build;
	uint8_t bytes[BOX_VALUE_MAX];
	char name[16];

	type_build_hash(&build, b->e, key, &limits);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(
		    type_build_field(&build, field_name(i, name), engine_box_value(i, bytes)),
		    ST_OK);
	}
	assert_int_equal(type_build_field(&build, field_name(n / 2, name), slice_str("again")),
			 ST_EXISTS);
	assert_int_equal(type_build_end(&build, expire_at_ms), ST_OK);
}

static void check_hash(struct engine_box *b, const struct store_key *key, uint32_t n)
{
	uint8_t bytes[BOX_VALUE_MAX];
	char name[16];
	struct meta m;
	uint64_t count;
	bool encoded = n > limits.entries;

	assert_int_equal(ks_lookup(b->e, key, &m), ST_OK);
	assert_int_equal(m.type, TYPE_HASH);
	assert_int_equal(type_hash_count(&m, &count), ST_OK);
	assert_int_equal(count, n);
	for (uint32_t i = 0; i < n; i++) {
		struct slice got, want = engine_box_value(i, bytes);

		assert_int_equal(type_hash_get(b->e, key, &m, field_name(i, name), &got), ST_OK);
		assert_true(slice_eq(got, want));
		encoded |= want.len > limits.value;
	}
	assert_string_equal(type_hash_encoding(&m), encoded ? "hashtable" : "listpack");
}

static void lists_of_all_sizes(void **state)
{
	struct engine_box b = {0};
	struct store_key key;

	(void)state;
	engine_box_open(&b, 3);
	store_key_of_key(&key, slice_str("list"));
	/* Each takes the place of the one before, so both ways between the forms are gone. */
	for (size_t i = 0; i < 2 * SIZES; i++) {
		uint32_t n = sizes[i < SIZES ? i : 2 * SIZES - 1 - i];

		engine_box_begin(&b);
		build_list(&b, &key, n);
		check_list(&b, &key, n);
		engine_box_commit(&b);
		engine_box_restart(&b);
		engine_box_begin(&b);
		check_list(&b, &key, n);
		engine_box_commit(&b);
	}
	engine_box_close(&b);
}

static void hashes_of_all_sizes(void **state)
{
	struct engine_box b = {0};
	struct store_key key;

	(void)state;
	engine_box_open(&b, 4);
	store_key_of_key(&key, slice_str("hash"));
	for (size_t i = 0; i < 2 * SIZES; i++) {
		uint32_t n = sizes[i < SIZES ? i : 2 * SIZES - 1 - i];

		engine_box_begin(&b);
		build_hash(&b, &key, n, 0);
		check_hash(&b, &key, n);
		engine_box_commit(&b);
		engine_box_restart(&b);
		engine_box_begin(&b);
		check_hash(&b, &key, n);
		engine_box_commit(&b);
	}
	engine_box_close(&b);
}

static void the_old_value_stays_until_the_end(void **state)
{
	struct engine_box b = {0};
	struct store_key key;
	struct type_build build;
	struct meta m;
	uint8_t bytes[BOX_VALUE_MAX];
	char name[16];

	(void)state;
	engine_box_open(&b, 5);
	store_key_of_key(&key, slice_str("k"));
	engine_box_begin(&b);
	assert_int_equal(string_set(b.e, &key, slice_str("before"), 0, 0), ST_OK);
	type_build_hash(&build, b.e, &key, &limits);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(
		    type_build_field(&build, field_name(i, name), engine_box_value(i, bytes)),
		    ST_OK);
	}
	assert_int_equal(ks_lookup(b.e, &key, &m), ST_OK);
	assert_int_equal(m.type, TYPE_STRING);
	assert_int_equal(type_build_end(&build, b.now_ms + 1000), ST_OK);
	check_hash(&b, &key, 1000);
	assert_int_equal(ks_lookup(b.e, &key, &m), ST_OK);
	assert_true(m.expire_at_ms == b.now_ms + 1000);
	engine_box_rollback(&b);
	engine_box_begin(&b);
	assert_int_equal(ks_lookup(b.e, &key, &m), ST_NOT_FOUND);
	engine_box_commit(&b);
	engine_box_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lists_of_all_sizes),
	    cmocka_unit_test(hashes_of_all_sizes),
	    cmocka_unit_test(the_old_value_stays_until_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
