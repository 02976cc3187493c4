/* From a payload's type byte to its elements. */
#include "net/proto/rdb_value.h"

#include "engine/base/bytes.h"
#include "net/proto/crc64.h"
#include "net/proto/rdb_packed.h"
#include "net/proto/rdb_value_impl.h"

#define TIME_MAX_MS ((UINT64_C(1) << 48) - 2) /* of a field's expiry */

enum { NODE_PLAIN = 1, NODE_PACKED = 2 }; /* containers of a quicklist's nodes */

enum status rdb_payload_open(struct slice payload, struct slice *value)
{
	const uint8_t *footer;

	if (payload.len <= RDB_FOOTER) {
		return ST_CORRUPT;
	}
	footer = payload.data + payload.len - RDB_FOOTER;
	if (bytes_get_u16le(footer) > RDB_VERSION_READ ||
	    bytes_get_u64le(footer + 2) !=
		crc64(0, slice_of(payload.data, payload.len - sizeof(uint64_t)))) {
		return ST_CORRUPT;
	}
	*value = slice_of(payload.data, payload.len - RDB_FOOTER);
	return ST_OK;
}

const char *rdb_kind_text(enum rdb_kind kind)
{
	static const char *const texts[] = {[RDB_KIND_STRING] = "string",
					    [RDB_KIND_LIST] = "list",
					    [RDB_KIND_SET] = "set",
					    [RDB_KIND_ZSET] = "zset",
					    [RDB_KIND_HASH] = "hash",
					    [RDB_KIND_STREAM] = "stream",
					    [RDB_KIND_MODULE] = "module value"};

	return texts[kind];
}

enum status rdb_value_kind(struct slice value, enum rdb_kind *out)
{
	/* One more than the kind; 0: there is no such type. */
	static const uint8_t kinds[] = {
	    [RDB_TYPE_STRING] = RDB_KIND_STRING + 1,
	    [RDB_TYPE_LIST] = RDB_KIND_LIST + 1,
	    [RDB_TYPE_SET] = RDB_KIND_SET + 1,
	    [RDB_TYPE_ZSET] = RDB_KIND_ZSET + 1,
	    [RDB_TYPE_HASH] = RDB_KIND_HASH + 1,
	    [RDB_TYPE_ZSET_2] = RDB_KIND_ZSET + 1,
	    [RDB_TYPE_MODULE_2] = RDB_KIND_MODULE + 1,
	    [RDB_TYPE_HASH_ZIPMAP] = RDB_KIND_HASH + 1,
	    [RDB_TYPE_LIST_ZIPLIST] = RDB_KIND_LIST + 1,
	    [RDB_TYPE_SET_INTSET] = RDB_KIND_SET + 1,
	    [RDB_TYPE_ZSET_ZIPLIST] = RDB_KIND_ZSET + 1,
	    [RDB_TYPE_HASH_ZIPLIST] = RDB_KIND_HASH + 1,
	    [RDB_TYPE_LIST_QUICKLIST] = RDB_KIND_LIST + 1,
	    [RDB_TYPE_STREAM] = RDB_KIND_STREAM + 1,
	    [RDB_TYPE_HASH_LISTPACK] = RDB_KIND_HASH + 1,
	    [RDB_TYPE_ZSET_LISTPACK] = RDB_KIND_ZSET + 1,
	    [RDB_TYPE_LIST_QUICKLIST_2] = RDB_KIND_LIST + 1,
	    [RDB_TYPE_STREAM_2] = RDB_KIND_STREAM + 1,
	    [RDB_TYPE_SET_LISTPACK] = RDB_KIND_SET + 1,
	    [RDB_TYPE_STREAM_3] = RDB_KIND_STREAM + 1,
	    [RDB_TYPE_HASH_TIMED_RC] = RDB_KIND_HASH + 1,
	    [RDB_TYPE_HASH_TIMED_LISTPACK_RC] = RDB_KIND_HASH + 1,
	    [RDB_TYPE_HASH_TIMED] = RDB_KIND_HASH + 1,
	    [RDB_TYPE_HASH_TIMED_LISTPACK] = RDB_KIND_HASH + 1,
	};

	if (value.len == 0 || value.data[0] >= sizeof kinds || kinds[value.data[0]] == 0) {
		return ST_CORRUPT;
	}
	*out = (enum rdb_kind)(kinds[value.data[0]] - 1);
	return ST_OK;
}

static enum status give(struct rdb_decode *d, const struct rdb_item *item)
{
	d->given++;
	return d->take(d->arg, d->kind, item);
}

/* --- strings one after the other --- */

static enum status read_item(struct rdb_decode *d, enum rdb_type type, struct rdb_item *item)
{
	enum status st = rdb_read_string(&d->in, &d->scratch[0], &item->bytes);

