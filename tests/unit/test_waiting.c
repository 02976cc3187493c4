/* Waits end: by their signal or by their time, not before it. */
#include "engine/base/clock.h"
#include "engine/base/waiting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

enum { SHORT_US = 20000, LONG_US = 60000000 };

static uint64_t now_us(void)
{
	return clock_system()->mono_us(clock_system()->ctx);
}

struct shared {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static void *wake(void *arg)
{
	struct shared *s = arg;

	(void)pthread_mutex_lock(&s->lock);
	s->done = true;
	(void)pthread_cond_signal(&s->cond);
	(void)pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void a_wait_ends_by_its_signal(void **state)
{
	struct shared s = {.done = false};
	uint64_t start = now_us();
	pthread_t thread;

	(void)state;
	(void)pthread_mutex_init(&s.lock, NULL);
	waiting_cond_init(&s.cond);
	(void)pthread_mutex_lock(&s.lock);
	assert_int_equal(pthread_create(&thread, NULL, wake, &s), 0);
	while (!s.done) {
		waiting_cond_us(&s.cond, &s.lock, LONG_US);
	}
	(void)pthread_mutex_unlock(&s.lock);
	assert_true(now_us() - start < LONG_US);
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)pthread_cond_destroy(&s.cond);
	(void)pthread_mutex_destroy(&s.lock);
}

static void a_wait_without_signal_ends_by_its_time(void **state)
{
	struct shared s = {.done = false};
	uint64_t start = now_us();

	(void)state;
	(void)pthread_mutex_init(&s.lock, NULL);
	waiting_cond_init(&s.cond);
	(void)pthread_mutex_lock(&s.lock);
	/* It may wake up early, so that the time is waited for in a loop. */
	while (now_us() - start < SHORT_US) {
		waiting_cond_us(&s.cond, &s.lock, SHORT_US);
	}
	(void)pthread_mutex_unlock(&s.lock);
	assert_true(now_us() - start < LONG_US);
	(void)pthread_cond_destroy(&s.cond);
	(void)pthread_mutex_destroy(&s.lock);
}

static void a_pause_lasts_its_time(void **state)
{
	uint64_t start = now_us();

	(void)state;
	waiting_pause_us(SHORT_US);
	assert_true(now_us() - start >= SHORT_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_wait_ends_by_its_signal),
	    cmocka_unit_test(a_wait_without_signal_ends_by_its_time),
	    cmocka_unit_test(a_pause_lasts_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
