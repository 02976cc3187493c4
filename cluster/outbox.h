/* What leaves with an update: links to open and close, messages to send, and their encoding. */
#ifndef CAIRN_CLUSTER_OUTBOX_H
#define CAIRN_CLUSTER_OUTBOX_H

#include "cluster/cluster_state.h"

/* Opens a link to n's bus port. */
void outbox_connect(struct cluster *c, struct cnode *n);

/* Closes the outbound link to n; it is opened again by the cron. */
void outbox_close(struct cluster *c, struct cnode *n);

/* Closes a link whatever it is bound to. */
void outbox_close_id(struct cluster *c, uint64_t link);

/* Closes both links of n. */
void outbox_close_links(struct cluster *c, struct cnode *n);

/* Sends a PING, or a MEET where that is due, and remembers when. Dropped without a link. */
void outbox_ping(struct cluster *c, struct cnode *n);

/* Sends a message without a body (PONG, AUTH_ACK, MFSTART) on n's outbound link. */
void outbox_send(struct cluster *c, struct cnode *n, enum bus_type type);

/* Sends a PONG, or a PING, on the link that something came in on; n is who speaks there, or NULL.
 */
void outbox_reply(struct cluster *c, uint64_t link, enum bus_type type, struct cnode *n);

/* Sends a message to many. */
void outbox_broadcast(struct cluster *c, enum bus_type type, enum cluster_target target);

/* Tells all that a node has failed. */
void outbox_fail(struct cluster *c, struct cnode *about);

/* Asks all for their vote. */
void outbox_auth_request(struct cluster *c, bool force);

/* Tells n about the slots of about. */
void outbox_update(struct cluster *c, struct cnode *n, struct cnode *about);

/* The same on a link of its choice, which is up. */
void outbox_update_on(struct cluster *c, uint64_t link, struct cnode *n, struct cnode *about);

#endif
