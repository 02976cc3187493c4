/* The engine without a network: what its executor thread can do with strings of 100 bytes.
 *
 * --help tells the options. Without --rate: random GETs and SETs mixed, SETs alone until all of
 * them are in the store, GETs alone, and 50 clients that each wait for their one write to be
 * durable, with the goals beside the figures. With --rate: SETs at that rate, with the longest turn
 * and how much was written per byte given. A directory that holds the keys already is not filled
 * again. */
#include "engine/ahead.h"
#include "engine/base/rng.h"
#include "engine/engine.h"
#include "engine/keyspace.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	TURN = 50,
	VALUE_LEN = 100,
	VALUES = 1 << 14,
	NAME_LEN = 16,
	CLIENTS = 50,
	US_MAX = 1 << 20, /* longest latency that is told apart */
	DEFAULT_KEYS = 1000000,
	SMALL_KEYS = 3000000, /* up to here the goals of a million keys hold */
};

static struct {
	const char *dir;
	uint64_t keys, rate;
	double seconds;
	unsigned get_percent;
} opt = {.keys = DEFAULT_KEYS, .seconds = 10, .get_percent = 50};
static unsigned missed;

struct tally {
	uint64_t ops, stalls, stall_max_us, turns_over_1ms, held_us;
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

/* Values made beforehand: printing one costs as much as storing it. */
static char (*values)[VALUE_LEN + 1];

static void make_values(void)
{
	struct rng rng;

	rng_seed(&rng, 4);
	values = malloc(VALUES * sizeof *values);
	if (values == NULL) {
		die("values", ST_NO_MEMORY);
	}
	for (int i = 0; i < VALUES; i++) {
		json_value(&rng, values[i]);
	}
}

/* "key:" and twelve digits. */
static void put_name(uint64_t n, char name[NAME_LEN])
{
	memcpy(name, "key:", 4);
	for (int i = NAME_LEN - 1; i >= 4; i--) {
		name[i] = (char)('0' + n % 10);
		n /= 10;
	}
}

static void one_set(struct engine *e, struct rng *rng, uint64_t n, uint64_t now)
{
	struct slice part = slice_of(values[rng_below(rng, VALUES)], VALUE_LEN);
	struct meta m = {.type = TYPE_STRING};
	struct store_key key;
	char name[NAME_LEN];
	enum status st;

	put_name(n, name);
	store_key_of_key(&key, slice_of(name, NAME_LEN));
	engine_begin(e, slice_str("set"), now, 0);
	st = ks_put_blind(e, &key, &m, &part, 1);
	if (st != ST_OK) {
		die("set", st);
	}
	(void)engine_commit(e);
}

static uint64_t one_get(struct engine *e, uint64_t n, uint64_t now)
{
	struct store_key key;
	char name[NAME_LEN];
	struct meta m;
	enum status st;

	put_name(n, name);
	store_key_of_key(&key, slice_of(name, NAME_LEN));
	engine_begin(e, slice_str("get"), now, 0);
	st = ks_lookup(e, &key, &m);
	(void)engine_commit(e);
	if (st != ST_OK) {
		die("get", st);
	}
	return m.payload.data[0];
}

/* Holds writers back as a server would: in proportion, and while the memtables are full. */
static void wait_writable(struct engine *e, struct tally *t)
{
	struct timespec ms = {.tv_nsec = 1000000};
	uint32_t us = engine_backpressure_us(e);

	if (us > 0) {
		struct timespec hold = {.tv_nsec = (long)us * 1000};

		t->held_us += us;
		(void)nanosleep(&hold, NULL);
		(void)engine_turn_end(e);
	}

	while (engine_writable(e) == ST_AGAIN) {
		t->stalls++;
		(void)nanosleep(&ms, NULL);
		(void)engine_turn_end(e);
	}
	if (engine_writable(e) != ST_OK) {
		die("writable", engine_writable(e));
	}
}

/* One turn of gets and sets; in_order: the keys from next on. */
static void turn(struct engine *e, struct rng *rng, unsigned get_percent, uint64_t *next,
		 uint64_t *sink)
{
	uint64_t now = clock_system()->wall_ms(NULL);
	uint64_t keys[TURN];
	bool gets[TURN];

	/* As the server does with what has arrived. */
	for (int i = 0; i < TURN; i++) {
		char name[NAME_LEN];

		keys[i] = next != NULL ? (*next)++ % opt.keys : rng_below(rng, opt.keys);
		gets[i] = rng_below(rng, 100) < get_percent;
		put_name(keys[i], name);
		ahead_add(e, slice_of(name, NAME_LEN), gets[i]);
	}
	(void)ahead_fetch(e);
	for (int i = 0; i < TURN; i++) {
		if (gets[i]) {
			*sink += one_get(e, keys[i], now);
		} else {
			one_set(e, rng, keys[i], now);
		}
	}
	(void)engine_turn_end(e);
}

/* Holds back until the clock has caught up with the rate. */
static void pace(struct engine *e, double began, uint64_t ops)
{
	struct timespec ms = {.tv_nsec = 1000000};

	while (opt.rate != 0 && (double)ops / (double)opt.rate > seconds(CLOCK_MONOTONIC) - began) {
		(void)nanosleep(&ms, NULL);
		(void)engine_turn_end(e);
	}
}

static void run(struct engine *e, double for_s, uint64_t ops_max, unsigned get_percent,
		bool in_order, struct tally *t)
{
	const struct clock *clock = clock_system();
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
	uint64_t next = 0, sink = 0;
	struct rng rng;

	rng_seed(&rng, 5);
	*t = (struct tally){0};
	while (t->ops < ops_max && seconds(CLOCK_MONOTONIC) - wall < for_s) {
		uint64_t began, took;

		pace(e, wall, t->ops);
		began = clock->mono_us(NULL);
		wait_writable(e, t);
		turn(e, &rng, get_percent, in_order ? &next : NULL, &sink);
		t->ops += TURN;
		took = clock->mono_us(NULL) - began;
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

/* Waits until all that was written is in the store; returns how long that took. */
static double settle(struct engine *e)
{
	struct timespec ms = {.tv_nsec = 1000000};
	double began = seconds(CLOCK_MONOTONIC);
	struct engine_stats stats;

	do {
		(void)engine_checkpoint(e);
		(void)nanosleep(&ms, NULL);
		(void)engine_turn_end(e);
		engine_stats(e, &stats);
	} while (stats.checkpoint_lsn < stats.last_lsn);
	return seconds(CLOCK_MONOTONIC) - began;
}

static void print(const char *what, const struct tally *t)
{
	(void)printf("%-14s %9llu ops %8.0f ops/s %8.0f ops/CPU-s  longest turn %.1f ms, %llu over "
		     "1 ms, %llu ms held back, %llu ms full\n",
		     what, (unsigned long long)t->ops, (double)t->ops / t->wall,
		     (double)t->ops / t->cpu, (double)t->stall_max_us / 1000,
		     (unsigned long long)t->turns_over_1ms, (unsigned long long)t->held_us / 1000,
		     (unsigned long long)t->stalls);
	(void)fflush(stdout);
}

/* Prints a figure beside its goal. */
static void judge(const char *what, double value, bool least, double goal)
{
	bool good = least ? value >= goal : value <= goal;

	missed += !good;
	(void)printf("%-6s %s %.2f, goal %s %.0f\n", good ? "met" : "MISSED", what, value,
		     least ? ">=" : "<=", goal);
	(void)fflush(stdout);
}

/* --- durable writes, one at a time per client --- */

static pthread_mutex_t woken_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;
static bool is_woken;

static void wake(void *arg)
{
	(void)arg;
	(void)pthread_mutex_lock(&woken_lock);
	is_woken = true;
	(void)pthread_cond_signal(&woken);
	(void)pthread_mutex_unlock(&woken_lock);
}

static void sleep_until_woken(void)
{
	(void)pthread_mutex_lock(&woken_lock);
	while (!is_woken) {
		(void)pthread_cond_wait(&woken, &woken_lock);
	}
	is_woken = false;
	(void)pthread_mutex_unlock(&woken_lock);
}

static double percentile_us(const uint32_t *counts, uint64_t total, double part)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < US_MAX; i++) {
		seen += counts[i];
		if ((double)seen >= part * (double)total) {
			return i;
		}
	}
	return US_MAX;
}

/* Every client sends its next write as soon as the last one is durable. */
static void durable_writes(struct engine *e)
{
	struct {
		uint64_t lsn, sent_us;
	} clients[CLIENTS] = {0};
	uint32_t *counts = calloc(US_MAX, sizeof *counts);
	const struct clock *clock = clock_system();
	double began = seconds(CLOCK_MONOTONIC), wall = 0;
	struct engine_stats stats;
	struct tally waits = {0};
	uint64_t acks = 0;
	struct rng rng;

	if (counts == NULL) {
		die("durable writes", ST_NO_MEMORY);
	}
	rng_seed(&rng, 6);
	engine_set_fsync(e, WAL_FSYNC_ALWAYS);
	while ((wall = seconds(CLOCK_MONOTONIC) - began) < opt.seconds) {
		uint64_t ack = engine_ack_lsn(e), now_us = clock->mono_us(NULL);
		bool any = false;

		for (int i = 0; i < CLIENTS; i++) {
			if (clients[i].lsn > ack) {
				continue;
			}
			if (clients[i].lsn != 0) {
				uint64_t us = now_us - clients[i].sent_us;

				counts[us < US_MAX ? us : US_MAX - 1]++;
				acks++;
			}
			wait_writable(e, &waits);
			one_set(e, &rng, rng_below(&rng, opt.keys), now_us / 1000);
			engine_stats(e, &stats);
			clients[i].lsn = stats.last_lsn;
			clients[i].sent_us = now_us;
			any = true;
		}
		(void)engine_turn_end(e);
		if (!any) {
			sleep_until_woken();
		}
	}
	(void)printf("durable        %9llu acks, p50 %.0f us, p99 %.0f us, p99.9 %.0f us\n",
		     (unsigned long long)acks, percentile_us(counts, acks, 0.5),
		     percentile_us(counts, acks, 0.99), percentile_us(counts, acks, 0.999));
	judge("durable acks/s of 50 clients:", (double)acks / wall, true, 50000);
	judge("their p99 in us:", percentile_us(counts, acks, 0.99), false, 2000);
	free(counts);
	engine_set_fsync(e, WAL_FSYNC_EVERYSEC);
}

/* --- the phases --- */

static void all_phases(struct engine *e)
{
	bool small = opt.keys <= SMALL_KEYS;
	struct tally t;
	double drained;

	run(e, opt.seconds, UINT64_MAX, opt.get_percent, false, &t);
	print("mixed", &t);
	judge("mixed ops/s:", (double)t.ops / t.wall, true, small ? 500000 : 250000);
	(void)settle(e);
	run(e, opt.seconds, UINT64_MAX, 0, false, &t);
	print("set", &t);
	drained = settle(e);
	judge("SETs/s until all are in the store:", (double)t.ops / (t.wall + drained), true,
	      small ? 150000 : 30000);
	run(e, opt.seconds / 2, UINT64_MAX, 100, false, &t);
	print("get", &t);
	durable_writes(e);
}

static void paced_writes(struct engine *e)
{
	struct engine_stats before, after;
	struct tally t;

	engine_stats(e, &before);
	run(e, opt.seconds, UINT64_MAX, 0, false, &t);
	print("paced set", &t);
	(void)settle(e);
	engine_stats(e, &after);
	judge("longest turn in ms:", (double)t.stall_max_us / 1000, false, 100);
	(void)printf("given %.1f MB; log %.1f MB\n", (double)t.ops * (VALUE_LEN + 16) / 1e6,
		     (double)(after.wal.disk_bytes - before.wal.disk_bytes) / 1e6);
}

static uint64_t disk_bytes(void)
{
	FILE *f = fopen("/proc/self/io", "re");
	unsigned long long n = 0;
	char line[128];

	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		(void)sscanf(line, "write_bytes: %llu", &n);
	}
	if (f != NULL) {
		(void)fclose(f);
	}
	return n;
}

