/* CLUSTER: its table, and what it tells of this node and its neighbours; READONLY, READWRITE,
 * ASKING. */
#include "net/command/cmd_cluster.h"

#include "engine/base/alloc.h"
#include "net/command/info_text.h"

#include <stdio.h>

struct cluster *cluster_of(struct command_ctx *ctx)
{
	if (ctx->host->cluster == NULL) {
		resp_error(ctx->reply, "ERR This instance has cluster support disabled");
	}
	return ctx->host->cluster;
}

bool cluster_arg_node(struct command_ctx *ctx, const struct cluster *c, size_t arg,
		      struct cluster_view_node *out)
{
	uint16_t place = cluster_view_find(c, ctx->argv[arg]);

	if (place != VIEW_NO_NODE && cluster_view_node(c, place, out)) {
		return true;
	}
	resp_error(ctx->reply, "ERR Unknown node %.*s",
		   (int)(ctx->argv[arg].len < 128 ? ctx->argv[arg].len : 128),
		   (const char *)ctx->argv[arg].data);
	return false;
}

bool cluster_arg_slot(struct command_ctx *ctx, size_t arg, const char *wrong, uint16_t *out)
{
	int64_t v;

	if (!command_arg_int(ctx, arg, &v, NULL)) {
		return false;
	}
	if (v < 0 || v >= SLOTS) {
		resp_error(ctx->reply, "%s", wrong);
		return false;
	}
	*out = (uint16_t)v;
	return true;
}

/* --- INFO --- */

static void add_messages(struct info *in, const uint64_t *counts, const char *way)
{
	static const char *const names[BUS_TYPES] = {"ping",	"pong",	    "meet",	   "fail",
						     "publish", "auth-req", "auth-ack",	   "update",
						     "mfstart", "module",   "publishshard"};
	uint64_t sum = 0;

	for (size_t i = 0; i < BUS_TYPES; i++) {
		sum += counts[i];
		if (counts[i] > 0) {
			info_add(in, "cluster_stats_messages_%s_%s:%llu\r\n", names[i], way,
				 (unsigned long long)counts[i]);
		}
	}
	info_add(in, "cluster_stats_messages_%s:%llu\r\n", way, (unsigned long long)sum);
}

static void cmd_cluster_info(struct command_ctx *ctx)
{
	const struct cluster *c = cluster_of(ctx);
	struct info in = {.ctx = ctx, .st = ST_OK};
	struct cluster_view_info v;

	if (c == NULL) {
		return;
	}
	cluster_view_info(c, command_mono_ms(ctx), &v);
	info_add(&in,
		 "cluster_state:%s\r\ncluster_slots_assigned:%u\r\ncluster_slots_ok:%u\r\n"
		 "cluster_slots_pfail:%u\r\ncluster_slots_fail:%u\r\ncluster_known_nodes:%u\r\n"
		 "cluster_size:%u\r\ncluster_current_epoch:%llu\r\ncluster_my_epoch:%llu\r\n",
		 v.ok ? "ok" : "fail", v.slots_assigned, v.slots_ok, v.slots_pfail, v.slots_fail,
		 v.known_nodes, v.size, (unsigned long long)v.current_epoch,
		 (unsigned long long)v.my_epoch);
	add_messages(&in, v.sent, "sent");
	add_messages(&in, v.received, "received");
	info_add(&in, "total_cluster_links_buffer_limit_exceeded:%llu\r\n",
		 (unsigned long long)ctx->host->cluster_links_over_limit);
	/* Cairn's own: why writes are refused, why a replica would not be elected. */
	info_add(&in, "cluster_writes_accepted:%d\r\ncluster_last_vote_epoch:%llu\r\n",
		 v.may_write && v.ok && !v.paused && !v.silent,
		 (unsigned long long)v.last_vote_epoch);
	if (v.not_standing != NULL) {
		info_add(&in, "cluster_not_standing:%s\r\n", v.not_standing);
	}
	if (in.st == ST_OK) {
		resp_verbatim(ctx->reply, "txt", buf_slice(&in.text));
	} else {
		command_reply_status(ctx, in.st);
	}
	buf_deinit(&in.text);
}

/* --- NODES, REPLICAS --- */

/* The lines of all nodes, or of one primary's replicas, in owned memory. */
static enum status nodes_text(const struct command_ctx *ctx, const struct cluster *c,
			      uint16_t replicas_of, struct buf *out)
{
	bool tls = ctx->session->tls;
	size_t len = cluster_view_nodes_text(c, replicas_of, tls, NULL, 0);
	enum status st = buf_reserve(out, len + 1);

	if (st == ST_OK) {
		out->len =
		    cluster_view_nodes_text(c, replicas_of, tls, (char *)out->data, out->cap);
	}
	return st;
}

