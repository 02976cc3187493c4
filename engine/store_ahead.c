/* Lookups ahead of time: walks the tree for several keys at once, one step each in turn, so that
 * what one of them waits for from memory comes while the others go on. Afterwards a lookup finds in
 * the CPU's cache what it would have waited for, key by key, and goes straight to the entry that
 * was come across here.
 *
 * It reads LMDB's pages by their layout (lmdb 0.9, 64 bits, data version 1, which store_file.c has
 * checked), and believes of them what store_tree.h says a seek may: that is enough for a key that
 * is found. That a key is missing is never said here.
 *
 *   page    [page number u64][pad u16][flags u16][lower u16][upper u16][node offsets u16...]
 *   node    [lo u16][hi u16][flags u16][key length u16][key][data]; in a branch lo, hi and flags
 *           are the child's page number, and the first key counts as lower than any */
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/store_private.h"

#include <limits.h>

enum {
	PAGE_UPPER_OFF = 14,
	NODE_HEADER_LEN = 8,
	NODE_KEY_LEN_OFF = 6,
	CACHE_LINE = 64,
	PAGES_META = 2,
	TRIES = 4, /* entries found ahead that one lookup compares itself with */
};

/* One key's way down. */
struct walk {
	struct slice key;
	struct store_step at; /* index: a node that is not above the key; page NULL: no further */
	unsigned above;	      /* the first node known to be above the key, or behind the last */
};

/* A node of a page; NULL when its offset is impossible. */
static const uint8_t *node_at(const struct store_tree *t, const uint8_t *page, unsigned i)
{
	size_t off = bytes_get_u16le(page + STORE_PAGE_HEADER + 2 * (size_t)i);

	return off >= bytes_get_u16le(page + PAGE_UPPER_OFF) && off % 2 == 0 &&
		       off + NODE_HEADER_LEN <= t->page_size
		   ? page + off
		   : NULL;
}

/* The key of a node; data NULL: it reaches out of its page. */
static struct slice key_of(const struct store_tree *t, const struct walk *w, unsigned i)
{
	const uint8_t *node = node_at(t, w->at.page, i);
	size_t len, off;

	if (node == NULL) {
		return slice_of(NULL, 0);
	}
	len = bytes_get_u16le(node + NODE_KEY_LEN_OFF);
	off = (size_t)(node - w->at.page) + NODE_HEADER_LEN;
	return off + len > t->page_size ? slice_of(NULL, 0) : slice_of(node + NODE_HEADER_LEN, len);
}

/* Sends a walk to a page, and has its header fetched. */
static void go(const struct store_tree *t, struct walk *w, uint64_t number)
{
	w->at.number = number;
	w->at.page = NULL;
	if (number >= PAGES_META && number < t->pages) {
		w->at.page = t->map + number * t->page_size;
		__builtin_prefetch(w->at.page);
		__builtin_prefetch(w->at.page + CACHE_LINE);
	}
}

static void fetch_middle(const struct store_tree *t, const struct walk *w)
{
	const uint8_t *node = node_at(t, w->at.page, w->at.index + (w->above - w->at.index) / 2);

	if (node != NULL) {
		__builtin_prefetch(node);
	}
}

/* Looks at a walk's page for the first time. */
static void begin(const struct store_tree *t, struct walk *w, enum store_page_kind kind)
{
	if (w->at.page == NULL) {
		return;
	}
	if (!store_page_header(w->at.page, t->page_size, w->at.number, kind, &w->at.count)) {
		w->at.page = NULL;
		return;
	}
	w->at.index = 0;
	w->above = w->at.count;
	fetch_middle(t, w);
}

/* Halves what is left of a search. False: it is over. */
static bool halve(const struct store_tree *t, struct walk *w)
{
	unsigned middle = w->at.index + (w->above - w->at.index) / 2;
	struct slice key;

	if (w->at.page == NULL || w->above <= w->at.index + 1) {
		return false;
	}
	key = key_of(t, w, middle);
	if (key.data == NULL) {
		w->at.page = NULL;
		return false;
	}
	if (slice_cmp(key, w->key) > 0) {
		w->above = middle;
	} else {
		w->at.index = middle;
	}
	fetch_middle(t, w);
	return true;
}

