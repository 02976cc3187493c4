/* The values at the fork of the keys that an archive of given-up records names: kept beside it, so
 * that an operator sees what each lost write replaced, and can put back those that nobody has
 * changed since.
 *
 *   DIR/divergent/<epoch>-<first LSN>-<timeline>.fork
 *
 * a regular segment whose LSNs begin at 1. Each record is a key: del-key when it did not exist,
 * else put-key and its elements. Keys whose value is longer than a bound are left out, and so are
 * those beyond a bound on the whole file: nothing is known of them. */
#ifndef CAIRN_ENGINE_REWIND_FORK_H
#define CAIRN_ENGINE_REWIND_FORK_H

#include "engine/divergent.h"
#include "engine/engine.h"

/* Writes the file, durable, from an engine that is open at the fork. Without a batch; executor;
 * waits for the disk. *keys: how many are in it. ST_LIMIT: the archive names too many keys.
 * ST_NO_SPACE, ST_IO, ST_CORRUPT, ST_NO_MEMORY: there is no such file, and only that is lost. */
MUST_CHECK enum status rewind_keep_fork(struct engine *e, const struct io *io, const char *dir,
					const struct divergent_name *name, uint64_t *keys);

/* Removes what an interrupted rewind_keep_fork has left in dir, if anything. */
void rewind_forget_fork(const struct io *io, const char *dir);

#endif
