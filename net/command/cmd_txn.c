/* MULTI, EXEC, DISCARD, WATCH, UNWATCH. */
#include "net/command/dispatch_state.h"
#include "net/command/txn_queue.h"

static void cmd_multi(struct command_ctx *ctx)
{
	if (ctx->session->in_multi) {
		resp_error(ctx->reply, "ERR MULTI calls can not be nested");
		return;
	}
	ctx->session->in_multi = true;
	resp_ok(ctx->reply);
}

static void cmd_discard(struct command_ctx *ctx)
{
	if (!ctx->session->in_multi) {
		resp_error(ctx->reply, "ERR DISCARD without MULTI");
		return;
	}
	txn_reset(ctx->session);
	resp_ok(ctx->reply);
}

/* All of EXEC is undone because the engine failed one of its commands half-way; tells with what. */
static void exec_undone(struct command_ctx *ctx, size_t error_at)
{
	struct buf *out = ctx->reply->out;
	char text[256];
	size_t len = 0;

	while (error_at + 1 + len < out->len && len < sizeof text - 1 &&
	       out->data[error_at + 1 + len] >= ' ') {
		text[len] = (char)out->data[error_at + 1 + len];
		len++;
	}
	text[len] = 0;
	command_failed(ctx);
	resp_error(ctx->reply, "EXECABORT Transaction discarded because of: %s", text);
}

/* The user's rights may have changed since the command was queued. */
static bool still_permitted(struct command_ctx *ctx, const struct queued_command *q)
{
	size_t at = ctx->reply->out->len;
	char text[ACL_TEXT_MAX];
	const char *why;

	switch (dispatch_acl_check(ctx->dispatch, ctx->session, q->entry, q->argv, q->argc,
				   ACL_IN_MULTI, ctx->now_ms, text)) {
	case ACL_ALLOWED:
		return true;
	case ACL_DENIED_COMMAND:
		why = "no permission to execute the command or subcommand";
		break;
	case ACL_DENIED_KEY:
		why = "no permission to touch the specified keys";
		break;
	default:
		why = "no permission to access one of the channels used as arguments to the "
		      "command";
		break;
	}
	resp_error(ctx->reply,
		   "NOPERM ACLs rules changed between the moment the transaction was accumulated "
		   "and the EXEC call. This command is no longer allowed for the following reason: "
		   "%s",
		   why);
	if (!ctx->reply->failed) {
		dispatch_count_error(ctx->dispatch, ctx->reply->out, at);
	}
	return false;
}

static void run_queue(struct command_ctx *ctx)
{
	struct session *s = ctx->session;

	resp_array(ctx->reply, s->queue_len);
	for (size_t i = 0; i < s->queue_len; i++) {
		const struct queued_command *q = &s->queue[i];
		size_t at = ctx->reply->out->len;

		if (!still_permitted(ctx, q)) {
			continue;
		}
		if (!dispatch_run_queued(ctx, q->entry, q->argv, q->argc)) {
			exec_undone(ctx, at);
			return;
		}
	}
}

static void cmd_exec(struct command_ctx *ctx)
{
	struct session *s = ctx->session;

	if (!s->in_multi) {
		resp_error(ctx->reply, "ERR EXEC without MULTI");
		return;
	}
	dispatch_check_watched_expiry(ctx->dispatch, s);
	if (s->multi_failed) {
		resp_error(ctx->reply,
			   "EXECABORT Transaction discarded because of previous errors.");
	} else if (s->watch_broken) {
		resp_null_array(ctx->reply);
	} else {
		watch_clear(s); /* its own changes are of no interest */
		ctx->dispatch->in_exec = true;
		run_queue(ctx);
		ctx->dispatch->in_exec = false;
	}
	txn_reset(s);
}

static void cmd_watch(struct command_ctx *ctx)
{
	struct session *s = ctx->session;

	if (s->in_multi) {
		resp_error(ctx->reply, "ERR WATCH inside MULTI is not allowed");
		return;
	}
	for (size_t i = 1; i < ctx->argc && !s->watch_broken; i++) {
		struct store_key key;
		struct meta meta;
		enum status st;

		store_key_of_key(&key, ctx->argv[i]);
		st = ks_lookup(ctx->engine, &key, &meta);
		if (st == ST_OK || st == ST_NOT_FOUND) {
			st = watch_add(&ctx->dispatch->watches, s, ctx->argv[i], st == ST_OK);
		}
		if (st != ST_OK) {
			command_reply_status(ctx, st);
			return;
		}
	}
	resp_ok(ctx->reply);
}

static void cmd_unwatch(struct command_ctx *ctx)
{
	watch_clear(ctx->session);
	ctx->session->watch_broken = false;
	resp_ok(ctx->reply);
}

const struct command commands_txn[] = {
    {"discard", 1,
     CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY | CMD_RUN_IN_MULTI, NO_KEYS,
     cmd_discard, NULL},
    {"exec", 1, CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_SKIP_SLOWLOG | CMD_RUN_IN_MULTI,
     NO_KEYS, cmd_exec, NULL},
    {"multi", 1,
     CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY | CMD_RUN_IN_MULTI, NO_KEYS,
     cmd_multi, NULL},
    {"unwatch", 1, CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY, NO_KEYS,
     cmd_unwatch, NULL},
    {"watch", -2,
     CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_ALLOW_BUSY | CMD_RUN_IN_MULTI,
     KEYS(1, -1, 1), cmd_watch, NULL},
    {.name = NULL},
};
