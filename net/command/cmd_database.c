/* MOVE and SWAPDB, whose databases are one: 0. */
#include "net/command/command_groups.h"
#include "net/command/command_host.h"

void cmd_move(struct command_ctx *ctx)
{
	int64_t db;

	if (ctx->host->cluster != NULL) {
		resp_error(ctx->reply, "ERR MOVE is not allowed in cluster mode");
	} else if (command_arg_int(ctx, 2, &db, NULL)) {
		resp_error(ctx->reply, db == 0 ? "ERR source and destination objects are the same"
					       : "ERR DB index is out of range");
	}
}

void cmd_swapdb(struct command_ctx *ctx)
{
	int64_t a, b;

	if (ctx->host->cluster != NULL) {
		resp_error(ctx->reply, "ERR SWAPDB is not allowed in cluster mode");
		return;
	}
	if (!command_arg_int(ctx, 1, &a, "ERR invalid first DB index") ||
	    !command_arg_int(ctx, 2, &b, "ERR invalid second DB index")) {
		return;
	}
	if (a != 0 || b != 0) {
		resp_error(ctx->reply, "ERR DB index is out of range");
		return;
	}
	resp_ok(ctx->reply);
}
