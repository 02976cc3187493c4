/* The TLS handshake of a client, a step whenever its socket allows one. Handshakes cost memory and
 * computing before anything is known of the peer: only so many are under way, only so many steps
 * are made in a turn, and each has its time. */
#include "engine/base/logger.h"
#include "net/conn_impl.h"
#include "net/server.h"

#include <string.h>

enum {
	SHAKING_MAX = 512,
	SHAKING_MS = 10000,    /* a handshake may take */
	SHAKING_FAIR_MS = 1000 /* ... also when others wait */
};

void conn_shaking_begin(struct conn *c)
{
	struct server *s = c->server;

	c->shaking_prev = s->shaking_last;
	*(s->shaking_last != NULL ? &s->shaking_last->shaking_next : &s->shaking) = c;
	s->shaking_last = c;
	s->shaking_count++;
}

void conn_shaking_end(struct conn *c)
{
	struct server *s = c->server;

	if (c->shaking_prev == NULL && s->shaking != c) {
		return;
	}
	*(c->shaking_prev != NULL ? &c->shaking_prev->shaking_next : &s->shaking) = c->shaking_next;
	*(c->shaking_next != NULL ? &c->shaking_next->shaking_prev : &s->shaking_last) =
	    c->shaking_prev;
	c->shaking_next = c->shaking_prev = NULL;
	s->shaking_count--;
}

static void give_up(struct conn *c, struct slice why)
{
	logger(LOG_LVL_WARNING, "Error accepting a client connection: %.*s (addr=%s laddr=%s)",
	       (int)why.len, (const char *)why.data, c->session.addr, c->session.laddr);
	conn_close(c);
}

void conn_shake(struct conn *c)
{
	struct server *s = c->server;
	struct buf error = {0};
	enum status st;

	server_refresh_clock(s);
	if (s->shakes >= STREAM_SHAKES_PER_TURN) {
		/* The next turn has its own; a socket that can be read says so again. */
		if (c->stream.read_wants_write) {
			(void)event_add(c->write_event, NULL);
		}
		return;
	}
	s->shakes++;
	st = stream_handshake(&c->stream, &error);
	if (st == ST_AGAIN) {
		if (c->stream.read_wants_write) {
			(void)event_add(c->write_event, NULL);
		}
	} else if (st != ST_OK) {
		give_up(c, buf_slice(&error));
	} else {
		conn_shaking_end(c);
		(void)guest_check(c);
		if (!c->dead && listener_keeps_out(s, c->session.local)) {
			(void)stream_write(&c->stream, listener_denied, strlen(listener_denied));
			s->host.stats.connections_rejected++;
			conn_close(c);
		}
		conn_touch(c); /* its first requests may be here */
	}
	buf_deinit(&error);
}

void conn_shaking_check(struct server *s)
{
	while (s->shaking != NULL && s->mono_ms - s->shaking->created_ms > SHAKING_MS) {
		give_up(s->shaking, slice_str("the TLS handshake takes too long"));
	}
}

bool conn_shaking_room(struct server *s)
{
	if (s->shaking_count < SHAKING_MAX) {
		return true;
	}
	if (s->mono_ms - s->shaking->created_ms <= SHAKING_FAIR_MS) {
		return false;
	}
	give_up(s->shaking, slice_str("the TLS handshake takes too long, and others wait"));
	return true;
}
