/* What the files about CLUSTER share. Private to net/command. */
#ifndef CAIRN_NET_COMMAND_CMD_CLUSTER_H
#define CAIRN_NET_COMMAND_CMD_CLUSTER_H

#include "cluster/cluster_view.h"
#include "net/command/command_groups.h"
#include "net/command/command_host.h"

/* The node's cluster; NULL when it is not in one, and then the error has been sent. */
struct cluster *cluster_of(struct command_ctx *ctx);

/* The place of the node that argv[arg] names. False: the error has been sent. */
MUST_CHECK bool cluster_arg_node(struct command_ctx *ctx, const struct cluster *c, size_t arg,
				 struct cluster_view_node *out);

/* The integer argument as a slot. False: the error has been sent, wrong being it where the integer
 * is none of a slot. */
MUST_CHECK bool cluster_arg_slot(struct command_ctx *ctx, size_t arg, const char *wrong,
				 uint16_t *out);

/* The map of the cluster: cmd_cluster_map.c. */
void cmd_cluster_slots(struct command_ctx *ctx);
void cmd_cluster_shards(struct command_ctx *ctx);
void cmd_cluster_links(struct command_ctx *ctx);

/* Two slots that make a range, the first not after the last. False: the error was sent. */
bool cluster_arg_range(struct command_ctx *ctx, size_t arg, uint16_t *from, uint16_t *to);

/* Digests of slots: cmd_slot_digest.c. */
void cmd_cluster_slot_digest(struct command_ctx *ctx);

/* Statistics of slots: cmd_slot_stats.c. */
void cmd_cluster_slot_stats(struct command_ctx *ctx);

/* Positions of writes, archives of given-up ones: cmd_divergent.c. */
void cmd_cluster_lsn(struct command_ctx *ctx);
void cmd_cluster_divergent(struct command_ctx *ctx);

/* What changes it: cmd_cluster_change.c. */
void cmd_cluster_change(struct command_ctx *ctx);

#endif
