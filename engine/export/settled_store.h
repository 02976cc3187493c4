/* The store as it was at one LSN, for as long as it is held: for copies that can't be mended by
 * replaying the log over them, such as an RDB file that a redis-server loads.
 *
 * Between two checkpoints the store is exactly the effect of the records up to the last one's LSN,
 * and one read transaction goes on showing that, whatever is written meanwhile. So the copy is
 * exact by construction, and the log's records after that LSN are what is missing from it. The
 * price: pages that checkpoints replace meanwhile are not used again before it is let go, and the
 * file grows by them.
 *
 * Any thread but the executor, one at a time: reading waits for the disk. */
#ifndef CAIRN_ENGINE_EXPORT_SETTLED_STORE_H
#define CAIRN_ENGINE_EXPORT_SETTLED_STORE_H

#include "engine/export/view.h"
#include "engine/library_set.h"

struct engine;

struct settled_store {
	struct store_reader *reader;
	struct view view;
	uint64_t lsn;		/* it is the effect of the records up to here */
	uint64_t keys, expires; /* key records; of them with an expiry */
};

/* The log must be pinned at or before the store's checkpoint before the call. ST_AGAIN: a
 * checkpoint is half done, ask again in some milliseconds. ST_NO_MEMORY, ST_IO, ST_CORRUPT. */
MUST_CHECK enum status settled_store_open(struct engine *e, struct settled_store *out);
void settled_store_close(struct settled_store *s); /* before engine_close; fine when zeroed */

/* The libraries of functions; out must be empty. Errors as library_set_load. */
MUST_CHECK enum status settled_store_libraries(const struct settled_store *s,
					       struct library_set *out);

#endif
