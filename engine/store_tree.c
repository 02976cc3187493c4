/* Walking LMDB's pages step by step; store_tree.h says what is checked when. */
#include "engine/store_tree.h"

#include "engine/base/bytes.h"

#include <limits.h>

enum {
	RECORD_LEN = 48,
	RECORD_DEPTH = 6,
	RECORD_ROOT = 40,
	PAGES_META = 2,
};

enum status store_tree_of(struct store_tree *t, struct slice record)
{
	if (record.len != RECORD_LEN) {
		return ST_CORRUPT;
	}
	t->depth = bytes_get_u16le(record.data + RECORD_DEPTH);
	t->root = bytes_get_u64le(record.data + RECORD_ROOT);
	return t->depth <= STORE_TREE_DEPTH && (t->depth == 0) == (t->root == UINT64_MAX)
		   ? ST_OK
		   : ST_CORRUPT;
}

static enum store_page_kind kind_at(const struct store_tree *t, unsigned level)
{
	return level + 1 == t->depth ? STORE_PAGE_LEAF : STORE_PAGE_BRANCH;
}

/* Steps on a page: the next level of the way. */
static enum status step_on(const struct store_tree *t, uint64_t number, struct store_place *at)
{
	struct store_step *s = &at->step[at->depth];

	if (number < PAGES_META || number >= t->pages) {
		return ST_CORRUPT;
	}
	s->number = number;
	s->page = t->map + number * t->page_size;
	s->index = 0;
	if (!store_page_header(s->page, t->page_size, number, kind_at(t, at->depth), &s->count)) {
		return ST_CORRUPT;
	}
	at->depth++;
	return ST_OK;
}

static bool node_at(const struct store_tree *t, const struct store_place *at, unsigned level,
		    unsigned index, struct store_node *out)
{
	return store_page_node(at->step[level].page, t->page_size, kind_at(t, level), index, out);
}

/* Sets the index of the last step: of a branch, to the child where key belongs; of a leaf, to the
 * first key at or after it. */
