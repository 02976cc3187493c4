/* Elements in and out of a sorted set's tree: insertion with splits, removal, moves. */
#include "engine/types/zset_tree.h"

/* Adds delta to the counts of what path went through, from a level on. */
static enum status add_counts(struct zset_tree *t, const struct zset_path *path, unsigned level,
			      int64_t delta)
{
	enum status st = ST_OK;

	for (; st == ST_OK && level <= path->height; level++) {
		struct zset_shift shift = {path->at[level].index, delta};

		st = zset_tree_shift_counts(t, level, path->at[level].number, &shift, 1);
	}
	return st;
}

/* A node that is to be split, and what its parent has to learn. */
struct split {
	struct zset_kept separator; /* its child: the right node */
	uint64_t left, right;	    /* elements */
	bool first, last;	    /* the new element is the tree's first or last so far */
};

/* Where to cut: elements that come in order leave full nodes behind. */
static uint32_t cut_at(const struct split *s, const struct zset_view *v)
{
	return s->last ? v->count - 1 : s->first ? 1 : zset_view_middle(v);
}

static enum status split_leaf(struct zset_tree *t, const struct zset_path *path,
			      const struct zset_builder *b, struct split *s)
{
	struct zset_view v = zset_builder_view(b);
	uint32_t cut = cut_at(s, &v);
	struct zset_builder half;
	struct zset_element left, right;
	uint64_t number;
	enum status st = zset_tree_element(t, &v, cut - 1, &left);

	if (st == ST_OK) {
		st = zset_tree_element(t, &v, cut, &right);
	}
	if (st == ST_OK) {
		st = zset_tree_separator(t, &left, &right, &s->separator);
	}
	if (st == ST_OK) {
		st = zset_tree_number(t, &number);
	}
	zset_builder_init(&half, false);
	if (st == ST_OK) {
		st = zset_builder_take(&half, &v, 0, cut);
	}
	if (st == ST_OK) {
		st = zset_tree_put_node(t, 0, path->at[0].number, &half);
	}
	zset_builder_init(&half, false);
	if (st == ST_OK) {
		st = zset_builder_take(&half, &v, cut, v.count);
	}
	if (st == ST_OK) {
		s->separator.item.child = number;
		s->left = cut;
		s->right = v.count - cut;
		st = zset_tree_put_node(t, 0, number, &half);
	}
	return st;
}

/* Splits an inner node; s is what it adds to the level above. */
static enum status split_inner(struct zset_tree *t, unsigned level, uint64_t left_number,
			       const struct zset_builder *b, const uint64_t *counts,
			       struct split *s)
{
	struct zset_view v = zset_builder_view(b);
	uint32_t cut = cut_at(s, &v);
	struct zset_builder half;
	struct zset_item item;
	uint64_t number;
	enum status st = zset_tree_number(t, &number);

	if (st == ST_OK) {
		st = zset_view_item(&v, cut, &item);
	}
	zset_builder_init(&half, true);
	if (st == ST_OK) {
		st = zset_builder_take(&half, &v, 0, cut);
	}
	if (st == ST_OK) {
		st = zset_tree_put_node(t, level, left_number, &half);
	}
	zset_builder_init(&half, true);
	if (st == ST_OK) {
		st = zset_builder_take_first(&half, &v, cut, v.count);
	}
	if (st == ST_OK) {
		st = zset_tree_put_node(t, level, number, &half);
	}
	if (st == ST_OK) {
		st = zset_tree_put_counts(t, level, left_number, counts, cut);
	}
	if (st == ST_OK) {
		st = zset_tree_put_counts(t, level, number, counts + cut, v.count - cut);
	}
	if (st != ST_OK) {
		return st;
	}
	item.child = number;
	zset_keep(&s->separator, &item);
	s->left = 0;
	s->right = 0;
	for (uint32_t i = 0; i < v.count; i++) {
		*(i < cut ? &s->left : &s->right) += counts[i];
	}
	return ST_OK;
}

