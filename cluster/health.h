/* The state of the cluster as this node sees it, and its right to accept writes.
 *
 * State (ok or fail) is Redis's: slots covered, a majority of primaries reachable. The right to
 * write is stricter: a majority of the voting set must have answered a ping that was sent less than
 * NODE_TIMEOUT ago. Since a voter that answers a ping votes to replace this node NODE_TIMEOUT later
 * at the earliest, whoever else suspects it, the right ends before anybody else can get it (clocks
 * that run at one rate; a manual failover has its own ways).
 * After a pause of the process the answers from before it do not count. */
#ifndef CAIRN_CLUSTER_HEALTH_H
#define CAIRN_CLUSTER_HEALTH_H

#include "cluster/cluster_state.h"

/* n answered the ping sent at sent_ms; of_me is what it says of me (NODE_PFAIL, NODE_FAIL, ...). */
void health_answered(struct cluster *c, struct cnode *n, uint64_t sent_ms, unsigned of_me);

/* A node calls me suspected or failed. */
void health_doubted(struct cluster *c, struct cnode *n, unsigned of_me);

/* My slots have another owner, whom I cannot follow: no writes for NODE_TIMEOUT. */
void health_deposed(struct cluster *c);

/* False for NODE_TIMEOUT after a voter told me that somebody may have been elected in my stead: its
 * vote and mine would be one. */
bool health_may_vote(const struct cluster *c);

/* True while p may still write by an answer of mine, or of whoever sat in my seat before me. */
bool health_owes(const struct cluster *c, const struct cnode *p);

/* heir took the last slot of old, a node that is not me, by a claim of that epoch. Where this was
 * won some time ago and is only now heard of, old may still write by my answer: for NODE_TIMEOUT
 * mine is then none for heir. */
void health_succeeded(struct cluster *c, const struct cnode *old, struct cnode *heir,
		      uint64_t epoch);

/* True while heir is to be told that my answer does not count. */
bool health_unsure(const struct cluster *c, const struct cnode *heir);

/* The process did not run for a while. */
void health_stalled(struct cluster *c, uint64_t gap_ms);

/* Computes right, and state where it may have changed, at the end of each step. tick: the cron ran
 * in it, which is when a failed state is looked at again. */
void health_update(struct cluster *c, bool tick);

/* True when this node may accept writes at that time (it must also own the slot). */
bool health_may_write(const struct cluster *c, uint64_t now_ms);

#endif
