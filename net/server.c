/* The node: engine, dispatch, listeners and clients under one event loop.
 *
 * A turn: libevent calls back for what is ready (reads run requests at once), then engine_turn_end
 * hands the turn's records to the WAL thread, and each client that has output is written to once.
 */
#include "net/server.h"

#include "engine/base/logger.h"
#include "net/node_store.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	EXPIRE_SLICE = 100,    /* keys between two looks at the clock */
	EXPIRE_STEP_US = 2000, /* the executor is never held longer than that */
	SAMPLE_MS = 1000,
	CLOCK_JUMP_MS = 5000,
	LATER_US = 500,	     /* until a command that asked for it is tried again */
	PAUSE_LOOK_MS = 100, /* how often a paused client is looked at, at least */
	HANDED_OVER_TURNS = 20,
	DRAIN_MS = 5000, /* how long the end waits for replies to leave */
};

void server_refresh_clock(struct server *s)
{
	if (!s->now_fresh) {
		s->now_ms = clock_system()->wall_ms(NULL);
		s->mono_ms = clock_system()->mono_us(NULL) / 1000;
		s->now_fresh = true;
	}
}

/* --- waking up --- */

void server_wake(void *arg)
{
	struct server *s = arg;
	uint64_t one = 1;

	/* One pending wake-up is enough: a system call less per sync. */
	if (!atomic_exchange(&s->wake_pending, true) && write(s->wake_fd, &one, sizeof one) < 0) {
		return; /* full, so it is readable */
	}
}

void server_on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof n) < 0) {
		return;
	}
	atomic_store(&s->wake_pending, false);
	s->woken = true;
}

void server_on_signal(evutil_socket_t number, short what, void *arg)
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
	uint64_t ms = s->mono_ms - s->sample.at_ms;

	if (s->sample.at_ms != 0 && ms > 0) {
		double per_s = 1000.0 / (double)ms;

		st->ops_per_sec = (double)(st->commands_processed - s->sample.commands) * per_s;
		st->input_kbps = (double)(st->net_input_bytes - s->sample.input) * per_s / 1024;
		st->output_kbps = (double)(st->net_output_bytes - s->sample.output) * per_s / 1024;
	}
	s->sample.at_ms = s->mono_ms;
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
		if (timeout_ms > 0 && c->wait == CONN_READY && !session_listens(&c->session) &&
		    s->mono_ms - c->active_ms > timeout_ms) {
			logger(LOG_LVL_VERBOSE, "Closing idle client");
			conn_close(c);
			continue;
		}
		(void)conn_check_output(c);
	}
	conn_shaking_check(s);
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

	if (s->host.no_active_expiry || s->writes_held || s->pause_until_ms > s->mono_ms) {
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

void server_on_expire(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd;
	(void)what;
	server_refresh_clock(s);
	expire_step(s);
}

/* Times to live go by the wall clock; who turns it should find it in the log. */
static void watch_wall_clock(struct server *s)
{
	int64_t lead = (int64_t)(s->now_ms - s->mono_ms);
	int64_t jump = lead - s->wall_lead_ms;

	if (jump > CLOCK_JUMP_MS || jump < -CLOCK_JUMP_MS) {
		logger(LOG_LVL_WARNING,
		       "The system clock was set %s by %lld.%03lld s; keys expire by the new time.",
		       jump > 0 ? "forward" : "back", (long long)llabs(jump) / 1000,
		       (long long)llabs(jump) % 1000);
	}
	s->wall_lead_ms = lead;
}

void server_on_cron(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd;
	(void)what;
	server_refresh_clock(s);
	watch_wall_clock(s);
	if (s->host.cron_paused) {
		return;
	}
	replication_cron(s->replication);
	migrate_pool_cron(s->migrate_pool);
	cluster_node_cron(s->cluster);
	if (!event_pending(s->expire_event, EV_TIMEOUT, NULL)) {
		expire_step(s);
	}
	if (s->mono_ms - s->sampled_ms >= SAMPLE_MS) {
		s->sampled_ms = s->mono_ms;
		sample_rates(s);
		check_clients(s);
	}
}

void server_on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg; /* the turn that it ends does the rest */
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
	uint64_t ids[PREFETCH_TAKE_MAX];
	size_t n = prefetch_take(s->prefetch, ids);

	for (size_t i = 0; i < n; i++) {
		struct conn *c = find_conn(s, ids[i]);

		if (c != NULL) {
			conn_set_wait(c, CONN_READY);
			c->no_wait = true;
			conn_run(c);
		}
	}
}

