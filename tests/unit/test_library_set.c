/* Libraries as data: a set against a plain model, its bytes, what is refused, and memory that runs
 * out. */
#include "engine/library_set.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { NAMES = 40 };

static struct slice text_of(const char *prefix, unsigned n, char dst[32])
{
	return slice_of(dst, (size_t)snprintf(dst, 32, "%s%u", prefix, n));
}

static bool same(const struct library_set *a, const struct library_set *b)
{
	if (a->count != b->count || a->bytes != b->bytes) {
		return false;
	}
	for (size_t i = 0; i < a->count; i++) {
		if (!slice_eq(library_name(a->items[i]), library_name(b->items[i])) ||
		    !slice_eq(library_code(a->items[i]), library_code(b->items[i]))) {
			return false;
		}
	}
	return true;
}

static void check_round_trip(const struct library_set *s)
{
	struct library_set back = {0};
	struct buf bytes = {0};

	assert_int_equal(library_set_encode(s, &bytes), ST_OK);
	assert_int_equal(bytes.len, s->count == 0 ? 0 : s->bytes + 1);
	assert_int_equal(library_set_decode(buf_slice(&bytes), &back), ST_OK);
	assert_true(same(s, &back));
	library_set_deinit(&back);
	buf_deinit(&bytes);
}

static void a_set_is_what_was_put_and_not_removed(void **state)
{
	struct library_set s = {0}, copy = {0};
	unsigned model[NAMES] = {0}, count = 0;
	char name[32], code[32];
	struct rng rng;

	(void)state;
	rng_seed(&rng, 7);
	for (int i = 0; i < 3000; i++) {
		unsigned n = (unsigned)rng_below(&rng, NAMES);

		if (rng_below(&rng, 3) > 0) {
			model[n] = 1 + (unsigned)rng_below(&rng, 100000);
			assert_int_equal(library_set_put(&s, text_of("n", n, name),
							 text_of("code", model[n], code)),
					 ST_OK);
		} else {
			assert_int_equal(library_set_del(&s, text_of("n", n, name)), model[n] != 0);
			model[n] = 0;
		}
	}
	for (unsigned n = 0; n < NAMES; n++) {
		const struct library *l = library_set_find(&s, text_of("n", n, name));

		count += model[n] != 0;
		assert_int_equal(l != NULL, model[n] != 0);
		assert_true(l == NULL ||
			    slice_eq(library_code(l), text_of("code", model[n], code)));
	}
	assert_int_equal(s.count, count);
	check_round_trip(&s);
	/* A copy has the same libraries, and keeps them. */
	assert_int_equal(library_set_copy(&s, &copy), ST_OK);
	assert_true(same(&s, &copy) && copy.items[0] == s.items[0]);
	library_set_deinit(&s);
	check_round_trip(&s);
	check_round_trip(&copy);
	library_set_deinit(&copy);
}

static void operations_of_the_log_do_what_they_say(void **state)
{
	struct wal_op put = {
	    .kind = WAL_OP_PUT_LIBRARY, .name = slice_str("a"), .value = slice_str("code")};
	struct wal_op del = {.kind = WAL_OP_DEL_LIBRARY, .name = slice_str("a")};
	struct wal_op flush = {.kind = WAL_OP_FLUSH_LIBRARIES};
	struct wal_op key = {.kind = WAL_OP_FLUSH};
	struct library_set s = {0};

	(void)state;
	assert_int_equal(library_set_apply(&s, &put), ST_OK);
	put.name = slice_str("b");
	assert_int_equal(library_set_apply(&s, &put), ST_OK);
	assert_int_equal(library_set_apply(&s, &key), ST_OK);
	assert_int_equal(s.count, 2);
	assert_int_equal(library_set_apply(&s, &del), ST_OK);
	assert_int_equal(library_set_apply(&s, &del), ST_OK);
	assert_int_equal(s.count, 1);
	assert_int_equal(library_set_apply(&s, &flush), ST_OK);
	assert_int_equal(s.count, 0);
	assert_true(library_set_concerns(&put) && library_set_concerns(&del) &&
		    library_set_concerns(&flush) && !library_set_concerns(&key));
}

static void more_than_the_limit_is_refused(void **state)
{
	struct library_set s = {0};
	static uint8_t one;
	/* Looked at, never read. */
	struct slice huge = slice_of(&one, LIBRARY_SET_BYTES_MAX), name = slice_str("n");

	(void)state;
	assert_int_equal(library_set_put(&s, name, slice_str("old")), ST_OK);
	assert_int_equal(library_set_put(&s, name, huge), ST_LIMIT);
	assert_int_equal(library_set_put(&s, huge, slice_str("")), ST_LIMIT);
	assert_true(slice_eq(library_code(s.items[0]), slice_str("old")));
	library_set_deinit(&s);
}

static void damaged_bytes_are_refused(void **state)
{
	struct library_set s = {0}, out = {0};
	struct buf bytes = {0};
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(library_set_put(&s, text_of("n", i, name), slice_str("code")),
				 ST_OK);
	}
	assert_int_equal(library_set_encode(&s, &bytes), ST_OK);
	for (size_t len = 1; len < bytes.len; len++) {
		enum status st = library_set_decode(slice_of(bytes.data, len), &out);
		bool whole = (len - 1) % (s.bytes / 3) == 0 && len > 1;

		assert_int_equal(st, whole ? ST_OK : ST_CORRUPT);
		library_set_deinit(&out);
	}
	bytes.data[0] = 2;
	assert_int_equal(library_set_decode(buf_slice(&bytes), &out), ST_VERSION);
	bytes.data[0] = 1;
	bytes.data[10] = 'x'; /* the first name comes last */
	assert_int_equal(library_set_decode(buf_slice(&bytes), &out), ST_CORRUPT);
	bytes.data[10] = '1'; /* or twice */
	assert_int_equal(library_set_decode(buf_slice(&bytes), &out), ST_CORRUPT);
	bytes.data[10] = '0';
	bytes_put_u32le(bytes.data + 5, UINT32_MAX);
	assert_int_equal(library_set_decode(buf_slice(&bytes), &out), ST_CORRUPT);
	assert_int_equal(out.count, 0);
	library_set_deinit(&s);
	buf_deinit(&bytes);
}

static void memory_that_runs_out_leaves_a_set_as_it_was(void **state)
{
	struct library_set s = {0}, copy = {0};
	struct buf bytes = {0};
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 9; i++) {
		for (int nth = 0;; nth++) {
			enum status st;

			mem_fail_nth(nth);
			st = library_set_put(&s, text_of("n", i, name), slice_str("code"));
			mem_fail_nth(-1);
			if (st == ST_OK) {
				break;
			}
			assert_int_equal(st, ST_NO_MEMORY);
			assert_int_equal(s.count, i);
		}
	}
	check_round_trip(&s);
	mem_fail_nth(0);
	assert_int_equal(library_set_copy(&s, &copy), ST_NO_MEMORY);
	mem_fail_nth(0);
	assert_int_equal(library_set_encode(&s, &bytes), ST_NO_MEMORY);
	mem_fail_nth(-1);
	assert_int_equal(copy.count, 0);
	library_set_deinit(&s);
	buf_deinit(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_set_is_what_was_put_and_not_removed),
	    cmocka_unit_test(operations_of_the_log_do_what_they_say),
	    cmocka_unit_test(more_than_the_limit_is_refused),
	    cmocka_unit_test(damaged_bytes_are_refused),
	    cmocka_unit_test(memory_that_runs_out_leaves_a_set_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
