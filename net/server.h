/* The node's inside: what server.c (loop, wiring), conn.c (one client), listener.c and host.c
 * share. Executor thread. */
#ifndef CAIRN_NET_SERVER_H
#define CAIRN_NET_SERVER_H

#include "net/cluster_node.h"
#include "net/command/command_host.h"
#include "net/command/dispatch.h"
#include "net/config.h"
#include "net/conn.h"
#include "net/migrate_pool.h"
#include "net/prefetch.h"
#include "net/replication.h"
#include "net/tls.h"

#include <event2/event.h>
#include <limits.h>
#include <stdatomic.h>

enum { LISTENERS_MAX = 34, READ_SHARED = 128 * 1024 };

struct server {
	struct command_host host; /* first: commands' host is this server */
	struct config *config;
	struct event_base *base;
	struct engine *engine;
	struct dispatch *dispatch;
	struct prefetch *prefetch;
	struct replication *replication;
	struct migrate_pool *migrate_pool;
	struct archive_reader *archive_reader;
	struct cluster_node *cluster; /* NULL: cluster-enabled no */

	struct tls *tls; /* its contexts are loaded while something asks for TLS */

	int listeners[LISTENERS_MAX]; /* TCP ones first, then perhaps the Unix socket */
	bool listens_tls[LISTENERS_MAX];
	struct event *listen_events[LISTENERS_MAX];
	int listeners_count, tcp_count;
	char *unix_path; /* of the socket that this node made; NULL: none */
	char *bind_in_force;
	int port_in_force, tls_port_in_force;
	struct event *wake_event, *cron_event, *expire_event, *turn_event, *term_event, *int_event,
	    *accept_retry;
	int wake_fd;
	_Atomic bool wake_pending;

	struct conn *conns, *conns_last;   /* all, oldest first */
	struct conn *dirty;		   /* touched in this turn, or with something left to run */
	struct conn *gated;		   /* waiting for an LSN */
	struct conn *dead;		   /* closed, to be freed */
	struct conn *guests, *guests_last; /* not authenticated, oldest first */
	size_t guest_bytes;		   /* memory that they hold */
	struct conn *shaking, *shaking_last; /* amid a TLS handshake, oldest first */
	unsigned shaking_count;
	unsigned shakes; /* steps of handshakes in this turn */
	bool read_again; /* some TLS clients are to be read from without an event */
	uint64_t next_client_id;
	uint8_t *read_shared; /* what read(2) fills, when a client has nothing pending */
	size_t read_used;     /* of it, by clients that have not run yet */
	struct conn *arrived, *arrived_last; /* read from in this turn, not run yet */
	size_t looked;			     /* requests looked at ahead for the present group */

	uint64_t now_ms;	 /* wall clock of this turn */
	uint64_t mono_ms;	 /* monotonic clock of this turn: all waits and limits go by it */
	int64_t wall_lead_ms;	 /* wall clock less monotonic clock, as last seen */
	bool now_fresh;		 /* taken since the loop woke up */
	uint64_t pause_until_ms; /* monotonic */
	bool pause_writes_only;
	bool woken;	  /* in this turn, by a thread (server_wake) */
	bool writes_held; /* writes wait for a change of role */

	bool stopping, shutdown_now; /* now: without handing over */
	struct {
		uint64_t at_ms, commands, input, output;
	} sample;
	uint64_t sampled_ms;				/* monotonic */
	struct output_limit output_limit, pubsub_limit; /* of normal clients; of subscribers */
	char *run_dir;					/* working directory, absolute */
	char executable[PATH_MAX];
	struct buf dictionary;
};

/* Opens the engine and the listeners. error: what, where, what to do; *exit_code as for exit(3). */
MUST_CHECK enum status server_open(struct config *config, const char *executable,
				   struct server **out, struct buf *error, int *exit_code);
/* Serves until SHUTDOWN or a signal; returns the process's exit code. */
int server_run(struct server *s);
/* Syncs and closes all. False: what was not acknowledged could not be made durable; the log says
 * why. */
bool server_close(struct server *s);

/* Sets how often the node looks after itself (hz). */
void server_set_hz(struct server *s, int64_t hz);

/* Has a turn begin soon; arg is the server. Any thread. */
void server_wake(void *arg);

static inline struct server *server_of_host(struct command_host *h)
{
	return (struct server *)(void *)h; /* its first member */
}

/* Takes the time once per turn, after the loop has slept: the first event of a turn calls it. */
void server_refresh_clock(struct server *s);

/* --- server.c, for server_open.c --- */

/* Events: server_wake, SIGTERM and SIGINT, the cron, more to expire, the end of a turn's sleep. */
void server_on_wake(evutil_socket_t fd, short what, void *arg);
void server_on_signal(evutil_socket_t number, short what, void *arg);
void server_on_cron(evutil_socket_t fd, short what, void *arg);
void server_on_expire(evutil_socket_t fd, short what, void *arg);
void server_on_turn(evutil_socket_t fd, short what, void *arg);

/* --- listener.c --- */
MUST_CHECK enum status listener_open_all(struct server *s, struct buf *error);
void listener_close_all(struct server *s);
/* Listens where bind, port and tls-port say now; on failure where it did before, as
 * server.bind_in_force and its like have it. ST_IO: the log says why. */
MUST_CHECK enum status listener_rebind(struct server *s);

/* Whether protected mode keeps a client out; local: it is on this machine. */
bool listener_keeps_out(const struct server *s, bool local);
/* The line that says so. */
extern const char listener_denied[];

/* Waits for no event: takes the connections that have come. */
void listener_poll(struct server *s);

/* --- server_tls.c --- */

/* Loads what the tls-* directives name, when something asks for TLS; tls_take puts it in force.
 * ST_INVALID: error and the log say what is wrong. */
MUST_CHECK enum status server_tls_configure(struct server *s, struct buf *error);
/* The end of a connection to another node: TLS's where it is wanted (tls_connector), else NULL.
 * False: no memory for it, or nothing is loaded. */
bool server_tls_connector(const struct server *s, bool wanted, struct ssl_st **out);
/* The port that others should come to: of TLS where tls says so and there is one. */
int server_port(const struct server *s, bool tls);
/* True when one of them was changed. */
bool server_tls_changed(const bool changed[]);
/* The name of the first of them. */
const char *server_tls_changed_name(const bool changed[]);

/* --- busy.c --- */

/* command_host_ops.serve_busy and serve_bus. */
void busy_serve(struct command_host *h, const struct session *but);
void busy_serve_bus(struct command_host *h);

/* --- users_file.c --- */

/* command_host_ops.read_acl and write_acl. */
enum status users_file_read(struct command_host *h, struct buf *text, struct buf *error);
enum status users_file_write(struct command_host *h, struct slice text, struct buf *error);

/* The users that the configuration and the aclfile define. ST_INVALID, ST_NOT_FOUND, ...: error
 * says what is wrong. */
MUST_CHECK enum status users_load(struct server *s, struct buf *error);

/* config.users_text: what CONFIG REWRITE writes of the users; arg is the server. */
enum status users_write(void *server, struct buf *out);

/* --- host.c --- */
extern const struct command_host_ops server_host_ops;
/* Carries settings that are kept in effect elsewhere (engine, log, clients) over from the
 * configuration. */
void host_apply_config(struct server *s);
/* The same after CONFIG SET: config.apply, with the server as its argument. */
enum status host_apply_changes(void *server, const bool changed[], struct buf *error);

#endif
