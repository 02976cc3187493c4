/* Role, pause, lost slots and hand-over: what the core asks of the node, and is told of it. */
#include "net/cluster_node.h"

#include "cluster/cluster_view.h"
#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "engine/engine_shard.h"
#include "net/cluster_node_impl.h"
#include "net/listen_socket.h"
#include "net/server.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	PURGE_KEYS = 200,     /* of lost slots, per turn */
	MARK_AGAIN_MS = 1000, /* after a failure */
	EXIT_NO_SPACE = 73,
	EXIT_IO = 74,
};

/* --- what the driver asks for --- */

static void on_now(void *ctx, uint64_t *mono_ms, uint64_t *wall_ms)
{
	struct cluster_node *n = ctx;

	/* Commands of this turn go by the same clock. */
	server_refresh_clock(n->server);
	*mono_ms = n->server->mono_ms;
	*wall_ms = n->server->now_ms;
}

/* Where a primary serves its replicas: at the port of the kind that tls-replication asks for. */
static uint16_t replication_port(const struct cluster_node *n, const struct node_addr *addr)
{
	const struct config *c = n->server->config;
	bool same = (config_int(c, CONFIG_TLS_REPLICATION) != 0) ==
		    (config_int(c, CONFIG_TLS_CLUSTER) != 0);

	return same || addr->other_port == 0 ? addr->port : addr->other_port;
}

static void take_role(struct cluster_node *n, const struct cluster_update *up)
{
	struct replication *r = n->server->replication;
	const struct cluster_role *role = &up->role;

	if (up->flush_data && data_mark_clear(&n->mark) != ST_OK) {
		logger(LOG_LVL_WARNING, "the mark of the data that is given up stays");
	}
	if (role->primary) {
		replication_set_primary(r, role->epoch, up->flush_data);
		return;
	}
	slot_purge_drop(&n->purge);
	if (role->addr.ip[0] == 0 || replication_port(n, &role->addr) == 0) {
		replication_set_replica(r, NULL, 0);
	} else {
		replication_set_replica(r, role->addr.ip, replication_port(n, &role->addr));
	}
}

static void on_role(void *ctx, const struct cluster_update *up)
{
	struct cluster_node *n = ctx;

	if (up->lost_slots != NULL) {
		slot_purge_add(&n->purge, up->lost_slots);
	}
	if (up->role_changed) {
		take_role(n, up);
	}
}

static void on_pause(void *ctx, bool paused)
{
	struct cluster_node *n = ctx;

	logger(LOG_LVL_NOTICE, "cluster: writes %s", paused ? "wait" : "go on");
	replication_pause_writes(n->server->replication, paused);
}

static void finish_slot(struct cluster_node *n, unsigned slot)
{
	enum status st =
	    slot_purge_finish(&n->purge, n->server->engine, slot, n->server->now_ms, n->in_command);

	if (st != ST_OK) {
		logger(LOG_LVL_WARNING,
		       "slot %u has come back before all of its old keys were deleted: %s", slot,
		       status_text(st));
	}
}

/* Listeners on shard channels that went elsewhere are let go. A slot whose old keys are still being
 * deleted may come back: they must not come with it. */
static void on_routes(void *ctx)
{
	struct cluster_node *n = ctx;
	const struct cluster *c = cluster_driver_core(n->driver);
	unsigned slot = 0, first, last;

	if (dispatch_is_busy(n->server->dispatch)) {
		n->routes_late = true;
		return;
	}
	n->routes_late = false;
	dispatch_routes_changed(n->server->dispatch);
	if (n->purge.count == 0) {
		return;
	}
	while (cluster_view_next_slots_of(c, 0, &slot, &first, &last)) {
		for (unsigned i = first; i <= last; i++) {
			finish_slot(n, i);
		}
	}
	for (unsigned i = 0; i < SLOTS && n->purge.count > 0; i++) {
		uint16_t to, from;

		cluster_view_marks(c, i, &to, &from);
		if (from != VIEW_NO_NODE) {
			finish_slot(n, i);
		}
	}
}

