/* Where a command is to be executed: here, elsewhere, or nowhere at present.
 *
 * Asked for every command that may have keys, after arity and authentication. Never for the stream
 * from the primary, for log replay, or for commands that have no key specification. */
#ifndef CAIRN_CLUSTER_ROUTE_H
#define CAIRN_CLUSTER_ROUTE_H

#include "cluster/cluster.h"

enum route_flags {
	ROUTE_WRITE = 1,	 /* the command (for EXEC: any queued one) may write */
	ROUTE_READONLY = 2,	 /* the client said READONLY */
	ROUTE_ASKING = 4,	 /* it said ASKING, or the command is RESTORE-ASKING */
	ROUTE_MIGRATE = 8,	 /* the command is MIGRATE */
	ROUTE_SHARD_PUBSUB = 16, /* SSUBSCRIBE, SUNSUBSCRIBE, SPUBLISH: keys are channels */
};

enum route_kind {
	ROUTE_SERVE,
	ROUTE_MOVED,
	ROUTE_ASK,
	ROUTE_TRYAGAIN,
	ROUTE_CROSSSLOT,
	ROUTE_UNBOUND,	   /* nobody serves the slot */
	ROUTE_DOWN,	   /* the cluster is down */
	ROUTE_DOWN_WRITES, /* it, or this node, takes no writes at present */
};

struct route_query {
	const struct slice *keys; /* of EXEC: those of all queued commands */
	size_t keys_count;
	unsigned flags; /* ROUTE_WRITE and its kin */
	uint64_t now_ms;
	/* Whether a key is here and not expired; must not touch it. Asked for open slots only. */
	bool (*exists)(void *ctx, struct slice key);
	void *ctx;
};

struct route {
	enum route_kind kind;
	uint16_t slot; /* of the first key; SLOTS when there are no keys */
	uint16_t node; /* MOVED, ASK: place of the node in the table */
};

/* Decides. Exact also between steps: after a standstill of the process writes are refused before
 * the next step has noticed it. */
void route_command(const struct cluster *c, const struct route_query *q, struct route *out);

/* A client blocked on a key of slot: ROUTE_SERVE while it may go on waiting, else what to answer it
 * with. Flags: ROUTE_WRITE, ROUTE_READONLY. */
void route_blocked(const struct cluster *c, unsigned slot, unsigned flags, struct route *out);

/* The error reply (without '-' and line end) of a route that is not ROUTE_SERVE. tls: the client's
 * connection is TLS. Returns the length. */
size_t route_error(const struct cluster *c, const struct route *r, bool tls, char *buf, size_t cap);

#endif
