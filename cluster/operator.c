/* Operator commands about nodes, roles and epochs, and the table of all. */
#include "cluster/operator.h"

#include "cluster/election.h"
#include "cluster/epoch.h"
#include "cluster/handshake.h"
#include "cluster/manual_failover.h"
#include "cluster/migration.h"
#include "cluster/node_table.h"
#include "cluster/outbox.h"
#include "cluster/role.h"
#include "cluster/slot_map.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { BUS_PORT_DISTANCE = 10000, PORT_MAX = 65535 };

void operator_ok(struct cluster *c)
{
	c->up->reply.kind = REPLY_OK;
}

void operator_error(struct cluster *c, const char *fmt, ...)
{
	struct cluster_reply *r = &c->up->reply;
	va_list args;

	r->kind = REPLY_ERROR;
	memcpy(r->text, "ERR ", 4);
	va_start(args, fmt);
	(void)vsnprintf(r->text + 4, sizeof r->text - 4, fmt, args);
	va_end(args);
}

bool operator_integer(struct slice arg, int64_t *out)
{
	bool negative = arg.len > 0 && arg.data[0] == '-';
	struct slice digits = negative ? slice_skip(arg, 1) : arg;
	uint64_t v = 0;

	if (digits.len == 0 || digits.len > 19 || (digits.data[0] == '0' && digits.len > 1)) {
		return false;
	}
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.data[i] < '0' || digits.data[i] > '9') {
			return false;
		}
		v = v * 10 + (uint64_t)(digits.data[i] - '0');
	}
	if (v > INT64_MAX) {
		return false;
	}
	*out = negative ? -(int64_t)v : (int64_t)v;
	return true;
}

bool operator_is(struct slice arg, const char *word)
{
	if (arg.len != strlen(word)) {
		return false;
	}
	for (size_t i = 0; i < arg.len; i++) {
		uint8_t a = arg.data[i];

		if (a >= 'A' && a <= 'Z') {
			a = (uint8_t)(a - 'A' + 'a');
		}
		if (a != (uint8_t)word[i]) {
			return false;
		}
	}
	return true;
}

struct cnode *operator_node(const struct cluster *c, struct slice arg)
{
	struct node_id id;

	return arg.len == NODE_ID_LEN && node_id_read(arg.data, &id) ? node_find(c, &id) : NULL;
}

static bool is_literal(struct slice ip)
{
	bool colon = false;
	bool letter = false;
	unsigned dots = 0;

	if (ip.len == 0 || ip.len >= NODE_IP_CAP) {
		return false;
	}
	for (size_t i = 0; i < ip.len; i++) {
		uint8_t ch = ip.data[i];
		bool digit = ch >= '0' && ch <= '9';
		bool hex = (ch >= 'a' && ch <= 'f') || (ch >= 'A' && ch <= 'F');

		colon |= ch == ':';
		letter |= hex;
		dots += ch == '.';
		if (!digit && !hex && ch != ':' && ch != '.') {
			return false;
		}
	}
	return colon || (dots == 3 && !letter);
}

static bool read_port(struct slice arg, uint16_t *out)
{
	int64_t v;

	if (!operator_integer(arg, &v) || v < 1 || v > PORT_MAX) {
		return false;
	}
	*out = (uint16_t)v;
	return true;
}

static void run_meet(struct cluster *c, const struct slice *argv, unsigned argc)
{
	struct node_addr addr = {0};
	int64_t base;
	int64_t bus;

	if (!operator_integer(argv[2], &base)) {
		operator_error(c, "Invalid base port specified: %.*s", (int)argv[2].len,
			       (const char *)argv[2].data);
		return;
	}
	bus = base + BUS_PORT_DISTANCE;
	if (argc == 4 && !operator_integer(argv[3], &bus)) {
		operator_error(c, "Invalid bus port specified: %.*s", (int)argv[3].len,
			       (const char *)argv[3].data);
		return;
	}
	if (!is_literal(argv[1]) || !read_port(argv[2], &addr.port) || bus < 1 || bus > PORT_MAX) {
		operator_error(c, "Invalid node address specified: %.*s:%.*s", (int)argv[1].len,
			       (const char *)argv[1].data, (int)argv[2].len,
			       (const char *)argv[2].data);
		return;
	}
	addr.bus_port = (uint16_t)bus;
	memcpy(addr.ip, argv[1].data, argv[1].len);
	handshake_start(c, &addr, true);
	need_persist(c, PERSIST_SAVE);
	operator_ok(c);
}

