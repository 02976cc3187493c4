/* A thread that has memory backed before it is written to. The first touch of a page is dear: the
 * kernel looks for a free one, or makes room for a huge one, and clears it, and a virtual machine
 * may have to ask its host. Who must not wait has the pages made ready here. */
#ifndef CAIRN_ENGINE_BASE_MEM_AHEAD_H
#define CAIRN_ENGINE_BASE_MEM_AHEAD_H

#include "engine/base/status.h"

#include <stddef.h>

struct mem_ahead;

/* ST_NO_MEMORY: no memory or no thread. */
MUST_CHECK enum status mem_ahead_start(struct mem_ahead **out);
void mem_ahead_stop(struct mem_ahead *m); /* NULL is fine */

/* Asks that size bytes from at on, all of one mem_map, be backed soon; their content stays as it
 * is, and they may be used meanwhile. A request too many is dropped: the pages come at their first
 * touch then. The owner's thread. */
void mem_ahead_want(struct mem_ahead *m, void *at, size_t size);

/* Drops what was asked for and waits for the piece under way (milliseconds at most): to be called
 * before any of it is unmapped. */
void mem_ahead_settle(struct mem_ahead *m);

#endif
