/* Digests of values and of the whole dataset, for DEBUG DIGEST and DEBUG DIGEST-VALUE: the same as
 * Redis's, so that nodes of both kinds can be compared. Order matters in a list alone.
 *
 * Two operations on a digest of 20 bytes: add(d, x) is d XOR SHA-1(x), mix(d, x) is SHA-1(add(d,
 * x)). A value, beginning with d: mix(type, u32 BE: string 0, list 1, set 2, zset 3, hash 4, stream
 * 6); a string: mix(text); a list: mix(element) each; a hash: for each field a digest of its own,
 * from zeros, mix(field), mix(value), which is then added; a sorted set alike, the score as %.17g;
 * with an expiry: add("!!expire!!"). The dataset, unless it is empty, beginning with zeros:
 * mix(database, u32 BE), then for each key a digest of its own, from zeros, mix(key) and the value,
 * which is added. */
#ifndef CAIRN_NET_COMMAND_VALUE_DIGEST_H
#define CAIRN_NET_COMMAND_VALUE_DIGEST_H

#include "engine/keyspace.h"

enum { VALUE_DIGEST_LEN = 20 };

/* Continues digest with the value that ks_lookup found as m. Errors of engine/keyspace.h, and
 * ST_NO_MEMORY; ST_WRONG_TYPE: a type without digest. Executor thread, inside a batch. */
MUST_CHECK enum status value_digest(struct engine *e, const struct store_key *key,
				    const struct meta *m, uint8_t digest[VALUE_DIGEST_LEN]);

/* The whole dataset's. It takes as long as reading everything. */
MUST_CHECK enum status dataset_digest(struct engine *e, uint8_t digest[VALUE_DIGEST_LEN]);

#endif
