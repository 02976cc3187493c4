/* One client. A turn reads once, runs all whole requests, and writes once at its end.
 *
 * Replies wait for the LSN that they depend on: each turn that added output leaves a mark (offset,
 * LSN), and output up to a mark leaves when its LSN is acknowledged, so a client that never stops
 * sending is still answered in time. */
#include "net/conn.h"

#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "net/server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	KEEP_BUFFER = 16 * 1024,  /* spare capacity an idle client keeps */
	READ_STEP_MAX = 4 << 20,  /* how far ahead of its bytes a large argument's buffer grows */
	REQUESTS_PER_TURN = 1000, /* so that one client's pipeline does not hold up the others */
	UNAUTHENTICATED_OUT_MAX = 64 * 1024,
	UNAUTHENTICATED_IN_MAX = 64 * 1024,
	UNAUTHENTICATED_ARGS = 10,
	UNAUTHENTICATED_BULK = 16 * 1024,
	INLINE_MAX = 64 * 1024,
};

static void on_read(evutil_socket_t fd, short what, void *arg);
static void on_write(evutil_socket_t fd, short what, void *arg);

size_t conn_output(const struct conn *c)
{
	return c->out.len - c->out_sent;
}

struct conn *conn_create(struct server *s, int fd, const char *addr, const char *laddr, bool local,
			 bool unix_socket)
{
	struct conn *c = mem_calloc(1, sizeof *c);

	if (c == NULL) {
		(void)close(fd);
		return NULL;
	}
	c->server = s;
	c->fd = fd;
	c->read_event = event_new(s->base, fd, EV_READ | EV_PERSIST, on_read, c);
	c->write_event = event_new(s->base, fd, EV_WRITE, on_write, c);
	if (c->read_event == NULL || c->write_event == NULL ||
	    event_add(c->read_event, NULL) != 0) {
		if (c->read_event != NULL) {
			event_free(c->read_event);
		}
		if (c->write_event != NULL) {
			event_free(c->write_event);
		}
		(void)close(fd);
		mem_free(c);
		return NULL;
	}
	c->reading = true;
	c->unix_socket = unix_socket;
	session_init(&c->session, ++s->next_client_id, s->now_ms);
	c->session.local = local;
	c->session.authenticated = s->host.password == NULL || s->host.password[0] == 0;
	(void)snprintf(c->session.addr, sizeof c->session.addr, "%s", addr);
	(void)snprintf(c->session.laddr, sizeof c->session.laddr, "%s", laddr);
	resp_reader_init(&c->reader);
	c->prev = s->conns_last;
	if (s->conns_last != NULL) {
		s->conns_last->next = c;
	} else {
		s->conns = c;
	}
	s->conns_last = c;
	s->host.stats.clients++;
	s->host.stats.connections_received++;
	return c;
}

void conn_touch(struct conn *c)
{
	if (!c->in_dirty) {
		c->in_dirty = true;
		c->dirty_next = c->server->dirty;
		c->server->dirty = c;
	}
}

void conn_close(struct conn *c)
{
	if (c->dead) {
		return;
	}
	c->dead = true;
	event_free(c->read_event);
	event_free(c->write_event);
	(void)close(c->fd);
	c->fd = -1;
	c->server->host.stats.clients--;
	conn_touch(c);
}

static void set_reading(struct conn *c, bool on)
{
	if (on != c->reading) {
		c->reading = on;
		if (on) {
			(void)event_add(c->read_event, NULL);
		} else {
			(void)event_del(c->read_event);
		}
	}
}

void conn_stop(struct conn *c)
{
	if (!c->dead) {
		set_reading(c, false);
		c->session.close_after_reply = true;
		conn_touch(c);
	}
}

static void free_conn(struct server *s, struct conn *c)
{
	*(c->prev != NULL ? &c->prev->next : &s->conns) = c->next;
	*(c->next != NULL ? &c->next->prev : &s->conns_last) = c->prev;
	session_deinit(&c->session);
	resp_reader_deinit(&c->reader);
	buf_deinit(&c->in);
	buf_deinit(&c->out);
	mem_free(c->marks);
	mem_free(c);
}

void conn_reap(struct server *s)
{
	struct conn *c = s->conns;

	while (c != NULL) {
		struct conn *next = c->next;

		if (c->dead && !c->in_dirty && !c->in_gated) {
			free_conn(s, c);
		}
		c = next;
	}
}

