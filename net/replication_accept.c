/* A replica comes: its request is judged, and its connection becomes a sender's. */
#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "net/proto/repl_message.h"
#include "net/replication_impl.h"
#include "net/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static enum status refuse(struct buf *error, const char *text)
{
	error->len = 0;
	buf_note(error, "%s", text);
	return ST_INVALID;
}

/* Where the two logs part. ST_AGAIN: the replica has to go back first, error is the line that says
 * so. ST_NOT_FOUND: nothing is shared. */
static enum status find_fork(struct replication *r, const struct walstream_request *q,
			     struct buf *error)
{
	struct engine *e = r->server->engine;
	struct slice bytes = q->history;
	struct wal_history theirs;
	uint64_t fork;
	enum status st = wal_history_decode(&bytes, &theirs);

	if (st != ST_OK || bytes.len != 0) {
		return refuse(error, "ERR the history does not decode");
	}
	st = wal_history_fork(engine_history(e), engine_last_lsn(e), &theirs, q->lsn, &fork);
	if (st != ST_OK) {
		return ST_NOT_FOUND;
	}
	if (fork < q->lsn && q->refetch.len > 0 && fork == q->refetch_lsn) {
		return ST_OK;
	}
	if (fork < q->lsn) {
		error->len = 0;
		buf_note(error, "REWIND %" PRIu64, fork);
		return ST_AGAIN;
	}
	return ST_OK;
}

/* A primary that hands over asks its replica to take the role first: whether it can. */
static enum status check_failover(struct replication *r, const struct walstream_request *q,
				  struct buf *error)
{
	struct engine *e = r->server->engine;

	if (!r->replica) {
		return refuse(error, "NOTREPLICA FAILOVER: this node is a primary");
	}
	if (q->lsn != engine_last_lsn(e)) {
		return refuse(error, "ERR FAILOVER: this replica has not all records");
	}
	return ST_OK;
}

static enum status keep(struct buf *b, struct slice bytes)
{
	b->len = 0;
	return buf_append(b, bytes.data, bytes.len);
}

enum status replication_walstream(struct command_host *h, struct session *session,
				  const struct walstream_request *q, struct buf *error)
{
	struct replication *r = server_of_host(h)->replication;
	bool full = q->full;
	enum status st = ST_OK;

	if (strcmp(q->node_id, h->run_id) == 0) {
		return refuse(error, "ERR a node can't follow itself");
	}
	if (cluster_node_is_silent(server_of_host(h)->cluster)) {
		return refuse(error, "NOMASTERLINK this node has lost its data and waits for a "
				     "replica to take over");
	}
	if (q->failover) {
		st = check_failover(r, q, error);
	} else if (r->replica && !r->link_up) {
		return refuse(error, "NOMASTERLINK Can't SYNC while not connected with my master");
	}
	if (st == ST_OK && !full) {
		st = find_fork(r, q, error);
	}
	if (st == ST_NOT_FOUND) {
		full = true;
		st = ST_OK;
	}
	if (st == ST_OK) {
		st = keep(&r->pending_resume, q->resume);
	}
	if (st == ST_OK) {
		st = keep(&r->pending_refetch, q->refetch);
	}
	if (st != ST_OK) {
		return st;
	}
	r->pending_request = *q;
	r->pending_request.full = full;
	r->pending = true;
	session->detach = true;
	logger(LOG_LVL_NOTICE,
	       "A replica from %s (port %d) asks for synchronization: its log ends at LSN "
	       "%" PRIu64 "%s",
	       session->addr, q->port, q->lsn,
	       full		    ? ", which is not of our history: full copy"
	       : q->refetch.len > 0 ? ", and it fetches anew what it wrote after the fork"
				    : "");
	return ST_OK;
}

/* The address without its port. */
static void plain_ip(const char *addr, char *dst, size_t size)
{
	const char *colon = strrchr(addr, ':');
	int len = colon == NULL ? (int)strlen(addr) : (int)(colon - addr);

	if (len >= 2 && addr[0] == '[') {
		addr++;
		len -= 2;
	}
	(void)snprintf(dst, size, "%.*s", len, addr);
}