static enum status new_root(struct zset_tree *t, const struct zset_path *path,
			    const struct split *s)
{
	struct zset_builder b;
	struct zset_item first = {.child = path->at[path->height].number};
	uint64_t number, counts[2] = {s->left, s->right};
	enum status st = path->height < ZSET_HEIGHT_MAX ? zset_tree_number(t, &number) : ST_LIMIT;

	zset_builder_init(&b, true);
	if (st == ST_OK) {
		st = zset_builder_add(&b, &first);
	}
	if (st == ST_OK) {
		st = zset_builder_add(&b, &s->separator.item);
	}
	if (st == ST_OK) {
		st = zset_tree_put_node(t, path->height + 1, number, &b);
	}
	if (st == ST_OK) {
		st = zset_tree_put_counts(t, path->height + 1, number, counts, 2);
	}
	if (st == ST_OK) {
		zset_tree_set_root(t, number, path->height + 1);
	}
	return st;
}

/* Tells the parents of a split leaf, which may have to be split themselves. */
static enum status grow(struct zset_tree *t, const struct zset_path *path, struct split *s)
{
	for (unsigned level = 1; level <= path->height; level++) {
		uint64_t counts[ZSET_INNER_MAX + 1], number = path->at[level].number;
		uint32_t at = path->at[level].index + 1, n;
		struct zset_builder b;
		struct zset_view v;
		enum status st = zset_tree_counts(t, level, number, counts, &n);

		if (st == ST_OK) {
			st = zset_tree_node(t, level, number, &v);
		}
		if (st == ST_OK && (v.count != n || at > n)) {
			st = ST_CORRUPT;
		}
		if (st != ST_OK) {
			return st;
		}
		zset_builder_init(&b, true);
		st = zset_builder_take(&b, &v, 0, at);
		if (st == ST_OK) {
			st = zset_builder_add(&b, &s->separator.item);
		}
		if (st == ST_OK) {
			st = zset_builder_take(&b, &v, at, n);
		}
		memmove(counts + at + 1, counts + at, (n - at) * sizeof *counts);
		counts[at - 1] = s->left;
		counts[at] = s->right;
		if (st == ST_OK && zset_builder_fits(&b)) {
			st = zset_tree_put_node(t, level, number, &b);
			if (st == ST_OK) {
				st = zset_tree_put_counts(t, level, number, counts, n + 1);
			}
			return st == ST_OK ? add_counts(t, path, level + 1, 1) : st;
		}
		if (st == ST_OK) {
			st = split_inner(t, level, number, &b, counts, s);
		}
		if (st != ST_OK) {
			return st;
		}
	}
	return new_root(t, path, s);
}

/* Whether path ends at the tree's very end; the leaf has count elements. */
static enum status at_end(const struct zset_tree *t, const struct zset_path *path, uint32_t count,
			  bool *out)
{
	*out = path->at[0].index == count;
	for (unsigned level = 1; *out && level <= path->height; level++) {
		struct zset_view v;
		enum status st = zset_tree_node(t, level, path->at[level].number, &v);

		if (st != ST_OK) {
			return st;
		}
		*out = path->at[level].index + 1 == v.count;
	}
	return ST_OK;
}

static bool at_start(const struct zset_path *path)
{
	for (unsigned level = 0; level <= path->height; level++) {
		if (path->at[level].index > 0) {
			return false;
		}
	}
	return true;
}

static enum status first_leaf(struct zset_tree *t, const struct zset_item *item)
{
	struct zset_builder b;
	uint64_t number;
	enum status st = zset_tree_number(t, &number);

	zset_builder_init(&b, false);
	if (st == ST_OK) {
		st = zset_builder_add(&b, item);
	}
	if (st == ST_OK) {
		zset_tree_set_root(t, number, 0);
		st = zset_tree_put_node(t, 0, number, &b);
	}
	return st;
}

static enum status insert_item(struct zset_tree *t, const struct zset_item *item,
			       struct slice member)
{
	struct zset_bound bound = {.kind = ZSET_BOUND_ITEM, .score = item->score, .member = member};
	struct zset_builder b;
	struct zset_path path;
	struct zset_view leaf;
	struct split s = {.left = 0};
	enum status st;

