/* The node: engine, dispatch, listeners and clients under one event loop.
 *
 * A turn: libevent calls back for what is ready (reads run requests at once), then engine_turn_end
 * hands the turn's records to the WAL thread, and each client that has output is written to once.
 */
#include "net/server.h"
#include "net/process.h"

#include "engine/base/alloc.h"
#include "engine/base/logger.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	EXPIRE_SLICE = 100,    /* keys between two looks at the clock */
	EXPIRE_STEP_US = 2000, /* the executor is never held longer than that */
	SAMPLE_MS = 1000,
	DRAIN_MS = 5000, /* how long the end waits for replies to leave */
	EXIT_DAMAGE = 65,
	EXIT_CANNOT_CREATE = 73,
	EXIT_IO = 74,
	DICTIONARY_MAX = 1 << 20,
};

void server_refresh_clock(struct server *s)
{
	if (!s->now_fresh) {
		s->now_ms = clock_system()->wall_ms(NULL);
		s->now_fresh = true;
	}
}

/* --- waking up --- */

/* From any thread: the WAL or a checkpoint moved, or a prefetch is through. */
static void wake(void *arg)
{
	struct server *s = arg;
	uint64_t one = 1;

	/* One pending wake-up is enough: a system call less per sync. */
	if (!atomic_exchange(&s->wake_pending, true) && write(s->wake_fd, &one, sizeof one) < 0) {
		return; /* full, so it is readable */
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof n) < 0) {
		return;
	}
	atomic_store(&s->wake_pending, false);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct server *s = arg;

	(void)what;
	if (s->stopping) {
		logger(LOG_LVL_WARNING, "You insist... exiting now.");
		_exit(1);
	}
	logger(LOG_LVL_WARNING, "Received %s scheduling shutdown...",
	       number == SIGTERM ? "SIGTERM" : "SIGINT");
	s->stopping = true;
}

/* --- what comes round every 100 ms --- */

static void sample_rates(struct server *s)
{
	struct node_stats *st = &s->host.stats;
	uint64_t ms = s->now_ms - s->sample.at_ms;

	if (s->sample.at_ms != 0 && ms > 0) {
		double per_s = 1000.0 / (double)ms;

		st->ops_per_sec = (double)(st->commands_processed - s->sample.commands) * per_s;
		st->input_kbps = (double)(st->net_input_bytes - s->sample.input) * per_s / 1024;
		st->output_kbps = (double)(st->net_output_bytes - s->sample.output) * per_s / 1024;
	}
	s->sample.at_ms = s->now_ms;
	s->sample.commands = st->commands_processed;
	s->sample.input = st->net_input_bytes;
	s->sample.output = st->net_output_bytes;
}

static void check_clients(struct server *s)
{
	uint64_t timeout_ms = (uint64_t)config_int(s->config, CONFIG_TIMEOUT) * 1000;
	uint64_t in_max = 0, out_max = 0;
	struct conn *next;

	for (struct conn *c = s->conns; c != NULL; c = next) {
		next = c->next;
		if (c->dead) {
			continue;
		}
		in_max = c->in.cap > in_max ? c->in.cap : in_max;
		out_max = c->out.cap > out_max ? c->out.cap : out_max;
		if (timeout_ms > 0 && c->wait == CONN_READY &&
		    s->now_ms - c->session.last_ms > timeout_ms) {
			logger(LOG_LVL_VERBOSE, "Closing idle client");
			conn_close(c);
		}
	}
	s->host.stats.input_buffer_max = in_max;
	s->host.stats.output_buffer_max = out_max;
}

/* Removes expired keys for a moment; when there are more, goes on after a rest that keeps it to a
 * quarter of the time, up to 43% by active-expire-effort, as in Redis. */
static void expire_step(struct server *s)
{
	uint64_t begin = clock_system()->mono_us(NULL), used = 0, rest;
	unsigned duty = 25 + 2 * (unsigned)(config_int(s->config, CONFIG_ACTIVE_EXPIRE_EFFORT) - 1);
	uint32_t removed = 1;
	struct timeval pause;

	if (s->host.no_active_expiry) {
		return;
	}
	while (removed > 0 && used < EXPIRE_STEP_US) {
		removed = engine_expire_cycle(s->engine, s->now_ms, EXPIRE_SLICE);
		used = clock_system()->mono_us(NULL) - begin;
	}
	if (removed == 0) {
		return;
	}
	rest = used * (100 - duty) / duty;
	pause = (struct timeval){.tv_sec = (time_t)(rest / 1000000),
				 .tv_usec = (suseconds_t)(rest % 1000000)};
	(void)event_add(s->expire_event, &pause);
}

static void on_expire(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd;
	(void)what;
	server_refresh_clock(s);
	expire_step(s);
}

static void on_cron(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	uint64_t mono_ms = clock_system()->mono_us(NULL) / 1000;

	(void)fd;
	(void)what;
	server_refresh_clock(s);
	if (!event_pending(s->expire_event, EV_TIMEOUT, NULL)) {
		expire_step(s);
	}
	if (mono_ms - s->sampled_ms >= SAMPLE_MS) {
		s->sampled_ms = mono_ms;
		sample_rates(s);
		check_clients(s);
	}
}