static void on_publish(void *ctx, struct slice channel, struct slice payload, bool sharded)
{
	const struct cluster_node *n = ctx;

	dispatch_publish(n->server->dispatch, channel, payload, sharded);
}

static void on_handover(void *ctx, enum cluster_handover result)
{
	struct cluster_node *n = ctx;

	logger(LOG_LVL_NOTICE, "cluster: %s",
	       result == HANDOVER_DONE ? "a replica has taken over"
				       : "no replica takes over before the end");
	n->handing_over = false;
}

static bool on_may_speak(void *ctx)
{
	const struct cluster_node *n = ctx;

	return replication_settled(n->server->replication);
}

static bool on_mid_script(void *ctx)
{
	const struct cluster_node *n = ctx;

	return dispatch_is_busy(n->server->dispatch);
}

static void on_fatal(void *ctx, enum status st, const char *text)
{
	(void)ctx;
	logger(LOG_LVL_WARNING, "%s", text);
	exit(st == ST_NO_SPACE ? EXIT_NO_SPACE : EXIT_IO);
}

static uint64_t keys_in_slot(void *ctx, unsigned slot)
{
	struct engine *e = ((struct cluster_node *)ctx)->server->engine;

	(void)engine_count_resolve(e, UINT32_MAX);
	return engine_slot_keys(e, (uint16_t)slot);
}

static uint64_t keys_in_all(void *ctx)
{
	struct engine *e = ((struct cluster_node *)ctx)->server->engine;

	(void)engine_count_resolve(e, UINT32_MAX);
	return engine_keys(e);
}

/* --- what it is told --- */

/* The shard that this node is in, and what its data is. */
static void whose_data(const struct cluster_node *n, struct cluster_view_node *me,
		       struct node_id *shard, uint64_t *dataset)
{
	memset(shard, 0, sizeof *shard);
	*dataset = engine_history(n->server->engine)->shard_id;
	if (cluster_view_node(cluster_driver_core(n->driver), 0, me) && me->shard[0] != 0) {
		(void)node_id_read(me->shard, shard);
	}
}

/* Remembers whose data this is as soon as it is known to be whole: a replica whose primary dies a
 * moment later may stand. */
static void mark_data(struct cluster_node *n, const struct replication_standing *standing,
		      const struct cluster_view_node *me, const struct node_id *shard,
		      uint64_t dataset)
{
	bool primary = (me->flags & NODE_PRIMARY) != 0 && me->slots_count > 0;
	uint64_t now = n->server->mono_ms;

	if (!standing->whole || (!standing->link_up && !primary) || cluster_node_is_silent(n) ||
	    data_mark_is(&n->mark, shard, dataset) || now < n->mark_again_ms) {
		return;
	}
	if (data_mark_set(&n->mark, shard, dataset) != ST_OK) {
		n->mark_again_ms = now + MARK_AGAIN_MS;
		logger(LOG_LVL_WARNING,
		       "after a restart this node will not know that its data is whole");
	}
}

static void tell_engine(struct cluster_node *n)
{
	struct server *s = n->server;
	const struct wal_history *history = engine_history(s->engine);
	struct replication_standing standing;
	struct cluster_view_node me = {0};
	struct cluster_engine e;
	struct node_id shard;
	uint64_t dataset;

	replication_standing(s->replication, &standing);
	whose_data(n, &me, &shard, &dataset);
	mark_data(n, &standing, &me, &shard, dataset);
	e = (struct cluster_engine){
	    .offset = engine_last_lsn(s->engine),
	    .history_epoch = history->items[history->count - 1].epoch,
	    .last_io_ms = standing.last_io_ms,
	    .link_up = standing.link_up,
	    .can_stand =
		standing.whole && (standing.link_up || data_mark_is(&n->mark, &shard, dataset)),
	    /* No command is running now, and those that come will wait. */
	    .paused = replication_writes_paused(s->replication),
	};
	cluster_driver_engine(n->driver, &e);
}

/* --- turns --- */