/* Searches the pages that the walks are on. */
static void search_level(const struct store_tree *t, struct walk *walks, size_t count,
			 enum store_page_kind kind)
{
	bool more = true;

	for (size_t i = 0; i < count; i++) {
		begin(t, &walks[i], kind);
	}
	while (more) {
		more = false;
		for (size_t i = 0; i < count; i++) {
			more |= halve(t, &walks[i]);
		}
	}
}

/* From a branch to the child that was found. */
static void descend(const struct store_tree *t, struct walk *w)
{
	const uint8_t *node = w->at.page == NULL ? NULL : node_at(t, w->at.page, w->at.index);

	/* No page has a number as high as the one that stands for none. */
	go(t, w,
	   node == NULL ? UINT64_MAX
			: bytes_get_u32le(node) | (uint64_t)bytes_get_u16le(node + 4) << 32);
}

/* At the end: has the value fetched. True: the key is there. */
static bool arrive(const struct store_tree *t, const struct walk *w)
{
	struct slice key = {NULL, 0};

	if (w->at.page != NULL) {
		key = key_of(t, w, w->at.index);
	}
	if (key.data == NULL || !slice_eq(key, w->key)) {
		return false;
	}
	__builtin_prefetch(key.data + CACHE_LINE);
	__builtin_prefetch(key.data + (size_t)2 * CACHE_LINE);
	return true;
}

/* Whether two keys differ in their last bytes alone, as neighbours in a list do. */
static bool are_near(struct slice a, struct slice b)
{
	enum { APART = 2 };

	return a.len == b.len && a.len > APART && memcmp(a.data, b.data, a.len - APART) == 0;
}

/* Looks for a walk's key around the entry where the walk before it has ended, then on all of that
 * leaf. */
static bool arrive_near(const struct store_tree *t, const struct walk *before, struct walk *w)
{
	w->at = before->at;
	if (w->at.page == NULL) {
		return false;
	}
	for (unsigned i = 0; i < 2; i++) {
		w->at.index = before->at.index + (i == 0 ? UINT_MAX : 1); /* the last one's wraps */
		if (w->at.index < w->at.count && arrive(t, w)) {
			return true;
		}
	}
	begin(t, w, STORE_PAGE_LEAF);
	while (halve(t, w)) {
	}
	return arrive(t, w);
}

/* Walks of which each begins at the root: all together, one level after the other. */
static void walk_together(const struct store_tree *t, struct walk *walks, size_t count)
{
	for (unsigned level = 1; level < t->depth; level++) {
		search_level(t, walks, count, STORE_PAGE_BRANCH);
		for (size_t i = 0; i < count; i++) {
			descend(t, &walks[i]);
		}
	}
	search_level(t, walks, count, STORE_PAGE_LEAF);
}

/* Walks to every key. found[i]: where it is; page NULL: it was not come across. */
static void walk_all(const struct store_tree *t, const struct slice *keys, size_t count,
		     struct store_step *found)
{
	struct walk walks[STORE_AHEAD_MAX], w = {0};
	size_t n = 0, at = 0;

	INVARIANT(count <= STORE_AHEAD_MAX);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || !are_near(keys[i - 1], keys[i])) {
			walks[n].key = keys[i];
			go(t, &walks[n++], t->root);
		}
	}
	walk_together(t, walks, n);
	for (size_t i = 0; i < count; i++) {
		struct walk before = w;
		bool there;

		if (i == 0 || !are_near(keys[i - 1], keys[i])) {
			w = walks[at++];
			there = arrive(t, &w);
		} else {
			w.key = keys[i];
			there = arrive_near(t, &before, &w);
			if (!there) {
				go(t, &w, t->root);
				walk_together(t, &w, 1);
				there = arrive(t, &w);
			}
		}
		found[i] = w.at;
		if (!there) {
			found[i].page = NULL;
		}
	}
}