void server_set_hz(struct server *s, int64_t hz)
{
	struct timeval period = {.tv_sec = hz == 1, .tv_usec = hz == 1 ? 0 : 1000000 / hz};

	(void)event_add(s->cron_event, &period);
}

/* --- turns --- */

static struct conn *find_conn(struct server *s, uint64_t id)
{
	for (struct conn *c = s->conns; c != NULL; c = c->next) {
		if (c->session.id == id && !c->dead) {
			return c;
		}
	}
	return NULL;
}

/* Lets clients go on whose keys are in memory now. */
static void take_prefetched(struct server *s)
{
	uint64_t id;

	while (prefetch_take(s->prefetch, &id)) {
		struct conn *c = find_conn(s, id);

		s->host.stats.blocked_clients--;
		if (c != NULL) {
			c->wait = CONN_READY;
			c->no_wait = true;
			conn_run(c);
		}
	}
}

/* Writes to every client that this turn touched, and gives those another go that wait for the next
 * turn. True: some do. */
static bool finish_clients(struct server *s, uint64_t now_us)
{
	struct conn *c = s->dirty;
	bool again = false;

	s->dirty = NULL;
	while (c != NULL) {
		struct conn *next = c->dirty_next;

		c->in_dirty = false;
		c->dirty_next = NULL;
		conn_flush(c);
		if (!c->dead &&
		    (c->wait == CONN_LATER || c->wait == CONN_HELD || c->wait == CONN_PAUSED)) {
			/* What it waits for may have come; if not, it is back on the list. */
			bool due = c->wait == CONN_LATER ||
				   (c->wait == CONN_HELD && c->hold_until_us <= now_us) ||
				   (c->wait == CONN_PAUSED && s->pause_until_ms <= s->now_ms);

			again = true;
			conn_touch(c);
			if (due) {
				c->wait = CONN_READY;
			}
		}
		c = next;
	}
	return again;
}

/* Runs what became due. */
static void run_due(struct server *s)
{
	struct conn *c = s->dirty;

	while (c != NULL) {
		struct conn *next = c->dirty_next;

		if (!c->dead && c->wait == CONN_READY && (c->in.len > 0 || !c->reading) &&
		    !c->session.close_after_reply) {
			if (c->in.len > 0) {
				conn_run(c);
			} else {
				conn_resume(c);
			}
		}
		c = next;
	}
}

/* Gated clients whose LSN may have come. */
static void release_gated(struct server *s)
{
	struct conn *c = s->gated;

	s->gated = NULL;
	while (c != NULL) {
		struct conn *next = c->gated_next;

		c->in_gated = false;
		conn_flush(c);
		c = next;
	}
}

/* One turn. again: clients wait for the next turn, so it comes soon whatever happens. Returns
 * whether some still do. */
static bool turn(struct server *s, bool again)
{
	if (again) {
		struct timeval soon = {.tv_usec = 500};

		(void)event_base_loopexit(s->base, &soon);
	}
	s->now_fresh = false;
	(void)event_base_loop(s->base, EVLOOP_ONCE);
	server_refresh_clock(s);
	run_due(s);
	take_prefetched(s);
	(void)engine_turn_end(s->engine);
	release_gated(s);
	again = finish_clients(s, clock_system()->mono_us(NULL));
	conn_reap(s);
	return again;
}

/* What has run is answered, as far as clients read and the log acknowledges in time. */
static void drain(struct server *s)
{
	uint64_t end = clock_system()->mono_us(NULL) + DRAIN_MS * 1000;
	bool waiting = true;

	listener_close_all(s);
	for (struct conn *c = s->conns; c != NULL; c = c->next) {
		conn_stop(c);
	}
	while (waiting && clock_system()->mono_us(NULL) < end) {
		(void)turn(s, true);
		waiting = false;
		for (struct conn *c = s->conns; c != NULL && !waiting; c = c->next) {
			waiting = !c->dead;
		}
	}
}

int server_run(struct server *s)
{
	bool again = false;

	logger(LOG_LVL_NOTICE, "Ready to accept connections");
	while (!s->stopping) {
		again = turn(s, again);
	}
	logger(LOG_LVL_WARNING, "User requested shutdown...");
	drain(s);
	return 0;
}

/* --- open and close --- */

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

static enum status read_dictionary(const char *path, struct buf *out, struct buf *error)
{
	FILE *f = fopen(path, "re");
	enum status st;

	if (f == NULL) {
		buf_note(error, "wal-dictionary %s: %m", path);
		return ST_NOT_FOUND;
	}
	st = buf_reserve(out, DICTIONARY_MAX + 1);
	if (st == ST_OK) {
		out->len = fread(out->data, 1, DICTIONARY_MAX + 1, f);
		if (out->len > DICTIONARY_MAX) {
			buf_note(error, "wal-dictionary %s is over 1 MiB", path);
			st = ST_LIMIT;
		}
	}
	(void)fclose(f);
	return st;
}

