/* CLUSTER's subcommands that change state. The cluster core knows them, their checks and their
 * error texts (cluster/operator.h); the node carries out what follows from them. */
#include "net/command/cmd_cluster.h"

/* The most arguments of those that Redis bounds by hand, beyond what their arity says. */
static size_t args_max(const char *name)
{
	static const struct {
		const char *name;
		size_t max;
	} bounded[] = {{"cluster|failover", 3}, {"cluster|meet", 5}, {"cluster|reset", 3}};

	for (size_t i = 0; i < sizeof bounded / sizeof bounded[0]; i++) {
		if (strcmp(name, bounded[i].name) == 0) {
			return bounded[i].max;
		}
	}
	return SIZE_MAX;
}

void cmd_cluster_change(struct command_ctx *ctx)
{
	struct cluster_reply reply = {.kind = REPLY_NONE};

	if (cluster_of(ctx) == NULL) {
		return;
	}
	if (ctx->argc > args_max(ctx->full_name)) {
		command_reply_bad_subcommand(ctx);
		return;
	}
	ctx->host->ops->cluster_command(ctx->host, ctx->argv + 1, (unsigned)(ctx->argc - 1),
					&reply);
	switch (reply.kind) {
	case REPLY_OK:
		resp_ok(ctx->reply);
		break;
	case REPLY_STATUS:
		resp_simple(ctx->reply, reply.text);
		break;
	case REPLY_ERROR:
		resp_error(ctx->reply, "%s", reply.text);
		break;
	case REPLY_NONE:
		resp_error(ctx->reply, "ERR the cluster did not answer");
		break;
	}
}
