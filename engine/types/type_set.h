/* Sets: what they mean in storage. Commands parse arguments and write replies around these.
 *
 * A small set is a blob in its key's record (engine/types/small_blob.h: member, member, ...), a
 * large one has an element record without a value per member. The way between the two, membership
 * (named_get) and removal (named_del) are those of hashes, engine/types/named_form.h; walks,
 * counts and random members are in engine/types/named_walk.h.
 *
 * Cost: one member of a large set is O(log n), whatever its size; of a small one a pass over at
 * most 2000 bytes.
 *
 * old and m are what ks_lookup said of key, not yet followed by a write; after a write here they
 * are stale. Members given may not borrow from the engine. Errors: as engine/keyspace.h, and
 * ST_CORRUPT for a blob that does not decode; after a failed write the batch is to be rolled back.
 * Executor thread, inside a batch. */
#ifndef CAIRN_ENGINE_TYPES_TYPE_SET_H
#define CAIRN_ENGINE_TYPES_TYPE_SET_H

#include "engine/types/named_form.h"
#include "engine/types/named_walk.h"

/* Above which of these Redis leaves an encoding for good (set-max-intset-entries,
 * set-max-listpack-entries and -value): only what OBJECT ENCODING says and the order of a set of
 * integers depend on them. */
struct set_limits {
	uint64_t intset_entries;
	uint64_t entries; /* of a listpack */
	uint64_t value;	  /* bytes of a member in a listpack */
};

/* Adds members. old NULL: the key does not exist and is created. Expiry stays. *added: members that
 * were new; 0: nothing was written. */
MUST_CHECK enum status type_set_add(struct engine *e, const struct store_key *key,
				    const struct meta *old, const struct slice *members,
				    size_t members_count, const struct set_limits *limits,
				    uint64_t *added);

/* Takes count different members at random out of a set that has at least so many, calling each for
 * them before anything is written. The key goes with its last one. Memory: the bytes of those taken
 * or of those left, whichever are fewer. ST_NO_MEMORY. */
MUST_CHECK enum status type_set_pop(struct engine *e, const struct store_key *key,
				    const struct meta *old, uint64_t count, struct rng *rng,
				    const struct set_limits *limits,
				    void (*each)(void *arg, struct slice member), void *arg);

/* What OBJECT ENCODING says: "intset", "listpack" or "hashtable". A static string. */
const char *type_set_encoding(const struct meta *m);

/* Flags of a set that gets one more member behind count others. */
uint8_t type_set_flags(uint8_t flags, uint64_t count, struct slice member,
		       const struct set_limits *limits);

/* A walk in the order of SMEMBERS: ascending where Redis would keep the set as an intset, else any.
 * Private. */
struct type_set_walk {
	struct named_iter it;
	int64_t *numbers; /* sorted; NULL: it gives the members */
	uint64_t count, at;
	char digits[24];
};

/* ST_NO_MEMORY. To be closed, also after a failure. */
MUST_CHECK enum status type_set_walk_open(struct engine *e, const struct store_key *key,
					  const struct meta *m, struct type_set_walk *w);
/* Next member, borrowed until the next step. ST_END. */
MUST_CHECK enum status type_set_walk_next(struct type_set_walk *w, struct slice *member);
void type_set_walk_close(struct type_set_walk *w); /* also twice */

#endif
