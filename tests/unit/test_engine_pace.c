/* Writers are held so that what room there is lasts as long as the drain. The drain stands still
 * here, at a disk that does not sync, and time passes as the test says. */
#include "engine/engine_shard.h"
#include "engine/keyspace.h"
#include "tests/support/patience.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { TABLE = 8 << 20, SMALL = 1000, HOLD_US_MAX = 100000, POLL_US = 1000, POLLS = 20000 };

struct fixture {
	char dir[64];
	struct engine *e;
	struct io_ops ops;
	struct io io;
	struct clock clock;
	_Atomic uint64_t now_us;
	_Atomic bool stuck; /* the disk does not sync */
	int keys;
};

static enum status slow_datasync(void *ctx, struct io_file *f)
{
	struct fixture *x = ctx;

	while (atomic_load(&x->stuck)) {
		(void)usleep(POLL_US);
	}
	return io_posix()->ops->datasync(NULL, f);
}

static uint64_t mono_us(void *ctx)
{
	struct fixture *x = ctx;

	return atomic_load(&x->now_us);
}

static uint64_t wall_ms(void *ctx)
{
	return mono_us(ctx) / 1000;
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);
	struct engine_options opts = {
	    .io = &x->io,
	    .clock = &x->clock,
	    .seed = 3,
	    .map_size_max = (uint64_t)1 << 32,
	    .memtable_max = TABLE,
	    .checkpoint_interval_ms = 3600000,
	    .wal_segment_size = 4 << 20,
	    .wal_keep_size = 4 << 20,
	    .fsync = WAL_FSYNC_NO,
	};
	struct buf error = {0};

	assert_non_null(x);
	x->ops = *io_posix()->ops;
	x->ops.datasync = slow_datasync;
	x->io = (struct io){&x->ops, x};
	x->clock = (struct clock){mono_us, wall_ms, x};
	atomic_store(&x->now_us, 1000000);
	(void)snprintf(x->dir, sizeof x->dir, "/tmp/cairn-pace-XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	opts.dir = x->dir;
	assert_int_equal(engine_open(&opts, &x->e, &error), ST_OK);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	atomic_store(&x->stuck, false);
	assert_int_equal(engine_close_quick(x->e), ST_OK);
	remove_tree(x->dir);
	free(x);
	return 0;
}

/* A new key with a value of so many bytes. */
static void put(struct fixture *x, size_t len)
{
	static uint8_t bytes[1 << 20];
	struct meta m = {.type = TYPE_STRING};
	struct slice part = slice_of(bytes, len);
	struct store_key key;
	char name[32];

	(void)snprintf(name, sizeof name, "key:%d", x->keys++);
	store_key_of_key(&key, slice_str(name));
	engine_begin(x->e, slice_str("set"), 1, 0);
	assert_int_equal(ks_put_blind(x->e, &key, &m, &part, 1), ST_OK);
	(void)engine_commit(x->e);
	(void)engine_turn_end(x->e);
}

static uint64_t used(struct fixture *x)
{
	struct engine_stats stats;

	engine_stats(x->e, &stats);
	return stats.memtable_bytes;
}

static void pass(struct fixture *x, uint64_t us)
{
	atomic_fetch_add(&x->now_us, us);
}

/* Fills the active table to half while the one before it is stuck. */
static void half_full(struct fixture *x)
{
	struct engine_stats stats;

	atomic_store(&x->stuck, true);
	put(x, SMALL);
	assert_int_equal(engine_checkpoint(x->e), ST_OK);
	(void)engine_turn_end(x->e);
	engine_stats(x->e, &stats);
	assert_true(stats.memtable_frozen_bytes > 0);
	while (used(x) + 2 * SMALL < TABLE / 2) {
		put(x, SMALL);
		assert_int_equal(engine_backpressure_us(x->e), 0);
	}
}

static void nobody_is_held_without_a_drain(void **state)
{
	struct fixture *x = *state;

	while (used(x) < TABLE - 10 * SMALL) {
		put(x, SMALL);
		assert_int_equal(engine_backpressure_us(x->e), 0);
	}
}

static void room_is_shared_out_over_the_time_of_the_drain(void **state)
{
	struct fixture *x = *state;
	uint64_t before, share;
	uint32_t held;

	half_full(x);
	pass(x, 10000000); /* so long it has taken, so long it may still take */
	while (used(x) <= TABLE / 2) {
		put(x, SMALL);
	}
	(void)engine_backpressure_us(x->e);
	pass(x, HOLD_US_MAX);
	assert_int_equal(engine_backpressure_us(x->e), 0);
	before = used(x);
	put(x, SMALL);
	share = 10000000 * (used(x) - before) / (TABLE - used(x));
	held = engine_backpressure_us(x->e);
	assert_in_range(held, share, share + share / 10);
	/* The next writer comes after this one, and nobody is held for what was counted. */
	put(x, SMALL);
	assert_in_range(engine_backpressure_us(x->e), 2 * share, 2 * share + share / 5);
	assert_in_range(engine_backpressure_us(x->e), 2 * share, 2 * share + share / 5);
	pass(x, 2 * share + share / 5);
	assert_int_equal(engine_backpressure_us(x->e), 0);
	/* Nobody is held for long at once, however full it is. */
	put(x, 1 << 20);
	assert_int_equal(engine_backpressure_us(x->e), HOLD_US_MAX);
	put(x, 1 << 20);
	put(x, 1 << 20);
	put(x, 1 << 20);
	assert_int_equal(engine_backpressure_us(x->e), HOLD_US_MAX);
	assert_int_equal(engine_writable(x->e), ST_AGAIN);
}

static void a_finished_drain_ends_it(void **state)
{
	struct fixture *x = *state;
	struct engine_stats stats;

	half_full(x);
	pass(x, 10000000);
	put(x, 1 << 20);
	assert_true(engine_backpressure_us(x->e) > 0);
	atomic_store(&x->stuck, false);
	for (int i = 0; i < patience(POLLS); i++) {
		(void)engine_turn_end(x->e);
		engine_stats(x->e, &stats);
		if (stats.checkpoint_lsn > 0) {
			break;
		}
		(void)usleep(POLL_US);
	}
	assert_true(stats.checkpoint_lsn > 0);
	assert_int_equal(engine_backpressure_us(x->e), 0);
	put(x, SMALL);
	assert_int_equal(engine_backpressure_us(x->e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(nobody_is_held_without_a_drain, setup, teardown),
	    cmocka_unit_test_setup_teardown(room_is_shared_out_over_the_time_of_the_drain, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_finished_drain_ends_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
