/* Golden scripts: commands of a script build and disturb a simulated cluster; what its nodes decide
 * is compared with what the script says below each command.
 *
 *   cluster N P TIMEOUT [no-replica-migration]   N nodes, P of them primaries, formed and quiet
 *   run MS                      let virtual time pass
 *   kill A | power A | start A | stop A          a process (power: its host too; stop: handover)
 *   pause A MS                  stands still
 *   cut A B... / C D...         nothing passes between the two groups; cut> in one direction only
 *   hold-answers A B MS         what A sends on links that B has opened arrives then at the
 * earliest; its own link to B overtakes it mend                        the network is whole
 *   lose-store A                its next start finds nodes.conf but no data
 *   keys A N                    keys it has in every slot
 *   offset A N                  its engine's LSN
 *   incomplete A                its copy of the data was never finished
 *   epoch A N                   N is its current epoch all of a sudden
 *   cluster-command A WORDS...  CLUSTER WORDS...; @B stands for the id of node B, &B for its
 * address state                       one line per node: role, primary, slots, epoch, state, may it
 * write # ...                       a remark
 *
 * Lines that begin with "> " are the expected trace; --update writes them anew. Times are
 * relative to the command. Suspicions of one moment come in any order in life, but always in the
 * same here. */
#include "tests/sim/sim.h"

#include "cluster/cluster_view.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

enum { LINE_MAX_LEN = 512 };

struct run {
	struct sim sim;
	bool open;
	FILE *trace;
	char *trace_text;
	size_t trace_len;
	size_t trace_seen;
	uint64_t base_us;
};

static void fail(const char *what, const char *line)
{
	(void)fprintf(stderr, "%s: %s\n", what, line);
	exit(2);
}

/* Words of a line with @B and &B replaced. */
static void expand(const struct run *r, const char *from, char *to, size_t cap)
{
	size_t len = 0;

	while (*from != '\0' && len + NODE_ID_LEN + 1 < cap) {
		if ((*from == '@' || *from == '&') && isdigit((unsigned char)from[1])) {
			bool id = *from == '@';
			char *end;
			unsigned node = (unsigned)strtoul(from + 1, &end, 10);
			const struct sim_node *n = &r->sim.nodes[node];

			if (node >= r->sim.node_count) {
				fail("no such node", from);
			}
			len += id ? (size_t)snprintf(to + len, cap - len, "%s", self(n->c)->id.text)
				  : (size_t)snprintf(to + len, cap - len, "10.0.%u.%u 6379",
						     n->address >> 8, n->address & 255);
			from = end;
			continue;
		}
		to[len++] = *from++;
	}
	to[len] = '\0';
}

static void begin(struct run *r, const char *args)
{
	struct sim_options o = {.seed = 7};

	if (sscanf(args, "%u %u %u", &o.nodes, &o.primaries, &o.timeout_ms) != 3 ||
	    o.nodes > SIM_NODES_MAX || o.primaries > o.nodes || o.primaries == 0) {
		fail("cluster N P TIMEOUT", args);
	}
	r->trace = open_memstream(&r->trace_text, &r->trace_len);
	if (r->trace == NULL) {
		abort();
	}
	o.trace = r->trace;
	o.trace_level = CLUSTER_TRACE_NOTICE;
	sim_open(&r->sim, &o);
	r->open = true;
	r->sim.unclean = true; /* scripts move slots by hand */
	if (!sim_create(&r->sim)) {
		fail("the cluster did not come up", r->sim.violation);
	}
	if (strstr(args, "no-replica-migration") != NULL) {
		for (unsigned i = 0; i < o.nodes; i++) {
			struct cluster_event ev = {.kind = CLUSTER_EV_SETTINGS};

			r->sim.nodes[i].cfg.settings.allow_replica_migration = false;
			ev.settings = &r->sim.nodes[i].cfg.settings;
			sim_step(&r->sim, &r->sim.nodes[i], &ev);
		}
	}
	sim_run_until(&r->sim, r->sim.now_us + 3 * o.timeout_ms * SIM_MS + 3 * SIM_S);
	(void)fflush(r->trace);
	r->trace_seen = r->trace_len; /* how it came up is not the script's subject */
}

