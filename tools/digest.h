/* A number for a key's content that does not depend on how it is stored: equal keys on any two
 * nodes have equal digests, and a keyspace's is the sum of its keys'. */
#ifndef CAIRN_TOOLS_DIGEST_H
#define CAIRN_TOOLS_DIGEST_H

#include "engine/export/value.h"

/* Of name, type, expiry and value. Errors of value_next. */
MUST_CHECK enum status digest_of(const struct view *v, const struct key_record *record,
				 uint64_t *out);

#endif
