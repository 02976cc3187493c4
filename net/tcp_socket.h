/* What every TCP socket of the node is given, and addresses as text; for clients and for the
 * cluster bus. */
#ifndef CAIRN_NET_TCP_SOCKET_H
#define CAIRN_NET_TCP_SOCKET_H

#include <sys/socket.h>

enum { TCP_IP_TEXT_MAX = 46 /* an IP address with its terminator */ };

/* Small writes leave at once; after keepalive_s seconds of silence (0: never) the kernel asks
 * whether the peer is there. What the socket's kind does not know is left out. */
void tcp_set_options(int fd, int keepalive_s);

/* The IP address without its port; "" when it is none. */
void tcp_ip_text(const struct sockaddr_storage *sa, char out[TCP_IP_TEXT_MAX]);

#endif
