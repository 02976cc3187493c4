/* Commands on hashes and sets alike, in cmd_named.c, for the tables in cmd_hash.c and cmd_set.c;
 * and what ZSCAN shares with them. */
#ifndef CAIRN_NET_COMMAND_CMD_NAMED_H
#define CAIRN_NET_COMMAND_CMD_NAMED_H

#include "net/command/command.h"

/* HSCAN key cursor [MATCH pattern] [COUNT count], and SSCAN. */
void cmd_hscan(struct command_ctx *ctx);
void cmd_sscan(struct command_ctx *ctx);

/* HRANDFIELD key [count [WITHVALUES]], SRANDMEMBER key [count]. */
void cmd_hrandfield(struct command_ctx *ctx);
void cmd_srandmember(struct command_ctx *ctx);

enum { SCAN_COUNT_DEFAULT = 10 };

struct scan_options {
	uint64_t cursor;
	int64_t count;
	struct slice pattern; /* data NULL: everything */
};

/* Reads [MATCH pattern] [COUNT count] from argv[3] on. False: the error reply was sent. */
MUST_CHECK bool named_scan_options(struct command_ctx *ctx, struct scan_options *o);

#endif
