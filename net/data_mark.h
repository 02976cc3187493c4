/* Whose data a node has: a small file that says "the dataset with this id is a whole one of that
 * shard". A replica may only be elected with such data; a node that was told to follow another
 * shard and has not copied it yet, or whose directory was lost, has not. */
#ifndef CAIRN_NET_DATA_MARK_H
#define CAIRN_NET_DATA_MARK_H

#include "cluster/cluster_types.h"
#include "engine/base/buf.h"

struct data_mark {
	char *path; /* owned */
	struct node_id shard;
	uint64_t dataset; /* shard id of the engine's history */
	bool lost;	  /* the dataset went missing, and no whole one came since */
};

/* Reads DIR/shard-data.conf; none, or one that is not understood, is a mark of nothing.
 * ST_NO_MEMORY. */
MUST_CHECK enum status data_mark_open(struct data_mark *m, const char *dir);

/* True when the mark says that this dataset is a whole one of that shard. */
bool data_mark_is(const struct data_mark *m, const struct node_id *shard, uint64_t dataset);

/* Writes it, unless it says so already. Waits for the disk. ST_IO, ST_NO_SPACE: the log says why,
 * and the mark stays as it was. */
MUST_CHECK enum status data_mark_set(struct data_mark *m, const struct node_id *shard,
				     uint64_t dataset);

/* Says, durably, that the dataset went missing: the next start is to know it too, when an empty one
 * has been made in its place. ST_IO, ST_NO_SPACE: the log says why. */
MUST_CHECK enum status data_mark_lost(struct data_mark *m);

/* Takes it away, durably: the data is about to be given up. */
MUST_CHECK enum status data_mark_clear(struct data_mark *m);

/* Frees the path. Zeroed is fine. */
void data_mark_close(struct data_mark *m);

#endif
