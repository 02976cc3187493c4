/* Keys of requests that have arrived but not run yet: what their lookups will read is fetched into
 * the CPU's cache for all of them at once, instead of being waited for one by one. Executor thread.
 */
#ifndef CAIRN_ENGINE_AHEAD_H
#define CAIRN_ENGINE_AHEAD_H

#include "engine/engine.h"

enum { AHEAD_MAX = 64 };

/* Notes a key. looks: the command reads what is there; without it only the memtable is touched.
 * Beyond AHEAD_MAX keys nothing is noted. The name is not needed any more on return. */
void ahead_add(struct engine *e, struct slice name, bool looks);

/* Starts fetching for the keys noted, and forgets them. Returns how many were looked for in the
 * store. */
size_t ahead_fetch(struct engine *e);

#endif
