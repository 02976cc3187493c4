/* The text of nodes.conf, and of CLUSTER NODES: lines to rows and back. Pure; no file is touched.
 *
 * One line per node, fields separated by one space:
 *
 *   <id> <ip>:<port>@<bus port>[,<hostname>[,key=value...]] <flags> <primary id or -> <ping sent>
 *   <pong received> <config epoch> connected|disconnected [slot | slot-slot ...] [open slots ...]
 *
 * An open slot is [<slot>->-<id>] (migrating to) or [<slot>-<-<id>] (importing from). One line
 * "vars currentEpoch <n> lastVoteEpoch <n>" says how far this node has promised. Cairn adds pairs
 * "shard-<node id> <shard id>" and "name-<node id> <name>" to it: a Redis that reads the file skips
 * variables that it does not know, while the 7.2 way of saying it (shard-id= in the address field)
 * is a host name to a 7.0. Both ways are read. A replica's line with slots is a former owner whose
 * slots nobody has claimed yet: it still counts in the voting set. */
#ifndef CAIRN_CLUSTER_NODES_CONF_H
#define CAIRN_CLUSTER_NODES_CONF_H

#include "cluster/cluster_types.h"

struct nodes_conf_row {
	struct node_id id;
	struct node_id primary; /* empty for a primary */
	struct node_id shard;	/* empty when the line does not say */
	struct node_addr addr;
	char hostname[NODE_HOSTNAME_CAP];
	char name[NODE_NAME_CAP]; /* empty when the line does not say */
	unsigned flags;		  /* NODE_* */
	uint64_t ping_sent_wall_ms;
	uint64_t pong_wall_ms;
	uint64_t epoch;
	bool connected;
	struct slot_bits slots;
	struct slice open; /* borrowed: the open slots as text; see nodes_conf_next_open */
};

struct nodes_conf_open {
	uint16_t slot;
	bool importing;
	struct node_id peer;
};

enum nodes_conf_kind { NODES_CONF_NODE, NODES_CONF_SHARD, NODES_CONF_NAME };

struct nodes_conf_reader {
	struct slice rest; /* not read yet */
	struct slice vars; /* pairs of a vars line not handed out yet */
	unsigned line;	   /* number of the line last looked at, from 1 */
	uint64_t current_epoch;
	uint64_t last_vote_epoch;
	char error[96]; /* after ST_CORRUPT: what is wrong in that line */
};

/* Starts reading; text is borrowed until the last call. */
void nodes_conf_open_text(struct nodes_conf_reader *r, struct slice text);

/* The next fact: a node (*row whole), or that the node row->id belongs to the shard row->shard, or
 * that people call it row->name.
 * The epochs of the vars line are in the reader once ST_END came. ST_CORRUPT: see line, error. */
MUST_CHECK enum status nodes_conf_next(struct nodes_conf_reader *r, struct nodes_conf_row *row,
				       enum nodes_conf_kind *kind);

/* Takes the next open slot off *rest (start with row->open). False at the end. */
bool nodes_conf_next_open(struct slice *rest, struct nodes_conf_open *out);

/* A text that grows in memory of fixed size; len goes on counting when cap is reached. */
struct conf_text {
	char *data;
	size_t cap;
	size_t len;
};

/* Appends formatted text. */
void conf_printf(struct conf_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Appends a node's line up to its slots, without the end of the line; open slots are not
 * written. */
void nodes_conf_put_row(struct conf_text *t, const struct nodes_conf_row *row);

/* Appends " [slot->-peer]" or " [slot-<-peer]". */
void nodes_conf_put_open(struct conf_text *t, const struct nodes_conf_open *open);

#endif
