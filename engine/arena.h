/* Memory of one memtable: handed out in order, given back all at once, kept for the next use. */
#ifndef CAIRN_ENGINE_ARENA_H
#define CAIRN_ENGINE_ARENA_H

#include "engine/base/status.h"

#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
	uint8_t *base;		    /* one reserved region, reused for ever */
	size_t reserved, used;	    /* of the region */
	struct arena_block *blocks; /* what did not fit, or is large: single heap blocks */
	size_t blocks_bytes;
};

/* Reserves a region of size bytes of address space. ST_NO_MEMORY. */
MUST_CHECK enum status arena_init(struct arena *a, size_t size);
void arena_deinit(struct arena *a);

/* size bytes aligned to 8, valid until arena_reset; NULL when memory is out. */
void *arena_alloc(struct arena *a, size_t size);

/* Bytes handed out since the last reset. */
static inline size_t arena_bytes(const struct arena *a)
{
	return a->used + a->blocks_bytes;
}

/* Takes everything back. Touched pages of the region stay, as fresh ones are dear. */
void arena_reset(struct arena *a);

#endif
