/* MIGRATE: its arguments, and its waiting (the work: net/command/migration.c). */
#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/migrate_job.h"

#define ERR_CONNECTING "IOERR error or timeout connecting to the client"

enum {
	ARG_HOST = 1,
	ARG_PORT,
	ARG_KEY,
	ARG_DB,
	ARG_TIMEOUT,
	ARG_OPTIONS,
	TIMEOUT_DEFAULT_MS = 1000,
	LOOK_AGAIN_MS = 100,
};

/* Reads what stands behind the timeout. *keys: where the keys of KEYS begin; 0: it is not there.
 * False: the error reply was sent. */
static bool read_options(struct command_ctx *ctx, struct migrate_request *r, size_t *keys)
{
	*keys = 0;
	for (size_t i = ARG_OPTIONS; i < ctx->argc; i++) {
		size_t more = ctx->argc - 1 - i;

		if (command_arg_is(ctx, i, "copy")) {
			r->copy = true;
		} else if (command_arg_is(ctx, i, "replace")) {
			r->replace = true;
		} else if (command_arg_is(ctx, i, "auth") && more >= 1) {
			r->password = ctx->argv[++i];
		} else if (command_arg_is(ctx, i, "auth2") && more >= 2) {
			r->user = ctx->argv[++i];
			r->password = ctx->argv[++i];
		} else if (command_arg_is(ctx, i, "keys")) {
			if (ctx->argv[ARG_KEY].len != 0) {
				resp_error(ctx->reply, "ERR When using MIGRATE KEYS option, the "
						       "key argument must be set to the empty "
						       "string");
				return false;
			}
			*keys = i + 1;
			return true;
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
	}
	return true;
}

/* Begins; false: the reply was sent. */
static bool begin(struct command_ctx *ctx)
{
	struct migrate_request r = {.host = ctx->argv[ARG_HOST]};
	int64_t port;
	size_t keys, found;
	enum status st;

	if (!read_options(ctx, &r, &keys) ||
	    !command_arg_int(ctx, ARG_TIMEOUT, &r.timeout_ms, NULL) ||
	    !command_arg_int(ctx, ARG_DB, &r.db, NULL)) {
		return false;
	}
	if (ctx->host->ops->migrate == NULL) {
		resp_error(ctx->reply, ERR_CONNECTING);
		return false;
	}
	if (r.timeout_ms <= 0) {
		r.timeout_ms = TIMEOUT_DEFAULT_MS;
	}
	/* What is no port is one that nobody listens on. */
	r.port = parse_int(ctx->argv[ARG_PORT], &port) && port > 0 && port <= 65535 ? (int)port : 0;
	st = migration_begin(ctx, &r, keys == 0 ? &ctx->argv[ARG_KEY] : &ctx->argv[keys],
			     keys == 0 ? 1 : ctx->argc - keys, &found);
	if (st == ST_AGAIN && command_later(ctx)) {
		return false;
	}
	if (st == ST_LIMIT) {
		resp_error(ctx->reply, ERR_CONNECTING);
		return false;
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return false;
	}
	if (found == 0) {
		resp_simple(ctx->reply, "NOKEY");
	}
	return found > 0;
}

static void cmd_migrate(struct command_ctx *ctx)
{
	bool idle;

	if (ctx->session->migration == NULL) {
		if (ctx->dispatch->in_exec) {
			resp_error(ctx->reply, "ERR MIGRATE is not possible inside MULTI: a "
					       "transaction can't wait for another node");
			return;
		}
		if (!begin(ctx)) {
			return;
		}
	}
	if (migration_step(ctx, &idle) != ST_AGAIN) {
		return;
	}
	if (!command_later(ctx)) {
		migration_abandon(ctx->session->migration);
		resp_error(ctx->reply, ERR_CONNECTING);
		return;
	}
	/* News wakes the node; the deadline is there so that a client who goes away does not end
	 * what is half done. */
	ctx->session->wait.announced = idle;
	ctx->session->wait.deadline_ms = command_mono_ms(ctx) + LOOK_AGAIN_MS;
}

const struct command commands_migrate[] = {
    {"migrate", -6, CMD_WRITE | CMD_MOVABLE_KEYS | CMD_TOUCH_RANGE, KEYS(3, 3, 1), cmd_migrate,
     NULL},
    {.name = NULL},
};
