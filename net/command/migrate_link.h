/* A connection to the node that MIGRATE moves keys to, as commands see it: bytes are given, replies
 * are taken, and nothing waits. Implemented in net/ (net/migrate_pool.h); a test implements it in
 * memory. Executor thread. */
#ifndef CAIRN_NET_COMMAND_MIGRATE_LINK_H
#define CAIRN_NET_COMMAND_MIGRATE_LINK_H

#include "engine/base/buf.h"
#include "engine/base/status.h"

#include <stdbool.h>

struct command_host;

enum { MIGRATE_LINE_MAX = 1023 }; /* bytes of a reply, as in Redis */

/* The part of a connection that commands know; the implementation's begins with it. */
struct migrate_link {
	int64_t db; /* that was selected there; -1: not known */
};

enum migrate_event {
	MIGRATE_NOTHING,	/* has happened yet */
	MIGRATE_REPLY,		/* one line, without its end */
	MIGRATE_FAILED_CONNECT, /* from here on: the connection is of no use any more */
	MIGRATE_FAILED_WRITE,
	MIGRATE_FAILED_READ,
};

struct migrate_link_ops {
	/* A connection to host:port, one that was kept if there is one and fresh is false;
	 * connecting goes on behind the scenes. Each step that takes longer than timeout_ms fails.
	 * NULL: no memory, no thread, or too many connections. */
	struct migrate_link *(*open)(struct command_host *h, const char *host, int port, bool fresh,
				     uint64_t timeout_ms);
	/* Bytes that should at most be given now. */
	size_t (*room)(struct migrate_link *l);
	/* Gives bytes (copied), and says how many more replies they will bring. ST_NO_MEMORY. */
	enum status (*send)(struct migrate_link *l, struct slice bytes, unsigned replies);
	/* What has happened. line gets a reply's text in place of its content. *timed_out: with a
	 * failure, that it was for time. */
	enum migrate_event (*next)(struct migrate_link *l, struct buf *line, bool *timed_out);
	/* Ends its use. keep: nothing is under way on it, another MIGRATE may have it. */
	void (*close)(struct command_host *h, struct migrate_link *l, bool keep);
};

#endif
