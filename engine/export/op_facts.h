/* What a logged operation is about: slot, user key, type, expiry, value. Elements name only their
 * collection's id, so the keys of large collections are remembered as their records pass by. */
#ifndef CAIRN_ENGINE_EXPORT_OP_FACTS_H
#define CAIRN_ENGINE_EXPORT_OP_FACTS_H

#include "engine/key_codec.h"
#include "engine/wal/wal_record.h"

struct stream_notes;

/* A large collection (or chunked string) as its newest key record told. */
struct id_entry {
	uint64_t id;
	enum value_type type;
	uint64_t count, aux[2], expire_at_ms; /* of the key record */
	struct stream_notes *notes; /* owned; of a stream, for whoever wants them; NULL: none */
	size_t key_len;
	uint8_t key[];
};

/* Collection id -> its entry. A zeroed one is empty. Holds the collections that the log made and
 * has not dropped. */
struct id_map {
	struct id_entry **buckets;
	size_t buckets_count, used;
};

void id_map_deinit(struct id_map *map);

/* The entry of a collection, NULL: unknown. Valid until the map changes. */
const struct id_entry *id_map_find(const struct id_map *map, uint64_t id);

/* The same, to be given notes. */
struct id_entry *id_map_entry(struct id_map *map, uint64_t id);

/* Takes in a large collection's key record, instead of what was known of its id; one of another
 * form is passed over. ST_NO_MEMORY. */
MUST_CHECK enum status id_map_add(struct id_map *map, const struct meta *meta, struct slice key);

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
};

/* ST_CORRUPT: a key record that does not decode. */
MUST_CHECK enum status op_facts_of(const struct id_map *map, const struct wal_op *op,
				   struct op_facts *out);

/* Takes in all key records of a batch, before its operations are looked at: elements may be written
 * before their key. ST_CORRUPT; ST_NO_MEMORY. */
MUST_CHECK enum status id_map_learn(struct id_map *map, const struct wal_record *rec);
/* Forgets the collections that a batch has dropped, after its operations were looked at. */
void id_map_settle(struct id_map *map, const struct wal_record *rec);

#endif
