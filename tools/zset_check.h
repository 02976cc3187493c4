/* Whether the order of a large sorted set agrees with its members (engine/types/zset_tree.h), and
 * that of the fields of a hash that expire with these (engine/types/hash_expiry.h). */
#ifndef CAIRN_TOOLS_ZSET_CHECK_H
#define CAIRN_TOOLS_ZSET_CHECK_H

#include "engine/export/value.h"

/* Walks the tree of a set (of a hash: with times for scores) and looks each of its elements up by
 * member: they rise, lie between their separators, have the scores that their members have, and are
 * as many as counts and record say. *records: records that the tree is made of. ST_OK; ST_CORRUPT:
 * *what says which of this is not so; ST_IO. */
MUST_CHECK enum status zset_check(const struct view *v, const struct key_record *record,
				  uint64_t *records, const char **what);

#endif
