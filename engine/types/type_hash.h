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
 * wins). old NULL: the key does not exist and is created. The key's expiry stays, that of the
 * fields does not. *added: fields that were new. */
MUST_CHECK enum status type_hash_set(struct engine *e, const struct store_key *key,
				     const struct meta *old, const struct slice *pairs,
				     size_t pairs_count, const struct hash_limits *limits,
				     uint64_t *added);

/* The same, but fields that were there keep their expiry: HINCRBY. */
MUST_CHECK enum status type_hash_change(struct engine *e, const struct store_key *key,
					const struct meta *old, const struct slice *pairs,
					size_t pairs_count, const struct hash_limits *limits,
					uint64_t *added);

/* Removes fields; the key goes with its last one. *removed: how many there were. */
MUST_CHECK enum status type_hash_del(struct engine *e, const struct store_key *key,
				     const struct meta *old, const struct slice *fields,
				     size_t fields_count, uint64_t *removed);

/* What OBJECT ENCODING says: "listpack", "listpackex" or "hashtable". A static string. */
const char *type_hash_encoding(const struct meta *m);

/* --- fields that expire (engine/types/hash_expiry.h) --- */

/* Changes of when fields of one hash expire, by one command; on the stack. Private. */
struct hash_timing {
	struct engine *e;
	const struct store_key *key;
	struct meta before, m;
	bool changed;
};

/* Begins; old is what ks_lookup found, key stays borrowed. Fields given may not borrow from the
 * engine. */
void hash_timing_begin(struct hash_timing *t, struct engine *e, const struct store_key *key,
		       const struct meta *old);

/* When a field expires; 0: never. ST_NOT_FOUND: it is not there, or hidden. */
MUST_CHECK enum status hash_timing_get(struct hash_timing *t, struct slice field, uint64_t *at_ms);

/* Sets when a field that is there expires, at most HASH_EXPIRY_MAX; 0: never. */
MUST_CHECK enum status hash_timing_set(struct hash_timing *t, struct slice field, uint64_t at_ms);

/* Removes a field that is there. */
MUST_CHECK enum status hash_timing_del(struct hash_timing *t, struct slice field);

/* Writes what is left to write; the key goes with its last field (t->m.count is 0 then), and the
 * small form comes back where it is due. To be called after all changes that succeeded. */
MUST_CHECK enum status hash_timing_end(struct hash_timing *t);

/* Removes at most max fields whose time has come: engine_options.expire_fields. */
MUST_CHECK enum status type_hash_expire(struct engine *e, const struct store_key *key,
					const struct meta *m, uint32_t max,
					struct fields_expired *out);

#endif
