/* What commands ask of the node around them: clients, configuration, statistics, shutdown.
 * Implemented in net/; a test implements it in memory. */
#ifndef CAIRN_NET_COMMAND_COMMAND_HOST_H
#define CAIRN_NET_COMMAND_COMMAND_HOST_H

#include "engine/base/buf.h"
#include "net/command/session.h"

struct command_stat {
	uint64_t calls, usec, rejected, failed;
};

/* Counters that INFO prints and CONFIG RESETSTAT zeroes. */
struct node_stats {
	uint64_t connections_received, connections_rejected;
	uint64_t commands_processed;
	uint64_t net_input_bytes, net_output_bytes;
	uint64_t reads, writes; /* system calls that moved them */
	uint64_t keyspace_hits, keyspace_misses;
	uint64_t error_replies;
	uint64_t clients, blocked_clients, maxclients;
	uint64_t input_buffer_max, output_buffer_max;
	uint64_t cold_parked; /* commands that waited for a prefetch */
	uint64_t output_buffer_limit_disconnections;
	uint64_t query_buffer_limit_disconnections;
	double ops_per_sec, input_kbps, output_kbps;
};

/* A client as CLIENT LIST prints it. */
struct client_info {
	const struct session *session;
	int fd;
	size_t qbuf, qbuf_free, argv_mem, obl, oll, omem, tot_mem;
	char flags[16];
};

/* What INFO says of the process. */
struct process_facts {
	uint64_t rss_bytes, memory_total_bytes; /* of the process; of the machine */
	double cpu_sys, cpu_user;		/* seconds, all threads */
	double cpu_sys_children, cpu_user_children;
	double cpu_sys_main, cpu_user_main; /* of the executor thread */
	char os[128];			    /* "Linux 6.1.0 x86_64" */
};

enum shutdown_flags {
	SHUTDOWN_SAVE = 1,
	SHUTDOWN_NOSAVE = 2,
	SHUTDOWN_NOW = 4,
	SHUTDOWN_FORCE = 8
};

struct command_host;

struct command_host_ops {
	/* Calls each for every connected client, oldest first. The list may not change meanwhile.
	 */
	void (*each_client)(struct command_host *h,
			    void (*each)(void *arg, const struct client_info *c), void *arg);
	/* Closes a client: at once, or after its pending reply when it is the caller. false: no
	 * such id. */
	bool (*kill_client)(struct command_host *h, uint64_t id, const struct session *caller);
	/* Stops handling commands (or only writes) of all clients until unix ms end; 0 ends the
	 * pause. */
	void (*pause)(struct command_host *h, uint64_t until_ms, bool writes_only);
	/* Begins an orderly end; the reply of a successful SHUTDOWN is a closed connection. */
	enum status (*shutdown)(struct command_host *h, unsigned flags);
	bool (*shutdown_abort)(struct command_host *h);

	/* Configuration (net/config.h behind it). get appends name, value pairs for a glob via
	 * each. */
	void (*config_get)(struct command_host *h, struct slice pattern,
			   void (*each)(void *arg, const char *name, const char *value), void *arg);
	/* All or nothing; error gets "NAME') - reason". local: the client may change what
	 * enable-protected-configs keeps for local ones. */
	enum status (*config_set)(struct command_host *h, const struct slice *pairs, size_t count,
				  bool local, struct buf *error);
	enum status (*config_rewrite)(struct command_host *h, struct buf *error);
	/* One value as text, NULL when unknown; valid until the next change. */
	const char *(*config_value)(struct command_host *h, const char *name);
	void (*stats_reset)(struct command_host *h);
	/* Fills *out; NULL: nothing is known, INFO prints zeroes. */
	void (*process)(struct command_host *h, struct process_facts *out);
};

/* Node-wide facts, read directly. */
struct command_host {
	const struct command_host_ops *ops;
	struct node_stats stats;
	const char *password; /* requirepass; NULL or empty: none */
	char run_id[41];
	int tcp_port;
	int64_t pid;
	uint64_t start_mono_us, start_wall_ms;
	const char *config_file; /* absolute path; "" when none */
	const char *executable;	 /* absolute path */
	const char *supervisor;	 /* "systemd", "upstart"; NULL: none */
	/* Copies of settings that commands read often, kept by dispatch_config_changed. */
	uint64_t hash_max_listpack_entries, hash_max_listpack_value;
	int64_t list_max_listpack_size;
	bool no_active_expiry; /* DEBUG SET-ACTIVE-EXPIRE 0: the expiry cycle is not to run */
};

#endif
