/* The inside of the cluster in this node, shared by cluster_node.c (life, roles, the engine),
 * cluster_settings.c (configuration) and cluster_host.c (what commands ask). Executor thread. */
#ifndef CAIRN_NET_CLUSTER_NODE_IMPL_H
#define CAIRN_NET_CLUSTER_NODE_IMPL_H

#include "net/cluster_driver.h"
#include "net/cluster_node.h"
#include "net/data_mark.h"
#include "net/slot_purge.h"

struct config;

struct cluster_node {
	struct server *server;
	struct cluster_driver *driver; /* NULL until cluster_node_start */
	struct cluster_start start;    /* until then */
	struct data_mark mark;
	struct slot_purge purge;
	char *path;	   /* of nodes.conf, absolute */
	uint16_t bus_port; /* 0: not listening yet */
	bool store_is_new;
	bool in_command;   /* a command's batch is open */
	bool routes_late;  /* they changed within a script */
	bool handing_over; /* the node ends when this is over */
	uint64_t handover_until_ms, mark_again_ms;
};

/* --- cluster_settings.c --- */

/* What the core is to go by now. */
void cluster_settings_of(const struct server *s, struct cluster_settings *out);

/* True when the values can be in force together. Else error gets "NAME') - reason". */
bool cluster_settings_valid(const struct config *c, struct buf *error);

/* The port of the bus: cluster-port, else 10000 more than the clients'. 0: there is none. */
uint16_t cluster_bus_port(const struct server *s);

#endif
