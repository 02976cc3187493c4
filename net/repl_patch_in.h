/* A replica's side of a refetch (engine/refetch.h): the patch and the log that follows it grow in
 * DIR/refetch, beside the dataset. Receiver's thread. */
#ifndef CAIRN_NET_REPL_PATCH_IN_H
#define CAIRN_NET_REPL_PATCH_IN_H

#include "engine/base/buf.h"
#include "engine/wal/wal_frame.h"
#include "engine/wal/wal_segment.h"

struct repl_patch_in;

/* The patch has come, for a node that goes back to fork_lsn. wal_segment_size as the directive says
 * it. ST_END: that was all, there is nothing after the fork. Errors of refetch_begin; ST_CORRUPT,
 * ST_NO_MEMORY; error gets a line for humans, here and below. */
MUST_CHECK enum status repl_patch_in_begin(const char *dir, uint64_t wal_segment_size,
					   uint64_t fork_lsn, struct slice patch,
					   struct repl_patch_in **out, struct buf *error);
/* One frame of the log, sealed for segment; its payload is checked. ST_END: the log leads as far as
 * it has to, and is durable and closed. */
MUST_CHECK enum status repl_patch_in_frame(struct repl_patch_in *p,
					   const struct wal_segment *segment,
					   const struct wal_frame *f, struct slice stored,
					   struct buf *error);
void repl_patch_in_close(struct repl_patch_in *p); /* NULL is fine */

#endif
