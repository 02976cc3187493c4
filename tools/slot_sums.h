/* Keys and a digest for each slot: what tells, without their content, whether two nodes hold the
 * same. */
#ifndef CAIRN_TOOLS_SLOT_SUMS_H
#define CAIRN_TOOLS_SLOT_SUMS_H

#include "tools/slot_verbs.h"

struct slot_sums {
	uint64_t keys[SLOTS], digest[SLOTS];
	uint64_t unread; /* keys of types without a decoder: the digest has their names alone */
};

/* Fills *out (any content before) from the keys that the filter lets pass. Returns EXIT_CLEAN, or
 * an exit code after telling what is wrong. */
int slot_sums_take(struct tool *t, const struct slot_env *env, const struct wal_filter *filter,
		   struct slot_sums *out);

/* Says on stderr how many keys were not compared whole, when there are any. */
void slot_sums_warn(const struct tool *t, const struct slot_sums *sums, const char *path);

/* The digest of one key as the sums take it; *read is false when its type has no decoder. Errors
 * as digest_of. */
MUST_CHECK enum status slot_digest_of(const struct view *v, const struct key_record *record,
				      uint64_t *out, bool *read);

#endif
