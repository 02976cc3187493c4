/* A thread that reads archives of given-up records, so that no other client waits for the disk
 * meanwhile. It begins a reading when the one before has been taken or given up: replies are large,
 * and so there is never more than one in memory. */
#ifndef CAIRN_NET_ARCHIVE_READER_H
#define CAIRN_NET_ARCHIVE_READER_H

#include "net/command/archive_reading.h"

struct archive_reader;

/* Makes one; its thread starts with the first reading. notify is called on the thread when one is
 * through, and must not block. dir, the data directory, is borrowed. ST_NO_MEMORY. */
MUST_CHECK enum status archive_reader_create(const char *dir, void (*notify)(void *arg), void *arg,
					     struct archive_reader **out);
/* Waits until the reading under way is through, which all have to be taken or given up by now. NULL
 * is fine. */
void archive_reader_destroy(struct archive_reader *r);

/* Has the thread read. ST_NO_MEMORY: no thread either. Executor, as the next. */
MUST_CHECK enum status archive_reader_begin(struct archive_reader *r,
					    const struct archive_request *request,
					    struct archive_reading **out);
/* As archive_reading_ops.take. */
MUST_CHECK enum status archive_reader_take(struct archive_reading *reading, struct buf *out);

#endif
