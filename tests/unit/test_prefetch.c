/* Jobs of cold keys: in which order they are done and taken, and that the executor hears of them.
 */
#include "net/prefetch.h"

#include "tests/support/engine_box.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { OFTEN = 40, SELDOM = 3 };

struct box {
	struct engine_box engine;
	struct prefetch *prefetch;
	pthread_mutex_t lock;
	pthread_cond_t change;
	unsigned told; /* times that the hook was called */
	bool stopped;  /* the hook does not return */
};

static void told(void *arg)
{
	struct box *b = arg;

	(void)pthread_mutex_lock(&b->lock);
	b->told++;
	(void)pthread_cond_broadcast(&b->change);
	while (b->stopped) {
		(void)pthread_cond_wait(&b->change, &b->lock);
	}
	(void)pthread_mutex_unlock(&b->lock);
}

static void wait_told(struct box *b, unsigned times)
{
	(void)pthread_mutex_lock(&b->lock);
	while (b->told < times) {
		(void)pthread_cond_wait(&b->change, &b->lock);
	}
	(void)pthread_mutex_unlock(&b->lock);
}

static void set_stopped(struct box *b, bool stopped)
{
	(void)pthread_mutex_lock(&b->lock);
	b->stopped = stopped;
	(void)pthread_cond_broadcast(&b->change);
	(void)pthread_mutex_unlock(&b->lock);
}

static int setup(void **state)
{
	struct box *b = calloc(1, sizeof *b);

	engine_box_open(&b->engine, 3);
	(void)pthread_mutex_init(&b->lock, NULL);
	(void)pthread_cond_init(&b->change, NULL);
	assert_int_equal(prefetch_start(b->engine.e, 1, told, b, &b->prefetch), ST_OK);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct box *b = *state;

	prefetch_stop(b->prefetch);
	engine_box_close(&b->engine);
	(void)pthread_cond_destroy(&b->change);
	(void)pthread_mutex_destroy(&b->lock);
	free(b);
	return 0;
}

static void submit(struct box *b, uint64_t id, bool seldom)
{
	struct cold_key key = {.elements_max = 0};

	store_key_of_key(&key.key, slice_str("key"));
	assert_int_equal(prefetch_submit(b->prefetch, id, seldom, &key, 1), ST_OK);
}

/* Takes until so many are there; the hook has to tell of each rest. */
static void take(struct box *b, uint64_t *ids, size_t count)
{
	unsigned times = 1;

	for (size_t n = 0; n < count; times++) {
		size_t more;

		wait_told(b, times);
		more = prefetch_take(b->prefetch, ids + n);
		assert_in_range(more, 0, PREFETCH_TAKE_MAX);
		n += more;
		assert_in_range(n, 0, count);
	}
}

/* Has the only thread stand in the hook behind client 1's job until jobs of both kinds wait. */
static void fill(struct box *b, unsigned often, unsigned seldom)
{
	set_stopped(b, true);
	submit(b, 1, false);
	wait_told(b, 1);
	for (unsigned i = 0; i < often; i++) {
		submit(b, 100 + i, false);
	}
	for (unsigned i = 0; i < seldom; i++) {
		submit(b, 1000 + i, true);
	}
	set_stopped(b, false);
}

static void who_asks_seldom_does_not_queue_behind_the_others(void **state)
{
	struct box *b = *state;
	uint64_t ids[1 + OFTEN + SELDOM + PREFETCH_TAKE_MAX];
	size_t often = 0, seldom = 0;

	fill(b, OFTEN, SELDOM);
	take(b, ids, 1 + OFTEN + SELDOM);
	assert_int_equal(ids[0], 1);
	for (size_t i = 1; i < 1 + OFTEN + SELDOM; i++) {
		/* In turn, each kind in its own order. */
		if (ids[i] >= 1000) {
			assert_int_equal(ids[i], 1000 + seldom);
			seldom++;
			assert_in_range(i, 2 * seldom - 1, 2 * seldom);
		} else {
			assert_int_equal(ids[i], 100 + often);
			often++;
		}
	}
	assert_int_equal(seldom, SELDOM);
	assert_int_equal(prefetch_take(b->prefetch, ids), 0);
}

static void a_turn_takes_no_more_than_its_share(void **state)
{
	struct box *b = *state;
	uint64_t ids[PREFETCH_TAKE_MAX];
	size_t n;

	fill(b, 2 * PREFETCH_TAKE_MAX, 0);
	/* One told of the first, one behind each share that left some. */
	for (size_t left = 1 + (size_t)2 * PREFETCH_TAKE_MAX; left > 0; left -= n) {
		n = prefetch_take(b->prefetch, ids);
		assert_in_range(n, 0, left < PREFETCH_TAKE_MAX ? left : PREFETCH_TAKE_MAX);
		(void)usleep(1000);
	}
	assert_in_range(b->told, 3, 2 * PREFETCH_TAKE_MAX + 1);
}

static void what_was_not_begun_or_taken_is_dropped(void **state)
{
	struct box *b = *state;

	fill(b, OFTEN, SELDOM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	    TEST(who_asks_seldom_does_not_queue_behind_the_others),
	    TEST(a_turn_takes_no_more_than_its_share),
	    TEST(what_was_not_begun_or_taken_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
