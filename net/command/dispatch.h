/* From a parsed request to its reply: lookup, arity, auth, MULTI, the batch around a command,
 * statistics, and the LSN that gates the reply. */
#ifndef CAIRN_NET_COMMAND_DISPATCH_H
#define CAIRN_NET_COMMAND_DISPATCH_H

#include "net/command/blocked.h"
#include "net/command/command.h"
#include "net/command/command_host.h"
#include "net/command/session.h"

struct dispatch;

struct dispatch_options {
	struct engine *engine; /* may be NULL and be given later */
	struct command_host *host;
	const struct clock *clock; /* for the time that commands take; NULL: the system's */
};

/* The executor's; engine and host are borrowed until destroyed. ST_NO_MEMORY. */
MUST_CHECK enum status dispatch_create(const struct dispatch_options *opts, struct dispatch **out);
void dispatch_destroy(struct dispatch *d);

/* --- users (acl.h); net/command/dispatch_acl.c --- */

/* A client has come: it is the default user, and logged in when that one asks for no password. */
void dispatch_welcome(struct dispatch *d, struct session *s);

/* True when the default user has no password, so that protected mode keeps strangers out. */
bool dispatch_asks_no_password(const struct dispatch *d);

/* requirepass: the default user's only password; "": it asks for none. ST_NO_MEMORY. */
MUST_CHECK enum status dispatch_set_password(struct dispatch *d, const char *password);

/* Takes the users from the text of an aclfile in place of those that there are; clients of those
 * that are no more are closed. ST_INVALID: error says what is wrong, line by line, and nothing has
 * changed. ST_NO_MEMORY. */
MUST_CHECK enum status dispatch_users_load(struct dispatch *d, const char *file, struct slice text,
					   struct buf *error);

/* The same from lines of the configuration, each what follows the word "user"; the default user
 * stays as it is unless one of them is its. */
MUST_CHECK enum status dispatch_users_configure(struct dispatch *d, const struct slice *lines,
						size_t count, struct buf *error);

/* Appends lines for the configuration, with the word "user", that make the present users again
 * where requirepass is not enough. ST_NO_MEMORY. */
MUST_CHECK enum status dispatch_users_write(struct dispatch *d, struct buf *out);

/* engine_open wants the dispatch (touched) and dispatch the engine: one of them is given late. */
void dispatch_set_engine(struct dispatch *d, struct engine *e);

/* rename-command, before clients come; the texts stay borrowed. ST_NOT_FOUND: no such command.
 * ST_INVALID: the new name is taken. */
MUST_CHECK enum status dispatch_rename(struct dispatch *d, const char *from, const char *to);

/* To be given to engine_options.touched, with the dispatch as its argument: breaks WATCHes. */
void dispatch_touched(void *dispatch, const struct store_key *key);

/* To be given to engine_options.expired, with the dispatch as its argument: keyspace events. */
void dispatch_expired(void *dispatch, struct slice key, enum expiry_news news);

/* The end of a turn: sends what is to be told of changes that no request made (expiry, a primary's
 * records), and to BCAST clients of all. Before clients' output is written. */
void dispatch_turn_end(struct dispatch *d);

enum dispatch_result {
	DISPATCH_DONE,	  /* replied (the reply may leave when session->gate_lsn is acknowledged) */
	DISPATCH_COLD,	  /* not run: keys have to be prefetched first; see dispatch_cold_keys */
	DISPATCH_LATER,	  /* not run: memtables are full, counts are being resolved, or the command
			     waits for time or durability: give the same request again next turn */
	DISPATCH_BLOCKED, /* not through: it waits for keys. Give the same request again, as its
			     first, when the host is asked for that (run_blocked, unblocked) */
};

/* Runs one request. out is where the reply is appended. may_wait: DISPATCH_COLD and DISPATCH_LATER
 * are allowed; without it the command runs whatever it costs. */
enum dispatch_result dispatch_request(struct dispatch *d, struct session *s,
				      const struct slice *argv, size_t argc, struct buf *out,
				      uint64_t now_ms, bool may_wait);

/* Notes the first key of a request that will run soon, or its element that the next two arguments
 * name (see engine/ahead.h). */
void dispatch_ahead(struct dispatch *d, struct slice name, struct slice key,
		    const struct slice rest[2]);

/* Has what was noted fetched. The bytes that dispatch_ahead was given are needed until here. */
void dispatch_ahead_fetch(struct dispatch *d);

/* True when the request may write (for EXEC: when a queued command may): for CLIENT PAUSE WRITE. */
bool dispatch_may_write(struct dispatch *d, const struct session *s, const struct slice *argv,
			size_t argc);

/* After DISPATCH_COLD: store keys to touch, and how many elements behind each, valid until the next
 * request. */
struct cold_key {
	struct store_key key;
	uint32_t elements_max; /* 0: the record alone */
};
const struct cold_key *dispatch_cold_keys(const struct dispatch *d, size_t *count);

/* Reads the settings again that dispatch keeps a copy of (slowlog-*, latency-*, ...). CONFIG SET
 * does it; whoever changes configuration otherwise calls it too. */
void dispatch_config_changed(struct dispatch *d);

/* Runs the requests of clients that waited for keys which have changed since, as far as they can be
 * run now. Dispatch does it itself after each request; to be called for what changes otherwise.
 * True: some are left, try again next turn. */
bool dispatch_serve_blocked(struct dispatch *d, uint64_t now_ms);

/* Ends a client's wait for keys (or, when its command is WAIT or WAITAOF, for acks): the host is
 * asked to run its request, which is answered accordingly; UNBLOCKED_NOT: which is then run from
 * the start. False: it does not wait for such. */
bool dispatch_unblock(struct dispatch *d, struct session *s, enum unblocked why);

/* The node has become a replica: nobody goes on waiting for keys. */
void dispatch_became_replica(struct dispatch *d);

/* True while a script runs, which other clients' requests come in the midst of. */
bool dispatch_is_busy(const struct dispatch *d);

/* A message of another node for the subscribers here. */
void dispatch_publish(struct dispatch *d, struct slice channel, struct slice payload, bool sharded);

/* Who serves which slot has changed: subscribers of shard channels and clients that wait for keys
 * that are served elsewhere now are told so and let go. */
void dispatch_routes_changed(struct dispatch *d);

/* The table joined from all cmd_*.c. Name lookup ignores case. */
const struct command *dispatch_lookup(const struct dispatch *d, struct slice name);

/* Calls, time and failures of a command (full name "client|list"), and counts of error codes, for
 * INFO. */
void dispatch_each_command_stat(const struct dispatch *d,
				void (*each)(void *arg, const char *name,
					     const struct command_stat *stat),
				void *arg);
void dispatch_each_error_stat(const struct dispatch *d,
			      void (*each)(void *arg, const char *code, uint64_t count), void *arg);
void dispatch_stats_reset(struct dispatch *d);

#endif
