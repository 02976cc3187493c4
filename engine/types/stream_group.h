/* Consumer groups of a stream: what was delivered to whom, and not acknowledged yet. Storage and
 * rules of use: engine/types/type_stream.h.
 *
 * A group or consumer is read, changed and put back; the counts in both are kept by the functions
 * on pending entries. These do not write the group. Names given may not borrow from the engine. */
#ifndef CAIRN_ENGINE_TYPES_STREAM_GROUP_H
#define CAIRN_ENGINE_TYPES_STREAM_GROUP_H

#include "engine/types/type_stream.h"

#define STREAM_READS_UNKNOWN (-1)

struct stream_group {
	uint64_t number;
	struct stream_id last_id; /* delivered */
	struct stream_id oldest;  /* no pending entry is before */
	int64_t entries_read;	  /* STREAM_READS_UNKNOWN */
	uint64_t pending, consumers;
	struct slice name; /* borrowed */
};

struct stream_consumer {
	uint64_t number;
	uint64_t seen_ms;  /* last tried */
	int64_t active_ms; /* last got something; -1: never */
	uint64_t pending;
	struct slice name; /* borrowed */
};

struct stream_pending {
	struct stream_id id;
	uint64_t consumer; /* its number */
	uint64_t time_ms;  /* of the last delivery */
	uint64_t deliveries;
};

/* --- groups --- */

/* ST_NOT_FOUND: no such group. name stays borrowed by *out. */
MUST_CHECK enum status stream_group_get(const struct stream *s, struct slice name,
					struct stream_group *out);
/* Makes a group; there is none of that name. */
MUST_CHECK enum status stream_group_create(struct stream *s, struct slice name,
					   struct stream_id last_id, int64_t entries_read,
					   struct stream_group *out);
/* Writes a changed group. */
MUST_CHECK enum status stream_group_put(struct stream *s, const struct stream_group *g);
/* Removes a group with its consumers and pending entries. */
MUST_CHECK enum status stream_group_destroy(struct stream *s, const struct stream_group *g);

/* A walk through groups in the order of their names; what comes is borrowed until the next step.
 * ST_END. */
MUST_CHECK enum status stream_groups_open(const struct stream *s, struct ks_iter *it);
MUST_CHECK enum status stream_groups_next(struct ks_iter *it, struct stream_group *out);

/* --- consumers --- */

MUST_CHECK enum status stream_consumer_get(const struct stream *s, const struct stream_group *g,
					   struct slice name, struct stream_consumer *out);
/* By number; the name is borrowed until the next write. ST_NOT_FOUND never: ST_CORRUPT. */
MUST_CHECK enum status stream_consumer_of(const struct stream *s, const struct stream_group *g,
					  uint64_t number, struct stream_consumer *out);
/* Makes a consumer; there is none of that name. The group is written too. */
MUST_CHECK enum status stream_consumer_create(struct stream *s, struct stream_group *g,
					      struct slice name, uint64_t seen_ms,
					      struct stream_consumer *out);
MUST_CHECK enum status stream_consumer_put(struct stream *s, const struct stream_group *g,
					   const struct stream_consumer *c);
/* Removes a consumer with its pending entries. The group is written too. */
MUST_CHECK enum status stream_consumer_delete(struct stream *s, struct stream_group *g,
					      const struct stream_consumer *c);

/* A walk through a group's consumers in the order of their names: their numbers. ST_END. */
MUST_CHECK enum status stream_consumers_open(const struct stream *s, const struct stream_group *g,
					     struct ks_iter *it);
MUST_CHECK enum status stream_consumers_next(struct ks_iter *it, const struct stream_group *g,
					     uint64_t *number);

/* --- pending entries --- */

/* ST_NOT_FOUND. */
MUST_CHECK enum status stream_pending_get(const struct stream *s, const struct stream_group *g,
					  struct stream_id id, struct stream_pending *out);
/* Puts a pending entry of consumer c: a new one, or one that there is as old (NULL: none) for the
 * same or another consumer, whose record is written; c itself is not. */
MUST_CHECK enum status stream_pending_put(struct stream *s, struct stream_group *g,
					  struct stream_consumer *c,
					  const struct stream_pending *old,
					  const struct stream_pending *p);
/* Removes one that there is; its consumer's record is written, so that one held by the caller is
 * to be read again. */
MUST_CHECK enum status stream_pending_delete(struct stream *s, struct stream_group *g,
					     const struct stream_pending *p);

/* A walk through the pending entries of a group, or of one consumer (its number; 0: all), from an
 * ID on. ST_END. */
struct stream_pending_iter {
	struct ks_iter it;
	const struct stream *stream;
	const struct stream_group *group;
	uint64_t consumer;
};
MUST_CHECK enum status stream_pending_open(const struct stream *s, const struct stream_group *g,
					   uint64_t consumer, struct stream_id from,
					   struct stream_pending_iter *it);
MUST_CHECK enum status stream_pending_next(struct stream_pending_iter *it,
					   struct stream_pending *out);
void stream_pending_close(struct stream_pending_iter *it);

#endif
