/* Lists: what they mean in storage. Commands parse arguments and write replies around these.
 *
 * A small list is a blob in its key's record (engine/types/small_blob.h: elements, head first). A
 * large one has an element record per element, at dense positions: subkey = position u64 BE,
 * meta.aux[0] = position of the head, meta.aux[1] = one past the tail, meta.count = the difference.
 * Positions start in the middle of the range, so both ends grow.
 *
 * Cost in a large list of n elements: push, pop, index, set: one element, O(log n). Ranges: one
 * seek and their length. Insert at i: min(i, n - i) elements are rewritten. Remove: one walk, and
 * all but the longest stretch without a removed element are rewritten. Trim: one removal per
 * element that goes, or a copy of those that stay when these are far fewer. A small list is read
 * and rewritten whole: at most 2000 bytes.
 *
 * old and m are what ks_lookup said of key, not yet followed by a write; after a write here they
 * are stale. Values given may not borrow from the engine. A list whose last element goes is
 * removed; expiry stays as it is. Errors: as engine/keyspace.h, and ST_CORRUPT for a blob or
 * positions that make no sense; after a failed write the batch is to be rolled back. Executor
 * thread, inside a batch. */
#ifndef CAIRN_ENGINE_TYPES_TYPE_LIST_H
#define CAIRN_ENGINE_TYPES_TYPE_LIST_H

#include "engine/keyspace.h"
#include "engine/types/small_blob.h"

/* Number of elements. */
MUST_CHECK enum status type_list_count(const struct meta *m, uint64_t *out);

/* The element at index from the head, borrowed until the next write. ST_NOT_FOUND: beyond the tail.
 */
MUST_CHECK enum status type_list_get(struct engine *e, const struct store_key *key,
				     const struct meta *m, uint64_t index, struct slice *value);

/* Pushes values one after the other at the head (left) or tail. old NULL: the list is created.
 * *length: elements afterwards. */
MUST_CHECK enum status type_list_push(struct engine *e, const struct store_key *key,
				      const struct meta *old, bool left, const struct slice *values,
				      size_t values_count, uint64_t *length);

/* Replaces the element at index. ST_NOT_FOUND: beyond the tail. */
MUST_CHECK enum status type_list_set(struct engine *e, const struct store_key *key,
				     const struct meta *old, uint64_t index, struct slice value);

/* Keeps the keep elements from index start on, which must exist; keep 0 removes the list. */
MUST_CHECK enum status type_list_trim(struct engine *e, const struct store_key *key,
				      const struct meta *old, uint64_t start, uint64_t keep);

/* Inserts in front of the element at index (at most the length: then behind the tail). */
MUST_CHECK enum status type_list_insert(struct engine *e, const struct store_key *key,
					const struct meta *old, uint64_t index, struct slice value,
					uint64_t *length);

/* Removes elements equal to value: all (count 0), the first count, or the last -count. *removed may
 * be 0: nothing was written. In a large list this needs 8 bytes of memory per removed element.
 * ST_NO_MEMORY. */
MUST_CHECK enum status type_list_remove(struct engine *e, const struct store_key *key,
					const struct meta *old, struct slice value, int64_t count,
					uint64_t *removed);

/* Moves one end of from (from_left: its head) to an end of to, which may be the same key, a list or
 * absent (ST_WRONG_TYPE otherwise). from_meta is what ks_lookup said of from. An element over 2000
 * bytes needs memory of its size for a moment. ST_NO_MEMORY. */
MUST_CHECK enum status type_list_move(struct engine *e, const struct store_key *from,
				      const struct meta *from_meta, bool from_left,
				      const struct store_key *to, bool to_left);

/* What OBJECT ENCODING says under list-max-listpack-size (bytes -1..-5 for 4..64 KiB, or a number
 * of elements): "listpack" when the elements as they are now fit, else "quicklist". Redis turns a
 * quicklist back only at half the limit; that history is not kept here. Reads at most as many bytes
 * as the limit. *out: a static string. */
MUST_CHECK enum status type_list_encoding(struct engine *e, const struct store_key *key,
					  const struct meta *m, int64_t listpack_max,
					  const char **out);

/* A walk from an element on towards the tail, or (reverse) towards the head. */
struct type_list_iter {
	struct ks_iter large;
	struct small_cursor small;
	struct slice blob;
	uint64_t left;	   /* elements until the end */
	uint64_t position; /* of the next one; large only */
	bool is_large, reverse;
	uint16_t offsets[COLLECTION_INLINE_MAX]; /* small and reverse: where entries start */
};

/* Begins at index, which must be below the length. To be closed, also after a failure. */
MUST_CHECK enum status type_list_iter_open(struct engine *e, const struct store_key *key,
					   const struct meta *m, uint64_t index, bool reverse,
					   struct type_list_iter *it);
/* Next element, borrowed until the next step. ST_END. */
MUST_CHECK enum status type_list_iter_next(struct type_list_iter *it, struct slice *value);
void type_list_iter_close(struct type_list_iter *it); /* also twice */

/* --- for engine/types/list_edit.c: the large form --- */

enum { LIST_SUBKEY_LEN = 8 };
#define LIST_MIDDLE (UINT64_C(1) << 63)

/* ST_CORRUPT when a large list's positions and count contradict each other. */
MUST_CHECK enum status list_check(const struct meta *m);

/* One element by position. get: ST_CORRUPT when it is missing. */
MUST_CHECK enum status list_elem_get(struct engine *e, const struct store_key *key,
				     const struct meta *m, uint64_t position, struct slice *value);
MUST_CHECK enum status list_elem_put(struct engine *e, const struct store_key *key,
				     const struct meta *m, uint64_t position, struct slice value);
MUST_CHECK enum status list_elem_del(struct engine *e, const struct store_key *key,
				     const struct meta *m, uint64_t position);

/* Gives a blob's elements records of their own; m becomes the large form, not yet written. */
MUST_CHECK enum status list_spill(struct engine *e, const struct store_key *key,
				  const struct small_blob *b, struct meta *m);

/* Writes a changed list: as the blob b, or as m (whose count is set here from its positions), which
 * goes back to a blob when a removal (shrinking) has left little enough. */
MUST_CHECK enum status list_put_blob(struct engine *e, const struct store_key *key,
				     const struct meta *old, const struct meta *m,
				     const struct small_blob *b);
MUST_CHECK enum status list_put_large(struct engine *e, const struct store_key *key,
				      const struct meta *old, struct meta *m, bool shrinking);

#endif
