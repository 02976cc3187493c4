/* The walk through a sorted set's tree. */
#include "tools/zset_check.h"

#include "engine/types/zset_node.h"

struct walk {
	const struct view *view;
	const struct key_record *record;
	struct zset_element last; /* passed so far */
	struct zset_element low;  /* what the next element is not less than */
	bool has_last, has_low;
	uint64_t elements, records;
	const char *what;
};

static enum status wrong(struct walk *w, const char *what)
{
	w->what = what;
	return ST_CORRUPT;
}

static enum status get_record(struct walk *w, enum zset_record kind, uint64_t number,
			      struct slice *out)
{
	uint8_t subkey[ZSET_KEY_LEN];
	struct store_key key;
	enum status st;

	if (number >= ZSET_NUMBER_LIMIT) {
		return wrong(w, "a node's number is out of range");
	}
	zset_subkey(subkey, kind, number);
	store_key_of_elem(&key, w->record->slot, w->record->meta.id,
			  slice_of(subkey, sizeof subkey));
	st = view_get(w->view, store_key_slice(&key), out);
	w->records += st == ST_OK;
	return st == ST_NOT_FOUND ? wrong(w, "a record of the tree is missing") : st;
}

static enum status element_of(struct walk *w, const struct zset_item *item,
			      struct zset_element *out)
{
	out->score = item->score;
	out->member = item->name.text;
	return item->name.is_long ? get_record(w, ZSET_NAME, item->name.number, &out->member)
				  : ST_OK;
}

/* What the bucket says of a field has to be the same. */
static enum status check_time(struct walk *w, const struct zset_element *element)
{
	uint64_t at;
	enum status st = value_field_time(w->view, w->record, element->member, &at);

	if (st == ST_OK && (at == 0 || (double)at != element->score)) {
		return wrong(w, "a field has another time in the order than by its name");
	}
	return st == ST_CORRUPT ? wrong(w, "the time of a field does not decode") : st;
}

/* The member's own record has to say the same. */
static enum status check_member(struct walk *w, const struct zset_element *element)
{
	struct store_key key;
	struct slice stored, name, value;
	double score;
	enum status st;

	if (w->record->meta.type == TYPE_HASH) {
		return check_time(w, element);
	}
	store_key_of_field(&key, w->record->slot, w->record->meta.id, element->member);
	st = view_get(w->view, store_key_slice(&key), &stored);
	if (st == ST_OK) {
		st = stored_split(store_key_slice(&key), stored, &name, &value);
	}
	if (st == ST_OK && slice_eq(name, element->member)) {
		st = zset_score_get(value, &score);
	} else if (st == ST_OK) {
		st = ST_NOT_FOUND;
	}
	if (st == ST_NOT_FOUND) {
		return wrong(w, "the order has an element whose member is missing");
	}
	if (st == ST_OK && score != element->score) {
		return wrong(w, "an element has another score than its member");
	}
	return st == ST_CORRUPT ? wrong(w, "a member's record does not decode") : st;
}

static enum status check_leaf(struct walk *w, const struct zset_view *v)
{
	for (uint32_t i = 0; i < v->count; i++) {
		struct zset_item item;
		struct zset_element element;
		enum status st = zset_view_item(v, i, &item);

		if (st == ST_OK) {
			st = element_of(w, &item, &element);
		}
		if (st != ST_OK) {
			return st == ST_CORRUPT && w->what == NULL
				   ? wrong(w, "an item of a leaf does not decode")
				   : st;
		}
		if ((w->has_last && zset_element_cmp(&w->last, &element) >= 0) ||
		    (w->has_low && zset_element_cmp(&w->low, &element) > 0)) {
			return wrong(w, "elements are out of order");
		}
		st = check_member(w, &element);
		if (st != ST_OK) {
			return st;
		}
		w->last = element;
		w->has_last = true;
		w->has_low = false;
		w->elements++;
	}
	return ST_OK;
}

/* What is in front of child i. */
static enum status check_separator(struct walk *w, const struct zset_view *v, uint32_t i)
{
	struct zset_item item;
	enum status st = zset_view_item(v, i, &item);

	if (st == ST_OK && i > 0) {
		st = element_of(w, &item, &w->low);
		w->has_low = true;
	}
	if (st == ST_OK && i > 0 && w->has_last && zset_element_cmp(&w->last, &w->low) >= 0) {
		return wrong(w, "a separator is out of order");
	}
	return st == ST_CORRUPT && w->what == NULL ? wrong(w, "a separator does not decode") : st;
}

/* Never deeper than ZSET_HEIGHT_MAX. */
static enum status check_node(struct walk *w, unsigned level, uint64_t number)
{
	uint64_t counts[ZSET_INNER_MAX], before;
	struct zset_view v;
	struct slice bytes;
	enum status st = get_record(w, level == 0 ? ZSET_LEAF : ZSET_INNER, number, &bytes);

	if (st == ST_OK && zset_view_open(bytes, level > 0, &v) != ST_OK) {
		return wrong(w, "a node does not decode");
	}
	if (st != ST_OK || level == 0) {
		return st == ST_OK ? check_leaf(w, &v) : st;
	}
	st = get_record(w, ZSET_COUNTS, number, &bytes);
	if (st == ST_OK && zset_counts_get(bytes, level, v.count, counts) != ST_OK) {
		return wrong(w, "a node's counts do not decode");
	}
	for (uint32_t i = 0; st == ST_OK && i < v.count; i++) {
		before = w->elements;
		st = check_separator(w, &v, i);
		if (st == ST_OK) {
			st = check_node(w, level - 1, zset_view_child(&v, i));
		}
		if (st == ST_OK && w->elements - before != counts[i]) {
			return wrong(w, "a node counts other elements than it has");
		}
	}
	return st;
}

enum status zset_check(const struct view *v, const struct key_record *record, uint64_t *records,
		       const char **what)
{
	struct walk w = {.view = v, .record = record};
	uint64_t count =
	    record->meta.type == TYPE_HASH ? record->meta.fields_timed : record->meta.count;
	uint64_t height = record->meta.aux[0] >> 56;
	enum status st =
	    height > ZSET_HEIGHT_MAX
		? wrong(&w, "the tree is too high")
		: check_node(&w, (unsigned)height, record->meta.aux[0] & ((UINT64_C(1) << 56) - 1));

	if (st == ST_OK && w.elements != count) {
		st = wrong(&w, "the order has another number of elements than the record says");
	}
	*records = w.records;
	*what = w.what != NULL ? w.what : "a record of it cannot be read";
	return st;
}
