/* SLOWLOG. */
#include "net/command/command_groups.h"
#include "net/command/dispatch_state.h"

enum { GET_DEFAULT = 10 };

static void reply_entry(struct resp_writer *w, const struct slow_entry *e)
{
	resp_array(w, 6);
	resp_int(w, (int64_t)e->id);
	resp_int(w, (int64_t)e->at_s);
	resp_int(w, (int64_t)e->usec);
	resp_array(w, e->argc);
	for (size_t i = 0; i < e->argc; i++) {
		resp_bulk(w, e->argv[i]);
	}
	resp_bulk(w, e->addr);
	resp_bulk(w, e->name);
}

static void cmd_slowlog_get(struct command_ctx *ctx)
{
	const struct slowlog *log = &ctx->dispatch->slowlog;
	int64_t count = GET_DEFAULT;
	size_t n;

	if (ctx->argc > 3) {
		command_reply_bad_subcommand(ctx);
		return;
	}
	if (ctx->argc == 3) {
		static const char msg[] = "ERR count should be greater than or equal to -1";

		if (!command_arg_int(ctx, 2, &count, msg)) {
			return;
		}
		if (count < -1) {
			resp_error(ctx->reply, "%s", msg);
			return;
		}
	}
	n = count == -1 || (uint64_t)count > log->len ? log->len : (size_t)count;
	resp_array(ctx->reply, n);
	for (const struct slow_entry *e = log->newest; n > 0; e = e->older, n--) {
		reply_entry(ctx->reply, e);
	}
}

static void cmd_slowlog_len(struct command_ctx *ctx)
{
	resp_int(ctx->reply, (int64_t)ctx->dispatch->slowlog.len);
}

static void cmd_slowlog_reset(struct command_ctx *ctx)
{
	slowlog_reset(&ctx->dispatch->slowlog);
	resp_ok(ctx->reply);
}

static void cmd_slowlog_help(struct command_ctx *ctx)
{
	static const char *const lines[] = {
	    "GET [<count>]",
	    "    The newest slow commands, 10 by default, -1 for all: id, Unix time,",
	    "    microseconds, arguments, address and name of the client.",
	    "LEN",
	    "    How many are kept.",
	    "RESET",
	    "    Forget them.",
	    NULL};

	command_reply_help(ctx, lines);
}

const struct command subcommands_slowlog[] = {
    {"get", -2, CMD_ADMIN | CMD_LOADING | CMD_STALE, NO_KEYS, cmd_slowlog_get, NULL},
    {"help", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_slowlog_help, NULL},
    {"len", 2, CMD_ADMIN | CMD_LOADING | CMD_STALE, NO_KEYS, cmd_slowlog_len, NULL},
    {"reset", 2, CMD_ADMIN | CMD_LOADING | CMD_STALE, NO_KEYS, cmd_slowlog_reset, NULL},
    {.name = NULL},
};
