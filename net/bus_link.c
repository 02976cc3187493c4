/* Links of the cluster bus: sockets, framing, buffers. */
#include "net/bus_impl.h"

#include "cluster/bus_msg.h"
#include "cluster/cluster.h"
#include "engine/base/alloc.h"
#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/base/logger.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum {
	READ_BYTES = 64 * 1024,
	KEEP_BUFFER = 16 * 1024, /* spare capacity that a quiet link keeps */
};

static uint64_t now_ms(void)
{
	return clock_system()->mono_us(NULL) / 1000;
}

/* --- the set --- */

static struct bus_link **bucket_of(struct bus *b, uint64_t id)
{
	/* The lower 16 bits of an outbound link are its node's place, the rest a serial number. */
	return &b->buckets[(id ^ id >> 16) % BUS_BUCKETS];
}

static struct bus_link *find(const struct bus *b, uint64_t id)
{
	struct bus_link *l = b->buckets[(id ^ id >> 16) % BUS_BUCKETS];

	while (l != NULL && l->id != id) {
		l = l->bucket_next;
	}
	return l;
}

void bus_let_go(struct bus_link *l)
{
	struct bus *b = l->bus;
	struct bus_link **at = bucket_of(b, l->id);

	while (*at != l) {
		at = &(*at)->bucket_next;
	}
	*at = l->bucket_next;
	*(l->prev != NULL ? &l->prev->next : &b->links) = l->next;
	if (l->next != NULL) {
		l->next->prev = l->prev;
	}
	b->count--;
	b->inbound_count -= bus_is_inbound(l);
	l->closed = true;
	(void)event_del(l->read_event);
	(void)event_del(l->write_event);
	stream_close(&l->stream);
	l->ended_next = b->closed;
	b->closed = l;
}

void bus_fail(struct bus_link *l, const char *why)
{
	struct bus *b = l->bus;

	if (l->failed) {
		return;
	}
	logger(LOG_LVL_DEBUG, "cluster bus: link %s %s: %s", bus_is_inbound(l) ? "from" : "to",
	       l->peer_ip, why);
	l->failed = true;
	(void)event_del(l->read_event);
	(void)event_del(l->write_event);
	l->ended_next = b->failed;
	b->failed = l;
	event_active(b->ended_event, EV_TIMEOUT, 0);
}

/* --- reading --- */

/* Hands over the whole messages that bytes begin with; returns how long these are. */
static size_t take_messages(struct bus_link *l, struct slice bytes)
{
	struct bus *b = l->bus;
	size_t at = 0;

	while (!l->closed && !l->failed && !b->held) {
		uint32_t len;
		enum status st = bus_msg_length(slice_skip(bytes, at), b->limits.message_max, &len);

		if (st == ST_NEED_MORE) {
			break;
		}
		if (st == ST_OK && len > b->limits.stranger_max && bus_is_inbound(l) &&
		    !b->events.known(b->events.ctx, l->id)) {
			st = ST_LIMIT;
		}
		if (st != ST_OK) {
			bus_fail(l, st == ST_LIMIT ? "a long message of a stranger"
						   : "what came is no message");
			break;
		}
		if (bytes.len - at < len) {
			break;
		}
		l->heard_ms = now_ms();
		b->events.message(b->events.ctx, l->id, slice_of(bytes.data + at, len), l->peer_ip,
				  l->local_ip);
		at += len;
	}
	return at;
}

/* The same for what its buffer begins with. */
static void take_kept(struct bus_link *l)
{
	size_t used = take_messages(l, buf_slice(&l->in));

	if (!l->closed) {
		buf_consume(&l->in, used);
		buf_shrink(&l->in, KEEP_BUFFER);
	}
}

static void take_bytes(struct bus_link *l, struct slice bytes)
{
	size_t used;

	l->bus->received_bytes += bytes.len;
	if (l->in.len == 0) {
		used = take_messages(l, bytes);
		bytes = slice_skip(bytes, used);
		if (!l->closed && bytes.len > 0 &&
		    buf_append(&l->in, bytes.data, bytes.len) != ST_OK) {
			bus_fail(l, "out of memory");
		}
		return;
	}
	if (buf_append(&l->in, bytes.data, bytes.len) != ST_OK) {
		bus_fail(l, "out of memory");
		return;
	}
	take_kept(l);
}

static void read_some(struct bus_link *l)
{
	ssize_t n = stream_read(&l->stream, l->bus->shared, READ_BYTES);

	if (n > 0) {
		take_bytes(l, slice_of(l->bus->shared, (size_t)n));
	} else if (n == 0) {
		bus_fail(l, "closed by the peer");
	} else if (errno != EAGAIN && errno != EINTR) {
		bus_fail(l, "reading failed");
	} else if (l->stream.read_wants_write) {
		(void)event_add(l->write_event, NULL);
	}
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
	struct bus_link *l = arg;

	(void)fd;
	if (l->stream.shaking && (what & EV_TIMEOUT) != 0) {
		bus_fail(l, "no TLS handshake in time");
		return;
	}
	if (!bus_is_through(l)) {
		return;
	}
	/* No event tells of what TLS has in hand. What a peer can send in one go is bounded by the
	 * socket's buffer. */
	do {
		read_some(l);
	} while (!l->closed && !l->failed && l->stream.again);
}

