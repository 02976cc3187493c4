/* INFO: sections of "field:value" lines under the names that Redis gave them. Fields without a
 * meaning here are there all the same, 0 or empty, because programs look for them. */
#include "net/command/command_groups.h"
#include "net/command/info_text.h"

struct section {
	const char *name;
	void (*write)(struct info *in);
	bool by_default;
};

static const struct section sections[] = {
    {"server", info_server, true},
    {"clients", info_clients, true},
    {"memory", info_memory, true},
    {"persistence", info_persistence, true},
    {"stats", info_stats, true},
    {"replication", info_replication, true},
    {"cpu", info_cpu, true},
    {"modules", info_modules, true},
    {"commandstats", info_commandstats, false},
    {"errorstats", info_errorstats, true},
    {"latencystats", info_latencystats, false},
    {"cluster", info_cluster, true},
    {"wal", info_wal, true},
    {"storage", info_storage, true},
    {"keyspace", info_keyspace, true},
};
enum { SECTIONS = sizeof sections / sizeof sections[0] };

/* Whether the arguments ask for a section. */
static bool wanted(const struct command_ctx *ctx, const struct section *s)
{
	if (ctx->argc == 1) {
		return s->by_default;
	}
	for (size_t i = 1; i < ctx->argc; i++) {
		if (command_arg_is(ctx, i, s->name) || command_arg_is(ctx, i, "everything") ||
		    command_arg_is(ctx, i, "all") ||
		    (command_arg_is(ctx, i, "default") && s->by_default)) {
			return true;
		}
	}
	return false;
}

void cmd_info(struct command_ctx *ctx)
{
	struct info in = {.ctx = ctx};

	if (ctx->host->ops->process != NULL) {
		ctx->host->ops->process(ctx->host, &in.process);
	}
	engine_stats(ctx->engine, &in.engine);
	in.replication = (struct replication_view){.failover_state = "no-failover",
						   .lsn = in.engine.last_lsn,
						   .shard_id = in.engine.shard_id,
						   .timeline = in.engine.timeline};
	if (ctx->host->ops->replication != NULL) {
		ctx->host->ops->replication(ctx->host, &in.replication);
	}
	for (size_t i = 0; i < SECTIONS; i++) {
		if (wanted(ctx, &sections[i])) {
			if (in.text.len > 0) {
				info_add(&in, "\r\n");
			}
			sections[i].write(&in);
		}
	}
	if (in.st == ST_OK) {
		resp_verbatim(ctx->reply, "txt", buf_slice(&in.text));
	} else {
		command_reply_status(ctx, in.st);
	}
	buf_deinit(&in.text);
}
