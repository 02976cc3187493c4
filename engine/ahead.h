/* Keys of requests that have arrived but not run yet: what their lookups will read is fetched into
 * the CPU's cache for all of them at once, instead of being waited for one by one. Executor thread.
 */
#ifndef CAIRN_ENGINE_AHEAD_H
#define CAIRN_ENGINE_AHEAD_H

#include "engine/engine.h"

struct meta;
struct store_key;

enum { AHEAD_MAX = 64 };

/* Notes a key. looks: the command reads what is there; without it only the memtable is touched.
 * Beyond AHEAD_MAX keys nothing is noted. The name is not needed any more on return. */
void ahead_add(struct engine *e, struct slice name, bool looks);

/* The same of a request about one element of the key: the field or member elements[0] or, of a
 * sorted set, elements[1] where its data is not NULL, as a score stands in front. Where the key is
 * another one than that noted last, it alone is noted; else what it holds is known by now, or found
 * out once, and the element's record is noted in its place. Returns a number for it then, -1
 * otherwise. */
int ahead_add_element(struct engine *e, struct slice name, const struct slice elements[2],
		      bool looks);

/* For a command that goes on from the element noted last: collection and slot get what it belongs
 * to, ahead_value what its record holds. */
void ahead_follow(struct engine *e, int element, struct meta *collection, uint16_t *slot);

/* After ahead_fetch, and until something is written or noted: the stored value of an element that
 * is followed; data NULL: it is not there, or nobody knows. A hint. */
struct slice ahead_value(const struct engine *e, int element);

/* The same of a request that pushes an element to a list's head (left) or tail, or pops it: noted
 * is the element that it will meet if those noted before it all run and push one element each. */
void ahead_add_list_end(struct engine *e, struct slice name, bool left, bool pop);

/* Starts fetching for the keys noted, and forgets them. Returns how many were looked for in the
 * store. */
size_t ahead_fetch(struct engine *e);

/* Looks for records, at most AHEAD_MAX, all at the same time: values[i] gets what is stored, until
 * something is written, and its first bytes are fetched; data NULL: it is not there, or nobody
 * knows. Hints: no reader is said to have seen them. */
void ahead_peek(struct engine *e, const struct store_key *keys, size_t count, struct slice *values);

#endif
