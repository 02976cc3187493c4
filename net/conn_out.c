/* What leaves for a client, and when.
 *
 * Replies wait for the LSN that they depend on: each turn that added output leaves a mark (offset,
 * LSN), and output up to a mark leaves when its LSN is acknowledged, so a client that never stops
 * sending is still answered in time. */
#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "net/conn_impl.h"
#include "net/server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum {
	UNAUTHENTICATED_OUT_MAX = 64 * 1024,
	OUTPUT_PAUSE = 4 << 20, /* unread replies beyond which no more requests are run */
};

size_t conn_output(const struct conn *c)
{
	return c->out.len - c->out_sent;
}

void conn_mark_output(struct conn *c)
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
				c->lacks_output = true;
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
		buf_shrink(&c->out, CONN_KEEP_BUFFER);
	} else if (c->out_sent > (1 << 20) && c->out_sent > c->out.len / 2) {
		for (size_t i = c->marks_first; i < c->marks_count; i++) {
			c->marks[i].off -= c->out_sent;
		}
		buf_consume(&c->out, c->out_sent);
		c->out_sent = 0;
	}
}

/* Who is sent more than it asks for: subscribers, and, unless normal clients have a limit, those in
 * MONITOR or told of keys that they cache. */
static const struct output_limit *limit_of(const struct conn *c)
{
	const struct session *s = &c->session;
	bool told = s->monitor_link != NULL || s->tracking != 0 || s->redirected_by != NULL;

	return session_listens(s) || (told && c->server->output_limit.hard == 0)
		   ? &c->server->pubsub_limit
		   : &c->server->output_limit;
}

void conn_push(struct conn *c, struct slice message, uint64_t lsn)
{
	uint64_t hard = limit_of(c)->hard;

	if (c->dead || c->lacks_output || c->session.close_after_reply) {
		return;
	}
	if ((hard > 0 && conn_output(c) >= hard) ||
	    buf_append(&c->out, message.data, message.len) != ST_OK) {
		c->lacks_output = true;
	} else {
		if (lsn > c->session.gate_lsn) {
			c->session.gate_lsn = lsn;
		}
		conn_mark_output(c);
	}
	conn_touch(c);
}

/* Limits of the client's class; gated output counts as well. */
static bool over_output_limit(struct conn *c)
{
	const struct output_limit *limit = limit_of(c);
	struct server *s = c->server;
	size_t len = conn_output(c);

	if (c->lacks_output) {
		return true;
	}

	if (!c->session.authenticated && len > UNAUTHENTICATED_OUT_MAX) {
		return true;
	}
	if (limit->hard > 0 && len >= limit->hard) {
		return true;
	}
	if (limit->soft == 0 || len < limit->soft) {
		c->soft_limit_since_ms = 0;
		return false;
	}
	if (c->soft_limit_since_ms == 0) {
		c->soft_limit_since_ms = s->mono_ms;
	}
	return s->mono_ms - c->soft_limit_since_ms > limit->seconds * 1000;
}

bool conn_check_output(struct conn *c)
{
	struct server *s = c->server;

	if (c->dead || !over_output_limit(c)) {
		return false;
	}
	logger(LOG_LVL_WARNING,
	       "Client id=%llu addr=%s closed for overcoming of output buffer limits (%zu bytes).",
	       (unsigned long long)c->session.id, c->session.addr, conn_output(c));
	s->host.stats.output_buffer_limit_disconnections++;
	conn_close(c);
	return true;
}

bool conn_output_full(struct conn *c)
{
	uint64_t hard = limit_of(c)->hard;

	if (conn_output(c) < (hard > 0 ? hard : OUTPUT_PAUSE)) {
		return false;
	}
	conn_set_wait(c, CONN_FULL);
	return true;
}

bool conn_output_taken(const struct conn *c)
{
	return conn_output(c) == 0 || conn_output(c) < limit_of(c)->hard;
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

	if (c->dead || (c->lacks_output && conn_check_output(c))) {
		return;
	}
	to = released(c);
	if (to > c->out_sent && !c->writing) {
		ssize_t n = stream_write(&c->stream, c->out.data + c->out_sent, to - c->out_sent);

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			conn_close(c);
			return;
		}
		if (n > 0) {
			s->host.stats.net_output_bytes += (uint64_t)n;
			s->host.stats.writes++;
			c->active_ms = s->mono_ms;
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
		if (c->session.close_after_reply || (c->eof && c->wait == CONN_READY)) {
			conn_close(c);
		}
		return;
	}
	if (conn_check_output(c)) {
		return;
	}
	if (!guest_check(c)) {
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

void conn_on_write(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	if (c->stream.shaking) {
		conn_shake(c);
		return;
	}
	c->writing = false;
	stream_writable(&c->stream);
	conn_touch(c);
}
