/* Lengths, strings and numbers of an RDB value, one after the other, from untrusted bytes. Pure. */
#ifndef CAIRN_NET_PROTO_RDB_READ_H
#define CAIRN_NET_PROTO_RDB_READ_H

#include "engine/base/buf.h"

/* What is left to read, and the longest string that may come of it. */
struct rdb_reader {
	struct slice left;
	uint64_t string_max; /* bytes */
};

/* Each takes from the front. ST_CORRUPT: there is nothing of that form; the reader is not to be
 * used any more. */
MUST_CHECK enum status rdb_read_bytes(struct rdb_reader *r, size_t len, struct slice *out);
MUST_CHECK enum status rdb_read_len(struct rdb_reader *r, uint64_t *out);

/* A string in any form. *out borrows what is read, or scratch (whose content is replaced) where it
 * was packed or a number. ST_LIMIT: longer than string_max; nothing was allocated for it.
 * ST_NO_MEMORY. */
MUST_CHECK enum status rdb_read_string(struct rdb_reader *r, struct buf *scratch,
				       struct slice *out);

/* A score: as text with its length in front, or as eight bytes. ST_CORRUPT also for what is no
 * number. */
MUST_CHECK enum status rdb_read_score_text(struct rdb_reader *r, double *out);
MUST_CHECK enum status rdb_read_score(struct rdb_reader *r, double *out);

/* A score from its text alone. ST_CORRUPT: it is no number, or more than one. */
MUST_CHECK enum status rdb_score_of(struct slice text, double *out);

#endif