static void cut(struct run *r, const char *args, bool both)
{
	bool left[SIM_NODES_MAX] = {false};
	bool right[SIM_NODES_MAX] = {false};
	bool *side = left;

	while (*args != '\0') {
		if (*args == '/') {
			side = right;
		}
		if (isdigit((unsigned char)*args)) {
			char *end;
			unsigned node = (unsigned)strtoul(args, &end, 10);

			if (node < r->sim.node_count) {
				side[node] = true;
			}
			args = end;
		} else {
			args++;
		}
	}
	for (unsigned a = 0; a < r->sim.node_count; a++) {
		for (unsigned b = 0; b < r->sim.node_count; b++) {
			if (left[a] && right[b]) {
				sim_cut(&r->sim, a, b, true);
				if (both) {
					sim_cut(&r->sim, b, a, true);
				}
			}
		}
	}
}

static void show_state(struct run *r)
{
	for (unsigned i = 0; i < r->sim.node_count; i++) {
		const struct sim_node *n = &r->sim.nodes[i];
		const struct cnode *me = self(n->c);
		struct cluster_view_info info;
		unsigned of;

		if (!n->alive) {
			(void)fprintf(r->trace, "node %u: down\n", i);
			continue;
		}
		cluster_view_info(n->c, sim_local_ms(&r->sim, n), &info);
		of = is_replica(me) && me->primary != NONE
			 ? sim_find_id(&r->sim, &n->c->nodes[me->primary].id)
			 : SIM_NODES_MAX;
		(void)fprintf(r->trace, "node %u: ", i);
		if (is_primary(me)) {
			(void)fprintf(r->trace, "primary, %u slots", me->slots_count);
		} else if (of < r->sim.node_count) {
			(void)fprintf(r->trace, "replica of %u", of);
		} else {
			(void)fprintf(r->trace, "replica of nobody");
		}
		(void)fprintf(r->trace, ", epoch %" PRIu64 ", knows %u nodes, state %s%s\n",
			      info.my_epoch, info.known_nodes, info.ok ? "ok" : "fail",
			      info.may_write ? ", may write" : "");
	}
}

static void give(struct run *r, const char *args)
{
	char text[LINE_MAX_LEN];
	char *end;
	unsigned node = (unsigned)strtoul(args, &end, 10);

	while (*end == ' ') {
		end++;
	}
	expand(r, end, text, sizeof text);
	(void)sim_command(&r->sim, node, "%s", text);
	if (r->sim.nodes[node].reply_kind == REPLY_STATUS) {
		sim_say(&r->sim, "node %u says: %s", node, r->sim.nodes[node].reply);
	}
}

static void set_offset(struct run *r, unsigned node, unsigned value)
{
	/* A replica that lags from now on: it hears its primary no more. */
	r->sim.nodes[node].engine.lsn = value;
	r->sim.nodes[node].engine.follows = SIM_NODES_MAX;
	sim_engine_report(&r->sim, &r->sim.nodes[node]);
}

/* "A B MS" */
static void hold_answers(struct run *r, const char *args)
{
	unsigned a, b, ms;

	if (sscanf(args, "%u %u %u", &a, &b, &ms) != 3 || b >= r->sim.node_count) {
		fail("hold-answers A B MS", args);
	}
	r->sim.slow_until_us[a * r->sim.node_count + b] = r->sim.now_us + ms * SIM_MS;
}

static void execute(struct run *r, char *line)
{
	char *args = strchr(line, ' ');
	unsigned a = 0;
	unsigned b = 0;

	if (args == NULL) {
		args = line + strlen(line);
	} else {
		*args++ = '\0';
	}
	if (strcmp(line, "cluster") == 0) {
		begin(r, args);
		return;
	}
	if (!r->open) {
		fail("the first command is cluster", line);
	}
	(void)sscanf(args, "%u %u", &a, &b);
	if (a >= r->sim.node_count && strcmp(line, "run") != 0) {
		fail("no such node", args);
	}
	if (strcmp(line, "run") == 0) {
		sim_run_until(&r->sim, r->sim.now_us + a * SIM_MS);
	} else if (strcmp(line, "kill") == 0 || strcmp(line, "power") == 0) {
		sim_kill(&r->sim, a, line[0] == 'p');
	} else if (strcmp(line, "start") == 0) {
		sim_start(&r->sim, a);
	} else if (strcmp(line, "stop") == 0) {
		sim_stop(&r->sim, a);
	} else if (strcmp(line, "pause") == 0) {
		sim_pause(&r->sim, a, b * SIM_MS);
	} else if (strcmp(line, "cut") == 0 || strcmp(line, "cut>") == 0) {
		cut(r, args, line[3] == '\0');
	} else if (strcmp(line, "hold-answers") == 0) {
		hold_answers(r, args);
	} else if (strcmp(line, "mend") == 0) {
		memset(r->sim.cut, 0, (size_t)r->sim.node_count * r->sim.node_count);
	} else if (strcmp(line, "lose-store") == 0) {
		r->sim.nodes[a].cfg.store_is_new = true;
	} else if (strcmp(line, "keys") == 0) {
		r->sim.nodes[a].keys = b;
	} else if (strcmp(line, "offset") == 0) {
		set_offset(r, a, b);
	} else if (strcmp(line, "incomplete") == 0) {
		r->sim.nodes[a].engine.complete = false;
		r->sim.nodes[a].engine.follows = SIM_NODES_MAX;
		sim_engine_report(&r->sim, &r->sim.nodes[a]);
	} else if (strcmp(line, "epoch") == 0) {
		r->sim.nodes[a].c->current_epoch = strtoull(strchr(args, ' ') + 1, NULL, 10);
	} else if (strcmp(line, "cluster-command") == 0) {
		give(r, args);
	} else if (strcmp(line, "state") == 0) {
		show_state(r);
	} else {
		fail("unknown command", line);
	}
}

