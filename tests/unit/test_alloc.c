/* The heap door: counting and the countdown fault. */
#include "engine/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void the_nth_allocation_fails_once(void **state)
{
	(void)state;
	for (int64_t n = 0; n < 4; n++) {
		mem_fail_nth(n);
		for (int64_t i = 0; i < 6; i++) {
			void *p = mem_alloc(8);

			assert_int_equal(p == NULL, i == n);
			mem_free(p);
		}
		mem_fail_nth(-1);
	}
}

static void each_kind_of_allocation_can_fail(void **state)
{
	char *old = mem_strdup("kept");

	(void)state;
	assert_non_null(old);
	mem_fail_nth(0);
	assert_null(mem_calloc(1, 8));
	mem_fail_nth(0);
	assert_null(mem_strdup("x"));
	mem_fail_nth(0);
	assert_null(mem_realloc(old, 100));
	/* A failed realloc leaves the old block alone. */
	assert_string_equal(old, "kept");
	mem_free(old);
}

static void sizes_of_zero_give_a_block(void **state)
{
	void *a = mem_alloc(0);
	void *b = mem_calloc(0, 0);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	a = mem_realloc(a, 0);
	assert_non_null(a);
	mem_free(a);
	mem_free(b);
	mem_free(NULL);
}

static void memory_is_zeroed_by_calloc_and_counted(void **state)
{
	enum { BIG = 8 << 20 };
	size_t before = mem_used();
	uint8_t *p = mem_calloc(BIG, 1);

	(void)state;
	assert_non_null(p);
	for (size_t i = 0; i < BIG; i += 4096) {
		assert_int_equal(p[i], 0);
	}
	/* Sanitizers replace the allocator and its figures; then the count is 0 throughout. */
	if (before != 0) {
		assert_true(mem_used() >= before + BIG);
	}
	mem_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_nth_allocation_fails_once),
	    cmocka_unit_test(each_kind_of_allocation_can_fail),
	    cmocka_unit_test(sizes_of_zero_give_a_block),
	    cmocka_unit_test(memory_is_zeroed_by_calloc_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
