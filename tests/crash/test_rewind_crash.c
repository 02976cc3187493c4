/* A log is cut at a fork, and the power goes, or the process ends, at any moment of it: the next
 * start has all records, or exactly those up to the fork and the others in an archive that is
 * whole; once the mark is durable, always the latter. */
#include "engine/rewind.h"

#include "engine/engine_shard.h"
#include "tests/support/disk_shim.h"
#include "tests/support/log_digest.h"
#include "tests/support/small_node.h"
#include "tests/support/stopping_io.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/check.h"
#include "tests/support/quick_dir.h"
#include "tests/support/tree.h"

enum { BEFORE = 60, AFTER = 250, SHUFFLES = 6, ENDS_MAX = 1000, BEGUN = 1, ENDED = 2 };

static char base[64];

struct truth {
	struct small_node node;
	uint64_t fork;
	struct log_digest given_up;
};

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

/* A node that was stopped without a checkpoint, and a fork in the middle of its log. */
static void prepare(const char *dir, struct truth *t)
{
	uint64_t ends[ENDS_MAX];
	char log[160];
	size_t count;

	assert_int_equal(mkdir(dir, 0700), 0);
	small_node_init(&t->node, dir, 4);
	t->node.memtable_max = 16 << 20;
	assert_int_equal(small_node_open(&t->node), ST_OK);
	step(&t->node, BEFORE);
	assert_int_equal(small_node_close(&t->node), ST_OK);
	assert_int_equal(small_node_open(&t->node), ST_OK);
	step(&t->node, AFTER);
	assert_int_equal(engine_close_quick(t->node.e), ST_OK);
	(void)snprintf(log, sizeof log, "%s/wal", dir);
	count = log_frame_ends(log, BEFORE + 20, ends, ENDS_MAX);
	assert_true(count > 20);
	t->fork = ends[count / 4];
	log_digest_dir(log, t->fork + 1, &t->given_up);
}