/* True when the one that asks may be served now. A primary that hands over is only once this node
 * has the role; otherwise its connection just ends, and it stays the primary. */
static bool take_over(struct replication *r, const struct walstream_request *q)
{
	if (!q->failover) {
		return true;
	}
	logger(LOG_LVL_NOTICE, "Failover request received: this replica becomes the primary.");
	if (q->lsn != engine_last_lsn(r->server->engine) || replication_promote(r) != ST_OK) {
		logger(LOG_LVL_WARNING, "Failover is not possible yet: the log is not settled");
		return false;
	}
	return true;
}

struct replica *replication_new_replica(struct replication *r, struct conn *c, const char *cmd,
					int port, const char *ip, struct stream *stream)
{
	struct replica *p = mem_calloc(1, sizeof *p);

	if (p == NULL) {
		conn_close(c);
		return NULL;
	}
	session_init(&p->session, c->session.id, r->server->now_ms);
	p->session.last_cmd = cmd;
	p->port = port;
	(void)snprintf(p->session.addr, sizeof p->session.addr, "%s", c->session.addr);
	(void)snprintf(p->session.laddr, sizeof p->session.laddr, "%s", c->session.laddr);
	if (ip[0] != 0) {
		(void)snprintf(p->ip, sizeof p->ip, "%s", ip);
	} else {
		plain_ip(p->session.addr, p->ip, sizeof p->ip);
	}
	if (!conn_detach(c, stream)) {
		session_deinit(&p->session);
		mem_free(p);
		return NULL;
	}
	p->fd = stream->fd;
	return p;
}

void replication_add_replica(struct replication *r, struct replica *p)
{
	p->next = r->replicas;
	r->replicas = p;
	r->replicas_count++;
}

void replication_adopt(struct replication *r, struct conn *c)
{
	struct server *s = r->server;
	const struct walstream_request *q = &r->pending_request;
	struct replica *p;
	struct repl_sender_options opts = {
	    .engine = s->engine,
	    .full_copy = q->full,
	    .lsn = q->lsn,
	    .chain = q->chain,
	    .resume = buf_slice(&r->pending_resume),
	    .refetch = buf_slice(&r->pending_refetch),
	    .refetch_lsn = q->refetch_lsn,
	    .digests = q->digests,
	    .ship_lsn = engine_ack_lsn(s->engine),
	    .horizon = UINT64_MAX,
	    .timeout_ms = (uint32_t)config_int(s->config, CONFIG_REPL_TIMEOUT) * 1000,
	    .bandwidth_max = (uint64_t)config_int(s->config, CONFIG_REPL_MAX_BANDWIDTH),
	    .executor = gettid(),
	    .copy_cpu = (unsigned)config_int(s->config, CONFIG_REPL_COPY_CPU),
	    .nodelay = config_int(s->config, CONFIG_REPL_DISABLE_NODELAY) == 0,
	    .notify = server_wake,
	    .arg = s,
	};
	int64_t ping_ms = config_int(s->config, CONFIG_REPL_PING_PERIOD) * 1000;

	if (r->psync_pending) {
		replication_adopt_redis(r, c);
		return;
	}
	/* Lag is told in seconds, so nobody should be silent for longer. */
	opts.ping_ms = ping_ms > 1000 ? 1000 : (uint32_t)ping_ms;
	r->pending = false;
	if (!take_over(r, q)) {
		conn_close(c);
		return;
	}
	opts.history = *engine_history(s->engine);
	p = replication_new_replica(r, c, "walstream", q->port, q->ip, &opts.stream);
	if (p == NULL) {
		return;
	}
	p->asked_full = q->full;
	(void)snprintf(p->node_id, sizeof p->node_id, "%s", q->node_id);
	if (repl_sender_start(&opts, &p->sender) != ST_OK) {
		logger(LOG_LVL_WARNING, "out of memory: a replica is not served");
		mem_free(p);
		return;
	}
	replication_add_replica(r, p);
}
