/* Listening sockets: addresses of bind, the Unix socket, and who may come in. */
#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "net/conn_impl.h"
#include "net/listen_socket.h"
#include "net/server.h"
#include "net/tcp_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { ACCEPTS_PER_TURN = 1000, ACCEPT_RETRY_MS = 100, ADDR_LEN = 64, HOST_LEN = 256 };

const char listener_denied[] =
    "-DENIED Cairn is running in protected mode because protected mode is enabled and no password "
    "is "
    "set for the default user. In this mode connections are only accepted from the loopback "
    "interface. To connect from elsewhere: 1) send 'CONFIG SET protected-mode no' from the machine "
    "the node runs on, if it cannot be reached from the internet (CONFIG REWRITE makes that "
    "permanent); 2) or set 'protected-mode no' in the configuration file and restart; 3) or start "
    "the node with '--protected-mode no'; 4) or set a password with requirepass.\r\n";

/* --- accepting --- */

static void socket_text(const struct sockaddr_storage *sa, const char *unix_path,
			char dst[ADDR_LEN])
{
	char ip[TCP_IP_TEXT_MAX];

	tcp_ip_text(sa, ip);
	if (sa->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;

		(void)snprintf(dst, ADDR_LEN, "%s:%u", ip, ntohs(in->sin_port));
	} else if (sa->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)sa;

		(void)snprintf(dst, ADDR_LEN, "[%s]:%u", ip, ntohs(in->sin6_port));
	} else {
		(void)snprintf(dst, ADDR_LEN, "%.61s:0", unix_path);
	}
}

static bool is_local(const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;

		return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
	}
	if (sa->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)sa;

		return IN6_IS_ADDR_LOOPBACK(&in->sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr) && in->sin6_addr.s6_addr[12] == 127);
	}
	return true;
}

/* Says why and hangs up; best effort, as the socket may be full of nothing yet. */
static void refuse(struct server *s, int fd, const char *text)
{
	ssize_t n = send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);

	(void)n;
	(void)close(fd);
	s->host.stats.connections_rejected++;
}

bool listener_keeps_out(const struct server *s, bool local)
{
	return config_int(s->config, CONFIG_PROTECTED_MODE) != 0 && !local &&
	       dispatch_asks_no_password(s->dispatch);
}

/* What the client talks through. False: there is no memory for it; the socket is closed. */
static bool make_stream(struct server *s, int fd, bool tls, struct stream *out)
{
	if (!tls) {
		*out = stream_plain(fd);
		return true;
	}
	if (tls_accept(s->tls, fd, (enum tls_auth)config_int(s->config, CONFIG_TLS_AUTH_CLIENTS),
		       out) == ST_OK) {
		return true;
	}
	logger(LOG_LVL_WARNING, "Error accepting a client connection: no memory for TLS");
	(void)close(fd);
	return false;
}

static void greet(struct server *s, int fd, const struct sockaddr_storage *peer, bool tls)
{
	struct sockaddr_storage local = {0};
	socklen_t len = sizeof local;
	char addr[ADDR_LEN], laddr[ADDR_LEN];
	const char *path = config_text(s->config, CONFIG_UNIXSOCKET);
	struct stream stream;

	if (s->host.stats.clients >= (uint64_t)config_int(s->config, CONFIG_MAXCLIENTS) &&
	    !guest_close_idle(s)) {
		/* To say so by TLS would take the handshake first. */
		refuse(s, fd, tls ? "" : "-ERR max number of clients reached\r\n");
		return;
	}
	if (!tls && listener_keeps_out(s, is_local(peer))) {
		refuse(s, fd, listener_denied);
		return;
	}
	(void)getsockname(fd, (struct sockaddr *)&local, &len);
	socket_text(peer, path, addr);
	socket_text(&local, path, laddr);
	if (peer->ss_family != AF_UNIX) {
		tcp_set_options(fd, (int)config_int(s->config, CONFIG_TCP_KEEPALIVE));
	}
	if (make_stream(s, fd, tls, &stream)) {
		(void)conn_create(s, stream, addr, laddr, is_local(peer),
				  peer->ss_family == AF_UNIX);
	}
}

/* Readiness would come again at once: looks at some listeners only after a while. */
static void rest(struct server *s, bool tls_only)
{
	struct timeval pause = {.tv_usec = ACCEPT_RETRY_MS * 1000};

	for (int l = 0; l < s->listeners_count; l++) {
		if (!tls_only || s->listens_tls[l]) {
			(void)event_del(s->listen_events[l]);
		}
	}
	(void)event_add(s->accept_retry, &pause);
}

static bool is_tls(const struct server *s, evutil_socket_t listener)
{
	int l = 0;

	while (s->listeners[l] != listener) {
		l++;
	}
	return s->listens_tls[l];
}

static void on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct server *s = arg;
	bool tls = is_tls(s, listener);

	(void)what;
	server_refresh_clock(s);
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		if (tls && !conn_shaking_room(s)) {
			rest(s, true);
			return;
		}

		struct sockaddr_storage peer = {0};
		socklen_t len = sizeof peer;
		int fd =
		    accept4(listener, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			greet(s, fd, &peer, tls);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			logger(LOG_LVL_WARNING,
			       "Accepting client connection: %m; next try in %d ms",
			       ACCEPT_RETRY_MS);
			rest(s, false); /* the descriptors are left to those who have one */
		}
		return;
	}
}

void listener_poll(struct server *s)
{
	for (int i = 0; i < s->listeners_count; i++) {
		on_accept(s->listeners[i], EV_READ, s);
	}
}

