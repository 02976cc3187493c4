/* Bump allocation in a reserved region, heap blocks for what is large. */
#include "engine/arena.h"

#include "engine/base/alloc.h"

enum { ARENA_LARGE = 128 * 1024, ARENA_ALIGN = 8 };

struct arena_block {
	struct arena_block *next;
	uint64_t pad; /* keeps the bytes behind it aligned as malloc would */
};

enum status arena_init(struct arena *a, size_t size)
{
	*a = (struct arena){.reserved = size};
	a->base = mem_map(size);
	return a->base == NULL ? ST_NO_MEMORY : ST_OK;
}

void arena_deinit(struct arena *a)
{
	arena_reset(a);
	mem_unmap(a->base, a->reserved);
	*a = (struct arena){0};
}

static void *alloc_block(struct arena *a, size_t size)
{
	struct arena_block *b;

	if (size > SIZE_MAX - sizeof *b) {
		return NULL;
	}
	b = mem_alloc(sizeof *b + size);
	if (b == NULL) {
		return NULL;
	}
	b->next = a->blocks;
	a->blocks = b;
	a->blocks_bytes += size;
	return b + 1;
}

void *arena_alloc(struct arena *a, size_t size)
{
	size_t need;
	void *at;

	if (size > ARENA_LARGE) {
		return alloc_block(a, size);
	}
	need = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (need > a->reserved - a->used) {
		return alloc_block(a, size);
	}
	at = a->base + a->used;
	a->used += need;
	return at;
}

void arena_reset(struct arena *a)
{
	while (a->blocks != NULL) {
		struct arena_block *b = a->blocks;

		a->blocks = b->next;
		mem_free(b);
	}
	a->blocks_bytes = 0;
	a->used = 0;
}