static enum status open_engine(struct server *s, struct buf *error)
{
	static const enum wal_fsync policies[] = {WAL_FSYNC_EVERYSEC, WAL_FSYNC_ALWAYS,
						  WAL_FSYNC_NO};
	const struct config *c = s->config;
	const char *archive = config_text(c, CONFIG_WAL_ARCHIVE_DIR);
	const char *dictionary = config_text(c, CONFIG_WAL_DICTIONARY);
	struct engine_options opts = {
	    .dir = s->run_dir,
	    .io = io_posix(),
	    .clock = clock_system(),
	    .map_size_max = (uint64_t)config_int(c, CONFIG_MAP_SIZE_MAX),
	    .memtable_max = (uint64_t)config_int(c, CONFIG_MEMTABLE_MAX),
	    .checkpoint_interval_ms = (uint32_t)config_int(c, CONFIG_CHECKPOINT_INTERVAL) * 1000,
	    .wal_archive_dir = archive[0] == 0 ? NULL : archive,
	    .wal_segment_size = (uint64_t)config_int(c, CONFIG_WAL_SEGMENT_SIZE),
	    .wal_keep_size = (uint64_t)config_int(c, CONFIG_WAL_KEEP_SIZE),
	    .wal_keep_ms = (uint64_t)config_int(c, CONFIG_WAL_KEEP_TIME) * 1000,
	    .wal_compression_level = (int)config_int(c, CONFIG_WAL_COMPRESSION_LEVEL),
	    .fsync = policies[config_int(c, CONFIG_APPENDFSYNC)],
	    .wakeup = wake,
	    .wakeup_arg = s,
	    .touched = dispatch_touched,
	    .touched_arg = s->dispatch,
	};
	struct buf bytes = {0};
	enum status st = ST_OK;

	if (getrandom(&opts.seed, sizeof opts.seed, 0) != (ssize_t)sizeof opts.seed) {
		buf_note(error, "no randomness from the system: %m");
		return ST_IO;
	}
	if (dictionary[0] != 0) {
		st = read_dictionary(dictionary, &bytes, error);
		opts.wal_dictionary = buf_slice(&bytes);
	}
	if (st == ST_OK) {
		st = engine_open(&opts, &s->engine, error);
	}
	s->dictionary = bytes;
	return st;
}

static enum status open_loop(struct server *s)
{
	s->base = event_base_new();
	s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s->read_shared = mem_alloc(READ_SHARED);
	if (s->base == NULL || s->wake_fd < 0 || s->read_shared == NULL) {
		return ST_NO_MEMORY;
	}
	s->wake_event = event_new(s->base, s->wake_fd, EV_READ | EV_PERSIST, on_wake, s);
	s->cron_event = event_new(s->base, -1, EV_PERSIST, on_cron, s);
	s->expire_event = event_new(s->base, -1, 0, on_expire, s);
	s->term_event = event_new(s->base, SIGTERM, EV_SIGNAL | EV_PERSIST, on_signal, s);
	s->int_event = event_new(s->base, SIGINT, EV_SIGNAL | EV_PERSIST, on_signal, s);
	if (s->wake_event == NULL || s->cron_event == NULL || s->expire_event == NULL ||
	    s->term_event == NULL || s->int_event == NULL) {
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
	s->host.tcp_port = (int)config_int(s->config, CONFIG_PORT);
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
		s->now_ms = clock_system()->wall_ms(NULL);
		s->run_dir = getcwd(dir, sizeof dir) == NULL ? NULL : mem_strdup(dir);
		st = s->run_dir == NULL ? ST_NO_MEMORY : ST_OK;
	}
	if (st == ST_OK) {
		fill_host(s, executable);
		s->bind_in_force = mem_strdup(config_text(config, CONFIG_BIND));
		s->port_in_force = (int)config_int(config, CONFIG_PORT);
		host_apply_config(s);
		dopts.host = &s->host;
		st = open_loop(s);
	}
	if (st == ST_OK) {
		st = dispatch_create(&dopts, &s->dispatch);
	}
	if (st == ST_OK) {
		st = rename_commands(s, error);
	}
	if (st == ST_OK) {
		st = open_engine(s, error);
	}
	if (st == ST_OK) {
		dispatch_set_engine(s->dispatch, s->engine);
		dispatch_config_changed(s->dispatch);
		st = prefetch_start(s->engine,
				    (unsigned)config_int(config, CONFIG_COLD_READ_THREADS), wake, s,
				    &s->prefetch);
	}
	if (st == ST_OK) {
		st = listener_open_all(s, error);
	}
	if (st == ST_OK) {
		config->apply = host_apply_changes;
		config->apply_arg = s;
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
	if (s->dispatch != NULL) {
		dispatch_destroy(s->dispatch);
	}
	free_event(s->wake_event);
	free_event(s->cron_event);
	free_event(s->expire_event);
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
	mem_free(s->run_dir);
	mem_free(s);
	return ok;
}