static void run_forget(struct cluster *c, const struct slice *argv, unsigned argc)
{
	struct cnode *n = operator_node(c, argv[1]);
	struct node_id id;

	(void)argc;
	if (n == NULL && argv[1].len == NODE_ID_LEN && node_id_read(argv[1].data, &id) &&
	    node_is_forgotten(c, &id)) {
		operator_ok(c); /* heard of it already */
	} else if (n == NULL) {
		operator_error(c, "Unknown node %.*s", (int)argv[1].len,
			       (const char *)argv[1].data);
	} else if (n == self(c)) {
		operator_error(c, "I tried hard but I can't forget myself...");
	} else if (is_replica(self(c)) && n == claimant(c)) {
		operator_error(c, "Can't forget my master!");
	} else {
		NOTE(c, "%.*s forgotten by command", SHORT(n));
		if (!PLANTED(138)) {
			node_forget(c, &n->id, FORGET_TTL_MS, true);
		}
		node_remove(c, n);
		/* Else a restart knows it again, and tells the others. */
		need_persist(c, PERSIST_SYNC);
		c->up->routes_changed = true;
		operator_ok(c);
	}
}

static void run_replicate(struct cluster *c, const struct slice *argv, unsigned argc)
{
	struct cnode *me = self(c);
	struct cnode *n = operator_node(c, argv[1]);

	(void)argc;
	if (n == NULL) {
		operator_error(c, "Unknown node %.*s", (int)argv[1].len,
			       (const char *)argv[1].data);
	} else if (n == me) {
		operator_error(c, "Can't replicate myself");
	} else if (!is_primary(n)) {
		operator_error(c, "I can only replicate a master, not a replica.");
	} else if (is_primary(me) && (me->slots_count > 0 || c->keys.total(c->keys.ctx) > 0)) {
		operator_error(
		    c, "To set a master the node must be empty and without assigned slots.");
	} else {
		role_follow(c, n, ROLE_COMMANDED);
		operator_ok(c);
	}
}

static void run_failover(struct cluster *c, const struct slice *argv, unsigned argc)
{
	struct cnode *me = self(c);
	bool force = argc == 2 && operator_is(argv[1], "force");
	bool takeover = argc == 2 && operator_is(argv[1], "takeover");
	struct cnode *p;

	if (argc == 2 && !force && !takeover) {
		operator_error(c, "syntax error");
		return;
	}
	if (takeover && c->silent) {
		/* The operator says that an empty store is all there will be. */
		role_end_silence(c);
		operator_ok(c);
		return;
	}
	if (is_primary(me)) {
		operator_error(c, "You should send CLUSTER FAILOVER to a replica");
		return;
	}
	if (me->primary == NONE) {
		operator_error(c, "I'm a replica but my master is unknown to me");
		return;
	}
	p = &c->nodes[me->primary];
	if (!force && !takeover && (has_flag(p, NODE_FAIL) || p->link_state != LINK_UP)) {
		operator_error(c, "Master is down or failed, please use CLUSTER FAILOVER FORCE");
		return;
	}
	if (takeover) {
		MARK(c, TAKEOVER);
		NOTE(c, "taking over from %.*s without a vote", SHORT(p));
		(void)epoch_bump(c);
		role_promote(c, me->config_epoch, ROLE_TAKEOVER);
	} else {
		manual_failover_start(c, force);
	}
	operator_ok(c);
}

