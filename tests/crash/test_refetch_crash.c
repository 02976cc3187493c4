/* A store that has gone beyond the fork gets anew what the given-up records touched, and the
 * process ends at any step of it: the next start has the old dataset, untouched, or the primary's,
 * whole; once the mark is there, always the latter. */
#include "engine/refetch.h"

#include "engine/engine_shard.h"
#include "engine/rewind.h"
#include "tests/support/quick_dir.h"
#include "tests/support/small_node.h"
#include "tests/support/stopping_io.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/check.h"

enum { SHARED = 80, GIVEN_UP = 60, NEW = 90, MAP_BYTES = 256 << 20 };

static char base[64], old_dir[96], new_dir[96], work[96];

/* What both sides hold, and what lies between them. */
static struct {
	struct small_node old, new;
	struct divergent_name archive;
	struct buf patch;
	uint64_t fork;
} t;
static struct small_node at_fork; /* the old one's model then */

static void step(struct small_node *s, int steps)
{
	for (int i = 0; i < steps; i++) {
		assert_int_equal(small_node_step(s), ST_OK);
		if (i % 3 == 0) {
			(void)engine_turn_end(s->e);
			(void)usleep(100);
		}
	}
	for (int i = 0; i < 5000 && engine_ack_lsn(s->e) < s->last_lsn; i++) {
		(void)engine_turn_end(s->e);
		(void)usleep(200);
	}
}