	if (st != ST_OK) {
		return st;
	}
	switch (type) {
	case RDB_TYPE_HASH:
		return rdb_read_string(&d->in, &d->scratch[1], &item->value);
	case RDB_TYPE_ZSET:
		return rdb_read_score_text(&d->in, &item->score);
	case RDB_TYPE_ZSET_2:
		return rdb_read_score(&d->in, &item->score);
	default:
		return ST_OK;
	}
}

static enum status decode_strings(struct rdb_decode *d, enum rdb_type type)
{
	uint64_t count;
	enum status st = rdb_read_len(&d->in, &count);

	for (uint64_t i = 0; st == ST_OK && i < count; i++) {
		struct rdb_item item = {0};

		st = read_item(d, type, &item);
		if (st == ST_OK) {
			st = give(d, &item);
		}
	}
	return st;
}

/* The time at the head of a hash whose fields expire. */
static enum status read_first_time(struct rdb_decode *d, uint64_t *out)
{
	struct slice bytes;
	enum status st = rdb_read_bytes(&d->in, 8, &bytes);

	if (st == ST_OK) {
		*out = bytes_get_u64le(bytes.data);
		st = *out > TIME_MAX_MS ? ST_CORRUPT : ST_OK;
	}
	return st;
}

/* Fields each with when it expires: counted from first_ms on; 0: from the epoch. */
static enum status decode_timed(struct rdb_decode *d, uint64_t first_ms)
{
	uint64_t count, after, base = first_ms > 0 ? first_ms - 1 : 0;
	enum status st = rdb_read_len(&d->in, &count);

	for (uint64_t i = 0; st == ST_OK && i < count; i++) {
		struct rdb_item item = {0};

		st = rdb_read_len(&d->in, &after);
		if (st == ST_OK && after > TIME_MAX_MS - base) {
			st = ST_CORRUPT;
		}
		if (st == ST_OK) {
			item.expire_at_ms = after == 0 ? 0 : base + after;
			st = read_item(d, RDB_TYPE_HASH, &item);
		}
		if (st == ST_OK) {
			st = give(d, &item);
		}
	}
	return st;
}

/* --- packed collections --- */

/* The second half of a pair. ST_CORRUPT when there is none. */
static enum status read_second(struct rdb_decode *d, struct packed_cursor *c,
			       uint8_t digits[PACKED_DIGITS], struct rdb_item *item)
{
	enum status st = packed_next(c, digits, &item->value);

	if (st == ST_OK && d->kind == RDB_KIND_ZSET) {
		st = rdb_score_of(item->value, &item->score);
	}
	return st == ST_END ? ST_CORRUPT : st;
}

/* The third entry of a field that may expire. */
static enum status read_time(struct packed_cursor *c, struct rdb_item *item)
{
	bool is_int;
	int64_t at;
	enum status st = packed_next_int(c, &is_int, &at);

	if (st == ST_OK && (!is_int || at < 0 || at > (int64_t)TIME_MAX_MS)) {
		st = ST_CORRUPT;
	}
	item->expire_at_ms = st == ST_OK ? (uint64_t)at : 0;
	return st == ST_END ? ST_CORRUPT : st;
}

/* timed: fields and values are followed by when they expire. */
static enum status decode_blob(struct rdb_decode *d, enum packed_form form, struct slice blob,
			       bool timed)
{
	bool pairs = d->kind == RDB_KIND_HASH || d->kind == RDB_KIND_ZSET;
	struct packed_cursor c;
	uint8_t digits[2][PACKED_DIGITS];
	enum status st = packed_open(&c, form, blob);

	while (st == ST_OK) {
		struct rdb_item item = {0};

		st = packed_next(&c, digits[0], &item.bytes);
		if (st == ST_OK && pairs) {
			st = read_second(d, &c, digits[1], &item);
		}
		if (st == ST_OK && timed) {
			st = read_time(&c, &item);
		}
		if (st == ST_OK) {
			st = give(d, &item);
		}
	}
	return st == ST_END ? ST_OK : st;
}

static enum status decode_packed(struct rdb_decode *d, enum packed_form form)
{
	struct slice blob;
	enum status st = rdb_read_string(&d->in, &d->scratch[0], &blob);

	return st == ST_OK ? decode_blob(d, form, blob, false) : st;
}

static enum status decode_timed_packed(struct rdb_decode *d)
{
	struct slice blob;
	enum status st = rdb_read_string(&d->in, &d->scratch[0], &blob);

	return st == ST_OK ? decode_blob(d, PACKED_LISTPACK, blob, true) : st;
}

