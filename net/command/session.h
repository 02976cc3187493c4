/* A client's values that commands may see and change: no socket, no buffers. */
#ifndef CAIRN_NET_COMMAND_SESSION_H
#define CAIRN_NET_COMMAND_SESSION_H

#include "engine/base/buf.h"
#include "engine/base/slice.h"

#include <stdbool.h>

struct wal_history;
struct watched_key;
struct subscription;
struct queued_command;
struct migration;
struct archive_reading;
struct blocked_client;
struct acl_user;
struct tracking;

/* CLIENT REPLY: replies written under REPLY_OFF or REPLY_SKIP are dropped. 0: all are sent. */
enum session_reply_mode {
	REPLY_OFF = 1,
	REPLY_SKIP = 2,	     /* during the present request */
	REPLY_SKIP_NEXT = 4, /* REPLY_SKIP during the next one */
};

enum subscription_kind {
	SUBSCRIBED_CHANNEL,
	SUBSCRIBED_PATTERN,
	SUBSCRIBED_SHARD,
	/* Of client-side caching (tracking.h), in a table of its own: */
	TRACKED_KEY,
	TRACKED_PREFIX,
	SUBSCRIPTION_KINDS,
};

/* What a client has said of itself by REPLCONF, before it asks to be a replica. */
struct replconf {
	int port;    /* where it serves clients; 0: not said */
	char ip[64]; /* ""; the address that it comes from */
	bool eof;    /* it knows a file of unknown length by a mark at its end */
	bool psync2; /* its primary's replication id may change */
	bool rdb_only, no_keys, no_libraries; /* of what a copy is to have */
};

struct session {
	uint64_t id;
	int proto;	    /* RESP version: 2 or 3 */
	bool authenticated; /* or no password is asked for */
	/* Who it is (acl.h), in the list of that user's; NULL until its first request. */
	struct acl_user *user;
	struct session *user_next, **user_link;
	bool local; /* from this machine: loopback or a Unix socket */
	bool tls;   /* its connection is TLS */
	bool close_after_reply;
	bool detach; /* the connection is to be handed over when the command has returned */
	bool no_evict, no_touch;
	bool readonly;	     /* READONLY: a cluster's replica may answer its reads */
	bool asking;	     /* ASKING: for the next command, or up to EXEC */
	unsigned reply_mode; /* of enum session_reply_mode; changed by dispatch_set_reply_mode */
	size_t mute_from;    /* what the present request writes from here on is dropped; SIZE_MAX:
				nothing */
	char *name, *lib_name, *lib_ver; /* owned; NULL when not set */
	char addr[64], laddr[64];	 /* "ip:port" or path, as CLIENT LIST prints */
	uint64_t created_ms, last_ms;	 /* wall clock: connection, last command */
	const char *last_cmd; /* static text, "get" or "client|list"; "NULL" before the first */
	uint64_t gate_lsn;    /* replies written so far may leave when this is acknowledged */
	uint64_t commands;
	/* Its last write; LSN 0: there was none yet. */
	uint64_t write_lsn, write_epoch, write_timeline;

	/* MULTI */
	bool in_multi, multi_failed, watch_broken;
	struct queued_command *queue; /* owned array */
	size_t queue_len, queue_cap, queue_bytes;
	bool queue_writes;	     /* a queued command writes */
	bool queue_may_write;	     /* one does, or may turn out to */
	struct watched_key *watches; /* list of this client's */

	/* Its subscriptions (pubsub.h), and how many there are. */
	struct subscription *subscriptions[SUBSCRIPTION_KINDS];
	size_t subscribed[SUBSCRIPTION_KINDS];

	/* MONITOR: its place in the list of those who look on; link NULL: it does not. */
	struct session *monitor_next, **monitor_link;

	/* CLIENT TRACKING: its place in the tracker's list of clients; NULL: off. */
	struct tracking *tracker;
	struct session *tracking_next, **tracking_link;
	unsigned tracking;		/* of enum tracking_flags */
	uint64_t redirect_id;		/* who gets its invalidations; 0: itself */
	struct session *redirect;	/* NULL: gone */
	struct tracking *redirected_by; /* somebody may redirect to it */

	/* A command that asked to be run again later (WAIT, WAITAOF, SAVE, DEBUG SLEEP, those that
	 * wait for keys): what it waits for. Cleared by dispatch when the command is through. */
	struct {
		bool active;
		bool announced;	  /* what it waits for wakes the node, or is the deadline */
		unsigned verdict; /* of enum unblocked: its time is up, or it is let go */
		uint64_t lsn, deadline_ms;
	} wait;
	/* The keys that its present request waits for (blocked.h); NULL: none. */
	struct blocked_client *blocked;
	uint64_t counts_wanted; /* its present request waits until this many blind writes are
				   counted; 0: has not asked */
	bool warmed; /* the keys of the present request have been prefetched: no need to look */
	struct migration *migration;	 /* MIGRATE under way; NULL: none */
	struct archive_reading *reading; /* CLUSTER DIVERGENT GET under way; NULL: none */
	struct replconf replconf;
};

void session_init(struct session *s, uint64_t id, uint64_t now_ms);
/* Its last write is the record lsn of that history, for CLUSTER LSN: by the time that it asks the
 * history may have taken another turn. */
void session_wrote(struct session *s, uint64_t lsn, const struct wal_history *history);
/* Frees what it owns, leaves its user, forgets its watches and ends its subscriptions. */
void session_deinit(struct session *s);

/* Gives up what is done for its present request by others: its migration, its reading of an
 * archive. */
void session_abandon(struct session *s);

/* Ends what others send it: subscriptions, tracking (also for those who redirect to it), MONITOR.
 * For a connection that ends; session_deinit does it too. */
void session_leave(struct session *s);

/* True while it subscribes to anything: a client that speaks RESP2 may do little else then. */
static inline bool session_listens(const struct session *s)
{
	return s->subscribed[SUBSCRIBED_CHANNEL] + s->subscribed[SUBSCRIBED_PATTERN] +
		   s->subscribed[SUBSCRIBED_SHARD] >
	       0;
}

#endif
