/* Listening TCP sockets on the addresses of bind, for clients and for the cluster bus. */
#ifndef CAIRN_NET_LISTEN_SOCKET_H
#define CAIRN_NET_LISTEN_SOCKET_H

#include "engine/base/buf.h"

/* Opens a listening, non-blocking socket for each address of bind_text (redis.conf's bind: "*",
 * "::*", and "-" before an address that need not exist) and gives it to add, which owns it from
 * then on. error gets Redis's line. ST_NOT_FOUND: an address can't be had, the log says why; those
 * that were given stay with the taker. Errors of add end it as well. */
MUST_CHECK enum status listen_sockets(const char *bind_text, int port, int backlog,
				      enum status (*add)(void *arg, int fd), void *arg,
				      struct buf *error);

#endif
