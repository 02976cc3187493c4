/* The sample records: made once, then compared by bytes. */
#include "tests/support/log_sample.h"

#include "engine/base/rng.h"

#include <stdio.h>
#include <stdlib.h>

enum { VALUE_MAX = 1024, TIME_MS = 1700000000 };

static struct {
	struct buf bytes;
	size_t end[LOG_SAMPLE_MAX + 1]; /* of the record of this LSN; [0] is 0 */
	uint64_t made;
} cache;

static size_t fill_value(uint64_t lsn, uint64_t op, uint8_t *at)
{
	struct rng rng;
	size_t len = 10 + (lsn * 7 + op) % 50;

	rng_seed(&rng, lsn * 16 + op);
	if (lsn % 13 == 0 && op == 0) {
		len = 700;
		for (size_t i = 0; i < len; i++) {
			at[i] = (uint8_t)rng_next(&rng);
		}
		return len;
	}
	len = lsn % 7 == 0 ? 900 : len;
	for (size_t i = 0; i < len; i++) {
		at[i] = (uint8_t)('a' + (lsn + i / 3 + op) % 17);
	}
	return len;
}

static void must(enum status st)
{
	if (st != ST_OK) {
		abort();
	}
}

static void make(uint64_t lsn)
{
	uint8_t value[VALUE_MAX];
	char name[32];
	size_t start;

	must(wal_record_begin(&cache.bytes, slice_str(lsn % 2 == 0 ? "set" : "mset"), TIME_MS + lsn,
			      lsn % 3, &start));
	for (uint64_t op = 0; op <= lsn % 3; op++) {
		struct slice part = slice_of(value, fill_value(lsn, op, value));
		struct wal_op put = {.kind = WAL_OP_PUT_KEY};

		put.name = slice_of(name, (size_t)snprintf(name, sizeof name, "key:%llu:%llu",
							   (unsigned long long)lsn % 100,
							   (unsigned long long)op));
		must(wal_record_add(&cache.bytes, start, &put, &part, 1));
	}
	wal_record_end(&cache.bytes, start);
	cache.end[lsn] = cache.bytes.len;
}

static struct slice sample(uint64_t lsn)
{
	if (lsn == 0 || lsn > LOG_SAMPLE_MAX) {
		return slice_of(NULL, 0);
	}
	while (cache.made < lsn) {
		make(++cache.made);
	}
	return slice_of(cache.bytes.data + cache.end[lsn - 1], cache.end[lsn] - cache.end[lsn - 1]);
}

void log_sample_add(struct buf *out, uint64_t lsn)
{
	struct slice record = sample(lsn);

	must(record.len > 0 ? ST_OK : ST_INVALID);
	must(buf_append(out, record.data, record.len));
}

bool log_sample_is(const struct wal_record *rec)
{
	struct slice bytes = sample(rec->lsn);
	struct wal_record want;
	size_t used;

	return bytes.len > 0 && wal_record_decode(bytes, &want, &used) == ST_OK &&
	       want.time_ms == rec->time_ms && want.client_id == rec->client_id &&
	       slice_eq(want.cmd, rec->cmd) && slice_eq(want.ops, rec->ops);
}
