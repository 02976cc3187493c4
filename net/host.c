/* What commands ask of the node: clients, settings, shutdown, facts of the process. */
#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "engine/base/waiting.h"
#include "net/cluster_host.h"
#include "net/divergent_files.h"
#include "net/process.h"
#include "net/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

static void fill_info(const struct conn *c, struct client_info *out)
{
	*out = (struct client_info){
	    .session = &c->session,
	    .fd = c->stream.fd,
	    .qbuf = c->in.len,
	    .qbuf_free = c->in.cap - c->in.len,
	    .obl = conn_output(c),
	    .omem = conn_output(c) > 0 ? c->out.cap : 0,
	    .tot_mem = sizeof *c + c->in.cap + c->out.cap + c->session.queue_bytes,
	};
	size_t n = 0;

	/* What the session does not know: b waiting, U Unix socket. */
	if (c->wait == CONN_LATER || c->wait == CONN_EVENT || c->wait == CONN_BLOCKED ||
	    c->wait == CONN_COLD || c->wait == CONN_PAUSED) {
		out->flags[n++] = 'b';
	}
	if (c->unix_socket) {
		out->flags[n] = 'U';
	}
}

/* Sessions that run commands are connections: a replica's has been detached. */
static void client_info(struct command_host *h, const struct session *session,
			struct client_info *out)
{
	(void)h;
	fill_info((const struct conn *)(const void *)session, out);
}

static void each_client(struct command_host *h,
			void (*each)(void *arg, const struct client_info *c), void *arg)
{
	for (const struct conn *c = server_of_host(h)->conns; c != NULL; c = c->next) {
		struct client_info info;

		if (!c->dead) {
			fill_info(c, &info);
			each(arg, &info);
		}
	}
	replication_each_client(server_of_host(h)->replication, each, arg);
}

static struct session *find_client(struct command_host *h, uint64_t id)
{
	for (struct conn *c = server_of_host(h)->conns; c != NULL; c = c->next) {
		if (!c->dead && c->session.id == id) {
			return &c->session;
		}
	}
	return NULL;
}

/* Sessions that run commands are connections: a replica's has been detached. */
static bool run_blocked(struct command_host *h, struct session *session)
{
	(void)h;
	return conn_run_blocked((struct conn *)(void *)session);
}

static void unblocked(struct command_host *h, struct session *session)
{
	(void)h;
	conn_unblock((struct conn *)(void *)session);
}

static bool kill_client(struct command_host *h, uint64_t id, const struct session *caller)
{
	for (struct conn *c = server_of_host(h)->conns; c != NULL; c = c->next) {
		if (c->dead || c->session.id != id) {
			continue;
		}
		if (&c->session == caller) {
			c->session.close_after_reply = true;
		} else {
			conn_close(c);
		}
		return true;
	}
	return replication_kill_client(server_of_host(h)->replication, id);
}

/* Sessions that subscribe are connections: a replica's has been detached. */
static void push_message(struct command_host *h, struct session *session, struct slice message,
			 uint64_t lsn)
{
	(void)h;
	conn_push((struct conn *)(void *)session, message, lsn);
}

static void pause_clients(struct command_host *h, uint64_t until_ms, bool writes_only)
{
	struct server *s = server_of_host(h);
	uint64_t until = until_ms > s->now_ms ? s->mono_ms + (until_ms - s->now_ms) : 0;
	bool paused = s->pause_until_ms > s->mono_ms;

	/* One pause on top of another never lets through what that one holds back. */
	if (until_ms == 0) {
		s->pause_until_ms = 0;
	} else if (until > s->pause_until_ms || !paused) {
		s->pause_until_ms = until;
	}
	s->pause_writes_only = writes_only && (!paused || s->pause_writes_only);
}

static void stand_still(struct command_host *h, uint64_t us)
{
	struct server *s = server_of_host(h);

	waiting_pause_us(us);
	s->now_fresh = false;
	server_refresh_clock(s);
}

static enum status begin_shutdown(struct command_host *h, unsigned flags)
{
	/* The log is synced and closed in any case: SAVE and NOSAVE lose nothing. */
	server_of_host(h)->shutdown_now = (flags & SHUTDOWN_NOW) != 0;
	server_of_host(h)->stopping = true;
	return ST_OK;
}

