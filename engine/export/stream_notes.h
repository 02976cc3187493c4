/* What a translator remembers of a stream from record to record: its groups and consumers by the
 * numbers that the stream's records name them by, how far each group has got, and what was deleted.
 */
#ifndef CAIRN_ENGINE_EXPORT_STREAM_NOTES_H
#define CAIRN_ENGINE_EXPORT_STREAM_NOTES_H

#include "engine/export/stream_walk.h"

/* A consumer, or (consumer 0) a group. */
struct stream_note {
	uint64_t group, consumer;
	struct stream_id last; /* of a group, as the next */
	int64_t entries_read;
	size_t name_len;
	uint8_t name[];
};

struct stream_notes {
	struct stream_note **items; /* by group and consumer */
	size_t count, cap;
	uint64_t removed; /* entries that were there once */
	struct stream_id max_deleted;
};

static inline struct slice stream_note_name(const struct stream_note *n)
{
	return slice_of(n->name, n->name_len);
}

/* ST_NO_MEMORY. */
MUST_CHECK enum status stream_notes_create(struct stream_notes **out);
void stream_notes_destroy(struct stream_notes *n); /* NULL is fine */

/* Takes one record's change in: value NULL: it is gone. ST_CORRUPT, ST_NO_MEMORY. */
MUST_CHECK enum status stream_notes_take(struct stream_notes *n, struct slice subkey,
					 const struct slice *value);
/* Takes the records of a stored stream in. Errors also as value_next. */
MUST_CHECK enum status stream_notes_read(struct stream_notes *n, const struct view *v,
					 const struct key_record *record);

/* NULL: not known. Valid until the next change. */
const struct stream_note *stream_notes_find(const struct stream_notes *n, uint64_t group,
					    uint64_t consumer);
/* The group whose record has this subkey. */
const struct stream_note *stream_notes_group(const struct stream_notes *n, struct slice subkey);

#endif
