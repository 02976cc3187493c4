/* The n-th disk call fails: EIO or ENOSPC, once or from then on, in the log, the store and around
 * them. Whatever fails, no write is acknowledged that a restart does not find, reads go on, writes
 * are refused with a reason or wait and resume, and what is on disk afterwards is the content of
 * some LSN.
 *
 * CAIRN_FAULTS sets how many points of each kind are tried (default 40). */
#include "tests/support/disk_shim.h"
#include "tests/support/small_node.h"

#include <errno.h>
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

enum { STEPS = 250, POINTS = 40 };

static char base[64];

struct fault_case {
	const char *name;
	enum disk_fault_kind kind;
	const char *part; /* of the path */
	int error;
	bool sticky;
};

/* Runs the load until the end or until writes are refused for good. Gives the newest LSN
 * acknowledged. */
static uint64_t run_load(struct small_node *s, const struct fault_case *c, uint64_t nth)
{
	uint64_t acked = 0, digest = 0;
	int waits = 0;

	for (int i = 0; i < STEPS; i++) {
		enum status st = small_node_step(s);

		if (st == ST_AGAIN || st == ST_NO_SPACE || st == ST_MAP_FULL) {
			usleep(2000);
			if (++waits > 300) {
				break;
			}
		} else if (st == ST_READ_ONLY) {
			break;
		} else {
			CHECK(st == ST_OK, "%s #%llu: a write said %s\n", c->name,
			      (unsigned long long)nth, status_text(st));
		}
		if (i % 3 == 0) {
			(void)engine_turn_end(s->e);
			acked = engine_ack_lsn(s->e);
		}
		if (i % 40 == 39) {
			(void)engine_checkpoint(s->e);
		}
		if (i % 8 == 0) {
			usleep(300);
		}
	}
	(void)engine_turn_end(s->e);
	/* Reads go on, and show what was written, whatever became of the disk. */
	CHECK(small_node_digest(s, &digest) == ST_OK, "%s #%llu: reads failed\n", c->name,
	      (unsigned long long)nth);
	CHECK(s->last_lsn == 0 || digest == s->digests[s->last_lsn], "%s #%llu: reads are wrong\n",
	      c->name, (unsigned long long)nth);
	acked = engine_ack_lsn(s->e) > acked ? engine_ack_lsn(s->e) : acked;
	return acked < s->last_lsn ? acked : s->last_lsn;
}

/* One run with the nth matching call failing. False when there were fewer calls than that. */
static bool try_point(const struct fault_case *c, uint64_t nth)
{
	struct small_node s, again;
	char dir[128];
	uint64_t acked = 0, lsn, digest = 0;
	bool failed;
	enum status st;

	(void)snprintf(dir, sizeof dir, "%s/node", base);
	assert_int_equal(mkdir(dir, 0700), 0);
	small_node_init(&s, dir, nth);
	disk_shim_fail(dir, c->kind, c->part, nth, c->error, c->sticky);
	st = small_node_open(&s);
	if (st == ST_OK) {
		acked = run_load(&s, c, nth);
		failed = disk_shim_failed();
		if (nth % 2 == 0) {
			disk_shim_fail("", FAULT_NONE, "", 0, 0, false);
		}
		st = small_node_close(&s);
		CHECK(st == ST_OK || failed || disk_shim_failed(),
		      "%s #%llu: close said %s without cause\n", c->name, (unsigned long long)nth,
		      status_text(st));
	} else {
		CHECK(s.error.len > 0, "%s #%llu: refused without a reason\n", c->name,
		      (unsigned long long)nth);
		failed = disk_shim_failed();
	}
	failed |= disk_shim_failed();
	disk_shim_fail("", FAULT_NONE, "", 0, 0, false);

	small_node_init(&again, dir, nth);
	st = small_node_open(&again);
	CHECK(st == ST_OK, "%s #%llu: the next start was refused: %.*s\n", c->name,
	      (unsigned long long)nth, (int)again.error.len, (const char *)again.error.data);
	lsn = small_node_lsn(&again);
	CHECK(lsn >= acked, "%s #%llu: LSN %llu after the restart, %llu acknowledged\n", c->name,
	      (unsigned long long)nth, (unsigned long long)lsn, (unsigned long long)acked);
	st = small_node_digest(&again, &digest);
	CHECK(st == ST_OK && digest == (lsn == 0 ? 0 : s.digests[lsn]),
	      "%s #%llu: content is not that of LSN %llu\n", c->name, (unsigned long long)nth,
	      (unsigned long long)lsn);
	assert_int_equal(small_node_close(&again), ST_OK);
	small_node_deinit(&again);
	small_node_deinit(&s);
	remove_tree(dir);
	return failed;
}

static void run_case(const struct fault_case *c)
{
	const char *wish = getenv("CAIRN_FAULTS");
	uint64_t points = wish == NULL ? POINTS : strtoull(wish, NULL, 10), n = 0;

	while (n < points && try_point(c, n)) {
		n++;
	}
	print_message("%s: %llu points\n", c->name, (unsigned long long)n);
	assert_true(n > 0);
}

static void failing_log_writes(void **state)
{
	(void)state;
	run_case(&(struct fault_case){"EIO at a log write", FAULT_WRITE, "wal/", EIO, false});
	run_case(&(struct fault_case){"ENOSPC at log writes, for a while", FAULT_WRITE, "wal/",
				      ENOSPC, false});
	run_case(&(struct fault_case){"ENOSPC at log writes, for good", FAULT_WRITE, "wal/", ENOSPC,
				      true});
}

static void failing_log_syncs(void **state)
{
	(void)state;
	run_case(&(struct fault_case){"EIO at a log sync", FAULT_SYNC, "wal/", EIO, false});
	run_case(&(struct fault_case){"EIO at log syncs, for good", FAULT_SYNC, "wal/", EIO, true});
}

static void failing_log_files(void **state)
{
	(void)state;
	run_case(&(struct fault_case){"EIO at a folder sync", FAULT_SYNC_DIR, "", EIO, false});
	run_case(&(struct fault_case){"ENOSPC at a segment's blocks", FAULT_ALLOCATE, "wal/",
				      ENOSPC, false});
	run_case(&(struct fault_case){"ENOSPC at a new file", FAULT_OPEN, "wal/", ENOSPC, false});
	run_case(&(struct fault_case){"EIO at a rename", FAULT_RENAME, "", EIO, false});
}

static void failing_store_commits(void **state)
{
	(void)state;
	run_case(&(struct fault_case){"EIO at a store write", FAULT_WRITE, "mdb", EIO, false});
	run_case(
	    &(struct fault_case){"ENOSPC at a store write", FAULT_WRITE, "mdb", ENOSPC, false});
	run_case(&(struct fault_case){"ENOSPC at store writes, for good", FAULT_WRITE, "mdb",
				      ENOSPC, true});
	run_case(&(struct fault_case){"EIO at a store sync", FAULT_SYNC, "mdb", EIO, false});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(failing_log_writes),
	    cmocka_unit_test(failing_log_syncs),
	    cmocka_unit_test(failing_log_files),
	    cmocka_unit_test(failing_store_commits),
	};
	int failed;

	if (!quick_dir(base, sizeof base, "faults")) {
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	remove_tree(base);
	return failed;
}
