/* Drives the cluster core (cluster/cluster.h) with real links, a real file and the node's clock:
 * every event becomes a step, and every update is carried out in the order that the core asks for.
 *
 * Messages are collected while a turn runs and leave with cluster_driver_turn_end, and not before
 * the node can do what they say (cluster_driver_node.may_speak). What has to be durable first is
 * durable before the step's messages are even encoded. Executor thread. */
#ifndef CAIRN_NET_CLUSTER_DRIVER_H
#define CAIRN_NET_CLUSTER_DRIVER_H

#include "cluster/cluster.h"
#include "engine/base/buf.h"
#include "net/bus_link.h"

struct cluster_driver;

/* What the node does for it. All but now and fatal are called while an update is carried out. */
struct cluster_driver_node {
	/* The time of this turn: never falls, and no later than what commands see. */
	void (*now)(void *ctx, uint64_t *mono_ms, uint64_t *wall_ms);
	/* Step 2: role (when role_changed), flush_data, lost_slots. */
	void (*role)(void *ctx, const struct cluster_update *up);
	void (*pause)(void *ctx, bool paused);
	void (*routes)(void *ctx);
	/* A message of another node for local subscribers. */
	void (*publish)(void *ctx, struct slice channel, struct slice payload, bool sharded);
	void (*handover)(void *ctx, enum cluster_handover result);
	/* False: a promotion is under way, so nothing may be heard of it yet. */
	bool (*may_speak)(void *ctx);
	/* True while a script is half done. A change of role or data waits until it has ended;
	 * NULL: that never happens. */
	bool (*mid_script)(void *ctx);
	/* nodes.conf can't be made durable: ends the process. When it returns all the same (in a
	 * test), the driver does nothing any more. */
	void (*fatal)(void *ctx, enum status st, const char *text);
	void *ctx;
};

struct cluster_driver_options {
	struct event_base *base;
	struct cluster_settings settings;
	struct cluster_keys keys;
	uint32_t nodes_max;
	uint64_t seed;
	bool store_is_new;
	bool trace_debug;	  /* decisions that are taken all the time go to the log, too */
	uint64_t link_output_max; /* cluster-link-sendbuf-limit, 0: the built-in bound */
	const char *source_addr;  /* bind-source-addr */
	const struct tls *tls;	  /* for settings.tls_cluster; lives longer than the driver */
	const char *path;	  /* of nodes.conf, absolute */
};

/* What nodes.conf says before anything is opened: the lock on it, and this node's role. */
struct nodes_file;
struct cluster_start {
	struct nodes_file *file; /* locked; NULL: not loaded */
	struct buf text;
	bool created; /* there was none: a new node */
	bool replica; /* this node follows another one */
};

/* Locks and reads nodes.conf. ST_LOCKED, ST_CORRUPT and file errors; error says what and where. */
MUST_CHECK enum status cluster_start_load(struct cluster_start *st, const char *path,
					  struct buf *error);
/* Ends the lock. Zeroed is fine. */
void cluster_start_release(struct cluster_start *st);

/* Makes the core from what was loaded; takes the file over on success. Nothing is sent or
 * connected before cluster_driver_start. ST_CORRUPT, ST_LIMIT, ST_NO_MEMORY, ST_INVALID. */
MUST_CHECK enum status cluster_driver_create(const struct cluster_driver_options *opts,
					     const struct cluster_driver_node *node,
					     struct cluster_start *start,
					     struct cluster_driver **out, struct buf *error);

/* Saves what is not saved yet, closes all links. NULL is fine. */
void cluster_driver_destroy(struct cluster_driver *d);

/* Accepts links on a listening socket, which is the driver's from now on. ST_NO_MEMORY. */
MUST_CHECK enum status cluster_driver_listen(struct cluster_driver *d, int fd);

/* Carries out what the start has to (role included) and begins to live. */
void cluster_driver_start(struct cluster_driver *d);

/* The core, for route.h and cluster_view.h. */
struct cluster *cluster_driver_core(struct cluster_driver *d);

/* One event of the node; its times are filled in. reply: the answer to a COMMAND; may be NULL. */
void cluster_driver_event(struct cluster_driver *d, struct cluster_event *ev,
			  struct cluster_reply *reply);

/* Says how the engine is, at the end of each turn; becomes an event when something is new, for a
 * mere offset not more often than every few milliseconds. */
void cluster_driver_engine(struct cluster_driver *d, const struct cluster_engine *e);

/* Sends what was collected and saves what is due. After the engine's turn has ended. */
void cluster_driver_turn_end(struct cluster_driver *d);

/* From within a script that runs long: has messages arrive, be answered and leave, that this node
 * is not taken for dead. Once a change of role has been decided nothing more happens before the
 * script has ended. */
void cluster_driver_serve(struct cluster_driver *d);

/* Puts settings in force: a SETTINGS event, and the limits of links. */
void cluster_driver_settings(struct cluster_driver *d, const struct cluster_settings *settings,
			     uint64_t link_output_max, const char *source_addr,
			     const struct tls *tls);

/* Facts of a link (cluster_view_node.link, .inbound). False: there is none. */
bool cluster_driver_link(const struct cluster_driver *d, uint64_t link, struct bus_link_info *out);

/* Facts of all links. */
void cluster_driver_totals(const struct cluster_driver *d, struct bus_totals *out);

/* Stops accepting links: the node is about to end. */
void cluster_driver_stop_listening(struct cluster_driver *d);

#endif
