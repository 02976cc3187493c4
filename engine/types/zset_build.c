/* A sorted set's tree from all of its elements in order: nodes are filled one after the other on
 * every level and written once. */
#include "engine/base/alloc.h"
#include "engine/types/zset_tree.h"

enum {
	/* What a node gets, so that the first insertions do not split it. */
	LEAF_FILL = ZSET_LEAF_MAX * 3 / 4,
	INNER_FILL = ZSET_INNER_MAX * 3 / 4,
	BYTES_FILL = ZSET_BYTES_MAX * 3 / 4,
};

/* The node of a level that is being filled. */
struct open_node {
	struct zset_builder b;
	struct zset_kept separator; /* in front of it; nothing for the first of its level */
	uint64_t counts[ZSET_INNER_MAX + 1];
	uint64_t total;
	bool used; /* there was a node of this level before */
};

struct build {
	struct zset_tree *tree;
	struct open_node levels[ZSET_HEIGHT_MAX + 1];
};

static bool is_full(const struct open_node *n)
{
	return n->b.count >= (n->b.inner ? INNER_FILL : LEAF_FILL) ||
	       zset_builder_bytes(&n->b) >= BYTES_FILL;
}

static void start(struct open_node *n, unsigned level)
{
	zset_builder_init(&n->b, level > 0);
	n->total = 0;
}

/* Writes the open node of a level and begins the next; *child and total describe it for the parent.
 */
static enum status finish(struct build *b, unsigned level, struct zset_kept *child, uint64_t *total)
{
	struct open_node *n = &b->levels[level];
	uint64_t number;
	enum status st = zset_tree_number(b->tree, &number);

	if (st == ST_OK) {
		st = zset_tree_put_node(b->tree, level, number, &n->b);
	}
	if (st == ST_OK && level > 0) {
		st = zset_tree_put_counts(b->tree, level, number, n->counts, n->b.count);
	}
	if (st == ST_OK) {
		zset_keep(child, &n->separator.item);
		child->item.child = number;
		*total = n->total;
		n->used = true;
		start(n, level);
	}
	return st;
}

/* Gives a finished child to the level above; a node that is full is finished first. */
static enum status add_child(struct build *b, unsigned level, const struct zset_kept *first_child,
			     uint64_t child_total)
{
	struct zset_kept child = *first_child;
	uint64_t total = child_total;

	child.item.name.text.data = child.text;
	for (; level <= ZSET_HEIGHT_MAX; level++) {
		struct open_node *n = &b->levels[level];
		struct zset_kept done;
		uint64_t done_total = 0;
		bool full = is_full(n);
		struct zset_item item;
		enum status st = full ? finish(b, level, &done, &done_total) : ST_OK;

		if (st != ST_OK) {
			return st;
		}
		item = child.item;
		if (n->b.count == 0) {
			zset_keep(&n->separator, &child.item);
			item = (struct zset_item){.child = child.item.child};
		}
		n->counts[n->b.count] = total;
		n->total += total;
		st = zset_builder_add(&n->b, &item);
		if (st != ST_OK || !full) {
			return st;
		}
		zset_keep(&child, &done.item);
		total = done_total;
	}
	return ST_LIMIT;
}

static enum status add_element(struct build *b, const struct zset_element *before,
			       const struct zset_element *element)
{
	struct open_node *leaf = &b->levels[0];
	struct zset_item item = {.score = element->score};
	enum status st = zset_tree_name(b->tree, element->member, &item.name);

	if (st == ST_OK && is_full(leaf)) {
		struct zset_kept child;
		uint64_t total;

		st = finish(b, 0, &child, &total);
		if (st == ST_OK) {
			st = add_child(b, 1, &child, total);
		}
		if (st == ST_OK) {
			st = zset_tree_separator(b->tree, before, element, &leaf->separator);
		}
	}
	if (st == ST_OK) {
		leaf->total++;
		st = zset_builder_add(&leaf->b, &item);
	}
	return st;
}

/* Finishes what is open on each level; the last one's node is the root. */
static enum status close_all(struct build *b)
{
	for (unsigned level = 0; level <= ZSET_HEIGHT_MAX; level++) {
		struct zset_kept child;
		uint64_t total;
		bool is_root = !b->levels[level].used;
		enum status st = finish(b, level, &child, &total);

		if (st != ST_OK) {
			return st;
		}
		if (is_root) {
			zset_tree_set_root(b->tree, child.item.child, level);
			return ST_OK;
		}
		st = add_child(b, level + 1, &child, total);
		if (st != ST_OK) {
			return st;
		}
	}
	return ST_LIMIT;
}

enum status zset_tree_build(struct zset_tree *t, const struct zset_element *elements,
			    uint64_t count)
{
	struct build *b = mem_calloc(1, sizeof *b);
	enum status st = ST_OK;

	if (b == NULL) {
		return ST_NO_MEMORY;
	}
	b->tree = t;
	for (unsigned level = 0; level <= ZSET_HEIGHT_MAX; level++) {
		start(&b->levels[level], level);
	}
	for (uint64_t i = 0; st == ST_OK && i < count; i++) {
		st = add_element(b, i > 0 ? &elements[i - 1] : NULL, &elements[i]);
	}
	if (st == ST_OK) {
		st = close_all(b);
	}
	t->m->count = count;
	mem_free(b);
	return st;
}
