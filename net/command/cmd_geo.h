/* What the files of geo commands share. Private to them. */
#ifndef CAIRN_NET_COMMAND_CMD_GEO_H
#define CAIRN_NET_COMMAND_CMD_GEO_H

#include "engine/types/geohash.h"
#include "net/command/cmd_zset.h"

/* Reads a position from two arguments. False: the error reply was sent. */
MUST_CHECK bool geo_arg_point(struct command_ctx *ctx, size_t arg, struct geo_point *out);

/* Reads a unit's name: its metres. False: the error reply was sent. */
MUST_CHECK bool geo_arg_unit(struct command_ctx *ctx, size_t arg, double *out);

/* Looks up the sorted set of argv[arg], which is a hit or miss. False: the error reply was sent.
 * *count is 0 when there is none. */
MUST_CHECK bool geo_lookup(struct command_ctx *ctx, size_t arg, struct store_key *key,
			   struct meta *m, uint64_t *count);

/* The position of a member. ST_NOT_FOUND. */
MUST_CHECK enum status geo_member(struct command_ctx *ctx, const struct store_key *key,
				  const struct meta *m, uint64_t count, struct slice member,
				  struct geo_point *out);

/* A distance with four digits behind the point. */
void geo_reply_distance(struct command_ctx *ctx, double distance);
/* Longitude and latitude. */
void geo_reply_point(struct command_ctx *ctx, struct geo_point p);

/* Commands in cmd_geo_search.c, for the table in cmd_geo.c. */
void cmd_geosearch(struct command_ctx *ctx);
void cmd_geosearchstore(struct command_ctx *ctx);
void cmd_georadius(struct command_ctx *ctx);
void cmd_georadius_ro(struct command_ctx *ctx);
void cmd_georadiusbymember(struct command_ctx *ctx);
void cmd_georadiusbymember_ro(struct command_ctx *ctx);

#endif
