/* Options of TCP sockets, and addresses as text. */
#include "net/tcp_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

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
