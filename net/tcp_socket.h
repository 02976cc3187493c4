/* What every TCP socket of the node is given, and addresses as text; for clients and for the
 * cluster bus. */
#ifndef CAIRN_NET_TCP_SOCKET_H
#define CAIRN_NET_TCP_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { TCP_IP_TEXT_MAX = 46 /* an IP address with its terminator */ };

/* Small writes leave at once; after keepalive_s seconds of silence (0: never) the kernel asks
 * whether the peer is there. What the socket's kind does not know is left out. */
void tcp_set_options(int fd, int keepalive_s);

/* Reads a numeric IP address. Returns its length, 0: it is none. */
socklen_t tcp_parse_addr(const char *ip, uint16_t port, struct sockaddr_storage *out);

/* Gives a socket of that family its source address (bind-source-addr) before it connects; one that
 * is empty or of the other family is left to the kernel. False: it can't be used, errno says why.
 */
bool tcp_bind_source(int fd, const char *source, sa_family_t family);

/* The IP address without its port; "" when it is none. */
void tcp_ip_text(const struct sockaddr_storage *sa, char out[TCP_IP_TEXT_MAX]);

#endif
