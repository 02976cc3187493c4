/* Streams: what they mean in storage. Commands parse arguments and write replies around these.
 *
 * A stream is always in the large form, empty ones too: meta.count entries, meta.aux the greatest
 * ID ever given. What its collection holds: engine/types/stream_format.h.
 *
 * Adding an entry writes that and the key's record. Everything on one entry, group, consumer or
 * pending entry is O(log n). Removing a group or consumer costs its pending entries.
 *
 * Use: stream_open with what ks_lookup said, changes, stream_save, which writes the key's record;
 * in between nothing else may write the key. What is read is borrowed until the next write; texts
 * given may not borrow from the engine. Errors: as engine/keyspace.h, and ST_CORRUPT for a record
 * that makes no sense; after a failed write the batch is to be rolled back. Executor thread, inside
 * a batch. Consumer groups: engine/types/stream_group.h. */
#ifndef CAIRN_ENGINE_TYPES_TYPE_STREAM_H
#define CAIRN_ENGINE_TYPES_TYPE_STREAM_H

#include "engine/keyspace.h"
#include "engine/types/stream_format.h"

/* A stream under work. Only last_id and the extras may be set directly, with the flags beside them.
 */
struct stream {
	struct engine *engine;
	const struct store_key *key;
	struct meta old, meta;
	bool exists;
	bool changed;	    /* something was written; stream_save has work to do */
	bool extra_changed; /* one of those below */
	uint64_t removed;   /* entries ever added, less those that are there; may wrap */
	struct stream_id max_deleted;
	struct stream_id
	    first; /* no entry is before; so that walks need not pass what was removed */
	uint64_t last_number, entry_max;
};

/* Opens what ks_lookup found as old (of TYPE_STREAM), or, old NULL, begins a new one. key stays
 * borrowed. */
MUST_CHECK enum status stream_open(struct stream *s, struct engine *e, const struct store_key *key,
				   const struct meta *old);
/* Writes what changed. A new stream is created, also when nothing is in it. */
MUST_CHECK enum status stream_save(struct stream *s);
/* Writes a stream that was begun anew in the place of whatever the key holds. */
MUST_CHECK enum status stream_replace(struct stream *s, uint64_t expire_at_ms);

static inline uint64_t stream_length(const struct stream *s)
{
	return s->meta.count;
}

static inline struct stream_id stream_last_id(const struct stream *s)
{
	return (struct stream_id){s->meta.aux[0], s->meta.aux[1]};
}

/* Sets the greatest ID ever given. */
void stream_set_last_id(struct stream *s, struct stream_id id);

/* Entries ever added. */
static inline uint64_t stream_entries_added(const struct stream *s)
{
	return s->meta.count + s->removed;
}

/* --- entries --- */

/* Adds an entry behind all others; fields_count strings, by turns field and value. id is greater
 * than the last one. */
MUST_CHECK enum status stream_append(struct stream *s, struct stream_id id,
				     const struct slice *fields, size_t fields_count);

/* ST_OK: there is an entry of that ID; its value is borrowed. ST_NOT_FOUND. */
MUST_CHECK enum status stream_get(const struct stream *s, struct stream_id id, struct slice *value);

/* Removes entries from..to, at most so many; *removed: how many. */
MUST_CHECK enum status stream_remove_range(struct stream *s, struct stream_id from,
					   struct stream_id to, uint64_t most, uint64_t *removed);

/* Removes an entry because someone asked for that, which is remembered (max_deleted). *existed:
 * there was one. */
MUST_CHECK enum status stream_delete(struct stream *s, struct stream_id id, bool *existed);

/* A walk through entries from..to, both included, backwards when reverse. To be closed, also after
 * a failure. */
struct stream_iter {
	struct ks_iter it;
	struct stream_id stop;
	bool reverse;
};
MUST_CHECK enum status stream_iter_open(const struct stream *s, struct stream_id from,
					struct stream_id to, bool reverse, struct stream_iter *it);
/* The next entry, borrowed until the next step. ST_END. */
MUST_CHECK enum status stream_iter_next(struct stream_iter *it, struct stream_id *id,
					struct slice *value);
void stream_iter_close(struct stream_iter *it);

/* The first or last entry's ID; 0-0 when there is none. */
MUST_CHECK enum status stream_edge(const struct stream *s, bool last, struct stream_id *out);

#endif
