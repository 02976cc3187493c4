/* What the files of set commands share, and RESTORE uses. Private to net/command. */
#ifndef CAIRN_NET_COMMAND_CMD_SET_H
#define CAIRN_NET_COMMAND_CMD_SET_H

#include "engine/types/type_set.h"
#include "net/command/command.h"

/* The limits that the configuration sets. */
struct set_limits set_limits_of(const struct command_ctx *ctx);

/* Commands in cmd_set_algebra.c, for the table in cmd_set.c. */
void cmd_sinter(struct command_ctx *ctx);
void cmd_sinterstore(struct command_ctx *ctx);
void cmd_sintercard(struct command_ctx *ctx);
void cmd_sunion(struct command_ctx *ctx);
void cmd_sunionstore(struct command_ctx *ctx);
void cmd_sdiff(struct command_ctx *ctx);
void cmd_sdiffstore(struct command_ctx *ctx);

#endif
