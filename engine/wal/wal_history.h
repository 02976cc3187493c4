/* The history of a shard: which timeline each LSN belongs to. Pure.
 *
 * A timeline is begun by every promotion and by every primary that starts after an unclean stop.
 * Two nodes that compare histories find the last LSN that both hold, without comparing data. */
#ifndef CAIRN_ENGINE_WAL_WAL_HISTORY_H
#define CAIRN_ENGINE_WAL_WAL_HISTORY_H

#include "engine/base/buf.h"
#include "engine/base/status.h"

#include <stdbool.h>

/* One entry of a history: from first_lsn on, records belong to this timeline. */
struct wal_timeline {
	uint64_t id; /* random, never 0 */
	uint64_t
	    epoch; /* config epoch of the primary that began it; 0 for a node without cluster */
	uint64_t first_lsn;
};

enum {
	WAL_HISTORY_MAX = 64, /* older entries are forgotten: only recent forks matter */
	WAL_HISTORY_ITEM_LEN = 24,
	WAL_HISTORY_TEXT_MAX = 12 + WAL_HISTORY_ITEM_LEN * WAL_HISTORY_MAX, /* encoded bytes */
};

struct wal_history {
	uint64_t shard_id; /* random at creation of the store, equal on all nodes of a shard */
	uint32_t count;
	struct wal_timeline items[WAL_HISTORY_MAX]; /* oldest first */
};

/* Adds a timeline at the end. One that got no records (the same first LSN) gives way to it; of a
 * full history the oldest entry is forgotten. */
void wal_history_begin(struct wal_history *h, struct wal_timeline timeline);

/* The same shard and the same entries. */
bool wal_history_eq(const struct wal_history *a, const struct wal_history *b);

/* The timeline that a record belongs to; NULL: one that is forgotten. */
const struct wal_timeline *wal_history_at(const struct wal_history *h, uint64_t lsn);

/* The newest LSN that a log of history a, ending at a_last, shares with one of history b, ending at
 * b_last: the end of the newest timeline that both know, as far as both have it. ST_NOT_FOUND:
 * another shard, or no timeline in common. */
MUST_CHECK enum status wal_history_fork(const struct wal_history *a, uint64_t a_last,
					const struct wal_history *b, uint64_t b_last,
					uint64_t *fork);

/* Appends shard id u64, count u32 and the entries (id, epoch, first LSN as u64), little-endian.
 * ST_NO_MEMORY. */
MUST_CHECK enum status wal_history_encode(const struct wal_history *h, struct buf *out);

/* Reads one from the front of *in and advances it. ST_CORRUPT: too short, no or too many entries,
 * an id of 0, or first LSNs that fall. */
MUST_CHECK enum status wal_history_decode(struct slice *in, struct wal_history *out);

#endif
