/* Reading a table's B+tree in the mapped LMDB file. LMDB follows whatever a page says; here a
 * damaged page is found before it is followed out of the file or to a wrong answer.
 *
 * A seek checks only what it steps on: that each page is the one that was asked for and of the
 * right kind, and that the nodes it compares lie within. That is enough for a key that is found,
 * since its value carries a checksum. Before a key is called missing, and when a scan enters a
 * leaf, the pages on the way are checked whole (store_page_whole), between the bounds that their
 * branches give them.
 *
 * What a place or an entry borrows is the map; it is good as long as the snapshot is held. */
#ifndef CAIRN_ENGINE_STORE_TREE_H
#define CAIRN_ENGINE_STORE_TREE_H

#include "engine/base/status.h"
#include "engine/store_page.h"

enum { STORE_TREE_DEPTH = 32 /* LMDB's own limit */, STORE_SEEN = 2048 };

/* Pages of one snapshot that were found whole: a page number's place holds the number. To be zeroed
 * when the snapshot changes. */
struct store_seen {
	uint64_t page[STORE_SEEN];
};

struct store_tree {
	const uint8_t *map; /* page 0 */
	size_t page_size;
	uint64_t pages; /* of the file; none beyond is touched */
	uint64_t root;	/* UINT64_MAX: empty */
	unsigned depth; /* levels; 0: empty */
	struct store_seen *seen;
};

/* A way from the root to an entry, or behind the last entry of a leaf. */
struct store_place {
	unsigned depth; /* 0: nowhere */
	struct store_step {
		const uint8_t *page;
		uint64_t number;
		unsigned index, count;
	} step[STORE_TREE_DEPTH];
};

/* Sets root and depth from the 48 bytes that LMDB keeps of a table (in the meta page for the main
 * one, else in that one). ST_CORRUPT: impossible values. */
MUST_CHECK enum status store_tree_of(struct store_tree *t, struct slice record);

/* The first entry at or after key, or behind the last of the leaf where key would be. An empty key
 * gives the first entry. *exact: it is the key. ST_NOT_FOUND: the tree is empty; ST_CORRUPT. */
MUST_CHECK enum status store_tree_seek(const struct store_tree *t, struct slice key,
				       struct store_place *at, bool *exact);

/* Says whether count pages from number on may be read now. */
typedef bool store_tree_may(void *arg, uint64_t number, uint64_t count);

/* Like store_tree_seek, but asks before each page that it steps on. ST_AGAIN: may said no. */
MUST_CHECK enum status store_tree_seek_if(const struct store_tree *t, struct slice key,
					  store_tree_may *may, void *arg, struct store_place *at,
					  bool *exact);

/* Whether an entry of the leaf that a place is on may be read with its value, where that lies in
 * pages of its own. What is damaged may: reading it tells. */
bool store_tree_entry_may(const struct store_tree *t, const struct store_place *at, unsigned index,
			  store_tree_may *may, void *arg);

/* The same as store_tree_seek on the leaf that a place is on, where key belongs
 * (store_tree_bounds). */
MUST_CHECK enum status store_tree_seek_here(const struct store_tree *t, struct slice key,
					    struct store_place *at, bool *exact);

/* The keys that belong on the leaf that a place is on: from lo (inclusive) to hi (exclusive), data
 * NULL: no bound. ST_CORRUPT. */
MUST_CHECK enum status store_tree_bounds(const struct store_tree *t, const struct store_place *at,
					 struct slice *lo, struct slice *hi);

/* Checks every page of the way whole. ST_CORRUPT. */
MUST_CHECK enum status store_tree_check(const struct store_tree *t, const struct store_place *at);

/* From behind a leaf's last entry to the next leaf's first; anywhere else nothing happens.
 * ST_NOT_FOUND: there is none; the place is unchanged. ST_CORRUPT. */
MUST_CHECK enum status store_tree_settle(const struct store_tree *t, struct store_place *at);
/* To the next entry, or the one before. ST_NOT_FOUND, ST_CORRUPT as above. */
MUST_CHECK enum status store_tree_next(const struct store_tree *t, struct store_place *at);
MUST_CHECK enum status store_tree_prev(const struct store_tree *t, struct store_place *at);
/* To behind the last entry of the tree. ST_NOT_FOUND: it is empty. */
MUST_CHECK enum status store_tree_last(const struct store_tree *t, struct store_place *at);

/* The entry at a place. table (may be NULL): its value is the record of a table. ST_CORRUPT. */
MUST_CHECK enum status store_tree_entry(const struct store_tree *t, const struct store_place *at,
					struct slice *key, struct slice *value, bool *table);

#endif
