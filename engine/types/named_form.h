/* The two forms of a collection with named elements, common to hashes and sets: a blob in the key's
 * record, or a record per element and their number in meta.count.
 *
 * old and m are what ks_lookup said of key, not yet followed by a write; after a write here they
 * are stale. Names given may not borrow from the engine. Errors: as engine/keyspace.h, and
 * ST_CORRUPT for a blob that does not decode; after a failed write the batch is to be rolled back.
 * Executor thread, inside a batch. */
#ifndef CAIRN_ENGINE_TYPES_NAMED_FORM_H
#define CAIRN_ENGINE_TYPES_NAMED_FORM_H

#include "engine/keyspace.h"
#include "engine/types/small_blob.h"

/* An element's value (empty for a set's member), borrowed until the next write. ST_NOT_FOUND. */
MUST_CHECK enum status named_get(struct engine *e, const struct store_key *key,
				 const struct meta *m, struct slice name, struct slice *value);

/* Removes elements; the key goes with its last one, and a large collection with little left goes
 * back to a blob. *removed: how many there were. */
MUST_CHECK enum status named_del(struct engine *e, const struct store_key *key,
				 const struct meta *old, const struct slice *names,
				 size_t names_count, uint64_t *removed);

/* --- for the types themselves --- */

/* Where an element stands in a blob. */
struct named_place {
	size_t off, len; /* of name and value together */
	struct slice value;
};

/* Finds an element in a blob, with values (a hash's) or without. ST_NOT_FOUND; ST_CORRUPT when what
 * was passed on the way does not decode. */
MUST_CHECK enum status named_blob_find(struct slice blob, bool has_values, struct slice name,
				       struct named_place *out);

/* Copies the blob of a collection in its small form, after checking it. */
MUST_CHECK enum status named_blob_load(struct small_blob *b, const struct meta *m);

/* Gives a blob's elements records of their own; m becomes the large form, not yet written. */
MUST_CHECK enum status named_spill(struct engine *e, const struct store_key *key,
				   const struct small_blob *b, struct meta *m);

/* Writes the collection as the blob b; flags and expiry from m. */
MUST_CHECK enum status named_put_blob(struct engine *e, const struct store_key *key,
				      const struct meta *old, const struct meta *m,
				      const struct small_blob *b);

/* Writes the record of a large collection that was left with m->count elements: deletes the key
 * with the last one, and goes back to a blob where that is due. *large: it stayed as it was. */
MUST_CHECK enum status named_put_fewer(struct engine *e, const struct store_key *key,
				       const struct meta *old, const struct meta *m, bool *large);

#endif