size_t store_reader_ahead(struct store_reader *r, const struct slice *keys, size_t count)
{
	const struct store_tree *t = &store_reader_trees(r)->keyspace;
	struct store_step found[STORE_AHEAD_MAX];

	store_ahead_forget(r);
	if (!r->active || t->depth == 0) {
		return 0;
	}
	walk_all(t, keys, count, found);
	for (size_t i = 0; i < count; i++) {
		if (found[i].page != NULL) {
			r->ahead[r->ahead_count++] = found[i];
		}
	}
	return r->ahead_count;
}

void store_reader_peek(struct store_reader *r, const struct slice *keys, size_t count,
		       struct slice *values)
{
	const struct store_tree *t = &store_reader_trees(r)->keyspace;
	struct store_step found[STORE_AHEAD_MAX];
	struct store_place at = {.depth = t->depth};

	if (r->active && t->depth > 0) {
		walk_all(t, keys, count, found);
	}
	for (size_t i = 0; i < count; i++) {
		struct slice key;

		values[i] = slice_of(NULL, 0);
		if (!r->active || t->depth == 0 || found[i].page == NULL) {
			continue;
		}
		at.step[t->depth - 1] = found[i];
		if (store_tree_entry(t, &at, &key, &values[i], NULL) != ST_OK ||
		    values[i].len < STORE_SUM_LEN) {
			values[i] = slice_of(NULL, 0);
			continue;
		}
		values[i].len -= STORE_SUM_LEN;
	}
}

/* Walks down to the leaf that a key belongs on, and has its header fetched. hi gets the first key
 * that does not belong there; data NULL: all above do. */
static void go_to_leaf(const struct store_tree *t, struct walk *w, struct slice *hi)
{
	*hi = slice_of(NULL, 0);
	go(t, w, t->root);
	for (unsigned level = 1; level < t->depth && w->at.page != NULL; level++) {
		begin(t, w, STORE_PAGE_BRANCH);
		while (halve(t, w)) {
		}
		if (w->at.page != NULL && w->above < w->at.count) {
			*hi = key_of(t, w, w->above);
		}
		descend(t, w);
	}
}

/* The branches are few and soon in the cache: it is the leaves that have to be waited for. */
size_t store_reader_ahead_sorted(struct store_reader *r, const struct slice *keys, size_t count)
{
	const struct store_tree *t = &store_reader_trees(r)->keyspace;
	struct walk walks[STORE_AHEAD_MAX];
	struct slice hi = {NULL, 0};
	size_t n = 0;

	store_ahead_forget(r);
	if (!r->active || t->depth == 0) {
		return 0;
	}
	for (size_t i = 0; i < count && n < STORE_AHEAD_MAX; i++) {
		if (n > 0 && (hi.data == NULL || slice_cmp(keys[i], hi) < 0)) {
			continue; /* on the same leaf */
		}
		walks[n].key = keys[i];
		go_to_leaf(t, &walks[n++], &hi);
	}
	search_level(t, walks, n, STORE_PAGE_LEAF);
	return n;
}

/* Lookups come in the order in which their keys were noted; some never come, since a write has
 * answered them. */
enum status store_ahead_get(struct store_reader *r, struct slice key, struct slice *out)
{
	const struct store_tree *t = &store_reader_trees(r)->keyspace;
	unsigned end =
	    r->ahead_count < r->ahead_next + TRIES ? r->ahead_count : r->ahead_next + TRIES;
	struct store_place at;

	at.depth = t->depth;
	for (unsigned i = r->ahead_next; i < end; i++) {
		struct slice found, stored;

		at.step[t->depth - 1] = r->ahead[i];
		if (store_tree_entry(t, &at, &found, &stored, NULL) == ST_OK &&
		    slice_eq(found, key)) {
			r->ahead_next = i + 1;
			return store_sum_check(key, stored, out);
		}
	}
	return ST_NOT_FOUND;
}

void store_ahead_rewind(struct store_reader *r)
{
	r->ahead_next = 0;
}

void store_ahead_forget(struct store_reader *r)
{
	r->ahead_count = 0;
	r->ahead_next = 0;
}
