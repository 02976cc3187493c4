/* A full copy takes the dataset's place, and the power goes, or the process ends, at any moment of
 * it: the next start finds exactly one dataset, whole: the old one before the copy was marked as
 * complete, the new one from then on. */
#include "engine/dataset.h"
#include "tests/support/check.h"
#include "tests/support/disk_shim.h"
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

enum { OLD_STEPS = 90, NEW_STEPS = 60, SHUFFLES = 6, BEGUN = 1, ENDED = 2 };

static char base[64];

/* What the two datasets hold. */
struct truth {
	uint64_t old_lsn, old_digest, new_lsn, new_digest;
};

static void run(const char *dir, uint64_t seed, int steps, uint64_t *lsn, uint64_t *digest)
{
	struct small_node s;

	assert_int_equal(mkdir(dir, 0700), 0);
	small_node_init(&s, dir, seed);
	assert_int_equal(small_node_open(&s), ST_OK);
	for (int i = 0; i < steps; i++) {
		enum status st = small_node_step(&s);

		assert_true(st == ST_OK || st == ST_AGAIN);
		(void)engine_turn_end(s.e);
		if (i % 20 == 19) {
			(void)engine_checkpoint(s.e);
		}
	}
	assert_int_equal(small_node_close(&s), ST_OK);
	*lsn = s.last_lsn;
	*digest = s.digests[s.last_lsn];
	small_node_deinit(&s);
}

/* A data directory with a finished copy in it that is not marked yet. */
static void prepare(const char *dir, struct truth *t)
{
	char copy[256];

	run(dir, 1, OLD_STEPS, &t->old_lsn, &t->old_digest);
	(void)snprintf(copy, sizeof copy, "%s/" DATASET_COPY, dir);
	run(copy, 2, NEW_STEPS, &t->new_lsn, &t->new_digest);
	assert_int_not_equal(t->old_digest, t->new_digest);
}

static bool exists(const char *dir, const char *name)
{
	char path[512];

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* Starts a node there and says which dataset it has. */
static void start(const char *dir, const struct truth *t, bool want_new, const char *what)
{
	struct small_node s;
	uint64_t digest = 0, lsn;
	enum status st;

	small_node_init(&s, dir, 3);
	st = small_node_open(&s);
	CHECK(st == ST_OK, "%s: refused: %.*s\n", what, (int)s.error.len,
	      (const char *)s.error.data);
	lsn = small_node_lsn(&s);
	CHECK(lsn == (want_new ? t->new_lsn : t->old_lsn), "%s: LSN %llu is not the %s dataset's\n",
	      what, (unsigned long long)lsn, want_new ? "new" : "old");
	st = small_node_digest(&s, &digest);
	CHECK(st == ST_OK && digest == (want_new ? t->new_digest : t->old_digest),
	      "%s: the content is not the %s dataset's\n", what, want_new ? "new" : "old");
	CHECK(!exists(dir, "old"), "%s: old/ is left\n", what);
	CHECK(!want_new || !exists(dir, DATASET_COPY), "%s: copy/ is left\n", what);
	/* It takes writes, and keeps them. */
	small_node_adopt(&s);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(small_node_step(&s), ST_OK);
		(void)engine_turn_end(s.e);
	}
	assert_int_equal(small_node_close(&s), ST_OK);
	assert_int_equal(small_node_open(&s), ST_OK);
	assert_int_equal(small_node_digest(&s, &digest), ST_OK);
	assert_int_equal(digest, s.digests[s.last_lsn]);
	assert_int_equal(small_node_close(&s), ST_OK);
	small_node_deinit(&s);
}

static void every_state_a_power_loss_leaves_has_one_dataset(void **state)
{
	struct buf error = {0};
	struct disk_op *ops;
	struct truth t;
	size_t count, from, to, marked, states = 0;
	char dir[128], image[128], what[160];

	(void)state;
	(void)snprintf(dir, sizeof dir, "%s/node", base);
	(void)snprintf(image, sizeof image, "%s/image", base);
	disk_shim_start(dir);
	prepare(dir, &t);
	disk_shim_ack(BEGUN);
	assert_int_equal(dataset_commit_copy(io_posix(), dir, &error), ST_OK);
	disk_shim_ack(ENDED);
	ops = disk_shim_stop(&count);
	from = disk_find_ack(ops, count, BEGUN);
	to = disk_find_ack(ops, count, ENDED);
	marked = disk_find_renamed(ops, count, DATASET_COPY "/READY");
	for (size_t n = from; n <= to; n++) {
		for (int i = 0; i < disk_shuffles(SHUFFLES) + 2; i++) {
			enum disk_image how = i == 0	   ? DISK_ALL
					      : i == 1	   ? DISK_SYNCED
					      : i % 2 == 0 ? DISK_RANDOM
							   : DISK_REORDERED;
			struct rng rng;

			assert_int_equal(mkdir(image, 0700), 0);
			rng_seed(&rng, n * 100 + (uint64_t)i);
			(void)disk_image_write(ops, n, how, &rng, image);
			(void)snprintf(what, sizeof what, "operation %zu of %zu..%zu, image %d", n,
				       from, to, i);
			start(image, &t, n >= marked || exists(image, DATASET_COPY "/READY"), what);
			remove_tree(image);
			states++;
		}
	}
	print_message("%zu states, %zu operations\n", states, to - from);
	assert_true(marked > from && marked < to);
	disk_shim_free(ops, count);
	buf_deinit(&error);
	remove_tree(dir);
}

/* The process ends after n changes of the swap, and again after m changes of the next start. */
static void a_process_that_ends_anywhere_is_taken_up_by_the_next_start(void **state)
{
	char model[128], dir[128], what[160];
	struct stopping_io disk;
	struct truth t;
	struct buf error = {0};
	enum status st = ST_IO;
	uint64_t n;

	(void)state;
	(void)snprintf(model, sizeof model, "%s/model", base);
	(void)snprintf(dir, sizeof dir, "%s/node", base);
	prepare(model, &t);
	for (n = 0; st != ST_OK; n++) {
		uint64_t m = 0;
		bool marked;

		for (enum status again = ST_IO; again != ST_OK; m += 1 + n % 4) {
			copy_tree(model, dir);
			stopping_io_init(&disk, n);
			error.len = 0;
			st = dataset_commit_copy(&disk.io, dir, &error);
			assert_true(st == ST_OK || (st == ST_IO && error.len > 0));
			marked = st == ST_OK || exists(dir, DATASET_COPY "/READY") ||
				 !exists(dir, DATASET_COPY "/keyspace.mdb");
			stopping_io_init(&disk, m);
			again = dataset_recover(&disk.io, dir, &error);
			(void)snprintf(what, sizeof what, "stop after %llu, then after %llu",
				       (unsigned long long)n, (unsigned long long)m);
			start(dir, &t, marked, what);
			remove_tree(dir);
		}
	}
	assert_true(n > 20);
	print_message("%llu changes\n", (unsigned long long)n - 1);
	buf_deinit(&error);
	remove_tree(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_state_a_power_loss_leaves_has_one_dataset),
	    cmocka_unit_test(a_process_that_ends_anywhere_is_taken_up_by_the_next_start),
	};
	int failed;

	if (!quick_dir(base, sizeof base, "swap")) {
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	remove_tree(base);
	return failed;
}