static void cmd_cluster_nodes(struct command_ctx *ctx)
{
	const struct cluster *c = cluster_of(ctx);
	struct buf text = {0};
	enum status st;

	if (c == NULL) {
		return;
	}
	st = nodes_text(ctx, c, VIEW_NO_NODE, &text);
	if (st == ST_OK) {
		resp_verbatim(ctx->reply, "txt", buf_slice(&text));
	} else {
		command_reply_status(ctx, st);
	}
	buf_deinit(&text);
}

static void cmd_cluster_replicas(struct command_ctx *ctx)
{
	const struct cluster *c = cluster_of(ctx);
	struct cluster_view_node n;
	struct buf text = {0};
	struct slice rest, line;
	size_t mark, count = 0;
	enum status st;

	if (c == NULL || !cluster_arg_node(ctx, c, 2, &n)) {
		return;
	}
	if (n.primary != VIEW_NO_NODE || (n.flags & NODE_PRIMARY) == 0) {
		resp_error(ctx->reply, "ERR The specified node is not a master");
		return;
	}
	st = nodes_text(ctx, c, n.place, &text);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		buf_deinit(&text);
		return;
	}
	mark = resp_deferred_begin(ctx->reply);
	for (rest = buf_slice(&text); rest.len > 0; count++) {
		const uint8_t *end = memchr(rest.data, '\n', rest.len);

		line = slice_of(rest.data, end == NULL ? rest.len : (size_t)(end - rest.data));
		resp_bulk(ctx->reply, line);
		rest = slice_skip(rest, line.len + (end != NULL));
	}
	resp_deferred_end(ctx->reply, mark, '*', count);
	buf_deinit(&text);
}

static void cmd_cluster_count_failure_reports(struct command_ctx *ctx)
{
	struct cluster *c = cluster_of(ctx);
	struct cluster_view_node n;

	if (c != NULL && cluster_arg_node(ctx, c, 2, &n)) {
		resp_int(ctx->reply, cluster_view_failure_reports(c, n.place));
	}
}

static void reply_own(struct command_ctx *ctx, bool shard)
{
	const struct cluster *c = cluster_of(ctx);
	struct cluster_view_node n;

	if (c != NULL && cluster_view_node(c, 0, &n)) {
		resp_bulk_str(ctx->reply, shard ? n.shard : n.id);
	}
}

static void cmd_cluster_myid(struct command_ctx *ctx)
{
	reply_own(ctx, false);
}

static void cmd_cluster_myshardid(struct command_ctx *ctx)
{
	reply_own(ctx, true);
}

/* --- keys and slots --- */

static void cmd_cluster_keyslot(struct command_ctx *ctx)
{
	if (cluster_of(ctx) != NULL) {
		resp_int(ctx->reply, keyslot(ctx->argv[2]));
	}
}

static void cmd_cluster_countkeysinslot(struct command_ctx *ctx)
{
	uint16_t slot;

	if (cluster_of(ctx) != NULL && cluster_arg_slot(ctx, 2, "ERR Invalid slot", &slot)) {
		resp_int(ctx->reply, (int64_t)engine_slot_keys(ctx->engine, slot));
	}
}

/* Expired keys are not listed: whoever moves a slot would ask for them for ever. */
static void cmd_cluster_getkeysinslot(struct command_ctx *ctx)
{
	static const char wrong[] = "ERR Invalid slot or number of keys";
	struct ks_iter it = {0};
	uint16_t slot;
	int64_t count, n;
	size_t mark;
	enum status st;

	/* Numbers come before their meaning. */
	if (cluster_of(ctx) == NULL || !command_arg_int(ctx, 2, &n, NULL) ||
	    !command_arg_int(ctx, 3, &count, NULL) || !cluster_arg_slot(ctx, 2, wrong, &slot)) {
		return;
	}
	n = 0;
	if (count < 0) {
		resp_error(ctx->reply, "%s", wrong);
		return;
	}
	mark = resp_deferred_begin(ctx->reply);
	st = count == 0 ? ST_END : ks_keys_open(ctx->engine, slot, 0, &it);
	while (st == ST_OK && n < count) {
		struct slice name;
		struct meta meta;
		uint64_t order;

		st = ks_keys_next(&it, &order, &name, &meta);
		if (st == ST_OK) {
			resp_bulk(ctx->reply, name);
			n++;
		}
	}
	ks_iter_close(&it);
	if (st != ST_OK && st != ST_END) {
		command_reply_status(ctx, st);
		return;
	}
	resp_deferred_end(ctx->reply, mark, '*', (size_t)n);
}

