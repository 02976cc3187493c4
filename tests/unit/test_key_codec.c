/* Store keys and key records: the bytes are those of the specification, order and slots are kept,
 * and no bytes from disk are believed. */
#include "engine/base/bytes.h"
#include "engine/key_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static void keys_have_the_bytes_of_the_specification(void **state)
{
	struct slice name = slice_str("user:1");
	uint64_t hash = XXH3_64bits(name.data, name.len);
	struct store_key k;

	(void)state;
	store_key_of_key(&k, name);
	assert_int_equal(k.len, 3 + 6 + 6);
	assert_int_equal(bytes_get_u16be(k.bytes), keyslot(name));
	assert_int_equal(k.bytes[2], 'K');
	assert_int_equal(bytes_get_u64be(k.bytes + 3) >> 16, hash >> 16);
	assert_memory_equal(k.bytes + 9, name.data, name.len);
	assert_int_equal(key_order(name), hash >> 16);
	store_key_of_field(&k, 7, 0x0102030405060708u, name);
	assert_int_equal(k.len, 11 + 6 + 6);
	assert_memory_equal(k.bytes, "\0\7S\1\2\3\4\5\6\7\10", 11);
	assert_int_equal(store_key_id(store_key_slice(&k)), 0x0102030405060708u);
	store_key_of_elem(&k, 7, 1, slice_str("ab"));
	assert_int_equal(k.len, 13);
	assert_memory_equal(k.bytes, "\0\7S\0\0\0\0\0\0\0\1ab", 13);
	store_key_of_garbage(&k, 7, 1);
	assert_int_equal(k.len, 11);
	assert_memory_equal(k.bytes, "\0\7G\0\0\0\0\0\0\0\1", 11);
}

/* Names around the length at which they are cut. */
static void long_names_are_cut_and_found_again(void **state)
{
	static uint8_t name[600], stored[4 + sizeof name + 5];
	struct slice got_name, got_value;

	(void)state;
	memset(name, 'n', sizeof name);
	for (size_t len = 480; len < sizeof name; len++) {
		for (int field = 0; field < 2; field++) {
			struct store_key k;
			size_t at = 0, direct = field ? 510 - 17 : 510 - 9;

			if (field) {
				store_key_of_field(&k, 3, 9, slice_of(name, len));
			} else {
				store_key_of_key(&k, slice_of(name, len));
			}
			assert_int_equal(store_key_check(store_key_slice(&k)), ST_OK);
			assert_int_equal(store_key_is_long(store_key_slice(&k)), len > direct);
			if (len > direct) {
				bytes_put_u32le(stored, (uint32_t)len);
				memcpy(stored + 4, name, len);
				at = 4 + len;
			}
			memcpy(stored + at, "value", 5);
			assert_int_equal(stored_split(store_key_slice(&k), slice_of(stored, at + 5),
						      &got_name, &got_value),
					 ST_OK);
			assert_true(slice_eq(got_name, slice_of(name, len)));
			assert_true(slice_eq(got_value, slice_str("value")));
		}
	}
}

static void two_long_names_with_one_prefix_differ_in_their_keys(void **state)
{
	static uint8_t a[600], b[600];
	struct store_key x, y;

	(void)state;
	memset(a, 'n', sizeof a);
	memset(b, 'n', sizeof b);
	b[sizeof b - 1] = 'm';
	store_key_of_field(&x, 1, 1, slice_of(a, sizeof a));
	store_key_of_field(&y, 1, 1, slice_of(b, sizeof b));
	assert_int_equal(x.len, y.len);
	assert_memory_not_equal(x.bytes, y.bytes, x.len);
}

