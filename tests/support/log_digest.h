/* What a log says: a digest of its records, so that two of them can be compared. */
#ifndef CAIRN_TESTS_SUPPORT_LOG_DIGEST_H
#define CAIRN_TESTS_SUPPORT_LOG_DIGEST_H

#include "engine/wal/wal_reader.h"

struct log_digest {
	uint64_t first_lsn, last_lsn, records; /* 0 when there is none */
	uint64_t digest;
	bool clean;
	struct wal_history history;
};

/* Of the records from_lsn.. in the folder of a log. Asserts that the log is sound. */
void log_digest_dir(const char *dir, uint64_t from_lsn, struct log_digest *out);

/* Of one segment file under any name. False: it is not there or not whole. */
bool log_digest_file(const char *path, struct log_digest *out);

/* The last LSN of each frame of a log that has records from from_lsn on; at most max. Returns how
 * many there are. */
size_t log_frame_ends(const char *dir, uint64_t from_lsn, uint64_t *ends, size_t max);

#endif
