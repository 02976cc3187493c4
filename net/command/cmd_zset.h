/* What the files of sorted set commands share. Private to them. */
#ifndef CAIRN_NET_COMMAND_CMD_ZSET_H
#define CAIRN_NET_COMMAND_CMD_ZSET_H

#include "engine/types/type_zset.h"
#include "engine/types/zset_gather.h"
#include "net/command/command.h"

#define ERR_NOT_SCORE_RANGE "ERR min or max is not a float"
#define ERR_NOT_LEX_RANGE   "ERR min or max not valid string range item"

/* What OBJECT ENCODING goes by. */
struct zset_limits zset_limits_of(const struct command_ctx *ctx);

/* Looks up the sorted set of argv[arg]. false: an error reply was sent. *count is 0 when there is
 * none. */
MUST_CHECK bool zset_lookup(struct command_ctx *ctx, size_t arg, struct store_key *key,
			    struct meta *m, uint64_t *count);

/* A count that may not be negative. false: the error reply was sent. */
MUST_CHECK bool zset_arg_positive(struct command_ctx *ctx, size_t arg, int64_t *out);

/* Writes a member, or (with its score) a pair: side by side, or nested an array of its own. */
void zset_reply_element(struct command_ctx *ctx, const struct zset_element *element,
			bool with_score, bool nested);

/* Writes n elements from rank on, up or (reverse) down, without a header. No reply on failure. */
MUST_CHECK enum status zset_reply_ranks(struct command_ctx *ctx, const struct store_key *key,
					const struct meta *m, uint64_t rank, uint64_t n,
					bool reverse, bool with_scores, bool nested);

/* Puts what was gathered in the place of argv[arg]'s key, and replies with how many that are. */
void zset_store_gathered(struct command_ctx *ctx, size_t arg, struct zset_gather *g);

/* --- commands in other files, for the table in cmd_zset.c --- */

/* cmd_zset.c; GEOADD is one. */
void cmd_zadd(struct command_ctx *ctx);

/* cmd_zset_range.c */
void cmd_zrange(struct command_ctx *ctx);
void cmd_zrevrange(struct command_ctx *ctx);
void cmd_zrangebyscore(struct command_ctx *ctx);
void cmd_zrevrangebyscore(struct command_ctx *ctx);
void cmd_zrangebylex(struct command_ctx *ctx);
void cmd_zrevrangebylex(struct command_ctx *ctx);
void cmd_zrangestore(struct command_ctx *ctx);
void cmd_zcount(struct command_ctx *ctx);
void cmd_zlexcount(struct command_ctx *ctx);
void cmd_zremrangebyrank(struct command_ctx *ctx);
void cmd_zremrangebyscore(struct command_ctx *ctx);
void cmd_zremrangebylex(struct command_ctx *ctx);

/* cmd_zset_take.c */
void cmd_zpopmin(struct command_ctx *ctx);
void cmd_zpopmax(struct command_ctx *ctx);
void cmd_zmpop(struct command_ctx *ctx);
void cmd_bzpopmin(struct command_ctx *ctx);
void cmd_bzpopmax(struct command_ctx *ctx);
void cmd_bzmpop(struct command_ctx *ctx);

/* cmd_zset_scan.c */
void cmd_zscan(struct command_ctx *ctx);
void cmd_zrandmember(struct command_ctx *ctx);

/* cmd_zset_algebra.c */
void cmd_zunion(struct command_ctx *ctx);
void cmd_zunionstore(struct command_ctx *ctx);
void cmd_zinter(struct command_ctx *ctx);
void cmd_zinterstore(struct command_ctx *ctx);
void cmd_zintercard(struct command_ctx *ctx);
void cmd_zdiff(struct command_ctx *ctx);
void cmd_zdiffstore(struct command_ctx *ctx);

#endif