static void keys_of_other_shapes_are_refused(void **state)
{
	static const uint8_t long_key[STORE_KEY_MAX + 1] = {0, 1, 'K'};
	static const struct {
		const char *bytes;
		size_t len;
		enum status want;
	} cases[] = {
	    {"\0\1K123456", 9, ST_OK},
	    {"\0\1K12345", 8, ST_CORRUPT},
	    {"\0\1", 2, ST_CORRUPT},
	    {"\0\1S12345678", 11, ST_OK},
	    {"\0\1S1234567", 10, ST_CORRUPT},
	    {"\0\1G12345678", 11, ST_OK},
	    {"\0\1G123456789", 12, ST_CORRUPT},
	    {"\0\1X12345678", 11, ST_CORRUPT},
	    {"\x40\0K123456", 9, ST_CORRUPT}, /* slot 16384 */
	    {(const char *)long_key, STORE_KEY_MAX, ST_OK},
	    {(const char *)long_key, STORE_KEY_MAX + 1, ST_CORRUPT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(store_key_check(slice_of(cases[i].bytes, cases[i].len)),
				 cases[i].want);
	}
}

static void a_long_keys_value_must_hold_its_name(void **state)
{
	uint8_t key[STORE_KEY_MAX] = {0, 1, 'K'}, stored[600] = {0};
	struct slice name, value;

	(void)state;
	assert_int_equal(stored_split(slice_of("\0\1S12345678", 11), slice_str("v"), &name, &value),
			 ST_CORRUPT); /* has no name */
	assert_int_equal(
	    stored_split(slice_of(key, sizeof key), slice_of(stored, 3), &name, &value),
	    ST_CORRUPT);
	bytes_put_u32le(stored, 597);
	assert_int_equal(
	    stored_split(slice_of(key, sizeof key), slice_of(stored, 600), &name, &value),
	    ST_CORRUPT); /* longer than what is there */
	bytes_put_u32le(stored, 501);
	assert_int_equal(
	    stored_split(slice_of(key, sizeof key), slice_of(stored, 600), &name, &value),
	    ST_CORRUPT); /* would not have been cut */
	bytes_put_u32le(stored, 596);
	assert_int_equal(
	    stored_split(slice_of(key, sizeof key), slice_of(stored, 600), &name, &value), ST_OK);
	assert_int_equal(name.len, 596);
	assert_int_equal(value.len, 0);
}

static void records_come_back_as_they_were_encoded(void **state)
{
	static const struct meta metas[] = {
	    {.type = TYPE_STRING, .form = FORM_INLINE},
	    {.type = TYPE_STRING, .flags = META_RAW, .expire_at_ms = 1700000000000},
	    {.type = TYPE_HASH, .form = FORM_LARGE, .id = 7, .count = 9, .aux = {1, UINT64_MAX}},
	    {.type = TYPE_LIST,
	     .form = FORM_LARGE,
	     .flags = META_ENCODED,
	     .expire_at_ms = UINT64_MAX,
	     .id = UINT64_MAX},
	    {.type = TYPE_HASH,
	     .form = FORM_LARGE,
	     .flags = META_TIMED,
	     .expire_at_ms = 5,
	     .fields_at_ms = 4,
	     .fields_timed = 3,
	     .id = 2,
	     .count = 9},
	};

	(void)state;
	for (size_t i = 0; i < sizeof metas / sizeof metas[0]; i++) {
		const struct meta *m = &metas[i];
		uint8_t bytes[META_ENCODED_MAX + 3];
		size_t len = meta_encode(m, bytes);
		struct meta got;

		memcpy(bytes + len, "abc", 3);
		assert_int_equal(
		    meta_decode(slice_of(bytes, len + (m->form == FORM_INLINE ? 3 : 0)), &got),
		    ST_OK);
		assert_int_equal(got.type, m->type);
		assert_int_equal(got.form, m->form);
		assert_int_equal(got.flags & ~META_EXPIRE, m->flags);
		assert_true(got.expire_at_ms == m->expire_at_ms);
		assert_true(got.fields_at_ms == m->fields_at_ms);
		assert_true(got.fields_timed == m->fields_timed);
		assert_true(got.id == m->id && got.count == m->count);
		assert_int_equal(got.payload.len, m->form == FORM_INLINE ? 3 : 0);
		if (m->form == FORM_LARGE) {
			assert_true(got.aux[0] == m->aux[0] && got.aux[1] == m->aux[1]);
			/* One byte more or less is damage. */
			assert_int_equal(meta_decode(slice_of(bytes, len + 1), &got), ST_CORRUPT);
			assert_int_equal(meta_decode(slice_of(bytes, len - 1), &got), ST_CORRUPT);
		}
	}
}

static void records_that_no_writer_makes_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
	    {"", 0},
	    {"\1", 1},
	    {"\0\0", 2},	       /* type 0 */
	    {"\7\0", 2},	       /* type 7 */
	    {"\x21\0", 2},	       /* form 2 */
	    {"\1\x08", 2},	       /* an unknown flag */
	    {"\1\1\1\2\3\4\5\6\7", 9}, /* an expiry that is cut */
	    {"\x13\x08\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
	     "iiiiiiiicccccccc0000000011111111",
	     50}, /* no field expires */
	    {"\x15\x08\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0"
	     "iiiiiiiicccccccc0000000011111111",
	     50}, /* of a sorted set */
	    {"\1\1\0\0\0\0\0\0\0\0", 10},
	};
	struct meta m;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(meta_decode(slice_of(cases[i].bytes, cases[i].len), &m),
				 ST_CORRUPT);
	}
}

static void types_have_redis_names(void **state)
{
	static const char *const names[] = {"none", "string", "list",	"hash",
					    "set",  "zset",   "stream", "none"};

	(void)state;
	for (int i = 0; i < 8; i++) {
		assert_string_equal(value_type_text((enum value_type)i), names[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_have_the_bytes_of_the_specification),
	    cmocka_unit_test(long_names_are_cut_and_found_again),
	    cmocka_unit_test(two_long_names_with_one_prefix_differ_in_their_keys),
	    cmocka_unit_test(keys_of_other_shapes_are_refused),
	    cmocka_unit_test(a_long_keys_value_must_hold_its_name),
	    cmocka_unit_test(records_come_back_as_they_were_encoded),
	    cmocka_unit_test(records_that_no_writer_makes_are_refused),
	    cmocka_unit_test(types_have_redis_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
