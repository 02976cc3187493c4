/* This node's own role: becoming a primary, following another. Each change ends every election and
 * manual failover, so that no vote or pause outlives the role it was given to. */
#ifndef CAIRN_CLUSTER_ROLE_H
#define CAIRN_CLUSTER_ROLE_H

#include "cluster/cluster_state.h"

/* Makes this replica the primary of its old primary's slots under config epoch epoch, and tells all
 * nodes. */
void role_promote(struct cluster *c, uint64_t epoch, enum cluster_role_reason reason);

/* Makes this node a replica of primary. It must own no slots. */
void role_follow(struct cluster *c, struct cnode *primary, enum cluster_role_reason reason);

/* Makes this node a primary without slots (CLUSTER RESET). */
void role_empty_primary(struct cluster *c);

/* A replica whose primary has turned replica of a third node follows that one. */
void role_follow_grand_primary(struct cluster *c);

/* Ends a ring of replicas, in which each follows the next and none has slots: two empty nodes that
 * were told to replicate each other at one moment. No primary is left in it to fail, so no election
 * would ever begin. To be called with each tick. */
void role_leave_ring(struct cluster *c);

/* The primary's address or port changed: the engine must look for it elsewhere. */
void role_primary_moved(struct cluster *c);

/* Puts the present role into the update (at the start). */
void role_report(struct cluster *c, enum cluster_role_reason reason);

/* Ends the silence of a start without a store. All links begin anew: what was left unanswered on
 * them will not be answered any more. */
void role_end_silence(struct cluster *c);

/* A silent node (cluster_config.store_is_new) asks nobody now. It answers nothing at any time, so
 * that the others take it for failed and elect its replica; but who hears its questions would hold
 * that against its failure. So it asks all for one NODE_TIMEOUT, and then rests for three. */
bool role_rests(const struct cluster *c);

/* Ends elections and manual failovers. */
void role_reset_contests(struct cluster *c);

#endif
