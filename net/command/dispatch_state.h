/* What dispatch keeps, for the command files that look into it (transactions, statistics). Private
 * to net/command. */
#ifndef CAIRN_NET_COMMAND_DISPATCH_STATE_H
#define CAIRN_NET_COMMAND_DISPATCH_STATE_H

#include "engine/types/zset_ahead.h"
#include "net/command/acl_log.h"
#include "net/command/blocked.h"
#include "net/command/command_stats.h"
#include "net/command/command_table.h"
#include "net/command/dispatch.h"
#include "net/command/latency_log.h"
#include "net/command/pubsub.h"
#include "net/command/slot_load.h"
#include "net/command/slowlog.h"
#include "net/command/tracking.h"
#include "net/command/watch.h"

struct scripts;

struct dispatch {
	struct engine *engine;
	struct command_host *host;
	const struct clock *clock;
	struct command_table table;
	struct command_stats stats;
	struct watch_table watches;
	struct blocked_table blocked;
	struct pubsub pubsub;
	struct acl acl;
	struct acl_log acl_log;
	struct buf events;	      /* keyspace events of the batch under way (notify.c) */
	struct buf scratch;	      /* parts of a message that is being put together */
	struct session *monitors;     /* clients in MONITOR */
	struct buf monitored;	      /* the line that they are being sent */
	struct tracking tracking;     /* client-side caching (tracking.h) */
	struct scripts *scripts;      /* net/command/script_run.h */
	struct buf message;	      /* one that is being delivered */
	struct buf behind_reply;      /* what the running client hears of itself, after its reply */
	struct session *running;      /* whose request is being run */
	struct migration *migrations; /* all that are under way */
	struct rng rng;
	struct slowlog slowlog;
	struct latency_log latency;
	int64_t slow_usec;    /* slowlog-log-slower-than; negative: off */
	uint64_t slow_ticks;  /* above which a command has to be looked at closely */
	uint64_t memory_peak; /* highest heap use seen */
	uint64_t anchor_wall_us, anchor_mono_us; /* for TIME */
	struct cold_key *cold;
	size_t cold_len, cold_cap;
	struct slice *route_keys; /* of the request whose place is being decided */
	size_t route_cap;
	struct zset_ahead zset_ahead;
	struct slot_loads slot_loads;
	uint16_t route_slot; /* of the present request's keys; SLOTS: it has none, or no cluster */
	bool probes;	     /* the slot is on the move: even a blind write's keys are looked at */
	uint64_t busy_ms;    /* busy-reply-threshold; 0: for ever */
	size_t queue_bytes_max; /* of one session's MULTI */
	uint64_t calibrated_ms; /* when the tick rate was last looked at */
	bool settings_known;	/* read from the host at the first request */
	bool may_wait, in_exec, in_command;
	bool serving; /* blocked clients */
};

/* Runs one queued command as part of EXEC, inside EXEC's batch, and counts it. False: the engine
 * failed it after it had written, so that all of EXEC must be undone; the error reply is the last
 * thing in reply. */
MUST_CHECK bool dispatch_run_queued(struct command_ctx *exec, const struct command_entry *entry,
				    const struct slice *argv, size_t argc);

/* Changes the client's reply mode from here on, also in the midst of EXEC: what was written while
 * replies were off is dropped, what was written before is sent. */
void dispatch_set_reply_mode(struct command_ctx *ctx, unsigned mode);

/* What every request begins with: settings and clocks that are looked at now and then, and the user
 * of a client that is new. */
void dispatch_begin(struct dispatch *d, struct session *s, uint64_t now_ms, bool may_wait);

/* Looks at clocks and memory again; about once a second. */
void dispatch_calibrate(struct dispatch *d);

/* A command took at least slow_ticks: into the slow log and the latency events it goes, where they
 * want it. */
void dispatch_note_slow(struct dispatch *d, const struct command_ctx *ctx, uint64_t ticks);

/* Breaks the watch of a session when one of its watched keys has expired since. */
void dispatch_check_watched_expiry(struct dispatch *d, struct session *s);

/* Counts the error reply that begins at an offset of out. */
void dispatch_count_error(struct dispatch *d, const struct buf *out, size_t at);

/* The flags of a command as they are for this request: what its script says of itself instead of
 * what the table says of EVAL. */
uint32_t dispatch_flags(struct dispatch *d, const struct command_entry *entry,
			const struct slice *argv, size_t argc);

/* Runs the little that is possible then. Returns the error that anything else gets, or NULL. */
const char *dispatch_run_busy(struct dispatch *d, struct session *s,
			      const struct command_entry *entry, const struct slice *argv,
			      size_t argc, struct resp_writer *w, uint64_t now_ms);

/* What INFO tells of scripts, bytes and counts. */
struct script_stats {
	uint64_t eval_state, functions_state; /* what the Lua states hold */
	uint64_t scripts, scripts_bytes;      /* cached by EVAL and SCRIPT LOAD; texts */
	uint64_t libraries, functions, libraries_bytes;
};
void dispatch_script_stats(struct dispatch *d, struct script_stats *out);

/* --- dispatch_writable.c --- */

/* The error of a write whose log failed. */
extern const char dispatch_writes_failed[];

/* The error that a command gets for what engine_writable said, unless it only makes room; NULL: it
 * may write. */
