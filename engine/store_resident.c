/* Whether the data file is in the page cache. */
#include "engine/store_private.h"

#include <stdint.h>
#include <sys/mman.h>

enum {
	RESIDENT_WINDOW = 4096, /* pages asked of the kernel at once */
	RESIDENT_SAMPLES = 64,	/* windows looked at in a file too large to look at whole */
	RESIDENT_FETCH = 128,	/* missing pages that one look fetches itself */
};

static const uint64_t resident_whole = UINT64_C(4) << 30; /* bytes looked at page by page */

struct missing_pages {
	uint64_t pages[RESIDENT_FETCH];
	size_t count;
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
		if (missing->count == RESIDENT_FETCH) {
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

bool store_resident(struct store *s)
{
	struct store_info info;
	struct missing_pages missing = {.count = 0};
	uint64_t pages, windows, step = 1, first = 0;

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
