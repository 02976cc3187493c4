/* Counters by slot: what is counted where, and nothing while they are off. */
#include "engine/base/keyslot.h"
#include "net/command/slot_load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void requests_count_on_their_slot(void **state)
{
	struct slice argv[2] = {slice_str("GET"), slice_str("0123456789")};
	struct slot_loads l = {0};

	(void)state;
	slot_loads_count(&l, 7, argv, 2, 100, 5);
	assert_null(l.of);
	assert_int_equal(slot_loads_enable(&l, true), ST_OK);
	slot_loads_count(&l, 7, argv, 2, 100, 5);
	slot_loads_count(&l, 7, argv, 1, 10, 0);
	slot_loads_count(&l, SLOTS, argv, 2, 100, 5); /* has no slot */
	assert_int_equal(slot_loads_enable(&l, true), ST_OK);
	assert_int_equal(l.of[7].ticks, 110);
	assert_int_equal(l.of[7].bytes_out, 5);
	/* "*2", "$3", "GET", "$10", ten digits; then "*1", "$3", "GET" */
	assert_int_equal(l.of[7].bytes_in, 4 + 4 + 5 + 5 + 12 + 4 + 4 + 5);
	assert_int_equal(l.of[6].bytes_in, 0);
	slot_loads_reset(&l);
	assert_int_equal(l.of[7].ticks, 0);
	assert_int_equal(slot_loads_enable(&l, false), ST_OK);
	assert_null(l.of);
	slot_loads_reset(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(requests_count_on_their_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
