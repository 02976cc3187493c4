/* Whether the data file, or what one lookup reads of it, is in the page cache; mapping it when it
 * is. */
#include "engine/store_private.h"

#include <stdint.h>
#include <sys/mman.h>

enum {
	RESIDENT_WINDOW = 4096, /* pages asked of the kernel at once */
	RESIDENT_SAMPLES = 64,	/* windows looked at in a file too large to look at whole */
	RESIDENT_FETCH_MAX = 1024,
	RESIDENT_FETCH_ANY = 128, /* of a small file that much may be missing */
	RESIDENT_FETCH_PART = 32, /* no more than this part of what was looked at */
	RESIDENT_VALUE = 128,	  /* pages of a value asked of the kernel at once */
};

static const uint64_t resident_whole = UINT64_C(4) << 30; /* bytes looked at page by page */

struct missing_pages {
	uint64_t pages[RESIDENT_FETCH_MAX];
	size_t count, max;
};

/* One question to the kernel about pages [from, from + count). False: too many are missing. */
static bool window_resident(const struct store *s, uint64_t from, uint64_t count,
			    struct missing_pages *missing)
{
	unsigned char there[RESIDENT_WINDOW];
	uintptr_t at = (uintptr_t)s->map + from * s->os_page;

	if (mincore((void *)at, (size_t)count * s->os_page, there) != 0) {
		return false;
	}
	for (uint64_t i = 0; i < count; i++) {
		if ((there[i] & 1) != 0) {
			continue;
		}
		if (missing->count == missing->max) {
			return false;
		}
		missing->pages[missing->count++] = from + i;
	}
	return true;
}

/* Reads the pages that were missing. A hole in the file (pages that LMDB took and never wrote)
 * would count as cold for ever otherwise. */
static bool fetch_missing(const struct store *s, const struct missing_pages *missing)
{
	for (size_t i = 0; i < missing->count; i++) {
		uint8_t byte;
		size_t n;

		if (s->io->ops->pread(s->io->ctx, s->look, &byte, sizeof byte,
				      missing->pages[i] * s->os_page, &n) != ST_OK) {
			return false;
		}
	}
	return true;
}

bool store_resident(struct store *s, uint32_t fetch_max)
{
	struct store_info info;
	struct missing_pages missing;
	uint64_t pages, windows, looked, part, step = 1, first = 0;

	if (s->map == NULL) {
		return false;
	}
	(void)pthread_mutex_lock(&s->info_lock);
	info = s->info;
	(void)pthread_mutex_unlock(&s->info_lock);
	pages = info.file_bytes / s->os_page;
	windows = (pages + RESIDENT_WINDOW - 1) / RESIDENT_WINDOW;
	if (info.file_bytes > resident_whole) {
		/* Other windows at each call, so that a hole is met before long. */
		step = windows / RESIDENT_SAMPLES + 1;
		first = atomic_fetch_add(&s->resident_turn, 1) % step;
	}
	looked = (windows / step + 1) * RESIDENT_WINDOW;
	part = (looked < pages ? looked : pages) / RESIDENT_FETCH_PART;
	part = part < RESIDENT_FETCH_ANY ? RESIDENT_FETCH_ANY : part;
	missing.count = 0;
	missing.max = fetch_max < RESIDENT_FETCH_MAX ? fetch_max : RESIDENT_FETCH_MAX;
	missing.max = part < missing.max ? part : missing.max;
	for (uint64_t w = first; w < windows; w += step) {
		uint64_t from = w * RESIDENT_WINDOW;
		uint64_t left = pages - from;

		if (!window_resident(s, from, left < RESIDENT_WINDOW ? left : RESIDENT_WINDOW,
				     &missing)) {
			return false;
		}
	}
	return fetch_missing(s, &missing);
}

void store_map_resident(struct store *s)
{
	uint64_t bytes;

	(void)pthread_mutex_lock(&s->info_lock);
	bytes = s->info.file_bytes / s->os_page * s->os_page;
	(void)pthread_mutex_unlock(&s->info_lock);
	if (s->map == NULL || bytes > resident_whole || bytes <= s->mapped) {
		return;
	}
	/* A kernel that does not know the advice leaves it to the faults. */
	(void)madvise((void *)((uintptr_t)s->map + s->mapped), bytes - s->mapped,
		      MADV_POPULATE_READ);
	s->mapped = bytes;
}

/* Pages of LMDB, which are no larger than the system's (store_open). */
static bool pages_there(void *arg, uint64_t number, uint64_t count)
{
	const struct store *s = arg;
	uintptr_t at = (uintptr_t)s->map + number * s->page_size;
	uintptr_t end = at + count * s->page_size;

	at -= at % s->os_page;
	while (at < end) {
		unsigned char there[RESIDENT_VALUE];
		size_t n = (end - at + s->os_page - 1) / s->os_page;

		n = n < RESIDENT_VALUE ? n : RESIDENT_VALUE;
		if (mincore((void *)at, n * s->os_page, there) != 0) {
			return false;
		}
		for (size_t i = 0; i < n; i++) {
			if ((there[i] & 1) == 0) {
				return false;
			}
		}
		at += n * s->os_page;
	}
	return true;
}

bool store_reader_resident(struct store_reader *r, struct slice key)
{
	const struct store_tree *t = &store_reader_trees(r)->keyspace;
	const struct store_step *leaf;
	struct store_place at;
	bool exact;
	enum status st;

	if (!r->active) {
		return true;
	}
	st = store_tree_seek_if(t, key, pages_there, r->store, &at, &exact);
	if (st != ST_OK) {
		return st != ST_AGAIN; /* an empty tree, or damage: the lookup tells */
	}
	leaf = &at.step[at.depth - 1];
	if (exact) {
		return store_tree_entry_may(t, &at, leaf->index, pages_there, r->store);
	}
	/* Before a key is called missing its neighbours are looked at. */
	return leaf->index > 0 && leaf->index < leaf->count &&
	       store_tree_entry_may(t, &at, leaf->index - 1, pages_there, r->store) &&
	       store_tree_entry_may(t, &at, leaf->index, pages_there, r->store);
}
