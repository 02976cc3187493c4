/* The lock of a data directory: one process at a time works on it. */
#ifndef CAIRN_ENGINE_DIR_LOCK_H
#define CAIRN_ENGINE_DIR_LOCK_H

#include "engine/base/buf.h"
#include "engine/base/io.h"

/* Opens and locks DIR/cairn.lock; the lock ends when *out is closed. ST_LOCKED: error names the
 * process that has it. ST_IO and others of struct io, with error. The lock is the process's, not
 * the caller's: whoever holds it already in this process must not take it again, since closing
 * either file ends both. */
MUST_CHECK enum status dir_lock_take(const struct io *io, const char *dir, struct io_file **out,
				     struct buf *error);

#endif
