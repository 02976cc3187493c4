/* Clients that wait for keys: BLPOP and its kin.
 *
 * A blocking command is an ordinary one that, when there is nothing for it yet, asks to be run
 * again once one of its keys has changed:
 *
 *	static void cmd_bzpopmin(struct command_ctx *ctx)
 *	{
 *		... parse the arguments, the timeout with command_arg_timeout;
 *		    pop from the first key that holds something, reply, return ...
 *		if (!command_block(ctx, &(struct blocking){.type = TYPE_ZSET, .keys = ctx->argv + 1,
 *				   .keys_count = ctx->argc - 2, .deadline_ms = deadline_ms})) {
 *			resp_null_array(ctx->reply);	waiting is not possible: as if in time's end
 *		}
 *	}
 *
 * and CMD_BLOCKING in its row; nothing else. It must have written nothing when it blocks; what it
 * wrote all the same is committed then. Its request stays with the client and is run anew, from its
 * first check on, when one of the keys holds a value of that type after a change (any_change:
 * whatever it holds, or nothing): so slots that moved, roles, full memtables and the log's gate are
 * seen to as for any other request, and the record in the log is that of the command. Every change
 * counts, whoever makes it: commands, EXEC, RENAME, RESTORE, a primary's records on its replica.
 *
 * Who blocked first is served first; keys are served in the order in which they changed, after the
 * whole request (or EXEC) that changed them and before any other. A client that finds nothing when
 * it is run keeps its place. The end of the time, CLIENT UNBLOCK and a change of role answer it
 * without running it.
 *
 * The table here knows who waits for what; net/command/dispatch_blocked.c serves. Executor thread.
 */
#ifndef CAIRN_NET_COMMAND_BLOCKED_H
#define CAIRN_NET_COMMAND_BLOCKED_H

#include "net/command/chain_table.h"
#include "net/command/command.h"

struct blocked_key;
struct blocked_table;

/* Why a client waits no more. */
enum unblocked {
	UNBLOCKED_NOT,	   /* it waits, or runs because of a key */
	UNBLOCKED_TIMEOUT, /* gets a null array */
	UNBLOCKED_ERROR,   /* CLIENT UNBLOCK ... ERROR */
	UNBLOCKED_ROLE,	   /* the node became a replica: an error, and its connection is closed */
};

/* One client's place in one key's queue. */
struct blocked_wait {
	struct blocked_wait *prev, *next;
	struct blocked_key *key; /* NULL: the same key is named twice */
	struct blocked_client *client;
	uint64_t number; /* ascending */
};

struct blocked_client {
	struct blocked_client *prev, *next; /* in the order in which they blocked */
	struct blocked_table *table;
	struct session *session;
	enum value_type type;
	bool any_change, writes;
	struct slice memo; /* owned: behind waits */
	size_t waits_count;
	struct blocked_wait waits[];
};

struct blocked_key {
	struct chained chained; /* by name */
	struct blocked_key *ready_next;
	struct blocked_wait *first, *last;
	bool ready;  /* changed, and not served since */
	bool pinned; /* being served */
	size_t len;
	uint8_t name[];
};

struct blocked_table {
	struct chain_table keys; /* blocked_key */
	struct blocked_client *clients, *clients_last;
	size_t clients_count;
	struct blocked_key *ready, *ready_last;
	struct blocked_wait *cursor; /* the next to be served; moves on when it goes */
	uint64_t number;
};

void blocked_table_deinit(struct blocked_table *t);

/* What a command wants to wait for. */
struct blocking {
	enum value_type type;	  /* that makes it run again */
	const struct slice *keys; /* side by side in its arguments; may repeat */
	size_t keys_count;
	uint64_t deadline_ms; /* monotonic; 0: none */
	bool any_change;      /* also when a key goes, or changes its type: XREADGROUP */
	struct slice memo;    /* what the command wants to know when it runs again */
};

/* --- for commands --- */

/* Lets the client wait. True: the command returns at once, without a reply. False: waiting is not
 * possible here (inside EXEC): the command answers as if its time were up. */
MUST_CHECK bool command_block(struct command_ctx *ctx, const struct blocking *b);

/* The memo that this request left when it blocked; empty: it runs for the first time, or left none.
 */
struct slice command_block_memo(const struct command_ctx *ctx);

/* The timeout in argv[arg], seconds as a decimal number, as a deadline of the monotonic clock; 0:
 * for ever. False: the error reply was sent. */
MUST_CHECK bool command_arg_timeout(struct command_ctx *ctx, size_t arg, uint64_t *deadline_ms);

/* --- the table, for dispatch --- */

/* Puts a session at the end of its keys' queues. ST_NO_MEMORY. */
MUST_CHECK enum status blocked_add(struct blocked_table *t, struct session *s,
				   const struct blocking *b, bool writes);

/* Takes a session out of all queues; fine when it is in none. */
void blocked_forget(struct session *s);

/* A key changes, or all do. */
void blocked_touched(struct blocked_table *t, struct slice name);
void blocked_touched_all(struct blocked_table *t);

/* Takes the key that changed first; pinned until given back. NULL: none has changed. */
struct blocked_key *blocked_take_ready(struct blocked_table *t);

/* Gives it back; again: it is to be served once more, before others that changed since. */
void blocked_give_back(struct blocked_table *t, struct blocked_key *k, bool again);

static inline struct slice blocked_key_name(const struct blocked_key *k)
{
	return slice_of(k->name, k->len);
}

#endif
