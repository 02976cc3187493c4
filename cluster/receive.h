/* What a message from the bus does. */
#ifndef CAIRN_CLUSTER_RECEIVE_H
#define CAIRN_CLUSTER_RECEIVE_H

#include "cluster/cluster_state.h"

/* Handles a MESSAGE event. */
void receive_message(struct cluster *c, const struct cluster_event *ev);

/* Handles LINK_UP of an outbound link, and LINK_DOWN of either kind. */
void receive_link_up(struct cluster *c, uint64_t link);
void receive_link_down(struct cluster *c, uint64_t link);

#endif
