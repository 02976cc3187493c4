/* Encoding and decoding of WAL records in memory; the byte layout is in wal_record.h. */
#include "engine/wal/wal_record.h"

#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/base/keyslot.h"

#include <assert.h>
#include <stdbool.h>

enum {
	REC_FLAGS_OFF = 4,
	REC_TIME_OFF = 5,
	REC_CMD_LEN_OFF = 11,
	REC_CMD_OFF = 12,
	REC_CMD_MAX = 255,
	REC_FLAG_CLIENT = 1,
	REC_BODY_MIN = REC_CMD_OFF - REC_FLAGS_OFF,
	OP_HEADER_LEN = 2,
	/* kind, flags, slot, three varints: what an operation takes beside its name and value */
	OP_OVERHEAD_MAX = OP_HEADER_LEN + 2 + 3 * BYTES_VARINT_MAX,
};

static_assert(WAL_OP_KINDS <= 256, "the kind is one byte on disk");

struct op_shape {
	bool loc, name, value;
};

static const struct op_shape shapes[] = {
#define WAL_OP(sym, text, loc, name, value) {(loc) != 0, (name) != 0, (value) != 0},
#include "engine/wal/wal_ops.def"
#undef WAL_OP
};

static const char *const texts[] = {
#define WAL_OP(sym, text, loc, name, value) (text),
#include "engine/wal/wal_ops.def"
#undef WAL_OP
};

/* buf_reserve without the call when there is room, which is nearly always. */
static inline enum status reserve(struct buf *out, size_t extra)
{
	if (__builtin_expect(out->cap - out->len >= extra, 1)) {
		return ST_OK;
	}
	return buf_reserve(out, extra);
}

static inline uint8_t *put_bytes(uint8_t *at, struct slice s)
{
	if (s.len > 0) {
		memcpy(at, s.data, s.len);
	}
	return at + s.len;
}

enum status wal_record_begin(struct buf *out, struct slice cmd, uint64_t time_ms,
			     uint64_t client_id, size_t *start)
{
	size_t cmd_len = cmd.len < REC_CMD_MAX ? cmd.len : REC_CMD_MAX;
	enum status st = reserve(out, REC_CMD_OFF + cmd_len + sizeof client_id);
	uint8_t *at;

	if (st != ST_OK) {
		return st;
	}
	*start = out->len;
	at = out->data + out->len;
	bytes_put_u32le(at, 0);
	at[REC_FLAGS_OFF] = client_id != 0 ? REC_FLAG_CLIENT : 0;
	bytes_put_u32le(at + REC_TIME_OFF, (uint32_t)time_ms);
	bytes_put_u16le(at + REC_TIME_OFF + 4, (uint16_t)(time_ms >> 32));
	at[REC_CMD_LEN_OFF] = (uint8_t)cmd_len;
	at = put_bytes(at + REC_CMD_OFF, slice_of(cmd.data, cmd_len));
	if (client_id != 0) {
		bytes_put_u64le(at, client_id);
		at += sizeof client_id;
	}
	out->len = (size_t)(at - out->data);
	return ST_OK;
}

enum status wal_record_add(struct buf *out, size_t start, const struct wal_op *op,
			   const struct slice *value_parts, size_t value_parts_count)
{
	const struct op_shape *shape = &shapes[op->kind];
	size_t value_len = 0;
	size_t need;
	enum status st;
	uint8_t *at;

	/* Each length is compared before it is added, so the sums can't wrap. */
	for (size_t i = 0; i < value_parts_count; i++) {
		if (value_parts[i].len > WAL_RECORD_LEN_MAX - value_len) {
			return ST_LIMIT;
		}
		value_len += value_parts[i].len;
	}
	if (op->name.len > WAL_RECORD_LEN_MAX) {
		return ST_LIMIT;
	}
	need = OP_OVERHEAD_MAX + op->name.len + value_len;
	if (out->len - start + need > WAL_RECORD_LEN_MAX) {
		return ST_LIMIT;
	}
	st = reserve(out, need);
	if (st != ST_OK) {
		return st;
	}
	at = out->data + out->len;
	*at++ = (uint8_t)op->kind;
	*at++ = op->flags;
	if (shape->loc) {
		bytes_put_u16le(at, op->slot);
		at += 2;
		at += bytes_put_varint(at, op->id);
	}
	if (shape->name) {
		at += bytes_put_varint(at, op->name.len);
		at = put_bytes(at, op->name);
	}
	if (shape->value) {
		at += bytes_put_varint(at, value_len);
		for (size_t i = 0; i < value_parts_count; i++) {
			at = put_bytes(at, value_parts[i]);
		}
	}
	out->len = (size_t)(at - out->data);
	return ST_OK;
}

