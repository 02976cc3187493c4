/* The consumer groups of a stored stream by their numbers, which its other records name them by. */
#ifndef CAIRN_ENGINE_EXPORT_STREAM_GROUPS_H
#define CAIRN_ENGINE_EXPORT_STREAM_GROUPS_H

#include "engine/export/value.h"
#include "engine/types/stream_format.h"

struct group_facts {
	uint64_t number;
	struct stream_id last;
	int64_t entries_read;
	uint64_t pending, consumers; /* how many */
	struct slice name;	     /* borrowed from the view */
};

struct stream_groups {
	const struct view *view;
	const struct key_record *record;
	uint64_t removed; /* entries that were there once */
	struct stream_id max_deleted;
	struct stream_id first; /* of the entries; zero when there is none */
	uint64_t entry_max;	/* bytes of the largest entry, or more */
	struct buf groups;	/* struct group_facts */
};

/* Reads them; view and record stay borrowed, also those of out->groups' names. Errors of
 * value_next; out is to be ended in any case. */
MUST_CHECK enum status stream_groups_read(const struct view *v, const struct key_record *record,
					  struct stream_groups *out);
void stream_groups_deinit(struct stream_groups *g);

/* All of them, in the order of their names. */
const struct group_facts *stream_groups_all(const struct stream_groups *g, size_t *count);

/* The group that a record of STREAM_CONSUMER or STREAM_PENDING belongs to. ST_CORRUPT: there is no
 * such group, or the record is none of those. */
MUST_CHECK enum status stream_groups_of(const struct stream_groups *g, struct slice subkey,
					const struct group_facts **out);

/* The name of the consumer that a pending entry is with, borrowed from the view. ST_CORRUPT. */
MUST_CHECK enum status stream_groups_consumer(const struct stream_groups *g, struct slice subkey,
					      struct slice value, struct slice *out);

#endif
