/* Facts of a logged operation. */
#include "engine/export/op_facts.h"

#include "engine/library_set.h"
#include "engine/types/hash_expiry.h"

/* Key records carry their own name. */
static enum status of_key(const struct wal_op *op, struct op_facts *out)
{
	enum status st;

	out->has_slot = true;
	out->slot = keyslot(op->name);
	out->has_key = true;
	out->key = op->name;
	if (op->kind != WAL_OP_PUT_KEY) {
		return ST_OK;
	}
	st = meta_decode(op->value, &out->meta);
	if (st != ST_OK) {
		return st;
	}
	out->has_meta = out->has_type = true;
	out->type = out->meta.type;
	if (out->meta.form != FORM_LARGE) {
		out->has_value = true;
		out->value = out->meta.payload;
	}
	return ST_OK;
}

enum status op_facts_of(const struct id_map *map, const struct wal_op *op, struct op_facts *out)
{
	const struct id_entry *e;

	*out = (struct op_facts){0};
	if (op->kind == WAL_OP_FLUSH) {
		return ST_OK;
	}
	out->is_library = library_set_concerns(op);
	if (out->is_library) {
		out->has_library = op->kind != WAL_OP_FLUSH_LIBRARIES;
		out->library = op->name;
		out->has_value = op->kind == WAL_OP_PUT_LIBRARY;
		out->value = op->value;
		return ST_OK;
	}
	if (op->kind == WAL_OP_PUT_KEY || op->kind == WAL_OP_DEL_KEY) {
		return of_key(op, out);
	}
	out->has_slot = true;
	out->slot = op->slot;
	e = id_map_find(map, op->id);
	if (e != NULL) {
		out->has_key = out->has_type = true;
		out->key = slice_of(e->key, e->key_len);
		out->type = e->type;
	}
	if (op->kind != WAL_OP_DROP) {
		out->has_sub = true;
		out->sub = op->name;
	}
	if (op->kind == WAL_OP_PUT_FIELD || op->kind == WAL_OP_PUT_ELEM) {
		out->has_value = !out->has_type || out->type != TYPE_SET; /* members have none */
		out->value = op->value;
		out->is_score =
		    op->kind == WAL_OP_PUT_FIELD && out->has_type && out->type == TYPE_ZSET;
		out->is_times = op->kind == WAL_OP_PUT_ELEM && out->has_type &&
				out->type == TYPE_HASH && op->name.len == HASH_BUCKET_KEY_LEN;
	}
	return ST_OK;
}
