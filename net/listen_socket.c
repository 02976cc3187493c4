/* Addresses of bind to listening sockets. */
#include "net/listen_socket.h"

#include "engine/base/logger.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One address. ST_NOT_FOUND: the address does not exist on this machine; ST_IO: errno says. */
static enum status listen_on(const char *host, int port, int backlog, int *out)
{
	struct addrinfo hints = {.ai_family = strchr(host, ':') != NULL ? AF_INET6 : AF_INET,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *list;
	char port_text[16];
	int fd = -1, one = 1;
	bool any = strcmp(host, "*") == 0 || strcmp(host, "::*") == 0;

	(void)snprintf(port_text, sizeof port_text, "%d", port);
	if (strcmp(host, "::*") == 0) {
		hints.ai_family = AF_INET6;
	}
	if (getaddrinfo(any ? NULL : host, port_text, &hints, &list) != 0) {
		errno = EADDRNOTAVAIL;
		return ST_NOT_FOUND;
	}
	for (struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0) {
			continue;
		}
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		if (a->ai_family == AF_INET6) {
			(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
		}
		if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, backlog) != 0) {
			int saved = errno;

			(void)close(fd);
			fd = -1;
			errno = saved;
		}
	}
	freeaddrinfo(list);
	*out = fd;
	if (fd >= 0) {
		return ST_OK;
	}
	return errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT ? ST_NOT_FOUND : ST_IO;
}

enum status listen_sockets(const char *bind_text, int port, int backlog,
			   enum status (*add)(void *arg, int fd), void *arg, struct buf *error)
{
	char list[4096], *save = NULL;

	(void)snprintf(list, sizeof list, "%s", bind_text);
	for (char *host = strtok_r(list, " ", &save); host != NULL;
	     host = strtok_r(NULL, " ", &save)) {
		/* "-ADDR": not there is not an error. */
		bool optional = host[0] == '-';
		int fd = -1;
		enum status st = listen_on(optional ? host + 1 : host, port, backlog, &fd);

		if (st == ST_OK) {
			st = add(arg, fd);
			if (st != ST_OK) {
				return st;
			}
		} else if (!(optional && st == ST_NOT_FOUND)) {
			logger(LOG_LVL_WARNING,
			       "Warning: Could not create server TCP listening socket %s:%d: "
			       "bind: %m",
			       host, port);
			buf_note(error, "Failed listening on port %d (TCP), aborting.", port);
			return ST_NOT_FOUND;
		}
	}
	return ST_OK;
}
