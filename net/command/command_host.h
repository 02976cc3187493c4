/* What commands ask of the node around them: clients, configuration, statistics, shutdown.
 * Implemented in net/; a test implements it in memory. */
#ifndef CAIRN_NET_COMMAND_COMMAND_HOST_H
#define CAIRN_NET_COMMAND_COMMAND_HOST_H

#include "engine/base/buf.h"
#include "engine/divergent.h"
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
	uint64_t migrate_kept; /* unused connections of MIGRATE */
	uint64_t cold_parked;  /* commands that waited for a prefetch */
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

/* The node's place in its shard, for INFO, ROLE and the checks before a command. */
struct replication_view {
	bool replica;
	const char *primary_host; /* of a replica; borrowed until the next command */
	int primary_port;
	const char *state; /* ROLE's word: connect, connecting, sync, connected */
	bool link_up, copying;
	uint64_t link_down_s, io_age_s; /* seconds */
	uint64_t copy_total, copy_bytes, copy_age_s;
	uint64_t replicas; /* connected */
	uint64_t full_copies, continued, refused_to_continue;
	uint64_t input_bytes, output_bytes;
	const char *failover_state; /* INFO's word */
	uint64_t lsn, shard_id, timeline, previous_timeline, timeline_lsn;
	/* Given up and archived; how often this node came back from a fork, and how. */
	uint64_t divergent_records, divergent_files, divergent_bytes;
	uint64_t rejoined_by_log, rejoined_by_keys, rejoined_by_copy;
	/* Comparisons of all slots with the primary's; slots that differed in the last one, and in
	 * all; the LSN of the last one. */
	uint64_t digest_checks, digest_differ, digest_mismatches, digest_lsn;
};

/* Where a write stands in its shard's history. */
struct write_position {
	uint64_t epoch, lsn, timeline;
};

/* What has become of it, as far as this node knows. */
enum write_fate_kind {
	FATE_DURABLE,	/* in this node's history and on its disk */
	FATE_PENDING,	/* in its history, not on its disk yet */
	FATE_NOT_HERE,	/* this node has not got as far in that timeline */
	FATE_DIVERGENT, /* the history went on without it: given up, or to be given up */
	FATE_UNKNOWN,	/* of a timeline that this node does not know of; or this node can't tell
			   whether the shard's history still is its own */
};

struct write_fate {
	enum write_fate_kind what;
	unsigned replicas, replicas_durable; /* that have acknowledged it, to this node */
	uint64_t fork_lsn;		/* FATE_DIVERGENT: where its history was left; 0: unknown */
	char file[DIVERGENT_NAME_SIZE]; /* its archive on this node; "": there is none here */
};

/* One replica of this node. */
struct replica_view {
	const char *ip; /* where it serves clients */
	int port;
	const char *state; /* wait_bgsave, send_bulk, online */
	uint64_t lsn, durable_lsn, lag_s;
};

/* What a Redis replica asks for; the rest is in its session (replconf). */
struct psync_request {
	bool psync;	 /* else SYNC */
	bool has_offset; /* it has the stream of that name up to there */
	char replid[41];
	uint64_t offset;
};

/* What a replica asks for (net/proto/repl_message.h). */
struct walstream_request {
	char node_id[41];
	char ip[64];
	int port;
	uint64_t lsn, chain;
	bool full, failover;
	bool digests; /* it understands marks and contents */
	/* Borrowed from the command's arguments: the encoded history; what there is of a copy. */
	struct slice history, resume;
	/* The names of what is to be fetched anew; empty: nothing. The fork goes with them. */
	struct slice refetch;
	uint64_t refetch_lsn;
};

struct failover_request {
	const char *host; /* NULL: any replica */
	int port;
	bool force, abort;
	uint64_t timeout_ms; /* 0: none */
};

/* A link of the cluster's bus whose node is known. */
struct cluster_link_view {
	bool inbound;
	bool writing; /* something waits to be sent */
	const char *node_id;
	uint64_t created_wall_ms;
	size_t buffer_allocated, buffer_used; /* of what waits to be sent, bytes */
};

