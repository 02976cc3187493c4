/* The executor's side of replication: roles, what the primary sent, and the replicas. */
#include "net/replication.h"

#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "net/log_sink.h"
#include "net/node_store.h"
#include "net/replication_impl.h"
#include "net/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
	APPLY_BYTES_MAX = 4 << 20, /* decoded records applied in one turn, so that reads go on */
	RETRY_MS = 1000,
	RETRY_ALIEN_MS = 30000, /* the primary is of another kind, and said so */
};

static void on_notify(void *arg)
{
	server_wake(arg);
}

/* --- roles --- */

/* What commands may do now. */
void replication_update_rules(struct replication *r)
{
	struct server *s = r->server;
	int64_t wanted = config_int(s->config, CONFIG_MIN_REPLICAS_TO_WRITE);
	int64_t lag = config_int(s->config, CONFIG_MIN_REPLICAS_MAX_LAG);
	unsigned good = 0;

	if (s->host.is_replica != r->replica) {
		s->host.is_replica = r->replica;
		if (r->replica && s->dispatch != NULL) {
			dispatch_became_replica(s->dispatch);
		}
		server_wake(s); /* who waits for acks is told that none will come */
	}
	log_sink_set_role(r->replica ? 'S' : 'M');
	s->writes_held = r->promote_wanted || r->writes_paused || r->failover == FAILOVER_WAITING;
	s->host.primary_down =
	    r->replica && !r->link_up && config_int(s->config, CONFIG_REPLICA_SERVE_STALE) == 0;
	if (r->replica || wanted == 0 || lag == 0) {
		s->host.replicas_short = false;
		return;
	}
	for (const struct replica *p = r->replicas; p != NULL; p = p->next) {
		struct repl_sender_info info;

		replica_info(p, &info);
		good += info.state == REPL_SENDER_ONLINE && info.ack_age_ms <= (uint64_t)lag * 1000;
	}
	s->host.replicas_short = good < (unsigned)wanted;
}

static void link_down(struct replication *r)
{
	if (r->link_up || r->link_down_since_ms == 0) {
		r->link_down_since_ms = r->server->mono_ms;
	}
	r->link_up = false;
	r->copying = false;
}

static void drop_receiver(struct replication *r)
{
	if (r->receiver != NULL) {
		struct repl_receiver_info info;

		replication_note_heard(r);
		repl_receiver_info(r->receiver, &info);
		r->input_bytes += info.bytes;
		repl_receiver_stop(r->receiver);
		r->receiver = NULL;
	}
	link_down(r);
}

/* Remembers the role for CONFIG GET and REWRITE. */
static void note_role(struct replication *r)
{
	char text[300] = "";

	if (r->replica) {
		(void)snprintf(text, sizeof text, "%s %d", r->host, r->port);
	}
	if (config_replace(r->server->config, CONFIG_REPLICAOF, text) != ST_OK) {
		logger(LOG_LVL_WARNING, "out of memory: CONFIG REWRITE will not know the role");
	}
}

enum status replication_follow(struct replication *r, const char *host, int port)
{
	char *copy = mem_strdup(host);

	if (copy == NULL) {
		return ST_NO_MEMORY;
	}
	drop_receiver(r);
	mem_free(r->host);
	r->host = copy;
	r->port = port;
	if (!r->replica) {
		logger(LOG_LVL_NOTICE,
		       "Before turning into a replica, the log ends at LSN %" PRIu64,
		       engine_last_lsn(r->server->engine));
	}
	r->replica = true;
	r->joined = false;
	r->promote_wanted = false;
	r->need_full = false;
	replication_forget_refetch(r);
	r->failing_over = false;
	r->retry_at_ms = 0;
	r->engine_follows = false; /* see settle_role: this may run inside a command's batch */
	note_role(r);
	replication_update_rules(r);
	return ST_OK;
}

/* As far as commands can see. */
static void become_primary(struct replication *r)
{
	drop_receiver(r);
	r->replica = false;
	r->engine_follows = false;
	mem_free(r->host);
	r->host = NULL;
	r->link_down_since_ms = 0;
	note_role(r);
	replication_update_rules(r);
}