/* --- HELP --- */

static const char *const help_lines[] = {
    "ADDSLOTS <slot> [<slot> ...]",
    "    Make this node serve slots that nobody serves.",
    "ADDSLOTSRANGE <first> <last> [<first> <last> ...]",
    "    The same for ranges of slots.",
    "BUMPEPOCH",
    "    Give this node a config epoch above all others.",
    "COUNT-FAILURE-REPORTS <node-id>",
    "    How many primaries say that the node does not answer.",
    "COUNTKEYSINSLOT <slot>",
    "    How many keys of the slot are here.",
    "DELSLOTS <slot> [<slot> ...]",
    "    Forget who serves the slots.",
    "DELSLOTSRANGE <first> <last> [<first> <last> ...]",
    "    The same for ranges of slots.",
    "DIVERGENT LIST",
    "    Archives of writes that this node had to give up.",
    "DIVERGENT GET <file> [FROM <lsn>] [COUNT <records>]",
    "    The writes of one.",
    "DIVERGENT DROP <file> [<file> ...]",
    "    Remove archives.",
    "FAILOVER [FORCE|TAKEOVER]",
    "    Make this replica the primary: agreed with it, without it, or without a vote.",
    "FLUSHSLOTS",
    "    Stop serving any slot; there must be no keys.",
    "FORGET <node-id>",
    "    Remove a node from the cluster; to be said to every other node.",
    "GETKEYSINSLOT <slot> <count>",
    "    Names of keys of the slot that are here.",
    "INFO",
    "    State of the cluster, epochs, messages on the bus.",
    "KEYSLOT <key>",
    "    The slot of a key.",
    "LINKS",
    "    Connections to and from the other nodes.",
    "LSN",
    "    Position of this connection's last write.",
    "LSN <position>",
    "    What has become of a write: durable (on this node's disk, and on how many replicas),",
    "    pending, not-here, divergent (given up) or unknown (to this node, at this time).",
    "MEET <ip> <port> [<bus-port>]",
    "    Join the cluster of that node.",
    "MYID",
    "    This node's id.",
    "MYSHARDID",
    "    The id of this node's shard.",
    "NODES",
    "    All nodes, a line each: id, address, flags, primary, times, epoch, slots.",
    "REPLICAS <node-id>",
    "    The lines of a primary's replicas.",
    "REPLICATE <node-id>",
    "    Become a replica of that primary.",
    "RESET [HARD|SOFT]",
    "    Leave the cluster; HARD: with a new id and epochs of 0.",
    "SAVECONFIG",
    "    Write nodes.conf now.",
    "SET-CONFIG-EPOCH <epoch>",
    "    Set the config epoch of a node that is alone.",
    "SETSLOT <slot> (IMPORTING|MIGRATING|NODE) <node-id>",
    "    Mark a slot as on its way from or to a node; say who serves it.",
    "SETSLOT <slot> STABLE",
    "    Take those marks away.",
    "SHARDS",
    "    Shards with their slots and nodes.",
    "SLOT-DIGEST (<slot> [<slot> ...] | SLOTSRANGE <first> <last>)",
    "    What the slots held at the newest checkpoint: digest, keys, LSN.",
    "SLOT-STATS SLOTSRANGE <first> <last>",
    "    Keys of the slots that this node serves, and what requests for them cost.",
    "SLOT-STATS ORDERBY <metric> [LIMIT <n>] [ASC|DESC]",
    "    The same, sorted.",
    "SLOTS",
    "    Runs of slots with the nodes that serve them.",
    NULL};

static void cmd_cluster_help(struct command_ctx *ctx)
{
	if (cluster_of(ctx) != NULL) {
		command_reply_help(ctx, help_lines);
	}
}

/* --- what a client says about itself --- */

void cmd_asking(struct command_ctx *ctx)
{
	if (cluster_of(ctx) != NULL) {
		ctx->session->asking = true;
		resp_ok(ctx->reply);
	}
}

static void cmd_readonly(struct command_ctx *ctx)
{
	if (cluster_of(ctx) != NULL) {
		ctx->session->readonly = true;
		resp_ok(ctx->reply);
	}
}

static void cmd_readwrite(struct command_ctx *ctx)
{
	if (cluster_of(ctx) != NULL) {
		ctx->session->readonly = false;
		resp_ok(ctx->reply);
	}
}

