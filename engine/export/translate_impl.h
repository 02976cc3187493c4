/* What the two halves of the translator share. */
#ifndef CAIRN_ENGINE_EXPORT_TRANSLATE_IMPL_H
#define CAIRN_ENGINE_EXPORT_TRANSLATE_IMPL_H

#include "engine/export/stream_notes.h"
#include "engine/export/translate.h"

/* The elements of a collection in the record at work: indexes of t->state, removed ones included.
 */
struct range {
	size_t first, end;
	uint64_t live; /* those that the collection's count counts, but for a stream */
};

/* Finds them. */
struct range translate_elements(const struct overlay *state, uint16_t slot, uint64_t id,
				enum value_type type);

/* When fields of a hash expire, as far as the record at work says so; after their values, which
 * make them expire no more. */
MUST_CHECK enum status translate_times(struct translator *t, struct slice name, struct range r);

/* The key record of a large collection; what its record says of a hash's fields comes later.
 * ST_CORRUPT, ST_NO_MEMORY. */
MUST_CHECK enum status translate_large(struct translator *t, const struct key_record *record);

/* The chunks of a string of len bytes that changed. grown: it became longer, also where no chunk
 * says so. */
MUST_CHECK enum status translate_string(struct translator *t, struct slice name, struct range r,
					uint64_t len, bool grown);

/* LSET of the elements at positions [from, to); head is the position of index 0. */
MUST_CHECK enum status translate_set_range(struct translator *t, struct slice name, struct range r,
					   uint64_t from, uint64_t to, uint64_t head);

/* --- translate_stream.c --- */

/* What the record changed of a stream that was known as old; last and count are what its key record
 * says now. */
MUST_CHECK enum status translate_stream(struct translator *t, const struct id_entry *old,
					struct slice key, struct range r,
					const struct stream_id *last, uint64_t count);
/* Whether all of a stream that is not known is in the record. */
bool translate_stream_is_whole(const struct translator *t, struct range r, uint64_t count);
/* Remembers what the operations did to streams that the map has. ST_CORRUPT, ST_NO_MEMORY. */
MUST_CHECK enum status translate_note_streams(struct translator *t, struct slice ops);

/* Adds to a list of ids. */
static inline enum status translate_note_id(struct buf *ids, uint64_t id)
{
	return buf_append(ids, &id, sizeof id);
}

#endif
