/* Looks through a large sorted set, record by record: whether the tree is in order, its counts and
 * separators are right, its elements are those of the member records, and nothing else lies under
 * its id. */
#ifndef CAIRN_TESTS_SUPPORT_ZSET_AUDIT_H
#define CAIRN_TESTS_SUPPORT_ZSET_AUDIT_H

#include "engine/types/type_zset.h"

/* Asserts all that about the set that ks_lookup found as m; inside a batch. */
void zset_audit(struct engine *e, const struct store_key *key, const struct meta *m);

#endif
