/* What a killed process leaves is brought back from the log; a log that does not fit the store is
 * refused with what to do. A copy of a running engine's directory stands for the killed one. */
#include "engine/engine_shard.h"
#include "engine/keyspace.h"
#include "tests/support/engine_box.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOISE = 1000, MANY = 6000 };

struct fixture {
	struct engine_box live, copy;
	struct buf error;
};

__attribute__((format(printf, 1, 2))) static void sh(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	assert_true((size_t)vsnprintf(cmd, sizeof cmd, fmt, ap) < sizeof cmd);
	va_end(ap);
	assert_int_equal(system(cmd), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	engine_box_open(&f->live, 41);
	memcpy(f->copy.dir, f->live.dir, sizeof f->copy.dir);
	memcpy(f->copy.dir + strlen(f->copy.dir) - 6, "XXXXXX", 6);
	assert_non_null(mkdtemp(f->copy.dir));
	f->copy.seed = 7;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	remove_tree(f->copy.dir);
	engine_box_close(&f->live);
	buf_deinit(&f->error);
	free(f);
	return 0;
}

/* key:i, with incompressible bytes. */
static void put_key(struct engine_box *b, int i)
{
	struct meta m = {.type = TYPE_STRING};
	struct store_key key;
	uint8_t noise[NOISE] = {0};
	struct slice part = slice_of(noise, sizeof noise);
	char name[32];

	for (size_t k = 0; k < sizeof noise; k++) {
		noise[k] = (uint8_t)rng_next(&b->rng);
	}
	(void)snprintf(name, sizeof name, "key:%d", i);
	engine_box_begin(b);
	store_key_of_key(&key, slice_str(name));
	assert_int_equal(ks_put_blind(b->e, &key, &m, &part, 1), ST_OK);
	engine_box_commit(b);
}

/* Keys key:from ... key:to-1, each in a turn of its own. */
static void put_keys(struct engine_box *b, int from, int to)
{
	for (int i = from; i < to; i++) {
		put_key(b, i);
		(void)engine_turn_end(b->e);
	}
}

/* The directory as a kill at this moment would leave it, once all is in the log's files. */
static void copy_dir(struct fixture *f)
{
	struct engine_stats stats;

	do {
		(void)engine_turn_end(f->live.e);
		engine_stats(f->live.e, &stats);
		(void)usleep(500);
	} while (stats.wal.written_lsn < stats.last_lsn);
	copy_tree(f->live.dir, f->copy.dir);
}

static void expect_keys(struct engine_box *b, int count)
{
	engine_box_begin(b);
	for (int i = 0; i <= count; i++) {
		struct store_key key;
		struct meta m;
		char name[32];

		(void)snprintf(name, sizeof name, "key:%d", i);
		store_key_of_key(&key, slice_str(name));
		assert_int_equal(ks_lookup(b->e, &key, &m), i < count ? ST_OK : ST_NOT_FOUND);
	}
	engine_box_commit(b);
}

static void refused_saying(struct fixture *f, const char *words)
{
	assert_int_equal(engine_box_try(&f->copy, &f->error), ST_CORRUPT);
	assert_int_equal(buf_append(&f->error, "", 1), ST_OK);
	if (strstr((const char *)f->error.data, words) == NULL) {
		print_error("%s\n", (const char *)f->error.data);
		fail();
	}
}

static void the_logs_tail_is_replayed(void **state)
{
	struct fixture *f = *state;
	struct engine_stats stats;

	put_keys(&f->live, 0, 50);
	engine_box_checkpoint(&f->live);
	put_keys(&f->live, 50, 80);
	copy_dir(f);
	assert_int_equal(engine_box_try(&f->copy, &f->error), ST_OK);
	expect_keys(&f->copy, 80);
	engine_stats(f->copy.e, &stats);
	assert_int_equal(stats.recovery_records, 30);
	assert_int_equal(stats.recovery_torn_bytes, 0);
	assert_int_equal(engine_close(f->copy.e), ST_OK);
}

/* keys of 1 KB; the copy's tables may hold 8 MB each. */
static void recover_tail(struct fixture *f, int keys, bool drained)
{
	struct engine_stats stats;

	engine_set_memtable_max(f->live.e, 64 << 20);
	put_keys(&f->live, 0, keys);
	copy_dir(f);
	assert_int_equal(engine_box_try(&f->copy, &f->error), ST_OK);
	engine_stats(f->copy.e, &stats);
	assert_int_equal(stats.checkpoint_lsn > 0, drained);
	assert_int_equal(stats.recovery_records, keys);
	expect_keys(&f->copy, keys);
	assert_int_equal(engine_close(f->copy.e), ST_OK);
}

static void a_tail_larger_than_two_tables_is_drained_on_the_way(void **state)
{
	recover_tail(*state, 20000, true);
}

static void what_two_tables_held_does_not_hold_up_the_start(void **state)
{
	recover_tail(*state, 12000, false);
}

/* Bytes behind the last frame of the only segment, as a write that never became durable leaves
 * them. */
static void write_behind_the_log(const char *dir)
{
	char path[128];
	long end = 0;
	FILE *file;
	int c;

	(void)snprintf(path, sizeof path, "%s/wal/0000000000000001.wal", dir);
	file = fopen(path, "r+b");
	assert_non_null(file);
	for (long at = 1; (c = fgetc(file)) != EOF; at++) {
		end = c != 0 ? at : end;
	}
	assert_int_equal(fseek(file, (end + 7) / 8 * 8, SEEK_SET), 0);
	assert_int_equal(fwrite("torntorntorntorntorntorn", 24, 1, file), 1);
	assert_int_equal(fclose(file), 0);
}

static void an_unfinished_last_frame_is_cut_and_counted(void **state)
{
	struct fixture *f = *state;
	struct engine_stats stats;

	put_keys(&f->live, 0, 20);
	copy_dir(f);
	write_behind_the_log(f->copy.dir);
	assert_int_equal(engine_box_try(&f->copy, &f->error), ST_OK);
	expect_keys(&f->copy, 20);
	engine_stats(f->copy.e, &stats);
	assert_int_equal(stats.recovery_torn_bytes, 24);
	assert_int_equal(stats.recovery_cut_lsn, 21);
	assert_int_equal(engine_close(f->copy.e), ST_OK);
}

static void a_store_without_its_log_is_refused(void **state)
{
	struct fixture *f = *state;

	put_keys(&f->live, 0, 20);
	engine_box_checkpoint(&f->live);
	copy_dir(f);
	sh("rm %s/wal/*.wal", f->copy.dir);
	refused_saying(f, "there is no write-ahead log in");
}

static void a_log_that_ends_before_the_store_is_refused(void **state)
{
	struct fixture *f = *state;

	put_keys(&f->live, 0, 20);
	copy_dir(f);
	sh("mv %s/wal %s/old", f->copy.dir, f->copy.dir);
	put_keys(&f->live, 20, 40);
	engine_box_checkpoint(&f->live);
	copy_dir(f);
	sh("rm -r %s/wal && mv %s/old %s/wal", f->copy.dir, f->copy.dir, f->copy.dir);
	refused_saying(f, "but LSN 40 was durable");
}

/* Segments go when a checkpoint has what is in them, not what came while it was written. */
static void the_log_is_kept_for_what_no_checkpoint_has(void **state)
{
	struct fixture *f = *state;
	struct engine_stats stats;

	engine_set_memtable_max(f->live.e, 64 << 20);
	put_keys(&f->live, 0, 3000);
	assert_int_equal(engine_checkpoint(f->live.e), ST_OK);
	(void)engine_turn_end(f->live.e);
	engine_stats(f->live.e, &stats);
	assert_true(stats.memtable_frozen_bytes > 0 || stats.checkpoint_lsn == 3000);
	for (int i = 3000; i < 5000; i++) { /* over the end of the first segment of 4 MB */
		put_key(&f->live, i);
	}
	do {
		(void)engine_turn_end(f->live.e);
		engine_stats(f->live.e, &stats);
		(void)usleep(500);
	} while (stats.checkpoint_lsn < 3000);
	assert_int_equal(stats.checkpoint_lsn, 3000);
	put_keys(&f->live, 5000, 12000);
	copy_dir(f);
	assert_int_equal(engine_box_try(&f->copy, &f->error), ST_OK);
	expect_keys(&f->copy, 12000);
	assert_int_equal(engine_close(f->copy.e), ST_OK);
}

static void an_unclean_end_begins_a_timeline_and_a_clean_one_does_not(void **state)
{
	struct fixture *f = *state;
	uint32_t before = engine_history(f->live.e)->count;

	put_keys(&f->live, 0, 20);
	copy_dir(f);
	for (int i = 0; i < 2; i++) {
		const struct wal_history *h;

		assert_int_equal(engine_box_try(&f->copy, &f->error), ST_OK);
		h = engine_history(f->copy.e);
		assert_int_equal(h->count, before + 1);
		assert_int_equal(h->items[h->count - 1].first_lsn, 21);
		assert_int_equal(engine_close(f->copy.e), ST_OK);
	}
}

static void a_log_without_its_beginning_is_refused(void **state)
{
	struct fixture *f = *state;

	put_keys(&f->live, 0, MANY); /* more than one file of 4 MB */
	copy_dir(f);
	sh("rm $(ls %s/wal/*.wal | head -n 1)", f->copy.dir);
	refused_saying(f, "segments are missing");
}

static void the_log_of_another_shard_is_refused(void **state)
{
	struct fixture *f = *state;
	struct engine_box other = {.e = NULL};
	struct engine_stats stats;

	put_keys(&f->live, 0, 20);
	engine_box_checkpoint(&f->live);
	copy_dir(f);
	engine_stats(f->live.e, &stats);
	engine_box_open(&other, 43);
	assert_int_equal(engine_close(other.e), ST_OK);
	sh("rm -rf %s/*", other.dir);
	other.seed = 99;
	assert_int_equal(engine_box_try(&other, &f->error), ST_OK);
	put_keys(&other, 0, (int)stats.last_lsn);
	(void)usleep(20000);
	sh("rm %s/wal/*.wal", f->copy.dir);
	sh("cp %s/wal/*.wal %s/wal/", other.dir, f->copy.dir);
	refused_saying(f, "belongs to another shard");
	engine_box_close(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(the_logs_tail_is_replayed, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_tail_larger_than_two_tables_is_drained_on_the_way,
					    setup, teardown),
	    cmocka_unit_test_setup_teardown(what_two_tables_held_does_not_hold_up_the_start, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(an_unfinished_last_frame_is_cut_and_counted, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_store_without_its_log_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_log_that_ends_before_the_store_is_refused, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(the_log_is_kept_for_what_no_checkpoint_has, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(
		an_unclean_end_begins_a_timeline_and_a_clean_one_does_not, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_log_without_its_beginning_is_refused, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(the_log_of_another_shard_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
