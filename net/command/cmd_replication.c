/* Roles of a node in its shard: REPLICAOF, ROLE, FAILOVER, and WALSTREAM, by which a replica asks
 * for its primary's log. What a redis-server asks with is in cmd_psync.c. */
#include "net/command/cmd_psync.h"
#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/session.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	WALSTREAM_VERSION = 1,
	PORT_MAX = 65535,
	HOST_MAX = 256,
};

static void view_of(struct command_ctx *ctx, struct replication_view *out)
{
	*out = (struct replication_view){.state = "connect"};
	if (ctx->host->ops->replication != NULL) {
		ctx->host->ops->replication(ctx->host, out);
	}
}

/* Copies a host name or address. False: the error reply was sent. */
static bool arg_host(struct command_ctx *ctx, size_t arg, char host[HOST_MAX])
{
	struct slice a = ctx->argv[arg];

	if (a.len == 0 || a.len >= HOST_MAX || memchr(a.data, 0, a.len) != NULL ||
	    memchr(a.data, ' ', a.len) != NULL) {
		resp_error(ctx->reply, "ERR Invalid master host");
		return false;
	}
	memcpy(host, a.data, a.len);
	host[a.len] = 0;
	return true;
}

/* --- REPLICAOF --- */

static void cmd_replicaof(struct command_ctx *ctx)
{
	struct replication_view view;
	char host[HOST_MAX];
	int64_t port = 0;
	bool no_one = command_arg_is(ctx, 1, "no") && command_arg_is(ctx, 2, "one");
	enum status st;

	if (ctx->host->cluster != NULL) {
		resp_error(ctx->reply, "ERR REPLICAOF not allowed in cluster mode.");
		return;
	}
	view_of(ctx, &view);
	if (ctx->host->ops->replicaof == NULL) {
		resp_error(ctx->reply, "ERR this node has no replication");
		return;
	}
	if (view.failover_state != NULL && strcmp(view.failover_state, "no-failover") != 0) {
		resp_error(ctx->reply, "ERR REPLICAOF not allowed while failing over.");
		return;
	}
	if (!no_one) {
		if (!command_arg_int(ctx, 2, &port, "ERR Invalid master port")) {
			return;
		}
		if (port < 0 || port > PORT_MAX) {
			resp_error(ctx->reply, "ERR Invalid master port");
			return;
		}
		if (!arg_host(ctx, 1, host)) {
			return;
		}
	}
	st = ctx->host->ops->replicaof(ctx->host, no_one ? NULL : host, (int)port);
	if (st == ST_EXISTS) {
		resp_simple(ctx->reply, "OK Already connected to specified master");
	} else if (st != ST_OK) {
		command_reply_status(ctx, st);
	} else {
		resp_ok(ctx->reply);
	}
}

/* --- ROLE --- */

static void count_online(void *arg, const struct replica_view *v)
{
	*(size_t *)arg += strcmp(v->state, "online") == 0;
}

static void role_replica(void *arg, const struct replica_view *v)
{
	struct resp_writer *w = arg;

	if (strcmp(v->state, "online") != 0) {
		return;
	}
	resp_array(w, 3);
	resp_bulk_str(w, v->ip);
	resp_bulk_int(w, v->port);
	resp_bulk_int(w, (int64_t)v->lsn);
}

static void cmd_role(struct command_ctx *ctx)
{
	struct resp_writer *w = ctx->reply;
	struct replication_view view;
	size_t online = 0;

	view_of(ctx, &view);
	if (view.replica) {
		resp_array(w, 5);
		resp_bulk_str(w, "slave");
		resp_bulk_str(w, view.primary_host);
		resp_int(w, view.primary_port);
		resp_bulk_str(w, view.state);
		resp_int(w, view.link_up ? (int64_t)view.lsn : -1);
		return;
	}
	if (ctx->host->ops->each_replica != NULL) {
		ctx->host->ops->each_replica(ctx->host, count_online, &online);
	}
	resp_array(w, 3);
	resp_bulk_str(w, "master");
	resp_int(w, (int64_t)engine_last_lsn(ctx->engine));
	resp_array(w, online);
	if (online > 0) {
		ctx->host->ops->each_replica(ctx->host, role_replica, w);
	}
}

/* --- FAILOVER --- */

