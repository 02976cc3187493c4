/* Lookups ahead of time: walks the tree for several keys at once, one step each in turn, so that
 * what one of them waits for from memory comes while the others go on. Afterwards a lookup finds in
 * the CPU's cache what it would have waited for, key by key.
 *
 * It reads LMDB's pages by their layout (lmdb 0.9, 64 bits, data version 1, which store_file.c has
 * checked) and gives no answers: a wrong step costs speed alone. Offsets are bounded all the same,
 * since a damaged page must not lead out of the file.
 *
 *   page    [page number u64][pad u16][flags u16][lower u16][upper u16][node offsets u16...]
 *   node    [lo u16][hi u16][flags u16][key length u16][key][data]; in a branch lo, hi and flags
 *           are the child's page number, and the first key counts as lower than any */
#include "engine/base/bytes.h"
#include "engine/base/invariant.h"
#include "engine/store_private.h"

enum {
	PAGE_FLAGS_OFF = 10,
	PAGE_LOWER_OFF = 12,
	PAGE_HEADER_LEN = 16,
	PAGE_BRANCH = 1,
	PAGE_LEAF = 2,
	NODE_HEADER_LEN = 8,
	NODE_KEY_LEN_OFF = 6,
	DEPTH_MAX = 32,
	CACHE_LINE = 64,
};

/* One key's way down. */
struct walk {
	struct slice key;
	const uint8_t *page; /* NULL: no further */
	uint32_t from, to;   /* nodes between which the key's place is */
};

static const uint8_t *page_at(const struct store_reader *r, uint64_t number)
{
	const struct store_tree *t = &store_reader_trees(r)->keyspace;

	return number < t->pages ? t->map + number * t->page_size : NULL;
}

/* The keyspace's root; NULL: it is empty, or there is no snapshot. */
static const uint8_t *root_of(const struct store_reader *r)
{
	return r->active ? page_at(r, store_reader_trees(r)->keyspace.root) : NULL;
}

static uint32_t nodes_of(const struct store_reader *r, const uint8_t *page)
{
	uint32_t lower = bytes_get_u16le(page + PAGE_LOWER_OFF);

	return lower < PAGE_HEADER_LEN || lower > r->store->page_size
		   ? 0
		   : (lower - PAGE_HEADER_LEN) / 2;
}

/* A node of a page; NULL when its offset is impossible. */
static const uint8_t *node_at(const struct store_reader *r, const uint8_t *page, uint32_t i)
{
	uint32_t off = bytes_get_u16le(page + PAGE_HEADER_LEN + 2 * i);

	return off + NODE_HEADER_LEN <= r->store->page_size ? page + off : NULL;
}

/* Whether a node's key is above key; true too for a node that reaches out of its page. */
static bool node_above(const struct store_reader *r, const uint8_t *page, uint32_t i,
		       struct slice key)
{
	const uint8_t *node = node_at(r, page, i);
	size_t len, off;

	if (node == NULL) {
		return true;
	}
	len = bytes_get_u16le(node + NODE_KEY_LEN_OFF);
	off = (size_t)(node - page) + NODE_HEADER_LEN;
	return off + len > r->store->page_size ||
	       slice_cmp(slice_of(node + NODE_HEADER_LEN, len), key) > 0;
}

/* Goes from a branch to the child that the key is in, and has its header fetched. */
static void descend(const struct store_reader *r, struct walk *w)
{
	uint32_t from = 0, to = nodes_of(r, w->page);
	const uint8_t *node;

	/* The last node that is not above the key; node 0 never is. */
	while (to > from + 1) {
		uint32_t mid = from + (to - from) / 2;

		if (node_above(r, w->page, mid, w->key)) {
			to = mid;
		} else {
			from = mid;
		}
	}
	node = to == 0 ? NULL : node_at(r, w->page, from);
	w->page =
	    node == NULL
		? NULL
		: page_at(r, bytes_get_u32le(node) | (uint64_t)bytes_get_u16le(node + 4) << 32);
	if (w->page != NULL) {
		__builtin_prefetch(w->page);
		__builtin_prefetch(w->page + CACHE_LINE);
	}
}

/* Whether a page is a branch or a leaf that a walk may go on with. */
static bool is_kind(const uint8_t *page, unsigned kind)
{
	return page != NULL && (bytes_get_u16le(page + PAGE_FLAGS_OFF) & 0xf) == kind;
}

static void fetch_mid(const struct store_reader *r, const struct walk *w)
{
	const uint8_t *node = node_at(r, w->page, w->from + (w->to - w->from) / 2);

	if (node != NULL) {
		__builtin_prefetch(node);
	}
}

/* At the end of a search: has the value fetched. True: the key is there. */
static bool arrive(const struct store_reader *r, struct walk *w)
{
	const uint8_t *page = w->page;
	const uint8_t *node = w->to == w->from ? NULL : node_at(r, page, w->from);
	size_t len;

	w->page = NULL;
	if (node == NULL) {
		return false;
	}
	__builtin_prefetch(node + CACHE_LINE);
	__builtin_prefetch(node + (size_t)2 * CACHE_LINE);
	len = bytes_get_u16le(node + NODE_KEY_LEN_OFF);
	return len == w->key.len && !node_above(r, page, w->from, w->key) &&
	       memcmp(node + NODE_HEADER_LEN, w->key.data, len) == 0;
}

/* One step of the search in a leaf: halves what is left of it. */
static void step_in_leaf(const struct store_reader *r, struct walk *w)
{
	uint32_t mid = w->from + (w->to - w->from) / 2;
	if (node_above(r, w->page, mid, w->key)) {
		w->to = mid;
	} else {
		w->from = mid;
	}
	fetch_mid(r, w);
}

static size_t search_leaves(const struct store_reader *r, struct walk *walks, size_t count)
{
	size_t found = 0;
	bool more = true;

	for (size_t i = 0; i < count; i++) {
		struct walk *w = &walks[i];

		if (!is_kind(w->page, PAGE_LEAF)) {
			w->page = NULL;
			continue;
		}
		w->from = 0;
		w->to = nodes_of(r, w->page);
		if (w->to > 0) {
			fetch_mid(r, w);
		}
	}
	while (more) {
		more = false;
		for (size_t i = 0; i < count; i++) {
			struct walk *w = &walks[i];

			if (w->page != NULL && w->to > w->from + 1) {
				step_in_leaf(r, w);
				more = true;
			} else if (w->page != NULL) {
				found += arrive(r, w);
			}
		}
	}
	return found;
}

size_t store_reader_ahead(struct store_reader *r, const struct slice *keys, size_t count)
{
	struct walk walks[STORE_AHEAD_MAX];
	const uint8_t *root = root_of(r);
	bool more = root != NULL;

	INVARIANT(count <= STORE_AHEAD_MAX);
	for (size_t i = 0; i < count; i++) {
		walks[i] = (struct walk){.key = keys[i], .page = root};
	}
	for (int depth = 0; more && depth < DEPTH_MAX; depth++) {
		more = false;
		for (size_t i = 0; i < count; i++) {
			if (is_kind(walks[i].page, PAGE_BRANCH)) {
				descend(r, &walks[i]);
				more = true;
			}
		}
	}
	return root == NULL ? 0 : search_leaves(r, walks, count);
}
