/* Client-side caching: who has read which key, and who is told when it changes (CLIENT TRACKING).
 *
 * Keys that clients have read, and the prefixes of BCAST clients, are topics of a table of their
 * own (pubsub.h), of kinds TRACKED_KEY and TRACKED_PREFIX. Whoever changes a key - a command, EXEC,
 * a script, expiry, a primary's records on its replica - comes by tracking_touched, which tells
 * everybody who has read it and forgets that they did; BCAST clients are told of a turn's changes
 * together, at its end.
 *
 * When a message leaves. A write is seen by whoever reads after its batch, from memory, long before
 * it is durable; it is only the replies that wait for that. So a client that is told too early
 * reads the new value (its reply waits), never the old one, and a client that is told too late goes
 * on using the old one after the writer has been answered. Hence an invalidation waits for no LSN:
 * it leaves at the end of the turn in which the key was written, no later than the writer's reply.
 * It cannot overtake what its client has read before, since one client's output leaves in order: a
 * reply with the old value that still waits for its LSN holds the message back, and that LSN is
 * older than the write's. What is undone after all was told for nothing, which is harmless.
 *
 * A message that can't be made for want of memory ends its client's connection, and with it what
 * the client has cached. Executor thread. */
#ifndef CAIRN_NET_COMMAND_TRACKING_H
#define CAIRN_NET_COMMAND_TRACKING_H

#include "engine/key_codec.h"
#include "net/command/pubsub.h"

struct command_ctx;
struct command_entry;
struct dispatch;

/* session.tracking */
enum tracking_flags {
	TRACKING_ON = 1,
	TRACKING_BCAST = 2,
	TRACKING_OPTIN = 4,
	TRACKING_OPTOUT = 8,
	TRACKING_NOLOOP = 16,
	TRACKING_CACHING = 32, /* CLIENT CACHING was said for the next command */
	TRACKING_BROKEN = 64,  /* a message for the client it redirects to found it gone */
};

struct tracking {
	struct pubsub table;
	struct session *clients; /* all that track */
	size_t clients_count;
	struct buf changed; /* of this turn, when there are prefixes: [client u64, length][key] */
	bool all_changed;   /* in this turn, not by a command */
};

void tracking_deinit(struct tracking *t);

/* Turns it on with these flags, in place of what was on before. redirect NULL: to itself. Prefixes
 * are added with tracking_prefix. */
void tracking_begin(struct dispatch *d, struct session *s, unsigned flags,
		    struct session *redirect);
/* ST_NO_MEMORY. */
MUST_CHECK enum status tracking_prefix(struct dispatch *d, struct session *s, struct slice prefix);

/* Ends it; fine when it is off. */
void tracking_leave(struct session *s);

/* The session ends: who redirects to it is told once there is something to tell. */
void tracking_forget_target(struct session *target);

/* A command of a session that tracks has run: what it read is remembered. */
void tracking_ran(struct dispatch *d, const struct command_ctx *ctx,
		  const struct command_entry *entry);

/* A key changes; NULL: all do. */
void tracking_touched(struct dispatch *d, const struct store_key *key);

/* Tells BCAST clients, and makes room when more keys are remembered than tracking-table-max-keys
 * allows. */
void tracking_turn_end(struct dispatch *d);

struct tracking_stats {
	size_t keys, items, prefixes; /* items: keys, once for each client */
};
void tracking_stats(const struct tracking *t, struct tracking_stats *out);

#endif
