/* Sums by name: how many, how many bytes, per command, slot, type, prefix or minute. */
#ifndef CAIRN_TOOLS_TALLY_H
#define CAIRN_TOOLS_TALLY_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

struct tally_row {
	uint64_t count, bytes, extra, max_bytes;
	size_t name_len;
	uint8_t name[];
};

/* A zeroed one is empty. */
struct tally {
	struct tally_row **buckets;
	size_t buckets_count, used;
};

enum tally_order { TALLY_BY_BYTES, TALLY_BY_COUNT, TALLY_BY_NAME };

/* Adds one occurrence of bytes; extra is a second count. ST_NO_MEMORY. */
MUST_CHECK enum status tally_add(struct tally *t, struct slice name, uint64_t bytes,
				 uint64_t extra);
/* The rows in order (largest first; names ascending), freed by mem_free; the rows stay the tally's.
 * *out is NULL when it is empty. */
MUST_CHECK enum status tally_sorted(const struct tally *t, enum tally_order order,
				    struct tally_row ***out);
void tally_deinit(struct tally *t);

/* The part of a key that groups it: up to its first ':' (with it), or the whole key's first 24
 * bytes. */
struct slice tally_prefix(struct slice key);

#endif