static bool exists(const char *dir, const char *name)
{
	char path[512];

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* The one archive in divergent/, if it has its name. */
static bool archive_is_whole(const char *dir, const struct truth *t)
{
	char path[800], folder[256];
	struct log_digest got;
	struct dirent *entry;
	bool whole = false;
	DIR *d;

	(void)snprintf(folder, sizeof folder, "%s/divergent", dir);
	d = opendir(folder);
	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (strstr(entry->d_name, ".wal") != NULL) {
			(void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
			whole = log_digest_file(path, &got) && got.clean &&
				got.first_lsn == t->fork + 1 &&
				got.last_lsn == t->given_up.last_lsn &&
				got.digest == t->given_up.digest;
			CHECK(whole, "%s has its name and is not whole\n", path);
		}
	}
	if (d != NULL) {
		(void)closedir(d);
	}
	return whole;
}

/* Starts a node there. Returns whether it has been rewound. */
static bool start(const char *dir, const struct truth *t, const char *what)
{
	struct small_node s;
	uint64_t digest = 0, lsn;
	enum status st;
	bool archived = archive_is_whole(dir, t), back;

	small_node_init(&s, dir, 3);
	s.memtable_max = 16 << 20;
	st = small_node_open(&s);
	CHECK(st == ST_OK, "%s: refused: %.*s\n", what, (int)s.error.len,
	      (const char *)s.error.data);
	lsn = small_node_lsn(&s);
	back = lsn == t->fork;
	CHECK(back || lsn == t->node.last_lsn, "%s: LSN %llu\n", what, (unsigned long long)lsn);
	CHECK(!back || archived, "%s: records were given up without an archive\n", what);
	st = small_node_digest(&s, &digest);
	CHECK(st == ST_OK && digest == t->node.digests[lsn], "%s: the content is not LSN %llu's\n",
	      what, (unsigned long long)lsn);
	CHECK(!exists(dir, REWIND_MARK), "%s: the mark is left\n", what);
	small_node_adopt(&s);
	step(&s, 6);
	assert_int_equal(small_node_close(&s), ST_OK);
	assert_int_equal(small_node_open(&s), ST_OK);
	assert_int_equal(small_node_digest(&s, &digest), ST_OK);
	CHECK(digest == s.digests[s.last_lsn], "%s: the second start lost writes\n", what);
	assert_int_equal(small_node_close(&s), ST_OK);
	small_node_deinit(&s);
	return back;
}

static void every_state_a_power_loss_leaves_is_before_or_after(void **state)
{
	struct truth *t = calloc(1, sizeof *t);
	struct rewind_result result;
	struct buf error = {0};
	struct disk_op *ops;
	size_t count, from, to, marked, states = 0, back = 0;
	char dir[128], image[128], what[160];

	(void)state;
	(void)snprintf(dir, sizeof dir, "%s/node", base);
	(void)snprintf(image, sizeof image, "%s/image", base);
	disk_shim_start(dir);
	prepare(dir, t);
	disk_shim_ack(BEGUN);
	assert_int_equal(rewind_log(io_posix(), dir, t->fork, &result, &error), ST_OK);
	disk_shim_ack(ENDED);
	ops = disk_shim_stop(&count);
	from = disk_find_ack(ops, count, BEGUN);
	to = disk_find_ack(ops, count, ENDED);
	marked = disk_find_renamed(ops, count, REWIND_MARK);
	for (size_t n = from; n <= to; n++) {
		for (int i = 0; i < disk_shuffles(SHUFFLES) + 2; i++) {
			enum disk_image how = i == 0	   ? DISK_ALL
					      : i == 1	   ? DISK_SYNCED
					      : i % 2 == 0 ? DISK_RANDOM
							   : DISK_REORDERED;
			struct rng rng;
			bool is_back;

			assert_int_equal(mkdir(image, 0700), 0);
			rng_seed(&rng, n * 100 + (uint64_t)i);
			(void)disk_image_write(ops, n, how, &rng, image);
			(void)snprintf(what, sizeof what, "operation %zu of %zu..%zu, image %d", n,
				       from, to, i);
			is_back = start(image, t, what);
			CHECK(is_back || n < marked, "%s: not rewound\n", what);
			remove_tree(image);
			states++;
			back += is_back;
		}
	}
	print_message("%zu operations, %zu states, %zu of them rewound\n", to - from, states, back);
	assert_true(back > 0 && back < states);
	disk_shim_free(ops, count);
	buf_deinit(&error);
	small_node_deinit(&t->node);
	free(t);
	remove_tree(dir);
}

/* The process ends after n changes, and again after m changes of the next start. */
static void a_process_that_ends_anywhere_is_taken_up_by_the_next_start(void **state)
{
	struct truth *t = calloc(1, sizeof *t);
	char dir[128], node[128], what[160];
	struct rewind_result result;
	struct stopping_io disk;
	struct buf error = {0};
	enum status st = ST_IO;
	uint64_t n;

	(void)state;
	(void)snprintf(node, sizeof node, "%s/node", base);
	(void)snprintf(dir, sizeof dir, "%s/stopped", base);
	prepare(node, t);
	for (n = 0; st != ST_OK; n++) {
		uint64_t m = 0;

		for (enum status again = ST_IO; again != ST_OK; m += 1 + n % 3) {
			bool marked;

			copy_tree(node, dir);
			stopping_io_init(&disk, n);
			error.len = 0;
			st = rewind_log(&disk.io, dir, t->fork, &result, &error);
			assert_true(st == ST_OK || (st == ST_IO && error.len > 0));
			marked = st == ST_OK || exists(dir, REWIND_MARK);
			stopping_io_init(&disk, m);
			again = rewind_recover(&disk.io, dir, &error);
			(void)snprintf(what, sizeof what, "stop after %llu, then after %llu",
				       (unsigned long long)n, (unsigned long long)m);
			CHECK(start(dir, t, what) || !marked, "%s: not rewound\n", what);
			remove_tree(dir);
		}
	}
	assert_true(n > 15);
	print_message("%llu changes\n", (unsigned long long)n - 1);
	buf_deinit(&error);
	small_node_deinit(&t->node);
	free(t);
	remove_tree(node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_state_a_power_loss_leaves_is_before_or_after),
	    cmocka_unit_test(a_process_that_ends_anywhere_is_taken_up_by_the_next_start),
	};
	int failed;

	if (!quick_dir(base, sizeof base, "rewind")) {
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	remove_tree(base);
	return failed;
}
