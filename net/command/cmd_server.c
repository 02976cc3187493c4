/* Commands about the node as a whole, and the table of the server group (INFO: cmd_info.c, CONFIG:
 * cmd_config.c, COMMAND: cmd_command.c, and so on). */
#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/dispatch_state.h"

static void cmd_dbsize(struct command_ctx *ctx)
{
	resp_int(ctx->reply, (int64_t)engine_keys(ctx->engine));
}

/* FLUSHALL and FLUSHDB: there is one database, and emptying it costs the same either way. */
static void cmd_flush(struct command_ctx *ctx)
{
	enum status st;

	if (ctx->argc > 2 || (ctx->argc == 2 && !command_arg_is(ctx, 1, "async") &&
			      !command_arg_is(ctx, 1, "sync"))) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	st = ks_flush(ctx->engine);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	resp_ok(ctx->reply);
}

static void cmd_lastsave(struct command_ctx *ctx)
{
	struct engine_stats stats;

	engine_stats(ctx->engine, &stats);
	resp_int(ctx->reply, (int64_t)((stats.checkpoint_time_ms != 0 ? stats.checkpoint_time_ms
								      : ctx->host->start_wall_ms) /
				       1000));
}

/* Microseconds of the wall clock, from its milliseconds and the monotonic clock's finer steps. */
uint64_t dispatch_wall_us(struct dispatch *d)
{
	uint64_t ms = d->clock->wall_ms(d->clock->ctx) * 1000;
	uint64_t mono = d->clock->mono_us(d->clock->ctx);
	uint64_t us = d->anchor_wall_us + (mono - d->anchor_mono_us);

	if (us < ms || us > ms + 999) {
		us = us < ms ? ms : ms + 999;
		d->anchor_wall_us = us;
		d->anchor_mono_us = mono;
	}
	return us;
}

static void cmd_time(struct command_ctx *ctx)
{
	uint64_t us = dispatch_wall_us(ctx->dispatch);

	resp_array(ctx->reply, 2);
	resp_bulk_int(ctx->reply, (int64_t)(us / 1000000));
	resp_bulk_int(ctx->reply, (int64_t)(us % 1000000));
}

/* Answers when a checkpoint holds all that was written before. */
static void cmd_save(struct command_ctx *ctx)
{
	struct session *s = ctx->session;
	struct engine_stats stats;

	engine_stats(ctx->engine, &stats);
	if (!s->wait.active) {
		s->wait.active = true;
		s->wait.deadline_ms = 0;
		s->wait.lsn = stats.last_lsn;
		(void)engine_checkpoint(ctx->engine); /* ST_AGAIN: one more will follow */
	}
	if (stats.checkpoint_lsn >= s->wait.lsn) {
		resp_ok(ctx->reply);
		return;
	}
	if (stats.write_state == ST_READ_ONLY || stats.checkpoint.last_error != ST_OK) {
		resp_error(ctx->reply, "ERR the checkpoint failed: %s",
			   status_text(stats.checkpoint.last_error != ST_OK
					   ? stats.checkpoint.last_error
					   : ST_READ_ONLY));
		return;
	}
	if (!command_later(ctx)) {
		resp_error(ctx->reply, "ERR the checkpoint can't be waited for here; use BGSAVE");
	}
}

static void checkpoint(struct command_ctx *ctx, const char *started, const char *scheduled)
{
	enum status st = engine_writable(ctx->engine) == ST_READ_ONLY
			     ? ST_READ_ONLY
			     : engine_checkpoint(ctx->engine);

	if (st == ST_OK) {
		resp_simple(ctx->reply, started);
	} else if (st == ST_AGAIN) {
		resp_simple(ctx->reply, scheduled);
	} else {
		command_reply_status(ctx, st);
	}
}

static void cmd_bgsave(struct command_ctx *ctx)
{
	if (ctx->argc > 2 || (ctx->argc == 2 && !command_arg_is(ctx, 1, "schedule"))) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	checkpoint(ctx, "Background saving started", "Background saving scheduled");
}