static const char *in(const char *dir, const char *name)
{
	static char path[512];

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

/* The primary's log after the fork is whole files, since its timeline began there. */
static void copy_log(const char *to)
{
	char cmd[600];

	assert_int_equal(mkdir(in(to, "refetch/wal"), 0700), 0);
	(void)snprintf(cmd, sizeof cmd, "cp '%s/wal/'*.wal '%s/refetch/wal/' && rm -f", new_dir,
		       to);
	for (uint64_t lsn = 1; lsn <= t.fork; lsn++) {
		char name[WAL_SEGMENT_NAME_SIZE], path[512];

		wal_segment_name(lsn, name);
		(void)snprintf(path, sizeof path, "%s/wal/%s", new_dir, name);
		if (access(path, F_OK) == 0) {
			(void)snprintf(cmd + strlen(cmd), sizeof cmd - strlen(cmd),
				       " '%s/refetch/wal/%s'", to, name);
		}
	}
	assert_int_equal(system(cmd), 0);
}

/* The primary's side: it takes the role at the fork and writes. */
static void lead(void)
{
	struct divergent_names names;

	small_node_init(&t.new, new_dir, 9);
	t.new.memtable_max = 16 << 20;
	t.new.keys_alone = true;
	assert_int_equal(small_node_open(&t.new), ST_OK);
	memcpy(t.new.keys, at_fork.keys, sizeof t.new.keys);
	memcpy(t.new.digests, t.old.digests, (t.fork + 1) * sizeof *t.new.digests);
	t.new.last_lsn = t.fork;
	assert_int_equal(engine_promote(t.new.e, 5), ST_OK);
	step(&t.new, NEW);
	assert_int_equal(small_node_close(&t.new), ST_OK); /* with a checkpoint */
	assert_int_equal(small_node_open(&t.new), ST_OK);
	assert_int_equal(
	    divergent_names_read(io_posix(), old_dir, &t.archive, REFETCH_NAMES_MAX, &names),
	    ST_OK);
	assert_int_equal(refetch_make(t.new.e, engine_history(t.new.e), t.fork, t.new.last_lsn,
				      &names, &t.patch),
			 ST_OK);
	divergent_names_deinit(&names);
	assert_int_equal(engine_close_quick(t.new.e), ST_OK);
}

static int setup(void **state)
{
	struct rewind_result result;
	struct buf error = {0};

	(void)state;
	assert_true(quick_dir(base, sizeof base, "refetch"));
	(void)snprintf(old_dir, sizeof old_dir, "%s/old", base);
	(void)snprintf(new_dir, sizeof new_dir, "%s/new", base);
	(void)snprintf(work, sizeof work, "%s/work", base);
	assert_int_equal(mkdir(old_dir, 0700), 0);
	small_node_init(&t.old, old_dir, 4);
	t.old.memtable_max = 16 << 20;
	t.old.keys_alone = true; /* what was given up of libraries takes a full copy */
	assert_int_equal(small_node_open(&t.old), ST_OK);
	step(&t.old, SHARED / 2);
	assert_int_equal(small_node_close(&t.old), ST_OK);
	assert_int_equal(small_node_open(&t.old), ST_OK);
	step(&t.old, SHARED / 2);
	assert_int_equal(engine_close_quick(t.old.e), ST_OK);
	t.fork = t.old.last_lsn;
	copy_tree(old_dir, new_dir);
	assert_int_equal(small_node_open(&t.old), ST_OK);
	at_fork = t.old;
	step(&t.old, GIVEN_UP);
	assert_int_equal(small_node_close(&t.old), ST_OK); /* the store goes beyond the fork */
	assert_int_equal(rewind_log(io_posix(), old_dir, t.fork, &result, &error), ST_AGAIN);
	t.archive = result.name;
	lead();
	buf_deinit(&error);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_deinit(&t.patch);
	small_node_deinit(&t.old);
	small_node_deinit(&t.new);
	remove_tree(base);
	return 0;
}

static bool exists(const char *name)
{
	return access(in(work, name), F_OK) == 0;
}

static void fetched(void)
{
	struct buf error = {0};

	remove_tree(work);
	copy_tree(old_dir, work);
	assert_int_equal(refetch_begin(io_posix(), work, buf_slice(&t.patch), &error), ST_OK);
	copy_log(work);
	buf_deinit(&error);
}

/* Starts a node there. Returns whether it is the primary's. */
static bool start(const char *what)
{
	struct small_node s;
	uint64_t digest = 0, lsn;
	enum status st;
	bool taken;

	small_node_init(&s, work, 3);
	s.memtable_max = 16 << 20;
	st = small_node_open(&s);
	CHECK(st == ST_OK, "%s: refused: %.*s\n", what, (int)s.error.len,
	      (const char *)s.error.data);
	lsn = small_node_lsn(&s);
	taken = lsn == t.new.last_lsn &&engine_history(s.e)->items[0].id != 0 &&
		wal_history_at(engine_history(s.e), lsn)->epoch == 5;
	CHECK(taken || lsn == t.old.last_lsn, "%s: LSN %llu\n", what, (unsigned long long)lsn);
	st = small_node_digest(&s, &digest);
	CHECK(st == ST_OK && digest == (taken ? &t.new : &t.old)->digests[lsn],
	      "%s: the content is not LSN %llu's\n", what, (unsigned long long)lsn);
	CHECK(!exists("refetch"), "%s: the folder is left\n", what);
	small_node_adopt(&s);
	step(&s, 6);
	assert_int_equal(small_node_close(&s), ST_OK);
	assert_int_equal(small_node_open(&s), ST_OK);
	assert_int_equal(small_node_digest(&s, &digest), ST_OK);
	CHECK(digest == s.digests[s.last_lsn], "%s: the second start lost writes\n", what);
	assert_int_equal(small_node_close(&s), ST_OK);
	small_node_deinit(&s);
	return taken;
}

static void what_was_fetched_takes_its_place(void **state)
{
	struct buf error = {0};

	(void)state;
	fetched();
	assert_int_equal(refetch_commit(io_posix(), work, MAP_BYTES, &t.archive, &error), ST_OK);
	assert_true(start("at once"));
	buf_deinit(&error);
}

static void what_is_damaged_or_short_changes_nothing(void **state)
{
	struct buf error = {0};
	char cmd[300];

	(void)state;
	for (int how = 0; how < 3; how++) {
		fetched();
		(void)snprintf(cmd, sizeof cmd,
			       how == 0 ? "cd '%s/refetch' && truncate -s -3 patch"
			       : how == 1
				   ? "cd '%s/refetch' && rm wal/*"
				   : "cd '%s/refetch' && printf x | dd of=patch bs=1 seek=90 "
				     "conv=notrunc 2>/dev/null",
			       work);
		assert_int_equal(system(cmd), 0);
		error.len = 0;
		assert_int_not_equal(
		    refetch_commit(io_posix(), work, MAP_BYTES, &t.archive, &error), ST_OK);
		assert_true(error.len > 0);
		assert_false(start("damaged"));
	}
	buf_deinit(&error);
}

static void names_and_patches_come_back_and_cut_ones_are_refused(void **state)
{
	struct refetch p;

	(void)state;
	assert_int_equal(refetch_decode(buf_slice(&t.patch), &p), ST_OK);
	assert_int_equal(p.fork_lsn, t.fork);
	assert_true(p.drain_lsn >= t.new.last_lsn);
	assert_true(byte_list_count(&p.names.keys) > 0);
	divergent_names_deinit(&p.names);
	for (size_t len = 0; len < t.patch.len; len += 7) {
		assert_int_not_equal(refetch_decode(slice_of(t.patch.data, len), &p), ST_OK);
	}
}

/* The process ends after n changes, and again after m changes of the next start. */
static void a_process_that_ends_anywhere_is_taken_up_by_the_next_start(void **state)
{
	struct stopping_io disk;
	struct buf error = {0};
	enum status st = ST_IO;
	uint64_t n, taken = 0, states = 0;
	char what[160];

	(void)state;
	for (n = 0; st != ST_OK; n++) {
		uint64_t m = 0;

		for (enum status again = ST_IO; again != ST_OK; m += 1 + n % 3) {
			bool marked, is_new;

			fetched();
			stopping_io_init(&disk, n);
			error.len = 0;
			st = refetch_commit(&disk.io, work, MAP_BYTES, &t.archive, &error);
			marked = st == ST_OK || exists("refetch/READY") || exists("refetch/MOVE");
			stopping_io_init(&disk, m);
			again = refetch_recover(&disk.io, work, MAP_BYTES, &error);
			(void)snprintf(what, sizeof what, "stop after %llu, then after %llu",
				       (unsigned long long)n, (unsigned long long)m);
			is_new = start(what);
			CHECK(is_new || !marked, "%s: not taken\n", what);
			taken += is_new;
			states++;
		}
	}
	print_message("%llu changes, %llu states, %llu of them taken\n", (unsigned long long)n - 1,
		      (unsigned long long)states, (unsigned long long)taken);
	assert_true(n > 12 && taken > 0 && taken < states);
	buf_deinit(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_fetched_takes_its_place),
	    cmocka_unit_test(what_is_damaged_or_short_changes_nothing),
	    cmocka_unit_test(names_and_patches_come_back_and_cut_ones_are_refused),
	    cmocka_unit_test(a_process_that_ends_anywhere_is_taken_up_by_the_next_start),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
