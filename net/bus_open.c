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

	if (getsockname(l->fd, (struct sockaddr *)&local, &len) == 0) {
		tcp_ip_text(&local, l->local_ip);
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
	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
		errno = error;
		bus_fail(l, "connection refused");
		return;
	}
	l->connecting = false;
	note_local_ip(l);
	(void)event_add(l->read_event, NULL);
	l->bus->events.up(l->bus->events.ctx, l->id);
}

void bus_connect(struct bus *b, uint64_t link, const char *ip, uint16_t port)
{
	struct sockaddr_storage to;
	struct timeval most = {.tv_sec = b->limits.connect_timeout_ms / 1000,
			       .tv_usec = b->limits.connect_timeout_ms % 1000 * 1000};
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
			(void)event_add(l->read_event, NULL);
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
