/* Values in every encoding of Redis up to 7.4, as RDB (type and body), and what they hold. Each but
 * those of 7.2 and later was restored by redis-server 7.0.15. */
#ifndef CAIRN_TESTS_SUPPORT_RDB_SAMPLES_H
#define CAIRN_TESTS_SUPPORT_RDB_SAMPLES_H

#include "engine/base/buf.h"
#include "net/proto/rdb_value.h"

struct rdb_sample {
	const char *what;
	enum rdb_kind kind;
	const char *hex;
	const char *elements; /* '|' between them; "field=value", "member:score", "@expiry" */
};

extern const struct rdb_sample rdb_samples[];
extern const size_t rdb_samples_count;

/* The bytes of a sample, to be freed by buf_deinit. */
struct buf rdb_sample_bytes(const struct rdb_sample *s);

/* Takes elements and appends their text to the struct buf that is arg: an rdb_take. */
enum status rdb_take_text(void *arg, enum rdb_kind kind, const struct rdb_item *item);

/* A value as a payload: with version and checksum behind it. */
struct buf rdb_sealed(struct slice value);

#endif
