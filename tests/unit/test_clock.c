/* The machine's clocks. */
#include "engine/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void monotonic_time_advances_in_microseconds(void **state)
{
	const struct clock *c = clock_system();
	uint64_t before = c->mono_us(c->ctx);
	uint64_t after;

	(void)state;
	(void)usleep(20000);
	after = c->mono_us(c->ctx);
	/* The upper bound is generous: the machine may be busy, the unit must still be right. */
	assert_in_range(after - before, 20000, 10 * 1000 * 1000);
}

static uint64_t seconds_now(void)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &ts), 0);
	return (uint64_t)ts.tv_sec;
}

static void wall_time_is_unix_time_in_milliseconds(void **state)
{
	const struct clock *c = clock_system();
	uint64_t now = c->wall_ms(c->ctx) / 1000;
	uint64_t theirs = seconds_now();

	(void)state;
	assert_in_range(theirs, now, now + 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(monotonic_time_advances_in_microseconds),
	    cmocka_unit_test(wall_time_is_unix_time_in_milliseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