/* A shutdown is over within the turn that began it, so there is never one to take back. */
static bool abort_shutdown(struct command_host *h)
{
	(void)h;
	return false;
}

static void get_config(struct command_host *h, struct slice pattern,
		       void (*each)(void *arg, const char *name, const char *value), void *arg)
{
	config_each(server_of_host(h)->config, pattern, each, arg);
}

static enum status set_config(struct command_host *h, const struct slice *pairs, size_t count,
			      bool local, struct buf *error)
{
	return config_set_pairs(server_of_host(h)->config, pairs, count, local, error);
}

static enum status rewrite_config(struct command_host *h, struct buf *error)
{
	return config_rewrite(server_of_host(h)->config, error);
}

static const char *value_of(struct command_host *h, const char *name)
{
	enum config_id id = config_find(slice_str(name));

	return id == CONFIG_COUNT ? NULL : config_text(server_of_host(h)->config, id);
}

static void reset_stats(struct command_host *h)
{
	struct node_stats *st = &h->stats;
	uint64_t clients = st->clients, blocked = st->blocked_clients, maxclients = st->maxclients;

	*st = (struct node_stats){
	    .clients = clients, .blocked_clients = blocked, .maxclients = maxclients};
	server_of_host(h)->sample.at_ms = 0;
}

/* --- the process --- */

static uint64_t rss_bytes(void)
{
	unsigned long long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL) {
		return 0;
	}
	if (fscanf(f, "%llu %llu", &size, &resident) != 2) {
		resident = 0;
	}
	(void)fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void process_facts(struct command_host *h, struct process_facts *out)
{
	struct rusage usage;
	struct utsname name;

	(void)h;
	*out = (struct process_facts){
	    .rss_bytes = rss_bytes(),
	    .memory_total_bytes =
		(uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE),
	};
	(void)getrusage(RUSAGE_SELF, &usage);
	out->cpu_sys = seconds(usage.ru_stime);
	out->cpu_user = seconds(usage.ru_utime);
	(void)getrusage(RUSAGE_CHILDREN, &usage);
	out->cpu_sys_children = seconds(usage.ru_stime);
	out->cpu_user_children = seconds(usage.ru_utime);
	(void)getrusage(RUSAGE_THREAD, &usage);
	out->cpu_sys_main = seconds(usage.ru_stime);
	out->cpu_user_main = seconds(usage.ru_utime);
	if (uname(&name) == 0) {
		(void)snprintf(out->os, sizeof out->os, "%.40s %.60s %.20s", name.sysname,
			       name.release, name.machine);
	}
}

const struct command_host_ops server_host_ops = {
    .each_client = each_client,
    .client_info = client_info,
    .read_acl = users_file_read,
    .write_acl = users_file_write,
    .kill_client = kill_client,
    .find_client = find_client,
    .run_blocked = run_blocked,
    .unblocked = unblocked,
    .pause = pause_clients,
    .push = push_message,
    .shutdown = begin_shutdown,
    .shutdown_abort = abort_shutdown,
    .config_get = get_config,
    .config_set = set_config,
    .config_rewrite = rewrite_config,
    .config_value = value_of,
    .stats_reset = reset_stats,
    .process = process_facts,
    .replication = replication_view,
    .each_replica = replication_each_replica,
    .replicaof = replication_of,
    .acked = replication_acked,
    .want_acks = replication_want_acks,
    .walstream = replication_walstream,
    .psync = replication_psync,
    .failover = replication_failover,
    .fate = replication_fate,
    .divergent_each = divergent_files_each,
    .divergent_drop = divergent_files_drop,
    .migrate = &migrate_pool_ops,
    .archive_reading = &divergent_files_reading,
    .serve_busy = busy_serve,
    .serve_bus = busy_serve_bus,
    .stand_still = stand_still,
    .cluster_command = cluster_host_command,
    .cluster_publish = cluster_host_publish,
    .each_cluster_link = cluster_host_each_link,
};