static void on_accept_retry(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd;
	(void)what;
	for (int l = 0; l < s->listeners_count; l++) {
		(void)event_add(s->listen_events[l], NULL);
	}
}

/* --- listening --- */

static enum status add_listener(struct server *s, int fd, bool tls)
{
	struct event *ev = event_new(s->base, fd, EV_READ | EV_PERSIST, on_accept, s);

	if (ev == NULL || s->listeners_count == LISTENERS_MAX) {
		(void)close(fd);
		return ST_NO_MEMORY;
	}
	/* Behind the other TCP ones; a Unix socket stays last. */
	for (int i = s->listeners_count; i > s->tcp_count; i--) {
		s->listeners[i] = s->listeners[i - 1];
		s->listen_events[i] = s->listen_events[i - 1];
		s->listens_tls[i] = s->listens_tls[i - 1];
	}
	s->listeners[s->tcp_count] = fd;
	s->listen_events[s->tcp_count] = ev;
	s->listens_tls[s->tcp_count] = tls;
	s->listeners_count++;
	(void)event_add(ev, NULL);
	return ST_OK;
}

static enum status add_tcp(void *arg, int fd)
{
	struct server *s = arg;
	enum status st = add_listener(s, fd, false);

	s->tcp_count += st == ST_OK;
	return st;
}

static enum status add_tls(void *arg, int fd)
{
	struct server *s = arg;
	enum status st = add_listener(s, fd, true);

	s->tcp_count += st == ST_OK;
	return st;
}

/* Ports that are 0 are left out. */
static enum status listen_all_tcp(struct server *s, const char *bind_text, int port, int tls_port,
				  struct buf *error)
{
	int backlog = (int)config_int(s->config, CONFIG_TCP_BACKLOG);
	enum status st = ST_OK;

	if (port != 0) {
		st = listen_sockets(bind_text, port, backlog, add_tcp, s, error);
	}
	if (st == ST_OK && tls_port != 0) {
		st = listen_sockets(bind_text, tls_port, backlog, add_tls, s, error);
	}
	return st;
}

static void close_listener(struct server *s, int i)
{
	event_free(s->listen_events[i]);
	(void)close(s->listeners[i]);
	s->listeners_count--;
	for (; i < s->listeners_count; i++) {
		s->listeners[i] = s->listeners[i + 1];
		s->listen_events[i] = s->listen_events[i + 1];
		s->listens_tls[i] = s->listens_tls[i + 1];
	}
}

static void close_tcp(struct server *s)
{
	while (s->tcp_count > 0) {
		close_listener(s, --s->tcp_count);
	}
}

static enum status listen_unix(struct server *s, const char *path, struct buf *error)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	mode_t mode = (mode_t)config_int(s->config, CONFIG_UNIXSOCKETPERM);
	int fd;

	if (strlen(path) >= sizeof sa.sun_path) {
		buf_note(error, "unixsocket %s: the path is too long", path);
		return ST_INVALID;
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);
	(void)unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 ||
	    listen(fd, (int)config_int(s->config, CONFIG_TCP_BACKLOG)) != 0 ||
	    (mode != 0 && chmod(path, mode) != 0)) {
		buf_note(error, "Failed opening Unix socket %s: %m", path);
		if (fd >= 0) {
			(void)close(fd);
		}
		return ST_NOT_FOUND;
	}
	s->unix_path = mem_strdup(path);
	if (s->unix_path == NULL) {
		(void)close(fd);
		return ST_NO_MEMORY;
	}
	return add_listener(s, fd, false);
}

enum status listener_open_all(struct server *s, struct buf *error)
{
	const char *path = config_text(s->config, CONFIG_UNIXSOCKET);
	enum status st;

	s->accept_retry = event_new(s->base, -1, 0, on_accept_retry, s);
	if (s->accept_retry == NULL) {
		return ST_NO_MEMORY;
	}
	st = listen_all_tcp(s, s->bind_in_force, s->port_in_force, s->tls_port_in_force, error);
	if (st == ST_OK && path[0] != 0) {
		st = listen_unix(s, path, error);
	}
	if (st == ST_OK && s->listeners_count == 0) {
		buf_note(error, "Configured to not listen anywhere, exiting.");
		st = ST_NOT_FOUND;
	}
	return st;
}

enum status listener_rebind(struct server *s)
{
	struct buf error = {0};
	enum status st;

	/* The old ones would be in the way of new ones on the same port. */
	close_tcp(s);
	st = listen_all_tcp(s, config_text(s->config, CONFIG_BIND),
			    (int)config_int(s->config, CONFIG_PORT),
			    (int)config_int(s->config, CONFIG_TLS_PORT), &error);
	if (st != ST_OK) {
		struct buf again = {0};

		logger(LOG_LVL_WARNING, "%.*s", (int)error.len, (const char *)error.data);
		close_tcp(s);
		if (listen_all_tcp(s, s->bind_in_force, s->port_in_force, s->tls_port_in_force,
				   &again) != ST_OK) {
			logger(LOG_LVL_WARNING, "Listening on the former addresses failed too.");
		}
		buf_deinit(&again);
	}
	buf_deinit(&error);
	return st == ST_OK ? ST_OK : ST_IO;
}

void listener_close_all(struct server *s)
{
	while (s->listeners_count > 0) {
		close_listener(s, s->listeners_count - 1);
	}
	s->tcp_count = 0;
	if (s->accept_retry != NULL) {
		event_free(s->accept_retry);
		s->accept_retry = NULL;
	}
	/* Only the one that this node made: a node that was refused must not cut off the one that
	 * is there. */
	if (s->unix_path != NULL) {
		(void)unlink(s->unix_path);
		mem_free(s->unix_path);
		s->unix_path = NULL;
	}
}
