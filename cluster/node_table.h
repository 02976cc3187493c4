/* The nodes that are known: by place, by id, by link; who replicates whom; who was forgotten. */
#ifndef CAIRN_CLUSTER_NODE_TABLE_H
#define CAIRN_CLUSTER_NODE_TABLE_H

#include "cluster/cluster_state.h"

/* Empties the table. The first node added afterwards is this node (place SELF). */
void node_table_init(struct cluster *c);

/* A random id. */
void node_id_random(struct cluster *c, struct node_id *out);

/* The node of that id, or NULL. */
struct cnode *node_find(const struct cluster *c, const struct node_id *id);

/* Adds a node. NULL, and a trace, when the table is full. */
struct cnode *node_add(struct cluster *c, const struct node_id *id, unsigned flags);

/* Gives a node another id; the new one must not be taken. */
void node_rename(struct cluster *c, struct cnode *n, const struct node_id *id);

/* Takes a node out: slots, marks, reports and links go now, its place at node_table_sweep(). It may
 * not be this node. */
void node_remove(struct cluster *c, struct cnode *n);

/* Frees the places of removed nodes; called when nothing of the step points at them any more. */
void node_table_sweep(struct cluster *c);

/* Makes a node a primary, or a replica of primary (NULL: not known which). Slots stay. */
void node_set_primary_role(struct cluster *c, struct cnode *n);
void node_set_replica_role(struct cluster *c, struct cnode *n, struct cnode *primary);

/* The node of an outbound link that is connecting or up, or NULL when the core closed it. */
struct cnode *node_by_link(const struct cluster *c, uint64_t link);

/* The node that speaks to me on an inbound link, or NULL. */
struct cnode *node_by_inbound(const struct cluster *c, uint64_t link);

/* Keeps gossip from adding this id again for ttl_ms. commanded: by an operator, here; what was only
 * heard of is not told on, since the links are a full mesh and old news would go round in circles.
 */
void node_forget(struct cluster *c, const struct node_id *id, uint64_t ttl_ms, bool commanded);

/* True while gossip may not add this id. */
bool node_is_forgotten(const struct cluster *c, const struct node_id *id);

/* Lets gossip add it again (an id that is empty: all of them). */
void node_unforget(struct cluster *c, const struct node_id *id);

/* Replicas of n that are not failed; with working also not suspected. */
unsigned node_good_replicas(const struct cluster *c, const struct cnode *n, bool working);

#endif