/* --- gating --- */

/* Ties the output written since the last mark to the LSN it depends on. */
static void mark_output(struct conn *c)
{
	struct conn_mark *last =
	    c->marks_count > c->marks_first ? &c->marks[c->marks_count - 1] : NULL;
	uint64_t lsn = c->session.gate_lsn;

	if (c->out.len == (last != NULL ? last->off : c->out_sent)) {
		return;
	}
	if (last != NULL && last->lsn >= lsn) {
		last->off = c->out.len;
		return;
	}
	if (c->marks_count == c->marks_cap) {
		size_t cap = c->marks_cap == 0 ? 8 : c->marks_cap * 2;
		struct conn_mark *grown;

		if (c->marks_first > 0) {
			memmove(c->marks, c->marks + c->marks_first,
				(c->marks_count - c->marks_first) * sizeof *c->marks);
			c->marks_count -= c->marks_first;
			c->marks_first = 0;
		} else {
			grown = mem_realloc(c->marks, cap * sizeof *grown);
			if (grown == NULL && last != NULL) {
				/* One mark for both: what came first waits longer than it must. */
				*last = (struct conn_mark){c->out.len, lsn};
				return;
			}
			if (grown == NULL) {
				conn_close(c);
				return;
			}
			c->marks = grown;
			c->marks_cap = cap;
		}
	}
	c->marks[c->marks_count++] = (struct conn_mark){c->out.len, lsn};
}

/* Offset up to which output may leave. */
static size_t released(struct conn *c)
{
	uint64_t ack = engine_ack_lsn(c->server->engine);
	size_t off = c->out_sent;

	for (size_t i = c->marks_first; i < c->marks_count && c->marks[i].lsn <= ack; i++) {
		off = c->marks[i].off;
	}
	return off;
}

static void forget_sent(struct conn *c)
{
	while (c->marks_first < c->marks_count && c->marks[c->marks_first].off <= c->out_sent) {
		c->marks_first++;
	}
	if (c->out_sent == c->out.len) {
		c->out.len = 0;
		c->out_sent = 0;
		c->marks_first = 0;
		c->marks_count = 0;
		buf_shrink(&c->out, KEEP_BUFFER);
	} else if (c->out_sent > (1 << 20) && c->out_sent > c->out.len / 2) {
		for (size_t i = c->marks_first; i < c->marks_count; i++) {
			c->marks[i].off -= c->out_sent;
		}
		buf_consume(&c->out, c->out_sent);
		c->out_sent = 0;
	}
}

/* Output limits of normal clients; gated output counts as well. */
static bool over_output_limit(struct conn *c)
{
	struct server *s = c->server;
	long long hard = 0, soft = 0, seconds = 0;
	size_t len = conn_output(c);

	if (len <= UNAUTHENTICATED_OUT_MAX) {
		c->soft_limit_since_ms = 0;
		return false;
	}
	if (!c->session.authenticated) {
		return true;
	}
	(void)sscanf(config_text(s->config, CONFIG_OUTPUT_BUFFER_LIMIT), "normal %lld %lld %lld",
		     &hard, &soft, &seconds);
	if (hard > 0 && len >= (size_t)hard) {
		return true;
	}
	if (soft == 0 || len < (size_t)soft) {
		c->soft_limit_since_ms = 0;
		return false;
	}
	if (c->soft_limit_since_ms == 0) {
		c->soft_limit_since_ms = s->now_ms;
	}
	return s->now_ms - c->soft_limit_since_ms > (uint64_t)seconds * 1000;
}

static void wait_for_lsn(struct conn *c)
{
	struct server *s = c->server;

	if (!c->in_gated) {
		c->in_gated = true;
		c->gated_next = s->gated;
		s->gated = c;
	}
}