/* How long the next turn may sleep because of this client, which waits for time to pass or for
 * something that nobody announces. */
static uint64_t wait_us(const struct server *s, const struct conn *c, uint64_t now_us)
{
	uint64_t us;

	switch (c->wait) {
	case CONN_LATER:
		return LATER_US;
	case CONN_EVENT:
		us = c->session.wait.deadline_ms * 1000;
		return us == 0 ? UINT64_MAX : us > now_us ? us - now_us : 0;
	case CONN_HELD:
		return c->hold_until_us > now_us ? c->hold_until_us - now_us : 0;
	case CONN_PAUSED:
		if (s->writes_held) {
			return LATER_US;
		}
		us = s->pause_until_ms > s->mono_ms ? (s->pause_until_ms - s->mono_ms) * 1000 : 0;
		return us < PAUSE_LOOK_MS * 1000 ? us : PAUSE_LOOK_MS * 1000;
	case CONN_FULL:
		return conn_output_taken(c) ? 0 : UINT64_MAX;
	case CONN_READY:
	case CONN_COLD:
	case CONN_BLOCKED:
		break;
	}
	return UINT64_MAX;
}

/* Reads on from clients whose TLS holds more than the last read took: no event tells of it. */
static void read_again(struct server *s)
{
	s->read_again = false;
	for (struct conn *c = s->dirty; c != NULL; c = c->dirty_next) {
		if (!c->dead && c->reading && c->stream.again) {
			conn_read(c);
		}
	}
}

/* Writes to every client that this turn touched, and gives those another go that wait for the next
 * turn. Returns how long that one may sleep, UINT64_MAX: until something happens. */
static uint64_t finish_clients(struct server *s, uint64_t now_us)
{
	struct conn *c = s->dirty;
	uint64_t sleep_us = UINT64_MAX;

	s->dirty = NULL;
	while (c != NULL) {
		struct conn *next = c->dirty_next;

		c->in_dirty = false;
		c->dirty_next = NULL;
		conn_flush(c);
		if (!c->dead && c->wait != CONN_READY) {
			uint64_t us = wait_us(s, c, now_us);

			if (c->wait == CONN_EVENT) {
				replication_want_acks(&s->host);
			}
			if (us != UINT64_MAX || c->wait == CONN_EVENT) {
				/* What it waits for may have come; if not, it is back on the
				 * list. */
				conn_touch(c);
				sleep_us = us < sleep_us ? us : sleep_us;
			}
			if (us == 0 || c->wait == CONN_LATER) {
				conn_set_wait(c, CONN_READY);
			}
		}
		if (c->stream.again && c->reading && !c->dead) {
			conn_touch(c);
			s->read_again = true;
			sleep_us = 0;
		}
		c = next;
	}
	return sleep_us;
}

/* Runs what became due. */
static void run_due(struct server *s)
{
	struct conn *c = s->dirty;

	while (c != NULL) {
		struct conn *next = c->dirty_next;

		if (c->wait == CONN_EVENT && s->woken) {
			conn_set_wait(c, CONN_READY);
		}
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
		if (c->wait == CONN_FULL) {
			conn_touch(c);
		}
		c = next;
	}
}

