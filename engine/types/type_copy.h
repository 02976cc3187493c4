/* Copies a collection's elements, whatever the type: for COPY, and for RENAME to another slot. */
#ifndef CAIRN_ENGINE_TYPES_TYPE_COPY_H
#define CAIRN_ENGINE_TYPES_TYPE_COPY_H

#include "engine/keyspace.h"

/* Puts every element of from's large collection (as from_meta describes it) under id in slot, where
 * nothing may be yet. The elements that it was made of stay. Errors as engine/keyspace.h: ST_LIMIT
 * when the collection does not fit in one batch. */
MUST_CHECK enum status type_copy_elements(struct engine *e, const struct store_key *from,
					  const struct meta *from_meta, uint16_t slot, uint64_t id);

#endif
