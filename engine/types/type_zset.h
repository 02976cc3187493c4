/* Sorted sets: what they mean in storage. Commands parse arguments and write replies around these.
 *
 * A small sorted set is a blob in its key's record (engine/types/small_blob.h: member, score,
 * member, ... in order, a score being 8 bytes). A large one has two kinds of records under its id:
 * member -> score, named elements as a hash has them, for everything that begins with a member; and
 * a tree that keeps the order and counts (engine/types/zset_tree.h). A write that makes the blob
 * too long turns it into the large form, removals turn a nearly empty large one back.
 *
 * Cost in a large set of n elements: by member, by rank, counting between two places: O(log n),
 * whatever lies between; ranges: that, and their length. A small set is read and rewritten whole:
 * at most 2000 bytes. A member of more than 128 bytes is stored twice.
 *
 * old and m are what ks_lookup said of key, not yet followed by a write; after a write here they
 * are stale. Members given may not borrow from the engine. A set whose last element goes is
 * removed; expiry stays as it is. Scores are never NaN. Errors: as engine/keyspace.h, and
 * ST_CORRUPT for a blob or nodes that make no sense; after a failed write the batch is to be rolled
 * back. Executor thread, inside a batch. */
#ifndef CAIRN_ENGINE_TYPES_TYPE_ZSET_H
#define CAIRN_ENGINE_TYPES_TYPE_ZSET_H

#include "engine/keyspace.h"
#include "engine/types/small_blob.h"
#include "engine/types/zset_tree.h"

/* Above which of these Redis leaves its small encoding for good (zset-max-listpack-entries and
 * -value): only what OBJECT ENCODING says depends on them. */
struct zset_limits {
	uint64_t entries; /* elements */
	uint64_t value;	  /* bytes of a member */
};

enum { ZSET_SMALL_MAX = COLLECTION_INLINE_MAX / 10 }; /* elements that a blob can hold */

/* --- reading; for a walk in hash order see engine/types/named_walk.h --- */

/* Number of elements. */
MUST_CHECK enum status type_zset_count(const struct meta *m, uint64_t *out);

/* A member's score. ST_NOT_FOUND. */
MUST_CHECK enum status type_zset_score(struct engine *e, const struct store_key *key,
				       const struct meta *m, struct slice member, double *out);

/* A member's score, and how many elements come before it. ST_NOT_FOUND. */
MUST_CHECK enum status type_zset_rank(struct engine *e, const struct store_key *key,
				      const struct meta *m, struct slice member, uint64_t *rank,
				      double *score);

/* How many elements lie before a bound. */
MUST_CHECK enum status type_zset_position(struct engine *e, const struct store_key *key,
					  const struct meta *m, const struct zset_bound *bound,
					  uint64_t *out);

/* What OBJECT ENCODING says: "listpack" or "skiplist". A static string. */
const char *type_zset_encoding(const struct meta *m);

/* A walk in order, from a rank up, or (reverse) down. */
struct type_zset_iter {
	struct zset_tree tree; /* large */
	struct meta meta;
	struct zset_path path;
	struct zset_view leaf;
	uint64_t left;	   /* elements until the end */
	struct slice blob; /* small */
	uint32_t small_at; /* the next one's place in offsets */
	bool is_large, reverse, begun;
	uint16_t offsets[ZSET_SMALL_MAX];
};

/* Begins at rank, which must be below the number of elements. Nothing is to be closed. */
MUST_CHECK enum status type_zset_iter_open(struct engine *e, const struct store_key *key,
					   const struct meta *m, uint64_t rank, bool reverse,
					   struct type_zset_iter *it);
/* Next element, borrowed until the next write. ST_END. */
MUST_CHECK enum status type_zset_iter_next(struct type_zset_iter *it, struct zset_element *out);

/* --- changing --- */

/* Changes of one set by one command, which either sets or removes members; on the stack. Private
 * but for added and removed. */
struct zset_edit {
	struct engine *e;
	const struct store_key *key;
	struct zset_limits limits;
	struct meta before, m;
	bool existed, changed;
	uint64_t added, removed; /* elements so far */
	struct small_blob blob;	 /* while m.form is FORM_INLINE */
};

/* Begins. old NULL: the key does not exist, and is created by the first zset_edit_set. key stays
 * borrowed. */
MUST_CHECK enum status zset_edit_begin(struct zset_edit *ed, struct engine *e,
				       const struct store_key *key, const struct meta *old,
				       const struct zset_limits *limits);

/* A member's score as it is now. ST_NOT_FOUND. */
MUST_CHECK enum status zset_edit_get(struct zset_edit *ed, struct slice member, double *out);

/* Gives a member a score. now: what zset_edit_get said, NULL: it is not there. */
MUST_CHECK enum status zset_edit_set(struct zset_edit *ed, struct slice member, const double *now,
				     double score);

/* Removes a member. ST_NOT_FOUND. */
MUST_CHECK enum status zset_edit_del(struct zset_edit *ed, struct slice member);

/* Writes what is left to write. To be called after all changes that succeeded. */
MUST_CHECK enum status zset_edit_end(struct zset_edit *ed);

/* Removes the elements of ranks from..to - 1, which must exist. */
MUST_CHECK enum status type_zset_remove(struct engine *e, const struct store_key *key,
					const struct meta *old, uint64_t from, uint64_t to);

/* Puts a new set of these elements, in order and without repeats, in the place of whatever key
 * holds; none: the key is removed. expire_at_ms 0: no expiry. A negative zero that Redis would not
 * keep is made a zero in elements too. */
MUST_CHECK enum status type_zset_store(struct engine *e, const struct store_key *key,
				       struct zset_element *elements, uint64_t count,
				       const struct zset_limits *limits, uint64_t expire_at_ms);

#endif
