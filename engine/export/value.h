/* Reads whole values out of a view, type by type, without assembling them in memory. Nothing read
 * is believed: lengths, counts and positions are checked against each other. */
#ifndef CAIRN_ENGINE_EXPORT_VALUE_H
#define CAIRN_ENGINE_EXPORT_VALUE_H

#include "engine/export/view.h"
#include "engine/key_codec.h"
#include "engine/types/small_blob.h"

/* A key record found in a view. */
struct key_record {
	struct slice store_key;
	struct slice name;
	uint16_t slot;
	struct meta meta;
	uint64_t record_bytes; /* store key and stored value */
};

/* Decodes an entry that is in the 'K' space. ST_CORRUPT. */
MUST_CHECK enum status key_record_of(struct slice store_key, struct slice stored,
				     struct key_record *out);
/* Looks a user key up. ST_NOT_FOUND; ST_CORRUPT; expired keys are found. */
MUST_CHECK enum status key_record_get(const struct view *v, struct slice name,
				      struct key_record *out);

/* Walks the key records of the slots between first and last. */
struct key_walk {
	struct view_cursor cursor;
	uint16_t slot, last;
	bool seek; /* the cursor is to be placed at slot first */
};

MUST_CHECK enum status key_walk_open(const struct view *v, uint16_t first, uint16_t last,
				     struct key_walk *w);
/* ST_END; ST_CORRUPT: out->store_key says where, the walk may go on. */
MUST_CHECK enum status key_walk_next(struct key_walk *w, struct key_record *out);
void key_walk_close(struct key_walk *w);

enum { VALUE_SCORE_MAX = 32 };

/* Types whose elements have a name and a value. */
static inline bool value_has_names(enum value_type type)
{
	return type == TYPE_HASH || type == TYPE_ZSET;
}

/* Types that can be walked. */
static inline bool value_has_decoder(enum value_type type)
{
	return type <= TYPE_SET || type == TYPE_ZSET || type == TYPE_STREAM;
}

/* A stored score as text. ST_CORRUPT. */
MUST_CHECK enum status value_score_text(struct slice stored, char text[VALUE_SCORE_MAX]);

/* Walks one value:
 *   string  pieces in order: value (name is empty)
 *   list    elements from head to tail: value
 *   hash    fields: name and value, and in field_at_ms when the field expires
 *   set     members: value
 *   zset    members: name, and the score as text, which is overwritten by the next one; a large
 *           one's in the order of the store, the records of its tree being passed over
 *   stream  records of every kind (engine/types/stream_format.h): subkey and value */
struct value_walk {
	const struct view *view;
	struct key_record record;
	bool large, opened;
	struct small_cursor small;
	struct view_cursor cursor;
	uint8_t prefix[ELEM_PREFIX_LEN];
	uint64_t taken;	    /* elements, or bytes of a string */
	uint64_t bytes;	    /* store keys and stored values of the elements passed */
	struct slice chunk; /* stored chunk of a large string not yet given */
	uint64_t chunk_at;
	uint64_t
	    nodes; /* records passed of a sorted set's tree, or of that of fields that expire */
	uint64_t field_at_ms; /* when the field just given expires; 0: never */
	struct slice bucket;  /* those that expire of the fields that follow (hash_expiry.h) */
	uint8_t bucket_key[4];
	uint64_t buckets, fields_timed, fields_found, fields_first_ms; /* what those said so far */
	char score[VALUE_SCORE_MAX];
	struct slice stored_score; /* the same as it is stored: an f64, little-endian */
};

MUST_CHECK enum status value_open(const struct view *v, const struct key_record *record,
				  struct value_walk *w);
/* ST_END; ST_CORRUPT: the value does not decode, or has less or more than its record counts;
 * ST_WRONG_TYPE: no decoder for this type. Borrowed until the view ends. */
MUST_CHECK enum status value_next(struct value_walk *w, struct slice *name, struct slice *value);
void value_close(struct value_walk *w);

/* When a field of a large hash expires, 0: never. ST_CORRUPT. */
MUST_CHECK enum status value_field_time(const struct view *v, const struct key_record *record,
					struct slice field, uint64_t *at_ms);

/* Elements, fields, or bytes of a string, as its record says. ST_CORRUPT. */
MUST_CHECK enum status value_count(const struct key_record *record, uint64_t *out);

/* Makes a whole string in out. ST_NO_MEMORY and errors as value_next. */
MUST_CHECK enum status value_string(const struct view *v, const struct key_record *record,
				    struct buf *out);

#endif