const char *dispatch_writes_stopped(struct dispatch *d, const struct session *s,
				    const struct command_entry *entry, enum status st);
/* The same for what engine_writable says now. */
const char *dispatch_write_refused(struct dispatch *d, const struct session *s,
				   const struct command_entry *entry);

/* --- dispatch_cold.c --- */

/* True when keys of the request (exec: of all queued ones) should be prefetched before it runs;
 * they are in d->cold then. Without memory for their list it runs at once. */
bool dispatch_is_cold(struct dispatch *d, const struct session *s,
		      const struct command_entry *entry, const struct slice *argv, size_t argc,
		      bool exec);

/* --- dispatch_blocked.c --- */

/* The reply to a client that waits no more for what its request waited for. */
void dispatch_reply_unblocked(struct session *s, struct resp_writer *w);

/* Sends on who waits for keys that are served elsewhere now. Only with a cluster. */
void dispatch_reroute_blocked(struct dispatch *d);

/* --- dispatch_route.c --- */

enum dispatch_routed {
	ROUTED_HERE,
	ROUTED_AWAY, /* the error has been sent */
	ROUTED_COLD, /* not decided: keys have to be prefetched first */
};

/* Asks the cluster where the request's keys are served. flags: dispatch_flags. Only with a cluster.
 */
enum dispatch_routed dispatch_route(struct dispatch *d, struct session *s,
				    const struct command_entry *entry, uint32_t flags,
				    const struct slice *argv, size_t argc, uint64_t now_ms,
				    struct resp_writer *w);

/* The error that a command within a script gets because its keys are not served here, or, unless
 * cross_slots, not in *slot, which is that of the keys seen before (SLOTS: none) and is set. NULL:
 * it may run. Only with a cluster, within the script's batch. */
const char *dispatch_misplaced(struct dispatch *d, struct session *s,
			       const struct command_entry *entry, const struct slice *argv,
			       size_t argc, bool cross_slots, uint16_t *slot);

/* --- dispatch_reply.c --- */

/* The end of a request: drops the reply where none is wanted, appends what the client is to hear
 * behind it, and ends what holds for one request alone. entry NULL: there is no such command. done:
 * it is not to be run again. */
void dispatch_end_request(struct dispatch *d, struct session *s, const struct command_entry *entry,
			  struct buf *out, bool done);

/* --- cmd_server.c --- */

/* Microseconds of the wall clock. */
uint64_t dispatch_wall_us(struct dispatch *d);

/* --- dispatch_publish.c --- */

/* Sends a message to any client, to leave when lsn is acknowledged; to the one whose request is
 * being run, behind its reply. */
void dispatch_push(struct dispatch *d, struct session *s, struct slice message, uint64_t lsn);

/* Sends a message to this node's subscribers, to leave when lsn is acknowledged; counts them.
 * ST_NO_MEMORY: not all were reached. */
MUST_CHECK enum status dispatch_deliver(struct dispatch *d, struct slice channel,
					struct slice payload, bool sharded, uint64_t lsn,
					size_t *receivers);

/* --- cmd_pubsub.c --- */

/* True for what a RESP2 client may ask while it listens. */
bool pubsub_command_allowed(const struct command *cmd);

/* --- dispatch_acl.c --- */

enum { ACL_TEXT_MAX = 512 };

/* True when whoever comes may go on without a password. */
bool dispatch_open_to_all(const struct dispatch *d);

/* Logs the calling client in as a user. False: name or password are wrong, or the user is off. */
MUST_CHECK bool dispatch_login(struct command_ctx *ctx, struct slice name, struct slice password);

/* Whether the client's user may run the request; what it may not goes into ACL LOG, and text gets
 * the words of the error, without its code. */
enum acl_denial dispatch_acl_check(struct dispatch *d, struct session *s,
				   const struct command_entry *entry, const struct slice *argv,
				   size_t argc, enum acl_context context, uint64_t now_ms,
				   char text[ACL_TEXT_MAX]);

/* Those words; verbose: with the user and the key or channel, as ACL DRYRUN has them. */
void acl_denied_text(const struct acl_user *u, const struct command_entry *entry,
		     enum acl_denial denial, struct slice object, bool verbose,
		     char text[ACL_TEXT_MAX]);

/* True when the client's user may read any key with the running request: for keys that its
 * arguments do not name (SORT's BY and GET). */
bool dispatch_reads_all_keys(const struct command_ctx *ctx);

/* Gives a user the rights of another one, which is freed; clients that listen to what it may not
 * hear any more are closed. */
void dispatch_user_changed(struct dispatch *d, struct acl_user *u, struct acl_user *rights);

/* Removes a user that is not the default one, and closes its clients. */
void dispatch_user_delete(struct dispatch *d, struct acl_user *u);

/* --- cmd_client.c --- */

/* Appends a client's line of CLIENT LIST, with its line break. */
MUST_CHECK enum status client_info_line(struct buf *b, const struct client_info *c,
					uint64_t now_ms);

/* --- dispatch_role.c --- */

/* The error that a command gets because of the node's part in its shard; NULL: it may run. */
const char *dispatch_forbidden_by_role(const struct dispatch *d, const struct session *s,
				       const struct command_entry *entry, uint32_t flags);

#endif
