/* What the files of string and bitmap commands share. */
#ifndef CAIRN_NET_COMMAND_CMD_STRING_H
#define CAIRN_NET_COMMAND_CMD_STRING_H

#include "engine/types/type_string.h"
#include "net/command/command.h"

/* proto-max-bulk-len as configured now; 512 MB when the host does not say. */
uint64_t string_len_max(const struct command_ctx *ctx);

/* True when a string may have len bytes. Short ones need no look at the configuration. */
bool string_len_allowed(const struct command_ctx *ctx, uint64_t len);

/* True when a string may grow to base + extra bytes; otherwise sends Redis's error. */
MUST_CHECK bool string_may_grow(struct command_ctx *ctx, uint64_t base, uint64_t extra);

/* Sends bytes [off, off + len) of a string as one bulk, piece by piece. The range must lie within
 * the string. ST_OK, or the error reply was sent. */
MUST_CHECK enum status string_reply_range(struct command_ctx *ctx, uint16_t slot,
					  const struct meta *m, uint64_t off, uint64_t len);

/* The same for the whole string. */
MUST_CHECK enum status string_reply_whole(struct command_ctx *ctx, uint16_t slot,
					  const struct meta *m);

/* Looks argv[arg] up for its value, which is a hit or miss also when the command goes on to write.
 * Returns as command_lookup. */
MUST_CHECK enum status string_lookup_counted(struct command_ctx *ctx, size_t arg,
					     struct store_key *key, struct meta *m);

/* Looks argv[1] up and sends its value, or null. ST_OK or ST_NOT_FOUND; anything else: the error
 * reply was sent. */
MUST_CHECK enum status string_reply_key(struct command_ctx *ctx, struct store_key *key,
					struct meta *m);

/* Commands whose rows stand elsewhere: cmd_string_set.c, cmd_lcs.c, cmd_bitfield.c. */
void cmd_getdel(struct command_ctx *ctx);
void cmd_getex(struct command_ctx *ctx);
void cmd_getset(struct command_ctx *ctx);
void cmd_mset(struct command_ctx *ctx);
void cmd_msetnx(struct command_ctx *ctx);
void cmd_psetex(struct command_ctx *ctx);
void cmd_set(struct command_ctx *ctx);
void cmd_setex(struct command_ctx *ctx);
void cmd_setnx(struct command_ctx *ctx);
void cmd_lcs(struct command_ctx *ctx);
void cmd_bitfield(struct command_ctx *ctx);
void cmd_bitfield_ro(struct command_ctx *ctx);

/* Parses a bit offset; bits > 0 allows the #n form, which counts in units of bits. On failure sends
 * Redis's error. */
MUST_CHECK bool bit_offset_arg(struct command_ctx *ctx, size_t arg, unsigned bits, uint64_t *out);

#endif
