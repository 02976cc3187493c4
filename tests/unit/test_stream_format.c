/* IDs, subkeys and entries of streams as bytes. */
#include "engine/types/stream_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void ids_have_neighbours_but_at_the_ends(void **state)
{
	struct stream_id id = {5, UINT64_MAX};

	(void)state;
	assert_true(stream_id_next(&id));
	assert_int_equal(stream_id_compare(id, (struct stream_id){6, 0}), 0);
	assert_true(stream_id_previous(&id));
	assert_int_equal(stream_id_compare(id, (struct stream_id){5, UINT64_MAX}), 0);
	id = STREAM_ID_MAX;
	assert_false(stream_id_next(&id));
	assert_int_equal(stream_id_compare(id, STREAM_ID_MAX), 0);
	id = STREAM_ID_MIN;
	assert_false(stream_id_previous(&id));
	assert_true(stream_id_is_zero(id));
	assert_true(stream_id_compare((struct stream_id){1, 9}, (struct stream_id){2, 0}) < 0);
	assert_true(stream_id_compare((struct stream_id){2, 1}, (struct stream_id){2, 0}) > 0);
}

static void subkeys_are_in_the_order_of_ids(void **state)
{
	static const struct stream_id ids[] = {{0, 1}, {0, 256}, {1, 0}, {255, 3}, {256, 0}};
	struct stream_subkey before = {0};

	(void)state;
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		struct stream_subkey k;
		struct stream_id back;

		stream_subkey_init(&k, STREAM_ENTRY);
		stream_subkey_id(&k, ids[i]);
		assert_int_equal(k.len, 1 + STREAM_ID_LEN);
		back = stream_id_at(k.bytes + 1);
		assert_int_equal(stream_id_compare(back, ids[i]), 0);
		assert_true(slice_cmp(stream_subkey_slice(&before), stream_subkey_slice(&k)) < 0);
		before = k;
	}
}

static void long_names_stay_apart(void **state)
{
	uint8_t name[1000];
	struct stream_subkey a, b;

	(void)state;
	memset(name, 'n', sizeof name);
	for (size_t len = STREAM_NAME_DIRECT - 1; len < STREAM_NAME_DIRECT + 3; len++) {
		stream_subkey_init(&a, STREAM_GROUP);
		stream_subkey_name(&a, slice_of(name, len));
		stream_subkey_init(&b, STREAM_GROUP);
		stream_subkey_name(&b, slice_of(name, len + 1));
		assert_false(slice_eq(stream_subkey_slice(&a), stream_subkey_slice(&b)));
		assert_true(a.len <= STREAM_SUBKEY_MAX && b.len <= STREAM_SUBKEY_MAX);
	}
	stream_subkey_init(&a, STREAM_CONSUMER_NAME);
	stream_subkey_number(&a, UINT64_MAX);
	stream_subkey_name(&a, slice_of(name, 999));
	name[998] = 'x';
	stream_subkey_init(&b, STREAM_CONSUMER_NAME);
	stream_subkey_number(&b, UINT64_MAX);
	stream_subkey_name(&b, slice_of(name, 999));
	assert_int_equal(a.len, b.len);
	assert_false(slice_eq(stream_subkey_slice(&a), stream_subkey_slice(&b)));
}

static void entries_come_apart_and_damage_is_seen(void **state)
{
	struct slice rest = slice_of("\1f\0\2vw\0", 7), text;
	size_t count;

	(void)state;
	assert_int_equal(stream_entry_count(rest, &count), ST_OK);
	assert_int_equal(count, 4);
	assert_true(stream_entry_next(&rest, &text));
	assert_true(slice_eq(text, slice_str("f")));
	assert_true(stream_entry_next(&rest, &text));
	assert_int_equal(text.len, 0);
	assert_true(stream_entry_next(&rest, &text));
	assert_true(slice_eq(text, slice_str("vw")));
	assert_true(stream_entry_next(&rest, &text));
	assert_false(stream_entry_next(&rest, &text));
	assert_int_equal(rest.len, 0);
	assert_int_equal(stream_entry_count(slice_of("\1f", 2), &count), ST_CORRUPT);
	assert_int_equal(stream_entry_count(slice_of("\1f\5v", 4), &count), ST_CORRUPT);
	assert_int_equal(stream_entry_count(slice_of("\1f\xff", 3), &count), ST_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ids_have_neighbours_but_at_the_ends),
	    cmocka_unit_test(subkeys_are_in_the_order_of_ids),
	    cmocka_unit_test(long_names_stay_apart),
	    cmocka_unit_test(entries_come_apart_and_damage_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
