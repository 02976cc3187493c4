/* The records of a stream as bytes: pure, for engine/types and the tools.
 *
 * The collection of a stream holds records of these kinds, by the first byte of their subkeys:
 *   'E' ID: an entry. By turns field and value, each a varint length and its bytes.
 *   'G' name: a consumer group. Its number u64, the last delivered ID, an ID that no pending entry
 *       is before, entries read i64, pending entries u64, consumers u64, the name.
 *   'C' group name: a consumer by name. Its number u64, the name.
 *   'D' group consumer: a consumer by number. Seen ms u64, active ms i64, pending u64, the name.
 *   'P' group ID: a pending entry. Consumer u64, delivered ms u64, deliveries u64.
 *   'Q' group consumer ID: the same, by consumer. Empty.
 *   'X': what changes seldom. Removed entries u64, greatest deleted ID, an ID that no entry is
 *       before, the last number given to a group or consumer u64, bytes of the largest entry ever
 *       (or more) u64. All zeros when it is not there.
 *
 * Subkeys are big-endian (an ID: ms u64, sequence u64; group and consumer: their numbers), and so
 * are IDs everywhere; other numbers in values are little-endian. A name longer than
 * STREAM_NAME_DIRECT is cut in the subkey, which then ends with 16 bytes of a hash; the record has
 * it whole. Groups and consumers are thus in the order of their names. */
#ifndef CAIRN_ENGINE_TYPES_STREAM_FORMAT_H
#define CAIRN_ENGINE_TYPES_STREAM_FORMAT_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

enum {
	STREAM_ID_LEN = 16,
	STREAM_NAME_DIRECT = 255,
	STREAM_SUBKEY_MAX = 1 + 8 + 8 + STREAM_ID_LEN + STREAM_NAME_DIRECT,
	STREAM_EXTRA_LEN = 3 * 8 + 2 * STREAM_ID_LEN,
};

enum {
	STREAM_GROUP_LEN = 4 * 8 + 2 * STREAM_ID_LEN,
	STREAM_CONSUMER_LEN = 3 * 8,
	STREAM_PENDING_LEN = 3 * 8
};

enum stream_record {
	STREAM_ENTRY = 'E',
	STREAM_GROUP = 'G',
	STREAM_CONSUMER_NAME = 'C',
	STREAM_CONSUMER = 'D',
	STREAM_PENDING = 'P',
	STREAM_PENDING_OF = 'Q',
	STREAM_EXTRA = 'X',
};

struct stream_id {
	uint64_t ms, seq;
};

#define STREAM_ID_MIN ((struct stream_id){0, 0})
#define STREAM_ID_MAX ((struct stream_id){UINT64_MAX, UINT64_MAX})

/* --- IDs --- */

/* Below, at or above zero, as a is before, at or behind b. */
int stream_id_compare(struct stream_id a, struct stream_id b);
/* The next and the previous ID. False: there is none; *id is unchanged. */
bool stream_id_next(struct stream_id *id);
bool stream_id_previous(struct stream_id *id);

static inline bool stream_id_is_zero(struct stream_id id)
{
	return id.ms == 0 && id.seq == 0;
}

/* --- entries --- */

/* Takes field and value of an entry's value apart: the next string. False: there is none, or it is
 * damaged (rest has a length then). */
bool stream_entry_next(struct slice *rest, struct slice *out);
/* Number of strings; ST_CORRUPT. */
MUST_CHECK enum status stream_entry_count(struct slice value, size_t *out);

/* --- subkeys --- */

/* A subkey under construction. */
struct stream_subkey {
	size_t len;
	uint8_t bytes[STREAM_SUBKEY_MAX + 1];
};
void stream_subkey_init(struct stream_subkey *k, enum stream_record kind);
void stream_subkey_number(struct stream_subkey *k, uint64_t number);
void stream_subkey_id(struct stream_subkey *k, struct stream_id id);
/* A name, which ends it. */
void stream_subkey_name(struct stream_subkey *k, struct slice name);
static inline struct slice stream_subkey_slice(const struct stream_subkey *k)
{
	return slice_of(k->bytes, k->len);
}

/* An ID in 16 bytes. */
void stream_id_put(uint8_t dst[STREAM_ID_LEN], struct stream_id id);
struct stream_id stream_id_at(const uint8_t *bytes);

#endif