	if (t->m->count == 0) {
		st = first_leaf(t, item);
		t->m->count += st == ST_OK;
		return st;
	}
	st = zset_tree_find(t, &bound, false, &path, &leaf);
	if (st != ST_OK) {
		return st;
	}
	zset_builder_init(&b, false);
	st = zset_builder_take(&b, &leaf, 0, path.at[0].index);
	if (st == ST_OK) {
		st = zset_builder_add(&b, item);
	}
	if (st == ST_OK) {
		st = zset_builder_take(&b, &leaf, path.at[0].index, leaf.count);
	}
	if (st != ST_OK) {
		return st;
	}
	if (zset_builder_fits(&b)) {
		st = zset_tree_put_node(t, 0, path.at[0].number, &b);
		st = st == ST_OK ? add_counts(t, &path, 1, 1) : st;
	} else {
		s.first = at_start(&path);
		st = at_end(t, &path, leaf.count, &s.last);
		st = st == ST_OK ? split_leaf(t, &path, &b, &s) : st;
		st = st == ST_OK ? grow(t, &path, &s) : st;
	}
	t->m->count += st == ST_OK;
	return st;
}

enum status zset_tree_insert(struct zset_tree *t, const struct zset_element *element)
{
	struct zset_item item = {.score = element->score};
	enum status st = zset_tree_name(t, element->member, &item.name);

	return st == ST_OK ? insert_item(t, &item, element->member) : st;
}

/* Takes count elements from where path ends out of its leaf; their long names stay. */
static enum status take_out(struct zset_tree *t, const struct zset_path *path,
			    const struct zset_view *leaf, uint32_t count)
{
	uint32_t from = path->at[0].index, left = leaf->count - count;
	struct zset_builder b;
	enum status st;

	zset_builder_init(&b, false);
	st = zset_builder_take(&b, leaf, 0, from);
	if (st == ST_OK) {
		st = zset_builder_take(&b, leaf, from + count, leaf->count);
	}
	if (st == ST_OK && left > 0) {
		st = zset_tree_put_node(t, 0, path->at[0].number, &b);
	}
	if (st == ST_OK) {
		st = add_counts(t, path, 1, -(int64_t)count);
	}
	if (st == ST_OK && t->m->count < count) {
		st = ST_CORRUPT;
	}
	if (st == ST_OK) {
		t->m->count -= count;
		st = zset_tree_balance(t, path, left);
	}
	return st;
}

enum status zset_tree_remove(struct zset_tree *t, const struct zset_path *path, uint32_t count)
{
	struct zset_name names[ZSET_LEAF_MAX];
	struct zset_view leaf;
	uint32_t from = path->at[0].index;
	enum status st = zset_tree_node(t, 0, path->at[0].number, &leaf);

	if (st == ST_OK && (from > leaf.count || count > leaf.count - from)) {
		st = ST_CORRUPT;
	}
	for (uint32_t i = 0; st == ST_OK && i < count; i++) {
		st = zset_view_name(&leaf, from + i, &names[i]);
	}
	if (st == ST_OK) {
		st = take_out(t, path, &leaf, count);
	}
	for (uint32_t i = 0; st == ST_OK && i < count; i++) {
		st = zset_tree_del_name(t, &names[i]);
	}
	return st;
}

/* Tells the nodes above that an element went from one leaf to another. Where both ways are the same
 * nothing changes. */
static enum status shift_between(struct zset_tree *t, const struct zset_path *from,
				 const struct zset_path *to)
{
	enum status st = ST_OK;

	for (unsigned level = 1; st == ST_OK && level <= from->height; level++) {
		struct zset_shift shifts[2] = {{from->at[level].index, -1},
					       {to->at[level].index, 1}};

		if (from->at[level].number == to->at[level].number) {
			if (from->at[level].index == to->at[level].index) {
				break;
			}
			st = zset_tree_shift_counts(t, level, from->at[level].number, shifts, 2);
			continue;
		}
		st = zset_tree_shift_counts(t, level, from->at[level].number, &shifts[0], 1);
		if (st == ST_OK) {
			st = zset_tree_shift_counts(t, level, to->at[level].number, &shifts[1], 1);
		}
	}
	return st;
}

