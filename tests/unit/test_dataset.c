/* What makes a copy fit to be the dataset, and what becomes of one that is not. The moments in
 * between are tests/crash/test_dataset_swap.c's. */
#include "engine/dataset.h"

#include "engine/store.h"
#include "engine/wal/wal_segment.h"
#include "tests/support/small_node.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64], copy[96];
	struct buf error;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	(void)snprintf(f->dir, sizeof f->dir, "/tmp/cairn-dataset-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->copy, sizeof f->copy, "%s/" DATASET_COPY, f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	remove_tree(f->dir);
	buf_deinit(&f->error);
	free(f);
	return 0;
}

/* A node's life in dir; returns its last LSN. */
static uint64_t fill(const char *dir, int steps)
{
	struct small_node s;
	uint64_t lsn;

	assert_true(mkdir(dir, 0700) == 0 || access(dir, F_OK) == 0);
	small_node_init(&s, dir, 5);
	assert_int_equal(small_node_open(&s), ST_OK);
	for (int i = 0; i < steps; i++) {
		assert_int_equal(small_node_step(&s), ST_OK);
		(void)engine_turn_end(s.e);
	}
	lsn = s.last_lsn;
	assert_int_equal(small_node_close(&s), ST_OK);
	small_node_deinit(&s);
	return lsn;
}

static const char *in(const struct fixture *f, const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof path, "%s/%s", f->dir, name);
	return path;
}

static bool there(const struct fixture *f, const char *name)
{
	return access(in(f, name), F_OK) == 0;
}

static void put_file(const struct fixture *f, const char *name)
{
	FILE *file = fopen(in(f, name), "w");

	assert_non_null(file);
	assert_int_equal(fputs("x", file) >= 0, 1);
	assert_int_equal(fclose(file), 0);
}

static enum status commit(struct fixture *f)
{
	f->error.len = 0;
	return dataset_commit_copy(io_posix(), f->dir, &f->error);
}

static void without_a_copy_there_is_nothing_to_take(void **state)
{
	struct fixture *f = *state;

	(void)fill(f->dir, 5);
	assert_int_equal(commit(f), ST_NOT_FOUND);
	assert_true(f->error.len > 0);
	assert_int_equal(mkdir(f->copy, 0700), 0);
	assert_int_equal(commit(f), ST_NOT_FOUND);
	put_file(f, "copy/keyspace.mdb");
	assert_int_equal(dataset_recover(io_posix(), f->dir, &f->error), ST_OK);
	assert_true(there(f, "copy")); /* somebody may go on with it */
	assert_int_equal(unlink(in(f, "copy/keyspace.mdb")), 0);
	assert_int_equal(dataset_recover(io_posix(), f->dir, &f->error), ST_OK);
	assert_false(there(f, "copy"));
	assert_true(there(f, "keyspace.mdb"));
}

static void an_empty_directory_takes_a_copy_as_well(void **state)
{
	struct fixture *f = *state;

	(void)fill(f->copy, 5);
	assert_int_equal(commit(f), ST_OK);
	assert_true(there(f, "keyspace.mdb") && there(f, "wal"));
	assert_false(there(f, "copy"));
	assert_false(there(f, "old"));
}

static void other_files_are_left_alone(void **state)
{
	struct fixture *f = *state;

	(void)fill(f->dir, 5);
	(void)fill(f->copy, 9);
	assert_int_equal(mkdir(in(f, "divergent"), 0700), 0);
	put_file(f, "divergent/1.wal");
	put_file(f, "nodes.conf");
	put_file(f, "copy/side");
	put_file(f, "rewind"); /* but for a mark that speaks of the old log */
	assert_int_equal(commit(f), ST_OK);
	assert_false(there(f, "rewind"));
	assert_true(there(f, "divergent/1.wal") && there(f, "nodes.conf"));
	assert_false(there(f, "copy"));
	assert_int_equal(commit(f), ST_NOT_FOUND);
}

