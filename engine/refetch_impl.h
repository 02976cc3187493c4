/* The inside of refetching, shared by its files: refetch.c (bytes), refetch_make.c (the primary's
 * side), refetch_apply.c (the store's transaction), refetch_commit.c (files and marks). */
#ifndef CAIRN_ENGINE_REFETCH_IMPL_H
#define CAIRN_ENGINE_REFETCH_IMPL_H

#include "engine/refetch.h"

enum { REFETCH_VERSION = 1, REFETCH_HEAD_LEN = 36 };

/* Appends a patch of p's head, history and names, and this block. ST_NO_MEMORY. */
MUST_CHECK enum status refetch_encode(const struct refetch *p, struct slice block, struct buf *out);

#endif
