/* Sockets of the replication threads: connecting and waiting with a time limit, both cut short by
 * an eventfd. */
#ifndef CAIRN_NET_REPL_SOCKET_H
#define CAIRN_NET_REPL_SOCKET_H

#include "engine/base/buf.h"
#include "engine/base/status.h"

#include <stdbool.h>

/* Connects to host and port, non-blocking afterwards. ST_IO: refused, unreachable or timed out;
 * ST_END: wake_fd became readable. error says which. */
MUST_CHECK enum status repl_connect(const char *host, int port, uint32_t timeout_ms, int wake_fd,
				    bool nodelay, int *fd, struct buf *error);

/* Waits until fd is readable, or writable too when out is asked for, wake_fd is readable, or ms
 * have passed. Empties wake_fd. */
void repl_wait(int fd, int wake_fd, bool out, uint64_t ms, bool *readable);

#endif
