/* The libraries of functions that the engine keeps beside the keys: a part of batches, of the log,
 * of checkpoints and of full copies as keys are. Executor thread. */
#ifndef CAIRN_ENGINE_ENGINE_LIBRARY_H
#define CAIRN_ENGINE_ENGINE_LIBRARY_H

#include "engine/engine.h"
#include "engine/library_set.h"

/* All of them, valid until the next change. Within a batch: what a reply tells of them waits for
 * the change that was seen (engine_seen_lsn). */
const struct library_set *engine_libraries(struct engine *e);

/* Never 0, and another number after each change, also after one that was undone or that came from
 * the log. */
uint64_t engine_libraries_version(const struct engine *e);

/* Within a batch: adds or replaces a library; removes one (a name that is not there is no error);
 * removes all. ST_NO_MEMORY; ST_LIMIT: more than LIBRARY_SET_BYTES_MAX, or than a record may hold.
 * Nothing has changed then. */
MUST_CHECK enum status engine_library_put(struct engine *e, struct slice name, struct slice code);
MUST_CHECK enum status engine_library_del(struct engine *e, struct slice name);
MUST_CHECK enum status engine_libraries_flush(struct engine *e);

#endif
