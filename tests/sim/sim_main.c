/* Runs seeds: create a cluster, let things go wrong for ten virtual minutes, mend everything, and
 * see that all agree again. A broken invariant prints its seed; --trace replays it readably. */
#include "tests/sim/sim.h"

#include "cluster/cluster_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

struct args {
	uint64_t first;
	uint64_t count;
	unsigned minutes;
	unsigned nodes_max;
	double seconds; /* 0: no limit */
	bool trace;
	bool marks;
	bool twice;
	bool large;
};

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Situations that are too rare, or too artificial, for random faults; scripts and unit tests make
 * them. Every other one must arise in a run of many seeds, or the faults are not what they were. */
static bool may_be_absent(int mark)
{
	static const enum cluster_mark rare[] = {
	    MARK_ID_MISMATCH,	    MARK_TABLE_FULL,  MARK_ACK_REPEATED, MARK_DATA_TOO_OLD,
	    MARK_EPOCH_IMPLAUSIBLE, MARK_DIRTY_SLOTS, MARK_OPS_FULL,	 MARK_CLAIM_WHILE_IMPORTING,
	};

	for (size_t i = 0; i < sizeof rare / sizeof rare[0]; i++) {
		if ((int)rare[i] == mark) {
			return true;
		}
	}
	return false;
}

/* Ends faults and open moves, and gives the cluster the time that it may take. */
static void calm_down(struct sim *s)
{
	uint64_t wait = 10 * s->opts.timeout_ms * SIM_MS;

	s->faults_on = false;
	sim_heal(s);
	sim_run_until(s, s->now_us + 4 * s->opts.timeout_ms * SIM_MS);
	if (s->returning != SIM_NODES_MAX) {
		/* Its id is not taken in again before a minute is over. */
		sim_run_until(s, s->now_us + 61 * SIM_S);
	}
	sim_repair(s);
	sim_run_until(s, s->now_us + wait + 70 * SIM_S);
}

static void run_seed(struct sim *s, const struct args *a, uint64_t seed)
{
	struct sim_options o;

	sim_faults_draw(&o, seed, a->nodes_max);
	if (a->trace) {
		o.trace = stdout;
		o.trace_level = CLUSTER_TRACE_NOTICE;
	}
	sim_open(s, &o);
	if (!sim_create(s)) {
		sim_broken(s, "the cluster did not come up");
		return;
	}
	sim_say(s, "created: %u nodes, %u primaries, timeout %u ms", o.nodes, o.primaries,
		o.timeout_ms);
	s->faults_on = true;
	s->unclean = o.faults.one_way || o.faults.delays || o.faults.equal_epochs;
	sim_push(s, s->now_us + 1, SIM_EV_FAULT, 0, 0, 0);
	if (o.faults.operators || o.faults.equal_epochs) {
		sim_push(s, s->now_us + 1, SIM_EV_OPERATOR, 0, 0, 0);
	}
	sim_run_until(s, s->now_us + a->minutes * 60 * SIM_S);
	calm_down(s);
	if (s->violations == 0) {
		sim_check_converged(s);
	}
}

static int usage(void)
{
	(void)fprintf(stderr, "sim [--first SEED] [--count N] [--minutes M] [--nodes MAX] "
			      "[--seconds CPU] [--trace] [--marks] [--twice]\n"
			      "sim --large [--nodes N]\n");
	return 2;
}

static int parse(int argc, char **argv, struct args *a)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--trace") == 0) {
			a->trace = true;
		} else if (strcmp(argv[i], "--marks") == 0) {
			a->marks = true;
		} else if (strcmp(argv[i], "--large") == 0) {
			a->large = true;
		} else if (strcmp(argv[i], "--twice") == 0) {
			a->twice = true;
		} else if (value == NULL) {
			return usage();
		} else {
			i++;
			if (strcmp(argv[i - 1], "--first") == 0) {
				a->first = strtoull(value, NULL, 10);
			} else if (strcmp(argv[i - 1], "--count") == 0) {
				a->count = strtoull(value, NULL, 10);
			} else if (strcmp(argv[i - 1], "--minutes") == 0) {
				a->minutes = (unsigned)strtoul(value, NULL, 10);
			} else if (strcmp(argv[i - 1], "--nodes") == 0) {
				a->nodes_max = (unsigned)strtoul(value, NULL, 10);
			} else if (strcmp(argv[i - 1], "--seconds") == 0) {
				a->seconds = strtod(value, NULL);
			} else {
				return usage();
			}
		}
	}
	return 0;
}

struct sums {
	uint64_t seeds;
	uint64_t us;
	uint64_t steps;
	uint64_t messages;
	uint64_t failovers;
	uint64_t marks[MARKS];
};