/* Puts a leaf's element at from in front of the one at to, as item. */
static enum status move_within(struct zset_tree *t, const struct zset_path *path,
			       const struct zset_view *leaf, uint32_t to,
			       const struct zset_item *item)
{
	uint32_t from = path->at[0].index;
	struct zset_builder b;
	enum status st;

	zset_builder_init(&b, false);
	st = zset_builder_take(&b, leaf, 0, to <= from ? to : from);
	if (st == ST_OK && to <= from) {
		st = zset_builder_add(&b, item);
	}
	if (st == ST_OK) {
		st = to <= from ? zset_builder_take(&b, leaf, to, from)
				: zset_builder_take(&b, leaf, from + 1, to);
	}
	if (st == ST_OK && to > from) {
		st = zset_builder_add(&b, item);
	}
	if (st == ST_OK) {
		st = zset_builder_take(&b, leaf, to <= from ? from + 1 : to, leaf->count);
	}
	return st == ST_OK ? zset_tree_put_node(t, 0, path->at[0].number, &b) : st;
}

/* Moves an element, at its new score item, from its leaf to another. */
static enum status move_across(struct zset_tree *t, const struct zset_path *path,
			       const struct zset_view *leaf, const struct zset_item *item,
			       struct slice member)
{
	struct zset_bound bound = {.kind = ZSET_BOUND_ITEM, .score = item->score, .member = member};
	struct zset_path to;
	struct zset_view there;
	struct zset_builder a, b;
	uint32_t from = path->at[0].index;
	enum status st = zset_tree_find(t, &bound, false, &to, &there);

	if (st != ST_OK) {
		return st;
	}
	if (to.at[0].number == path->at[0].number) {
		return move_within(t, path, leaf, to.at[0].index, item);
	}
	zset_builder_init(&a, false);
	zset_builder_init(&b, false);
	st = zset_builder_take(&b, &there, 0, to.at[0].index);
	if (st == ST_OK) {
		st = zset_builder_add(&b, item);
	}
	if (st == ST_OK) {
		st = zset_builder_take(&b, &there, to.at[0].index, there.count);
	}
	if (st == ST_OK && (!zset_builder_fits(&b) || zset_tree_is_small(0, leaf->count - 1))) {
		/* Leaves split or merge: one after the other. */
		st = take_out(t, path, leaf, 1);
		return st == ST_OK ? insert_item(t, item, member) : st;
	}
	if (st == ST_OK) {
		st = zset_builder_take(&a, leaf, 0, from);
	}
	if (st == ST_OK) {
		st = zset_builder_take(&a, leaf, from + 1, leaf->count);
	}
	if (st == ST_OK) {
		st = zset_tree_put_node(t, 0, path->at[0].number, &a);
	}
	if (st == ST_OK) {
		st = zset_tree_put_node(t, 0, to.at[0].number, &b);
	}
	return st == ST_OK ? shift_between(t, path, &to) : st;
}

enum status zset_tree_move(struct zset_tree *t, const struct zset_element *element, double score)
{
	struct zset_bound bound = {
	    .kind = ZSET_BOUND_ITEM, .score = element->score, .member = element->member};
	struct zset_path path;
	struct zset_view leaf;
	struct zset_kept kept;
	struct zset_item item;
	uint32_t from, to;
	enum status st = zset_tree_find(t, &bound, false, &path, &leaf);

	from = st == ST_OK ? path.at[0].index : 0;
	if (st == ST_OK && from >= leaf.count) {
		st = ST_CORRUPT;
	}
	if (st == ST_OK) {
		st = zset_view_item(&leaf, from, &item);
	}
	if (st == ST_OK && item.score != element->score) {
		st = ST_CORRUPT;
	}
	bound.score = score;
	if (st == ST_OK) {
		st = zset_tree_search(t, &bound, &leaf, 0, &to);
	}
	if (st != ST_OK) {
		return st;
	}
	zset_keep(&kept, &item);
	kept.item.score = score;
	/* Between others of its leaf it stays there, and no count changes. */
	if (path.height > 0 && (to == 0 || to == leaf.count || (from == 0 && to == 1) ||
				(from == leaf.count - 1 && to == from))) {
		return move_across(t, &path, &leaf, &kept.item, element->member);
	}
	return move_within(t, &path, &leaf, to, &kept.item);
}
