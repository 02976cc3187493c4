/* Building a directory from effects: the store holds what the effects say, with its counters and
 * its expiry index, and nothing is left of a directory that was not published. */
#include "engine/base/rng.h"
#include "engine/export/overlay.h"
#include "tests/support/made_record.h"
#include "tests/support/small_node.h"
#include "tests/support/temp_store.h"
#include "tests/support/tree.h"
#include "tools/env_writer.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { KEYS = 40, STEPS = 3000 };

/* The writer at work and an overlay that is told the same. */
struct bench {
	char root[64], dir[96];
	struct env_writer *w;
	struct overlay *over;
	struct made_record m;
	struct rng rng;
	uint64_t ids[KEYS]; /* of large collections; 0: none */
	uint64_t next_id;
};

static void bench_open(struct bench *b, uint64_t seed)
{
	struct buf error = {0};

	*b = (struct bench){.next_id = 1};
	rng_seed(&b->rng, seed);
	(void)snprintf(b->root, sizeof b->root, "/tmp/cairn-env-XXXXXX");
	assert_non_null(mkdtemp(b->root));
	(void)snprintf(b->dir, sizeof b->dir, "%s/new", b->root);
	assert_int_equal(env_writer_create(io_posix(), b->dir, &b->w, &error), ST_OK);
	assert_int_equal(overlay_create(UINT64_MAX, &b->over), ST_OK);
	buf_deinit(&error);
}

static void bench_close(struct bench *b)
{
	env_writer_destroy(b->w);
	overlay_destroy(b->over);
	made_deinit(&b->m);
	remove_tree(b->root);
}

static void apply(struct bench *b)
{
	struct wal_record rec;
	struct wal_op op;

	made_end(&b->m, 1, &rec);
	while (wal_op_next(&rec.ops, &op) == ST_OK) {
		struct effect e;

		assert_int_equal(effect_of(&op, &e), ST_OK);
		assert_int_equal(env_writer_apply(b->w, &e), ST_OK);
		assert_int_equal(overlay_apply(b->over, &e), ST_OK);
	}
}

static void name_of(int i, char *out, size_t size)
{
	/* Some names are cut and hashed. */
	(void)snprintf(out, size, "%s%d", i % 5 == 0 ? "" : i % 5 == 1 ? "{a}" : "k", i);
	if (i % 7 == 0) {
		memset(out, 'n', 600);
		(void)snprintf(out + 600, size - 600, "%d", i);
	}
}

static void drop_old(struct bench *b, int i, const char *key)
{
	if (b->ids[i] != 0) {
		made_op(&b->m, WAL_OP_DROP, key, b->ids[i], "");
		b->ids[i] = 0;
	}
}

static void step(struct bench *b)
{
	int i = (int)rng_below(&b->rng, KEYS), what = (int)rng_below(&b->rng, 10);
	uint64_t expiry = rng_below(&b->rng, 3) == 0 ? 1000 + rng_below(&b->rng, 100) : 0;
	char key[640], value[32];

	name_of(i, key, sizeof key);
	(void)snprintf(value, sizeof value, "%.*s", (int)rng_below(&b->rng, 30),
		       "..............................");
	made_begin(&b->m, "x");
	if (rng_below(&b->rng, 700) == 0) {
		made_op(&b->m, WAL_OP_FLUSH, "", 0, "");
		memset(b->ids, 0, sizeof b->ids);
	} else if (what < 4) {
		drop_old(b, i, key);
		made_string(&b->m, key, value, expiry);
	} else if (what < 6) {
		drop_old(b, i, key);
		made_op(&b->m, WAL_OP_DEL_KEY, "", 0, key);
	} else {
		struct meta meta = {.type = TYPE_HASH, .form = FORM_LARGE, .expire_at_ms = expiry};

		if (b->ids[i] == 0) {
			b->ids[i] = b->next_id++;
		}
		meta.id = b->ids[i];
		meta.count = 1 + rng_below(&b->rng, 9); /* not what a node would say */
		made_field(&b->m, key, b->ids[i], value, what == 9 ? NULL : value);
		made_meta(&b->m, key, &meta);
	}
	apply(b);
}

