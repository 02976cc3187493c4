/* The log that a tail follows (engine/wal/wal_tail.h), record by record. */
#ifndef CAIRN_NET_LOG_RECORDS_H
#define CAIRN_NET_LOG_RECORDS_H

#include "engine/wal/wal_frame.h"
#include "engine/wal/wal_record.h"
#include "engine/wal/wal_tail.h"

struct log_records {
	uint64_t next_lsn; /* records before it are passed over; moves on with those given */

	/* Private. */
	struct wal_frame_decoder *decoder;
	struct buf header;
	struct wal_segment segment;
};

/* ST_NO_MEMORY. */
MUST_CHECK enum status log_records_open(struct log_records *l, uint64_t next_lsn);
void log_records_close(struct log_records *l); /* fine when zeroed */

/* Takes the header of the segment that the tail stands in (wal_tail_header), after it was opened.
 * ST_CORRUPT, ST_VERSION, ST_NO_MEMORY. */
MUST_CHECK enum status log_records_segment(struct log_records *l, struct slice header);

/* Gives the records of a piece, which was checked by the tail, each once. ST_CORRUPT: they do not
 * decode, or one is missing; ST_NO_MEMORY; what take says. */
MUST_CHECK enum status
log_records_take(struct log_records *l, const struct wal_tail_piece *piece,
		 enum status (*take)(void *arg, const struct wal_record *rec), void *arg);

#endif
