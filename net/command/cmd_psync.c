/* PSYNC, SYNC and REPLCONF: how a redis-server, or a tool that copies as one, becomes a replica of
 * this node. */
#include "net/command/cmd_psync.h"

#include "net/command/command.h"
#include "net/command/command_host.h"
#include "net/command/session.h"

enum { PORT_MAX = 65535 };

/* --- REPLCONF --- */

static bool set_ip(struct command_ctx *ctx, struct slice ip)
{
	struct replconf *conf = &ctx->session->replconf;

	if (ip.len >= sizeof conf->ip || (ip.len > 0 && memchr(ip.data, 0, ip.len) != NULL)) {
		resp_error(ctx->reply,
			   "ERR REPLCONF ip-address provided by replica instance is too long: %zu "
			   "bytes",
			   ip.len);
		return false;
	}
	if (ip.len > 0) {
		memcpy(conf->ip, ip.data, ip.len);
	}
	conf->ip[ip.len] = 0;
	return true;
}

/* Words, separated by spaces, of what the file is to have; none: nothing. */
static bool set_filter(struct command_ctx *ctx, struct slice words)
{
	struct replconf *conf = &ctx->session->replconf;
	size_t at = 0;

	conf->no_keys = conf->no_libraries = true;
	while (at < words.len) {
		size_t end = at;

		while (end < words.len && words.data[end] != ' ') {
			end++;
		}
		if (end > at &&
		    slice_eq(slice_of(words.data + at, end - at), slice_str("functions"))) {
			conf->no_libraries = false;
		} else if (end > at) {
			resp_error(ctx->reply, "ERR Unsupported rdb-filter-only option: %.*s",
				   (int)(end - at), (const char *)words.data + at);
			return false;
		}
		at = end + 1;
	}
	return true;
}

/* One option and its value. False: the error reply was sent. */
static bool set_option(struct command_ctx *ctx, size_t arg)
{
	struct replconf *conf = &ctx->session->replconf;
	int64_t v;

	if (command_arg_is(ctx, arg, "listening-port")) {
		if (!command_arg_int(ctx, arg + 1, &v, NULL)) {
			return false;
		}
		if (v < 0 || v > PORT_MAX) {
			resp_error(ctx->reply,
				   "ERR value is out of range, value must between 0 and "
				   "65535");
			return false;
		}
		conf->port = (int)v;
	} else if (command_arg_is(ctx, arg, "ip-address")) {
		return set_ip(ctx, ctx->argv[arg + 1]);
	} else if (command_arg_is(ctx, arg, "capa")) {
		conf->eof = conf->eof || command_arg_is(ctx, arg + 1, "eof");
		conf->psync2 = conf->psync2 || command_arg_is(ctx, arg + 1, "psync2");
	} else if (command_arg_is(ctx, arg, "rdb-only")) {
		if (!command_arg_int(ctx, arg + 1, &v, NULL)) {
			return false;
		}
		conf->rdb_only = v == 1;
	} else if (command_arg_is(ctx, arg, "rdb-filter-only")) {
		return set_filter(ctx, ctx->argv[arg + 1]);
	} else {
		resp_error(ctx->reply, "ERR Unrecognized REPLCONF option: %.*s",
			   (int)ctx->argv[arg].len, (const char *)ctx->argv[arg].data);
		return false;
	}
	return true;
}

void cmd_replconf(struct command_ctx *ctx)
{
	if (ctx->argc % 2 == 0) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	for (size_t i = 1; i < ctx->argc; i += 2) {
		/* These come from replicas and primaries, whose connections are no clients here:
		 * from anybody else they mean nothing, and nobody waits for a reply. */
		if (command_arg_is(ctx, i, "ack") || command_arg_is(ctx, i, "getack")) {
			return;
		}
		if (!set_option(ctx, i)) {
			return;
		}
	}
	resp_ok(ctx->reply);
}

/* --- PSYNC, SYNC --- */

static void ask(struct command_ctx *ctx, const struct psync_request *q)
{
	struct buf error = {0};

	if (ctx->host->ops->psync == NULL) {
		resp_error(ctx->reply, "ERR this node has no replication");
	} else if (ctx->host->ops->psync(ctx->host, ctx->session, q, &error) != ST_OK) {
		resp_error(ctx->reply, "%.*s", (int)error.len, (const char *)error.data);
	}
	buf_deinit(&error);
}

void cmd_sync(struct command_ctx *ctx)
{
	const struct psync_request q = {0};

	ask(ctx, &q);
}

/* PSYNC replicationid offset: the offset is that of the first byte which the replica lacks. */
void cmd_psync(struct command_ctx *ctx)
{
	struct psync_request q = {.psync = true};
	struct slice id = ctx->argv[1];
	int64_t offset;

	if (ctx->argc > 3) {
		resp_error(ctx->reply,
			   command_arg_is(ctx, 3, "failover")
			       ? "ERR PSYNC FAILOVER: this node follows Cairn nodes only"
			       : ERR_SYNTAX);
		return;
	}
	if (!command_arg_int(ctx, 2, &offset, NULL)) {
		return;
	}
	if (offset > 0 && id.len == sizeof q.replid - 1 && memchr(id.data, 0, id.len) == NULL) {
		memcpy(q.replid, id.data, id.len);
		q.offset = (uint64_t)offset - 1;
		q.has_offset = true;
	}
	ask(ctx, &q);
}