/* One turn, which sleeps at most so long for something to happen (UINT64_MAX: as long as it takes).
 * Returns how long the next one may. */
static uint64_t turn(struct server *s, uint64_t sleep_us)
{
	bool more, blocked_left;

	if (sleep_us != UINT64_MAX) {
		struct timeval most = {.tv_sec = (time_t)(sleep_us / 1000000),
				       .tv_usec = (suseconds_t)(sleep_us % 1000000)};

		(void)event_add(s->turn_event, &most);
	}
	s->now_fresh = s->woken = false;
	s->shakes = 0;
	(void)event_base_loop(s->base, EVLOOP_ONCE);
	server_refresh_clock(s);
	if (s->read_again) {
		read_again(s);
	}
	conn_run_all_arrived(s);
	run_due(s);
	take_prefetched(s);
	more = replication_apply(s->replication);
	blocked_left = dispatch_serve_blocked(s->dispatch, s->now_ms);
	dispatch_turn_end(s->dispatch);
	(void)engine_turn_end(s->engine);
	replication_publish(s->replication);
	if (s->host.errand != NODE_NOTHING) {
		node_store_errand(s);
	}
	cluster_node_turn_end(s->cluster);
	release_gated(s);
	sleep_us = finish_clients(s, clock_system()->mono_us(NULL));
	conn_reap(s);
	if (blocked_left && sleep_us > PAUSE_LOOK_MS * 1000) {
		sleep_us = PAUSE_LOOK_MS * 1000;
	}
	more |= blocked_left && s->pause_until_ms <= s->mono_ms;
	return more && sleep_us > LATER_US ? LATER_US : sleep_us;
}

/* What has run is answered, as far as clients read and the log acknowledges in time. */
static void drain(struct server *s)
{
	uint64_t start = clock_system()->mono_us(NULL), end = start + DRAIN_MS * 1000;
	uint64_t patience =
	    start + (uint64_t)config_int(s->config, CONFIG_SHUTDOWN_TIMEOUT) * 1000000;
	bool waiting = true;

	listener_close_all(s);
	cluster_node_stop_listening(s->cluster);
	for (struct conn *c = s->conns; c != NULL; c = c->next) {
		conn_stop(c);
	}
	while (waiting && clock_system()->mono_us(NULL) < end) {
		(void)turn(s, LATER_US);
		waiting = false;
		for (struct conn *c = s->conns; c != NULL && !waiting; c = c->next) {
			waiting = !c->dead;
		}
	}
	/* Replicas get what they lack, for as long as shutdown-timeout allows. */
	while (replication_lagging(s->replication) && clock_system()->mono_us(NULL) < patience) {
		replication_want_acks(&s->host);
		(void)turn(s, LATER_US);
	}
}

static bool any_paused(const struct server *s)
{
	for (const struct conn *c = s->conns; c != NULL; c = c->next) {
		if (!c->dead && c->wait == CONN_PAUSED) {
			return true;
		}
	}
	return false;
}

/* A primary of a cluster lets a replica take over before it ends: clients wait for a moment and
 * are sent on, instead of finding nobody until the others have noticed. */
static void hand_over(struct server *s)
{
	if (s->shutdown_now) {
		return;
	}
	cluster_node_hand_over(s->cluster);
	while (cluster_node_handing_over(s->cluster)) {
		(void)turn(s, LATER_US);
	}
	/* Who waited is told where to go. */
	for (int i = 0; i < HANDED_OVER_TURNS && any_paused(s); i++) {
		(void)turn(s, LATER_US);
	}
}

int server_run(struct server *s)
{
	uint64_t sleep_us = UINT64_MAX;

	logger(LOG_LVL_NOTICE, "Ready to accept connections");
	while (!s->stopping) {
		sleep_us = turn(s, sleep_us);
	}
	logger(LOG_LVL_WARNING, "User requested shutdown...");
	hand_over(s);
	drain(s);
	return 0;
}
