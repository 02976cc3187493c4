/* What the two files of list commands share. Private to them. */
#ifndef CAIRN_NET_COMMAND_CMD_LIST_H
#define CAIRN_NET_COMMAND_CMD_LIST_H

#include "engine/types/type_list.h"
#include "net/command/command.h"

/* Looks up the list of argv[arg]. false: an error reply was sent. *count is 0 when there is none.
 */
MUST_CHECK bool list_lookup(struct command_ctx *ctx, size_t arg, struct store_key *key,
			    struct meta *m, uint64_t *count);

/* Writes n elements from index on, towards the tail or (reverse) the head, as bulks. No reply on
 * failure. */
MUST_CHECK enum status list_reply_elements(struct command_ctx *ctx, const struct store_key *key,
					   const struct meta *m, uint64_t index, uint64_t n,
					   bool reverse);

/* Commands in cmd_list_take.c, for the table in cmd_list.c. */
void cmd_lpop(struct command_ctx *ctx);
void cmd_rpop(struct command_ctx *ctx);
void cmd_lmpop(struct command_ctx *ctx);
void cmd_lmove(struct command_ctx *ctx);
void cmd_rpoplpush(struct command_ctx *ctx);
void cmd_blpop(struct command_ctx *ctx);
void cmd_brpop(struct command_ctx *ctx);
void cmd_blmpop(struct command_ctx *ctx);
void cmd_blmove(struct command_ctx *ctx);
void cmd_brpoplpush(struct command_ctx *ctx);

#endif