static enum status search(const struct store_tree *t, struct slice key, struct store_place *at,
			  bool *exact)
{
	unsigned level = at->depth - 1;
	bool leaf = kind_at(t, level) == STORE_PAGE_LEAF;
	struct store_step *s = &at->step[level];
	unsigned low = leaf ? 0 : 1, high = s->count;

	/* All below low are less than key, all from high on are not. */
	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		struct store_node node;
		int c;

		if (!node_at(t, at, level, middle, &node)) {
			return ST_CORRUPT;
		}
		c = slice_cmp(node.key, key);
		if (c == 0) {
			*exact = leaf;
			s->index = middle;
			return ST_OK;
		}
		if (c < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	s->index = leaf ? low : low - 1;
	return ST_OK;
}

/* Steps on the child that the last step's index says. */
static enum status descend(const struct store_tree *t, struct store_place *at)
{
	unsigned level = at->depth - 1;
	struct store_node node;

	if (!node_at(t, at, level, at->step[level].index, &node)) {
		return ST_CORRUPT;
	}
	return step_on(t, node.page, at);
}

enum status store_tree_seek(const struct store_tree *t, struct slice key, struct store_place *at,
			    bool *exact)
{
	enum status st;

	at->depth = 0;
	*exact = false;
	if (t->depth == 0) {
		return ST_NOT_FOUND;
	}
	st = step_on(t, t->root, at);
	while (st == ST_OK && at->depth < t->depth) {
		st = search(t, key, at, exact);
		if (st == ST_OK) {
			st = descend(t, at);
		}
	}
	return st == ST_OK ? search(t, key, at, exact) : st;
}

enum status store_tree_seek_here(const struct store_tree *t, struct slice key,
				 struct store_place *at, bool *exact)
{
	*exact = false;
	return search(t, key, at, exact);
}

enum status store_tree_seek_if(const struct store_tree *t, struct slice key, store_tree_may *may,
			       void *arg, struct store_place *at, bool *exact)
{
	uint64_t number = t->root;
	enum status st = t->depth == 0 ? ST_NOT_FOUND : ST_OK;

	at->depth = 0;
	*exact = false;
	while (st == ST_OK) {
		struct store_node node;

		if (number >= t->pages || !may(arg, number, 1)) {
			return number >= t->pages ? ST_CORRUPT : ST_AGAIN;
		}
		st = step_on(t, number, at);
		if (st == ST_OK) {
			st = search(t, key, at, exact);
		}
		if (st != ST_OK || at->depth == t->depth) {
			return st;
		}
		if (!node_at(t, at, at->depth - 1, at->step[at->depth - 1].index, &node)) {
			return ST_CORRUPT;
		}
		number = node.page;
	}
	return st;
}

bool store_tree_entry_may(const struct store_tree *t, const struct store_place *at, unsigned index,
			  store_tree_may *may, void *arg)
{
	struct store_node node;
	uint64_t count;

	if (!node_at(t, at, at->depth - 1, index, &node) || node.page == STORE_NO_PAGE ||
	    node.page >= t->pages) {
		return true;
	}
	count = (STORE_PAGE_HEADER + (uint64_t)node.data.len + t->page_size - 1) / t->page_size;
	return count > t->pages - node.page || may(arg, node.page, count);
}

/* Narrows the bounds of a branch to those of the child that its step's index says. */
static enum status narrow(const struct store_tree *t, const struct store_place *at, unsigned level,
			  struct slice *lo, struct slice *hi)
{
	const struct store_step *s = &at->step[level];
	struct store_node node;

	if (s->index > 0) {
		if (!node_at(t, at, level, s->index, &node)) {
			return ST_CORRUPT;
		}
		*lo = node.key;
	}
	if (s->index + 1 < s->count) {
		if (!node_at(t, at, level, s->index + 1, &node)) {
			return ST_CORRUPT;
		}
		*hi = node.key;
	}
	return ST_OK;
}

enum status store_tree_bounds(const struct store_tree *t, const struct store_place *at,
			      struct slice *lo, struct slice *hi)
{
	enum status st = ST_OK;

	*lo = slice_of(NULL, 0);
	*hi = slice_of(NULL, 0);
	for (unsigned level = 0; st == ST_OK && level + 1 < at->depth; level++) {
		st = narrow(t, at, level, lo, hi);
	}
	return st;
}

enum status store_tree_check(const struct store_tree *t, const struct store_place *at)
{
	struct slice lo = {NULL, 0}, hi = {NULL, 0};
	enum status st = ST_OK;

	for (unsigned level = 0; st == ST_OK && level < at->depth; level++) {
		const struct store_step *s = &at->step[level];
		uint64_t *seen = &t->seen->page[s->number % STORE_SEEN];

		if (*seen != s->number) {
			if (!store_page_whole(s->page, t->page_size, s->number, kind_at(t, level),
					      STORE_KEYS_BYTES, lo, hi)) {
				return ST_CORRUPT;
			}
			*seen = s->number;
		}
		if (level + 1 < at->depth) {
			st = narrow(t, at, level, &lo, &hi);
		}
	}
	return st;
}

/* To the first (or behind the last) entry of the leaf beside. ST_NOT_FOUND: there is none. */
static enum status beside(const struct store_tree *t, struct store_place *at, bool right)
{
	struct store_place to = *at;
	enum status st = ST_OK;

	do {
		if (to.depth <= 1) {
			return ST_NOT_FOUND;
		}
		to.depth--;
	} while (right ? to.step[to.depth - 1].index + 1 >= to.step[to.depth - 1].count
		       : to.step[to.depth - 1].index == 0);
	to.step[to.depth - 1].index += right ? 1u : UINT_MAX;
	while (st == ST_OK && to.depth < t->depth) {
		st = descend(t, &to);
		if (st == ST_OK && !right) {
			struct store_step *s = &to.step[to.depth - 1];

			s->index = to.depth < t->depth ? s->count - 1 : s->count;
		}
	}
	if (st == ST_OK) {
		st = store_tree_check(t, &to);
	}
	if (st == ST_OK) {
		*at = to;
	}
	return st;
}

enum status store_tree_settle(const struct store_tree *t, struct store_place *at)
{
	struct store_step *s = &at->step[at->depth - 1];

	return s->index < s->count ? ST_OK : beside(t, at, true);
}

enum status store_tree_next(const struct store_tree *t, struct store_place *at)
{
	struct store_step *s = &at->step[at->depth - 1];
	enum status st;

	if (s->index >= s->count) {
		return beside(t, at, true);
	}
	s->index++;
	st = store_tree_settle(t, at);
	if (st != ST_OK) {
		s->index--;
	}
	return st;
}

enum status store_tree_prev(const struct store_tree *t, struct store_place *at)
{
	enum status st = ST_OK;

	if (at->step[at->depth - 1].index == 0) {
		st = beside(t, at, false);
	}
	if (st == ST_OK) {
		at->step[at->depth - 1].index--;
	}
	return st;
}

enum status store_tree_last(const struct store_tree *t, struct store_place *at)
{
	enum status st;

	at->depth = 0;
	if (t->depth == 0) {
		return ST_NOT_FOUND;
	}
	st = step_on(t, t->root, at);
	while (st == ST_OK && at->depth < t->depth) {
		at->step[at->depth - 1].index = at->step[at->depth - 1].count - 1;
		st = descend(t, at);
	}
	if (st == ST_OK) {
		at->step[at->depth - 1].index = at->step[at->depth - 1].count;
		st = store_tree_check(t, at);
	}
	return st;
}

/* Data in overflow pages: the first one's header must say so. */
static enum status big_data(const struct store_tree *t, const struct store_node *node,
			    struct slice *value)
{
	const uint8_t *page = t->map + node->page * t->page_size;
	unsigned count;

	if (node->page < PAGES_META || node->page >= t->pages ||
	    !store_page_header(page, t->page_size, node->page, STORE_PAGE_OVERFLOW, &count) ||
	    count > t->pages - node->page ||
	    node->data.len > count * t->page_size - STORE_PAGE_HEADER) {
		return ST_CORRUPT;
	}
	*value = slice_of(page + STORE_PAGE_HEADER, node->data.len);
	return ST_OK;
}

enum status store_tree_entry(const struct store_tree *t, const struct store_place *at,
			     struct slice *key, struct slice *value, bool *table)
{
	struct store_node node;

	if (!node_at(t, at, at->depth - 1, at->step[at->depth - 1].index, &node)) {
		return ST_CORRUPT;
	}
	*key = node.key;
	if (table != NULL) {
		*table = node.table;
	}
	if (node.page != STORE_NO_PAGE) {
		return big_data(t, &node, value);
	}
	*value = node.data;
	return ST_OK;
}
