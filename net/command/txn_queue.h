/* The commands that a session has queued since MULTI. */
#ifndef CAIRN_NET_COMMAND_TXN_QUEUE_H
#define CAIRN_NET_COMMAND_TXN_QUEUE_H

#include "engine/base/status.h"
#include "net/command/command_table.h"
#include "net/command/session.h"

struct queued_command {
	const struct command_entry *entry;
	struct slice *argv; /* owned: one block with the bytes behind it */
	size_t argc;
};

/* Queues a copy of a request. ST_NO_MEMORY; ST_LIMIT: the queue would exceed bytes_max. */
MUST_CHECK enum status txn_queue_add(struct session *s, const struct command_entry *entry,
				     const struct slice *argv, size_t argc, size_t bytes_max);

/* Ends MULTI: frees the queue, forgets the flags and the watches. */
void txn_reset(struct session *s);

#endif
