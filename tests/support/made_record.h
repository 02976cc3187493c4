/* Log records made by hand, for tests of what reads them. */
#ifndef CAIRN_TESTS_SUPPORT_MADE_RECORD_H
#define CAIRN_TESTS_SUPPORT_MADE_RECORD_H

#include "engine/base/buf.h"
#include "engine/key_codec.h"
#include "engine/wal/wal_record.h"

/* A record being made; reset by made_begin. */
struct made_record {
	struct buf bytes;
	size_t start;
};

/* Begins a record of the command cmd. */
void made_begin(struct made_record *m, const char *cmd);
/* Appends operations; asserts that they fit. A string value, a key record as given (with an inline
 * payload), an element by its position or chunk, a field. */
void made_string(struct made_record *m, const char *key, const char *value, uint64_t expire_at_ms);
void made_meta(struct made_record *m, const char *key, const struct meta *meta);
void made_elem(struct made_record *m, const char *key, uint64_t id, uint64_t position,
	       const char *value);
void made_chunk(struct made_record *m, const char *key, uint64_t id, uint32_t chunk,
		struct slice value);
void made_field(struct made_record *m, const char *key, uint64_t id, const char *field,
		const char *value);
void made_op(struct made_record *m, enum wal_op_kind kind, const char *key, uint64_t id,
	     const char *name);
/* Ends and decodes it; *out borrows m. */
void made_end(struct made_record *m, uint64_t lsn, struct wal_record *out);
void made_deinit(struct made_record *m);

#endif