static void run_reset(struct cluster *c, const struct slice *argv, unsigned argc)
{
	struct cnode *me = self(c);
	bool hard = argc == 2 && operator_is(argv[1], "hard");
	struct node_id id = {{0}};

	if (argc == 2 && !hard && !operator_is(argv[1], "soft")) {
		operator_error(c, "syntax error");
		return;
	}
	if (is_primary(me) && c->keys.total(c->keys.ctx) > 0) {
		operator_error(c,
			       "CLUSTER RESET can't be called with master nodes containing keys");
		return;
	}
	if (is_replica(me)) {
		c->up->flush_data = true;
	}
	NOTE(c, "reset %s", hard ? "hard" : "soft");
	role_end_silence(c);
	role_empty_primary(c);
	migration_drop(c, NULL);
	(void)slot_map_unbind_all(c, me);
	FOR_EACH_NODE(c, n)
	{
		if (n != me) {
			node_remove(c, n);
		}
	}
	node_unforget(c, &id);
	if (hard) {
		c->current_epoch = 0;
		c->last_vote_epoch = 0;
		me->config_epoch = 0;
		node_id_random(c, &id);
		node_rename(c, me, &id);
		node_id_random(c, &me->shard);
	}
	operator_ok(c);
}

static void run_set_config_epoch(struct cluster *c, const struct slice *argv, unsigned argc)
{
	int64_t epoch;

	(void)argc;
	if (!operator_integer(argv[1], &epoch)) {
		operator_error(c, "value is not an integer or out of range");
	} else if (epoch < 0) {
		operator_error(c, "Invalid config epoch specified: %" PRId64, epoch);
	} else if (c->nodes_count > 1) {
		operator_error(c, "The user can assign a config epoch only when the node does not "
				  "know any other node.");
	} else if (self(c)->config_epoch != 0) {
		operator_error(c, "Node config epoch is already non-zero");
	} else {
		self(c)->config_epoch = (uint64_t)epoch;
		if (c->current_epoch < (uint64_t)epoch) {
			c->current_epoch = (uint64_t)epoch;
		}
		need_persist(c, PERSIST_SYNC);
		operator_ok(c);
	}
}

static void run_bumpepoch(struct cluster *c, const struct slice *argv, unsigned argc)
{
	bool bumped = epoch_bump(c);

	(void)argv;
	(void)argc;
	c->up->reply.kind = REPLY_STATUS;
	(void)snprintf(c->up->reply.text, sizeof c->up->reply.text, "%s %" PRIu64,
		       bumped ? "BUMPED" : "STILL", self(c)->config_epoch);
}

static void run_saveconfig(struct cluster *c, const struct slice *argv, unsigned argc)
{
	(void)argv;
	(void)argc;
	need_persist(c, PERSIST_SYNC);
	operator_ok(c);
}

static const struct {
	const char *name;
	unsigned argc_min; /* the name counts */
	unsigned argc_max; /* 0: any */
	operator_run *run;
} commands[] = {
    {"addslots", 2, 0, operator_addslots},
    {"addslotsrange", 3, 0, operator_addslotsrange},
    {"bumpepoch", 1, 1, run_bumpepoch},
    {"delslots", 2, 0, operator_delslots},
    {"delslotsrange", 3, 0, operator_delslotsrange},
    {"failover", 1, 2, run_failover},
    {"flushslots", 1, 1, operator_flushslots},
    {"forget", 2, 2, run_forget},
    {"meet", 3, 4, run_meet},
    {"replicate", 2, 2, run_replicate},
    {"reset", 1, 2, run_reset},
    {"saveconfig", 1, 1, run_saveconfig},
    {"set-config-epoch", 2, 2, run_set_config_epoch},
    {"setslot", 3, 0, operator_setslot},
};

void operator_command(struct cluster *c, const struct slice *argv, unsigned argc)
{
	for (size_t i = 0; argc > 0 && i < sizeof commands / sizeof commands[0]; i++) {
		if (!operator_is(argv[0], commands[i].name)) {
			continue;
		}
		if (argc < commands[i].argc_min ||
		    (commands[i].argc_max != 0 && argc > commands[i].argc_max)) {
			operator_error(c, "wrong number of arguments for 'cluster|%s' command",
				       commands[i].name);
			return;
		}
		commands[i].run(c, argv, argc);
		return;
	}
	operator_error(c, "unknown subcommand '%.*s'. Try CLUSTER HELP.",
		       argc == 0 ? 0 : (int)(argv[0].len < 128 ? argv[0].len : 128),
		       argc == 0 ? "" : (const char *)argv[0].data);
}
