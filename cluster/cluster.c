/* The facade: memory, start, and the order of work within one step. */
#include "cluster/cluster.h"

#include "cluster/cluster_state.h"
#include "cluster/conf_file.h"
#include "cluster/election.h"
#include "cluster/failure.h"
#include "cluster/gossip.h"
#include "cluster/handshake.h"
#include "cluster/health.h"
#include "cluster/manual_failover.h"
#include "cluster/migration.h"
#include "cluster/node_table.h"
#include "cluster/operator.h"
#include "cluster/outbox.h"
#include "cluster/receive.h"
#include "cluster/replica_migration.h"
#include "cluster/role.h"
#include "cluster/slot_map.h"

#include <stdarg.h>
#include <stdio.h>

enum {
	NODES_MIN = 2,
	NODES_LIMIT = 16000, /* places are 16 bits, with room to spare */
	REPORTS_PER_NODE = 64,
	OPS_PER_NODE = 6,
	OPS_SPARE = 128,
	TIMEOUT_MS_MIN = 20,
	ALIGN = 64,
	SILENT_TIMEOUTS = 4,
};

void cluster_trace_line(const struct cluster *c, enum cluster_trace_level level, const char *fmt,
			...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	c->trace.line(c->trace.ctx, level, text);
}

void cluster_settings_default(struct cluster_settings *s)
{
	memset(s, 0, sizeof *s);
	s->node_timeout_ms = 15000;
	s->migration_barrier = 1;
	s->replica_validity_factor = 10;
	s->repl_ping_period_s = 10;
	s->require_full_coverage = true;
	s->allow_pubsubshard_when_down = true;
	s->allow_replica_migration = true;
	s->addr.port = 6379;
	s->addr.bus_port = 16379;
}

const char *cluster_mark_name(enum cluster_mark mark)
{
	static const char *const names[MARKS] = {
#define CLUSTER_MARK_NAME(name) #name,
	    CLUSTER_MARKS(CLUSTER_MARK_NAME)
#undef CLUSTER_MARK_NAME
	};

	return mark < MARKS ? names[mark] : "?";
}

uint64_t cluster_mark_count(const struct cluster *c, enum cluster_mark mark)
{
	return c->marks[mark];
}

/* Where the parts lie behind struct cluster. */
struct layout {
	size_t nodes;
	size_t buckets;
	size_t reports;
	size_t ops;
	size_t end;
	uint32_t bucket_count;
	uint32_t reports_max;
	uint32_t ops_cap;
};

