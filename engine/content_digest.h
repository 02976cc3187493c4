/* Numbers that tell whether two nodes of a shard hold the same, without their content.
 *
 * The digest of an entry is the XXH3-128 of its stored value, seeded with the XXH3-64 of its store
 * key: of key records that is name, type, flags, expiry and value, of elements the collection's id,
 * their place and their value. The digest of a key is that of its record plus those of all elements
 * of its collection, and the digest of a slot is the sum over its keys. So it can be kept by
 * subtracting what goes and adding what comes, in any order, and a key takes its collection with it
 * whatever its size; elements that no key record names (dead collections on their way out) count
 * for nothing.
 *
 * What is stored is decided by the log alone: the executor of the primary says when a small
 * collection becomes a large one, which id it gets and where its elements lie. So the digests of
 * any two nodes agree at equal LSN, whenever they checkpointed and however they got their data.
 * Other histories (another cluster, a copy by commands) give other ids and so other digests. */
#ifndef CAIRN_ENGINE_CONTENT_DIGEST_H
#define CAIRN_ENGINE_CONTENT_DIGEST_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

#include <stdbool.h>

/* Two sums that do not carry into each other. All zero: nothing is there. */
struct digest {
	uint64_t lo, hi;
};

enum { DIGEST_TEXT_LEN = 32, DIGEST_LEN = 16 };

/* Of an entry as the store has it: a key record or an element. */
struct digest digest_of_entry(struct slice key, struct slice stored);

static inline struct digest digest_add(struct digest a, struct digest b)
{
	return (struct digest){a.lo + b.lo, a.hi + b.hi};
}

static inline struct digest digest_sub(struct digest a, struct digest b)
{
	return (struct digest){a.lo - b.lo, a.hi - b.hi};
}

/* n times d; n may be negative. */
static inline struct digest digest_times(struct digest d, int64_t n)
{
	return (struct digest){d.lo * (uint64_t)n, d.hi * (uint64_t)n};
}

static inline bool digest_eq(struct digest a, struct digest b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

/* 32 hexadecimal digits, the high half first, and an end. */
void digest_text(struct digest d, char out[DIGEST_TEXT_LEN + 1]);

/* DIGEST_LEN bytes, low half first, little-endian. */
void digest_put(uint8_t *dst, struct digest d);
struct digest digest_get(const uint8_t *at);

/* --- from scratch: over all entries of a slot, in store order --- */

struct content_digest {
	struct digest sum;
	uint64_t *ids; /* collections that key records of this slot name */
	size_t ids_count, ids_cap;
	bool sorted;
	uint64_t id;   /* of the last element */
	int64_t names; /* ... and how many records name it */
};

/* Takes one entry; zeroed before the first one. ST_NO_MEMORY; ST_CORRUPT: a key record that does
 * not decode. */
MUST_CHECK enum status content_digest_add(struct content_digest *c, struct slice key,
					  struct slice stored);
/* What the entries since the last call add up to; ready for the next slot. */
struct digest content_digest_take(struct content_digest *c);
void content_digest_deinit(struct content_digest *c);

#endif
