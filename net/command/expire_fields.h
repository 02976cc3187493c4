/* What the engine's expiry cycle calls for hashes: engine_options.expire_fields. */
#ifndef CAIRN_NET_COMMAND_EXPIRE_FIELDS_H
#define CAIRN_NET_COMMAND_EXPIRE_FIELDS_H

#include "engine/keyspace.h"

/* Removes at most max fields, whose time has come, of the hash that key and m describe, and the key
 * with its last one. Statuses as in engine/keyspace.h. Executor thread, inside a batch. */
MUST_CHECK enum status command_expire_fields(struct engine *e, const struct store_key *key,
					     const struct meta *m, uint32_t max,
					     struct fields_expired *out);

#endif