/* The trace since the last command, times made relative to it, each line behind "> ". */
static void put_trace(struct run *r, FILE *out)
{
	char *line;

	(void)fflush(r->trace);
	line = r->trace_text + r->trace_seen;
	while (line < r->trace_text + r->trace_len) {
		char *end = strchr(line, '\n');
		double at;

		if (end == NULL) {
			break;
		}
		*end = '\0';
		if (sscanf(line, "[%lf]", &at) == 1) {
			char *rest = strchr(line, ']') + 1;

			while (*rest == ' ') {
				rest++;
			}
			(void)fprintf(out, "> +%.0f %s\n", at * 1e3 - (double)r->base_us / 1e3,
				      rest);
		} else {
			(void)fprintf(out, "> %s\n", line);
		}
		*end = '\n';
		line = end + 1;
	}
	r->trace_seen = r->trace_len;
	if (r->sim.violations > 0) {
		(void)fprintf(out, "> BROKEN\n");
	}
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text = calloc(1, 1 << 20);

	if (f == NULL || text == NULL || fread(text, 1, (1 << 20) - 1, f) == 0) {
		fail("cannot read", path);
	}
	(void)fclose(f);
	return text;
}

/* The script with the trace that this build gives below its commands. */
static char *replay(const char *script)
{
	static struct run r;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	const char *at = script;

	memset(&r, 0, sizeof r);
	while (*at != '\0') {
		char line[LINE_MAX_LEN];
		const char *end = strchr(at, '\n');
		size_t n = end == NULL ? strlen(at) : (size_t)(end - at);

		(void)snprintf(line, sizeof line, "%.*s", (int)n, at);
		at += n + (end != NULL);
		if (line[0] == '>') {
			continue;
		}
		(void)fprintf(out, "%s\n", line);
		if (line[0] != '#' && line[0] != '\0') {
			r.base_us = r.sim.now_us;
			execute(&r, line);
			put_trace(&r, out);
		}
	}
	(void)fclose(out);
	if (r.open) {
		sim_close(&r.sim);
		(void)fclose(r.trace);
		free(r.trace_text);
	}
	return text;
}

static void show_difference(const char *want, const char *got)
{
	unsigned line = 1;

	while (*want != '\0' && *want == *got) {
		line += *want == '\n';
		want++;
		got++;
	}
	while (*want != '\0' && want[-1] != '\n') {
		want--;
		got--;
	}
	(void)fprintf(stderr, "line %u differs\n  expected: %.*s\n  got:      %.*s\n", line,
		      (int)strcspn(want, "\n"), want, (int)strcspn(got, "\n"), got);
}

int main(int argc, char **argv)
{
	bool update = argc == 3 && strcmp(argv[1], "--update") == 0;
	const char *path = argv[argc - 1];
	char *script;
	char *got;
	int bad;

	if (argc < 2) {
		(void)fprintf(stderr, "golden_run [--update] SCRIPT\n");
		return 2;
	}
	script = read_file(path);
	got = replay(script);
	bad = strcmp(script, got) != 0;
	if (bad && update) {
		FILE *f = fopen(path, "wb");

		if (f == NULL || fputs(got, f) < 0 || fclose(f) != 0) {
			fail("cannot write", path);
		}
		bad = 0;
	} else if (bad) {
		(void)fprintf(stderr, "%s:\n", path);
		show_difference(script, got);
	}
	free(script);
	free(got);
	return bad;
}
