/* What a string is in the store: short ones inline in their key record, long ones in chunks.
 *
 * A string of at most STRING_INLINE_MAX bytes is the payload of its key record (FORM_INLINE). A
 * longer one is FORM_LARGE: chunk i holds bytes [i * STRING_CHUNK, (i + 1) * STRING_CHUNK) as the
 * ordered element with subkey i (u32 BE), and count is the length in bytes. A missing chunk, and
 * what a chunk lacks at its end, are zero bytes, so writing far behind the end is cheap. No chunk
 * holds bytes at or behind count.
 *
 * A string turns large when a write makes it too long to be inline, and inline again only when it
 * is written whole. Executor thread; statuses as in engine/keyspace.h. After a failed write the
 * batch is to be rolled back. */
#ifndef CAIRN_ENGINE_TYPES_TYPE_STRING_H
#define CAIRN_ENGINE_TYPES_TYPE_STRING_H

#include "engine/keyspace.h"

enum {
	STRING_CHUNK = 16320, /* four LMDB overflow pages with their header and our checksum */
	STRING_INLINE_MAX = STRING_CHUNK,
	STRING_INT_TEXT_MAX = 20, /* characters of the longest int64 */
};

/* STRING_CHUNK zero bytes: what a hole reads as. */
extern const uint8_t string_zeros[STRING_CHUNK];

/* Length in bytes; 0 for NULL (an absent key). */
uint64_t string_len(const struct meta *m);

/* What OBJECT ENCODING says: "int", "embstr" or "raw". */
const char *string_encoding(const struct meta *m);

/* The int64 that text is in canonical form (no plus, no leading zeros or spaces). false: it is not.
 */
MUST_CHECK bool string_to_int(struct slice text, int64_t *out);

/* Writes v's canonical text to dst of STRING_INT_TEXT_MAX bytes, no terminator; returns its length.
 */
size_t string_from_int(int64_t v, uint8_t *dst);

/* --- whole values --- */

/* Makes key hold value whatever it held before, without looking when the value is short. flags: of
 * enum meta_flags; expire_at_ms 0: no expiry. value must not borrow from a read. */
MUST_CHECK enum status string_set(struct engine *e, const struct store_key *key, struct slice value,
				  uint8_t flags, uint64_t expire_at_ms);

/* The same for a caller that has just looked: old is what ks_lookup found, NULL: nothing. A short
 * value may borrow from old's payload. */
MUST_CHECK enum status string_replace(struct engine *e, const struct store_key *key,
				      const struct meta *old, struct slice value, uint8_t flags,
				      uint64_t expire_at_ms);

/* Gives the bytes [off, off + len) of a value in dst. May read keys; must not write. */
typedef enum status (*string_fill)(void *arg, uint64_t off, uint8_t *dst, size_t len);

/* Like string_set with META_RAW, no expiry, for a value of len bytes that is made chunk by chunk.
 * The key keeps its old value until the last call of fill. */
MUST_CHECK enum status string_build(struct engine *e, const struct store_key *key, uint64_t len,
				    string_fill fill, void *arg);

/* --- parts --- */

/* Writes bytes at offset off, growing the string to off at least (with zeros) and to the end of
 * bytes; empty bytes only grow it. The value becomes META_RAW and keeps its expiry. Touches the
 * chunks concerned alone. off + bytes.len must be below 2^32 * STRING_CHUNK. bytes must not borrow
 * from a read. */
MUST_CHECK enum status string_write(struct engine *e, const struct store_key *key,
				    const struct meta *old, uint64_t off, struct slice bytes);

/* Copies [off, off + len) to dst; what lies behind the end, or in a hole, reads as zeros. m may be
 * NULL. */
MUST_CHECK enum status string_read(struct engine *e, uint16_t slot, const struct meta *m,
				   uint64_t off, uint8_t *dst, size_t len);

/* Walks a range in pieces, without assembling it. Fields are private. */
struct string_reader {
	struct engine *engine;
	struct slice chunk; /* the stored chunk looked at, or the inline payload */
	uint64_t chunk_off; /* where it begins in the string */
	uint64_t at, end;   /* what is left to give out */
	struct ks_iter it;
	bool walking;	/* it is open: more stored chunks may follow */
	bool has_chunk; /* chunk is set */
};

/* Begins at off; the range is cut at the string's end. The reader must be closed, also after an
 * error of next. Nothing may be written meanwhile. */
MUST_CHECK enum status string_reader_open(struct engine *e, uint16_t slot, const struct meta *m,
					  uint64_t off, uint64_t len, struct string_reader *r);

/* The next piece, never empty, valid until the next call. piece->data is NULL for a hole: that many
 * zero bytes. ST_END. */
MUST_CHECK enum status string_reader_next(struct string_reader *r, struct slice *piece);

void string_reader_close(struct string_reader *r); /* fine when zeroed or closed already */

#endif