enum shutdown_flags {
	SHUTDOWN_SAVE = 1,
	SHUTDOWN_NOSAVE = 2,
	SHUTDOWN_NOW = 4,
	SHUTDOWN_FORCE = 8
};

/* What DEBUG has the node do between two turns. */
enum node_errand {
	NODE_NOTHING,
	NODE_RELOAD,	 /* close the store with a checkpoint, and open it again */
	NODE_RELOAD_LOG, /* the same without a checkpoint */
	NODE_CHANGE_ID	 /* begin a timeline */
};

struct cluster;
struct cluster_reply;
struct migrate_link_ops;
struct archive_reading_ops;
struct command_host;

struct command_host_ops {
	/* Calls each for every connected client, oldest first. The list may not change meanwhile.
	 */
	void (*each_client)(struct command_host *h,
			    void (*each)(void *arg, const struct client_info *c), void *arg);
	/* Closes a client: at once, or after its pending reply when it is the caller. false: no
	 * such id. */
	bool (*kill_client)(struct command_host *h, uint64_t id, const struct session *caller);
	/* What CLIENT LIST shows of a client. NULL: its session is all there is. */
	void (*client_info)(struct command_host *h, const struct session *session,
			    struct client_info *out);
	/* The client of that id, or NULL. */
	struct session *(*find_client)(struct command_host *h, uint64_t id);
	/* Runs the request that a blocked client has come with, at once; the client may block
	 * again. False: it can't be run now, and the client waits on. NULL: no client may block. */
	bool (*run_blocked)(struct command_host *h, struct session *session);
	/* A client that was blocked, or is in WAIT, has its request run again soon. */
	void (*unblocked)(struct command_host *h, struct session *session);
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
	/* The file that aclfile names, whole; error says what is wrong with it. NULL: there is
	 * none. write replaces it so that a crash leaves the old or the new one. */
	enum status (*read_acl)(struct command_host *h, struct buf *text, struct buf *error);
	enum status (*write_acl)(struct command_host *h, struct slice text, struct buf *error);
	/* One value as text, NULL when unknown; valid until the next change. */
	const char *(*config_value)(struct command_host *h, const char *name);
	void (*stats_reset)(struct command_host *h);
	/* Fills *out; NULL: nothing is known, INFO prints zeroes. */
	void (*process)(struct command_host *h, struct process_facts *out);

	/* Replication; NULL in a host that has none. */
	void (*replication)(struct command_host *h, struct replication_view *out);
	void (*each_replica)(struct command_host *h,
			     void (*each)(void *arg, const struct replica_view *v), void *arg);
	/* Follows another node; host NULL: none, becomes a primary. ST_EXISTS: it does already. */
	enum status (*replicaof)(struct command_host *h, const char *host, int port);
	/* How many replicas have acknowledged lsn: applied, or on their disks. */
	unsigned (*acked)(struct command_host *h, uint64_t lsn, bool durable);
	/* Has the replicas' acks noticed at once during this turn and the next. */
	void (*want_acks)(struct command_host *h);
	/* Makes the calling client a replica: its connection is taken over when the command has
	 * returned. ST_AGAIN: error gets the line that sends it back; anything else: the error
	 * reply. */
	enum status (*walstream)(struct command_host *h, struct session *session,
				 const struct walstream_request *request, struct buf *error);
	/* The same for a replica that speaks Redis's protocol. error: the reply when refused. */
	enum status (*psync)(struct command_host *h, struct session *session,
			     const struct psync_request *request, struct buf *error);
	/* Hands the primary's role over. error gets the error reply. */
	enum status (*failover)(struct command_host *h, const struct failover_request *request,
				struct buf *error);

	/* What has become of a write; NULL in a host without replication, as the next two. */
	void (*fate)(struct command_host *h, const struct write_position *p,
		     struct write_fate *out);
	/* The archives of given-up records, oldest first. divergent_drop: ST_NOT_FOUND, or as
	 * divergent_remove. */
	void (*divergent_each)(struct command_host *h,
			       void (*each)(void *arg, const struct divergent_archive *a),
			       void *arg);
	enum status (*divergent_drop)(struct command_host *h, const struct divergent_name *name);

