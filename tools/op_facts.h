/* What a logged operation is about: slot, user key, type, expiry, value. Elements name only their
 * collection's id, so the keys of large collections are remembered as their records pass by. */
#ifndef CAIRN_TOOLS_OP_FACTS_H
#define CAIRN_TOOLS_OP_FACTS_H

#include "engine/key_codec.h"
#include "engine/wal/wal_record.h"

/* Collection id -> user key and type. A zeroed one is empty. */
struct id_map {
	struct id_entry **buckets;
	size_t buckets_count, used;
};

void id_map_deinit(struct id_map *map);

struct op_facts {
	bool has_slot; /* all but FLUSH */
	uint16_t slot;
	bool has_key;	  /* key is known */
	struct slice key; /* borrows the operation or the map */
	uint64_t key_lsn; /* record in which this collection was first seen under this key */
	bool has_type;
	enum value_type type;
	bool has_meta; /* PUT_KEY */
	struct meta meta;
	bool has_sub; /* field or subkey of an element operation */
	struct slice sub;
	bool has_value; /* string or blob of PUT_KEY, value of an element */
	struct slice value;
};

/* lsn is the operation's record. ST_CORRUPT: a key record that does not decode. ST_NO_MEMORY: the
 * map could not grow. */
MUST_CHECK enum status op_facts_of(struct id_map *map, const struct wal_op *op, uint64_t lsn,
				   struct op_facts *out);

/* Looks at all key records of a batch, so that elements written before their key are known too. */
MUST_CHECK enum status id_map_learn(struct id_map *map, const struct wal_record *rec);

#endif
