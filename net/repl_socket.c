/* Connecting and waiting for the replication threads. */
#include "net/repl_socket.h"

#include "engine/base/clock.h"
#include "net/tcp_socket.h"
#include "net/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void repl_wait(struct stream *s, int wake_fd, bool out, uint64_t ms, bool *readable)
{
	short events = (short)(POLLIN | (out || s->read_wants_write ? POLLOUT : 0));
	struct pollfd fds[2] = {{.fd = s->fd, .events = events}, {.fd = wake_fd, .events = POLLIN}};
	uint64_t n;

	*readable = s->again;
	ms = s->again ? 0 : ms;
	if (poll(fds, 2, ms > INT32_MAX ? INT32_MAX : (int)ms) <= 0) {
		return;
	}
	if ((fds[1].revents & POLLIN) != 0 && read(wake_fd, &n, sizeof n) < 0) {
		return;
	}
	if ((fds[0].revents & POLLOUT) != 0) {
		stream_writable(s);
	}
	*readable = s->again || (fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
}

/* Waits for the end of a connect that is under way. */
static enum status finish_connect(int fd, uint32_t timeout_ms, int wake_fd)
{
	struct pollfd fds[2] = {{.fd = fd, .events = POLLOUT}, {.fd = wake_fd, .events = POLLIN}};
	int failed = 0;
	socklen_t len = sizeof failed;

	if (poll(fds, 2, (int)timeout_ms) <= 0) {
		errno = ETIMEDOUT;
		return ST_IO;
	}
	if (fds[1].revents != 0) {
		return ST_END;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) != 0 || failed != 0) {
		errno = failed != 0 ? failed : errno;
		return ST_IO;
	}
	return ST_OK;
}

static enum status try_address(const struct addrinfo *a, const struct repl_target *to, int wake_fd,
			       int *out)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	enum status st = ST_OK;

	if (fd < 0) {
		return ST_IO;
	}
	if (!tcp_bind_source(fd, to->source, (sa_family_t)a->ai_family)) {
		st = ST_IO;
	} else if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
		st = errno == EINPROGRESS ? finish_connect(fd, to->timeout_ms, wake_fd) : ST_IO;
	}
	if (st != ST_OK) {
		int kept = errno;

		(void)close(fd);
		errno = kept;
		return st;
	}
	*out = fd;
	return ST_OK;
}

/* The handshake as the one that connects. */
static enum status shake(struct stream *s, uint32_t timeout_ms, int wake_fd, struct buf *why)
{
	uint64_t begin = clock_system()->mono_us(NULL) / 1000;
	enum status st;

	while ((st = stream_handshake(s, why)) == ST_AGAIN) {
		uint64_t took = clock_system()->mono_us(NULL) / 1000 - begin;
		short events = s->read_wants_write ? POLLOUT : POLLIN;
		struct pollfd fds[2] = {{.fd = s->fd, .events = events},
					{.fd = wake_fd, .events = POLLIN}};

		if (took >= timeout_ms) {
			buf_note(why, "the TLS handshake takes too long");
			errno = ETIMEDOUT;
			return ST_IO;
		}
		if (poll(fds, 2, (int)(timeout_ms - took)) > 0 && fds[1].revents != 0) {
			return ST_END;
		}
	}
	if (st != ST_OK) {
		errno = EPROTO;
	}
	return st;
}

/* Puts TLS on a connected socket, which the stream owns then; closed on failure. */
static enum status secure(const struct repl_target *to, int fd, int wake_fd, struct stream *out,
			  struct buf *error)
{
	struct buf why = {0};
	enum status st = stream_tls(out, fd, to->ssl, false);
	int kept;

	if (st != ST_OK) {
		tls_connector_free(to->ssl);
		(void)close(fd);
		return st;
	}
	st = shake(out, to->timeout_ms, wake_fd, &why);
	if (st != ST_OK) {
		kept = errno;
		buf_note(error, "cannot connect to %s:%d: %.*s", to->host, to->port, (int)why.len,
			 why.len == 0 ? "" : (const char *)why.data);
		stream_close(out);
		errno = kept;
	}
	buf_deinit(&why);
	return st;
}

enum status repl_connect(const struct repl_target *to, int wake_fd, struct stream *out,
			 struct buf *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	char service[16];
	int rc, fd = -1, one = to->nodelay;
	enum status st = ST_IO;

	(void)snprintf(service, sizeof service, "%d", to->port);
	rc = getaddrinfo(to->host, service, &hints, &list);
	if (rc != 0) {
		buf_note(error, "cannot resolve %s: %s", to->host, gai_strerror(rc));
		tls_connector_free(to->ssl);
		return ST_IO;
	}
	for (const struct addrinfo *a = list; a != NULL && st == ST_IO; a = a->ai_next) {
		st = try_address(a, to, wake_fd, &fd);
	}
	if (st == ST_IO) {
		buf_note(error, "cannot connect to %s:%d: %m", to->host, to->port);
	}
	freeaddrinfo(list);
	if (st != ST_OK) {
		int kept = errno;

		tls_connector_free(to->ssl);
		errno = kept;
		return st;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (to->ssl != NULL) {
		return secure(to, fd, wake_fd, out, error);
	}
	*out = stream_plain(fd);
	return ST_OK;
}