	/* A subcommand of CLUSTER that changes state (cluster/operator.h), argv[0] being its name:
	 * carried out, and durable where it has to be, when this returns. Only with a cluster. */
	void (*cluster_command)(struct command_host *h, const struct slice *argv, unsigned argc,
				struct cluster_reply *out);
	/* The bus's links, in any order. Only with a cluster. */
	void (*each_cluster_link)(struct command_host *h,
				  void (*each)(void *arg, const struct cluster_link_view *l),
				  void *arg);
	/* Appends a message to the output of another client than the one whose request is being
	 * run, to leave when lsn is acknowledged. Never closes the client at once, whatever its
	 * limits say. */
	void (*push)(struct command_host *h, struct session *session, struct slice message,
		     uint64_t lsn);
	/* Answers other clients than one in the midst of its command, which takes long: dispatch
	 * lets little of what they ask run. NULL: nobody is answered before it ends. */
	void (*serve_busy)(struct command_host *h, const struct session *but);
	/* Has the cluster's bus go on meanwhile, so that the node is not taken for dead. NULL: it
	 * waits. */
	void (*serve_bus)(struct command_host *h);
	/* DEBUG SLEEP: the whole node stands still for so many microseconds. NULL: it does not. */
	void (*stand_still)(struct command_host *h, uint64_t us);
	/* Spreads a published message to the other nodes; sharded: to those of this shard. Only
	 * with a cluster. */
	void (*cluster_publish)(struct command_host *h, struct slice channel, struct slice payload,
				bool sharded);

	/* Connections for MIGRATE (net/command/migrate_link.h); NULL: there are none. */
	const struct migrate_link_ops *migrate;
	/* What reads archives (net/command/archive_reading.h); NULL: nothing does. */
	const struct archive_reading_ops *archive_reading;
};

/* Node-wide facts, read directly. */
struct command_host {
	const struct command_host_ops *ops;
	struct node_stats stats;
	char run_id[41];
	int tcp_port;
	int64_t pid;
	uint64_t start_mono_us, start_wall_ms;
	const char *config_file; /* absolute path; "" when none */
	const char *executable;	 /* absolute path */
	const char *supervisor;	 /* "systemd", "upstart"; NULL: none */
	/* Copies of settings that commands read often, kept by dispatch_config_changed. */
	uint64_t hash_max_listpack_entries, hash_max_listpack_value;
	uint64_t zset_max_listpack_entries, zset_max_listpack_value;
	uint64_t set_max_intset_entries, set_max_listpack_entries, set_max_listpack_value;
	int64_t list_max_listpack_size;
	uint64_t hll_sparse_max_bytes;
	uint32_t events; /* notify-keyspace-events, as enum notify_class (net/command/notify.h) */
	uint64_t tracked_max; /* tracking-table-max-keys; 0: no limit */
	/* What replication says of commands, kept by it. */
	bool is_replica;     /* writes are refused */
	bool primary_down;   /* a replica without its primary, and replica-serve-stale-data is no */
	bool replicas_short; /* fewer good replicas than min-replicas-to-write */
	/* The cluster as this node sees it, for route.h and cluster_view.h, which only read; NULL:
	 * cluster-enabled no. */
	struct cluster *cluster;
	uint64_t cluster_links_over_limit;	    /* closed for cluster-link-sendbuf-limit */
	uint64_t cluster_links, cluster_link_bytes; /* of the bus; looked at every 100 ms */
	enum node_errand errand; /* wanted; done when nothing waits for the log */
	uint64_t errands_done;
	bool no_active_expiry; /* DEBUG SET-ACTIVE-EXPIRE 0: the expiry cycle is not to run */
	bool cron_paused;      /* DEBUG PAUSE-CRON 1: nothing is done by the timer */
};

#endif
