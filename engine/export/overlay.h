/* The effects of a stretch of the log, held in memory above a store: newest value or tombstone per
 * store key. Filled once in log order, then sorted and only read. */
#ifndef CAIRN_ENGINE_EXPORT_OVERLAY_H
#define CAIRN_ENGINE_EXPORT_OVERLAY_H

#include "engine/export/effect.h"

struct overlay;

enum overlay_answer {
	OVERLAY_SILENT, /* says nothing: what is below counts */
	OVERLAY_VALUE,
	OVERLAY_GONE,
};

/* memory_max bounds what it may hold, bytes. */
MUST_CHECK enum status overlay_create(uint64_t memory_max, struct overlay **out);
void overlay_destroy(struct overlay *o); /* NULL is fine */

/* Empties it, to be filled again. ST_NO_MEMORY. */
MUST_CHECK enum status overlay_reset(struct overlay *o);

/* Takes one effect. ST_LIMIT: memory_max is reached; ST_NO_MEMORY. */
MUST_CHECK enum status overlay_apply(struct overlay *o, const struct effect *e);

/* Sorts; before any overlay_seek. */
MUST_CHECK enum status overlay_finish(struct overlay *o);

/* True when the whole keyspace was emptied: nothing below counts. */
bool overlay_flushed(const struct overlay *o);

/* What the overlay says of a store key; *value borrows it. */
enum overlay_answer overlay_find(const struct overlay *o, struct slice key, struct slice *value);

/* Index of the first entry at or after key, up to overlay_count. */
size_t overlay_seek(const struct overlay *o, struct slice key);
size_t overlay_count(const struct overlay *o);
/* The entry at an index below overlay_count: OVERLAY_VALUE or OVERLAY_GONE. */
enum overlay_answer overlay_at(const struct overlay *o, size_t index, struct slice *key,
			       struct slice *value);

#endif
