/* What the two files of hash commands share. Private to them. */
#ifndef CAIRN_NET_COMMAND_CMD_HASH_H
#define CAIRN_NET_COMMAND_CMD_HASH_H

#include "engine/types/named_walk.h"
#include "engine/types/type_hash.h"
#include "net/command/command.h"

/* Looks up the hash of argv[1]. false: an error reply was sent. *found: whether it exists. */
MUST_CHECK bool hash_lookup(struct command_ctx *ctx, struct store_key *key, struct meta *m,
			    bool *found);

/* Commands in cmd_hash_scan.c, for the table in cmd_hash.c. */
void cmd_hscan(struct command_ctx *ctx);
void cmd_hrandfield(struct command_ctx *ctx);

#endif