#define CLUSTER_ADMIN  CMD_ADMIN | CMD_STALE
#define CLUSTER_CHANGE CLUSTER_ADMIN | CMD_NO_ASYNC_LOADING

static const struct command subcommands_cluster[] = {
    {"addslots", -3, CLUSTER_CHANGE, NO_KEYS, cmd_cluster_change, NULL},
    {"addslotsrange", -4, CLUSTER_CHANGE, NO_KEYS, cmd_cluster_change, NULL},
    {"bumpepoch", 2, CLUSTER_CHANGE, NO_KEYS, cmd_cluster_change, NULL},
    {"count-failure-reports", 3, CLUSTER_ADMIN, NO_KEYS, cmd_cluster_count_failure_reports, NULL},
    {"countkeysinslot", 3, CMD_STALE | CMD_COUNTS, NO_KEYS, cmd_cluster_countkeysinslot, NULL},
    {"delslots", -3, CLUSTER_CHANGE, NO_KEYS, cmd_cluster_change, NULL},
    {"delslotsrange", -4, CLUSTER_CHANGE, NO_KEYS, cmd_cluster_change, NULL},
    {"divergent", -3, CLUSTER_ADMIN, NO_KEYS, cmd_cluster_divergent, NULL},
    {"failover", -2, CLUSTER_CHANGE, NO_KEYS, cmd_cluster_change, NULL},
    {"flushslots", 2, CLUSTER_CHANGE | CMD_COUNTS, NO_KEYS, cmd_cluster_change, NULL},
    {"forget", 3, CLUSTER_CHANGE, NO_KEYS, cmd_cluster_change, NULL},
    {"getkeysinslot", 4, CMD_STALE, NO_KEYS, cmd_cluster_getkeysinslot, NULL},
    {"help", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_cluster_help, NULL},
    {"info", 2, CMD_STALE, NO_KEYS, cmd_cluster_info, NULL},
    {"keyslot", 3, CMD_STALE, NO_KEYS, cmd_cluster_keyslot, NULL},
    {"links", 2, CMD_STALE, NO_KEYS, cmd_cluster_links, NULL},
    {"lsn", -2, CMD_STALE | CMD_LOADING, NO_KEYS, cmd_cluster_lsn, NULL},
    {"meet", -4, CLUSTER_CHANGE, NO_KEYS, cmd_cluster_change, NULL},
    {"myid", 2, CMD_STALE, NO_KEYS, cmd_cluster_myid, NULL},
    {"myshardid", 2, CMD_STALE, NO_KEYS, cmd_cluster_myshardid, NULL},
    {"nodes", 2, CMD_STALE, NO_KEYS, cmd_cluster_nodes, NULL},
    {"replicas", 3, CLUSTER_ADMIN, NO_KEYS, cmd_cluster_replicas, NULL},
    {"replicate", 3, CLUSTER_CHANGE | CMD_COUNTS, NO_KEYS, cmd_cluster_change, NULL},
    {"reset", -2, CLUSTER_ADMIN | CMD_NOSCRIPT | CMD_COUNTS, NO_KEYS, cmd_cluster_change, NULL},
    {"saveconfig", 2, CLUSTER_CHANGE, NO_KEYS, cmd_cluster_change, NULL},
    {"set-config-epoch", 3, CLUSTER_CHANGE, NO_KEYS, cmd_cluster_change, NULL},
    {"setslot", -4, CLUSTER_CHANGE | CMD_COUNTS, NO_KEYS, cmd_cluster_change, NULL},
    {"shards", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_cluster_shards, NULL},
    {"slaves", 3, CLUSTER_ADMIN, NO_KEYS, cmd_cluster_replicas, NULL},
    {"slot-digest", -3, CMD_STALE, NO_KEYS, cmd_cluster_slot_digest, NULL},
    {"slot-stats", -4, CMD_LOADING | CMD_STALE | CMD_COUNTS, NO_KEYS, cmd_cluster_slot_stats, NULL},
    {"slots", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_cluster_slots, NULL},
    {.name = NULL},
};

const struct command commands_cluster[] = {
    {"asking", 1, CMD_FAST, NO_KEYS, cmd_asking, NULL},
    {"cluster", -2, 0, NO_KEYS, NULL, subcommands_cluster},
    {"readonly", 1, CMD_LOADING | CMD_STALE | CMD_FAST, NO_KEYS, cmd_readonly, NULL},
    {"readwrite", 1, CMD_LOADING | CMD_STALE | CMD_FAST, NO_KEYS, cmd_readwrite, NULL},
    {.name = NULL},
};
