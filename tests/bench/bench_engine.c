/* The engine without a network: what its executor thread can do with strings.
 *
 *   bench_engine DIR [keys] [seconds] [get%]
 *
 * Fills the keyspace, then runs random GETs and SETs in batches of 50 per turn for a while, and
 * prints operations per second of wall clock and of executor CPU, the longest stalls, and what was
 * written. */
#include "engine/base/bytes.h"
#include "engine/base/rng.h"
#include "engine/engine.h"
#include "engine/keyspace.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TURN = 50, VALUE_LEN = 100 };

struct tally {
	uint64_t ops, stalls, stall_max_us, turns_over_1ms;
	double wall, cpu;
};

static double seconds(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void die(const char *what, enum status st)
{
	(void)fprintf(stderr, "%s: %s\n", what, status_text(st));
	exit(1);
}

static void json_value(struct rng *rng, char *dst)
{
	int n = snprintf(
	    dst, VALUE_LEN + 1,
	    "{\"id\":%llu,\"name\":\"user-%llu\",\"email\":\"u%llu@example.com\",\"active\":true,"
	    "\"score\":%llu,\"pad\":\"",
	    (unsigned long long)rng_below(rng, 1000000), (unsigned long long)rng_below(rng, 10000),
	    (unsigned long long)rng_below(rng, 10000), (unsigned long long)rng_below(rng, 1000));

	for (; n < VALUE_LEN; n++) {
		dst[n] = 'x';
	}
}

static void one_set(struct engine *e, struct rng *rng, uint64_t n, uint64_t now)
{
	char name[32], value[VALUE_LEN + 1];
	struct store_key key;
	struct meta m = {.type = TYPE_STRING};
	struct slice part = slice_of(value, VALUE_LEN);
	enum status st;

	(void)snprintf(name, sizeof name, "key:%012llu", (unsigned long long)n);
	json_value(rng, value);
	store_key_of_key(&key, slice_of(name, 16));
	engine_begin(e, slice_str("set"), now, 0);
	st = ks_put_blind(e, &key, &m, &part, 1);
	if (st != ST_OK) {
		die("set", st);
	}
	(void)engine_commit(e);
}

static uint64_t one_get(struct engine *e, uint64_t n, uint64_t now)
{
	char name[32];
	struct store_key key;
	struct meta m;
	enum status st;

	(void)snprintf(name, sizeof name, "key:%012llu", (unsigned long long)n);
	store_key_of_key(&key, slice_of(name, 16));
	engine_begin(e, slice_str("get"), now, 0);
	st = ks_lookup(e, &key, &m);
	(void)engine_commit(e);
	if (st != ST_OK) {
		die("get", st);
	}
	return m.payload.data[0];
}

/* Waits while the memtables are full, and holds writers back as a server would. */
static void wait_writable(struct engine *e, struct tally *t)
{
	struct timespec ms = {.tv_nsec = 1000000};

	while (engine_writable(e) == ST_AGAIN) {
		t->stalls++;
		(void)nanosleep(&ms, NULL);
		(void)engine_turn_end(e);
	}
	if (engine_writable(e) != ST_OK) {
		die("writable", engine_writable(e));
	}
}

static void run(struct engine *e, uint64_t keys, double for_s, uint64_t ops_max,
		unsigned get_percent, bool in_order, struct tally *t)
{
	const struct clock *clock = clock_system();
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
	uint64_t next = 0, sink = 0, last;
	struct rng rng;

	rng_seed(&rng, 5);
	*t = (struct tally){0};
	last = clock->mono_us(NULL);
	while (t->ops < ops_max && seconds(CLOCK_MONOTONIC) - wall < for_s) {
		uint64_t now = clock->wall_ms(NULL), took;

		wait_writable(e, t);
		for (int i = 0; i < TURN; i++) {
			uint64_t n = in_order ? next++ % keys : rng_below(&rng, keys);

			if (rng_below(&rng, 100) < get_percent) {
				sink += one_get(e, n, now);
			} else {
				one_set(e, &rng, n, now);
			}
		}
		t->ops += TURN;
		(void)engine_turn_end(e);
		took = clock->mono_us(NULL) - last;
		last += took;
		t->turns_over_1ms += took > 1000;
		if (took > t->stall_max_us) {
			t->stall_max_us = took;
		}
	}
	t->wall = seconds(CLOCK_MONOTONIC) - wall;
	t->cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
	if (sink == 1) {
		(void)printf("-");
	}
}

static void print(const char *what, const struct tally *t)
{
	(void)printf(
	    "%-22s %9llu ops %8.0f ops/s %8.0f ops/CPU-s  max turn %.1f ms, %llu over 1 ms, "
	    "%llu full waits\n",
	    what, (unsigned long long)t->ops, (double)t->ops / t->wall, (double)t->ops / t->cpu,
	    (double)t->stall_max_us / 1000, (unsigned long long)t->turns_over_1ms,
	    (unsigned long long)t->stalls);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	uint64_t keys = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
	double for_s = argc > 3 ? strtod(argv[3], NULL) : 10;
	unsigned get_percent = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 50;
	struct engine_options opts = {
	    .io = io_posix(),
	    .clock = clock_system(),
	    .seed = 1,
	    .map_size_max = (uint64_t)1 << 40,
	    .memtable_max = (uint64_t)128 << 20,
	    .checkpoint_interval_ms = 60000,
	    .wal_segment_size = (uint64_t)64 << 20,
	    .wal_keep_size = (uint64_t)256 << 20,
	    .wal_compression_level = 1,
	    .fsync = WAL_FSYNC_EVERYSEC,
	};
	struct engine_stats stats;
	struct buf error = {0};
	struct engine *e;
	struct tally t;
	enum status st;

	if (argc < 2) {
		(void)fprintf(stderr, "usage: bench_engine DIR [keys] [seconds] [get%%]\n");
		return 2;
	}
	opts.dir = argv[1];
	st = engine_open(&opts, &e, &error);
	if (st != ST_OK) {
		(void)fprintf(stderr, "%.*s\n", (int)error.len, (const char *)error.data);
		return 1;
	}
	run(e, keys, 1e9, keys, 0, true, &t);
	print("fill", &t);
	run(e, keys, for_s, UINT64_MAX, get_percent, false, &t);
	print("mixed", &t);
	run(e, keys, for_s, UINT64_MAX, 0, false, &t);
	print("set", &t);
	run(e, keys, for_s / 2, UINT64_MAX, 100, false, &t);
	print("get", &t);
	engine_stats(e, &stats);
	(void)printf(
	    "wal %.1f bytes/record, ratio %.2f; store %.1f MB given, file %.0f MB; %llu drains, "
	    "last %.2f s\n",
	    (double)stats.wal.disk_bytes / (double)stats.wal.records,
	    (double)stats.wal.raw_bytes / (double)stats.wal.stored_bytes,
	    (double)stats.checkpoint.bytes / 1e6, (double)stats.store.file_bytes / 1e6,
	    (unsigned long long)stats.checkpoint.drains,
	    (double)stats.checkpoint.drain_us_last / 1e6);
	return engine_close(e) == ST_OK ? 0 : 1;
}
