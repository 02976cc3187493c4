/* One page of an LMDB 0.9 file, as bytes of which nothing is believed: every offset and length is
 * checked before it is followed. engine/store_file.c has the layout. Pure. */
#ifndef CAIRN_ENGINE_STORE_PAGE_H
#define CAIRN_ENGINE_STORE_PAGE_H

#include "engine/base/slice.h"

enum store_page_kind { STORE_PAGE_BRANCH = 1, STORE_PAGE_LEAF = 2, STORE_PAGE_OVERFLOW = 4 };

/* What orders the keys of a tree: their bytes, or, in the free list, the little-endian u64 that
 * each is. */
enum store_page_keys { STORE_KEYS_BYTES, STORE_KEYS_NUMBERS };

enum { STORE_PAGE_HEADER = 16, STORE_NO_PAGE = 0 };

struct store_node {
	struct slice key;
	struct slice data; /* of a leaf node; data NULL: it lies in overflow pages from page on */
	uint64_t page;	   /* the child of a branch node, or where data lies; else STORE_NO_PAGE */
	bool table;	   /* the data is the record of a table */
};

/* True when the header says that this is page number, of this kind, with possible bounds. *count
 * gets the number of nodes (of an overflow page: of pages in a row). */
bool store_page_header(const uint8_t *page, size_t size, uint64_t number, enum store_page_kind kind,
		       unsigned *count);

/* The i-th node (below count) of a page whose header was checked. False: it is not within the page.
 */
bool store_page_node(const uint8_t *page, size_t size, enum store_page_kind kind, unsigned i,
		     struct store_node *out);

/* True when the page is whole: all its nodes lie within it, fill it without holes, and are in
 * order, from lo (inclusive) to hi (exclusive; data NULL: no bound). The first key of a branch page
 * stands for lo and is not looked at. */
bool store_page_whole(const uint8_t *page, size_t size, uint64_t number, enum store_page_kind kind,
		      enum store_page_keys keys, struct slice lo, struct slice hi);

#endif
