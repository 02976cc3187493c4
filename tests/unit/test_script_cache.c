/* Scripts by their SHA-1. */
#include "net/command/script_cache.h"

#include "engine/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct cached_script make(int n)
{
	struct cached_script s = {.ref = n, .bytes = (size_t)n};
	char text[32];
	int len = snprintf(text, sizeof text, "return %d", n);

	script_sha(slice_of(text, (size_t)len), s.sha);
	return s;
}

static void digests_are_those_of_the_standard(void **state)
{
	char sha[SCRIPT_SHA_LEN + 1];

	(void)state;
	script_sha(slice_of(NULL, 0), sha);
	assert_string_equal(sha, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
	script_sha(slice_str("abc"), sha);
	assert_string_equal(sha, "a9993e364706816aba3e25717850c26c9cd0d89d");
}

static void every_script_is_found_in_any_case(void **state)
{
	struct script_cache c = {0};
	struct cached_script upper;

	(void)state;
	for (int i = 0; i < 300; i++) {
		struct cached_script s = make(i);

		assert_null(script_cache_find(&c, slice_str(s.sha)));
		assert_int_equal(script_cache_add(&c, &s), ST_OK);
	}
	assert_int_equal(c.count, 300);
	for (int i = 0; i < 300; i++) {
		struct cached_script s = make(i);

		assert_int_equal(script_cache_find(&c, slice_str(s.sha))->ref, i);
	}
	upper = make(7);
	for (size_t i = 0; i < SCRIPT_SHA_LEN; i++) {
		char *b = &upper.sha[i];

		*b = (char)(*b >= 'a' ? *b - 32 : *b);
	}
	assert_int_equal(script_cache_find(&c, slice_str(upper.sha))->ref, 7);
	assert_null(script_cache_find(&c, slice_str("x")));
	assert_null(script_cache_find(&c, slice_str("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz")));
	script_cache_deinit(&c);
	assert_null(script_cache_find(&c, slice_str(upper.sha)));
}

static void without_memory_nothing_is_added(void **state)
{
	struct script_cache c = {0};

	(void)state;
	for (int i = 0; i < 40; i++) {
		struct cached_script s = make(i);
		enum status st = ST_NO_MEMORY;

		for (int n = 0; st == ST_NO_MEMORY; n++) {
			assert_int_equal(c.count, i);
			mem_fail_nth(n);
			st = script_cache_add(&c, &s);
			mem_fail_nth(-1);
		}
		assert_int_equal(st, ST_OK);
	}
	script_cache_deinit(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(digests_are_those_of_the_standard),
	    cmocka_unit_test(every_script_is_found_in_any_case),
	    cmocka_unit_test(without_memory_nothing_is_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
