/* How nodes get to know each other: MEET, the handshake, addresses, and their change. */
#ifndef CAIRN_CLUSTER_HANDSHAKE_H
#define CAIRN_CLUSTER_HANDSHAKE_H

#include "cluster/cluster_state.h"

/* Begins a handshake with whoever is at addr, unless one is going on there. meet: this node was
 * told to introduce itself; otherwise the other one did. */
void handshake_start(struct cluster *c, const struct node_addr *addr, bool meet);

/* Removes handshakes that were not completed in time. */
void handshake_expire(struct cluster *c);

/* A message came on the outbound link of a handshake node: it is the node of that id now, unless
 * that one is known already. Returns the known node, or NULL when there is nothing to go on with.
 */
struct cnode *handshake_complete(struct cluster *c, struct cnode *n, const struct bus_header *h);

/* A node is elsewhere: its link is opened anew. Nothing happens when the address is the same. */
void handshake_address(struct cluster *c, struct cnode *n, const struct node_addr *addr);

/* On n's outbound link somebody else answers: n's address is no longer known. */
void handshake_mismatch(struct cluster *c, struct cnode *n);

/* The address at which a peer reached this node, for a node that does not know its own. */
void handshake_learn_my_ip(struct cluster *c, const char *local_ip, bool meet);

#endif
