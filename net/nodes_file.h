/* nodes.conf on disk: one process at a time, replaced whole and durably. */
#ifndef CAIRN_NET_NODES_FILE_H
#define CAIRN_NET_NODES_FILE_H

#include "engine/base/buf.h"

#include <stdbool.h>

struct nodes_file {
	char *path; /* owned, absolute */
	int fd;	    /* holds the lock; -1: not open */
};

/* Opens path (absolute), creating it empty, locks it for as long as it is open (flock, as
 * redis-server does), and appends what it holds to text. *created: it was not there, or empty.
 * ST_LOCKED: another node uses it; ST_IO, ST_NO_SPACE, ST_LIMIT (over 64 MiB), ST_NO_MEMORY. error
 * gets one line for humans. */
MUST_CHECK enum status nodes_file_open(struct nodes_file *f, const char *path, struct buf *text,
				       bool *created, struct buf *error);

/* Replaces the file; it is durable on return. Waits for the disk. Errors of file_replace. */
MUST_CHECK enum status nodes_file_save(struct nodes_file *f, struct slice text, struct buf *error);

/* Ends the lock. A zeroed one with fd -1 is fine. */
void nodes_file_close(struct nodes_file *f);

#endif