void cluster_node_turn_end(struct cluster_node *n)
{
	struct server *s;

	if (n == NULL) {
		return;
	}
	s = n->server;
	if (n->routes_late) {
		on_routes(n);
	}
	if (n->purge.count > 0 && !s->writes_held && !s->host.is_replica &&
	    slot_purge_step(&n->purge, s->engine, s->now_ms, PURGE_KEYS) > 0) {
		server_wake(s);
	}
	tell_engine(n);
	if (n->handing_over && s->mono_ms >= n->handover_until_ms) {
		on_handover(n, HANDOVER_FAILED);
	}
	cluster_driver_turn_end(n->driver);
}

void cluster_node_serve(struct cluster_node *n)
{
	if (n != NULL && n->driver != NULL) {
		cluster_driver_serve(n->driver);
	}
}

void cluster_node_cron(struct cluster_node *n)
{
	struct bus_totals totals;

	if (n == NULL) {
		return;
	}
	cluster_driver_totals(n->driver, &totals);
	n->server->host.cluster_links = totals.links;
	n->server->host.cluster_link_bytes = totals.bytes;
	n->server->host.cluster_links_over_limit = totals.over_limit;
}

/* --- the end --- */

void cluster_node_hand_over(struct cluster_node *n)
{
	struct cluster_event ev = {.kind = CLUSTER_EV_HANDOVER};
	struct cluster_view_node me;
	uint64_t patience;

	if (n == NULL || !cluster_view_node(cluster_driver_core(n->driver), 0, &me) ||
	    (me.flags & NODE_PRIMARY) == 0 || me.slots_count == 0) {
		return;
	}
	patience = (uint64_t)config_int(n->server->config, CONFIG_SHUTDOWN_TIMEOUT) * 1000;
	if (patience == 0) {
		return;
	}
	n->handing_over = true;
	server_refresh_clock(n->server);
	n->handover_until_ms = n->server->mono_ms + patience;
	cluster_driver_event(n->driver, &ev, NULL);
}

bool cluster_node_handing_over(const struct cluster_node *n)
{
	return n != NULL && n->handing_over;
}

void cluster_node_stop_listening(struct cluster_node *n)
{
	if (n != NULL && n->driver != NULL) {
		cluster_driver_stop_listening(n->driver);
	}
}

void cluster_node_destroy(struct cluster_node *n)
{
	if (n == NULL) {
		return;
	}
	n->server->host.cluster = NULL;
	cluster_driver_destroy(n->driver);
	cluster_start_release(&n->start);
	data_mark_close(&n->mark);
	mem_free(n->path);
	mem_free(n);
}

/* --- the start --- */

/* Neither a store nor a log, nor either on its way: what nodes.conf says of slots was lost. */
static bool dataset_is_missing(const char *dir)
{
	static const char *const names[] = {"keyspace.mdb", "wal", "copy/READY", "old/keyspace.mdb",
					    "old/wal"};
	char path[PATH_MAX + 32];

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		if (access(path, F_OK) == 0) {
			return false;
		}
	}
	return true;
}

enum status cluster_node_load(struct server *s, struct cluster_node **out, struct buf *error)
{
	const char *name = config_text(s->config, CONFIG_CLUSTER_CONFIG_FILE);
	char path[PATH_MAX];
	struct cluster_node *n;
	enum status st;

	*out = NULL;
	if (config_int(s->config, CONFIG_CLUSTER_ENABLED) == 0) {
		return ST_OK;
	}
	if (snprintf(path, sizeof path, "%s%s%s", name[0] == '/' ? "" : s->run_dir,
		     name[0] == '/' ? "" : "/", name) >= (int)sizeof path) {
		buf_note(error, "cluster-config-file: the path is too long");
		return ST_LIMIT;
	}
	n = mem_calloc(1, sizeof *n);
	if (n == NULL) {
		return ST_NO_MEMORY;
	}
	n->server = s;
	n->path = mem_strdup(path);
	st = n->path == NULL ? ST_NO_MEMORY : cluster_start_load(&n->start, path, error);
	if (st == ST_OK) {
		st = data_mark_open(&n->mark, s->run_dir);
	}
	if (st == ST_OK && !n->start.created && !n->mark.lost && dataset_is_missing(s->run_dir)) {
		st = data_mark_lost(&n->mark);
		if (st != ST_OK) {
			buf_note(error, "the data is missing, and that can't be remembered");
		}
	}
	if (st != ST_OK) {
		cluster_node_destroy(n);
		return st;
	}
	n->store_is_new = n->mark.lost;
	*out = n;
	return ST_OK;
}

