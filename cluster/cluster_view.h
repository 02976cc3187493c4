/* What CLUSTER's reading subcommands tell, as values: the command layer only formats them. */
#ifndef CAIRN_CLUSTER_CLUSTER_VIEW_H
#define CAIRN_CLUSTER_CLUSTER_VIEW_H

#include "cluster/cluster.h"

enum { VIEW_NO_NODE = 0xffff }; /* no place in the table; also in cluster_op and route */

/* A node as others may see it. Text pointers are valid until the next step. */
struct cluster_view_node {
	const char *id;
	const char *shard; /* empty when unknown */
	const char *ip;
	const char *hostname;
	uint16_t place;
	uint16_t primary; /* place of it, VIEW_NO_NODE for a primary */
	uint16_t port;	  /* plain TCP, 0 when it has none */
	uint16_t tls_port;
	uint16_t bus_port;
	unsigned flags; /* NODE_* */
	uint64_t offset;
	uint64_t config_epoch; /* of a replica: its primary's */
	unsigned slots_count;
	bool link_up;
	uint64_t link; /* outbound, 0: none */
	uint64_t link_wall_ms;
	uint64_t inbound; /* 0: none */
};

/* The node at a place, this one being at 0. False: nobody is there. Places below
 * cluster_view_places(). */
bool cluster_view_node(const struct cluster *c, uint16_t place, struct cluster_view_node *out);

/* One more than the highest place in use. */
uint16_t cluster_view_places(const struct cluster *c);

/* The place of the node with that id; VIEW_NO_NODE when it is not known. */
uint16_t cluster_view_find(const struct cluster *c, struct slice id);

/* The next run of slots with one owner at or after *slot; *slot moves past it. False: no more. */
bool cluster_view_next_slots(const struct cluster *c, unsigned *slot, unsigned *first,
			     unsigned *last, uint16_t *owner);

/* Likewise, the runs of one node only. */
bool cluster_view_next_slots_of(const struct cluster *c, uint16_t place, unsigned *slot,
				unsigned *first, unsigned *last);

/* What clients are told to connect to: address, host name ("?" without one) or nothing, by
 * cluster-preferred-endpoint-type. */
void cluster_view_endpoint(const struct cluster *c, uint16_t place, char out[NODE_HOSTNAME_CAP]);

/* A node's port for clients of that kind. */
uint16_t cluster_view_client_port(const struct cluster *c, uint16_t place, bool tls);

/* "online", "loading" (a replica without data) or "fail", as in CLUSTER SHARDS. */
const char *cluster_view_health(const struct cluster *c, uint16_t place);

/* The marks of a slot on the move, as places; VIEW_NO_NODE for none. */
void cluster_view_marks(const struct cluster *c, unsigned slot, uint16_t *migrating_to,
			uint16_t *importing_from);

/* Live failure reports about a node. */
unsigned cluster_view_failure_reports(struct cluster *c, uint16_t place);

/* Text of CLUSTER NODES (replicas_of VIEW_NO_NODE) or of the lines of one primary's replicas, at
 * most cap bytes; returns its whole length. tls: with the ports that a client of TLS wants. */
size_t cluster_view_nodes_text(const struct cluster *c, uint16_t replicas_of, bool tls, char *buf,
			       size_t cap);

struct cluster_view_info {
	bool ok; /* cluster_state: Redis's rules, and a node with slots may write */
	unsigned slots_assigned;
	unsigned slots_ok;
	unsigned slots_pfail;
	unsigned slots_fail;
	unsigned known_nodes;
	unsigned size;
	uint64_t current_epoch;
	uint64_t my_epoch;
	uint64_t last_vote_epoch;
	bool may_write; /* has slots, and a majority has answered in time */
	bool paused;
	bool silent;
	const char *not_standing; /* why this replica would not be elected, or NULL */
	uint64_t sent[BUS_TYPES]; /* messages by type */
	uint64_t received[BUS_TYPES];
};

/* The facts of CLUSTER INFO at that time. */
void cluster_view_info(const struct cluster *c, uint64_t now_ms, struct cluster_view_info *out);

/* The settings in force. */
const struct cluster_settings *cluster_view_settings(const struct cluster *c);

#endif
