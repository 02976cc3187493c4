/* A list of byte strings that owns its bytes: what was read, kept until it may be written. */
#ifndef CAIRN_ENGINE_BASE_BYTE_LIST_H
#define CAIRN_ENGINE_BASE_BYTE_LIST_H

#include "engine/base/buf.h"

/* A zeroed one is a valid empty list. Private. */
struct byte_list {
	struct buf bytes; /* back to back */
	struct buf ends;  /* size_t each: where a string ends */
};

/* Frees all; the list is empty and usable again. */
void byte_list_deinit(struct byte_list *l);

/* Appends a copy. ST_NO_MEMORY: unchanged. */
MUST_CHECK enum status byte_list_add(struct byte_list *l, struct slice bytes);

static inline size_t byte_list_count(const struct byte_list *l)
{
	return l->ends.len / sizeof(size_t);
}

/* The string at i, which is below the count; borrowed until the next byte_list_add. */
struct slice byte_list_at(const struct byte_list *l, size_t i);

/* All of them as an array of slices, borrowed likewise, to be freed by mem_free. NULL: out of
 * memory. */
struct slice *byte_list_slices(const struct byte_list *l);

#endif
