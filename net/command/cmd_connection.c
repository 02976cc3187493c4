/* AUTH, ECHO, HELLO, PING, QUIT, RESET, SELECT; CLIENT is in cmd_client.c. */
#include "engine/base/alloc.h"
#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/dispatch_state.h"
#include "net/command/monitor.h"
#include "net/command/txn_queue.h"

#define ERR_WRONGPASS "WRONGPASS invalid username-password pair or user is disabled."

static void cmd_auth(struct command_ctx *ctx)
{
	bool with_user = ctx->argc == 3;

	if (ctx->argc > 3) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	if (!with_user && dispatch_asks_no_password(ctx->dispatch)) {
		resp_error(ctx->reply,
			   "ERR AUTH <password> called without any password configured for the "
			   "default user. Are you sure your configuration is correct?");
		return;
	}
	if (!dispatch_login(ctx, with_user ? ctx->argv[1] : slice_str(ACL_DEFAULT_USER),
			    ctx->argv[with_user ? 2 : 1])) {
		resp_error(ctx->reply, ERR_WRONGPASS);
		return;
	}
	resp_ok(ctx->reply);
}

static void cmd_echo(struct command_ctx *ctx)
{
	resp_bulk(ctx->reply, ctx->argv[1]);
}

static void cmd_ping(struct command_ctx *ctx)
{
	if (ctx->argc > 2) {
		resp_error(ctx->reply, "ERR wrong number of arguments for 'ping' command");
	} else if (ctx->session->proto == 2 && session_listens(ctx->session)) {
		/* Among messages it is one. */
		resp_array(ctx->reply, 2);
		resp_bulk_str(ctx->reply, "pong");
		resp_bulk(ctx->reply, ctx->argc == 2 ? ctx->argv[1] : slice_str(""));
	} else if (ctx->argc == 2) {
		resp_bulk(ctx->reply, ctx->argv[1]);
	} else {
		resp_simple(ctx->reply, "PONG");
	}
}

static void cmd_quit(struct command_ctx *ctx)
{
	ctx->session->close_after_reply = true;
	resp_ok(ctx->reply);
}

static void cmd_select(struct command_ctx *ctx)
{
	int64_t db;

	if (!command_arg_int(ctx, 1, &db, NULL)) {
		return;
	}
	if (db != 0 && ctx->host->cluster != NULL) {
		resp_error(ctx->reply, "ERR SELECT is not allowed in cluster mode");
		return;
	}
	if (db != 0) {
		resp_error(ctx->reply, "ERR DB index is out of range");
		return;
	}
	resp_ok(ctx->reply);
}

static void cmd_reset(struct command_ctx *ctx)
{
	struct session *s = ctx->session;

	txn_reset(s);
	pubsub_leave(s);
	monitor_leave(s);
	tracking_leave(s);
	mem_free(s->name);
	s->name = NULL;
	dispatch_set_reply_mode(ctx, s->reply_mode & REPLY_SKIP);
	s->proto = ctx->reply->proto = 2;
	s->no_evict = s->no_touch = false;
	s->readonly = s->asking = false;
	dispatch_welcome(ctx->dispatch, s);
	resp_simple(ctx->reply, "RESET");
}

struct hello_args {
	int proto;
	bool auth, named;
	struct slice user, password, name;
};

/* False: the error reply was sent. */
static bool hello_parse(struct command_ctx *ctx, struct hello_args *args)
{
	int64_t version;

	if (ctx->argc < 2) {
		return true;
	}
	if (!command_arg_int(ctx, 1, &version,
			     "ERR Protocol version is not an integer or out of range")) {
		return false;
	}
	if (version != 2 && version != 3) {
		resp_error(ctx->reply, "NOPROTO unsupported protocol version");
		return false;
	}
	args->proto = (int)version;
	for (size_t i = 2; i < ctx->argc; i++) {
		size_t more = ctx->argc - 1 - i;

		if (command_arg_is(ctx, i, "auth") && more >= 2) {
			args->auth = true;
			args->user = ctx->argv[i + 1];
			args->password = ctx->argv[i + 2];
			i += 2;
		} else if (command_arg_is(ctx, i, "setname") && more >= 1) {
			args->named = true;
			args->name = ctx->argv[++i];
		} else {
			resp_error(ctx->reply, "ERR Syntax error in HELLO option '%.*s'",
				   (int)ctx->argv[i].len, (const char *)ctx->argv[i].data);
			return false;
		}
	}
	return true;
}

static void hello_reply(struct command_ctx *ctx)
{
	struct resp_writer *w = ctx->reply;

	resp_map(w, 7);
	resp_bulk_str(w, "server");
	resp_bulk_str(w, "redis");
	resp_bulk_str(w, "version");
	resp_bulk_str(w, REDIS_COMPAT_VERSION);
	resp_bulk_str(w, "proto");
	resp_int(w, ctx->session->proto);
	resp_bulk_str(w, "id");
	resp_int(w, (int64_t)ctx->session->id);
	resp_bulk_str(w, "mode");
	resp_bulk_str(w, ctx->host->cluster != NULL ? "cluster" : "standalone");
	resp_bulk_str(w, "role");
	resp_bulk_str(w, ctx->host->is_replica ? "replica" : "master");
	resp_bulk_str(w, "modules");
	resp_array(w, 0);
}

static void cmd_hello(struct command_ctx *ctx)
{
	struct session *s = ctx->session;
	struct hello_args args = {.proto = s->proto};

	if (!hello_parse(ctx, &args)) {
		return;
	}
	if (args.auth && !dispatch_login(ctx, args.user, args.password)) {
		resp_error(ctx->reply, ERR_WRONGPASS);
		return;
	}
	if (!s->authenticated && !dispatch_open_to_all(ctx->dispatch)) {
		resp_error(ctx->reply,
			   "NOAUTH HELLO must be called with the client already authenticated, "
			   "otherwise the HELLO <proto> AUTH <user> <pass> option can be used to "
			   "authenticate the client and select the RESP protocol version at the "
			   "same time");
		return;
	}
	if (args.named && !client_set_name(ctx, args.name)) {
		return;
	}
	s->proto = ctx->reply->proto = args.proto;
	hello_reply(ctx);
}

const struct command commands_connection[] = {
    {"auth", -2, CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY,
     NO_KEYS, cmd_auth, NULL},
    {"client", -2, 0, NO_KEYS, NULL, subcommands_client},
    {"echo", 2, CMD_LOADING | CMD_STALE | CMD_FAST, NO_KEYS, cmd_echo, NULL},
    {"hello", -1, CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY,
     NO_KEYS, cmd_hello, NULL},
    {"ping", -1, CMD_FAST, NO_KEYS, cmd_ping, NULL},
    {"quit", -1,
     CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY |
	 CMD_RUN_IN_MULTI,
     NO_KEYS, cmd_quit, NULL},
    {"reset", 1,
     CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_NO_AUTH | CMD_ALLOW_BUSY |
	 CMD_RUN_IN_MULTI,
     NO_KEYS, cmd_reset, NULL},
    {"select", 2, CMD_LOADING | CMD_STALE | CMD_FAST, NO_KEYS, cmd_select, NULL},
    {.name = NULL},
};