void replication_lead(struct replication *r)
{
	r->promote_wanted = true;
	become_primary(r);
}

enum status replication_promote(struct replication *r)
{
	enum status st = engine_promote(r->server->engine, r->promote_epoch);

	if (st != ST_OK) {
		return st;
	}
	r->promote_wanted = false;
	become_primary(r);
	replication_flush_due(r);
	logger(LOG_LVL_NOTICE, "MASTER MODE enabled: a new timeline begins after LSN %" PRIu64,
	       engine_last_lsn(r->server->engine));
	return ST_OK;
}

/* The engine takes the role between two commands: a replica's at once, a primary's as soon as the
 * log has taken what came; until then writes wait. */
static void settle_role(struct replication *r)
{
	enum status st = r->promote_wanted ? replication_promote(r) : ST_AGAIN;

	if (r->replica && !r->engine_follows) {
		engine_set_replica(r->server->engine, true);
		r->engine_follows = true;
	}
	if (st != ST_OK && st != ST_AGAIN && st != ST_NO_MEMORY) {
		logger(LOG_LVL_WARNING, "cannot begin a timeline: %s", status_text(st));
		/* In a cluster a primary that can't write has to be silent, so that another replica
		 * is elected: it goes on wanting. */
		r->promote_wanted = r->server->cluster != NULL;
		replication_update_rules(r);
	}
}

enum status replication_of(struct command_host *h, const char *host, int port)
{
	struct replication *r = server_of_host(h)->replication;

	if (host == NULL) {
		if (r->replica) {
			replication_lead(r);
		}
		return ST_OK;
	}
	if (r->replica && strcmp(r->host, host) == 0 && r->port == port) {
		return ST_EXISTS;
	}
	return replication_follow(r, host, port);
}

/* --- the link to the primary --- */

static void start_receiver(struct replication *r)
{
	struct server *s = r->server;
	struct engine_position at;
	bool tls = config_int(s->config, CONFIG_TLS_REPLICATION) != 0;
	struct repl_receiver_options opts = {
	    .host = r->host,
	    .port = r->port,
	    .source = config_text(s->config, CONFIG_BIND_SOURCE_ADDR),
	    .user = config_text(s->config, CONFIG_MASTERUSER),
	    .password = config_text(s->config, CONFIG_MASTERAUTH),
	    .node_id = s->host.run_id,
	    .my_port = (int)config_int(s->config, CONFIG_REPLICA_ANNOUNCE_PORT),
	    .my_ip = config_text(s->config, CONFIG_REPLICA_ANNOUNCE_IP),
	    .full = r->need_full && r->refetch.len == 0,
	    .refetch = buf_slice(&r->refetch),
	    .refetch_lsn = r->refetch_lsn,
	    .failover = r->failing_over,
	    .dir = s->run_dir,
	    .map_size_max = (uint64_t)config_int(s->config, CONFIG_MAP_SIZE_MAX),
	    .wal_segment_size = (uint64_t)config_int(s->config, CONFIG_WAL_SEGMENT_SIZE),
	    .timeout_ms = (uint32_t)config_int(s->config, CONFIG_REPL_TIMEOUT) * 1000,
	    .nodelay = config_int(s->config, CONFIG_REPL_DISABLE_NODELAY) == 0,
	    .notify = on_notify,
	    .arg = s,
	};

	if (engine_position(s->engine, &at) != ST_OK) {
		return; /* records are on their way to the log: next turn */
	}
	opts.at = at;
	opts.my_port = opts.my_port != 0 ? opts.my_port : server_port(s, tls);
	logger(LOG_LVL_NOTICE, "Connecting to MASTER %s:%d", r->host, r->port);
	if (!server_tls_connector(s, tls, &opts.ssl) ||
	    repl_receiver_start(&opts, &r->receiver) != ST_OK) {
		logger(LOG_LVL_WARNING, "no memory, or no TLS: no connection to the primary yet");
		r->retry_at_ms = s->mono_ms + RETRY_MS;
	}
}

