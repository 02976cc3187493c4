/* Keys as JSON and text: what dump, get and diff write. */
#ifndef CAIRN_TOOLS_EMIT_JSON_H
#define CAIRN_TOOLS_EMIT_JSON_H

#include "engine/export/emit_stream.h"
#include "tools/tool_out.h"

/* Member "value" of the open JSON object: a string, array or object of pairs as array of [f,v]. */
MUST_CHECK enum status emit_json_value(struct out *o, const struct view *v,
				       const struct key_record *record);

/* Members "library" and "code" of the open JSON object. */
void emit_json_library(struct out *o, const struct library *l);

/* Writes an entry as [ID, [field, value, ...]]; nothing for another record. */
void json_stream_entry(struct out *o, struct slice subkey, struct slice value);

/* Writes an entry as a line: ID, then fields and values, quoted or (raw) as lines of their own;
 * nothing for another record. */
void print_stream_entry(struct out *o, struct slice subkey, struct slice value, bool raw);

#endif
