/* The node's part in its shard, on the executor: whether it is a primary or a replica, whom it
 * follows, who follows it, and what that means for writes. The threads that move bytes are
 * repl_receiver.h (towards the primary) and repl_sender.h (one per replica). */
#ifndef CAIRN_NET_REPLICATION_H
#define CAIRN_NET_REPLICATION_H

#include "net/command/command_host.h"
#include "net/repl_receiver.h"
#include "net/repl_sender.h"

struct server;
struct conn;
struct replication;

/* Takes the role that the configuration gives (replicaof). ST_NO_MEMORY. */
MUST_CHECK enum status replication_create(struct server *s, struct replication **out);
/* Ends all threads; before the engine is closed. NULL is fine. */
void replication_destroy(struct replication *r);

/* Within a turn, before engine_turn_end: applies what the primary sent, at most some megabytes.
 * True: more is waiting, so the next turn should come soon. */
bool replication_apply(struct replication *r);
/* After engine_turn_end: tells the threads what is new and looks after those that ended. */
void replication_publish(struct replication *r);
/* Every 100 ms. */
void replication_cron(struct replication *r);
/* What commands may do now, after any change of state or settings. */
void replication_update_rules(struct replication *r);

/* Takes over the socket of a client whose WALSTREAM, PSYNC or SYNC was accepted. */
void replication_adopt(struct replication *r, struct conn *c);

/* What command_host_ops promises of replication; h is the server's host. */
void replication_view(struct command_host *h, struct replication_view *out);
void replication_each_replica(struct command_host *h,
			      void (*each)(void *arg, const struct replica_view *v), void *arg);
enum status replication_of(struct command_host *h, const char *host, int port);
unsigned replication_acked(struct command_host *h, uint64_t lsn, bool durable);
void replication_want_acks(struct command_host *h);
void replication_fate(struct command_host *h, const struct write_position *p,
		      struct write_fate *out);
enum status replication_walstream(struct command_host *h, struct session *session,
				  const struct walstream_request *request, struct buf *error);
enum status replication_psync(struct command_host *h, struct session *session,
			      const struct psync_request *request, struct buf *error);
enum status replication_failover(struct command_host *h, const struct failover_request *request,
				 struct buf *error);

/* --- the cluster's word, see replication_cluster.c --- */

/* Takes the role that the cluster gives: primary with that config epoch, or replica of host:port
 * (NULL: of a node whose address is not known). flush: its data is given up first. */
void replication_set_primary(struct replication *r, uint64_t epoch, bool flush);
void replication_set_replica(struct replication *r, const char *host, int port);
/* Has writes wait, or lets them go on. */
void replication_pause_writes(struct replication *r, bool paused);
bool replication_writes_paused(const struct replication *r);
/* False while a promotion has not reached the log yet. */
bool replication_settled(const struct replication *r);

/* What an election asks of the data. */
struct replication_standing {
	uint64_t last_io_ms; /* monotonic, when the primary was last heard; 0: never */
	bool link_up;
	bool whole; /* no copy, rewind or promotion is under way or due */
};
void replication_standing(struct replication *r, struct replication_standing *out);

/* Connected replicas as clients, and the end of one of them. */
void replication_each_client(struct replication *r,
			     void (*each)(void *arg, const struct client_info *c), void *arg);
bool replication_kill_client(struct replication *r, uint64_t client_id);

/* A connected replica has not yet acknowledged everything: worth a moment before the node ends. */
bool replication_lagging(const struct replication *r);

#endif