static void report(struct engine *e, uint64_t wrote)
{
	struct engine_stats stats;

	engine_stats(e, &stats);
	(void)printf("wal %.1f bytes/record, ratio %.2f; store: %.1f MB given, file %.0f MB, %llu "
		     "drains, last %.2f s; %.1f MB to disk in all, %.1f times what the store was "
		     "given\n",
		     (double)stats.wal.disk_bytes / (double)stats.wal.records,
		     (double)stats.wal.raw_bytes / (double)stats.wal.stored_bytes,
		     (double)stats.checkpoint.bytes / 1e6, (double)stats.store.file_bytes / 1e6,
		     (unsigned long long)stats.checkpoint.drains,
		     (double)stats.checkpoint.drain_us_last / 1e6, (double)wrote / 1e6,
		     (double)wrote / (double)stats.checkpoint.bytes);
}

static _Noreturn void usage(int code)
{
	(void)fprintf(
	    code == 0 ? stdout : stderr,
	    "usage: bench_engine [--keys 1000000] [--seconds 10] [--get 50] [--rate SETs/s] "
	    "DIR\n"
	    "  --keys     how many keys there are\n"
	    "  --seconds  length of each phase\n"
	    "  --get      percent of GETs in the mixed phase\n"
	    "  --rate     only SETs, at this rate\n"
	    "  DIR        data directory; filled unless it holds the keys already\n");
	exit(code);
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--help") == 0) {
			usage(0);
		} else if (argv[i][0] != '-') {
			opt.dir = argv[i];
			continue;
		} else if (strcmp(argv[i], "--keys") == 0) {
			opt.keys = strtoull(value, NULL, 10);
		} else if (strcmp(argv[i], "--seconds") == 0) {
			opt.seconds = strtod(value, NULL);
		} else if (strcmp(argv[i], "--get") == 0) {
			opt.get_percent = (unsigned)strtoul(value, NULL, 10);
		} else if (strcmp(argv[i], "--rate") == 0) {
			opt.rate = strtoull(value, NULL, 10);
		} else {
			usage(2);
		}
		i++;
	}
	if (opt.dir == NULL || opt.keys == 0) {
		usage(2);
	}
}

int main(int argc, char **argv)
{
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
	    .wakeup = wake,
	};
	struct buf error = {0};
	struct engine *e;
	uint64_t wrote;
	enum status st;

	parse(argc, argv);
	make_values();
	opts.dir = opt.dir;
	st = engine_open(&opts, &e, &error);
	if (st != ST_OK) {
		(void)fprintf(stderr, "%.*s\n", (int)error.len, (const char *)error.data);
		return 1;
	}
	if (engine_keys(e) < opt.keys) {
		uint64_t rate = opt.rate;
		struct tally t;

		opt.rate = 0;
		run(e, 1e9, opt.keys, 0, true, &t);
		print("fill", &t);
		(void)settle(e);
		opt.rate = rate;
	}
	wrote = disk_bytes();
	if (opt.rate != 0) {
		paced_writes(e);
	} else {
		all_phases(e);
	}
	report(e, disk_bytes() - wrote);
	st = engine_close(e);
	buf_deinit(&error);
	return st != ST_OK ? 1 : missed > 0 ? 3 : 0;
}
