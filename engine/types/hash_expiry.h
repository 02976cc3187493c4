/* Fields of a hash that expire: when each does, and which does first.
 *
 * A hash with such fields is in the large form, and stays there while it has any. Under its id,
 * beside the fields, are two kinds of records that walks over fields pass over, their subkeys being
 * shorter than those of fields:
 *
 *   4 bytes: the upper 32 bits of fields' order (engine/key_codec.h) -> those of them that expire:
 *            [when u64 LE, ms][length u32 LE][field], back to back
 *   5 bytes: the nodes of a tree of (when, field), as sorted sets have it
 * (engine/types/zset_tree.h); meta.aux is the tree's
 *
 * The key record says how many such fields there are and when the first expires
 * (meta.fields_timed, meta.fields_at_ms), which puts it in the expiry index. A field whose time has
 * come is hidden at once, and removed by the primary later (type_hash_expire), some at a time.
 *
 * What the log says of a field speaks for itself: a field that expires is put together with its
 * record of the first kind, and one that no longer does is put, or removed, as well. So whoever
 * reads the log can tell which of them expire without knowing what was there before.
 *
 * Cost: O(log n) for a change of one; nothing at all for hashes without. Statuses as in
 * engine/keyspace.h; after a failed write the batch is to be rolled back. Executor thread, inside a
 * batch. */
#ifndef CAIRN_ENGINE_TYPES_HASH_EXPIRY_H
#define CAIRN_ENGINE_TYPES_HASH_EXPIRY_H

#include "engine/keyspace.h"

/* The latest time that can be set, ms. */
#define HASH_EXPIRY_MAX ((UINT64_C(1) << 48) - 2)

enum { HASH_BUCKET_KEY_LEN = 4 };

/* Whether any field is hidden now. */
static inline bool hash_any_hidden(struct engine *e, const struct meta *m)
{
	return m->fields_at_ms != 0 && m->fields_at_ms <= engine_now_ms(e);
}

/* When a field expires, whether it is there or not; 0: never. */
MUST_CHECK enum status hash_expiry_get(struct engine *e, uint16_t slot, const struct meta *m,
				       struct slice field, uint64_t *at_ms);

/* ST_OK: the field of that collection, if there, is to be seen. ST_NOT_FOUND: its time has come. */
MUST_CHECK enum status hash_visible(struct engine *e, uint16_t slot, uint64_t id,
				    struct slice field);

/* How many fields are hidden. */
MUST_CHECK enum status hash_hidden_count(struct engine *e, uint16_t slot, const struct meta *m,
					 uint64_t *out);

/* Sets when a field of a large hash expires, at most HASH_EXPIRY_MAX; 0: never. m changes along,
 * and is to be written by the caller. field must not borrow from the engine. ST_NO_MEMORY. */
MUST_CHECK enum status hash_expiry_set(struct engine *e, uint16_t slot, struct meta *m,
				       struct slice field, uint64_t at_ms);

/* Writes once more when a field that expires does so: what its new value goes along with. */
MUST_CHECK enum status hash_expiry_repeat(struct engine *e, uint16_t slot, const struct meta *m,
					  struct slice field, uint64_t at_ms);

/* The field that expires first, copied to field, and when. */
MUST_CHECK enum status hash_expiry_first(struct engine *e, uint16_t slot, const struct meta *m,
					 struct buf *field, uint64_t *at_ms);

/* The subkey of the record of the 4-byte kind that a field belongs to. */
struct slice hash_bucket_key(uint8_t dst[HASH_BUCKET_KEY_LEN], struct slice field);

/* A record of the 4-byte kind: takes the next entry off the front of bucket. ST_END; ST_CORRUPT. */
MUST_CHECK enum status hash_bucket_next(struct slice *bucket, struct slice *field, uint64_t *at_ms);

#endif
