/* MONITOR: clients that are shown what all others run.
 *
 * A command is shown once it has run (a script before what it runs, whose commands are shown as of
 * "lua"), with the secrets in its arguments hidden. A line says nothing of stored data, so it waits
 * for nothing; who does not read fast enough is let go as client-output-buffer-limit says. Executor
 * thread. */
#ifndef CAIRN_NET_COMMAND_MONITOR_H
#define CAIRN_NET_COMMAND_MONITOR_H

#include "net/command/dispatch_state.h"

/* Shows a command to all monitors. */
void monitor_feed(struct dispatch *d, const struct command_ctx *ctx);

/* The same for one that has run, unless monitors may not see its like. */
static inline void monitor_ran(struct dispatch *d, const struct command_ctx *ctx)
{
	if (d->monitors != NULL && (ctx->cmd->flags & (CMD_SKIP_MONITOR | CMD_ADMIN)) == 0) {
		monitor_feed(d, ctx);
	}
}

/* Shows a script that is about to begin. */
static inline void monitor_script(const struct command_ctx *ctx)
{
	if (ctx->dispatch->monitors != NULL) {
		monitor_feed(ctx->dispatch, ctx);
	}
}

/* Takes a session off the list; fine when it is not on it. */
void monitor_leave(struct session *s);

#endif
