/* What commands ask of the node: clients, settings, shutdown, facts of the process. */
#include "engine/base/logger.h"
#include "net/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

static struct server *server_of(struct command_host *h)
{
	return (struct server *)(void *)h; /* its first member */
}

static void fill_info(const struct conn *c, struct client_info *out)
{
	*out = (struct client_info){
	    .session = &c->session,
	    .fd = c->fd,
	    .qbuf = c->in.len,
	    .qbuf_free = c->in.cap - c->in.len,
	    .obl = conn_output(c),
	    .omem = c->out.cap,
	    .tot_mem = sizeof *c + c->in.cap + c->out.cap + c->session.queue_bytes,
	};
	size_t n = 0;

	/* Redis's letters: x in MULTI, d watched keys broken, c closing, b waiting, U Unix socket,
	 * e no-evict. */
	if (c->session.in_multi) {
		out->flags[n++] = 'x';
	}
	if (c->session.watch_broken) {
		out->flags[n++] = 'd';
	}
	if (c->session.close_after_reply) {
		out->flags[n++] = 'c';
	}
	if (c->wait == CONN_LATER || c->wait == CONN_COLD) {
		out->flags[n++] = 'b';
	}
	if (c->session.addr[0] == '/') {
		out->flags[n++] = 'U';
	}
	if (c->session.no_evict) {
		out->flags[n++] = 'e';
	}
	if (c->session.no_touch) {
		out->flags[n++] = 'T';
	}
	if (n == 0) {
		out->flags[n++] = 'N';
	}
}

static void each_client(struct command_host *h,
			void (*each)(void *arg, const struct client_info *c), void *arg)
{
	for (const struct conn *c = server_of(h)->conns; c != NULL; c = c->next) {
		struct client_info info;

		if (!c->dead) {
			fill_info(c, &info);
			each(arg, &info);
		}
	}
}

static bool kill_client(struct command_host *h, uint64_t id, const struct session *caller)
{
	for (struct conn *c = server_of(h)->conns; c != NULL; c = c->next) {
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
	return false;
}

static void pause_clients(struct command_host *h, uint64_t until_ms, bool writes_only)
{
	struct server *s = server_of(h);

	s->pause_until_ms = until_ms;
	s->pause_writes_only = writes_only;
}

static enum status begin_shutdown(struct command_host *h, unsigned flags)
{
	struct server *s = server_of(h);

	s->stopping = true;
	s->shutdown_flags = flags;
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
	config_each(server_of(h)->config, pattern, each, arg);
}

static enum status set_config(struct command_host *h, const struct slice *pairs, size_t count,
			      struct buf *error)
{
	struct server *s = server_of(h);
	enum status st = config_set_pairs(s->config, pairs, count, true, error);

	if (st == ST_OK) {
		host_apply_config(s);
	}
	return st;
}

static enum status rewrite_config(struct command_host *h, struct buf *error)
{
	return config_rewrite(server_of(h)->config, error);
}

static const char *value_of(struct command_host *h, const char *name)
{
	struct server *s = server_of(h);
	enum config_id id = config_find(slice_str(name));

	return id == CONFIG_COUNT ? NULL
	       : id == CONFIG_DIR ? s->run_dir
				  : config_text(s->config, id);
}

static void reset_stats(struct command_host *h)
{
	struct node_stats *st = &h->stats;
	uint64_t clients = st->clients, blocked = st->blocked_clients, maxclients = st->maxclients;

	*st = (struct node_stats){
	    .clients = clients, .blocked_clients = blocked, .maxclients = maxclients};
	server_of(h)->sample.at_ms = 0;
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
    .kill_client = kill_client,
    .pause = pause_clients,
    .shutdown = begin_shutdown,
    .shutdown_abort = abort_shutdown,
    .config_get = get_config,
    .config_set = set_config,
    .config_rewrite = rewrite_config,
    .config_value = value_of,
    .stats_reset = reset_stats,
    .process = process_facts,
};

void host_apply_config(struct server *s)
{
	static const enum wal_fsync policies[] = {WAL_FSYNC_EVERYSEC, WAL_FSYNC_ALWAYS,
						  WAL_FSYNC_NO};
	const struct config *c = s->config;

	s->host.password = config_text(c, CONFIG_REQUIREPASS);
	s->host.stats.maxclients = (uint64_t)config_int(c, CONFIG_MAXCLIENTS);
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
}
