/* The tree of a sorted set: its records, ways down, walks. Elements come in and out in
 * engine/types/zset_change.c, nodes merge in engine/types/zset_balance.c, whole trees are made in
 * engine/types/zset_build.c. */
#include "engine/types/zset_tree.h"

#include "engine/base/invariant.h"

enum { HEIGHT_SHIFT = 56 };

/* --- records --- */

static enum status get_record(const struct zset_tree *t, enum zset_record record, uint64_t number,
			      struct slice *value)
{
	uint8_t subkey[ZSET_KEY_LEN];
	enum status st;

	if (number >= ZSET_NUMBER_LIMIT) {
		return ST_CORRUPT;
	}
	zset_subkey(subkey, record, number);
	st = ks_elem_get(t->e, t->slot, t->m->id, slice_of(subkey, sizeof subkey), value);
	return st == ST_NOT_FOUND ? ST_CORRUPT : st; /* something says that it is there */
}

static enum status put_record(struct zset_tree *t, enum zset_record record, uint64_t number,
			      const struct slice *parts, size_t parts_count)
{
	uint8_t subkey[ZSET_KEY_LEN];

	zset_subkey(subkey, record, number);
	return ks_elem_put(t->e, t->slot, t->m->id, slice_of(subkey, sizeof subkey), parts,
			   parts_count);
}

static enum status del_record(struct zset_tree *t, enum zset_record record, uint64_t number)
{
	uint8_t subkey[ZSET_KEY_LEN];

	zset_subkey(subkey, record, number);
	return ks_elem_del(t->e, t->slot, t->m->id, slice_of(subkey, sizeof subkey));
}

enum status zset_tree_node(const struct zset_tree *t, unsigned level, uint64_t number,
			   struct zset_view *v)
{
	struct slice value;
	enum status st = get_record(t, level == 0 ? ZSET_LEAF : ZSET_INNER, number, &value);

	return st == ST_OK ? zset_view_open(value, level > 0, v) : st;
}

enum status zset_tree_counts_bytes(const struct zset_tree *t, unsigned level, uint64_t number,
				   struct slice *bytes, uint32_t *count)
{
	size_t width = zset_counts_width(level);
	enum status st = get_record(t, ZSET_COUNTS, number, bytes);

	if (st != ST_OK) {
		return st;
	}
	*count = (uint32_t)(bytes->len / width);
	return *count == 0 || *count > ZSET_INNER_MAX || bytes->len != *count * width ? ST_CORRUPT
										      : ST_OK;
}

enum status zset_tree_counts(const struct zset_tree *t, unsigned level, uint64_t number,
			     uint64_t counts[ZSET_INNER_MAX + 1], uint32_t *count)
{
	struct slice value;
	enum status st = zset_tree_counts_bytes(t, level, number, &value, count);

	return st == ST_OK ? zset_counts_get(value, level, *count, counts) : st;
}

enum status zset_tree_text(const struct zset_tree *t, const struct zset_name *name,
			   struct slice *text)
{
	if (!name->is_long) {
		*text = name->text;
		return ST_OK;
	}
	return get_record(t, ZSET_NAME, name->number, text);
}

enum status zset_tree_put_node(struct zset_tree *t, unsigned level, uint64_t number,
			       struct zset_builder *b)
{
	struct slice parts[ZSET_PARTS];
	size_t n = zset_builder_parts(b, parts);

	return put_record(t, level == 0 ? ZSET_LEAF : ZSET_INNER, number, parts, n);
}

enum status zset_tree_put_counts(struct zset_tree *t, unsigned level, uint64_t number,
				 const uint64_t *counts, uint32_t count)
{
	uint8_t bytes[8 * ZSET_INNER_MAX];
	struct slice part;

	INVARIANT(count <= ZSET_INNER_MAX);
	part = slice_of(bytes, zset_counts_put(counts, count, level, bytes));
	return put_record(t, ZSET_COUNTS, number, &part, 1);
}