void conn_flush(struct conn *c)
{
	struct server *s = c->server;
	size_t to;

	if (c->dead) {
		return;
	}
	to = released(c);
	if (to > c->out_sent && !c->writing) {
		ssize_t n = write(c->fd, c->out.data + c->out_sent, to - c->out_sent);

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			conn_close(c);
			return;
		}
		if (n > 0) {
			s->host.stats.net_output_bytes += (uint64_t)n;
			s->host.stats.writes++;
			c->out_sent += (size_t)n;
		}
		if (c->out_sent < to) {
			c->writing = true;
			(void)event_add(c->write_event, NULL);
		}
		forget_sent(c);
	}
	if (conn_output(c) == 0) {
		c->soft_limit_since_ms = 0;
		if (c->session.close_after_reply) {
			conn_close(c);
		}
		return;
	}
	if (over_output_limit(c)) {
		logger(LOG_LVL_WARNING,
		       "Client id=%llu addr=%s closed for overcoming of output buffer limits (%zu "
		       "bytes).",
		       (unsigned long long)c->session.id, c->session.addr, conn_output(c));
		s->host.stats.output_buffer_limit_disconnections++;
		conn_close(c);
		return;
	}
	if (to < c->out.len) {
		/* A log that has failed acknowledges nothing any more: this reply would be a lie
		 * for ever. */
		if (engine_writable(s->engine) == ST_READ_ONLY && c->marks_first < c->marks_count) {
			logger(
			    LOG_LVL_WARNING,
			    "Client id=%llu addr=%s closed: its write could not be made durable.",
			    (unsigned long long)c->session.id, c->session.addr);
			conn_close(c);
			return;
		}
		wait_for_lsn(c);
	}
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	c->writing = false;
	conn_touch(c);
}

/* --- running requests --- */

/* True when the client has to wait before its next request. */
static bool must_wait(struct conn *c, const struct slice *argv, size_t argc)
{
	struct server *s = c->server;

	if (s->pause_until_ms > s->now_ms &&
	    (!s->pause_writes_only || dispatch_may_write(s->dispatch, &c->session, argv, argc))) {
		c->wait = CONN_PAUSED;
		return true;
	}
	return false;
}

/* Writers are slowed in proportion once the memtables fill up. */
static void hold_back(struct conn *c, uint64_t last_lsn)
{
	struct server *s = c->server;
	uint32_t us;

	if (c->session.gate_lsn <= last_lsn) {
		return;
	}
	us = engine_backpressure_us(s->engine);
	if (us > 0) {
		c->wait = CONN_HELD;
		c->hold_until_us = clock_system()->mono_us(NULL) + us;
		engine_count_throttled(s->engine);
	}
}

/* Runs one request. False: it did not run, or the client has to wait. */
static bool run_one(struct conn *c, const struct slice *argv, size_t argc)
{
	struct server *s = c->server;
	uint64_t gate = c->session.gate_lsn;
	enum dispatch_result r;

	if (!c->no_wait && must_wait(c, argv, argc)) {
		return false;
	}
	r = dispatch_request(s->dispatch, &c->session, argv, argc, &c->out, s->now_ms, !c->no_wait);
	if (r == DISPATCH_COLD) {
		size_t count;
		const struct cold_key *keys = dispatch_cold_keys(s->dispatch, &count);

		if (prefetch_submit(s->prefetch, c->session.id, keys, count) == ST_OK) {
			s->host.stats.cold_parked++;
			s->host.stats.blocked_clients++;
			c->wait = CONN_COLD;
			return false;
		}
		r = dispatch_request(s->dispatch, &c->session, argv, argc, &c->out, s->now_ms,
				     false);
	}
	if (r == DISPATCH_LATER) {
		c->wait = CONN_LATER;
		return false;
	}
	c->no_wait = false;
	hold_back(c, gate);
	return true;
}

static struct resp_limits limits_of(const struct conn *c)
{
	struct resp_limits l = {
	    .args_max = RESP_ARGS_MAX,
	    .bulk_max = (uint64_t)config_int(c->server->config, CONFIG_PROTO_MAX_BULK_LEN),
	    .inline_max = INLINE_MAX,
	};

	if (!c->session.authenticated) {
		l.args_max = UNAUTHENTICATED_ARGS;
		l.bulk_unauthenticated_max = UNAUTHENTICATED_BULK;
	}
	return l;
}

