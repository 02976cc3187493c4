/* Epochs: the cluster's (current), a primary's (config). Neither ever falls. */
#ifndef CAIRN_CLUSTER_EPOCH_H
#define CAIRN_CLUSTER_EPOCH_H

#include "cluster/cluster_state.h"

/* Takes over what a header says: current epoch, and the config epoch of its sender. False when the
 * jump is not credible: the message must then be ignored as a whole. */
bool epoch_learn(struct cluster *c, struct cnode *sender, const struct bus_header *h);

/* True when an epoch told by sender may be believed: it is not absurdly far ahead. */
bool epoch_credible(struct cluster *c, const struct cnode *sender, uint64_t newest);

/* A new config epoch for this primary without a vote (end of an import, TAKEOVER, BUMPEPOCH),
 * unless it has the newest of all already. True when it changed. */
bool epoch_bump(struct cluster *c);

/* Two primaries with one config epoch: the one with the smaller id takes a new one. */
void epoch_resolve_collision(struct cluster *c, const struct cnode *sender);

/* Raises the current epoch by one for an election. False: there is none left. */
bool epoch_advance(struct cluster *c);

#endif