/* Everything in the overlay that a live key owns is in the store, and nothing else. */
static void compare(struct bench *b, struct store *store)
{
	struct store_reader *r;
	struct store_cursor *c;
	struct slice key, value;
	size_t found = 0, wanted = 0;
	enum status st;

	assert_int_equal(store_reader_open(store, &r), ST_OK);
	for (size_t i = 0; i < overlay_count(b->over); i++) {
		struct slice stored;
		bool live = overlay_at(b->over, i, &key, &value) == OVERLAY_VALUE;

		if (live && store_key_space(key) == KEYSPACE_ELEM) {
			uint64_t id = store_key_id(key);

			live = false;
			for (int k = 0; k < KEYS; k++) {
				live = live || b->ids[k] == id;
			}
		}
		st = store_get(r, key, &stored);
		assert_int_equal(st, live ? ST_OK : ST_NOT_FOUND);
		assert_true(!live || slice_eq(stored, value));
		wanted += live;
	}
	assert_int_equal(store_cursor_open(r, &c), ST_OK);
	st = store_cursor_seek(c, slice_of(NULL, 0), &key, &value);
	for (; st == ST_OK; st = store_cursor_next(c, &key, &value)) {
		found++;
	}
	store_cursor_close(c);
	store_reader_close(r);
	assert_int_equal(found, wanted);
}

static void the_store_holds_what_the_effects_say(void **state)
{
	struct store_options options = {
	    .io = io_posix(), .map_size_max = (uint64_t)1 << 30, .read_only = true};
	struct store_state s = {.checkpoint_lsn = 9,
				.previous_checkpoint_lsn = 9,
				.drain_lsn = 9,
				.history = {.shard_id = 4, .count = 1, .items = {{1, 0, 1}}}};
	struct bench b;
	struct store *store;
	struct buf error = {0};
	char path[128];

	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		bench_open(&b, seed);
		for (int i = 0; i < STEPS; i++) {
			step(&b);
		}
		assert_true(env_writer_next_id(b.w) <= b.next_id);
		assert_int_equal(overlay_finish(b.over), ST_OK);
		assert_int_equal(env_writer_seal(b.w, &s), ST_OK);
		(void)snprintf(path, sizeof path, "%s/wal", env_writer_dir(b.w));
		assert_int_equal(mkdir(path, 0700), 0);
		assert_int_equal(access(b.dir, F_OK), -1);
		assert_int_equal(env_writer_publish(b.w, &error), ST_OK);
		(void)snprintf(path, sizeof path, "%s/keyspace.mdb", b.dir);
		options.path = path;
		assert_int_equal(store_open(&options, &store, &error), ST_OK);
		assert_true(temp_store_verify(store) > 0);
		compare(&b, store);
		store_close(store);
		bench_close(&b);
	}
	buf_deinit(&error);
}

static void nothing_is_left_of_what_was_not_published(void **state)
{
	struct bench b;
	struct buf error = {0};
	struct store_state s = {.history = {.shard_id = 4, .count = 1, .items = {{1, 0, 1}}}};
	struct env_writer *second;
	char path[128];

	(void)state;
	bench_open(&b, 5);
	step(&b);
	/* Two at once do not get in each other's way. */
	assert_int_equal(env_writer_create(io_posix(), b.dir, &second, &error), ST_EXISTS);
	assert_true(error.len > 0);
	assert_int_equal(env_writer_seal(b.w, &s), ST_OK);
	(void)snprintf(path, sizeof path, "%s/wal", env_writer_dir(b.w));
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof path, "%s/wal/file", env_writer_dir(b.w));
	assert_int_equal(close(creat(path, 0600)), 0);
	env_writer_destroy(b.w);
	b.w = NULL;
	assert_int_equal(rmdir(b.root), 0);
	buf_deinit(&error);
	bench_close(&b);
}

static void a_target_in_use_is_refused(void **state)
{
	struct env_writer *w;
	struct buf error = {0};
	char root[64] = "/tmp/cairn-env-XXXXXX", path[128];

	(void)state;
	assert_non_null(mkdtemp(root));
	(void)snprintf(path, sizeof path, "%s/file", root);
	assert_int_equal(close(creat(path, 0600)), 0);
	assert_int_equal(env_writer_create(io_posix(), root, &w, &error), ST_EXISTS);
	assert_int_equal(env_writer_create(io_posix(), path, &w, &error), ST_EXISTS);
	(void)snprintf(path, sizeof path, "%s/no/such/parent", root);
	assert_true(env_writer_create(io_posix(), path, &w, &error) != ST_OK);
	buf_deinit(&error);
	remove_tree(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_store_holds_what_the_effects_say),
	    cmocka_unit_test(nothing_is_left_of_what_was_not_published),
	    cmocka_unit_test(a_target_in_use_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