/* A hash whose fields expire, in any of its forms. */
static enum status decode_timed_hash(struct rdb_decode *d, enum rdb_type type)
{
	uint64_t first_ms = 0;
	bool has_first = type == RDB_TYPE_HASH_TIMED || type == RDB_TYPE_HASH_TIMED_LISTPACK;
	enum status st = has_first ? read_first_time(d, &first_ms) : ST_OK;

	if (st != ST_OK) {
		return st;
	}
	return type == RDB_TYPE_HASH_TIMED || type == RDB_TYPE_HASH_TIMED_RC
		   ? decode_timed(d, first_ms)
		   : decode_timed_packed(d);
}

/* A node of a list: a ziplist; or, with its container in front, a listpack or one long element. */
static enum status decode_node(struct rdb_decode *d, enum rdb_type type)
{
	uint64_t container = NODE_PACKED;
	struct rdb_item item = {0};
	enum status st;

	if (type == RDB_TYPE_LIST_QUICKLIST) {
		return decode_packed(d, PACKED_ZIPLIST);
	}
	st = rdb_read_len(&d->in, &container);
	if (st == ST_OK && container == NODE_PACKED) {
		return decode_packed(d, PACKED_LISTPACK);
	}
	if (st == ST_OK && container != NODE_PLAIN) {
		return ST_CORRUPT;
	}
	if (st == ST_OK) {
		st = rdb_read_string(&d->in, &d->scratch[0], &item.bytes);
		st = st == ST_OK && item.bytes.len == 0 ? ST_CORRUPT : st;
	}
	return st == ST_OK ? give(d, &item) : st;
}

static enum status decode_quicklist(struct rdb_decode *d, enum rdb_type type)
{
	uint64_t nodes;
	enum status st = rdb_read_len(&d->in, &nodes);

	for (uint64_t i = 0; st == ST_OK && i < nodes; i++) {
		st = decode_node(d, type);
	}
	return st;
}

static enum status decode_string(struct rdb_decode *d)
{
	struct rdb_item item = {0};
	enum status st = rdb_read_string(&d->in, &d->scratch[0], &item.bytes);

	return st == ST_OK ? give(d, &item) : st;
}

static enum status decode_type(struct rdb_decode *d, enum rdb_type type)
{
	switch (type) {
	case RDB_TYPE_STRING:
		return decode_string(d);
	case RDB_TYPE_LIST:
	case RDB_TYPE_SET:
	case RDB_TYPE_ZSET:
	case RDB_TYPE_HASH:
	case RDB_TYPE_ZSET_2:
		return decode_strings(d, type);
	case RDB_TYPE_HASH_TIMED_RC:
	case RDB_TYPE_HASH_TIMED_LISTPACK_RC:
	case RDB_TYPE_HASH_TIMED:
	case RDB_TYPE_HASH_TIMED_LISTPACK:
		return decode_timed_hash(d, type);
	case RDB_TYPE_HASH_ZIPMAP:
		return decode_packed(d, PACKED_ZIPMAP);
	case RDB_TYPE_LIST_ZIPLIST:
	case RDB_TYPE_ZSET_ZIPLIST:
	case RDB_TYPE_HASH_ZIPLIST:
		return decode_packed(d, PACKED_ZIPLIST);
	case RDB_TYPE_SET_INTSET:
		return decode_packed(d, PACKED_INTSET);
	case RDB_TYPE_HASH_LISTPACK:
	case RDB_TYPE_ZSET_LISTPACK:
	case RDB_TYPE_SET_LISTPACK:
		return decode_packed(d, PACKED_LISTPACK);
	case RDB_TYPE_LIST_QUICKLIST:
	case RDB_TYPE_LIST_QUICKLIST_2:
		return decode_quicklist(d, type);
	case RDB_TYPE_STREAM:
	case RDB_TYPE_STREAM_2:
	case RDB_TYPE_STREAM_3:
		return rdb_walk_stream(d, type, NULL, NULL);
	case RDB_TYPE_MODULE_2:
		return rdb_walk_module(d);
	case RDB_TYPE_MODULE:
		break;
	}
	return ST_CORRUPT;
}

enum status rdb_value_decode(struct slice value, uint64_t string_max, rdb_take take, void *arg)
{
	struct rdb_decode d = {.take = take, .arg = arg};
	enum status st = rdb_value_kind(value, &d.kind);

	if (st != ST_OK) {
		return st;
	}
	d.in = (struct rdb_reader){slice_skip(value, 1), string_max};
	st = decode_type(&d, (enum rdb_type)value.data[0]);
	if (st == ST_OK && (d.in.left.len > 0 || (d.given == 0 && d.kind != RDB_KIND_STREAM &&
						  d.kind != RDB_KIND_MODULE))) {
		st = ST_CORRUPT;
	}
	buf_deinit(&d.scratch[0]);
	buf_deinit(&d.scratch[1]);
	return st;
}
