/* The commands of cmd_psync.c, whose rows are in cmd_replication.c. */
#ifndef CAIRN_NET_COMMAND_CMD_PSYNC_H
#define CAIRN_NET_COMMAND_CMD_PSYNC_H

struct command_ctx;

/* Ask to be a replica. */
void cmd_psync(struct command_ctx *ctx);
/* As before Redis 2.8. */
void cmd_sync(struct command_ctx *ctx);
/* What the asking replica is like. */
void cmd_replconf(struct command_ctx *ctx);

#endif
