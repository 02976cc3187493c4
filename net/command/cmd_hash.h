/* What the files of hash commands share. Private to them. */
#ifndef CAIRN_NET_COMMAND_CMD_HASH_H
#define CAIRN_NET_COMMAND_CMD_HASH_H

#include "net/command/command.h"

/* Commands in cmd_hash_expiry.c, for the table in cmd_hash.c. */
void cmd_hexpire(struct command_ctx *ctx);
void cmd_hpexpire(struct command_ctx *ctx);
void cmd_hexpireat(struct command_ctx *ctx);
void cmd_hpexpireat(struct command_ctx *ctx);
void cmd_hpersist(struct command_ctx *ctx);
void cmd_httl(struct command_ctx *ctx);
void cmd_hpttl(struct command_ctx *ctx);
void cmd_hexpiretime(struct command_ctx *ctx);
void cmd_hpexpiretime(struct command_ctx *ctx);

#endif
