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

/* The same of a request about one element of the key: the field or member elements[0] or, of a
 * sorted set, elements[1] where its data is not NULL, as a score stands in front. Where the key is
 * another one than that noted last, it alone is noted; else what it holds is known by now, or found
 * out once, and the element's record is noted in its place. */
void ahead_add_element(struct engine *e, struct slice name, const struct slice elements[2],
		       bool looks);

/* The same of a request that pushes an element to a list's head (left) or tail, or pops it: noted
 * is the element that it will meet if those noted before it all run and push one element each. */
void ahead_add_list_end(struct engine *e, struct slice name, bool left, bool pop);

/* Starts fetching for the keys noted, and forgets them. Returns how many were looked for in the
 * store. */
size_t ahead_fetch(struct engine *e);

#endif