/* host is empty while the cluster does not know the primary's address. */
static bool is_receiver_due(const struct replication *r)
{
	return r->replica && r->receiver == NULL && r->host[0] != 0 &&
	       r->server->mono_ms >= r->retry_at_ms;
}

/* The connection has ended: what comes next. */
static void link_ended(struct replication *r, const struct repl_item *item)
{
	struct server *s = r->server;
	enum repl_end end = item->end;
	uint64_t lsn = item->lsn;
	bool was_up = r->link_up, was_copying = r->copying;

	logger(was_up || (end != REPL_END_RETRY && end != REPL_END_ALIEN) ? LOG_LVL_NOTICE
									  : LOG_LVL_WARNING,
	       "MASTER <-> REPLICA link: %s", item->text);
	drop_receiver(r);
	r->retry_at_ms = was_up ? 0 : s->mono_ms + RETRY_MS;
	if (r->failing_over && !was_up) {
		replication_failover_retry(r, end == REPL_END_TAKEN);
		return;
	}
	if (end == REPL_END_ALIEN) {
		r->retry_at_ms = s->mono_ms + RETRY_ALIEN_MS;
	} else if (end == REPL_END_REWIND) {
		replication_go_back(r, lsn);
		r->retry_at_ms = 0;
	} else if (end == REPL_END_REFETCHED) {
		replication_take_refetch(r);
		r->retry_at_ms = 0;
	} else if (end == REPL_END_COPIED) {
		bool taken = node_store_take_copy(s);

		r->rejoined_by_copy += taken && r->need_full;
		r->retry_at_ms = taken ? 0 : s->mono_ms + RETRY_MS;
		r->need_full = false;
		replication_forget_refetch(r);
	} else {
		replication_refetch_failed(r, was_copying);
	}
}

/* Applies one item. ST_AGAIN: it waits for the next turn. ST_END: it was the last one. */
static enum status apply_item(struct replication *r, struct repl_item *item)
{
	struct engine *e = r->server->engine;
	enum status st = ST_OK;

	switch (item->kind) {
	case REPL_ITEM_ONLINE:
		logger(LOG_LVL_NOTICE, "MASTER <-> REPLICA sync: the log continues at LSN %" PRIu64,
		       engine_last_lsn(e) + 1);
		r->link_up = true;
		r->joined = true;
		r->link_down_since_ms = 0;
		replication_failover_linked(r);
		break;
	case REPL_ITEM_COPYING:
		logger(LOG_LVL_NOTICE, "MASTER <-> REPLICA sync started: a full copy");
		r->copying = true;
		break;
	case REPL_ITEM_REFETCHING:
		logger(LOG_LVL_NOTICE,
		       "MASTER <-> REPLICA sync started: what was written after LSN %" PRIu64
		       " is fetched anew",
		       r->refetch_lsn);
		r->copying = true;
		break;
	case REPL_ITEM_HISTORY:
		st = engine_follow_history(e, &item->history, buf_slice(&item->dictionary));
		break;
	case REPL_ITEM_FRAME:
		st = engine_apply_frame(e, &item->frame, buf_slice(&item->stored),
					buf_slice(&item->records));
		r->applied_bytes += item->records.len;
		break;
	case REPL_ITEM_HEARTBEAT:
		r->heartbeat = item->heartbeat;
		break;
	case REPL_ITEM_MARK:
		engine_freeze_at(e, item->lsn);
		break;
	case REPL_ITEM_CONTENTS:
		st = replication_digests_heard(r, buf_slice(&item->stored));
		break;
	case REPL_ITEM_END:
		return ST_END;
	}
	return st == ST_NO_MEMORY || st == ST_NO_SPACE || st == ST_MAP_FULL ? ST_AGAIN : st;
}

