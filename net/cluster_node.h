/* The cluster in this node: binds the driver (net/cluster_driver.h) to the server, its
 * configuration, its replication and its engine. NULL stands for cluster-enabled no, and every
 * function but cluster_node_load takes it. Executor thread. */
#ifndef CAIRN_NET_CLUSTER_NODE_H
#define CAIRN_NET_CLUSTER_NODE_H

#include "engine/base/buf.h"
#include "engine/base/status.h"

#include <stdbool.h>

struct server;
struct cluster_node;

/* First of all: with cluster-enabled, locks and reads nodes.conf and finds out whether the data
 * directory is new. *out NULL: no cluster. Errors with text: see cluster_start_load. */
MUST_CHECK enum status cluster_node_load(struct server *s, struct cluster_node **out,
					 struct buf *error);

/* True when nodes.conf says that this node follows another one: the engine is opened accordingly.
 */
bool cluster_node_is_replica(const struct cluster_node *n);

/* True while this primary waits for a replica to take over, because its store was lost: what it has
 * must not replace what the replicas have. */
bool cluster_node_is_silent(const struct cluster_node *n);

/* True while this primary of slots can't tell whether it still is one: no majority has answered in
 * time, and another may have been elected. */
bool cluster_node_is_doubted(const struct cluster_node *n);

/* With the engine and replication there: makes the core, takes the role, listens for other nodes
 * and begins to talk to them. */
MUST_CHECK enum status cluster_node_start(struct cluster_node *n, struct buf *error);

/* At the end of each turn, after replication: tells the core how the engine is, sends what waits,
 * deletes some keys of lost slots. */
void cluster_node_turn_end(struct cluster_node *n);

/* From within a script that runs long: see cluster_driver_serve. */
void cluster_node_serve(struct cluster_node *n);

/* Every 100 ms. */
void cluster_node_cron(struct cluster_node *n);

/* Puts cluster-* and what else the core has to know in force, after CONFIG SET. ST_INVALID: error
 * gets "NAME') - reason". */
MUST_CHECK enum status cluster_node_configure(struct cluster_node *n, struct buf *error);

/* The node is to end: has a replica take over first, when it is a primary that has one. */
void cluster_node_hand_over(struct cluster_node *n);
/* False once that has succeeded, failed, or there was nothing to hand over. */
bool cluster_node_handing_over(const struct cluster_node *n);

/* Takes no more links; those that are there stay. */
void cluster_node_stop_listening(struct cluster_node *n);

/* Ends all links and the lock. */
void cluster_node_destroy(struct cluster_node *n);

#endif
