/* Streams as commands that make them anew. */
#ifndef CAIRN_ENGINE_EXPORT_EMIT_STREAM_H
#define CAIRN_ENGINE_EXPORT_EMIT_STREAM_H

#include "engine/export/emit.h"
#include "engine/types/stream_format.h"

/* Room for an ID as text. */
enum { STREAM_ID_TEXT_MAX = 48 };

/* ms-seq. */
void stream_id_text(char dst[STREAM_ID_TEXT_MAX], struct stream_id id);

/* What value_next gives of a stream, when it is an entry: its ID as text. False: it is another
 * record. */
bool stream_entry_text(struct slice subkey, char dst[STREAM_ID_TEXT_MAX]);

/* Writes commands that make the stream: its entries, what it remembers of removed ones, groups,
 * consumers, and what is pending of entries that are there. The key does not exist. */
MUST_CHECK enum status emit_stream(struct resp_sink *sink, const struct view *v,
				   const struct key_record *record);

/* Parts of it. XADD of an entry's record; argv is scratch. */
MUST_CHECK enum status emit_stream_entry(struct resp_sink *sink, struct slice key,
					 struct slice subkey, struct slice value, struct buf *argv);
/* XCLAIM of a pending entry, whose record value is. */
MUST_CHECK enum status emit_stream_claim(struct resp_sink *sink, struct slice key,
					 struct slice group, struct slice consumer,
					 struct stream_id id, struct slice value);
/* XSETID of all that it can set. */
MUST_CHECK enum status emit_stream_numbers(struct resp_sink *sink, struct slice key,
					   struct stream_id last, uint64_t entries_added,
					   struct stream_id max_deleted);

#endif