bool replication_apply(struct replication *r)
{
	uint64_t began = r->applied_bytes;

	while (r->receiver != NULL) {
		struct repl_item *item = repl_receiver_peek(r->receiver);
		enum status st;

		if (item == NULL) {
			return false;
		}
		st = apply_item(r, item);
		if (st == ST_AGAIN) {
			return true;
		}
		if (st == ST_END) {
			link_ended(r, item);
			replication_update_rules(r);
			return false;
		}
		if (st != ST_OK) {
			logger(LOG_LVL_WARNING,
			       "what the primary sent after LSN %" PRIu64 " is refused: %s",
			       engine_last_lsn(r->server->engine), status_text(st));
			drop_receiver(r);
			r->retry_at_ms = r->server->mono_ms + RETRY_MS;
			replication_update_rules(r);
			return false;
		}
		if (item->kind != REPL_ITEM_FRAME) {
			replication_update_rules(r);
		}
		repl_receiver_drop(r->receiver);
		if (r->applied_bytes - began > APPLY_BYTES_MAX) {
			return true;
		}
	}
	return false;
}

/* --- replicas --- */

/* Newest LSN that all who count have. */
static uint64_t horizon(const struct replication *r)
{
	uint64_t lsn = r->lost_until_ms > r->server->mono_ms ? r->lost_lsn : UINT64_MAX;

	for (const struct replica *p = r->replicas; p != NULL; p = p->next) {
		struct repl_sender_info info;

		replica_info(p, &info);
		if (replica_shares_history(p) && info.state == REPL_SENDER_ONLINE &&
		    info.received_lsn < lsn) {
			lsn = info.received_lsn;
		}
	}
	if (r->replica && r->link_up && r->heartbeat.horizon_lsn < lsn) {
		lsn = r->heartbeat.horizon_lsn;
	}
	return lsn;
}

/* How long the horizon waits for a replica that went away: until it is back, or elected. */
static uint64_t lost_wait_ms(const struct replication *r)
{
	int64_t timeout_ms = config_int(r->server->config, CONFIG_CLUSTER_NODE_TIMEOUT);

	return 2 * (uint64_t)(timeout_ms > INT32_MAX ? INT32_MAX : timeout_ms);
}

static void forget_replica(struct replication *r, struct replica *p)
{
	struct repl_sender_info info;

	replica_info(p, &info);
	r->output_bytes += info.bytes_sent;
	if (info.received_lsn > 0 && replica_shares_history(p)) {
		if (r->lost_until_ms <= r->server->mono_ms || info.received_lsn < r->lost_lsn) {
			r->lost_lsn = info.received_lsn;
		}
		r->lost_until_ms = r->server->mono_ms + lost_wait_ms(r);
	}
	logger(LOG_LVL_NOTICE, "Connection with replica %s:%d lost.", p->ip, p->port);
	repl_sender_stop(p->sender);
	if (p->feed != NULL) {
		replication_park(r, p->feed);
	}
	session_deinit(&p->session);
	mem_free(p);
	r->replicas_count--;
}

static void reap_replicas(struct replication *r)
{
	struct replica **at = &r->replicas;

	while (*at != NULL) {
		struct replica *p = *at;
		struct repl_sender_info info;

		replica_info(p, &info);
		if (!p->counted && info.state != REPL_SENDER_STARTING) {
			p->counted = true;
			r->full_copies += info.copied;
			r->continued += !info.copied;
			r->refused_to_continue += info.copied && !p->asked_full;
		}
		if (info.state == REPL_SENDER_GONE) {
			*at = p->next;
			forget_replica(r, p);
			continue;
		}
		at = &p->next;
	}
}

void replication_drop_replicas(struct replication *r)
{
	replication_digests_forget(r);
	while (r->replicas != NULL) {
		struct replica *p = r->replicas;

		r->replicas = p->next;
		forget_replica(r, p);
	}
	replication_trim_parked(r, true);
}

