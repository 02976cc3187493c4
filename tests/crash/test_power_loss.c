/* Power loss at any moment: from a recording of all disk operations of a node under load, states
 * that the disk may be left in are written out and opened. Each must recover to exactly the content
 * after some LSN N, with N at least what had been acknowledged, take writes, and survive a restart.
 *
 * The states: for every prefix of the operations, all of them there, and only the synced ones; then
 * for random prefixes each write since the last sync there, missing or torn. CAIRN_IMAGES sets how
 * many states are tried (default 10000; a smaller number thins the prefixes out). */
#include "tests/support/disk_shim.h"
#include "tests/support/small_node.h"

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

enum { STEPS = 500, IMAGES = 10000 };

static char base[64];

static void note_ack(struct small_node *s, uint64_t *acked)
{
	uint64_t ack = engine_ack_lsn(s->e);

	if (ack > *acked) {
		*acked = ack;
		disk_shim_ack(ack);
	}
}

/* Runs the load, with restarts in between, and gives what it did to the disk. */
static struct disk_op *record(struct small_node *s, size_t *count)
{
	uint64_t acked = 0;

	assert_int_equal(mkdir(s->dir, 0700), 0);
	disk_shim_start(s->dir);
	assert_int_equal(small_node_open(s), ST_OK);
	for (int i = 0; i < STEPS; i++) {
		enum status st = small_node_step(s);

		if (st != ST_AGAIN) {
			assert_int_equal(st, ST_OK);
		}
		if (rng_below(&s->rng, 3) == 0) {
			(void)engine_turn_end(s->e);
			note_ack(s, &acked);
		}
		if (rng_below(&s->rng, 25) == 0) {
			(void)engine_checkpoint(s->e);
		}
		if (rng_below(&s->rng, 10) == 0) {
			usleep(500);
		}
		if (i % 170 == 169) {
			assert_int_equal(small_node_close(s), ST_OK);
			disk_shim_ack(s->last_lsn);
			assert_int_equal(small_node_open(s), ST_OK);
		}
	}
	for (int i = 0; i < 1000 && acked < s->last_lsn; i++) {
		(void)engine_turn_end(s->e);
		note_ack(s, &acked);
		usleep(1000);
	}
	assert_int_equal(acked, s->last_lsn);
	assert_int_equal(small_node_close(s), ST_OK);
	return disk_shim_stop(count);
}

static const char *image_text(enum disk_image how)
{
	return how == DISK_ALL ? "all written" : how == DISK_SYNCED ? "synced only" : "random";
}

static void check_image(const struct small_node *recorded, const struct disk_op *ops, size_t n,
			enum disk_image how, uint64_t seed, bool go_on)
{
	struct small_node s;
	char dir[128];
	struct rng rng;
	uint64_t acked, lsn, digest = 0;
	enum status st;

	(void)snprintf(dir, sizeof dir, "%s/image", base);
	assert_int_equal(mkdir(dir, 0700), 0);
	rng_seed(&rng, seed);
	acked = disk_image_write(ops, n, how, &rng, dir);
	small_node_init(&s, dir, seed);
	st = small_node_open(&s);
	CHECK(st == ST_OK, "state %zu (%s, seed %llu) refused: %.*s\n", n, image_text(how),
	      (unsigned long long)seed, (int)s.error.len, (const char *)s.error.data);
	lsn = small_node_lsn(&s);
	CHECK(lsn >= acked, "state %zu (%s, seed %llu): LSN %llu, acknowledged %llu\n", n,
	      image_text(how), (unsigned long long)seed, (unsigned long long)lsn,
	      (unsigned long long)acked);
	st = small_node_digest(&s, &digest);
	CHECK(st == ST_OK && digest == (lsn == 0 ? 0 : recorded->digests[lsn]),
	      "state %zu (%s, seed %llu): content is not that of LSN %llu (%s)\n", n,
	      image_text(how), (unsigned long long)seed, (unsigned long long)lsn, status_text(st));
	if (go_on) {
		small_node_adopt(&s);
		for (int i = 0; i < 20; i++) {
			assert_int_equal(small_node_step(&s), ST_OK);
			(void)engine_turn_end(s.e);
		}
		assert_int_equal(small_node_close(&s), ST_OK);
		st = small_node_open(&s);
		CHECK(st == ST_OK, "state %zu (%s, seed %llu) refused at its second start: %.*s\n",
		      n, image_text(how), (unsigned long long)seed, (int)s.error.len,
		      (const char *)s.error.data);
		assert_int_equal(small_node_digest(&s, &digest), ST_OK);
		CHECK(digest == s.digests[s.last_lsn], "state %zu: second start lost writes\n", n);
	}
	assert_int_equal(small_node_close(&s), ST_OK);
	small_node_deinit(&s);
	remove_tree(dir);
}

static void every_state_a_power_loss_leaves_recovers_to_a_prefix(void **state)
{
	const char *wish = getenv("CAIRN_IMAGES");
	size_t images = wish == NULL ? IMAGES : strtoul(wish, NULL, 10), count, done = 0;
	size_t tried[DISK_RANDOM + 1] = {0};
	struct small_node s;
	struct disk_op *ops;
	struct rng rng;
	char dir[128];

	(void)state;
	(void)snprintf(dir, sizeof dir, "%s/node", base);
	small_node_init(&s, dir, 1);
	ops = record(&s, &count);
	print_message("%zu disk operations, %llu LSNs\n", count, (unsigned long long)s.last_lsn);
	rng_seed(&rng, 77);
	for (; done < images; done++) {
		size_t n, spread = images / 3 < 2 * count ? images / 3 : 2 * count;
		enum disk_image how = DISK_RANDOM;

		if (done < spread) {
			n = 1 + (done / 2) * 2 * count / spread;
			how = done % 2 == 0 ? DISK_ALL : DISK_SYNCED;
		} else {
			n = 1 + (size_t)rng_below(&rng, count);
		}
		check_image(&s, ops, n, how, done, done % 10 == 0);
		tried[how]++;
	}
	print_message("%zu states recovered: %zu with all written, %zu with only what was synced, "
		      "%zu with writes missing and torn\n",
		      done, tried[DISK_ALL], tried[DISK_SYNCED], tried[DISK_RANDOM]);
	if (wish == NULL) {
		assert_true(tried[DISK_ALL] >= count && tried[DISK_SYNCED] >= count);
		assert_true(tried[DISK_RANDOM] >= IMAGES / 2);
	}
	disk_shim_free(ops, count);
	small_node_deinit(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_state_a_power_loss_leaves_recovers_to_a_prefix),
	};
	int failed;

	if (!quick_dir(base, sizeof base, "power")) {
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	remove_tree(base);
	return failed;
}
