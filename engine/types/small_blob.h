/* A small collection as one blob in its key's record, and when it is one. Pure.
 *
 *   off  size  field
 *     0     2  number of entries, u16 LE
 *     2   ...  entries: length varint, bytes; back to back to the end of the blob
 *
 * A list has one entry per element, head first; a hash has two per field: field, value.
 *
 * A blob never exceeds COLLECTION_INLINE_MAX, so that the record fits in an LMDB leaf. The bytes
 * come from disk: every length is checked when they are read. */
#ifndef CAIRN_ENGINE_TYPES_SMALL_BLOB_H
#define CAIRN_ENGINE_TYPES_SMALL_BLOB_H

#include "engine/base/bytes.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"

enum {
	COLLECTION_INLINE_MAX = 2000, /* bytes of a blob; a larger collection has element records */
	COLLECTION_SHRINK_MAX = 500,  /* a large one goes back to a blob of at most this: far below
					 the limit, so that it does not swing between the two */
	COLLECTION_SHRINK_COUNT = 64, /* and is not read for that while it has more elements */
	SMALL_BLOB_HEADER = 2,
};

/* A blob being changed; on the stack. Private but for reading. */
struct small_blob {
	size_t len;
	uint8_t bytes[COLLECTION_INLINE_MAX];
};

/* A place in a blob: in front of the entry that starts at at. */
struct small_cursor {
	const uint8_t *at, *end;
	uint32_t left;
};

/* Number of entries as the blob says, without looking at them. ST_CORRUPT: too short. */
MUST_CHECK enum status small_blob_count(struct slice blob, uint32_t *out);

/* Begins in front of the first entry; borrows blob. ST_CORRUPT. */
MUST_CHECK enum status small_cursor_init(struct small_cursor *c, struct slice blob);

/* The next entry's bytes, borrowed from the blob. ST_END; ST_CORRUPT: a length leaves the blob, or
 * bytes follow the last entry. */
MUST_CHECK enum status small_cursor_next(struct small_cursor *c, struct slice *entry);

/* An empty blob. */
void small_blob_clear(struct small_blob *b);

/* Copies a blob after checking all of it. ST_CORRUPT: b is not to be used. */
MUST_CHECK enum status small_blob_load(struct small_blob *b, struct slice blob);

/* Replaces erase_len bytes at off, which hold erase_count whole entries, by count new ones (which
 * must not borrow from b). false: no room within max bytes (at most COLLECTION_INLINE_MAX); b is
 * unchanged then. */
MUST_CHECK bool small_blob_splice(struct small_blob *b, size_t off, size_t erase_len,
				  uint32_t erase_count, const struct slice *entries, uint32_t count,
				  size_t max);

/* Removes erase_count whole entries that take erase_len bytes at off. */
void small_blob_erase(struct small_blob *b, size_t off, size_t erase_len, uint32_t erase_count);

/* Bytes that an entry of len bytes takes. */
size_t small_blob_entry_size(size_t len);

/* True when a large collection that was left with count elements by a removal should be tried for a
 * blob. Only some counts are, so that removals from a collection of few but long elements do not
 * read it each time. */
bool small_blob_shrink_due(uint64_t count);

static inline struct slice small_blob_slice(const struct small_blob *b)
{
	return slice_of(b->bytes, b->len);
}

/* Entries of a checked blob. */
static inline uint32_t small_blob_entries(const struct small_blob *b)
{
	return bytes_get_u16le(b->bytes);
}

#endif