enum status zset_tree_shift_counts(struct zset_tree *t, unsigned level, uint64_t number,
				   const struct zset_shift *shifts, size_t n)
{
	uint8_t bytes[8 * ZSET_INNER_MAX];
	struct slice part;
	uint32_t count;
	enum status st = zset_tree_counts_bytes(t, level, number, &part, &count);

	if (st != ST_OK) {
		return st;
	}
	memcpy(bytes, part.data, part.len);
	part.data = bytes;
	for (size_t i = 0; st == ST_OK && i < n; i++) {
		st = shifts[i].index >= count
			 ? ST_CORRUPT
			 : zset_counts_shift(bytes, level, shifts[i].index, shifts[i].delta);
	}
	return st == ST_OK ? put_record(t, ZSET_COUNTS, number, &part, 1) : st;
}

enum status zset_tree_del_node(struct zset_tree *t, unsigned level, uint64_t number)
{
	enum status st = del_record(t, level == 0 ? ZSET_LEAF : ZSET_INNER, number);

	return st == ST_OK && level > 0 ? del_record(t, ZSET_COUNTS, number) : st;
}

enum status zset_tree_del_name(struct zset_tree *t, const struct zset_name *name)
{
	return name->is_long ? del_record(t, ZSET_NAME, name->number) : ST_OK;
}

enum status zset_tree_number(struct zset_tree *t, uint64_t *out)
{
	if (t->m->aux[1] >= ZSET_NUMBER_LIMIT) {
		return ST_LIMIT;
	}
	*out = t->m->aux[1]++;
	return ST_OK;
}

unsigned zset_tree_height(const struct zset_tree *t)
{
	return (unsigned)(t->m->aux[0] >> HEIGHT_SHIFT);
}

void zset_tree_set_root(struct zset_tree *t, uint64_t number, unsigned height)
{
	t->m->aux[0] = number | (uint64_t)height << HEIGHT_SHIFT;
}

uint64_t zset_tree_root(const struct zset_tree *t)
{
	return t->m->aux[0] & ((UINT64_C(1) << HEIGHT_SHIFT) - 1);
}

/* --- order --- */

/* Compares a name with a whole text. */
static enum status name_cmp(const struct zset_tree *t, const struct zset_name *name,
			    struct slice text, int *out)
{
	struct slice whole, head = text;
	enum status st;

	if (!name->is_long) {
		*out = slice_cmp(name->text, text);
		return ST_OK;
	}
	if (head.len > ZSET_NAME_PREFIX) {
		head.len = ZSET_NAME_PREFIX;
	}
	*out = slice_cmp(name->text, head);
	if (*out != 0) {
		return ST_OK; /* also when the text is a part of the prefix */
	}
	if (text.len <= ZSET_NAME_PREFIX) {
		*out = 1; /* a long name goes on behind the prefix */
		return ST_OK;
	}
	st = zset_tree_text(t, name, &whole);
	if (st == ST_OK) {
		*out = slice_cmp(whole, text);
	}
	return st;
}

static bool score_passes(const struct zset_bound *bound, double score)
{
	return bound->after ? score <= bound->score : score < bound->score;
}

bool zset_bound_passes(const struct zset_bound *bound, const struct zset_element *element)
{
	int c = 0;

	switch (bound->kind) {
	case ZSET_BOUND_FIRST:
		return false;
	case ZSET_BOUND_LAST:
		return true;
	case ZSET_BOUND_SCORE:
		return score_passes(bound, element->score);
	case ZSET_BOUND_ITEM:
		if (element->score != bound->score) {
			return element->score < bound->score;
		}
		break;
	case ZSET_BOUND_MEMBER:
		break;
	}
	c = slice_cmp(element->member, bound->member);
	return bound->after ? c <= 0 : c < 0;
}