/* Writes the state that a copy's store is to have. */
static void set_state(struct fixture *f, uint64_t checkpoint, uint64_t drain)
{
	char path[128];
	struct store_options opts = {.path = path, .io = io_posix(), .map_size_max = 1 << 28};
	struct store_reader *r;
	struct store_state s;
	struct store_txn *t;
	struct store *store;

	(void)snprintf(path, sizeof path, "%s/keyspace.mdb", f->copy);
	assert_int_equal(store_open(&opts, &store, &f->error), ST_OK);
	assert_int_equal(store_reader_open(store, &r), ST_OK);
	assert_int_equal(store_reader_state(r, &s), ST_OK);
	store_reader_close(r);
	s.checkpoint_lsn = checkpoint;
	s.drain_lsn = drain;
	assert_int_equal(store_txn_begin(store, &t), ST_OK);
	assert_int_equal(store_txn_state(t, &s), ST_OK);
	assert_int_equal(store_txn_commit(t), ST_OK);
	store_close(store);
}

static void a_log_that_does_not_reach_is_refused(void **state)
{
	struct fixture *f = *state;
	char name[WAL_SEGMENT_NAME_SIZE], path[128], aside[128];
	uint64_t last;

	(void)fill(f->dir, 5);
	last = fill(f->copy, 20);
	set_state(f, 10, last + 1);
	assert_int_equal(commit(f), ST_CORRUPT);
	assert_true(f->error.len > 0);
	set_state(f, last + 1, last + 1);
	assert_int_equal(commit(f), ST_CORRUPT);
	set_state(f, 10, last);
	wal_segment_name(1, name);
	(void)snprintf(path, sizeof path, "%s/wal/%s", f->copy, name);
	(void)snprintf(aside, sizeof aside, "%s/aside", f->dir);
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(commit(f), ST_CORRUPT); /* no segment at all */
	assert_true(there(f, "copy/keyspace.mdb") && there(f, "wal") && there(f, "keyspace.mdb"));
	assert_false(there(f, "copy/READY"));
	assert_int_equal(rename(aside, path), 0);
	assert_int_equal(commit(f), ST_OK);
}

static void a_log_that_begins_too_late_is_refused(void **state)
{
	struct fixture *f = *state;
	struct wal_segment_list list;
	char name[WAL_SEGMENT_NAME_SIZE], path[160], log[128];
	uint64_t last;

	(void)fill(f->dir, 5);
	last = fill(f->copy, 400); /* several segments */
	(void)snprintf(log, sizeof log, "%s/wal", f->copy);
	assert_int_equal(wal_segment_list_read(io_posix(), log, &list), ST_OK);
	assert_true(list.count > 1);
	set_state(f, list.first_lsn[1] - 2, last);
	wal_segment_name(list.first_lsn[0], name);
	(void)snprintf(path, sizeof path, "%s/%s", log, name);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(commit(f), ST_CORRUPT);
	set_state(f, list.first_lsn[1] - 1, last);
	assert_int_equal(commit(f), ST_OK);
	wal_segment_list_deinit(&list);
}

static void a_copy_may_be_dropped_until_it_is_marked(void **state)
{
	struct fixture *f = *state;

	(void)fill(f->dir, 5);
	assert_int_equal(dataset_drop_copy(io_posix(), f->dir, &f->error), ST_OK);
	(void)fill(f->copy, 9);
	assert_int_equal(dataset_drop_copy(io_posix(), f->dir, &f->error), ST_OK);
	assert_false(there(f, "copy"));
	assert_true(there(f, "keyspace.mdb") && there(f, "wal"));
	/* What a crash in the middle of dropping leaves. */
	assert_int_equal(mkdir(f->copy, 0700), 0);
	assert_int_equal(mkdir(in(f, "copy/wal"), 0700), 0);
	put_file(f, "copy/wal/0000000000000001.wal");
	assert_int_equal(dataset_drop_copy(io_posix(), f->dir, &f->error), ST_OK);
	assert_false(there(f, "copy"));
	(void)fill(f->copy, 9);
	put_file(f, "copy/READY");
	assert_int_equal(dataset_drop_copy(io_posix(), f->dir, &f->error), ST_INVALID);
	assert_true(there(f, "copy/keyspace.mdb"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(without_a_copy_there_is_nothing_to_take, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(an_empty_directory_takes_a_copy_as_well, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(other_files_are_left_alone, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_log_that_does_not_reach_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_log_that_begins_too_late_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_copy_may_be_dropped_until_it_is_marked, setup,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