/* Runs requests from bytes; returns how many bytes they took. */
static size_t run_bytes(struct conn *c, struct slice bytes)
{
	size_t at = 0;

	for (int n = 0; at < bytes.len && n < REQUESTS_PER_TURN; n++) {
		struct resp_limits limits = limits_of(c);
		const struct slice *argv;
		size_t argc, used;
		enum status st;

		if (c->dead || c->session.close_after_reply || c->wait != CONN_READY) {
			return at;
		}
		st = resp_reader_next(&c->reader, slice_skip(bytes, at), &limits, &argv, &argc,
				      &used);
		if (st == ST_NEED_MORE) {
			return at;
		}
		if (st == ST_NO_MEMORY) {
			conn_close(c);
			return at;
		}
		if (st != ST_OK) {
			struct resp_writer w = {&c->out, 2, false};

			resp_error(&w, "ERR Protocol error: %s", c->reader.error);
			c->session.close_after_reply = true;
			c->server->host.stats.error_replies++;
			return bytes.len;
		}
		if (argc > 0 && !run_one(c, argv, argc)) {
			/* The same bytes are parsed again when its turn comes. */
			resp_reader_deinit(&c->reader);
			resp_reader_init(&c->reader);
			return at;
		}
		at += used;
		if (c->wait != CONN_READY) {
			return at;
		}
	}
	if (at < bytes.len && c->wait == CONN_READY) {
		c->wait = CONN_LATER; /* enough for one turn */
	}
	return at;
}

void conn_run(struct conn *c)
{
	if (c->dead || c->in.len == 0) {
		return;
	}
	buf_consume(&c->in, run_bytes(c, buf_slice(&c->in)));
	if (c->in.len == 0) {
		buf_shrink(&c->in, KEEP_BUFFER);
	}
	if (!c->dead) {
		mark_output(c);
		set_reading(c, c->wait == CONN_READY && !c->session.close_after_reply);
	}
	conn_touch(c);
}

void conn_resume(struct conn *c)
{
	set_reading(c, true);
}

/* --- reading --- */

/* Query buffers are bounded: by the configuration, and tightly before AUTH. */
static bool over_input_limit(struct conn *c)
{
	struct server *s = c->server;
	uint64_t max = c->session.authenticated
			   ? (uint64_t)config_int(s->config, CONFIG_QUERY_BUFFER_LIMIT)
			   : UNAUTHENTICATED_IN_MAX;

	if (c->in.len <= max) {
		return false;
	}
	logger(LOG_LVL_WARNING,
	       "Closing client that reached max query buffer length: id=%llu addr=%s qbuf=%zu",
	       (unsigned long long)c->session.id, c->session.addr, c->in.len);
	s->host.stats.query_buffer_limit_disconnections++;
	return true;
}

/* Where the next read goes: behind what is pending, with room for a large argument that is under
 * way; nothing pending: the server's shared buffer. */
static bool read_room(struct conn *c, uint8_t **at, size_t *room)
{
	struct server *s = c->server;
	size_t want, step = READ_SHARED;

	if (c->in.len == 0) {
		*at = s->read_shared;
		*room = READ_SHARED;
		return true;
	}
	want = resp_reader_want(&c->reader);
	if (want > c->in.len + step) {
		step = want - c->in.len;
		step = step > READ_STEP_MAX ? READ_STEP_MAX : step;
	}
	if (buf_reserve(&c->in, step) != ST_OK) {
		return false;
	}
	*at = c->in.data + c->in.len;
	*room = c->in.cap - c->in.len;
	return true;
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	struct server *s = c->server;
	uint8_t *at;
	size_t room;
	ssize_t n;

	(void)what;
	if (c->dead) {
		return;
	}
	server_refresh_clock(s);
	if (!read_room(c, &at, &room)) {
		conn_close(c);
		return;
	}
	n = read(fd, at, room);
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			conn_close(c);
		}
		return;
	}
	s->host.stats.net_input_bytes += (uint64_t)n;
	s->host.stats.reads++;
	c->session.last_ms = s->now_ms;
	if (at != s->read_shared) {
		c->in.len += (size_t)n;
		if (over_input_limit(c)) {
			conn_close(c);
			return;
		}
		conn_run(c);
		return;
	}
	/* Most clients send whole requests: run them where they lie, and keep only an unfinished
	 * rest. */
	size_t used = run_bytes(c, slice_of(at, (size_t)n));

	if (!c->dead && used < (size_t)n && !c->session.close_after_reply &&
	    buf_append(&c->in, at + used, (size_t)n - used) != ST_OK) {
		conn_close(c);
	}
	if (!c->dead) {
		mark_output(c);
		set_reading(c, c->wait == CONN_READY && !c->session.close_after_reply);
	}
	conn_touch(c);
}
