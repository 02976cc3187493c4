/* Gossip: whom to ping and when, which nodes a message tells of, and what hearsay is believed. */
#ifndef CAIRN_CLUSTER_GOSSIP_H
#define CAIRN_CLUSTER_GOSSIP_H

#include "cluster/cluster_state.h"

/* The cron's part per node: links opened again, stuck ones closed, pings that are due. */
void gossip_tick(struct cluster *c);

/* Pings every voter at once, whatever is pending: their answers decide whether I may write. */
void gossip_ping_voters(struct cluster *c);

/* Pings every primary, also those that own no slots for all this node knows. */
void gossip_ping_primaries(struct cluster *c);

/* Longest message with gossip. */
size_t gossip_message_max(const struct cluster *c);

/* Completes a PING, PONG or MEET to a node (NULL: unknown) behind its header; its length. */
size_t gossip_fill(struct cluster *c, struct cnode *to, uint8_t *buf);

/* Believes, or not, what a message says of other nodes. sender is NULL for a stranger's MEET, which
 * can only refresh what is known already. Returns what it says of me: NODE_PFAIL, NODE_FAIL,
 * NODE_CONTESTED.
 */
unsigned gossip_merge(struct cluster *c, const struct bus_msg *m, struct cnode *sender);

/* True when n is among those that hear of a new suspicion at once: all voters, or in a large
 * cluster some 16 of them that every node picks alike, and the replicas of the suspects. */
bool gossip_hears_suspicion(const struct cluster *c, const struct cnode *n);

#endif
