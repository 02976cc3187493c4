/* Elections: when a replica stands for its failed primary, how votes are granted and counted.
 *
 * Safety rests on three durable facts: a voter's last vote, a candidate's own epoch counted as its
 * vote, and a majority of the voting set. Delays only decide who is likely to win: the replica with
 * the most data starts at once, the others later by rank, shards that failed together one after the
 * other. */
#ifndef CAIRN_CLUSTER_ELECTION_H
#define CAIRN_CLUSTER_ELECTION_H

#include "cluster/cluster_state.h"

/* Schedules, starts, wins or gives up this node's candidacy, whichever is due. */
void election_tick(struct cluster *c);

/* When election_tick is due next; UINT64_MAX: not before something happens. */
uint64_t election_deadline(const struct cluster *c);

/* Tells this node's siblings how much of the primary's data it has, once per suspicion. */
void election_exchange_offsets(struct cluster *c);

/* A candidate asks for this node's vote. There is no negative answer. */
void election_request(struct cluster *c, struct cnode *candidate, const struct bus_header *h);

/* A vote for this node. */
void election_ack(struct cluster *c, struct cnode *voter, const struct bus_header *h);

/* What kept this candidate from being elected may have changed: ask again without the full wait. */
void election_retry_soon(struct cluster *c);

/* Why this replica may not stand now, or NULL: for INFO and for the trace. */
const char *election_obstacle(const struct cluster *c, bool manual);

#endif
