/* A redis-server comes, or a tool that copies as one: PSYNC and SYNC are judged, and the connection
 * becomes a feed's. Feeds whose link was lost are kept for a while, as Redis keeps its backlog. */
#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "net/replication_impl.h"
#include "net/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

enum { PARKED_MAX = 8 };

struct parked_feed {
	struct parked_feed *next;
	struct redis_feed *feed;
	uint64_t until_ms; /* monotonic; UINT64_MAX: for ever */
};

enum status replication_psync(struct command_host *h, struct session *session,
			      const struct psync_request *q, struct buf *error)
{
	struct server *s = server_of_host(h);
	struct replication *r = s->replication;
	const char *no = NULL;

	if (cluster_node_is_silent(s->cluster)) {
		no = "NOMASTERLINK this node has lost its data and waits for a replica to take "
		     "over";
	} else if (r->replica && !r->link_up) {
		no = "NOMASTERLINK Can't SYNC while not connected with my master";
	} else if (r->promote_wanted) {
		no = "NOMASTERLINK Can't SYNC while this node becomes a primary";
	}
	if (no != NULL) {
		buf_note(error, "%s", no);
		return ST_INVALID;
	}
	r->psync_request = *q;
	r->psync_pending = true;
	session->detach = true;
	logger(LOG_LVL_NOTICE, "A redis-server at %s (port %d) asks for synchronization",
	       session->addr, session->replconf.port);
	return ST_OK;
}

/* --- what was left of lost links --- */

static void unlink_parked(struct parked_feed **at)
{
	struct parked_feed *gone = *at;

	*at = gone->next;
	mem_free(gone);
}

void replication_trim_parked(struct replication *r, bool all)
{
	struct parked_feed **at = &r->parked;
	size_t kept = 0;

	while (*at != NULL) {
		if (all || (*at)->until_ms <= r->server->mono_ms || kept == PARKED_MAX) {
			redis_feed_destroy((*at)->feed);
			unlink_parked(at);
			continue;
		}
		kept++;
		at = &(*at)->next;
	}
}

void replication_park(struct replication *r, struct redis_feed *feed)
{
	uint64_t ttl_s = (uint64_t)config_int(r->server->config, CONFIG_REPL_BACKLOG_TTL);
	struct parked_feed *p;

	redis_feed_halt(feed);
	p = redis_feed_is_whole(feed) ? mem_alloc(sizeof *p) : NULL;
	if (p == NULL) {
		redis_feed_destroy(feed);
		return;
	}
	*p = (struct parked_feed){
	    .next = r->parked,
	    .feed = feed,
	    .until_ms =
		ttl_s == 0 || ttl_s > UINT32_MAX ? UINT64_MAX : r->server->mono_ms + ttl_s * 1000,
	};
	r->parked = p;
	replication_trim_parked(r, false);
}

/* The feed that can go on for the replica, taken off its list; NULL: none. */
static struct redis_feed *unpark(struct replication *r, const struct psync_request *q)
{
	for (struct parked_feed **at = &r->parked; *at != NULL; at = &(*at)->next) {
		struct redis_feed *feed = (*at)->feed;

		if (q->has_offset && redis_feed_can_resume(feed, q->replid, q->offset)) {
			unlink_parked(at);
			return feed;
		}
	}
	return NULL;
}

/* A replica that comes again may do so before its old link is known to be lost. */
static void end_old_link(struct replication *r, const struct psync_request *q)
{
	for (struct replica *p = r->replicas; p != NULL; p = p->next) {
		if (p->feed != NULL && q->has_offset && redis_feed_is_stream(p->feed, q->replid)) {
			(void)replication_kill_client(r, p->session.id);
			return;
		}
	}
}

/* --- adoption --- */

/* The shard's and the timeline's number, as in INFO's master_replid, and one of its own: each
 * stream has its own offsets. */
static bool name_stream(const struct server *s, struct redis_feed_options *opts)
{
	const struct wal_history *history = engine_history(s->engine);
	uint64_t random[4];

	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
		return false;
	}
	(void)snprintf(opts->replid, sizeof opts->replid, "%016" PRIx64 "%016" PRIx64 "%08" PRIx32,
		       history->shard_id, history->items[history->count - 1].id,
		       (uint32_t)random[0]);
	(void)snprintf(opts->mark, sizeof opts->mark, "%016" PRIx64 "%016" PRIx64 "%08" PRIx32,
		       random[1], random[2], (uint32_t)random[3]);
	return true;
}

void replication_adopt_redis(struct replication *r, struct conn *c)
{
	struct server *s = r->server;
	const struct psync_request *q = &r->psync_request;
	const struct replconf *conf = &c->session.replconf;
	struct redis_feed_options opts = {
	    .engine = s->engine,
	    .wish = {.psync = q->psync,
		     .eof = conf->eof,
		     .named_continue = conf->psync2,
		     .rdb_only = conf->rdb_only,
		     .no_keys = conf->no_keys,
		     .no_libraries = conf->no_libraries},
	    .ship_lsn = engine_ack_lsn(s->engine),
	    .file_lsn = engine_last_lsn(s->engine),
	    .timeout_ms = (uint32_t)config_int(s->config, CONFIG_REPL_TIMEOUT) * 1000,
	    .ping_ms = (uint32_t)config_int(s->config, CONFIG_REPL_PING_PERIOD) * 1000,
	    .bandwidth_max = (uint64_t)config_int(s->config, CONFIG_REPL_MAX_BANDWIDTH),
	    .backlog_size = (uint64_t)config_int(s->config, CONFIG_REPL_BACKLOG_SIZE),
	    .nodelay = config_int(s->config, CONFIG_REPL_DISABLE_NODELAY) == 0,
	    .notify = server_wake,
	    .arg = s,
	};
	struct redis_feed *feed;
	struct replica *p;
	enum status st;

	r->psync_pending = false;
	if (!name_stream(s, &opts)) {
		conn_close(c);
		return;
	}
	end_old_link(r, q);
	p = replication_new_replica(r, c, q->psync ? "psync" : "sync", conf->port, conf->ip,
				    &opts.stream);
	if (p == NULL) {
		return;
	}
	p->asked_full = !q->has_offset;
	feed = unpark(r, q);
	if (feed == NULL) {
		(void)engine_checkpoint(s->engine); /* ST_AGAIN: one more follows */
	}
	if (feed != NULL) {
		st = redis_feed_resume(feed, &opts, q->offset);
	} else {
		st = redis_feed_start(&opts, &feed);
	}
	if (st != ST_OK) {
		logger(LOG_LVL_WARNING, "out of memory: a replica is not served");
		redis_feed_destroy(feed);
		session_deinit(&p->session);
		mem_free(p);
		return;
	}
	p->feed = feed;
	replication_add_replica(r, p);
}
