/* The order of a large sorted set: a B+ tree whose nodes are records under the set's collection id,
 * found by number. Every node knows how many elements its children hold, so a rank is found, or an
 * element by its rank, in one way down.
 *
 * Why not a record per element, ordered by its key: finding a place would then be an ordered scan
 * over memtables and store, and pass every deleted entry that the memtable holds there; a queue
 * (ZPOPMIN) would pay for all that was taken since the last checkpoint. Here each step is a lookup.
 * A change of one element writes its leaf (some 300 bytes), and one number in the counts of each
 * level (10 million elements: 4); what separates the children is written only when nodes split.
 *
 * meta.aux[0] = number of the root | inner levels << 56, meta.aux[1] = next number, meta.count =
 * elements. Who calls keeps the member records; here is the order alone. Statuses as in
 * engine/keyspace.h, and ST_CORRUPT for nodes that make no sense. */
#ifndef CAIRN_ENGINE_TYPES_ZSET_TREE_H
#define CAIRN_ENGINE_TYPES_ZSET_TREE_H

#include "engine/keyspace.h"
#include "engine/types/zset_node.h"

/* A place between elements: which ones lie before it. */
enum zset_bound_kind {
	ZSET_BOUND_FIRST,  /* none */
	ZSET_BOUND_LAST,   /* all */
	ZSET_BOUND_SCORE,  /* those with a lower score (after: and those with it) */
	ZSET_BOUND_MEMBER, /* those with a lesser member, when all scores are equal */
	ZSET_BOUND_ITEM,   /* those with a lower score, or this one and a lesser member */
};

struct zset_bound {
	enum zset_bound_kind kind;
	bool after;
	double score;
	struct slice member;
};

/* True when an element lies before the bound. */
bool zset_bound_passes(const struct zset_bound *bound, const struct zset_element *element);

/* The tree of one set; m is changed along. A value. */
struct zset_tree {
	struct engine *e;
	uint16_t slot;
	struct meta *m;
};

/* A way down: the nodes by level (0: the leaf) and the child, or element, taken in each. */
struct zset_path {
	unsigned height;
	struct {
		uint64_t number;
		uint32_t index;
	} at[ZSET_HEIGHT_MAX + 1];
	uint64_t rank; /* elements before the place */
};

/* The first item of a node, from low on, that does not lie before the bound. */
MUST_CHECK enum status zset_tree_search(const struct zset_tree *t, const struct zset_bound *bound,
					const struct zset_view *v, uint32_t low, uint32_t *out);

/* Finds the place of a bound. The index in the leaf may be one past its last element. want_rank:
 * path->rank is needed, which costs a lookup more per level. *leaf is borrowed until the next
 * write. The tree may not be empty. */
MUST_CHECK enum status zset_tree_find(const struct zset_tree *t, const struct zset_bound *bound,
				      bool want_rank, struct zset_path *path,
				      struct zset_view *leaf);

/* Finds the element of a rank, which must be below m->count. */
MUST_CHECK enum status zset_tree_seek(const struct zset_tree *t, uint64_t rank,
				      struct zset_path *path, struct zset_view *leaf);

/* Moves to the first element of the next leaf (reverse: the last of the one before). ST_END. */
MUST_CHECK enum status zset_tree_step(const struct zset_tree *t, bool reverse,
				      struct zset_path *path, struct zset_view *leaf);

/* An element of a leaf; its member is borrowed until the next write. */
MUST_CHECK enum status zset_tree_element(const struct zset_tree *t, const struct zset_view *leaf,
					 uint32_t index, struct zset_element *out);

/* Adds an element that is not there. ST_LIMIT: no numbers left. */
MUST_CHECK enum status zset_tree_insert(struct zset_tree *t, const struct zset_element *element);

/* Gives an element that is there another score. */
MUST_CHECK enum status zset_tree_move(struct zset_tree *t, const struct zset_element *element,
				      double score);

/* Removes the count elements of a leaf from where path ends; they must be there. */
MUST_CHECK enum status zset_tree_remove(struct zset_tree *t, const struct zset_path *path,
					uint32_t count);

/* Writes the tree of a new set from its elements, in order and without repeats; count is at least
 * 1. Each node is written once. */
MUST_CHECK enum status zset_tree_build(struct zset_tree *t, const struct zset_element *elements,
				       uint64_t count);

/* --- for zset_change.c, zset_balance.c and zset_build.c --- */

/* Reads a node, its counts (count numbers, as many as the node has children) and a long name. */
MUST_CHECK enum status zset_tree_node(const struct zset_tree *t, unsigned level, uint64_t number,
				      struct zset_view *v);
MUST_CHECK enum status zset_tree_counts(const struct zset_tree *t, unsigned level, uint64_t number,
					uint64_t counts[ZSET_INNER_MAX + 1], uint32_t *count);
/* A counts record as it is stored, borrowed until the next write. */
MUST_CHECK enum status zset_tree_counts_bytes(const struct zset_tree *t, unsigned level,
					      uint64_t number, struct slice *bytes,
					      uint32_t *count);
MUST_CHECK enum status zset_tree_text(const struct zset_tree *t, const struct zset_name *name,
				      struct slice *text);

/* Writes them. */
MUST_CHECK enum status zset_tree_put_node(struct zset_tree *t, unsigned level, uint64_t number,
					  struct zset_builder *b);
MUST_CHECK enum status zset_tree_put_counts(struct zset_tree *t, unsigned level, uint64_t number,
					    const uint64_t *counts, uint32_t count);
/* Changes numbers of a counts record. */
struct zset_shift {
	uint32_t index;
	int64_t delta;
};
MUST_CHECK enum status zset_tree_shift_counts(struct zset_tree *t, unsigned level, uint64_t number,
					      const struct zset_shift *shifts, size_t n);

/* Removes a node's records; a long name's. */
MUST_CHECK enum status zset_tree_del_node(struct zset_tree *t, unsigned level, uint64_t number);
MUST_CHECK enum status zset_tree_del_name(struct zset_tree *t, const struct zset_name *name);

/* A number for a new record. ST_LIMIT. */
MUST_CHECK enum status zset_tree_number(struct zset_tree *t, uint64_t *out);

/* A separator or item that outlives the node it was taken from. */
struct zset_kept {
	struct zset_item item;
	uint8_t text[ZSET_NAME_INLINE];
};
void zset_keep(struct zset_kept *k, const struct zset_item *item);

/* What separates two neighbours; a long name gets a record of its own. */
MUST_CHECK enum status zset_tree_separator(struct zset_tree *t, const struct zset_element *left,
					   const struct zset_element *right, struct zset_kept *out);

/* The name of a member as an item holds it; a long one gets a record. Borrows member. */
MUST_CHECK enum status zset_tree_name(struct zset_tree *t, struct slice member,
				      struct zset_name *out);

/* Root and height as they are now. */
uint64_t zset_tree_root(const struct zset_tree *t);
unsigned zset_tree_height(const struct zset_tree *t);
void zset_tree_set_root(struct zset_tree *t, uint64_t number, unsigned height);

/* Whether a node with so many items (level 0: a leaf) is merged with a neighbour where it can be.
 */
bool zset_tree_is_small(unsigned level, uint32_t items);

/* After a removal: merges the leaf of path, and its parents, with their neighbours when they have
 * become small, and takes away empty nodes and needless roots. left: elements of the leaf. */
MUST_CHECK enum status zset_tree_balance(struct zset_tree *t, const struct zset_path *path,
					 uint32_t left);

#endif
