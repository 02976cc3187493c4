/* Histories: adding timelines, finding forks, bytes. */
#include "engine/wal/wal_history.h"

#include "engine/base/bytes.h"

#include <string.h>

enum { HEAD_LEN = 12 };

void wal_history_begin(struct wal_history *h, struct wal_timeline timeline)
{
	if (h->count > 0 && h->items[h->count - 1].first_lsn == timeline.first_lsn) {
		h->items[h->count - 1] = timeline;
		return;
	}
	if (h->count == WAL_HISTORY_MAX) {
		memmove(h->items, h->items + 1, (WAL_HISTORY_MAX - 1) * sizeof h->items[0]);
		h->count--;
	}
	h->items[h->count++] = timeline;
}

static bool same(const struct wal_timeline *a, const struct wal_timeline *b)
{
	return a->id == b->id && a->first_lsn == b->first_lsn;
}

bool wal_history_eq(const struct wal_history *a, const struct wal_history *b)
{
	if (a->shard_id != b->shard_id || a->count != b->count) {
		return false;
	}
	for (uint32_t i = 0; i < a->count; i++) {
		if (!same(&a->items[i], &b->items[i]) || a->items[i].epoch != b->items[i].epoch) {
			return false;
		}
	}
	return true;
}

/* Last LSN that a log has of its timeline i. */
static uint64_t end_of(const struct wal_history *h, uint32_t i, uint64_t last)
{
	uint64_t end = i + 1 < h->count ? h->items[i + 1].first_lsn - 1 : last;

	return end < last ? end : last;
}

const struct wal_timeline *wal_history_at(const struct wal_history *h, uint64_t lsn)
{
	const struct wal_timeline *at = NULL;

	for (uint32_t i = 0; i < h->count && h->items[i].first_lsn <= lsn; i++) {
		at = &h->items[i];
	}
	return at;
}

enum status wal_history_fork(const struct wal_history *a, uint64_t a_last,
			     const struct wal_history *b, uint64_t b_last, uint64_t *fork)
{
	if (a->shard_id != b->shard_id) {
		return ST_NOT_FOUND;
	}
	for (uint32_t i = a->count; i > 0; i--) {
		for (uint32_t j = b->count; j > 0; j--) {
			if (same(&a->items[i - 1], &b->items[j - 1])) {
				uint64_t ours = end_of(a, i - 1, a_last);
				uint64_t theirs = end_of(b, j - 1, b_last);

				*fork = ours < theirs ? ours : theirs;
				return ST_OK;
			}
		}
	}
	return ST_NOT_FOUND;
}

enum status wal_history_encode(const struct wal_history *h, struct buf *out)
{
	size_t len = HEAD_LEN + (size_t)h->count * WAL_HISTORY_ITEM_LEN;
	enum status st = buf_reserve(out, len);
	uint8_t *at;

	if (st != ST_OK) {
		return st;
	}
	at = out->data + out->len;
	bytes_put_u64le(at, h->shard_id);
	bytes_put_u32le(at + 8, h->count);
	at += HEAD_LEN;
	for (uint32_t i = 0; i < h->count; i++, at += WAL_HISTORY_ITEM_LEN) {
		bytes_put_u64le(at, h->items[i].id);
		bytes_put_u64le(at + 8, h->items[i].epoch);
		bytes_put_u64le(at + 16, h->items[i].first_lsn);
	}
	out->len += len;
	return ST_OK;
}

enum status wal_history_decode(struct slice *in, struct wal_history *out)
{
	const uint8_t *at = in->data;
	uint32_t count;

	if (in->len < HEAD_LEN) {
		return ST_CORRUPT;
	}
	count = bytes_get_u32le(at + 8);
	if (count == 0 || count > WAL_HISTORY_MAX ||
	    in->len < HEAD_LEN + (size_t)count * WAL_HISTORY_ITEM_LEN) {
		return ST_CORRUPT;
	}
	*out = (struct wal_history){.shard_id = bytes_get_u64le(at), .count = count};
	at += HEAD_LEN;
	for (uint32_t i = 0; i < count; i++, at += WAL_HISTORY_ITEM_LEN) {
		struct wal_timeline *t = &out->items[i];

		t->id = bytes_get_u64le(at);
		t->epoch = bytes_get_u64le(at + 8);
		t->first_lsn = bytes_get_u64le(at + 16);
		if (t->id == 0 || t->first_lsn == 0 ||
		    (i > 0 && t->first_lsn < out->items[i - 1].first_lsn)) {
			return ST_CORRUPT;
		}
	}
	*in = slice_skip(*in, HEAD_LEN + (size_t)count * WAL_HISTORY_ITEM_LEN);
	return ST_OK;
}