void host_apply_config(struct server *s)
{
	static const enum wal_fsync policies[] = {WAL_FSYNC_EVERYSEC, WAL_FSYNC_ALWAYS,
						  WAL_FSYNC_NO};
	const struct config *c = s->config;

	s->host.stats.maxclients = (uint64_t)config_int(c, CONFIG_MAXCLIENTS);
	config_output_limits(c, &s->output_limit, &s->pubsub_limit);
	logger_set_level((enum log_level)config_int(c, CONFIG_LOGLEVEL));
	if (s->engine == NULL) {
		return;
	}
	engine_set_fsync(s->engine, policies[config_int(c, CONFIG_APPENDFSYNC)]);
	engine_set_wal(s->engine, (int)config_int(c, CONFIG_WAL_COMPRESSION_LEVEL),
		       (uint64_t)config_int(c, CONFIG_WAL_KEEP_SIZE),
		       (uint64_t)config_int(c, CONFIG_WAL_KEEP_TIME) * 1000);
	engine_set_memtable_max(s->engine, (uint64_t)config_int(c, CONFIG_MEMTABLE_MAX));
	dispatch_config_changed(s->dispatch);
	if (s->replication != NULL) {
		replication_update_rules(s->replication);
	}
}

/* bind, port and tls-port. */
static enum status apply_addresses(struct server *s, const bool changed[], struct buf *error)
{
	const char *bind = config_text(s->config, CONFIG_BIND);
	int port = (int)config_int(s->config, CONFIG_PORT);
	int tls_port = (int)config_int(s->config, CONFIG_TLS_PORT);
	char *copy;

	if (port == s->port_in_force && tls_port == s->tls_port_in_force &&
	    strcmp(bind, s->bind_in_force) == 0) {
		return ST_OK;
	}
	copy = mem_strdup(bind);
	if (copy == NULL) {
		return ST_NO_MEMORY;
	}
	if (listener_rebind(s) != ST_OK) {
		buf_note(error, "%s",
			 changed[CONFIG_PORT]
			     ? "port') - Unable to listen on this port. Check server logs."
			 : changed[CONFIG_TLS_PORT]
			     ? "tls-port') - Unable to listen on this port. Check server logs."
			     : "bind') - Failed to bind to specified addresses.");
		mem_free(copy);
		return ST_IO;
	}
	mem_free(s->bind_in_force);
	s->bind_in_force = copy;
	s->port_in_force = port;
	s->tls_port_in_force = tls_port;
	s->host.tcp_port = server_port(s, false);
	return ST_OK;
}

enum status host_apply_changes(void *server, const bool changed[], struct buf *error)
{
	struct server *s = server;
	enum status st = ST_OK;

	if (changed[CONFIG_MAXCLIENTS]) {
		int64_t want = config_int(s->config, CONFIG_MAXCLIENTS);
		int64_t may = process_raise_fd_limit(want);

		if (may < want) {
			buf_note(error,
				 "maxclients') - The operating system is not able to handle the "
				 "specified number of clients, try with %lld",
				 (long long)may);
			return ST_LIMIT;
		}
	}
	if (changed[CONFIG_REQUIREPASS]) {
		st = dispatch_set_password(s->dispatch, config_text(s->config, CONFIG_REQUIREPASS));
	}
	if (st == ST_OK && server_tls_changed(changed) && server_tls_configure(s, NULL) != ST_OK) {
		buf_note(error, "%s') - Unable to update TLS configuration. Check server logs.",
			 server_tls_changed_name(changed));
		st = ST_INVALID;
	}
	if (st == ST_OK &&
	    (changed[CONFIG_BIND] || changed[CONFIG_PORT] || changed[CONFIG_TLS_PORT])) {
		st = apply_addresses(s, changed, error);
	}
	if (st == ST_OK) {
		st = cluster_node_configure(s->cluster, error);
	}
	if (st == ST_OK) {
		if (changed[CONFIG_HZ]) {
			server_set_hz(s, config_int(s->config, CONFIG_HZ));
		}
		host_apply_config(s);
		tls_take(s->tls);
	}
	tls_drop(s->tls); /* when another directive of the same CONFIG SET was refused */
	return st;
}
