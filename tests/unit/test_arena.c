/* A memtable's memory: aligned, never handed out twice, all back after a reset. */
#include "engine/arena.h"
#include "engine/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { REGION = 1 << 20, PIECES = 600, LARGE = 200 * 1024 };

static void pieces_are_aligned_and_do_not_overlap(void **state)
{
	struct arena a;
	uint8_t *at[PIECES];
	size_t size[PIECES];

	(void)state;
	assert_int_equal(arena_init(&a, REGION), ST_OK);
	for (int round = 0; round < 2; round++) {
		/* In all more than the region: the last ones are heap blocks. */
		for (int i = 0; i < PIECES; i++) {
			size[i] = (size_t)(i * 37 % 5000);
			at[i] = arena_alloc(&a, size[i]);
			assert_non_null(at[i]);
			assert_int_equal((uintptr_t)at[i] % 8, 0);
			memset(at[i], i, size[i]);
		}
		for (int i = 0; i < PIECES; i++) {
			for (size_t k = 0; k < size[i]; k++) {
				assert_int_equal(at[i][k], (uint8_t)i);
			}
		}
		assert_true(a.blocks_bytes > 0 && arena_bytes(&a) > a.blocks_bytes);
		arena_reset(&a);
		assert_int_equal(arena_bytes(&a), 0);
		assert_null(a.blocks);
	}
	arena_deinit(&a);
}

static void large_pieces_leave_the_region_alone(void **state)
{
	struct arena a;
	uint8_t *large;

	(void)state;
	assert_int_equal(arena_init(&a, REGION), ST_OK);
	large = arena_alloc(&a, LARGE);
	assert_non_null(large);
	memset(large, 1, LARGE);
	assert_int_equal(a.used, 0);
	assert_int_equal(arena_bytes(&a), LARGE);
	arena_deinit(&a);
}

static void memory_that_runs_out_is_said(void **state)
{
	struct arena a;

	(void)state;
	assert_int_equal(arena_init(&a, REGION), ST_OK);
	assert_null(arena_alloc(&a, SIZE_MAX));
	mem_fail_nth(0);
	assert_null(arena_alloc(&a, LARGE));
	mem_fail_nth(-1);
	assert_int_equal(arena_bytes(&a), 0);
	assert_non_null(arena_alloc(&a, LARGE));
	arena_deinit(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pieces_are_aligned_and_do_not_overlap),
	    cmocka_unit_test(large_pieces_leave_the_region_alone),
	    cmocka_unit_test(memory_that_runs_out_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
