/* Elements of a sorted set to be, collected in memory: found by member while they come, then put in
 * order. For results of unions and ranges, and for RESTORE. Pure but for memory: what it holds is
 * its own. */
#ifndef CAIRN_ENGINE_TYPES_ZSET_GATHER_H
#define CAIRN_ENGINE_TYPES_ZSET_GATHER_H

#include "engine/base/buf.h"
#include "engine/types/zset_tree.h"

/* Zeroed: empty. Private but for count. */
struct zset_gather {
	uint64_t count;
	struct buf bytes;   /* members back to back */
	struct buf entries; /* struct gathered */
	uint64_t *table;    /* entry + 1 by the hash of its member; 0: free */
	uint64_t mask;
	struct zset_element *sorted; /* once asked for */
};

void zset_gather_deinit(struct zset_gather *g);

/* The score of a member, to be read or changed until the next zset_gather_add; NULL: not there. */
double *zset_gather_find(const struct zset_gather *g, struct slice member);

/* Adds a member that is not there. Its bytes are copied. ST_NO_MEMORY. */
MUST_CHECK enum status zset_gather_add(struct zset_gather *g, struct slice member, double score);

/* All in order, count of them, valid until the next zset_gather_add or deinit. ST_NO_MEMORY. */
MUST_CHECK enum status zset_gather_sort(struct zset_gather *g, struct zset_element **out);

#endif
