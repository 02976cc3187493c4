/* How links of the cluster bus begin: connecting and accepting. */
#include "engine/base/logger.h"
#include "net/bus_impl.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_PER_TURN = 100 };

static void note_local_ip(struct bus_link *l)
{
	struct sockaddr_storage local = {0};
	socklen_t len = sizeof local;

	if (getsockname(l->stream.fd, (struct sockaddr *)&local, &len) == 0) {
		tcp_ip_text(&local, l->local_ip);
	}
}

/* --- TLS --- */

static struct timeval time_of(uint32_t ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

bool bus_is_through(struct bus_link *l)
{
	struct buf error = {0};
	enum status st;

	if (!l->stream.shaking) {
		return true;
	}
	/* A turn that computes for all who knock would be a standstill. A socket that can be read
	 * says so again. */
	if (l->bus->shakes >= STREAM_SHAKES_PER_TURN) {
		if (l->stream.read_wants_write || !bus_is_inbound(l)) {
			(void)event_add(l->write_event, NULL);
		}
		return false;
	}
	l->bus->shakes++;
	st = stream_handshake(&l->stream, &error);
	if (st == ST_AGAIN) {
		if (l->stream.read_wants_write) {
			(void)event_add(l->write_event, NULL);
		}
	} else if (st != ST_OK) {
		logger(LOG_LVL_WARNING, "Error %s cluster node %s: %.*s",
		       bus_is_inbound(l) ? "accepting" : "connecting to", l->peer_ip,
		       (int)error.len, error.len == 0 ? "" : (const char *)error.data);
		bus_fail(l, "no TLS");
	} else {
		/* From now on without a limit of time. */
		(void)event_del(l->read_event);
		(void)event_add(l->read_event, NULL);
		if (!bus_is_inbound(l)) {
			l->bus->events.up(l->bus->events.ctx, l->id);
		}
	}
	buf_deinit(&error);
	return st == ST_OK && !l->closed && !l->failed;
}

/* A link of the cluster shows a certificate on either side, whatever clients may do. */
static void begin_tls(struct bus_link *l)
{
	const struct bus *b = l->bus;
	struct timeval most = time_of(b->limits.connect_timeout_ms);
	int fd = l->stream.fd;
	struct ssl_st *ssl;
	enum status st;

	if (bus_is_inbound(l)) {
		st = tls_accept(b->limits.tls, fd, TLS_AUTH_YES, &l->stream);
	} else {
		ssl = tls_connector(b->limits.tls);
		st = ssl == NULL ? ST_NO_MEMORY : stream_tls(&l->stream, fd, ssl, false);
		if (st != ST_OK) {
			tls_connector_free(ssl);
		}
	}
	if (st != ST_OK) {
		bus_fail(l, "no memory for TLS");
		return;
	}
	(void)event_add(l->read_event, &most);
	if (!bus_is_inbound(l)) {
		(void)bus_is_through(l); /* it speaks first */
	}
}

/* --- connecting --- */

void bus_connected(struct bus_link *l, short what)
{
	int error = 0;
	socklen_t len = sizeof error;

	if ((what & EV_TIMEOUT) != 0) {
		bus_fail(l, "no connection in time");
		return;
	}
	if (getsockopt(l->stream.fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
		errno = error;
		bus_fail(l, "connection refused");
		return;
	}
	l->connecting = false;
	note_local_ip(l);
	if (l->bus->limits.tls != NULL) {
		begin_tls(l);
		return;
	}
	(void)event_add(l->read_event, NULL);
	l->bus->events.up(l->bus->events.ctx, l->id);
}

void bus_connect(struct bus *b, uint64_t link, const char *ip, uint16_t port)
{
	struct sockaddr_storage to;
	struct timeval most = time_of(b->limits.connect_timeout_ms);
	socklen_t len = tcp_parse_addr(ip, port, &to);
	int family = len == 0 ? AF_INET : to.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct bus_link *l;

	l = bus_add_link(b, link, fd);
	if (l == NULL) {
		/* Nothing to hang the failure on: the core's own timeout finds out. */
		logger(LOG_LVL_WARNING, "cluster bus: out of memory for a link to %s", ip);
		return;
	}
	(void)snprintf(l->peer_ip, sizeof l->peer_ip, "%s", ip);
	tcp_set_options(fd, (int)b->limits.keepalive_s);
	l->connecting = true;
	if (fd < 0) {
		logger(LOG_LVL_WARNING, "cluster bus: no socket for a link to %s: %m", ip);
		bus_fail(l, "no socket");
	} else if (len == 0 || !tcp_bind_source(fd, b->source_addr, to.ss_family)) {
		bus_fail(l, len == 0 ? "not an address" : "bind-source-addr can't be bound");
	} else if (connect(fd, (struct sockaddr *)&to, len) != 0 && errno != EINPROGRESS) {
		bus_fail(l, "connecting failed");
	} else {
		(void)event_add(l->write_event, &most);
	}
}

/* --- accepting --- */

/* Room for one more inbound link: the oldest stranger makes it. */
static bool make_room(struct bus *b)
{
	struct bus_link *oldest = NULL;

	if (b->inbound_count < b->limits.inbound_max) {
		return true;
	}
	for (struct bus_link *l = b->links; l != NULL; l = l->next) {
		if (bus_is_inbound(l) && !l->failed && !b->events.known(b->events.ctx, l->id)) {
			oldest = l;
		}
	}
	if (oldest != NULL) {
		bus_let_go(oldest);
	}
	return oldest != NULL;
}

static void on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct bus *b = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct sockaddr_storage peer = {0};
		socklen_t len = sizeof peer;
		int fd =
		    accept4(listener, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct bus_link *l;

		if (fd < 0) {
			if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
				logger(LOG_LVL_WARNING, "Error accepting cluster node: %m");
			}
			return;
		}
		if (!make_room(b)) {
			logger(LOG_LVL_WARNING, "cluster bus: too many links, one is refused");
			(void)close(fd);
			continue;
		}
		l = bus_add_link(b, CLUSTER_LINK_INBOUND | ++b->serial, fd);
		if (l != NULL) {
			tcp_set_options(fd, (int)b->limits.keepalive_s);
			tcp_ip_text(&peer, l->peer_ip);
			note_local_ip(l);
			if (b->limits.tls != NULL) {
				begin_tls(l);
			} else {
				(void)event_add(l->read_event, NULL);
			}
		}
	}
}

void bus_accept_all(struct bus *b)
{
	for (int i = 0; i < b->listeners_count; i++) {
		on_accept(b->listeners[i], EV_READ, b);
	}
}

enum status bus_listen(struct bus *b, int fd)
{
	struct event *ev = b->listeners_count == BUS_LISTENERS
			       ? NULL
			       : event_new(b->base, fd, EV_READ | EV_PERSIST, on_accept, b);

	if (ev == NULL) {
		(void)close(fd);
		return ST_NO_MEMORY;
	}
	b->listeners[b->listeners_count] = fd;
	b->listen_events[b->listeners_count++] = ev;
	(void)event_add(ev, NULL);
	return ST_OK;
}

void bus_stop_listening(struct bus *b)
{
	while (b->listeners_count > 0) {
		b->listeners_count--;
		event_free(b->listen_events[b->listeners_count]);
		(void)close(b->listeners[b->listeners_count]);
	}
}