/* What makes the log short again is a checkpoint too. */
static void cmd_bgrewriteaof(struct command_ctx *ctx)
{
	checkpoint(ctx, "Background append only file rewriting started",
		   "Background append only file rewriting scheduled");
}

static void cmd_shutdown(struct command_ctx *ctx)
{
	static const struct {
		const char *word;
		unsigned flag;
	} words[] = {{"save", SHUTDOWN_SAVE},
		     {"nosave", SHUTDOWN_NOSAVE},
		     {"now", SHUTDOWN_NOW},
		     {"force", SHUTDOWN_FORCE}};
	unsigned flags = 0;
	bool abort = false;

	for (size_t i = 1; i < ctx->argc; i++) {
		unsigned flag = 0;

		for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
			flag |= command_arg_is(ctx, i, words[w].word) ? words[w].flag : 0;
		}
		abort |= command_arg_is(ctx, i, "abort");
		if (flag == 0 && !abort) {
			resp_error(ctx->reply, ERR_SYNTAX);
			return;
		}
		flags |= flag;
	}
	if ((abort && ctx->argc > 2) ||
	    (flags & (SHUTDOWN_SAVE | SHUTDOWN_NOSAVE)) == (SHUTDOWN_SAVE | SHUTDOWN_NOSAVE)) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	if (abort) {
		if (ctx->host->ops->shutdown_abort(ctx->host)) {
			resp_ok(ctx->reply);
		} else {
			resp_error(ctx->reply, "ERR No shutdown in progress.");
		}
		return;
	}
	if (ctx->host->ops->shutdown(ctx->host, flags) != ST_OK) {
		resp_error(ctx->reply, "ERR Errors trying to SHUTDOWN. Check logs.");
		return;
	}
	ctx->session->close_after_reply = true; /* the closed connection is the answer */
}

const struct command commands_server[] = {
    {"bgrewriteaof", 1, CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING, NO_KEYS, cmd_bgrewriteaof,
     NULL},
    {"bgsave", -1, CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING, NO_KEYS, cmd_bgsave, NULL},
    {"command", -1, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_command, subcommands_command},
    {"acl", -2, 0, NO_KEYS, NULL, subcommands_acl},
    {"config", -2, 0, NO_KEYS, NULL, subcommands_config},
    {"dbsize", 1, CMD_READONLY | CMD_FAST | CMD_COUNTS, NO_KEYS, cmd_dbsize, NULL},
    {"debug", -2, CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_PROTECTED, NO_KEYS,
     cmd_debug, NULL},
    {"flushall", -1, CMD_WRITE, NO_KEYS, cmd_flush, NULL},
    {"flushdb", -1, CMD_WRITE, NO_KEYS, cmd_flush, NULL},
    {"function", -2, 0, NO_KEYS, NULL, subcommands_function},
    {"info", -1, CMD_LOADING | CMD_STALE | CMD_COUNTS, NO_KEYS, cmd_info, NULL},
    {"lastsave", 1, CMD_LOADING | CMD_STALE | CMD_FAST, NO_KEYS, cmd_lastsave, NULL},
    {"latency", -2, 0, NO_KEYS, NULL, subcommands_latency},
    {"memory", -2, 0, NO_KEYS, NULL, subcommands_memory},
    {"monitor", 1, CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE, NO_KEYS, cmd_monitor, NULL},
    {"save", 1, CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING | CMD_NO_MULTI, NO_KEYS, cmd_save,
     NULL},
    {"shutdown", -1,
     CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_NO_MULTI | CMD_ALLOW_BUSY, NO_KEYS,
     cmd_shutdown, NULL},
    {"slowlog", -2, 0, NO_KEYS, NULL, subcommands_slowlog},
    {"swapdb", 3, CMD_WRITE | CMD_FAST, NO_KEYS, cmd_swapdb, NULL},
    {"time", 1, CMD_LOADING | CMD_STALE | CMD_FAST, NO_KEYS, cmd_time, NULL},
    {.name = NULL},
};