void replication_publish(struct replication *r)
{
	struct server *s = r->server;
	uint64_t ship = engine_ack_lsn(s->engine), shared;

	if (r->receiver != NULL) {
		repl_receiver_publish(r->receiver, engine_last_lsn(s->engine),
				      engine_durable_lsn(s->engine));
	}
	settle_role(r);
	if (is_receiver_due(r)) {
		start_receiver(r);
	}
	replication_digests_step(r);
	replication_failover_step(r);
	if (r->replicas == NULL && !r->replica && r->lost_until_ms == 0) {
		return;
	}
	reap_replicas(r);
	shared = horizon(r);
	engine_set_horizon(s->engine, shared);
	for (struct replica *p = r->replicas; p != NULL; p = p->next) {
		replica_want_ack(p, r->acks_wanted > 0);
		replica_mark(p, engine_freeze_lsn(s->engine));
		replica_publish(p, ship, shared);
	}
	r->acks_wanted -= r->acks_wanted > 0;
}

void replication_cron(struct replication *r)
{
	if (r->engine_follows && is_receiver_due(r)) {
		start_receiver(r);
	}
	replication_update_rules(r);
	replication_trim_parked(r, false);
	divergent_files_trim(&r->divergent, r->server->run_dir,
			     (uint64_t)config_int(r->server->config, CONFIG_DIVERGENT_KEEP_TIME),
			     r->server->now_ms, r->server->mono_ms);
}

/* --- for commands --- */

unsigned replication_acked(struct command_host *h, uint64_t lsn, bool durable)
{
	struct replication *r = server_of_host(h)->replication;
	unsigned n = 0;

	for (const struct replica *p = r->replicas; p != NULL; p = p->next) {
		struct repl_sender_info info;

		replica_info(p, &info);
		n += info.state == REPL_SENDER_ONLINE &&
		     (durable ? info.durable_lsn : info.received_lsn) >= lsn;
	}
	return n;
}

void replication_want_acks(struct command_host *h)
{
	/* This turn and the next. */
	server_of_host(h)->replication->acks_wanted = 2;
}

bool replication_kill_client(struct replication *r, uint64_t client_id)
{
	for (struct replica **at = &r->replicas; *at != NULL; at = &(*at)->next) {
		struct replica *p = *at;

		if (p->session.id == client_id) {
			*at = p->next;
			forget_replica(r, p);
			return true;
		}
	}
	return false;
}

bool replication_lagging(const struct replication *r)
{
	uint64_t last = engine_last_lsn(r->server->engine);

	for (const struct replica *p = r->replicas; p != NULL; p = p->next) {
		struct repl_sender_info info;

		replica_info(p, &info);
		if (info.state == REPL_SENDER_ONLINE && info.received_lsn < last) {
			return true;
		}
	}
	return false;
}

/* --- life --- */

enum status replication_create(struct server *s, struct replication **out)
{
	struct replication *r = mem_calloc(1, sizeof *r);
	const char *of = config_text(s->config, CONFIG_REPLICAOF);
	const char *space = strcasecmp(of, "no one") == 0 ? NULL : strrchr(of, ' ');
	enum status st = ST_OK;

	if (r == NULL) {
		return ST_NO_MEMORY;
	}
	r->server = s;
	r->heartbeat.horizon_lsn = UINT64_MAX;
	st = divergent_files_load(&r->divergent, s->run_dir);
	if (st == ST_OK && space != NULL) {
		char host[256];
		int64_t port = 0;

		(void)snprintf(host, sizeof host, "%.*s", (int)(space - of), of);
		if (!parse_int(slice_str(space + 1), &port)) {
			port = 0; /* refused by connect */
		}
		st = replication_follow(r, host, (int)port);
	}
	if (st != ST_OK) {
		divergent_files_deinit(&r->divergent);
		mem_free(r);
		return st;
	}
	replication_update_rules(r); /* min-replicas-to-write holds from the first command on */
	*out = r;
	return ST_OK;
}

void replication_destroy(struct replication *r)
{
	if (r == NULL) {
		return;
	}
	drop_receiver(r);
	replication_drop_replicas(r);
	replication_digests_deinit(r);
	buf_deinit(&r->pending_resume);
	buf_deinit(&r->pending_refetch);
	buf_deinit(&r->refetch);
	divergent_files_deinit(&r->divergent);
	mem_free(r->host);
	mem_free(r);
}
