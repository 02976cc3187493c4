/* Threads that read cold keys before the executor does, so that a page fault stops no other client.
 */
#ifndef CAIRN_NET_PREFETCH_H
#define CAIRN_NET_PREFETCH_H

#include "engine/engine.h"
#include "net/command/dispatch.h"

struct prefetch;

enum { PREFETCH_TAKE_MAX = 32 };

/* Starts threads; done_hook is called when there is something to take: on one of them, or inside
 * prefetch_take. It must not block. */
MUST_CHECK enum status prefetch_start(struct engine *e, unsigned threads,
				      void (*done_hook)(void *arg), void *arg,
				      struct prefetch **out);
/* Drops jobs not begun, ends the threads. NULL is fine. */
void prefetch_stop(struct prefetch *p);

/* Has keys (copied) touched for the client with this id; seldom: most of its requests need no such
 * thing, so it does not queue behind those whose do. ST_NO_MEMORY. Executor. */
MUST_CHECK enum status prefetch_submit(struct prefetch *p, uint64_t client_id, bool seldom,
				       const struct cold_key *keys, size_t count);

/* Takes the client ids of finished jobs, in the order in which they finished. Returns how many; no
 * more than a turn of the executor may take, so that other clients have theirs. Of those left
 * done_hook tells again. Executor. */
size_t prefetch_take(struct prefetch *p, uint64_t client_ids[PREFETCH_TAKE_MAX]);

#endif
