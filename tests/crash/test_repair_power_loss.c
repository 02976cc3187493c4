/* Power loss and disk errors in the middle of cairn-wal repair: the log that is left ends no
 * earlier than the cut, holds nothing that was not there before, and the same command finishes the
 * work. */
#include "engine/wal/wal_reader.h"
#include "tests/support/disk_shim.h"
#include "tests/support/quick_dir.h"
#include "tests/support/small_node.h"
#include "tests/support/tree.h"
#include "tools/wal_verbs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { STEPS = 150, RANDOM_IMAGES = 6, MARK = 1000000 };

static char base[64];

static void path_of(char *out, const char *name)
{
	(void)snprintf(out, 256, "%s/%s", base, name);
}

/* --- a node's directory as a kill leaves it --- */

/* Records a short life without a checkpoint; the operations until all was acknowledged. */
static struct disk_op *live(struct small_node *s, size_t *count)
{
	struct disk_op *ops;

	s->memtable_max = 8 << 20;
	s->keep_size = UINT64_MAX;
	assert_int_equal(mkdir(s->dir, 0700), 0);
	disk_shim_start(s->dir);
	assert_int_equal(small_node_open(s), ST_OK);
	while (s->last_lsn < STEPS) {
		assert_int_equal(small_node_step(s), ST_OK);
		(void)engine_turn_end(s->e);
	}
	for (int i = 0; i < 2000 && engine_ack_lsn(s->e) < s->last_lsn; i++) {
		(void)engine_turn_end(s->e);
		usleep(1000);
	}
	assert_int_equal(engine_ack_lsn(s->e), s->last_lsn);
	ops = disk_shim_stop(count);
	assert_int_equal(small_node_close(s), ST_OK);
	return ops;
}

struct copy {
	const char *from, *to;
};

static void copy_one(void *arg, const char *name)
{
	static uint8_t bytes[1 << 20];
	const struct io *io = io_posix();
	const struct copy *c = arg;
	struct io_file *from, *to;
	char path[512];
	struct stat info;
	size_t got;

	(void)snprintf(path, sizeof path, "%s/%s", c->from, name);
	if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
		return;
	}
	assert_int_equal(io->ops->open(io->ctx, path, IO_READ, &from), ST_OK);
	assert_int_equal(io->ops->pread(io->ctx, from, bytes, sizeof bytes, 0, &got), ST_OK);
	assert_true(got < sizeof bytes);
	(void)snprintf(path, sizeof path, "%s/%s", c->to, name);
	assert_int_equal(io->ops->open(io->ctx, path, IO_WRITE | IO_CREATE, &to), ST_OK);
	assert_int_equal(io->ops->pwrite(io->ctx, to, bytes, got, 0), ST_OK);
	assert_int_equal(io->ops->datasync(io->ctx, to), ST_OK);
	io->ops->close(io->ctx, from);
	io->ops->close(io->ctx, to);
}

/* Copies a directory, all of it durable. */
static void copy_node(const char *from, const char *to)
{
	const struct io *io = io_posix();
	char from_wal[300], to_wal[300];
	struct copy top = {from, to}, wal = {from_wal, to_wal};

	(void)snprintf(from_wal, sizeof from_wal, "%s/wal", from);
	(void)snprintf(to_wal, sizeof to_wal, "%s/wal", to);
	assert_int_equal(io->ops->mkdir(io->ctx, to_wal), ST_OK);
	assert_int_equal(io->ops->list(io->ctx, from, copy_one, &top), ST_OK);
	assert_int_equal(io->ops->list(io->ctx, from_wal, copy_one, &wal), ST_OK);
	assert_int_equal(io->ops->sync_dir(io->ctx, to_wal), ST_OK);
	assert_int_equal(io->ops->sync_dir(io->ctx, to), ST_OK);
}

/* --- the verb, in this process --- */

static int repair(const char *dir, uint64_t cut)
{
	struct tool t = {.name = "cairn-wal",
			 .verb = "repair",
			 .io = io_posix(),
			 .clock = clock_system(),
			 .err = fopen("/dev/null", "w")};
	FILE *out = fopen("/dev/null", "w");
	char at[32], where[256], name[] = "repair", option[] = "--cut-at", yes[] = "--yes";
	char *argv[] = {name, where, option, at, yes};
	int code;

	assert_true(out != NULL && t.err != NULL);
	(void)snprintf(at, sizeof at, "%llu", (unsigned long long)cut);
	(void)snprintf(where, sizeof where, "%s", dir);
	out_init(&t.out, out);
	code = wal_repair(&t, 5, argv);
	assert_true(out_deinit(&t.out));
	(void)fclose(out);
	(void)fclose(t.err);
	return code;
}

/* The last LSN that can be read; the log must end in order there. */
static uint64_t last_lsn(const char *dir)
{
	struct wal_reader_options opts = {0};
	struct wal_reader *r;
	struct wal_record rec;
	uint64_t last = 0;
	char wal[300];
	enum status st;

	(void)snprintf(wal, sizeof wal, "%s/wal", dir);
	assert_int_equal(wal_reader_open(io_posix(), wal, &opts, &r), ST_OK);
	while ((st = wal_reader_next(r, &rec)) == ST_OK) {
		assert_int_equal(rec.lsn, last + 1);
		last = rec.lsn;
	}
	if (st != ST_END) {
		fail_msg("after LSN %llu: %s", (unsigned long long)last, wal_reader_error(r));
	}
	wal_reader_close(r);
	return last;
}

