/* Dictionaries: trained on records they make small frames smaller, and too little teaches nothing.
 */
#include "engine/base/alloc.h"
#include "engine/wal/wal_dictionary.h"
#include "engine/wal/wal_frame.h"
#include "engine/wal/wal_segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SAMPLES = 4000 };

static void make_samples(struct buf *bytes, size_t *sizes, int count)
{
	for (int i = 0; i < count; i++) {
		size_t before = bytes->len;

		assert_int_equal(buf_printf(bytes,
					    "set user:%d {\"id\":%d,\"name\":\"name %d\",\"city\":"
					    "\"Prague\",\"tags\":[\"alpha\",\"beta\"]}",
					    i, i, i * 7),
				 ST_OK);
		sizes[i] = bytes->len - before;
	}
}

static size_t stored_len(struct slice raw, struct slice dictionary)
{
	struct wal_frame_encoder *e;
	struct wal_frame f = {.first_lsn = 1, .records = 1, .timeline = 1};
	struct buf out = {0};

	assert_int_equal(wal_frame_encoder_create(1, dictionary, &e), ST_OK);
	assert_int_equal(wal_frame_encode(e, &f, raw, 0, &out), ST_OK);
	wal_frame_encoder_destroy(e);
	buf_deinit(&out);
	return f.stored_len;
}

static void a_trained_one_helps_small_frames(void **state)
{
	struct buf samples = {0}, dictionary = {0};
	size_t *sizes = calloc(SAMPLES, sizeof *sizes), plain, better;

	(void)state;
	assert_non_null(sizes);
	make_samples(&samples, sizes, SAMPLES);
	assert_int_equal(
	    wal_dictionary_train(buf_slice(&samples), sizes, SAMPLES, 8192, &dictionary), ST_OK);
	assert_in_range(dictionary.len, WAL_DICTIONARY_MIN / 4, 8192);
	assert_int_not_equal(wal_dictionary_id(buf_slice(&dictionary)), 0);
	plain = stored_len(slice_of(samples.data, 600), slice_of(NULL, 0));
	better = stored_len(slice_of(samples.data, 600), buf_slice(&dictionary));
	assert_true(better * 4 < plain * 3);
	buf_deinit(&samples);
	buf_deinit(&dictionary);
	free(sizes);
}

static void what_teaches_nothing_is_refused(void **state)
{
	struct buf samples = {0}, dictionary = {0};
	size_t sizes[3];

	(void)state;
	make_samples(&samples, sizes, 3);
	assert_int_equal(wal_dictionary_train(buf_slice(&samples), sizes, 3, 8192, &dictionary),
			 ST_INVALID);
	assert_int_equal(wal_dictionary_train(slice_of(NULL, 0), sizes, 0, 8192, &dictionary),
			 ST_INVALID);
	assert_int_equal(wal_dictionary_train(buf_slice(&samples), sizes, 3, 100, &dictionary),
			 ST_LIMIT);
	assert_int_equal(wal_dictionary_train(buf_slice(&samples), sizes, 3, WAL_DICTIONARY_MAX + 1,
					      &dictionary),
			 ST_LIMIT);
	assert_int_equal(dictionary.len, 0);
	assert_int_equal(wal_dictionary_id(slice_of(NULL, 0)), 0);
	assert_int_equal(wal_dictionary_id(slice_str("no dictionary at all")), 0);
	mem_fail_nth(0);
	assert_int_equal(wal_dictionary_train(slice_of(NULL, 0), sizes, 0, 1 << 20, &dictionary),
			 ST_NO_MEMORY);
	mem_fail_nth(-1);
	buf_deinit(&samples);
	buf_deinit(&dictionary);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_trained_one_helps_small_frames),
	    cmocka_unit_test(what_teaches_nothing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