void wal_record_end(struct buf *out, size_t start)
{
	size_t len = out->len - start;

	INVARIANT(len >= REC_CMD_OFF && len <= WAL_RECORD_LEN_MAX);
	bytes_put_u32le(out->data + start, (uint32_t)(len - REC_FLAGS_OFF));
}

enum status wal_record_decode(struct slice in, struct wal_record *out, size_t *used)
{
	size_t body_len, whole, at;
	uint8_t flags;
	struct wal_record rec = {0};

	if (in.len < REC_CMD_OFF) {
		return ST_CORRUPT;
	}
	body_len = bytes_get_u32le(in.data);
	if (body_len < REC_BODY_MIN || body_len > in.len - REC_FLAGS_OFF ||
	    body_len > WAL_RECORD_LEN_MAX - REC_FLAGS_OFF) {
		return ST_CORRUPT;
	}
	whole = body_len + REC_FLAGS_OFF;
	flags = in.data[REC_FLAGS_OFF];
	if ((flags & ~REC_FLAG_CLIENT) != 0) {
		return ST_CORRUPT;
	}
	rec.time_ms = bytes_get_u32le(in.data + REC_TIME_OFF) |
		      (uint64_t)bytes_get_u16le(in.data + REC_TIME_OFF + 4) << 32;
	rec.cmd = slice_of(in.data + REC_CMD_OFF, in.data[REC_CMD_LEN_OFF]);
	at = REC_CMD_OFF + rec.cmd.len;
	if (at + ((flags & REC_FLAG_CLIENT) != 0 ? sizeof rec.client_id : 0) > whole) {
		return ST_CORRUPT;
	}
	if ((flags & REC_FLAG_CLIENT) != 0) {
		rec.client_id = bytes_get_u64le(in.data + at);
		at += sizeof rec.client_id;
		if (rec.client_id == 0) { /* is left out, never written */
			return ST_CORRUPT;
		}
	}
	rec.ops = slice_of(in.data + at, whole - at);
	rec.whole = slice_of(in.data, whole);
	*out = rec;
	*used = whole;
	return ST_OK;
}

/* Takes a varint length and that many bytes from the front of *in. */
static bool take_counted(struct slice *in, struct slice *out)
{
	uint64_t len;
	size_t n = bytes_get_varint(in->data, in->len, &len);

	if (n == 0 || len > in->len - n) {
		return false;
	}
	*out = slice_of(in->data + n, (size_t)len);
	*in = slice_skip(*in, n + (size_t)len);
	return true;
}

/* Takes the slot and collection id from the front of *in. */
static bool take_location(struct slice *in, struct wal_op *op)
{
	size_t n;

	if (in->len < 2) {
		return false;
	}
	op->slot = bytes_get_u16le(in->data);
	n = bytes_get_varint(in->data + 2, in->len - 2, &op->id);
	if (n == 0 || op->slot >= SLOTS) {
		return false;
	}
	*in = slice_skip(*in, 2 + n);
	return true;
}

enum status wal_op_next(struct slice *ops, struct wal_op *out)
{
	struct slice in = *ops;
	struct wal_op op = {0};
	const struct op_shape *shape;

	if (in.len == 0) {
		return ST_END;
	}
	if (in.len < OP_HEADER_LEN || in.data[0] >= WAL_OP_KINDS ||
	    (in.data[1] & ~WAL_OP_BLIND) != 0) {
		return ST_CORRUPT;
	}
	op.kind = (enum wal_op_kind)in.data[0];
	op.flags = in.data[1];
	shape = &shapes[op.kind];
	in = slice_skip(in, OP_HEADER_LEN);
	if ((shape->loc && !take_location(&in, &op)) ||
	    (shape->name && !take_counted(&in, &op.name)) ||
	    (shape->value && !take_counted(&in, &op.value))) {
		return ST_CORRUPT;
	}
	if (op.kind == WAL_OP_PUT_KEY || op.kind == WAL_OP_DEL_KEY) {
		op.slot = keyslot(op.name);
	}
	*out = op;
	*ops = in;
	return ST_OK;
}

const char *wal_op_kind_text(enum wal_op_kind kind)
{
	return (size_t)kind < WAL_OP_KINDS ? texts[kind] : "unknown-op";
}
