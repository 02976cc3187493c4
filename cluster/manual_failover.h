/* Manual failover: a replica takes over from a primary that is well, without losing a write.
 *
 * The replica says MFSTART. The primary pauses writes, and once its last write has its LSN shows
 * "paused" and that LSN in every header. The replica waits until it has applied just that much and
 * asks for votes, which are given although the primary is up. After 5 seconds both sides forget it.
 *
 * A Cairn primary that is to be stopped turns this round: it pauses and says MFSTART to its best
 * replica, which then begins as if an operator had told it to. Redis ignores such a message. */
#ifndef CAIRN_CLUSTER_MANUAL_FAILOVER_H
#define CAIRN_CLUSTER_MANUAL_FAILOVER_H

#include "cluster/cluster_state.h"

/* Ends what is going on; a paused primary resumes. */
void manual_failover_reset(struct cluster *c);

/* Replica: begins. force: without waiting for the primary. */
void manual_failover_start(struct cluster *c, bool force);

/* Primary: begins to hand over to its best replica; the update says when it can not. */
void manual_failover_hand_over(struct cluster *c);

/* A MFSTART came. */
void manual_failover_asked(struct cluster *c, struct cnode *by);

/* A header of n was learned. */
void manual_failover_saw_header(struct cluster *c, const struct cnode *n);

/* Notices that offsets have met, or that time is up. */
void manual_failover_tick(struct cluster *c);

/* True while headers say that writes are paused and the offset is final. */
bool manual_failover_shows_pause(const struct cluster *c);

#endif
