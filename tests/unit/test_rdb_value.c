/* Every encoding of every type decodes to its elements; no cut or changed byte is believed that
 * should not be, and none leads outside of the payload. */
#include "net/proto/rdb_value.h"

#include "engine/base/alloc.h"
#include "tests/support/rdb_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { STRING_MAX = 1 << 20 };

static enum status decode(struct slice value, struct buf *text)
{
	/* On the heap at its exact size, so that the address sanitizer sees a step beyond. */
	uint8_t *exact = malloc(value.len > 0 ? value.len : 1);
	enum status st;

	assert_non_null(exact);
	if (value.len > 0) {
		memcpy(exact, value.data, value.len);
	}
	st = rdb_value_decode(slice_of(exact, value.len), STRING_MAX, rdb_take_text, text);
	free(exact);
	return st;
}

static void every_encoding_gives_its_elements(void **state)
{
	(void)state;
	for (size_t i = 0; i < rdb_samples_count; i++) {
		const struct rdb_sample *s = &rdb_samples[i];
		struct buf value = rdb_sample_bytes(s), text = {0};
		enum rdb_kind kind;
		enum status st = decode(buf_slice(&value), &text);

		if (st != ST_OK || !slice_eq(buf_slice(&text), slice_str(s->elements))) {
			fail_msg("%s: %s '%.*s'", s->what, status_text(st), (int)text.len,
				 (const char *)text.data);
		}
		assert_int_equal(rdb_value_kind(buf_slice(&value), &kind), ST_OK);
		assert_int_equal(kind, s->kind);
		buf_deinit(&value);
		buf_deinit(&text);
	}
}

static void nothing_cut_or_added_is_believed(void **state)
{
	(void)state;
	for (size_t i = 0; i < rdb_samples_count; i++) {
		struct buf value = rdb_sample_bytes(&rdb_samples[i]), text = {0};

		for (size_t len = 0; len < value.len; len++) {
			if (decode(slice_of(value.data, len), &text) == ST_OK) {
				fail_msg("%s: %zu of %zu bytes", rdb_samples[i].what, len,
					 value.len);
			}
		}
		assert_int_equal(buf_append(&value, "x", 1), ST_OK);
		assert_int_equal(decode(buf_slice(&value), &text), ST_CORRUPT);
		buf_deinit(&value);
		buf_deinit(&text);
	}
}

static void changed_bytes_lead_nowhere(void **state)
{
	unsigned refused = 0, tried = 0;

	(void)state;
	for (size_t i = 0; i < rdb_samples_count; i++) {
		struct buf value = rdb_sample_bytes(&rdb_samples[i]), text = {0};

		for (size_t at = 0; at < value.len; at++) {
			uint8_t was = value.data[at];

			for (unsigned v = 0; v < 256; v += at < 40 ? 1 : 17) {
				value.data[at] = (uint8_t)v;
				text.len = 0;
				tried++;
				refused += decode(buf_slice(&value), &text) != ST_OK;
			}
			value.data[at] = was;
		}
		buf_deinit(&value);
		buf_deinit(&text);
	}
	/* Most bytes matter; those of the elements themselves may be anything. */
	assert_true(refused > tried / 4);
	assert_true(refused < tried);
}

static void what_is_empty_or_of_no_type_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
	    {"", 0},
	    {"\x01\x00", 2},
	    {"\x02\x00", 2},
	    {"\x04\x00", 2},
	    {"\x05\x00", 2},
	    {"\x12\x00", 2},
	    {"\x0e\x00", 2},
	    {"\x06\x01", 2},
	    {"\x08\x01", 2},
	    {"\x16\x01", 2},
	    {"\xff\x01", 2},
	    {"\x10\x07\x07\x00\x00\x00\x00\x00\xff", 9},      /* a listpack of nothing */
	    {"\x0b\x08\x02\x00\x00\x00\x00\x00\x00\x00", 10}, /* an intset of nothing */
	    {"\x12\x01\x03\x01"
	     "a",
	     5}, /* a node in no container */
	};
	struct buf text = {0};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (decode(slice_of(cases[i].bytes, cases[i].len), &text) != ST_CORRUPT) {
			fail_msg("case %zu", i);
		}
	}
	assert_int_equal(text.len, 0);
	buf_deinit(&text);
}

static void payloads_are_sealed(void **state)
{
	static const uint8_t redis[] = {0x00, 0x02, 0x76, 0x31, 0x0a, 0x00, 0x5f,
					0xe5, 0xb0, 0x5e, 0xcb, 0x50, 0x79, 0x5b};
	uint8_t copy[sizeof redis];
	struct buf sealed;
	struct slice value;

	(void)state;
	assert_int_equal(rdb_payload_open(slice_of(redis, sizeof redis), &value), ST_OK);
	assert_true(slice_eq(value, slice_of(redis, 4)));
	sealed = rdb_sealed(slice_of(redis, 4));
	assert_true(slice_eq(buf_slice(&sealed), slice_of(redis, sizeof redis)));
	buf_deinit(&sealed);
	for (size_t at = 0; at < sizeof redis; at++) {
		memcpy(copy, redis, sizeof redis);
		copy[at] ^= 0x10;
		assert_int_equal(rdb_payload_open(slice_of(copy, sizeof copy), &value), ST_CORRUPT);
		assert_int_equal(rdb_payload_open(slice_of(redis, at), &value), ST_CORRUPT);
	}
}

static enum status stop_at_second(void *arg, enum rdb_kind kind, const struct rdb_item *item)
{
	unsigned *n = arg;

	(void)kind;
	(void)item;
	return ++*n == 2 ? ST_NO_SPACE : ST_OK;
}

static void who_takes_elements_can_stop(void **state)
{
	unsigned n = 0;

	(void)state;
	assert_int_equal(rdb_value_decode(slice_of("\x01\x03\x01"
						   "a\x01"
						   "b\x01"
						   "c",
						   8),
					  STRING_MAX, stop_at_second, &n),
			 ST_NO_SPACE);
	assert_int_equal(n, 2);
}

static void memory_may_run_out(void **state)
{
	/* A field and a value, both packed. */
	static const char value[] = "\x04\x01\xc3\x04\x05\x00"
				    "a\x40\x00\xc3\x04\x05\x00"
				    "b\x40\x00";
	struct buf text = {0};
	enum status st = ST_NO_MEMORY;

	(void)state;
	assert_int_equal(buf_reserve(&text, 100), ST_OK);
	for (int64_t n = 0; st == ST_NO_MEMORY; n++) {
		text.len = 0;
		mem_fail_nth(n);
		st = rdb_value_decode(slice_of(value, sizeof value - 1), STRING_MAX, rdb_take_text,
				      &text);
		mem_fail_nth(-1);
		assert_true(n < 10);
	}
	assert_int_equal(st, ST_OK);
	assert_true(slice_eq(buf_slice(&text), slice_str("aaaaa=bbbbb")));
	buf_deinit(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_encoding_gives_its_elements),
	    cmocka_unit_test(nothing_cut_or_added_is_believed),
	    cmocka_unit_test(changed_bytes_lead_nowhere),
	    cmocka_unit_test(what_is_empty_or_of_no_type_is_refused),
	    cmocka_unit_test(payloads_are_sealed),
	    cmocka_unit_test(who_takes_elements_can_stop),
	    cmocka_unit_test(memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
