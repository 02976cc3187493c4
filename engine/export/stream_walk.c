/* Walking records by the beginning of their subkeys. */
#include "engine/export/stream_walk.h"

void stream_walk_open(struct stream_walk *w, const struct view *v, const struct key_record *record,
		      const struct stream_subkey *prefix)
{
	store_key_of_elem(&w->prefix, record->slot, record->meta.id, stream_subkey_slice(prefix));
	w->st = view_cursor_open(v, &w->cursor);
	if (w->st == ST_OK) {
		w->st = view_cursor_seek(&w->cursor, store_key_slice(&w->prefix));
	}
}

bool stream_walk_next(struct stream_walk *w, struct slice *rest, struct slice *value)
{
	struct slice prefix = store_key_slice(&w->prefix), key;

	if (w->st == ST_OK) {
		w->st = view_cursor_next(&w->cursor, &key, value);
	}
	if (w->st == ST_OK && !slice_has_prefix(key, prefix)) {
		w->st = ST_END;
	}
	if (w->st != ST_OK) {
		return false;
	}
	*rest = slice_skip(key, prefix.len);
	return true;
}

void stream_walk_close(struct stream_walk *w)
{
	view_cursor_close(&w->cursor);
}
