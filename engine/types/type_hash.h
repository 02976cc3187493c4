/* Hashes: what they mean in storage. Commands parse arguments and write replies around these.
 *
 * A small hash is a blob in its key's record (engine/types/small_blob.h: field, value, field, ...),
 * a large one has an element record per field, and its number of fields in meta.count. A write that
 * makes the blob too long turns it into the large form, removals turn a nearly empty large hash
 * back.
 *
 * Cost: one field of a large hash is O(log n), whatever its size; of a small one a pass over at
 * most 2000 bytes. Nothing here but type_hash_sample allocates.
 *
 * old and m are what ks_lookup said of key, not yet followed by a write; after a write here they
 * are stale. Fields and values given may not borrow from the engine. Errors: as engine/keyspace.h,
 * and ST_CORRUPT for a blob that does not decode; after a failed write the batch is to be rolled
 * back. Executor thread, inside a batch. */
#ifndef CAIRN_ENGINE_TYPES_TYPE_HASH_H
#define CAIRN_ENGINE_TYPES_TYPE_HASH_H

#include "engine/base/rng.h"
#include "engine/keyspace.h"
#include "engine/types/small_blob.h"

/* Above which of these Redis leaves its small encoding for good (hash-max-listpack-entries and
 * -value): only what OBJECT ENCODING says depends on them. */
struct hash_limits {
	uint64_t entries; /* fields */
	uint64_t value;	  /* bytes of a field or value */
};

/* Number of fields. */
MUST_CHECK enum status type_hash_count(const struct meta *m, uint64_t *out);

/* A field's value, borrowed until the next write. ST_NOT_FOUND. */
MUST_CHECK enum status type_hash_get(struct engine *e, const struct store_key *key,
				     const struct meta *m, struct slice field, struct slice *value);

/* Sets pairs_count fields: pairs is field, value, field, value, ... (the later of equal fields
 * wins). old NULL: the key does not exist and is created. Expiry stays. *added: fields that were
 * new. */
MUST_CHECK enum status type_hash_set(struct engine *e, const struct store_key *key,
				     const struct meta *old, const struct slice *pairs,
				     size_t pairs_count, const struct hash_limits *limits,
				     uint64_t *added);

/* Removes fields; the key goes with its last one. *removed: how many there were. */
MUST_CHECK enum status type_hash_del(struct engine *e, const struct store_key *key,
				     const struct meta *old, const struct slice *fields,
				     size_t fields_count, uint64_t *removed);

/* What OBJECT ENCODING says: "listpack" or "hashtable". A static string. */
const char *type_hash_encoding(const struct meta *m);

/* A walk over all fields. */
struct type_hash_iter {
	struct ks_iter large;
	struct small_cursor small;
	bool is_large;
};

/* Begins at order position from_order (below 2^48; 0: at the start). A small hash has no positions:
 * it is always walked from its start, with order 0 everywhere. To be closed, also after a failure.
 */
MUST_CHECK enum status type_hash_iter_open(struct engine *e, const struct store_key *key,
					   const struct meta *m, uint64_t from_order,
					   struct type_hash_iter *it);
/* Next field; what it gives is borrowed until the next step. ST_END. A walk that stops after a
 * field may resume at *order + 1 when all fields of equal *order were taken; it meets each field
 * that was there all the time exactly once. */
MUST_CHECK enum status type_hash_iter_next(struct type_hash_iter *it, uint64_t *order,
					   struct slice *field, struct slice *value);
void type_hash_iter_close(struct type_hash_iter *it); /* also twice */

/* A field at random, borrowed until it is closed. Uniform in hashes of up to 128 fields; in larger
 * ones a field's chance depends on its distance to its neighbours in hash order, evened out. it has
 * to be closed in any case. */
MUST_CHECK enum status type_hash_random(struct engine *e, const struct store_key *key,
					const struct meta *m, struct rng *rng,
					struct type_hash_iter *it, struct slice *field,
					struct slice *value);

/* Calls each for count different fields at random, count being at most the number of fields. Few of
 * a large hash cost a seek each and 16 bytes of memory, many cost a walk over all. ST_NO_MEMORY. */
MUST_CHECK enum status
type_hash_sample(struct engine *e, const struct store_key *key, const struct meta *m,
		 uint64_t count, struct rng *rng,
		 void (*each)(void *arg, struct slice field, struct slice value), void *arg);

/* --- for engine/types/type_build.c --- */

/* Gives a blob's fields records of their own; m becomes the large form, not yet written. */
MUST_CHECK enum status hash_spill(struct engine *e, const struct store_key *key,
				  const struct small_blob *b, struct meta *m);

#endif
