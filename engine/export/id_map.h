/* Which key a large collection belongs to: elements in the log name only its id, so the key records
 * are remembered as they pass by. */
#ifndef CAIRN_ENGINE_EXPORT_ID_MAP_H
#define CAIRN_ENGINE_EXPORT_ID_MAP_H

#include "engine/base/buf.h"
#include "engine/key_codec.h"
#include "engine/wal/wal_record.h"

struct stream_notes;

/* A large collection (or chunked string) as its newest key record told. */
struct id_entry {
	uint64_t id, key_hash;
	enum value_type type;
	bool stale;			      /* its key holds something else, or is gone */
	uint64_t count, aux[2], expire_at_ms; /* of the key record */
	struct stream_notes *notes; /* owned; of a stream, for whoever wants them; NULL: none */
	size_t key_len;
	uint8_t key[];
};

static inline struct slice id_entry_key(const struct id_entry *e)
{
	return slice_of(e->key, e->key_len);
}

/* Collection id -> its entry. A zeroed one is empty. Holds the collections that there are: one goes
 * when it is dropped, or when its key is written over without a look, of which no drop tells. */
struct id_map {
	struct id_entry **by_id, **by_key; /* of buckets_count places each */
	size_t buckets_count, used;
	struct buf stale; /* u64: ids of entries that became stale in the record at work */
};

void id_map_deinit(struct id_map *map);

/* The entry of a collection, NULL: unknown. Valid until the map changes. */
const struct id_entry *id_map_find(const struct id_map *map, uint64_t id);
/* The same, to be given notes. */
struct id_entry *id_map_entry(struct id_map *map, uint64_t id);

/* Takes in a large collection's key record, instead of what was known of its id; one of another
 * form is passed over. ST_NO_MEMORY. */
MUST_CHECK enum status id_map_add(struct id_map *map, const struct meta *meta, struct slice key);

/* Takes in all key records of a batch, before its operations are looked at: elements may be written
 * before their key. ST_CORRUPT; ST_NO_MEMORY. */
MUST_CHECK enum status id_map_learn(struct id_map *map, const struct wal_record *rec);
/* Forgets the collections that a batch has dropped or written over, after its operations were
 * looked at. */
void id_map_settle(struct id_map *map, const struct wal_record *rec);

#endif
