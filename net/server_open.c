/* Making the node out of its parts, and taking it apart. */
#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "net/archive_reader.h"
#include "net/node_store.h"
#include "net/process.h"
#include "net/server.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	EXIT_DAMAGE = 65,
	EXIT_CANNOT_CREATE = 73,
	EXIT_IO = 74,
};

static int exit_code_of(enum status st)
{
	switch (st) {
	case ST_CORRUPT:
	case ST_VERSION:
		return EXIT_DAMAGE;
	case ST_NO_SPACE:
		return EXIT_CANNOT_CREATE;
	case ST_IO:
		return EXIT_IO; /* the disk's; a port that is taken is 1, as in Redis */
	default:
		return 1;
	}
}

static enum status open_loop(struct server *s)
{
	s->base = event_base_new();
	s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s->read_shared = mem_alloc(READ_SHARED);
	if (s->base == NULL || s->wake_fd < 0 || s->read_shared == NULL) {
		return ST_NO_MEMORY;
	}
	s->wake_event = event_new(s->base, s->wake_fd, EV_READ | EV_PERSIST, server_on_wake, s);
	s->cron_event = event_new(s->base, -1, EV_PERSIST, server_on_cron, s);
	s->expire_event = event_new(s->base, -1, 0, server_on_expire, s);
	s->turn_event = event_new(s->base, -1, 0, server_on_turn, s);
	s->term_event = event_new(s->base, SIGTERM, EV_SIGNAL | EV_PERSIST, server_on_signal, s);
	s->int_event = event_new(s->base, SIGINT, EV_SIGNAL | EV_PERSIST, server_on_signal, s);
	if (s->wake_event == NULL || s->cron_event == NULL || s->expire_event == NULL ||
	    s->turn_event == NULL || s->term_event == NULL || s->int_event == NULL) {
		return ST_NO_MEMORY;
	}
	(void)event_add(s->wake_event, NULL);
	server_set_hz(s, config_int(s->config, CONFIG_HZ));
	(void)event_add(s->term_event, NULL);
	(void)event_add(s->int_event, NULL);
	return ST_OK;
}

static void fill_host(struct server *s, const char *executable)
{
	uint8_t id[20];

	s->host.ops = &server_host_ops;
	s->host.tcp_port = server_port(s, false);
	s->host.pid = getpid();
	s->host.config_file = s->config->file == NULL ? "" : s->config->file;
	s->host.executable =
	    realpath("/proc/self/exe", s->executable) != NULL ? s->executable : executable;
	s->host.supervisor = process_supervisor(s->config);
	s->host.start_mono_us = clock_system()->mono_us(NULL);
	s->host.start_wall_ms = clock_system()->wall_ms(NULL);
	if (getrandom(id, sizeof id, 0) == (ssize_t)sizeof id) {
		for (size_t i = 0; i < sizeof id; i++) {
			(void)snprintf(s->host.run_id + 2 * i, 3, "%02x", id[i]);
		}
	}
}

static enum status rename_commands(struct server *s, struct buf *error)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < s->config->renames_count; i++) {
		const struct config_rename *r = &s->config->renames[i];

		st = dispatch_rename(s->dispatch, r->from, r->to);
		if (st != ST_OK) {
			buf_note(error, "rename-command %s %s: %s", r->from, r->to,
				 st == ST_NOT_FOUND ? "No such command in rename-command"
						    : "Target command name already exists");
		}
	}
	return st;
}

/* What the cluster decides is not configured as well. */
static enum status check_cluster(const struct config *config, struct buf *error)
{
	const char *of = config_text(config, CONFIG_REPLICAOF);

	if (config_int(config, CONFIG_CLUSTER_ENABLED) != 0 && of[0] != 0 &&
	    strcasecmp(of, "no one") != 0) {
		buf_note(error, "replicaof directive not allowed in cluster mode");
		return ST_INVALID;
	}
	return ST_OK;
}

/* What is in force of the settings that name addresses, and TLS. */
static enum status take_addresses(struct server *s, struct buf *error)
{
	const struct config *config = s->config;
	enum status st;

	s->bind_in_force = mem_strdup(config_text(config, CONFIG_BIND));
	s->port_in_force = (int)config_int(config, CONFIG_PORT);
	s->tls_port_in_force = (int)config_int(config, CONFIG_TLS_PORT);
	s->tls = tls_create();
	if (s->bind_in_force == NULL || s->tls == NULL) {
		return ST_NO_MEMORY;
	}
	st = server_tls_configure(s, error);
	tls_take(s->tls);
	return st;
}