/* The same for item i of a node, whose name is read only when it matters. */
static enum status item_passes(const struct zset_tree *t, const struct zset_bound *bound,
			       const struct zset_view *v, uint32_t i, bool *out)
{
	struct zset_name name;
	int c;
	enum status st;

	switch (bound->kind) {
	case ZSET_BOUND_FIRST:
	case ZSET_BOUND_LAST:
		*out = bound->kind == ZSET_BOUND_LAST;
		return ST_OK;
	case ZSET_BOUND_SCORE:
		*out = score_passes(bound, zset_view_score(v, i));
		return ST_OK;
	case ZSET_BOUND_ITEM:
		if (zset_view_score(v, i) != bound->score) {
			*out = zset_view_score(v, i) < bound->score;
			return ST_OK;
		}
		break;
	case ZSET_BOUND_MEMBER:
		break;
	}
	st = zset_view_name(v, i, &name);
	if (st == ST_OK) {
		st = name_cmp(t, &name, bound->member, &c);
	}
	if (st == ST_OK) {
		*out = bound->after ? c <= 0 : c < 0;
	}
	return st;
}

enum status zset_tree_search(const struct zset_tree *t, const struct zset_bound *bound,
			     const struct zset_view *v, uint32_t low, uint32_t *out)
{
	uint32_t high = v->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		bool passes;
		enum status st = item_passes(t, bound, v, middle, &passes);

		if (st != ST_OK) {
			return st;
		}
		if (passes) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	*out = low;
	return ST_OK;
}

/* --- ways down --- */

static enum status begin(const struct zset_tree *t, struct zset_path *path, uint64_t *number)
{
	path->height = zset_tree_height(t);
	path->rank = 0;
	*number = zset_tree_root(t);
	return path->height <= ZSET_HEIGHT_MAX && t->m->count > 0 ? ST_OK : ST_CORRUPT;
}

/* Adds what the children left of index hold to the rank. */
static enum status add_rank(const struct zset_tree *t, unsigned level, uint64_t number,
			    uint32_t index, uint64_t *rank)
{
	struct slice bytes;
	uint32_t n;
	enum status st = zset_tree_counts_bytes(t, level, number, &bytes, &n);

	if (st == ST_OK && index >= n) {
		st = ST_CORRUPT;
	}
	if (st == ST_OK) {
		*rank += zset_counts_sum(bytes.data, level, index);
	}
	return st;
}

enum status zset_tree_find(const struct zset_tree *t, const struct zset_bound *bound,
			   bool want_rank, struct zset_path *path, struct zset_view *leaf)
{
	struct zset_bound separators = *bound;
	uint64_t number;
	uint32_t index;
	enum status st = begin(t, path, &number);

	/* All in front of a separator is less than it, so one that equals the bound is passed, too.
	 */
	separators.after |= bound->kind == ZSET_BOUND_MEMBER || bound->kind == ZSET_BOUND_ITEM;
	for (unsigned level = path->height; st == ST_OK && level > 0; level--) {
		struct zset_view v;

		st = zset_tree_node(t, level, number, &v);
		if (st == ST_OK) {
			st = zset_tree_search(t, &separators, &v, 1, &index);
		}
		if (st == ST_OK && want_rank) {
			st = add_rank(t, level, number, index - 1, &path->rank);
		}
		if (st == ST_OK) {
			path->at[level].number = number;
			path->at[level].index = index - 1;
			number = zset_view_child(&v, index - 1);
		}
	}
	if (st == ST_OK) {
		st = zset_tree_node(t, 0, number, leaf);
	}
	if (st == ST_OK) {
		st = zset_tree_search(t, bound, leaf, 0, &index);
	}
	if (st == ST_OK) {
		path->at[0].number = number;
		path->at[0].index = index;
		path->rank += index;
	}
	return st;
}

enum status zset_tree_seek(const struct zset_tree *t, uint64_t rank, struct zset_path *path,
			   struct zset_view *leaf)
{
	uint64_t counts[ZSET_INNER_MAX + 1], number, left = rank;
	enum status st = begin(t, path, &number);

