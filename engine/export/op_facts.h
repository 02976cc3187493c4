/* What a logged operation is about: slot, user key, type, expiry, value. Elements name only their
 * collection's id, so the keys of large collections are remembered as their records pass by. */
#ifndef CAIRN_ENGINE_EXPORT_OP_FACTS_H
#define CAIRN_ENGINE_EXPORT_OP_FACTS_H

#include "engine/export/id_map.h"

struct op_facts {
	bool has_slot; /* all but FLUSH and what is about libraries */
	uint16_t slot;
	bool has_key;	  /* key is known */
	struct slice key; /* borrows the operation or the map */
	bool has_type;
	enum value_type type;
	bool has_meta; /* PUT_KEY */
	struct meta meta;
	bool has_sub; /* field or subkey of an element operation */
	struct slice sub;
	bool has_value; /* string or blob of PUT_KEY, value of an element */
	struct slice value;
	bool is_library;  /* about libraries of functions */
	bool has_library; /* of one: PUT_LIBRARY, DEL_LIBRARY */
	struct slice library;
	bool is_score; /* value is the score of a sorted set's member */
	bool is_times; /* value says when fields expire (engine/types/hash_expiry.h) */
};

/* ST_CORRUPT: a key record that does not decode. */
MUST_CHECK enum status op_facts_of(const struct id_map *map, const struct wal_op *op,
				   struct op_facts *out);

#endif
