/* Element by element from one collection id to another, in the order of the iterator. */
#include "engine/types/type_copy.h"

static enum status copy_named(struct engine *e, uint16_t from_slot, uint64_t from_id, uint16_t slot,
			      uint64_t id)
{
	struct ks_iter it = {0};
	struct slice name, value;
	uint64_t order;
	enum status st = ks_fields_open(e, from_slot, from_id, 0, &it);

	while (st == ST_OK) {
		st = ks_fields_next(&it, &order, &name, &value);
		if (st == ST_OK) {
			st = ks_field_put(e, slot, id, name, &value, 1);
		}
	}
	ks_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

/* beside_names: only those that no name can have. */
static enum status copy_ordered(struct engine *e, uint16_t from_slot, uint64_t from_id,
				uint16_t slot, uint64_t id, bool beside_names)
{
	struct ks_iter it = {0};
	struct slice subkey, value;
	enum status st = ks_elems_open(e, from_slot, from_id, slice_of(NULL, 0), false, &it);

	while (st == ST_OK) {
		st = ks_elems_next(&it, &subkey, &value);
		if (st == ST_OK && !(beside_names && subkey.len >= KEY_ORDER_LEN)) {
			st = ks_elem_put(e, slot, id, subkey, &value, 1);
		}
	}
	ks_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

enum status type_copy_elements(struct engine *e, const struct store_key *from,
			       const struct meta *from_meta, uint16_t slot, uint64_t id)
{
	bool named = type_is_named(from_meta->type);
	enum status st = ST_OK;

	if (named) {
		st = copy_named(e, from->slot, from_meta->id, slot, id);
	}
	if (st == ST_OK &&
	    (!named || from_meta->type == TYPE_ZSET || from_meta->fields_timed > 0)) {
		st = copy_ordered(e, from->slot, from_meta->id, slot, id, named);
	}
	return st;
}
