/* The records of a stored stream (engine/types/stream_format.h) by kind. */
#ifndef CAIRN_ENGINE_EXPORT_STREAM_WALK_H
#define CAIRN_ENGINE_EXPORT_STREAM_WALK_H

#include "engine/export/value.h"
#include "engine/types/stream_format.h"

/* A walk through the records of a kind, or those of them whose subkeys begin with some numbers. */
struct stream_walk {
	struct view_cursor cursor;
	struct store_key prefix;
	enum status st; /* ST_OK: there may be more; ST_END: that was all; else what failed */
};

/* prefix: the kind, and numbers as it has them. The walk must be closed. */
void stream_walk_open(struct stream_walk *w, const struct view *v, const struct key_record *record,
		      const struct stream_subkey *prefix);
/* The next record: rest is its subkey behind the prefix. False: see w->st. Borrowed until the view
 * ends. */
bool stream_walk_next(struct stream_walk *w, struct slice *rest, struct slice *value);
void stream_walk_close(struct stream_walk *w);

#endif
