/* Which lookups are expected not to fault: all while the store is in memory, else those of what was
 * read lately. */
#include "engine/residency.h"
#include "tests/support/temp_store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAP = 64 << 20, HOLE_PAGES = 4000, MARKS = 1 << 18 };

static void a_store_in_memory_makes_everything_warm(void **state)
{
	struct temp_store t;
	struct residency *r;

	(void)state;
	temp_store_create(&t, MAP);
	assert_int_equal(residency_start(t.store, &r), ST_OK);
	residency_ready(r);
	assert_true(residency_all(r));
	assert_true(residency_warm(r, 12345));
	residency_mark(r, 1); /* not needed, and not kept */
	residency_stop(r);
	temp_store_destroy(&t);
}

/* A store whose file has many pages that nobody has read. */
static void make_cold(struct temp_store *t)
{
	struct store_info info;

	temp_store_create(t, MAP);
	assert_int_equal(store_info(t->store, &info), ST_OK);
	temp_store_close(t);
	assert_int_equal(truncate(t->path, (off_t)info.file_bytes + HOLE_PAGES * 4096), 0);
	temp_store_reopen(t, MAP);
}

static void in_a_cold_store_only_what_was_marked_is_warm(void **state)
{
	struct temp_store t;
	struct residency *r;
	int warm = 0;

	(void)state;
	make_cold(&t);
	assert_int_equal(residency_start(t.store, &r), ST_OK);
	residency_ready(r);
	assert_false(residency_all(r));
	assert_false(residency_warm(r, 7));
	residency_mark(r, 7);
	residency_mark(r, 7);
	assert_true(residency_warm(r, 7));
	assert_false(residency_warm(r, 8));
	/* One generation later it is still known, two later it is not. */
	for (uint64_t i = 0; i < MARKS; i++) {
		residency_mark(r, 100 + i);
	}
	assert_true(residency_warm(r, 7));
	for (uint64_t i = 0; i < 2 * MARKS; i++) {
		residency_mark(r, 1000000 + i);
	}
	assert_false(residency_warm(r, 7));
	for (uint64_t i = 0; i < 1000; i++) {
		warm += residency_warm(r, 1000000 + 2 * MARKS - 1 - i);
	}
	assert_int_equal(warm, 1000);
	residency_stop(r);
	residency_stop(NULL);
	temp_store_destroy(&t);
}

/* told: the store's owner says that it has changed; otherwise lookups ask. */
static void look_again(bool told)
{
	static const uint8_t zeros[1 << 16];
	struct temp_store t;
	struct store_info info;
	struct residency *r;
	int fd;

	make_cold(&t);
	assert_int_equal(store_info(t.store, &info), ST_OK);
	assert_int_equal(residency_start(t.store, &r), ST_OK);
	residency_ready(r);
	assert_false(residency_all(r));
	/* Written pages are in memory. */
	fd = open(t.path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (uint64_t left = (uint64_t)HOLE_PAGES * 4096; left > 0;) {
		size_t n = left < sizeof zeros ? (size_t)left : sizeof zeros;

		assert_int_equal(pwrite(fd, zeros, n, (off_t)(info.file_bytes - left)), n);
		left -= n;
	}
	assert_int_equal(close(fd), 0);
	if (told) {
		residency_look(r);
	}
	for (int i = 0; i < 300 && !residency_all(r); i++) {
		if (!told) {
			(void)residency_warm(r, 1);
		}
		(void)usleep(100000);
	}
	assert_true(residency_all(r));
	residency_stop(r);
	temp_store_destroy(&t);
}

static void the_thread_looks_again_when_asked(void **state)
{
	(void)state;
	look_again(false);
}

static void the_thread_looks_again_when_told(void **state)
{
	(void)state;
	look_again(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_store_in_memory_makes_everything_warm),
	    cmocka_unit_test(in_a_cold_store_only_what_was_marked_is_warm),
	    cmocka_unit_test(the_thread_looks_again_when_asked),
	    cmocka_unit_test(the_thread_looks_again_when_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
