/* Failure detection: suspicion (PFAIL) from silence, failure (FAIL) by a majority of the voting
 * set.
 *
 * Only primaries with slots count as witnesses: without slots a node is not in the voting set, and
 * its word must not complete a majority. */
#ifndef CAIRN_CLUSTER_FAILURE_H
#define CAIRN_CLUSTER_FAILURE_H

#include "cluster/cluster_state.h"

/* Makes the pool of reports empty. */
void failure_init(struct cluster *c);

/* Suspects every node that left a ping unanswered, and was silent, for NODE_TIMEOUT. Sets the time
 * at which the next one will be due. */
void failure_check(struct cluster *c);

/* A primary says that n fails (or is healthy). */
void failure_report(struct cluster *c, struct cnode *n, struct cnode *by, bool fails);

/* Live reports about n; expired ones are removed. */
unsigned failure_reports(struct cluster *c, struct cnode *n);

/* I voted for candidate to take over from p, which failed: until the outcome is known, or for some
 * time, p stays failed here, answers or not. The winner may have died before it told anybody; if p
 * and it sat in two voting sets, both sets could decide. */
void failure_contest(struct cluster *c, struct cnode *p, const struct cnode *candidate);

/* True while somebody may have been elected in n's stead without anybody knowing. */
bool failure_contested(const struct cluster *c, const struct cnode *n);

/* n says that it is a replica: a candidacy of its own that I voted for was lost, if it is over. */
void failure_contest_lost(struct cluster *c, struct cnode *n);

/* n answered a ping: no suspicion, and perhaps no failure, is left of it. */
void failure_answered(struct cluster *c, struct cnode *n);

/* n, a replica so far, says that it has become a primary: that it failed is old news. */
void failure_outlived(struct cluster *c, struct cnode *n);

/* A FAIL message from a known node. */
void failure_told(struct cluster *c, struct cnode *n, struct cnode *by);

/* Removes all reports about n and by n. */
void failure_forget(struct cluster *c, struct cnode *n);

/* Smallest majority of the voting set. */
unsigned failure_quorum(const struct cluster *c);

#endif
