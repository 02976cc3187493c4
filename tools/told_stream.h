/* A stream as items of a told_value (tools/told_value.h), a name and a value each: the entries in
 * their order, by ID, then what else makes it that stream: its numbers, groups, consumers, and what
 * is pending. When consumers were seen and entries delivered is left out: that changes by reading.
 * Words are bare where that is clear, else quoted as out_quoted does it. */
#ifndef CAIRN_TOOLS_TOLD_STREAM_H
#define CAIRN_TOOLS_TOLD_STREAM_H

#include "engine/base/byte_list.h"
#include "engine/export/value.h"

struct redisReply;

/* Appends. Errors of value_next. */
MUST_CHECK enum status told_stream_of_view(const struct view *v, const struct key_record *record,
					   struct byte_list *items);
/* reply: that to XINFO STREAM key FULL COUNT 0. ST_CORRUPT: it is none; ST_NO_MEMORY. */
MUST_CHECK enum status told_stream_of_reply(const struct redisReply *reply,
					    struct byte_list *items);

/* Whether an item is an entry, by its name. */
static inline bool told_stream_is_entry(struct slice name)
{
	return name.len > 0 && name.data[0] >= '0' && name.data[0] <= '9';
}

#endif