/* A node that starts there holds just what there was at the cut. */
static void check_start(const struct small_node *recorded, const char *dir, uint64_t cut)
{
	struct small_node s;
	uint64_t digest;

	small_node_init(&s, dir, 5);
	assert_int_equal(small_node_open(&s), ST_OK);
	assert_int_equal(small_node_lsn(&s), cut);
	assert_int_equal(small_node_digest(&s, &digest), ST_OK);
	assert_true(digest == (cut == 0 ? 0 : recorded->digests[cut]));
	assert_int_equal(small_node_close(&s), ST_OK);
	small_node_deinit(&s);
}

/* --- the tests --- */

static struct small_node node;
static char killed[256];

static int prepare(void **state)
{
	char dir[256];
	struct disk_op *ops;
	struct rng rng;
	size_t count;

	(void)state;
	path_of(dir, "node");
	path_of(killed, "killed");
	small_node_init(&node, dir, 3);
	ops = live(&node, &count);
	rng_seed(&rng, 1);
	assert_int_equal(mkdir(killed, 0700), 0);
	(void)disk_image_write(ops, count, DISK_ALL, &rng, killed);
	disk_shim_free(ops, count);
	assert_int_equal(last_lsn(killed), node.last_lsn);
	return 0;
}

static int clean_up(void **state)
{
	(void)state;
	small_node_deinit(&node);
	return 0;
}

static void check_image(const struct disk_op *ops, size_t n, enum disk_image how, uint64_t seed,
			uint64_t cut)
{
	char dir[256];
	struct rng rng;
	uint64_t last;

	path_of(dir, "image");
	assert_int_equal(mkdir(dir, 0700), 0);
	rng_seed(&rng, seed);
	(void)disk_image_write(ops, n, how, &rng, dir);
	last = last_lsn(dir);
	assert_in_range(last, cut, node.last_lsn);
	assert_int_equal(repair(dir, cut), EXIT_CLEAN);
	assert_int_equal(last_lsn(dir), cut);
	check_start(&node, dir, cut);
	remove_tree(dir);
}

static void power_loss_at_any_moment(void **state)
{
	static const uint64_t cuts[] = {0, 1, 37, 90, STEPS - 1};
	uint64_t shuffles = (uint64_t)disk_shuffles(RANDOM_IMAGES);
	size_t images = 0;

	(void)state;
	for (size_t c = 0; c < sizeof cuts / sizeof cuts[0]; c++) {
		struct disk_op *ops;
		size_t count, begin = 0;
		char dir[256];

		path_of(dir, "repaired");
		assert_int_equal(mkdir(dir, 0700), 0);
		disk_shim_start(dir);
		copy_node(killed, dir);
		disk_shim_ack(MARK);
		assert_int_equal(repair(dir, cuts[c]), EXIT_CLEAN);
		ops = disk_shim_stop(&count);
		while (ops[begin].kind != DISK_ACK) {
			begin++;
		}
		assert_true(count > begin + 4); /* something was done */
		check_start(&node, dir, cuts[c]);
		remove_tree(dir);
		for (size_t n = begin + 1; n <= count; n++) {
			check_image(ops, n, DISK_ALL, 0, cuts[c]);
			check_image(ops, n, DISK_SYNCED, 0, cuts[c]);
			for (uint64_t seed = 1; seed <= shuffles; seed++) {
				check_image(ops, n, DISK_RANDOM, seed * 100 + n, cuts[c]);
			}
			images += 2 + shuffles;
		}
		disk_shim_free(ops, count);
	}
	print_message("%zu states repaired\n", images);
}

static void a_disk_error_at_any_call(void **state)
{
	static const enum disk_fault_kind kinds[] = {FAULT_WRITE, FAULT_SYNC, FAULT_SYNC_DIR,
						     FAULT_RENAME, FAULT_OPEN};
	const uint64_t cut = 90;
	size_t faults = 0;

	(void)state;
	for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
		bool failed = true;

		for (uint64_t nth = 0; failed; nth++) {
			char dir[256];
			int code;

			path_of(dir, "faulty");
			assert_int_equal(mkdir(dir, 0700), 0);
			copy_node(killed, dir);
			disk_shim_fail(dir, kinds[k], "", nth, nth % 2 == 0 ? EIO : ENOSPC, false);
			code = repair(dir, cut);
			failed = disk_shim_failed();
			disk_shim_fail(dir, FAULT_NONE, "", 0, 0, false);
			assert_int_equal(code, failed ? EXIT_IO : EXIT_CLEAN);
			assert_in_range(last_lsn(dir), cut, node.last_lsn);
			assert_int_equal(repair(dir, cut), EXIT_CLEAN);
			assert_int_equal(last_lsn(dir), cut);
			check_start(&node, dir, cut);
			remove_tree(dir);
			faults += failed;
		}
	}
	print_message("%zu faults\n", faults);
	assert_true(faults > 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(power_loss_at_any_moment),
	    cmocka_unit_test(a_disk_error_at_any_call),
	};
	int failed;

	if (!quick_dir(base, sizeof base, "repair")) {
		return 1;
	}
	failed = cmocka_run_group_tests(tests, prepare, clean_up);
	remove_tree(base);
	return failed;
}
