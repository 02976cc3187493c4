/* Hashes: what they mean in storage. Commands parse arguments and write replies around these.
 *
 * A small hash is a blob in its key's record (engine/types/small_blob.h: field, value, field, ...),
 * a large one has an element record per field, and its number of fields in meta.count. A write that
 * makes the blob too long turns it into the large form, removals turn a nearly empty large hash
 * back.
 *
 * Cost: one field of a large hash is O(log n), whatever its size; of a small one a pass over at
 * most 2000 bytes. Nothing here allocates. Walks over all fields: engine/types/named_walk.h.
 *
 * old and m are what ks_lookup said of key, not yet followed by a write; after a write here they
 * are stale. Fields and values given may not borrow from the engine. Errors: as engine/keyspace.h,
 * and ST_CORRUPT for a blob that does not decode; after a failed write the batch is to be rolled
 * back. Executor thread, inside a batch. */
#ifndef CAIRN_ENGINE_TYPES_TYPE_HASH_H
#define CAIRN_ENGINE_TYPES_TYPE_HASH_H

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

#endif
