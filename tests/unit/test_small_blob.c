/* The blob of a small collection: edits against a plain array, and bytes that are no blob. */
#include "engine/types/small_blob.h"

#include "engine/base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void bytes_that_are_no_blob_are_refused(void **state)
{
	static const struct {
		const char *what, *bytes;
		size_t len;
	} cases[] = {
	    {"nothing", "", 0},
	    {"half a count", "\x01", 1},
	    {"an entry is missing", "\x01\x00", 2},
	    {"the second entry is missing",
	     "\x02\x00\x01"
	     "a",
	     4},
	    {"a byte too many",
	     "\x00\x00"
	     "a",
	     3},
	    {"bytes behind the last entry",
	     "\x01\x00\x01"
	     "ab",
	     5},
	    {"a length beyond the end",
	     "\x01\x00\x02"
	     "a",
	     4},
	    {"a cut varint", "\x01\x00\x80", 3},
	    {"a length of 2^63",
	     "\x01\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"
	     "a",
	     13},
	    {"a varint over 64 bits",
	     "\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
	     "a",
	     13},
	};
	struct small_blob b;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		enum status st = small_blob_load(&b, slice_of(cases[i].bytes, cases[i].len));

		if (st != ST_CORRUPT) {
			fail_msg("%s: %s", cases[i].what, status_text(st));
		}
	}
}

static void a_blob_over_the_limit_is_refused(void **state)
{
	uint8_t bytes[COLLECTION_INLINE_MAX + 1] = {0};
	struct small_blob b;

	(void)state;
	/* One entry that fills it: count 1, length varint of two bytes. */
	bytes_put_u16le(bytes, 1);
	(void)bytes_put_varint(bytes + 2, COLLECTION_INLINE_MAX - 4);
	assert_int_equal(small_blob_load(&b, slice_of(bytes, COLLECTION_INLINE_MAX)), ST_OK);
	(void)bytes_put_varint(bytes + 2, COLLECTION_INLINE_MAX - 3);
	assert_int_equal(small_blob_load(&b, slice_of(bytes, sizeof bytes)), ST_CORRUPT);
}

static void every_truncation_of_a_blob_is_refused(void **state)
{
	struct small_blob b, other;
	struct slice entries[3] = {slice_str("field"), slice_str(""), slice_str("value")};

	(void)state;
	small_blob_clear(&b);
	assert_true(small_blob_splice(&b, b.len, 0, 0, entries, 3, COLLECTION_INLINE_MAX));
	assert_int_equal(small_blob_load(&other, small_blob_slice(&b)), ST_OK);
	for (size_t len = 0; len < b.len; len++) {
		assert_int_equal(small_blob_load(&other, slice_of(b.bytes, len)), ST_CORRUPT);
	}
}

enum { MODEL_MAX = 1000 };

struct model {
	uint8_t lens[MODEL_MAX]; /* an entry is len bytes of its len */
	uint32_t count;
	size_t size;
};

static size_t offset_of(const struct model *m, uint32_t index)
{
	size_t off = SMALL_BLOB_HEADER;

	for (uint32_t i = 0; i < index; i++) {
		off += small_blob_entry_size(m->lens[i]);
	}
	return off;
}

static void check_equal(const struct small_blob *b, const struct model *m)
{
	struct small_cursor c;
	struct slice entry;
	struct small_blob copy;

	assert_int_equal(b->len, m->size);
	assert_int_equal(small_blob_load(&copy, small_blob_slice(b)), ST_OK);
	assert_int_equal(small_cursor_init(&c, small_blob_slice(b)), ST_OK);
	for (uint32_t i = 0; i < m->count; i++) {
		assert_int_equal(small_cursor_next(&c, &entry), ST_OK);
		assert_int_equal(entry.len, m->lens[i]);
		for (size_t k = 0; k < entry.len; k++) {
			assert_int_equal(entry.data[k], m->lens[i]);
		}
	}
	assert_int_equal(small_cursor_next(&c, &entry), ST_END);
}

static void random_edits_equal_those_of_an_array(void **state)
{
	struct small_blob b;
	struct model m = {.count = 0, .size = SMALL_BLOB_HEADER};
	struct rng rng;
	uint8_t fill[2][256];
	uint32_t refused = 0;

	(void)state;
	rng_seed(&rng, 5);
	small_blob_clear(&b);
	for (uint32_t round = 0; round < 20000; round++) {
		uint32_t at = (uint32_t)rng_below(&rng, m.count + 1);
		uint32_t erase = (uint32_t)rng_below(&rng, 3), add = (uint32_t)rng_below(&rng, 3);
		size_t off = offset_of(&m, at), erase_len, size = m.size;
		struct slice entries[2];
		uint8_t lens[2];

		erase = erase > m.count - at ? m.count - at : erase;
		erase_len = offset_of(&m, at + erase) - off;
		size -= erase_len;
		for (uint32_t i = 0; i < add; i++) {
			lens[i] = (uint8_t)rng_below(&rng, round % 7 == 0 ? 256 : 40);
			memset(fill[i], lens[i], sizeof fill[i]);
			entries[i] = slice_of(fill[i], lens[i]);
			size += small_blob_entry_size(lens[i]);
		}
		if (!small_blob_splice(&b, off, erase_len, erase, entries, add,
				       COLLECTION_INLINE_MAX)) {
			assert_true(size > COLLECTION_INLINE_MAX);
			refused++;
			check_equal(&b, &m);
			small_blob_clear(&b);
			m = (struct model){.count = 0, .size = SMALL_BLOB_HEADER};
			continue;
		}
		assert_true(size <= COLLECTION_INLINE_MAX);
		memmove(m.lens + at + add, m.lens + at + erase, m.count - at - erase);
		memcpy(m.lens + at, lens, add);
		m.count += add - erase;
		m.size = size;
		check_equal(&b, &m);
	}
	assert_true(refused > 0);
}

static void only_some_counts_are_due_for_shrinking(void **state)
{
	(void)state;
	for (uint64_t n = 1; n < 1000; n++) {
		bool due = n == 1 || n == 2 || n == 4 || n == 8 || n == 16 || n == 32 || n == 64;

		assert_int_equal(small_blob_shrink_due(n), due);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bytes_that_are_no_blob_are_refused),
	    cmocka_unit_test(a_blob_over_the_limit_is_refused),
	    cmocka_unit_test(every_truncation_of_a_blob_is_refused),
	    cmocka_unit_test(random_edits_equal_those_of_an_array),
	    cmocka_unit_test(only_some_counts_are_due_for_shrinking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
