/* Keeping a sorted set's tree in shape after removals: nodes that have become small merge with a
 * neighbour under the same parent, empty ones go, a root with a single child gives way to it. */
#include "engine/types/zset_tree.h"

enum {
	SMALL_SHARE = 4,		       /* a node below a quarter looks for a neighbour */
	MERGED_BYTES = ZSET_BYTES_MAX * 3 / 4, /* what the two may have together */
};

static uint32_t items_max(unsigned level)
{
	return level == 0 ? ZSET_LEAF_MAX : ZSET_INNER_MAX;
}

bool zset_tree_is_small(unsigned level, uint32_t items)
{
	return items <= items_max(level) / SMALL_SHARE;
}

/* Takes child index out of a parent, whose other counts are as they should be; counts has n
 * numbers. *left: children that remain; none: the parent is not written. keep_name: the separator
 * lives on elsewhere. */
static enum status drop_child(struct zset_tree *t, unsigned level, uint64_t number, uint32_t index,
			      uint64_t *counts, uint32_t n, bool keep_name, uint32_t *left)
{
	struct zset_builder b;
	struct zset_view v;
	struct zset_name name = {.is_long = false};
	enum status st = zset_tree_node(t, level, number, &v);

	if (st == ST_OK && (v.count != n || index >= n)) {
		st = ST_CORRUPT;
	}
	if (st != ST_OK) {
		return st;
	}
	*left = n - 1;
	if (n == 1) {
		return ST_OK;
	}
	zset_builder_init(&b, true);
	/* The separator that goes is the child's own, or of its successor that comes first now. */
	st = zset_view_name(&v, index > 0 ? index : 1, &name);
	if (st == ST_OK && index > 0) {
		st = zset_builder_take(&b, &v, 0, index);
		st = st == ST_OK ? zset_builder_take(&b, &v, index + 1, n) : st;
	} else if (st == ST_OK) {
		st = zset_builder_take_first(&b, &v, 1, n);
	}
	memmove(counts + index, counts + index + 1, (n - 1 - index) * sizeof *counts);
	if (st == ST_OK) {
		st = zset_tree_put_node(t, level, number, &b);
	}
	if (st == ST_OK) {
		st = zset_tree_put_counts(t, level, number, counts, n - 1);
	}
	return st == ST_OK && !keep_name ? zset_tree_del_name(t, &name) : st;
}

/* Two neighbours in one node. ST_LIMIT: too large for that. */
static enum status join(const struct zset_view *left, const struct zset_view *right,
			const struct zset_item *separator, unsigned level, struct zset_builder *b)
{
	struct zset_item first = *separator;
	enum status st;

	if (left->count + right->count > items_max(level) * 3 / 4) {
		return ST_LIMIT;
	}
	zset_builder_init(b, level > 0);
	st = zset_builder_take(b, left, 0, left->count);
	if (st == ST_OK && level > 0) {
		first.child = zset_view_child(right, 0);
		st = zset_builder_add(b, &first);
		st = st == ST_OK ? zset_builder_take(b, right, 1, right->count) : st;
	} else if (st == ST_OK) {
		st = zset_builder_take(b, right, 0, right->count);
	}
	return st == ST_OK && zset_builder_bytes(b) > MERGED_BYTES ? ST_LIMIT : st;
}

/* Puts the counts of two inner nodes into one record. */
static enum status join_counts(struct zset_tree *t, unsigned level, uint64_t left, uint64_t right)
{
	uint64_t counts[2 * (ZSET_INNER_MAX + 1)];
	uint32_t n, more;
	enum status st = zset_tree_counts(t, level, left, counts, &n);

	if (st == ST_OK) {
		st = zset_tree_counts(t, level, right, counts + n, &more);
	}
	if (st == ST_OK && n + more > ZSET_INNER_MAX) {
		st = ST_CORRUPT;
	}
	return st == ST_OK ? zset_tree_put_counts(t, level, left, counts, n + more) : st;
}

/* Merges the child at index of parent (one level above level) with a neighbour when that fits.
 * *children: what the parent is left with; unchanged when nothing was merged. */
static enum status merge(struct zset_tree *t, unsigned level, uint64_t parent, uint32_t index,
			 uint32_t *children)
{
	uint64_t counts[ZSET_INNER_MAX + 1], left, right;
	struct zset_view v, a, b;
	struct zset_builder both;
	struct zset_kept separator;
	struct zset_item item;
	uint32_t n;
	enum status st = zset_tree_counts(t, level + 1, parent, counts, &n);

	if (st == ST_OK) {
		st = zset_tree_node(t, level + 1, parent, &v);
	}
	if (st != ST_OK) {
		return st;
	}
	if (v.count != n || index >= n) {
		return ST_CORRUPT;
	}
	if (n == 1) {
		return ST_OK;
	}
	index += index + 1 < n; /* the right one of the two */
	left = zset_view_child(&v, index - 1);
	right = zset_view_child(&v, index);
	st = zset_view_item(&v, index, &item);
	if (st == ST_OK) {
		zset_keep(&separator, &item);
		st = zset_tree_node(t, level, left, &a);
	}
	if (st == ST_OK) {
		st = zset_tree_node(t, level, right, &b);
	}
	if (st == ST_OK) {
		st = join(&a, &b, &separator.item, level, &both);
	}
	if (st != ST_OK) {
		return st == ST_LIMIT ? ST_OK : st;
	}
	st = zset_tree_put_node(t, level, left, &both);
	if (st == ST_OK && level > 0) {
		st = join_counts(t, level, left, right);
	}
	if (st == ST_OK) {
		st = zset_tree_del_node(t, level, right);
	}
	counts[index - 1] += counts[index];
	return st == ST_OK ? drop_child(t, level + 1, parent, index, counts, n, level > 0, children)
			   : st;
}

/* A root with one child, or an empty one, is none. */
static enum status lower_root(struct zset_tree *t)
{
	enum status st = ST_OK;

	while (st == ST_OK && t->m->count > 0 && zset_tree_height(t) > 0) {
		unsigned height = zset_tree_height(t);
		uint64_t root = t->m->aux[0] & (ZSET_NUMBER_LIMIT - 1);
		struct zset_view v;

		st = zset_tree_node(t, height, root, &v);
		if (st != ST_OK || v.count > 1) {
			break;
		}
		zset_tree_set_root(t, zset_view_child(&v, 0), height - 1);
		st = zset_tree_del_node(t, height, root);
	}
	return st;
}

enum status zset_tree_balance(struct zset_tree *t, const struct zset_path *path, uint32_t left)
{
	enum status st = ST_OK;

	for (unsigned level = 0; level < path->height; level++) {
		uint64_t parent = path->at[level + 1].number;
		uint32_t index = path->at[level + 1].index, n, children;
		uint64_t counts[ZSET_INNER_MAX + 1];

		if (!zset_tree_is_small(level, left)) {
			break;
		}
		st = zset_tree_counts(t, level + 1, parent, counts, &n);
		if (st != ST_OK) {
			return st;
		}
		children = n;
		if (left > 0) {
			st = merge(t, level, parent, index, &children);
		} else {
			st = zset_tree_del_node(t, level, path->at[level].number);
			if (st == ST_OK) {
				st = drop_child(t, level + 1, parent, index, counts, n, false,
						&children);
			}
		}
		if (st != ST_OK) {
			return st;
		}
		left = children;
	}
	if (t->m->count == 0) {
		return zset_tree_del_node(t, path->height, path->at[path->height].number);
	}
	return lower_root(t);
}