/* --- writing --- */

static void mark_dirty(struct bus_link *l)
{
	if (!l->dirty) {
		l->dirty = true;
		l->dirty_next = l->bus->dirty;
		l->bus->dirty = l;
	}
}

static void write_out(struct bus_link *l)
{
	while (l->out_sent < l->out.len) {
		ssize_t n =
		    stream_write(&l->stream, l->out.data + l->out_sent, l->out.len - l->out_sent);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && errno != EAGAIN) {
			bus_fail(l, "writing failed");
			return;
		}
		if (n < 0) {
			l->writing = true;
			(void)event_add(l->write_event, NULL);
			/* A reader that is always behind must not make the sent part grow. */
			buf_consume(&l->out, l->out_sent);
			l->out_sent = 0;
			return;
		}
		l->out_sent += (size_t)n;
		l->bus->sent_bytes += (uint64_t)n;
	}
	l->out.len = l->out_sent = 0;
	buf_shrink(&l->out, KEEP_BUFFER);
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
	struct bus_link *l = arg;

	(void)fd;
	if (l->connecting) {
		bus_connected(l, what);
		return;
	}
	if (!bus_is_through(l)) {
		return;
	}
	l->writing = false;
	stream_writable(&l->stream);
	write_out(l);
	if (l->stream.again && !l->failed) {
		on_read(l->stream.fd, EV_READ, l);
	}
}

/* --- what is reported later --- */

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
	struct bus *b = arg;

	(void)fd;
	(void)what;
	if (b->kept && !b->held) {
		b->kept = false;
		/* Links that are closed meanwhile keep their place in the chain until the flush. */
		for (struct bus_link *l = b->links; l != NULL; l = l->next) {
			if (!l->closed && l->in.len > 0) {
				take_kept(l);
			}
		}
	}
	while (b->failed != NULL && !b->held) {
		struct bus_link *l = b->failed;
		uint64_t id = l->id;

		b->failed = l->ended_next;
		bus_let_go(l);
		b->events.down(b->events.ctx, id);
	}
}

void bus_hold(struct bus *b)
{
	b->held = b->kept = true;
}

void bus_release(struct bus *b)
{
	b->held = false;
	event_active(b->ended_event, EV_TIMEOUT, 0);
}

static void serve_link(struct bus_link *l, short events)
{
	if (l->connecting || (events & POLLOUT) != 0) {
		(void)event_del(l->write_event);
		on_write(l->stream.fd, EV_WRITE, l);
	}
	if (!l->closed && !l->failed && (events & ~POLLOUT) != 0) {
		on_read(l->stream.fd, EV_READ, l);
	}
}

void bus_poll(struct bus *b)
{
	struct pollfd *fds = mem_calloc(b->count + 1, sizeof *fds);
	struct bus_link **links = mem_calloc(b->count + 1, sizeof(struct bus_link *));
	size_t n = 0;

	for (struct bus_link *l = b->links; l != NULL && fds != NULL && links != NULL;
	     l = l->next) {
		if (l->stream.fd >= 0 && !l->failed) {
			short in = l->connecting ? 0 : POLLIN;
			bool writes = l->connecting || l->writing || l->stream.read_wants_write;
			short out = writes ? POLLOUT : 0;

			fds[n] = (struct pollfd){.fd = l->stream.fd, .events = (short)(in | out)};
			links[n++] = l;
		}
	}
	if (n > 0 && poll(fds, (nfds_t)n, 0) <= 0) {
		n = 0;
	}
	for (size_t i = 0; i < n && !b->held; i++) {
		if (fds[i].revents != 0 && !links[i]->closed && !links[i]->failed) {
			serve_link(links[i], fds[i].revents);
		}
	}
	mem_free(fds);
	mem_free(links);
	bus_accept_all(b);
	on_ended(-1, EV_TIMEOUT, b);
}

/* --- links begin --- */

static void free_link(struct bus_link *l)
{
	if (l->read_event != NULL) {
		event_free(l->read_event);
	}
	if (l->write_event != NULL) {
		event_free(l->write_event);
	}
	buf_deinit(&l->in);
	buf_deinit(&l->out);
	mem_free(l);
}

struct bus_link *bus_add_link(struct bus *b, uint64_t id, int fd)
{
	struct bus_link *l = mem_calloc(1, sizeof *l);
	struct bus_link **bucket = bucket_of(b, id);

