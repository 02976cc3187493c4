/* A keyspace as a tool sees it: a store's snapshot, the effects of the log's tail above it, or both
 * merged. */
#ifndef CAIRN_ENGINE_EXPORT_VIEW_H
#define CAIRN_ENGINE_EXPORT_VIEW_H

#include "engine/export/overlay.h"
#include "engine/store.h"

/* Borrowed parts; each may be NULL. */
struct view {
	struct store_reader *base;
	struct overlay *over;
};

/* The stored value of a store key, valid as long as the view's parts. ST_NOT_FOUND; ST_CORRUPT:
 * the checksum in the store does not match; ST_IO. */
MUST_CHECK enum status view_get(const struct view *v, struct slice key, struct slice *out);

/* A place in the merged order. */
struct view_cursor {
	const struct view *view;
	struct store_cursor *base;
	struct slice base_key, base_value;
	bool base_valid, base_stale;
	size_t over;
};

MUST_CHECK enum status view_cursor_open(const struct view *v, struct view_cursor *c);
void view_cursor_close(struct view_cursor *c); /* fine when zeroed */

/* Stands before the first entry at or after key. */
MUST_CHECK enum status view_cursor_seek(struct view_cursor *c, struct slice at);
/* Gives the entry and steps over it. ST_END; ST_CORRUPT, ST_IO: *key is set when it is known. */
MUST_CHECK enum status view_cursor_next(struct view_cursor *c, struct slice *key,
					struct slice *value);

#endif
