/* Threads that read cold keys before the executor does, so that a page fault stops no other client.
 */
#ifndef CAIRN_NET_PREFETCH_H
#define CAIRN_NET_PREFETCH_H

#include "engine/engine.h"
#include "net/command/dispatch.h"

struct prefetch;

/* Starts threads; done_hook is called on one of them when a job is through, and must not block. */
MUST_CHECK enum status prefetch_start(struct engine *e, unsigned threads,
				      void (*done_hook)(void *arg), void *arg,
				      struct prefetch **out);
/* Drops jobs not begun, ends the threads. NULL is fine. */
void prefetch_stop(struct prefetch *p);

/* Has keys (copied) touched for the client with this id. ST_NO_MEMORY. Executor. */
MUST_CHECK enum status prefetch_submit(struct prefetch *p, uint64_t client_id,
				       const struct cold_key *keys, size_t count);

/* Takes the client id of a finished job; false: none. Executor. */
bool prefetch_take(struct prefetch *p, uint64_t *client_id);

#endif
