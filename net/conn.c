/* One client: its life and the requests it runs. A turn reads once (conn_read.c), runs all whole
 * requests, and writes once at its end (conn_out.c). */
#include "net/command/pubsub.h"
#include "net/conn_impl.h"

#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "net/server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum {
	REQUESTS_PER_TURN = 1000, /* so that one client's pipeline does not hold up the others */
	UNAUTHENTICATED_PER_TURN = 20,
	UNAUTHENTICATED_ARGS = 10,
	UNAUTHENTICATED_BULK = 16 * 1024,
	INLINE_MAX = 64 * 1024,
	WARM_RUN = 8, /* requests between two cold ones that make these seldom */
};

/* --- the life of a connection --- */

static bool make_events(struct conn *c)
{
	int fd = c->stream.fd;

	c->read_event = event_new(c->server->base, fd, EV_READ | EV_PERSIST, conn_on_read, c);
	c->write_event = event_new(c->server->base, fd, EV_WRITE, conn_on_write, c);
	if (c->read_event != NULL && c->write_event != NULL &&
	    event_add(c->read_event, NULL) == 0) {
		return true;
	}
	if (c->read_event != NULL) {
		event_free(c->read_event);
	}
	if (c->write_event != NULL) {
		event_free(c->write_event);
	}
	return false;
}

struct conn *conn_create(struct server *s, struct stream stream, const char *addr,
			 const char *laddr, bool local, bool unix_socket)
{
	struct conn *c = mem_calloc(1, sizeof *c);

	if (c == NULL) {
		stream_close(&stream);
		return NULL;
	}
	c->server = s;
	c->stream = stream;
	if (!make_events(c)) {
		stream_close(&stream);
		mem_free(c);
		return NULL;
	}
	c->reading = true;
	c->unix_socket = unix_socket;
	c->active_ms = c->created_ms = s->mono_ms;
	session_init(&c->session, ++s->next_client_id, s->now_ms);
	c->session.local = local;
	c->session.tls = stream.ssl != NULL;
	dispatch_welcome(s->dispatch, &c->session);
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
	if (stream.shaking) {
		conn_shaking_begin(c);
	}
	(void)guest_check(c);
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

/* Off the books; the memory goes at the end of the turn. Returns its socket. */
static struct stream let_go(struct conn *c)
{
	struct stream stream = c->stream;

	c->dead = true;
	session_leave(&c->session);
	conn_block_end(c);
	conn_set_wait(c, CONN_READY);
	event_free(c->read_event);
	event_free(c->write_event);
	conn_shaking_end(c);
	c->stream = STREAM_NONE;
	c->server->host.stats.clients--;
	guest_forget(c);
	c->dead_next = c->server->dead;
	c->server->dead = c;
	conn_touch(c);
	return stream;
}

void conn_close(struct conn *c)
{
	if (!c->dead) {
		struct stream stream = let_go(c);

		stream_close(&stream);
	}
}

bool conn_detach(struct conn *c, struct stream *out)
{
	conn_flush(c); /* what was answered before, as far as it may leave */
	if (!c->dead && c->writing && c->stream.ssl != NULL) {
		conn_close(c); /* half of a record is under way: nothing else may follow it */
	}
	if (c->dead) {
		return false;
	}
	*out = let_go(c);
	return true;
}

void conn_set_reading(struct conn *c, bool on)
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
		conn_set_reading(c, false);
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
	struct conn *c = s->dead;

	s->dead = NULL;
	while (c != NULL) {
		struct conn *next = c->dead_next;

		if (c->in_dirty || c->in_gated) {
			c->dead_next = s->dead; /* a list still points to it: next time */
			s->dead = c;
		} else {
			free_conn(s, c);
		}
		c = next;
	}
}

/* --- running requests --- */

void conn_set_wait(struct conn *c, enum conn_wait wait)
{
	static const bool blocked[] = {
	    [CONN_COLD] = true, [CONN_EVENT] = true, [CONN_BLOCKED] = true, [CONN_PAUSED] = true};
	uint64_t *count = &c->server->host.stats.blocked_clients;

	*count += (uint64_t)blocked[wait] - (uint64_t)blocked[c->wait];
	c->wait = wait;
}