	for (unsigned level = path->height; st == ST_OK && level > 0; level--) {
		struct zset_view v;
		uint32_t n, i = 0;

		st = zset_tree_node(t, level, number, &v);
		if (st == ST_OK) {
			st = zset_tree_counts(t, level, number, counts, &n);
		}
		if (st != ST_OK) {
			return st;
		}
		while (i < n && left >= counts[i]) {
			left -= counts[i++];
		}
		if (n != v.count || i == n) {
			return ST_CORRUPT;
		}
		path->at[level].number = number;
		path->at[level].index = i;
		number = zset_view_child(&v, i);
	}
	if (st == ST_OK) {
		st = zset_tree_node(t, 0, number, leaf);
	}
	if (st == ST_OK && left >= leaf->count) {
		st = ST_CORRUPT;
	}
	path->at[0].number = number;
	path->at[0].index = (uint32_t)left;
	path->rank = rank;
	return st;
}

enum status zset_tree_step(const struct zset_tree *t, bool reverse, struct zset_path *path,
			   struct zset_view *leaf)
{
	struct zset_view v;
	enum status st = ST_OK;
	unsigned level = 1;

	/* Up to the first node that has a child on that side, and down again along its edge. */
	for (; level <= path->height; level++) {
		st = zset_tree_node(t, level, path->at[level].number, &v);
		if (st != ST_OK) {
			return st;
		}
		if (reverse ? path->at[level].index > 0 : path->at[level].index + 1 < v.count) {
			path->at[level].index += reverse ? UINT32_MAX : 1;
			break;
		}
	}
	if (level > path->height) {
		return ST_END;
	}
	for (; st == ST_OK && level > 0; level--) {
		uint64_t child = zset_view_child(&v, path->at[level].index);

		path->at[level - 1].number = child;
		st = zset_tree_node(t, level - 1, child, &v);
		if (st == ST_OK) {
			path->at[level - 1].index = reverse ? v.count - 1 : 0;
		}
	}
	*leaf = v;
	return st;
}

enum status zset_tree_element(const struct zset_tree *t, const struct zset_view *leaf,
			      uint32_t index, struct zset_element *out)
{
	struct zset_name name;
	enum status st = zset_view_name(leaf, index, &name);

	out->score = zset_view_score(leaf, index);
	return st == ST_OK ? zset_tree_text(t, &name, &out->member) : st;
}

/* --- names --- */

void zset_keep(struct zset_kept *k, const struct zset_item *item)
{
	k->item = *item;
	INVARIANT(item->name.text.len <= sizeof k->text);
	if (item->name.text.len > 0) {
		memcpy(k->text, item->name.text.data, item->name.text.len);
	}
	k->item.name.text.data = k->text;
}

enum status zset_tree_name(struct zset_tree *t, struct slice member, struct zset_name *out)
{
	enum status st;

	*out = (struct zset_name){.text = member};
	if (member.len <= ZSET_NAME_INLINE) {
		return ST_OK;
	}
	st = zset_tree_number(t, &out->number);
	if (st == ST_OK) {
		st = put_record(t, ZSET_NAME, out->number, &member, 1);
	}
	out->is_long = true;
	out->text.len = ZSET_NAME_PREFIX;
	return st;
}

enum status zset_tree_separator(struct zset_tree *t, const struct zset_element *left,
				const struct zset_element *right, struct zset_kept *out)
{
	struct zset_item item = {.score = right->score};
	struct slice text = right->member;
	size_t len = 0, head;
	enum status st = ST_OK;

	if (left->score == right->score) {
		/* Up to where the two differ: the right one is longer or greater there. */
		while (len < left->member.len && len < right->member.len &&
		       left->member.data[len] == right->member.data[len]) {
			len++;
		}
		text.len = len < text.len ? len + 1 : len;
		head = text.len < sizeof out->text ? text.len : sizeof out->text;
		memcpy(out->text, text.data, head); /* before the write: it may be borrowed */
		st = zset_tree_name(t, text, &item.name);
		item.name.text.data = out->text;
	}
	out->item = item;
	return st;
}
