/* How much of a core a full copy takes: the judgement, the sum, and both on real threads. */
#include "net/copy_pace.h"

#include "engine/base/clock.h"
#include "engine/base/waiting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

enum { FULL = 1 << 20, SECOND = 1000000 };

static void test_share_falls_at_once_and_grows_slowly(void **state)
{
	struct copy_pace p = {.least = 10, .share = 10, .fd = -1};
	uint64_t now = 0, waited = 0;
	unsigned windows = 0;

	(void)state;
	while (p.share < 100) {
		unsigned before = p.share;

		now += COPY_PACE_WINDOW_US;
		copy_pace_judge(&p, now, true, waited);
		assert_true(p.share > before && p.share <= before + before / 4 + 1);
		assert_int_equal(copy_pace_piece(&p, FULL), p.share < 100 ? COPY_PACE_PIECE : FULL);
		windows++;
	}
	assert_in_range(windows, 5, 20); /* a second at most */

	/* A hundredth of the window is chance; more than that is harm. */
	now += COPY_PACE_WINDOW_US;
	waited += COPY_PACE_WINDOW_US / 100;
	copy_pace_judge(&p, now, true, waited);
	assert_int_equal(p.share, 100);
	now += COPY_PACE_WINDOW_US;
	waited += COPY_PACE_WINDOW_US / 100 + 1;
	copy_pace_judge(&p, now, true, waited);
	assert_int_equal(p.share, 10);
	assert_int_equal(copy_pace_piece(&p, FULL), COPY_PACE_PIECE);
	assert_int_equal(copy_pace_piece(&p, 100), 100);
}

static void test_unknown_is_the_least(void **state)
{
	struct copy_pace p = {.least = 25, .share = 25, .fd = -1};

	(void)state;
	for (uint64_t i = 1; i <= 100; i++) {
		copy_pace_judge(&p, i * COPY_PACE_WINDOW_US, false, 0);
		assert_int_equal(p.share, 25);
	}
}

/* Pieces of work, each followed by its rest, take the share of the time. */
static void test_rest_makes_the_share(void **state)
{
	struct copy_pace p = {.least = 20, .share = 20, .fd = -1, .free_us = SECOND};
	uint64_t now = SECOND, spent = 0;

	(void)state;
	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t piece = 50 + i % 100;

		now += piece;
		spent += piece;
		now += copy_pace_charge(&p, now, piece);
	}
	assert_in_range((now - SECOND) * 20 / 100, spent - 10, spent + 10);
}

/* A rest that took longer, or a wait for the socket, is not made up for by a long stretch. */
static void test_credit_is_small(void **state)
{
	struct copy_pace p = {.least = 10, .share = 10, .fd = -1};
	uint64_t now = 10 * SECOND;

	(void)state;
	assert_int_equal(copy_pace_charge(&p, now, 100), 0);
	now += 100;
	assert_int_equal(copy_pace_charge(&p, now, 100), 0); /* 1000 - 1000 - 100 */
	now += 100;
	assert_int_equal(copy_pace_charge(&p, now, 100), 800);
}

static void test_a_long_piece_has_a_limited_rest(void **state)
{
	struct copy_pace p = {.least = 1, .share = 1, .fd = -1};
	uint64_t now = 100 * SECOND;

	(void)state;
	assert_int_equal(copy_pace_charge(&p, now, 60 * SECOND), COPY_PACE_DEBT_US);
	now += COPY_PACE_DEBT_US;
	assert_int_equal(copy_pace_charge(&p, now, 10), 1000);
}

static void test_a_whole_core_never_rests(void **state)
{
	struct copy_pace p = {.least = 100, .share = 100, .fd = -1};

	(void)state;
	copy_pace_judge(&p, COPY_PACE_WINDOW_US, true, COPY_PACE_WINDOW_US);
	assert_int_equal(p.share, 100);
	assert_int_equal(copy_pace_charge(&p, COPY_PACE_WINDOW_US, 12345), 0);
	assert_int_equal(copy_pace_piece(&p, FULL), FULL);
}

/* This thread works and is the one that counts as executor: it is looked at where the system tells
 * of threads, and has to rest sooner or later, however seldom a busy machine lets it run. */
static void test_real_clocks(void **state)
{
	const struct clock *clock = clock_system();
	uint64_t began = clock->mono_us(NULL), first, slept = 0;
	struct copy_pace p;
	volatile unsigned work;

	(void)state;
	copy_pace_begin(&p, gettid(), 1);
	first = p.window_us;
	while ((slept == 0 || p.window_us == first) && clock->mono_us(NULL) - began < 20 * SECOND) {
		uint64_t rest;

		for (work = 0; work < 100000; work++) {
		}
		rest = copy_pace_rest_us(&p);
		slept += rest;
		waiting_pause_us(rest < 10000 ? rest : 10000);
	}
	assert_true(slept > 0);
	assert_true(p.window_us != first);
	assert_in_range(p.share, 1, 100);
	copy_pace_end(&p);
	assert_int_equal(p.fd, -1);

	copy_pace_begin(&p, 0, 50); /* no such thread */
	assert_int_equal(p.fd, -1);
	p.window_us -= COPY_PACE_WINDOW_US;
	p.share = 90;
	(void)copy_pace_rest_us(&p);
	assert_int_equal(p.share, 50);
	copy_pace_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_share_falls_at_once_and_grows_slowly),
	    cmocka_unit_test(test_unknown_is_the_least),
	    cmocka_unit_test(test_rest_makes_the_share),
	    cmocka_unit_test(test_credit_is_small),
	    cmocka_unit_test(test_a_long_piece_has_a_limited_rest),
	    cmocka_unit_test(test_a_whole_core_never_rests),
	    cmocka_unit_test(test_real_clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
