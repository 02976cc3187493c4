/* Makes a list, a hash or a set anew from elements that come one after the other: for RESTORE, and
 * whoever else gets a collection as a stream. The key keeps what it holds until the last step.
 *
 * Executor thread, inside a batch; statuses as in engine/keyspace.h. After a failure the batch is
 * to be rolled back. Elements given may not borrow from the engine. */
#ifndef CAIRN_ENGINE_TYPES_TYPE_BUILD_H
#define CAIRN_ENGINE_TYPES_TYPE_BUILD_H

#include "engine/types/type_hash.h"
#include "engine/types/type_set.h"

/* A collection being made; on the stack. Private. */
struct type_build {
	struct engine *engine;
	const struct store_key *key;
	struct hash_limits limits;
	struct set_limits set_limits;
	struct meta meta; /* FORM_LARGE once the elements have records of their own */
	struct small_blob blob;
};

/* Begins a collection for key, which stays borrowed. limits: of a hash or set. */
void type_build_list(struct type_build *b, struct engine *e, const struct store_key *key);
void type_build_hash(struct type_build *b, struct engine *e, const struct store_key *key,
		     const struct hash_limits *limits);
void type_build_set(struct type_build *b, struct engine *e, const struct store_key *key,
		    const struct set_limits *limits);

/* Adds an element at a list's tail. */
MUST_CHECK enum status type_build_element(struct type_build *b, struct slice value);

/* Adds a field to a hash. ST_EXISTS: it has one of that name already. */
MUST_CHECK enum status type_build_field(struct type_build *b, struct slice field,
					struct slice value);

/* Sets when a field that was added expires, at most HASH_EXPIRY_MAX. */
MUST_CHECK enum status type_build_field_expiry(struct type_build *b, struct slice field,
					       uint64_t at_ms);

/* Adds a member to a set. ST_EXISTS: it has it already. */
MUST_CHECK enum status type_build_member(struct type_build *b, struct slice member);

/* Puts the collection, which may not be empty, in the place of whatever key holds. expire_at_ms 0:
 * no expiry. */
MUST_CHECK enum status type_build_end(struct type_build *b, uint64_t expire_at_ms);

#endif
