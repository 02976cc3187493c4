/* How long the machine itself stood still: moments in which no CPU ran anything.
 *
 * A virtual machine whose host gives it less than its CPUs could use (a quota that its disk's and
 * network's emulation counts towards as well) is stopped whole, some milliseconds of each period,
 * and sees none of it as stolen time. Latencies taken meanwhile are the host's. A thread of the
 * highest priority on each CPU wakes every millisecond; when those of all CPUs were late at once,
 * for longer than any part of the kernel keeps a CPU, nothing ran. Needs root for the priority.
 * Prints one line of JSON. */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PERIOD_NS = 1000000, LATE_NS = 2000000, PRIORITY = 80, STOPS_MAX = 1 << 16 };

/* A time during which a CPU ran nothing of ours. */
struct stop {
	uint64_t from, to;
};

struct stops {
	size_t count;
	struct stop at[STOPS_MAX]; /* in order; what comes later is left out */
};

struct watch {
	pthread_t thread;
	int cpu;
	bool refused; /* the priority */
	struct stops stops;
};

static uint64_t begin_ns, end_ns;

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void add(struct stops *s, uint64_t from, uint64_t to)
{
	if (s->count < STOPS_MAX) {
		s->at[s->count++] = (struct stop){from, to};
	}
}

static void *watch(void *arg)
{
	struct watch *w = arg;
	struct sched_param param = {.sched_priority = PRIORITY};
	uint64_t due = begin_ns;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)w->cpu, &set);
	w->refused = sched_setaffinity(0, sizeof set, &set) != 0 ||
		     sched_setscheduler(0, SCHED_FIFO, &param) != 0;
	while (!w->refused && due < end_ns) {
		struct timespec ts = {.tv_sec = (time_t)(due / 1000000000u),
				      .tv_nsec = (long)(due % 1000000000u)};
		uint64_t now;

		(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		now = now_ns();
		if (now - due >= LATE_NS) {
			add(&w->stops, due, now);
		}
		due += PERIOD_NS;
		due = due > now ? due : now + PERIOD_NS;
	}
	return NULL;
}

/* When both a CPU and those before it ran nothing. */
static void intersect(const struct stops *a, const struct stops *b, struct stops *out)
{
	out->count = 0;
	for (size_t i = 0, j = 0; i < a->count && j < b->count;) {
		const struct stop *x = &a->at[i], *y = &b->at[j];
		uint64_t from = x->from > y->from ? x->from : y->from;
		uint64_t to = x->to < y->to ? x->to : y->to;

		if (from < to) {
			add(out, from, to);
		}
		if (x->to < y->to) {
			i++;
		} else {
			j++;
		}
	}
}

static void print(const struct stops *s, double seconds, int cpus)
{
	uint64_t total = 0, longest = 0;

	for (size_t i = 0; i < s->count; i++) {
		uint64_t took = s->at[i].to - s->at[i].from;

		total += took;
		longest = took > longest ? took : longest;
	}
	printf("{\"seconds\":%.3f,\"cpus\":%d,\"stops\":%zu,\"total_us\":%" PRIu64
	       ",\"longest_us\":%" PRIu64 "}\n",
	       seconds, cpus, s->count, total / 1000, longest / 1000);
}

int main(int argc, char **argv)
{
	double seconds = argc == 3 && strcmp(argv[1], "--seconds") == 0 ? strtod(argv[2], NULL) : 0;
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	struct watch *all = calloc((size_t)cpus, sizeof *all);
	struct stops *both = calloc(2, sizeof *both);

	if (seconds <= 0 || all == NULL || both == NULL) {
		fprintf(stderr, "usage: standstill --seconds S\n");
		return 2;
	}
	begin_ns = now_ns();
	end_ns = begin_ns + (uint64_t)(seconds * 1e9);
	for (int i = 0; i < cpus; i++) {
		all[i].cpu = i;
		if (pthread_create(&all[i].thread, NULL, watch, &all[i]) != 0) {
			fprintf(stderr, "standstill: no thread\n");
			return 1;
		}
	}
	for (int i = 0; i < cpus; i++) {
		(void)pthread_join(all[i].thread, NULL);
		if (all[i].refused) {
			fprintf(stderr, "standstill: needs root and CPUs 0 to %d\n", cpus - 1);
			return 1;
		}
	}
	both[0] = all[0].stops;
	for (int i = 1; i < cpus; i++) {
		intersect(&both[(i - 1) % 2], &all[i].stops, &both[i % 2]);
	}
	print(&both[(cpus - 1) % 2], seconds, cpus);
	free(all);
	free(both);
	return 0;
}
