/* A store in a directory of its own that goes away with it, and a check that its counters, digests
 * and expiry index say what its records say. */
#ifndef CAIRN_TESTS_SUPPORT_TEMP_STORE_H
#define CAIRN_TESTS_SUPPORT_TEMP_STORE_H

#include "engine/store.h"

struct temp_store {
	char dir[64], path[96];
	struct store *store; /* NULL while closed */
};

/* Makes the directory and the store; asserts success. */
void temp_store_create(struct temp_store *t, uint64_t map_size);
/* Closes (when open) and opens again; asserts success. */
void temp_store_reopen(struct temp_store *t, uint64_t map_size);
/* Opens with a status and a text for humans; the store must be closed. */
enum status temp_store_try(struct temp_store *t, uint64_t map_size, bool read_only,
			   struct buf *error);
void temp_store_close(struct temp_store *t);
/* Closes and removes everything. */
void temp_store_destroy(struct temp_store *t);

/* Recomputes slot counters, slot digests and the expiry index from the records of the newest commit
 * and asserts that they are as stored. Returns the number of entries. */
uint64_t temp_store_verify(struct store *s);

/* Elements of collections that neither a key record nor a garbage mark of their slot names, as of
 * the newest commit. */
uint64_t temp_store_orphans(struct store *s);

#endif