static size_t round_up(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static void plan(const struct cluster_config *cfg, struct layout *l)
{
	size_t n = cfg->nodes_max;

	l->bucket_count = 4;
	while (l->bucket_count < n) {
		l->bucket_count *= 2;
	}
	l->reports_max = cfg->reports_max != 0 ? cfg->reports_max : (uint32_t)n * REPORTS_PER_NODE;
	l->ops_cap = (uint32_t)n * OPS_PER_NODE + OPS_SPARE;
	l->nodes = round_up(sizeof(struct cluster));
	l->buckets = l->nodes + round_up(n * sizeof(struct cnode));
	l->reports = l->buckets + round_up(l->bucket_count * sizeof(uint16_t));
	l->ops = l->reports + round_up(l->reports_max * sizeof(struct failure_report));
	l->end = l->ops + round_up(l->ops_cap * sizeof(struct cluster_op));
}

size_t cluster_sizeof(const struct cluster_config *cfg)
{
	struct layout l;

	plan(cfg, &l);
	return l.end;
}

size_t cluster_message_max(const struct cluster *c)
{
	size_t gossip = gossip_message_max(c);

	return gossip > BUS_UPDATE_LEN ? gossip : BUS_UPDATE_LEN;
}

static void apply_settings(struct cluster *c, const struct cluster_settings *s)
{
	struct cnode *me = self(c);

	c->settings = *s;
	c->settings.hostname[NODE_HOSTNAME_CAP - 1] = '\0';
	memcpy(me->hostname, c->settings.hostname, sizeof me->hostname);
	c->settings.name[NODE_NAME_CAP - 1] = '\0';
	memcpy(me->name, c->settings.name, sizeof me->name);
	if (s->announce.ip[0] != '\0') {
		memcpy(me->addr.ip, s->announce.ip, sizeof me->addr.ip);
	}
	me->addr.port = s->announce.port != 0 ? s->announce.port : s->addr.port;
	me->addr.other_port =
	    s->announce.other_port != 0 ? s->announce.other_port : s->addr.other_port;
	me->addr.bus_port = s->announce.bus_port != 0 ? s->announce.bus_port : s->addr.bus_port;
	me->flags = (me->flags & ~(unsigned)NODE_NOFAILOVER) |
		    (s->replica_no_failover ? (unsigned)NODE_NOFAILOVER : 0);
	/* What a lease was measured by may have changed. */
	c->health.lease_ms = 0;
	c->up->routes_changed = true;
}

static void begin_update(struct cluster *c, struct cluster_update *up, uint64_t now_ms,
			 uint64_t wall_ms)
{
	memset(up, 0, sizeof *up);
	up->ops = c->ops;
	c->up = up;
	c->now_ms = now_ms;
	c->wall_ms = wall_ms;
}

static void new_node(struct cluster *c)
{
	struct node_id id;

	node_id_random(c, &id);
	(void)node_add(c, &id, NODE_PRIMARY | NODE_MYSELF);
	node_id_random(c, &self(c)->shard);
	NOTE(c, "no nodes.conf: this is the new node %.*s", SHORT(self(c)));
	need_persist(c, PERSIST_SYNC);
}

static uint64_t min_ms(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void finish(struct cluster *c, bool tick)
{
	uint64_t due = c->next_tick_ms;

	manual_failover_tick(c);
	election_tick(c);
	if (c->spread_suspicion) {
		if (is_voter(self(c)) && !PLANTED(139)) {
			outbox_broadcast(c, BUS_PONG, TO_VOTERS);
		}
		c->spread_suspicion = false;
	}
	health_update(c, tick);
	node_table_sweep(c);
	due = min_ms(due, c->next_due_ms);
	due = min_ms(due, election_deadline(c));
	if (c->manual.end_ms != 0) {
		due = min_ms(due, c->manual.end_ms);
	}
	c->up->deadline_ms = due > c->now_ms ? due : c->now_ms + 1;
	c->last_step_ms = c->now_ms;
}

enum status cluster_init(void *memory, const struct cluster_config *cfg, struct cluster **out,
			 struct cluster_update *first, char error[160])
{
	struct cluster *c = memory;
	struct layout l;
	enum status st = ST_OK;

	if (cfg->nodes_max < NODES_MIN || cfg->nodes_max > NODES_LIMIT || cfg->now_ms == 0 ||
	    cfg->settings.node_timeout_ms < TIMEOUT_MS_MIN) {
		(void)snprintf(error, 160, "nodes_max is %u to %u, node timeout at least %u ms",
			       NODES_MIN, NODES_LIMIT, TIMEOUT_MS_MIN);
		return ST_INVALID;
	}
	plan(cfg, &l);
	memset(c, 0, sizeof *c);
	c->trace = cfg->trace;
	c->keys = cfg->keys;
	c->nodes_max = cfg->nodes_max;
	c->reports_max = l.reports_max;
	c->ops_cap = l.ops_cap;
	c->buckets_mask = l.bucket_count - 1;
	c->nodes = (struct cnode *)((uint8_t *)memory + l.nodes);
	c->buckets = (uint16_t *)((uint8_t *)memory + l.buckets);
	c->reports = (struct failure_report *)((uint8_t *)memory + l.reports);
	c->ops = (struct cluster_op *)((uint8_t *)memory + l.ops);
	rng_seed(&c->rng, cfg->seed);
	c->manual.replica = NONE;
	begin_update(c, first, cfg->now_ms, cfg->wall_ms);
	node_table_init(c);
	slot_map_init(c);
	migration_init(c);
	failure_init(c);
	if (cfg->conf.len == 0) {
		new_node(c);
	} else {
		st = conf_file_load(c, cfg->conf, error);
	}
	if (st != ST_OK) {
		return st;
	}
	apply_settings(c, &cfg->settings);
	if (node_id_empty(&self(c)->shard)) {
		node_id_random(c, &self(c)->shard);
		need_persist(c, PERSIST_SYNC);
	}
	/* What nodes.conf knows of replicas does not count: it may be older than they are. */
	if (cfg->store_is_new && is_voter(self(c)) && !PLANTED(140)) {
		c->silent = true;
		c->silent_until_ms = c->now_ms + SILENT_TIMEOUTS * cfg->settings.node_timeout_ms;
		MARK(c, SILENT_START);
		WARN(c,
		     "the store is new, but this node was primary of %u slots: silent until a "
		     "replica has taken over, or none is known",
		     self(c)->slots_count);
	}
	c->next_tick_ms = c->now_ms;
	c->next_due_ms = UINT64_MAX;
	role_report(c, ROLE_LOADED);
	finish(c, true);
	*out = c;
	return ST_OK;
}

/* Replicas have made themselves known by now: they ping the node that they follow, and answered the
 * pings that began when the silence could end. */
static void end_needless_silence(struct cluster *c)
{
	if (c->silent && self(c)->replicas_count == 0 &&
	    c->now_ms >= c->silent_until_ms + c->settings.node_timeout_ms) {
		WARN(c, "no replica is known that could have the data of %u slots: they are empty",
		     self(c)->slots_count);
		role_end_silence(c);
	}
}

static void tick(struct cluster *c)
{
	uint64_t every;

	end_needless_silence(c);
	handshake_expire(c);
	if (c->epoch_untold) {
		/* Somebody may have taken the same one, for the same slots, and then has none in my
		 * eyes; with hearsay in place of pings the two might not speak for long. */
		c->epoch_untold = false;
		gossip_ping_primaries(c);
	}
	gossip_tick(c);
	replica_migration_tick(c);
	role_leave_ring(c);
	every = c->settings.node_timeout_ms / 10;
	c->next_tick_ms = c->now_ms + (every < TICK_MS ? every : TICK_MS);
}

static void apply(struct cluster *c, const struct cluster_event *ev)
{
	switch (ev->kind) {
	case CLUSTER_EV_TIME:
		return;
	case CLUSTER_EV_MESSAGE:
		receive_message(c, ev);
		return;
	case CLUSTER_EV_LINK_UP:
		receive_link_up(c, ev->link);
		return;
	case CLUSTER_EV_LINK_DOWN:
		receive_link_down(c, ev->link);
		return;
	case CLUSTER_EV_COMMAND:
		operator_command(c, ev->command.argv, ev->command.argc);
		return;
	case CLUSTER_EV_ENGINE:
		c->engine = ev->engine;
		c->engine.paused = ev->engine.paused && c->paused;
		return;
	case CLUSTER_EV_PUBLISH:
		c->publish_channel = ev->publish.channel;
		c->publish_payload = ev->publish.payload;
		outbox_broadcast(c, ev->publish.sharded ? BUS_PUBLISHSHARD : BUS_PUBLISH,
				 ev->publish.sharded ? TO_SHARD : TO_ALL);
		return;
	case CLUSTER_EV_SETTINGS:
		apply_settings(c, ev->settings);
		return;
	case CLUSTER_EV_HANDOVER:
		manual_failover_hand_over(c);
		return;
	case CLUSTER_EV_MARKS:
		migration_learn(c, &ev->marks);
		return;
	}
}

void cluster_step(struct cluster *c, const struct cluster_event *ev, struct cluster_update *up)
{
	uint64_t gap = ev->now_ms - c->last_step_ms;
	bool ticked = false;

	INVARIANT(ev->now_ms >= c->now_ms);
	begin_update(c, up, ev->now_ms, ev->wall_ms);
	memset(&c->lost_slots, 0, sizeof c->lost_slots);
	if (gap > c->settings.node_timeout_ms / 2) {
		health_stalled(c, gap);
	}
	apply(c, ev);
	if (c->now_ms >= c->next_tick_ms) {
		tick(c);
		ticked = true;
	}
	if (ticked || c->now_ms >= c->next_due_ms) {
		failure_check(c);
	}
	finish(c, ticked);
}
