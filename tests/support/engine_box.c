/* A temporary engine for tests of what is built on it. */
#include "tests/support/engine_box.h"

#include "engine/keyspace.h"
#include "engine/types/type_hash.h"
#include "tests/support/patience.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void on_touched(void *arg, const struct store_key *key)
{
	struct engine_box *b = arg;

	if (b->touched != NULL) {
		b->touched(b->touched_arg, key);
	}
}

static void on_expired(void *arg, struct slice key, enum expiry_news news)
{
	struct engine_box *b = arg;

	if (b->expired != NULL) {
		b->expired(b->touched_arg, key, news);
	}
}

enum status engine_box_try(struct engine_box *b, struct buf *error)
{
	struct engine_options opts = {
	    .dir = b->dir,
	    .io = io_posix(),
	    .clock = clock_system(),
	    .seed = b->seed,
	    .map_size_max = (uint64_t)1 << 32,
	    .memtable_max = b->memtable_max > 0 ? b->memtable_max : 8 << 20,
	    .checkpoint_interval_ms = 3600000,
	    .wal_segment_size = 4 << 20,
	    .wal_keep_size = 4 << 20,
	    .wal_compression_level = 1,
	    .fsync = WAL_FSYNC_NO,
	    .expire_fields = type_hash_expire,
	    .touched = on_touched,
	    .touched_arg = b,
	    .expired = on_expired,
	};

	return engine_open(&opts, &b->e, error);
}

static void open_dir(struct engine_box *b)
{
	struct buf error = {0};
	enum status st = engine_box_try(b, &error);

	if (st != ST_OK) {
		print_error("%.*s\n", (int)error.len, (const char *)error.data);
	}
	buf_deinit(&error);
	assert_int_equal(st, ST_OK);
}

void engine_box_open(struct engine_box *b, uint64_t seed)
{
	const char *tmp = getenv("TMPDIR");

	assert_true((size_t)snprintf(b->dir, sizeof b->dir, "%s/cairn-box-XXXXXX",
				     tmp == NULL ? "/tmp" : tmp) < sizeof b->dir);
	assert_non_null(mkdtemp(b->dir));
	rng_seed(&b->rng, seed);
	b->seed = 7;
	b->now_ms = 1000000;
	open_dir(b);
}

void engine_box_close(struct engine_box *b)
{
	if (b->open) { /* an assertion failed within a batch */
		engine_box_rollback(b);
	}
	assert_int_equal(engine_close(b->e), ST_OK);
	remove_tree(b->dir);
}

void engine_box_restart(struct engine_box *b)
{
	assert_int_equal(engine_close(b->e), ST_OK);
	open_dir(b);
}

void engine_box_checkpoint(struct engine_box *b)
{
	struct engine_stats stats;
	enum status st;

	(void)engine_turn_end(b->e);
	do {
		st = engine_checkpoint(b->e); /* ST_AGAIN: one is running, another will follow */
		assert_true(st == ST_OK || st == ST_AGAIN);
		(void)usleep(500);
		(void)engine_turn_end(b->e);
	} while (st != ST_OK);
	do {
		(void)usleep(500);
		(void)engine_turn_end(b->e);
		engine_stats(b->e, &stats);
	} while (stats.checkpoint_running);
}

void engine_box_await_gone(struct engine_box *b, uint16_t slot, uint64_t id, struct slice field)
{
	struct slice value;
	enum status st = ST_OK;

	for (int i = patience(60000); st == ST_OK && i > 0; i--) {
		(void)engine_turn_end(b->e);
		engine_box_begin(b);
		st = ks_field_get(b->e, slot, id, field, &value);
		engine_box_commit(b);
		(void)usleep(1000);
	}
	assert_int_equal(st, ST_NOT_FOUND);
}

void engine_box_live(struct engine_box *b)
{
	uint64_t dice = rng_below(&b->rng, 2000);

	if (dice == 0) {
		engine_box_restart(b);
	} else if (dice < 4) {
		engine_box_checkpoint(b);
	} else if (dice < 10) {
		enum status st = engine_checkpoint(b->e); /* goes on behind the next steps */

		assert_true(st == ST_OK || st == ST_AGAIN);
	} else if (dice < 500) {
		(void)engine_turn_end(b->e);
	}
}

void engine_box_begin(struct engine_box *b)
{
	b->open = true;
	engine_begin(b->e, slice_str("test"), b->now_ms, 1);
}

void engine_box_commit(struct engine_box *b)
{
	b->open = false;
	(void)engine_commit(b->e);
}

void engine_box_rollback(struct engine_box *b)
{
	b->open = false;
	engine_rollback(b->e);
}

struct slice engine_box_value(uint32_t v, uint8_t *dst)
{
	int len = snprintf((char *)dst, 16, "%u", v);
	size_t extra = v % 53 == 0 ? 300 : v % 211 == 0 ? 3000 : v % 12;

	if (v % 3 == 0 && extra < 12) {
		extra = 0; /* a number as such */
	} else {
		dst[len++] = ':';
	}
	for (size_t i = 0; i < extra; i++) {
		dst[(size_t)len + i] = (uint8_t)('a' + (v + i * i) % 26);
	}
	return slice_of(dst, (size_t)len + extra);
}
