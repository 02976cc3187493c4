/* What an archive of given-up records is about: the keys and collections that its records name,
 * each once. */
#ifndef CAIRN_ENGINE_DIVERGENT_NAMES_H
#define CAIRN_ENGINE_DIVERGENT_NAMES_H

#include "engine/base/byte_list.h"
#include "engine/base/keyslot.h"
#include "engine/divergent.h"

/* A collection: its elements are records of (slot, id). */
struct collection_id {
	uint64_t id;
	uint16_t slot;
};

/* A zeroed one is empty. */
struct divergent_names {
	struct byte_list keys;	   /* ascending, each once */
	struct collection_id *ids; /* ascending by slot, then id, each once */
	size_t ids_count, ids_cap;
	uint64_t blind[SLOTS / 64]; /* slots with keys that were written without a look at what they
				     * held: a collection may have gone that nothing names */
	bool whole;		    /* the keyspace was emptied, or libraries were changed */
};

/* Reads an archive. ST_LIMIT: it names more than max keys and collections; errors of
 * divergent_read; ST_NO_MEMORY. */
MUST_CHECK enum status divergent_names_read(const struct io *io, const char *dir,
					    const struct divergent_name *name, size_t max,
					    struct divergent_names *out);
void divergent_names_deinit(struct divergent_names *n);

/* Adds one; for those who have names from elsewhere. ST_NO_MEMORY. */
MUST_CHECK enum status divergent_names_add_id(struct divergent_names *n, uint16_t slot,
					      uint64_t id);
/* Puts both lists in order and drops what comes twice. ST_NO_MEMORY. */
MUST_CHECK enum status divergent_names_settle(struct divergent_names *n);
/* Whether the settled list has a collection. */
bool divergent_names_has_id(const struct divergent_names *n, uint16_t slot, uint64_t id);
/* Whether the settled list has a key. */
bool divergent_names_has_key(const struct divergent_names *n, struct slice key);

static inline bool divergent_names_blind(const struct divergent_names *n, uint16_t slot)
{
	return (n->blind[slot / 64] >> (slot % 64) & 1) != 0;
}

#endif