static int one_seed(const struct args *a, uint64_t seed, struct sums *sum)
{
	struct sim *s = calloc(1, sizeof *s);
	uint64_t hash;
	int bad;

	if (s == NULL) {
		return 2;
	}
	run_seed(s, a, seed);
	bad = s->violations > 0;
	if (bad) {
		printf("seed %" PRIu64 ": %s (at %.3f s, %u nodes)\n", seed, s->violation,
		       (double)s->now_us / 1e6, s->node_count);
	}
	for (unsigned i = 0; i < s->node_count; i++) {
		sim_add_marks(s, &s->nodes[i]);
	}
	sum->seeds++;
	sum->us += s->now_us;
	sum->steps += s->steps;
	sum->messages += s->messages;
	sum->failovers += s->failovers;
	for (int m = 0; m < MARKS; m++) {
		sum->marks[m] += s->marks[m];
	}
	hash = s->hash;
	sim_close(s);
	if (a->twice && !bad) {
		run_seed(s, a, seed);
		if (s->hash != hash) {
			printf("seed %" PRIu64 ": two runs differ\n", seed);
			bad = 1;
		}
		sim_close(s);
	}
	free(s);
	return bad;
}

/* A large cluster: how much the bus carries when nothing happens, and a failover. */
static int run_large(unsigned nodes)
{
	struct sim_options o = {
	    .seed = 1, .nodes = nodes, .primaries = nodes / 2, .timeout_ms = 15000};
	struct sim *s = calloc(1, sizeof *s);
	double start = cpu_seconds();
	double formula;
	uint64_t messages;
	uint64_t bytes;
	int bad;

	if (s == NULL) {
		return 2;
	}
	sim_open(s, &o);
	if (!sim_create(s)) {
		sim_broken(s, "the cluster did not come up");
	}
	sim_run_until(s, s->now_us + 30 * SIM_S);
	messages = s->messages;
	bytes = s->bytes;
	sim_run_until(s, s->now_us + 60 * SIM_S);
	messages = s->messages - messages;
	bytes = s->bytes - bytes;
	/* Every node pings every other one each half timeout, and one more per second; each ping
	 * has its pong; a tenth of the nodes is told of in each. */
	formula = 2.0 * ((nodes - 1) / 7.5 + 1) *
		  (BUS_HEADER_LEN + BUS_GOSSIP_LEN * (nodes / 10 < 3 ? 3 : nodes / 10));
	printf("%u nodes, idle: %.1f messages and %.0f bytes per node and second (the reference's "
	       "formula: %.0f bytes)\n",
	       nodes, (double)messages / 60 / nodes, (double)bytes / 60 / nodes, formula);
	if (s->violations == 0 && (double)bytes / 60 / nodes > formula) {
		sim_broken(s, "C13: more than the reference would send");
	}
	if (s->violations == 0 && (double)messages / 60 / nodes > 4.0 * (nodes + 10)) {
		sim_broken(s, "C13: too many messages at rest");
	}
	sim_kill(s, 0, false);
	sim_run_until(s, s->now_us + 20 * SIM_S);
	if (s->violations == 0 && s->failovers != 1) {
		sim_broken(s, "%u elections were won, not one", (unsigned)s->failovers);
	}
	sim_heal(s);
	sim_run_until(s, s->now_us + 60 * SIM_S);
	if (s->violations == 0) {
		sim_check_converged(s);
	}
	bad = s->violations > 0;
	printf("%s; %.1f CPU s for %.0f virtual s\n", bad ? s->violation : "agreed in the end",
	       cpu_seconds() - start, (double)s->now_us / 1e6);
	sim_close(s);
	free(s);
	return bad;
}

int main(int argc, char **argv)
{
	struct args a = {.first = 1, .count = 1, .minutes = 10, .nodes_max = 30};
	struct sums sum = {0};
	double start = cpu_seconds();
	double cpu;
	int bad = 0;

	if (parse(argc, argv, &a) != 0) {
		return 2;
	}
	if (getenv("CAIRN_TEST_LONG") != NULL) {
		a.count = a.count < 10000 ? 10000 : a.count;
		a.seconds = 0;
	}
	if (a.large) {
		return run_large(a.nodes_max == 30 ? 100 : a.nodes_max);
	}
	for (uint64_t i = 0; i < a.count && bad == 0; i++) {
		bad = one_seed(&a, a.first + i, &sum);
		if (a.seconds > 0 && cpu_seconds() - start > a.seconds) {
			break;
		}
	}
	cpu = cpu_seconds() - start;
	printf("%" PRIu64
	       " seeds, %.1f virtual hours, %.1f CPU s: %.0f virtual hours per CPU minute; "
	       "%.1f M steps, %.1f M messages, %" PRIu64 " elections won\n",
	       sum.seeds, (double)sum.us / 3.6e9, cpu, (double)sum.us / 3.6e9 / (cpu / 60),
	       (double)sum.steps / 1e6, (double)sum.messages / 1e6, sum.failovers);
	for (int m = 0; m < MARKS; m++) {
		const char *name = cluster_mark_name((enum cluster_mark)m);

		if (a.marks) {
			printf("%-24s %" PRIu64 "\n", name, sum.marks[m]);
		}
		if (bad == 0 && sum.seeds >= 150 && sum.marks[m] == 0 && !may_be_absent(m)) {
			printf("%s never arose\n", name);
			bad = 1;
		}
	}
	return bad;
}