/* What does for commands what takes long. */
static enum status create_workers(struct server *s)
{
	enum status st = migrate_pool_create(s, &s->migrate_pool);

	return st == ST_OK ? archive_reader_create(s->run_dir, server_wake, s, &s->archive_reader)
			   : st;
}

enum status server_open(struct config *config, const char *executable, struct server **out,
			struct buf *error, int *exit_code)
{
	struct server *s = mem_calloc(1, sizeof *s);
	struct dispatch_options dopts = {.clock = clock_system()};
	char dir[PATH_MAX];
	enum status st = s == NULL ? ST_NO_MEMORY : ST_OK;

	if (st == ST_OK) {
		s->config = config;
		s->wake_fd = -1;
		server_refresh_clock(s);
		s->wall_lead_ms = (int64_t)(s->now_ms - s->mono_ms);
		s->run_dir = getcwd(dir, sizeof dir) == NULL ? NULL : mem_strdup(dir);
		st = s->run_dir == NULL ? ST_NO_MEMORY : ST_OK;
	}
	if (st == ST_OK) {
		fill_host(s, executable);
		host_apply_config(s);
		dopts.host = &s->host;
		st = open_loop(s);
	}
	if (st == ST_OK) {
		st = take_addresses(s, error);
	}
	if (st == ST_OK) {
		st = dispatch_create(&dopts, &s->dispatch);
	}
	if (st == ST_OK) {
		st = rename_commands(s, error);
	}
	st = st == ST_OK ? check_cluster(config, error) : st;
	if (st == ST_OK) {
		dispatch_config_changed(s->dispatch); /* acl-pubsub-default */
		st = users_load(s, error);
	}
	if (st == ST_OK) {
		st = cluster_node_load(s, &s->cluster, error);
	}
	if (st == ST_OK) {
		st = node_store_open(s, error);
	}
	if (st == ST_OK) {
		dispatch_config_changed(s->dispatch);
		st = replication_create(s, &s->replication);
	}
	if (st == ST_OK) {
		st = create_workers(s);
	}
	if (st == ST_OK) {
		st = listener_open_all(s, error);
	}
	if (st == ST_OK) {
		st = cluster_node_start(s->cluster, error);
	}
	if (st == ST_OK) {
		config->apply = host_apply_changes;
		config->apply_arg = s;
		config->users_text = users_write;
	}
	if (st != ST_OK) {
		if (error->len == 0) {
			buf_note(error, "cannot start: %s", status_text(st));
		}
		*exit_code = exit_code_of(st);
		(void)server_close(s);
		return st;
	}
	*out = s;
	return ST_OK;
}

static void free_event(struct event *ev)
{
	if (ev != NULL) {
		event_free(ev);
	}
}

bool server_close(struct server *s)
{
	bool ok = true;

	if (s == NULL) {
		return true;
	}
	listener_close_all(s);
	cluster_node_destroy(s->cluster);
	s->cluster = NULL;
	replication_destroy(s->replication);
	prefetch_stop(s->prefetch);
	if (s->engine != NULL) {
		enum status st;

		/* The log is synced by closing it. */
		st = engine_close(s->engine);
		if (st != ST_OK) {
			logger(LOG_LVL_WARNING, "closing the store: %s", status_text(st));
			ok = false;
		}
	}
	for (struct conn *c = s->conns; c != NULL; c = c->next) {
		conn_close(c);
		c->in_dirty = false;
		c->in_gated = false;
	}
	conn_reap(s);
	migrate_pool_destroy(s->migrate_pool);
	archive_reader_destroy(s->archive_reader);
	if (s->dispatch != NULL) {
		dispatch_destroy(s->dispatch);
	}
	free_event(s->wake_event);
	free_event(s->cron_event);
	free_event(s->expire_event);
	free_event(s->turn_event);
	free_event(s->term_event);
	free_event(s->int_event);
	if (s->base != NULL) {
		event_base_free(s->base);
	}
	if (s->wake_fd >= 0) {
		(void)close(s->wake_fd);
	}
	buf_deinit(&s->dictionary);
	mem_free(s->read_shared);
	mem_free(s->bind_in_force);
	tls_destroy(s->tls);
	mem_free(s->run_dir);
	mem_free(s);
	return ok;
}
