/* A replica's side of a full copy: a new store and a new log grow in DIR/copy, beside the old
 * dataset. Receiver's thread. */
#ifndef CAIRN_NET_REPL_COPY_IN_H
#define CAIRN_NET_REPL_COPY_IN_H

#include "engine/wal/wal_frame.h"
#include "engine/wal/wal_segment.h"

#include <stdbool.h>

struct repl_copy_in;

/* The place where an unfinished copy in dir goes on, appended to resume; false: there is none. */
bool repl_copy_in_unfinished(const char *dir, struct buf *resume);

/* A copy begins with this head; one that was left unfinished goes on when it is the same. Sizes as
 * the directives say them. */
MUST_CHECK enum status repl_copy_in_begin(const char *dir, uint64_t map_size_max,
					  uint64_t wal_segment_size, struct slice head,
					  struct repl_copy_in **out, struct buf *error);
/* Before the next bytes are waited for. Writes what has come, if it is much. */
MUST_CHECK enum status repl_copy_in_rest(struct repl_copy_in *c, struct buf *error);
/* Blocks, then the tail. */
MUST_CHECK enum status repl_copy_in_block(struct repl_copy_in *c, struct slice block,
					  struct buf *error);
MUST_CHECK enum status repl_copy_in_end(struct repl_copy_in *c, struct slice tail,
					struct buf *error);
/* After the tail: one frame of the log, sealed for segment; its payload is checked. ST_END: the log
 * leads as far as the store goes, and both are durable and closed. */
MUST_CHECK enum status repl_copy_in_frame(struct repl_copy_in *c, const struct wal_segment *segment,
					  const struct wal_frame *f, struct slice stored,
					  struct buf *error);
/* After the tail: the log goes on in this segment. As above. */
MUST_CHECK enum status repl_copy_in_segment(struct repl_copy_in *c,
					    const struct wal_segment *segment, struct buf *error);
/* Bytes in all, as the primary estimates, and those received. */
void repl_copy_in_progress(const struct repl_copy_in *c, uint64_t *total, uint64_t *bytes);
/* Closes what is open; an unfinished copy can go on later. NULL is fine. */
void repl_copy_in_close(struct repl_copy_in *c);

#endif