/* True when the client has to wait before its next request. */
static bool must_wait(struct conn *c, const struct slice *argv, size_t argc)
{
	struct server *s = c->server;

	if (c->session.wait.verdict != UNBLOCKED_NOT) {
		return false; /* it is only told that its wait is over */
	}
	if (s->writes_held && dispatch_may_write(s->dispatch, &c->session, argv, argc)) {
		conn_set_wait(c, CONN_PAUSED);
		return true;
	}
	if (s->pause_until_ms > s->mono_ms &&
	    (!s->pause_writes_only || dispatch_may_write(s->dispatch, &c->session, argv, argc))) {
		conn_set_wait(c, CONN_PAUSED);
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
		conn_set_wait(c, CONN_HELD);
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

	if (must_wait(c, argv, argc)) {
		return false;
	}
	c->session.warmed = c->no_wait || c->session.blocked != NULL;
	r = dispatch_request(s->dispatch, &c->session, argv, argc, &c->out, s->now_ms, true);
	if (r == DISPATCH_COLD) {
		size_t count;
		const struct cold_key *keys = dispatch_cold_keys(s->dispatch, &count);

		if (prefetch_submit(s->prefetch, c->session.id, c->warm_run >= WARM_RUN, keys,
				    count) == ST_OK) {
			s->host.stats.cold_parked++;
			c->warm_run = 0;
			conn_set_wait(c, CONN_COLD);
			return false;
		}
		r = dispatch_request(s->dispatch, &c->session, argv, argc, &c->out, s->now_ms,
				     false);
	}
	if (r == DISPATCH_LATER) {
		conn_set_wait(c, c->session.wait.announced ? CONN_EVENT : CONN_LATER);
		return false;
	}
	if (r == DISPATCH_BLOCKED) {
		conn_block(c);
		return false;
	}
	c->warm_run += c->warm_run < WARM_RUN;
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

static int requests_per_turn(const struct conn *c)
{
	return c->session.authenticated ? REQUESTS_PER_TURN : UNAUTHENTICATED_PER_TURN;
}

/* Runs at most so many requests from bytes, of which the first looked have been looked at ahead;
 * returns how many bytes they took. */
static size_t run_bytes(struct conn *c, struct slice bytes, size_t looked, int most)
{
	size_t at = 0;

	for (int n = 0; at < bytes.len && n < most; n++) {
		struct resp_limits limits = limits_of(c);
		const struct slice *argv;
		size_t argc, used;
		enum status st;

		if (c->dead || c->session.close_after_reply || c->session.detach ||
		    c->wait != CONN_READY || conn_output_full(c)) {
			return at;
		}
		if (at >= looked) {
			looked = at + conn_look_ahead(c, slice_skip(bytes, at));
			dispatch_ahead_fetch(c->server->dispatch);
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
		conn_set_wait(c, CONN_LATER); /* enough for one turn */
	}
	return at;
}

/* What every run ends with. Who waits for its replies to leave may send on meanwhile: it may not be
 * able to read before it has sent all. Who waits for others may give up, which should be seen. */
static void after_run(struct conn *c)
{
	if (c->session.detach && !c->dead) {
		/* What it sent after that command is not read. */
		replication_adopt(c->server->replication, c);
	}
	if (!c->dead) {
		conn_mark_output(c);
		conn_set_reading(c, (c->wait == CONN_READY || c->wait == CONN_FULL ||
				     c->wait == CONN_EVENT || c->wait == CONN_BLOCKED) &&
					!c->session.close_after_reply && !c->eof);
	}
	(void)guest_check(c);
	conn_touch(c);
}

void conn_run(struct conn *c)
{
	conn_run_some(c, requests_per_turn(c));
}

void conn_run_some(struct conn *c, int most)
{
	if (c->dead || c->in.len == 0) {
		return;
	}
	buf_consume(&c->in, run_bytes(c, buf_slice(&c->in), 0, most));
	if (c->in.len == 0) {
		buf_shrink(&c->in, CONN_KEEP_BUFFER);
	}
	after_run(c);
}

void conn_run_arrived(struct conn *c)
{
	struct slice bytes = c->arrived;
	size_t used;

	c->arrived = slice_of(NULL, 0);
	if (c->dead || bytes.len == 0) {
		conn_run(c);
		return;
	}
	/* Most clients send whole requests: they ran where they lie, and only an unfinished rest is
	 * kept. */
	used = run_bytes(c, bytes, c->looked, requests_per_turn(c));
	if (!c->dead && used < bytes.len && !c->session.close_after_reply &&
	    buf_append(&c->in, bytes.data + used, bytes.len - used) != ST_OK) {
		conn_close(c);
	}
	after_run(c);
}

void conn_resume(struct conn *c)
{
	conn_set_reading(c, !c->eof);
}