	if (l == NULL) {
		if (fd >= 0) {
			(void)close(fd);
		}
		return NULL;
	}
	l->bus = b;
	l->id = id;
	l->stream = stream_plain(fd);
	l->created_wall_ms = clock_system()->wall_ms(NULL);
	l->heard_ms = now_ms();
	l->read_event = event_new(b->base, fd, EV_READ | EV_PERSIST, on_read, l);
	l->write_event = event_new(b->base, fd, EV_WRITE, on_write, l);
	if (l->read_event == NULL || l->write_event == NULL) {
		if (fd >= 0) {
			(void)close(fd);
		}
		free_link(l);
		return NULL;
	}
	l->bucket_next = *bucket;
	*bucket = l;
	l->next = b->links;
	if (b->links != NULL) {
		b->links->prev = l;
	}
	b->links = l;
	b->count++;
	b->inbound_count += bus_is_inbound(l);
	return l;
}

/* --- the interface --- */

void bus_set_limits(struct bus *b, const struct bus_limits *limits)
{
	const char *from = limits->source_addr == NULL ? "" : limits->source_addr;

	b->limits = *limits;
	b->limits.source_addr = b->source_addr;
	(void)snprintf(b->source_addr, sizeof b->source_addr, "%s", from);
}

enum status bus_create(struct event_base *base, const struct bus_events *events,
		       const struct bus_limits *limits, struct bus **out)
{
	struct bus *b = mem_calloc(1, sizeof *b);

	if (b == NULL) {
		return ST_NO_MEMORY;
	}
	b->base = base;
	b->events = *events;
	bus_set_limits(b, limits);
	b->shared = mem_alloc(READ_BYTES);
	b->ended_event = event_new(base, -1, 0, on_ended, b);
	if (b->shared == NULL || b->ended_event == NULL) {
		bus_destroy(b);
		return ST_NO_MEMORY;
	}
	*out = b;
	return ST_OK;
}

static void free_closed(struct bus *b)
{
	while (b->closed != NULL) {
		struct bus_link *l = b->closed;

		b->closed = l->ended_next;
		free_link(l);
	}
}

void bus_destroy(struct bus *b)
{
	if (b == NULL) {
		return;
	}
	bus_stop_listening(b);
	while (b->links != NULL) {
		bus_let_go(b->links);
	}
	free_closed(b);
	if (b->ended_event != NULL) {
		event_free(b->ended_event);
	}
	mem_free(b->shared);
	mem_free(b);
}

void bus_close(struct bus *b, uint64_t link)
{
	struct bus_link *l = find(b, link);

	if (l == NULL) {
		return;
	}
	if (l->failed) {
		struct bus_link **at = &b->failed;

		while (*at != l) {
			at = &(*at)->ended_next;
		}
		*at = l->ended_next;
	}
	bus_let_go(l);
}

void bus_send(struct bus *b, uint64_t link, struct slice bytes)
{
	struct bus_link *l = find(b, link);

	if (l == NULL || l->failed) {
		return;
	}
	if (l->out.len - l->out_sent + bytes.len > b->limits.output_max) {
		logger(LOG_LVL_WARNING,
		       "Freeing outgoing cluster link to %s: its output of %zu bytes would exceed "
		       "the limit of %llu",
		       l->peer_ip, l->out.len - l->out_sent + bytes.len,
		       (unsigned long long)b->limits.output_max);
		b->over_limit++;
		bus_fail(l, "output over its limit");
		return;
	}
	if (buf_append(&l->out, bytes.data, bytes.len) != ST_OK) {
		bus_fail(l, "out of memory");
		return;
	}
	mark_dirty(l);
}

void bus_begin_turn(struct bus *b)
{
	b->shakes = 0;
}

void bus_flush(struct bus *b)
{
	struct bus_link *l = b->dirty;

	b->dirty = NULL;
	while (l != NULL) {
		struct bus_link *next = l->dirty_next;

		l->dirty = false;
		if (!l->closed && !l->failed && !l->connecting && !l->writing &&
		    !l->stream.shaking) {
			write_out(l);
		}
		l = next;
	}
	free_closed(b);
}

void bus_close_strangers(struct bus *b, uint64_t idle_ms)
{
	uint64_t now = now_ms();
	struct bus_link *next;

	for (struct bus_link *l = b->links; l != NULL; l = next) {
		next = l->next;
		if (bus_is_inbound(l) && !l->failed && now - l->heard_ms > idle_ms &&
		    !b->events.known(b->events.ctx, l->id)) {
			bus_let_go(l);
		}
	}
}

bool bus_link_info(const struct bus *b, uint64_t link, struct bus_link_info *out)
{
	const struct bus_link *l = find(b, link);

	if (l == NULL) {
		return false;
	}
	*out = (struct bus_link_info){
	    .inbound = bus_is_inbound(l),
	    .writes_wait = l->writing,
	    .created_wall_ms = l->created_wall_ms,
	    .input_bytes = l->in.len,
	    .output_bytes = l->out.len - l->out_sent,
	    .output_cap = l->out.cap,
	};
	return true;
}

void bus_totals(const struct bus *b, struct bus_totals *out)
{
	*out = (struct bus_totals){.links = b->count,
				   .sent_bytes = b->sent_bytes,
				   .received_bytes = b->received_bytes,
				   .over_limit = b->over_limit};
	for (const struct bus_link *l = b->links; l != NULL; l = l->next) {
		out->bytes += sizeof *l + l->in.cap + l->out.cap;
	}
}
