/* From a logged operation to its effect on the store. */
#include "engine/export/effect.h"

#include "engine/base/bytes.h"

static enum status fill_key(const struct wal_op *op, struct effect *out)
{
	if (op->kind == WAL_OP_PUT_KEY || op->kind == WAL_OP_DEL_KEY) {
		store_key_of_key(&out->key, op->name);
		return ST_OK;
	}
	if (op->slot >= SLOTS) {
		return ST_CORRUPT;
	}
	if (op->kind == WAL_OP_PUT_FIELD || op->kind == WAL_OP_DEL_FIELD) {
		store_key_of_field(&out->key, op->slot, op->id, op->name);
		return ST_OK;
	}
	if (op->name.len > STORE_KEY_DIRECT_MAX - ELEM_PREFIX_LEN) {
		return ST_CORRUPT;
	}
	store_key_of_elem(&out->key, op->slot, op->id, op->name);
	return ST_OK;
}

static void fill_stored(const struct wal_op *op, struct effect *out)
{
	out->stored_count = 0;
	/* A cut and hashed name is kept whole in front of the value. */
	if (op->kind != WAL_OP_PUT_ELEM && store_key_is_long(store_key_slice(&out->key))) {
		bytes_put_u32le(out->name_len, (uint32_t)op->name.len);
		out->stored[out->stored_count++] = slice_of(out->name_len, sizeof out->name_len);
		out->stored[out->stored_count++] = op->name;
	}
	out->stored[out->stored_count++] = op->value;
}

enum status effect_of(const struct wal_op *op, struct effect *out)
{
	struct meta meta;
	enum status st;

	out->blind = (op->flags & WAL_OP_BLIND) != 0;
	out->stored_count = 0;
	switch (op->kind) {
	case WAL_OP_PUT_KEY:
		st = meta_decode(op->value, &meta);
		if (st != ST_OK) {
			return st;
		}
		/* fall through */
	case WAL_OP_PUT_FIELD:
	case WAL_OP_PUT_ELEM:
		out->kind = EFFECT_PUT;
		st = fill_key(op, out);
		if (st == ST_OK) {
			fill_stored(op, out);
		}
		return st;
	case WAL_OP_DEL_KEY:
	case WAL_OP_DEL_FIELD:
	case WAL_OP_DEL_ELEM:
		out->kind = EFFECT_DEL;
		return fill_key(op, out);
	case WAL_OP_DROP:
		out->kind = EFFECT_DROP;
		out->slot = op->slot;
		out->id = op->id;
		return op->slot < SLOTS ? ST_OK : ST_CORRUPT;
	case WAL_OP_FLUSH:
		out->kind = EFFECT_FLUSH;
		return ST_OK;
	case WAL_OP_PUT_LIBRARY:
	case WAL_OP_DEL_LIBRARY:
	case WAL_OP_FLUSH_LIBRARIES:
		out->kind = EFFECT_LIBRARY;
		out->op = *op;
		return ST_OK;
	case WAL_OP_KINDS:
		break;
	}
	return ST_CORRUPT;
}

size_t effect_stored_len(const struct effect *e)
{
	size_t len = 0;

	for (size_t i = 0; i < e->stored_count; i++) {
		len += e->stored[i].len;
	}
	return len;
}
