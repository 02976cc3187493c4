/* Reads and writes in terms of user keys, collections and their elements: what the types and
 * commands use.
 *
 * What a read borrows (payloads, values, names) stays valid until the next write, engine_turn_end
 * or iterator step, whichever comes first. Writes copy what they are given, but must not be given
 * bytes borrowed from the record that they replace unless that is said. Executor thread, inside
 * engine_begin ... engine_commit. */
#ifndef CAIRN_ENGINE_KEYSPACE_H
#define CAIRN_ENGINE_KEYSPACE_H

#include "engine/engine.h"

/* Common errors: ST_CORRUPT (a checksum does not match: the key must not be served), ST_IO, and for
 * writes ST_NO_MEMORY, ST_LIMIT (batch too large). After a failed write the batch is to be rolled
 * back. */

/* --- key records --- */

/* Finds a live key. ST_NOT_FOUND: absent, or its time has come at engine_now_ms. */
MUST_CHECK enum status ks_lookup(struct engine *e, const struct store_key *key, struct meta *out);

/* Writes a key's record: type, form, flags and expiry from m; for FORM_INLINE the payload is parts
 * back to back (m->payload is ignored; parts may borrow from the record being replaced), for
 * FORM_LARGE id, count and aux from m. old: what ks_lookup found, NULL when it said ST_NOT_FOUND.
 * When old is a large collection with another id, its elements are dropped. */
MUST_CHECK enum status ks_put(struct engine *e, const struct store_key *key, const struct meta *old,
			      const struct meta *m, const struct slice *parts, size_t parts_count);

/* Like ks_put without a lookup before: for SET and its kin, which replace whatever is there. m must
 * be FORM_INLINE. */
MUST_CHECK enum status ks_put_blind(struct engine *e, const struct store_key *key,
				    const struct meta *m, const struct slice *parts,
				    size_t parts_count);

/* Removes a key that ks_lookup found as old, with its elements. */
MUST_CHECK enum status ks_delete(struct engine *e, const struct store_key *key,
				 const struct meta *old);

/* Removes a key, whatever it holds; ST_OK as well when there is none. */
MUST_CHECK enum status ks_remove(struct engine *e, const struct store_key *key);

/* Removes a key's record but leaves its collection alive: first half of a rename within a slot, the
 * collection's id having been, or about to be, put under another key. */
MUST_CHECK enum status ks_detach(struct engine *e, const struct store_key *key,
				 const struct meta *old);

/* Says that a key's elements changed without a change of its record (ks_put and ks_delete say so
 * themselves). */
void ks_touch(struct engine *e, const struct store_key *key);

/* Empties the whole keyspace. */
MUST_CHECK enum status ks_flush(struct engine *e);

/* --- collections --- */

/* A collection id never used before in this history. */
uint64_t ks_new_id(struct engine *e);

/* Named elements (hash fields, set members; any length). */
MUST_CHECK enum status ks_field_get(struct engine *e, uint16_t slot, uint64_t id,
				    struct slice field, struct slice *value);
MUST_CHECK enum status ks_field_put(struct engine *e, uint16_t slot, uint64_t id,
				    struct slice field, const struct slice *parts,
				    size_t parts_count);
MUST_CHECK enum status ks_field_del(struct engine *e, uint16_t slot, uint64_t id,
				    struct slice field);

/* Ordered elements (raw subkeys of at most 499 bytes, in byte order). */
MUST_CHECK enum status ks_elem_get(struct engine *e, uint16_t slot, uint64_t id,
				   struct slice subkey, struct slice *value);
MUST_CHECK enum status ks_elem_put(struct engine *e, uint16_t slot, uint64_t id,
				   struct slice subkey, const struct slice *parts,
				   size_t parts_count);
MUST_CHECK enum status ks_elem_del(struct engine *e, uint16_t slot, uint64_t id,
				   struct slice subkey);

/* Drops every element of a collection at no cost to the executor; done by ks_delete and ks_put for
 * replaced keys. */
MUST_CHECK enum status ks_drop(struct engine *e, uint16_t slot, uint64_t id);

/* --- ordered scans ---
 * An iterator merges both memtables and the store. Several may be open at once; none across a write
 * to what it walks, nor across engine_turn_end. */

struct ks_iter {
	struct engine_iter *impl; /* from a pool; NULL when closed */
};

/* The live keys of one slot from order position from_order (0: all) on, in order. */
MUST_CHECK enum status ks_keys_open(struct engine *e, uint16_t slot, uint64_t from_order,
				    struct ks_iter *it);
/* Next key. *order is its position: a scan that stops after this key resumes at *order + 1 provided
 * that all keys of equal *order were taken. ST_END. */
MUST_CHECK enum status ks_keys_next(struct ks_iter *it, uint64_t *order, struct slice *name,
				    struct meta *meta);

/* Named elements of a collection from order position from_order on. Ordered ones beside them, whose
 * subkeys are shorter than the 6 bytes of an order (a sorted set's tree), are passed over. */
MUST_CHECK enum status ks_fields_open(struct engine *e, uint16_t slot, uint64_t id,
				      uint64_t from_order, struct ks_iter *it);
MUST_CHECK enum status ks_fields_next(struct ks_iter *it, uint64_t *order, struct slice *name,
				      struct slice *value);

/* Ordered elements with from <= subkey (forward), or subkey < from walking down (reverse; an
 * empty from means from the end). */
MUST_CHECK enum status ks_elems_open(struct engine *e, uint16_t slot, uint64_t id,
				     struct slice from, bool reverse, struct ks_iter *it);
MUST_CHECK enum status ks_elems_next(struct ks_iter *it, struct slice *subkey, struct slice *value);

void ks_iter_close(struct ks_iter *it); /* fine when never opened (zeroed) or closed */

/* A slot that has keys, chosen at random by weight of its keys as far as known; -1 when there is
 * none. */
int ks_random_slot(struct engine *e, uint64_t random);

#endif