/* Reads the options. False: the error reply was sent. */
static bool failover_options(struct command_ctx *ctx, struct failover_request *q,
			     char host[HOST_MAX])
{
	for (size_t i = 1; i < ctx->argc; i++) {
		int64_t n;

		if (command_arg_is(ctx, i, "timeout") && i + 1 < ctx->argc && q->timeout_ms == 0) {
			if (!command_arg_int(ctx, ++i, &n, NULL)) {
				return false;
			}
			if (n <= 0) {
				resp_error(ctx->reply,
					   "ERR FAILOVER timeout must be greater than 0");
				return false;
			}
			q->timeout_ms = (uint64_t)n;
		} else if (command_arg_is(ctx, i, "to") && i + 2 < ctx->argc && q->host == NULL) {
			if (!command_arg_int(ctx, i + 2, &n, NULL) || !arg_host(ctx, i + 1, host)) {
				return false;
			}
			q->host = host;
			q->port = n < 0 || n > PORT_MAX ? -1 : (int)n;
			i += 2;
		} else if (command_arg_is(ctx, i, "force") && !q->force) {
			q->force = true;
		} else if (command_arg_is(ctx, i, "abort") && ctx->argc == 2) {
			q->abort = true;
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
	}
	return true;
}

static void cmd_failover(struct command_ctx *ctx)
{
	struct failover_request q = {0};
	struct buf error = {0};
	char host[HOST_MAX];

	if (ctx->host->cluster != NULL) {
		resp_error(ctx->reply, "ERR FAILOVER not allowed in cluster mode.");
		return;
	}
	if (!failover_options(ctx, &q, host)) {
		return;
	}
	if (ctx->host->ops->failover == NULL) {
		resp_error(ctx->reply, "ERR this node has no replication");
	} else if (ctx->host->ops->failover(ctx->host, &q, &error) != ST_OK) {
		resp_error(ctx->reply, "%.*s", (int)error.len, (const char *)error.data);
	} else {
		resp_ok(ctx->reply);
	}
	buf_deinit(&error);
}

/* --- WALSTREAM --- */

static bool text_arg(struct command_ctx *ctx, size_t arg, char *dst, size_t size)
{
	struct slice a = ctx->argv[arg];

	if (a.len >= size || (a.len > 0 && memchr(a.data, 0, a.len) != NULL)) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return false;
	}
	if (a.len > 0) {
		memcpy(dst, a.data, a.len);
	}
	dst[a.len] = 0;
	return true;
}

/* The fixed arguments. False: the error reply was sent. */
static bool walstream_place(struct command_ctx *ctx, struct walstream_request *q)
{
	int64_t version, port, lsn;
	char chain[20], *end;

	if (!command_arg_int(ctx, 1, &version, NULL)) {
		return false;
	}
	if (version != WALSTREAM_VERSION) {
		resp_error(ctx->reply,
			   "ERR WALSTREAM version %lld is not known here, only %d: use nodes of "
			   "the same version",
			   (long long)version, WALSTREAM_VERSION);
		return false;
	}
	if (!text_arg(ctx, 2, q->node_id, sizeof q->node_id) ||
	    !command_arg_int(ctx, 3, &port, NULL) || !text_arg(ctx, 4, q->ip, sizeof q->ip) ||
	    !command_arg_int(ctx, 5, &lsn, NULL) || !text_arg(ctx, 6, chain, sizeof chain)) {
		return false;
	}
	q->chain = strtoull(chain, &end, 16);
	if (port < 0 || port > PORT_MAX || lsn < 0 || *end != 0 || end == chain) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return false;
	}
	q->port = (int)port;
	q->lsn = (uint64_t)lsn;
	q->history = ctx->argv[7];
	return true;
}

static void cmd_walstream(struct command_ctx *ctx)
{
	struct walstream_request q = {0};
	struct buf error = {0};
	int64_t fork = 0;
	enum status st;

	if (!walstream_place(ctx, &q)) {
		return;
	}
	for (size_t i = 8; i < ctx->argc; i++) {
		if (command_arg_is(ctx, i, "full")) {
			q.full = true;
		} else if (command_arg_is(ctx, i, "failover")) {
			q.failover = true;
		} else if (command_arg_is(ctx, i, "digests")) {
			q.digests = true;
		} else if (command_arg_is(ctx, i, "resume") && i + 1 < ctx->argc) {
			q.resume = ctx->argv[++i];
		} else if (command_arg_is(ctx, i, "refetch") && i + 2 < ctx->argc) {
			if (!command_arg_not_negative(ctx, ++i, &fork, ERR_SYNTAX)) {
				return;
			}
			q.refetch_lsn = (uint64_t)fork;
			q.refetch = ctx->argv[++i];
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			return;
		}
	}
	if (ctx->host->ops->walstream == NULL) {
		resp_error(ctx->reply, "ERR this node has no replication");
		return;
	}
	st = ctx->host->ops->walstream(ctx->host, ctx->session, &q, &error);
	if (st == ST_AGAIN) {
		resp_simple(ctx->reply, (const char *)error.data);
		ctx->session->close_after_reply = true;
	} else if (st == ST_NO_MEMORY) {
		command_reply_status(ctx, st);
	} else if (st != ST_OK) {
		resp_error(ctx->reply, "%.*s", (int)error.len, (const char *)error.data);
	}
	buf_deinit(&error);
}

const struct command commands_replication[] = {
    {"failover", -1, CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE, NO_KEYS, cmd_failover, NULL},
    {"psync", -3, CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_MULTI | CMD_NO_ASYNC_LOADING, NO_KEYS,
     cmd_psync, NULL},
    {"replicaof", 3, CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE | CMD_NO_ASYNC_LOADING, NO_KEYS,
     cmd_replicaof, NULL},
    {"replconf", -1, CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_ALLOW_BUSY, NO_KEYS,
     cmd_replconf, NULL},
    {"role", 1, CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST, NO_KEYS, cmd_role, NULL},
    {"slaveof", 3, CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE | CMD_NO_ASYNC_LOADING, NO_KEYS,
     cmd_replicaof, NULL},
    {"sync", 1, CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_MULTI | CMD_NO_ASYNC_LOADING, NO_KEYS, cmd_sync,
     NULL},
    {"walstream", -8, CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_MULTI | CMD_STALE, NO_KEYS, cmd_walstream,
     NULL},
    {.name = NULL},
};
