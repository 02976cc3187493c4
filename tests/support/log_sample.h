/* Records whose content follows from their LSN, so that a log that is read back proves itself. */
#ifndef CAIRN_TESTS_SUPPORT_LOG_SAMPLE_H
#define CAIRN_TESTS_SUPPORT_LOG_SAMPLE_H

#include "engine/wal/wal_record.h"

#include <stdbool.h>

enum { LOG_SAMPLE_MAX = 8192 /* LSNs that there are samples for: 1 to this */ };

/* Appends the record of lsn: most are short, some long and compressible, some long and not. */
void log_sample_add(struct buf *out, uint64_t lsn);

/* True when rec is exactly the record of rec->lsn. */
bool log_sample_is(const struct wal_record *rec);

#endif
