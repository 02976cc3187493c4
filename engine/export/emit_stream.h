/* Streams as commands that make them anew. */
#ifndef CAIRN_ENGINE_EXPORT_EMIT_STREAM_H
#define CAIRN_ENGINE_EXPORT_EMIT_STREAM_H

#include "engine/export/emit.h"
#include "engine/types/stream_format.h"

/* Room for an ID as text. */
enum { STREAM_ID_TEXT_MAX = 48 };

/* What value_next gives of a stream, when it is an entry: its ID as text. False: it is another
 * record. */
bool stream_entry_text(struct slice subkey, char dst[STREAM_ID_TEXT_MAX]);

/* Writes commands that make the stream: its entries, what it remembers of removed ones, groups,
 * consumers, and what is pending of entries that are there. The key does not exist. */
MUST_CHECK enum status emit_stream(struct resp_sink *sink, const struct view *v,
				   const struct key_record *record);

#endif
