/* Options of TCP sockets, and addresses as text. */
#include "net/tcp_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

void tcp_set_options(int fd, int keepalive_s)
{
	int one = 1, idle = keepalive_s, count = 3;
	int interval = idle / 3 > 0 ? idle / 3 : 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (idle > 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
		(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
		(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
		(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
	}
}

socklen_t tcp_parse_addr(const char *ip, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)out;

	memset(out, 0, sizeof *out);
	if (inet_pton(AF_INET, ip, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		return sizeof *in;
	}
	if (inet_pton(AF_INET6, ip, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		return sizeof *in6;
	}
	return 0;
}

bool tcp_bind_source(int fd, const char *source, sa_family_t family)
{
	struct sockaddr_storage from;
	int one = 1;
	socklen_t len = source[0] == 0 ? 0 : tcp_parse_addr(source, 0, &from);

	if (len == 0 || from.ss_family != family) {
		return true;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	return bind(fd, (struct sockaddr *)&from, len) == 0;
}

void tcp_ip_text(const struct sockaddr_storage *sa, char out[TCP_IP_TEXT_MAX])
{
	out[0] = 0;
	if (sa->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;

		(void)inet_ntop(AF_INET, &in->sin_addr, out, TCP_IP_TEXT_MAX);
	} else if (sa->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)sa;

		(void)inet_ntop(AF_INET6, &in->sin6_addr, out, TCP_IP_TEXT_MAX);
	}
}
