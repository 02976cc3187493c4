/* What is remembered of a stream follows its records, in any order that a log may have them. */
#include "engine/export/stream_notes.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct stream_subkey group_key(const char *name)
{
	struct stream_subkey k;

	stream_subkey_init(&k, STREAM_GROUP);
	stream_subkey_name(&k, slice_str(name));
	return k;
}

static enum status put_group(struct stream_notes *n, const char *name, uint64_t number,
			     uint64_t last_ms, int64_t read)
{
	struct stream_subkey k = group_key(name);
	uint8_t bytes[STREAM_GROUP_LEN + 64] = {0};
	struct slice v = slice_of(bytes, STREAM_GROUP_LEN + strlen(name));

	bytes_put_u64le(bytes, number);
	stream_id_put(bytes + 8, (struct stream_id){last_ms, 0});
	bytes_put_u64le(bytes + 40, (uint64_t)read);
	memcpy(bytes + STREAM_GROUP_LEN, name, strlen(name));
	return stream_notes_take(n, stream_subkey_slice(&k), &v);
}

static enum status put_consumer(struct stream_notes *n, uint64_t group, uint64_t number,
				const char *name)
{
	uint8_t bytes[STREAM_CONSUMER_LEN + 64] = {0};
	struct slice v = slice_of(bytes, STREAM_CONSUMER_LEN + strlen(name));
	struct stream_subkey k;

	stream_subkey_init(&k, STREAM_CONSUMER);
	stream_subkey_number(&k, group);
	stream_subkey_number(&k, number);
	memcpy(bytes + STREAM_CONSUMER_LEN, name, strlen(name));
	return stream_notes_take(n, stream_subkey_slice(&k), &v);
}

static bool is(const struct stream_note *note, const char *name)
{
	return note != NULL && slice_eq(stream_note_name(note), slice_str(name));
}

static void groups_and_consumers_are_known_by_their_numbers(void **state)
{
	struct stream_notes *n;
	struct stream_subkey k;

	(void)state;
	assert_int_equal(stream_notes_create(&n), ST_OK);
	assert_int_equal(put_group(n, "two", 2, 5, -1), ST_OK);
	assert_int_equal(put_consumer(n, 2, 4, "bob"), ST_OK);
	assert_int_equal(put_group(n, "one", 1, 0, 0), ST_OK);
	assert_int_equal(put_consumer(n, 2, 3, "alice"), ST_OK);
	assert_int_equal(put_consumer(n, 1, 5, ""), ST_OK);
	assert_int_equal(n->count, 5);
	assert_true(is(stream_notes_find(n, 1, 0), "one"));
	assert_true(is(stream_notes_find(n, 2, 3), "alice"));
	assert_true(is(stream_notes_find(n, 2, 4), "bob"));
	assert_null(stream_notes_find(n, 1, 3));
	assert_int_equal(stream_notes_find(n, 2, 0)->entries_read, -1);
	/* Its state changes in place. */
	assert_int_equal(put_group(n, "two", 2, 9, 7), ST_OK);
	assert_int_equal(stream_notes_find(n, 2, 0)->last.ms, 9);
	k = group_key("two");
	assert_true(stream_notes_group(n, stream_subkey_slice(&k)) == stream_notes_find(n, 2, 0));
	/* A group goes with its consumers, and so does one whose name gets another number. */
	assert_int_equal(put_group(n, "two", 6, 0, 0), ST_OK);
	assert_null(stream_notes_find(n, 2, 0));
	assert_null(stream_notes_find(n, 2, 3));
	assert_int_equal(n->count, 3);
	k = group_key("one");
	assert_int_equal(stream_notes_take(n, stream_subkey_slice(&k), NULL), ST_OK);
	assert_int_equal(n->count, 1);
	assert_true(is(stream_notes_find(n, 6, 0), "two"));
	stream_notes_destroy(n);
}

static void what_does_not_decode_is_refused(void **state)
{
	static const uint8_t bytes[STREAM_GROUP_LEN] = {0};
	struct slice small = slice_of(bytes, 8);
	struct stream_subkey k = group_key("g");
	struct stream_notes *n;

	(void)state;
	assert_int_equal(stream_notes_create(&n), ST_OK);
	assert_int_equal(stream_notes_take(n, slice_of(NULL, 0), &small), ST_CORRUPT);
	assert_int_equal(stream_notes_take(n, stream_subkey_slice(&k), &small), ST_CORRUPT);
	assert_int_equal(stream_notes_take(n, slice_str("D123"), &small), ST_CORRUPT);
	assert_int_equal(stream_notes_take(n, slice_str("X"), &small), ST_CORRUPT);
	assert_int_equal(n->count, 0);
	stream_notes_destroy(n);
	stream_notes_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(groups_and_consumers_are_known_by_their_numbers),
	    cmocka_unit_test(what_does_not_decode_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
