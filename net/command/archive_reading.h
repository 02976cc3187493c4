/* The reading of an archive of given-up records for one request, as commands see it: a thread does
 * it, and nothing waits. Implemented in net/ (net/archive_reader.h). Executor. */
#ifndef CAIRN_NET_COMMAND_ARCHIVE_READING_H
#define CAIRN_NET_COMMAND_ARCHIVE_READING_H

#include "engine/divergent.h"
#include "net/proto/resp_writer.h"

struct command_host;

struct archive_request {
	struct divergent_name name;
	uint64_t from_lsn, count; /* as divergent_read */
	int proto;		  /* of the reply */
	/* Writes one element of the reply, which is an array. On the thread. */
	void (*write)(struct resp_writer *w, const struct divergent_op *op);
};

/* The part of a reading that commands know; the implementation's begins with it. */
struct archive_reading {
	/* Gives it up, at any time before it has been taken. */
	void (*abandon)(struct archive_reading *r);
};

struct archive_reading_ops {
	/* Begins one; the node is woken when it is through. ST_NOT_FOUND: no such archive;
	 * ST_NO_MEMORY: no thread either. */
	enum status (*begin)(struct command_host *h, const struct archive_request *request,
			     struct archive_reading **out);
	/* ST_AGAIN: it goes on. Otherwise it is gone: ST_OK, its reply is appended to out; else as
	 * divergent_read, or ST_NO_MEMORY. */
	enum status (*take)(struct archive_reading *r, struct buf *out);
};

#endif
