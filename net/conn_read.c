/* Reading from clients. What a turn's ready clients sent is read first and run afterwards, a group
 * of clients at a time, so that the keys of a whole group can be fetched together (engine/ahead.h).
 */
#include "engine/ahead.h"
#include "engine/base/logger.h"
#include "net/conn_impl.h"
#include "net/proto/resp_peek.h"
#include "net/server.h"

#include <errno.h>
#include <sys/socket.h>

enum {
	READ_MAX = READ_SHARED / 2, /* bytes taken from one client at once */
	READ_STEP_MAX = 4 << 20,    /* how far ahead of its bytes a large argument's buffer grows */
	UNAUTHENTICATED_STEP = 8 * 1024,
	UNAUTHENTICATED_IN_MAX = 64 * 1024,
	LOOK_AHEAD = 16, /* requests of one client */
};

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
	size_t want, step = c->session.authenticated ? READ_MAX : UNAUTHENTICATED_STEP;

	if (c->in.len == 0) {
		*at = s->read_shared + s->read_used;
		*room = READ_MAX;
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

size_t conn_look_ahead(struct conn *c, struct slice bytes)
{
	struct resp_peek p;
	size_t at = 0;

	if (!c->session.authenticated) {
		return 0;
	}
	for (int n = 0; n < LOOK_AHEAD && resp_peek(slice_skip(bytes, at), &p); n++) {
		dispatch_ahead(c->server->dispatch, p.name, p.key, p.rest);
		c->server->looked++;
		at += p.used;
	}
	return at;
}

/* Takes the first client off the list, which a long command of another one may have run meanwhile.
 */
static struct conn *next_arrived(struct server *s)
{
	struct conn *c = s->arrived;

	if (c != NULL) {
		s->arrived = c->arrived_next;
		c->in_arrived = false;
	}
	if (s->arrived == NULL) {
		s->arrived_last = NULL;
	}
	return c;
}

void conn_run_all_arrived(struct server *s)
{
	while (s->arrived != NULL) {
		struct conn *c = s->arrived;
		size_t group = 0;

		s->looked = 0;
		for (; c != NULL && s->looked + LOOK_AHEAD <= AHEAD_MAX; group++) {
			c->looked = c->dead ? 0 : conn_look_ahead(c, c->arrived);
			c = c->arrived_next;
		}
		dispatch_ahead_fetch(s->dispatch);
		for (; group > 0 && (c = next_arrived(s)) != NULL; group--) {
			conn_run_arrived(c);
		}
	}
	s->read_used = 0;
}

static void arrive(struct conn *c)
{
	struct server *s = c->server;

	c->in_arrived = true;
	c->arrived_next = NULL;
	if (s->arrived_last != NULL) {
		s->arrived_last->arrived_next = c;
	} else {
		s->arrived = c;
	}
	s->arrived_last = c;
	if (s->read_used > READ_SHARED - READ_MAX) {
		conn_run_all_arrived(s);
	}
}

/* TLS may have something to send before it can read on. */
static void wait_to_write(struct conn *c)
{
	if (c->stream.read_wants_write) {
		(void)event_add(c->write_event, NULL);
	}
}

void conn_read(struct conn *c)
{
	struct server *s = c->server;
	uint8_t *at;
	size_t room;
	ssize_t n;

	if (c->dead || c->in_arrived) {
		return;
	}
	if (c->stream.shaking) {
		conn_shake(c);
		return;
	}
	server_refresh_clock(s);
	if (!read_room(c, &at, &room)) {
		conn_close(c);
		return;
	}
	n = stream_read(&c->stream, at, room);
	if (n == 0 && (c->wait == CONN_BLOCKED ||
		       (c->wait == CONN_EVENT && c->session.wait.deadline_ms == 0))) {
		conn_close(c); /* it might wait for ever for somebody who is gone */
		return;
	}
	if (n == 0 && (conn_output(c) > 0 || c->in.len > 0 || c->wait != CONN_READY)) {
		/* It may have closed only its half, and still reads what it is owed: replies that
		 * wait for the log or for room in the socket, requests that wait for those. */
		c->eof = true;
		conn_set_reading(c, false);
		conn_touch(c);
		return;
	}
	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			conn_close(c);
		}
		wait_to_write(c);
		return;
	}
	s->host.stats.net_input_bytes += (uint64_t)n;
	s->host.stats.reads++;
	c->session.last_ms = s->now_ms;
	c->active_ms = s->mono_ms;
	if (c->in.len == 0) {
		c->arrived = slice_of(at, (size_t)n);
		s->read_used += (size_t)n;
	} else {
		c->in.len += (size_t)n;
		if (over_input_limit(c)) {
			conn_close(c);
			return;
		}
	}
	arrive(c);
}

void conn_on_read(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	conn_read(arg);
}
