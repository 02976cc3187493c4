/* Walks over collections whose elements have names: the fields of a hash with their values, the
 * members of a set, whose values are empty, those of a sorted set with their scores
 * (zset_score_get). In order of the names' hashes, page by page, or at random.
 *
 * m is what ks_lookup said of key. What is given out is borrowed until the next step. Errors: as
 * engine/keyspace.h, and ST_CORRUPT for a blob that does not decode. Executor thread, inside a
 * batch. */
#ifndef CAIRN_ENGINE_TYPES_NAMED_WALK_H
#define CAIRN_ENGINE_TYPES_NAMED_WALK_H

#include "engine/base/rng.h"
#include "engine/keyspace.h"
#include "engine/types/small_blob.h"

/* Number of elements. */
MUST_CHECK enum status named_count(const struct meta *m, uint64_t *out);

/* Number of elements that are to be seen: not those fields of a hash whose time has come. */
MUST_CHECK enum status named_count_visible(struct engine *e, const struct store_key *key,
					   const struct meta *m, uint64_t *out);

/* A walk over all elements that are to be seen. Private. */
struct named_iter {
	struct ks_iter large;
	struct small_cursor small;
	bool is_large;
	bool has_values;  /* not a set */
	bool some_hidden; /* fields whose time has come are passed over */
	struct engine *engine;
	uint16_t slot;
	uint64_t id;
};

/* Begins at order position from_order (below 2^48; 0: at the start). A small collection has no
 * positions: it is always walked from its start, with order 0 everywhere. To be closed, also after
 * a failure. */
MUST_CHECK enum status named_iter_open(struct engine *e, const struct store_key *key,
				       const struct meta *m, uint64_t from_order,
				       struct named_iter *it);
/* Next element. ST_END. A walk that stops after an element may resume at *order + 1 when all
 * elements of equal *order were taken; it meets each element that was there all the time exactly
 * once. */
MUST_CHECK enum status named_iter_next(struct named_iter *it, uint64_t *order, struct slice *name,
				       struct slice *value);
/* The same, but gives hidden elements as well: for walks that are to end after so many steps. */
MUST_CHECK enum status named_iter_step(struct named_iter *it, uint64_t *order, struct slice *name,
				       struct slice *value, bool *hidden);
void named_iter_close(struct named_iter *it); /* also twice */

/* An element at random, borrowed until it is closed. Uniform in collections of up to 128 elements;
 * in larger ones an element's chance depends on its distance to its neighbours in hash order,
 * evened out. it has to be closed in any case. ST_NOT_FOUND: none is to be seen. */
MUST_CHECK enum status named_random(struct engine *e, const struct store_key *key,
				    const struct meta *m, struct rng *rng, struct named_iter *it,
				    struct slice *name, struct slice *value);

/* Calls each for count different elements at random, count being at most the
 * number that is to be seen. Few of a
 * large collection cost a seek each and 16 bytes of memory, many cost a walk over all.
 * ST_NO_MEMORY. */
MUST_CHECK enum status named_sample(struct engine *e, const struct store_key *key,
				    const struct meta *m, uint64_t count, struct rng *rng,
				    void (*each)(void *arg, struct slice name, struct slice value),
				    void *arg);

#endif