bool cluster_node_is_replica(const struct cluster_node *n)
{
	return n != NULL && n->start.replica;
}

bool cluster_node_is_silent(const struct cluster_node *n)
{
	struct cluster_view_info info;

	if (n == NULL || n->driver == NULL) {
		return false;
	}
	cluster_view_info(cluster_driver_core(n->driver), n->server->mono_ms, &info);
	return info.silent;
}

bool cluster_node_is_doubted(const struct cluster_node *n)
{
	struct cluster_view_node me;
	struct cluster_view_info info;
	const struct cluster *core;

	if (n == NULL || n->driver == NULL) {
		return false;
	}
	core = cluster_driver_core(n->driver);
	cluster_view_info(core, n->server->mono_ms, &info);
	return !info.may_write && cluster_view_node(core, 0, &me) && me.primary == VIEW_NO_NODE &&
	       me.slots_count > 0;
}

static enum status add_listener(void *arg, int fd)
{
	return cluster_driver_listen(arg, fd);
}

static enum status make_driver(struct cluster_node *n, struct buf *error)
{
	struct server *s = n->server;
	struct cluster_driver_node node = {
	    .now = on_now,
	    .role = on_role,
	    .pause = on_pause,
	    .routes = on_routes,
	    .publish = on_publish,
	    .handover = on_handover,
	    .may_speak = on_may_speak,
	    .mid_script = on_mid_script,
	    .fatal = on_fatal,
	    .ctx = n,
	};
	struct cluster_driver_options opts = {
	    .base = s->base,
	    .keys = {.in_slot = keys_in_slot, .total = keys_in_all, .ctx = n},
	    .nodes_max = (uint32_t)config_int(s->config, CONFIG_CLUSTER_NODES_MAX),
	    .store_is_new = n->store_is_new,
	    .trace_debug = config_int(s->config, CONFIG_LOGLEVEL) == 0,
	    .link_output_max = (uint64_t)config_int(s->config, CONFIG_CLUSTER_SENDBUF_LIMIT),
	    .source_addr = config_text(s->config, CONFIG_BIND_SOURCE_ADDR),
	    .tls = s->tls,
	    .path = n->path,
	};

	if (getrandom(&opts.seed, sizeof opts.seed, 0) != (ssize_t)sizeof opts.seed) {
		buf_note(error, "no randomness from the system: %m");
		return ST_IO;
	}
	cluster_settings_of(s, &opts.settings);
	return cluster_driver_create(&opts, &node, &n->start, &n->driver, error);
}

enum status cluster_node_start(struct cluster_node *n, struct buf *error)
{
	struct server *s;
	uint16_t port;
	enum status st;

	if (n == NULL) {
		return ST_OK;
	}
	s = n->server;
	port = cluster_bus_port(s);
	if (port == 0) {
		buf_note(error, "Redis port number too high for cluster mode. The cluster bus port "
				"is 10000 more, and at most 65535: set port to 55535 or less, or "
				"cluster-port.");
		return ST_INVALID;
	}
	if (!cluster_settings_valid(s->config, error)) {
		return ST_INVALID;
	}
	s->now_fresh = false; /* recovery took its time */
	st = make_driver(n, error);
	if (st == ST_OK) {
		st = listen_sockets(config_text(s->config, CONFIG_BIND), port,
				    (int)config_int(s->config, CONFIG_TCP_BACKLOG), add_listener,
				    n->driver, error);
	}
	if (st == ST_OK) {
		n->bus_port = port;
		s->host.cluster = cluster_driver_core(n->driver);
		cluster_driver_start(n->driver);
	}
	return st;
}
