/* A hash by chains that grows: whatever begins with a struct chained can be kept in it. The caller
 * compares what is in a chain. One thread. */
#ifndef CAIRN_NET_COMMAND_CHAIN_TABLE_H
#define CAIRN_NET_COMMAND_CHAIN_TABLE_H

#include "engine/base/status.h"

#include <stddef.h>
#include <stdint.h>

/* First in what is kept. */
struct chained {
	struct chained *next, **link; /* in its bucket */
	uint64_t hash;
};

/* All zero: empty. */
struct chain_table {
	struct chained **buckets; /* NULL until first used */
	size_t mask, count;
};

/* Frees the table; what is in it belongs to the caller. */
void chain_table_deinit(struct chain_table *t);

/* Makes room for one more. ST_NO_MEMORY. */
MUST_CHECK enum status chain_table_room(struct chain_table *t);

/* Adds what has its hash set; there was made room for it. */
void chain_table_add(struct chain_table *t, struct chained *c);

/* Takes out what is in it. */
void chain_table_remove(struct chain_table *t, struct chained *c);

/* The first of the chain in which a hash is, the others follow by next; NULL: none. Others with
 * another hash may be among them. */
struct chained *chain_table_first(const struct chain_table *t, uint64_t hash);

#endif
