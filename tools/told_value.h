/* What a key holds, in a form that can be compared and printed wherever it comes from: the log, a
 * data directory, or a running node. The whole value is in memory. */
#ifndef CAIRN_TOOLS_TOLD_VALUE_H
#define CAIRN_TOOLS_TOLD_VALUE_H

#include "engine/base/byte_list.h"
#include "engine/export/value.h"
#include "tools/live_node.h"
#include "tools/tool_out.h"

enum told_state {
	TOLD_UNKNOWN, /* nobody can say: its elements, or all of it, lie elsewhere */
	TOLD_ABSENT,
	TOLD_PRESENT,
};

struct told_value {
	enum told_state state;
	enum value_type type;
	uint64_t expire_at_ms;	/* 0: none */
	struct byte_list items; /* elements; names and values in turn where the type has names, of
				   hashes each followed by when it expires, as text (0: never) */
	struct slice *sorted;	/* the items, in an order that equal values share */
};

/* A zeroed told_value is an empty, unknown one. */
void told_deinit(struct told_value *t);

/* Each replaces what *out holds. view: ST_NO_MEMORY, ST_IO; what does not decode is unknown. node:
 * errors of live_node_ask; a type that has no form here is unknown. */
MUST_CHECK enum status told_of_view(const struct view *v, struct slice key, struct told_value *out);
MUST_CHECK enum status told_of_node(struct live_node *n, struct slice key, struct told_value *out,
				    struct buf *error);

/* Known, and equal at this moment: what has expired is absent. */
bool told_eq(const struct told_value *a, const struct told_value *b, uint64_t now_ms);

/* " name=..." and member name: nothing that is unknown is shown as a value. value_max: bytes to
 * show, 0: all. */
void told_print(struct out *o, const char *name, const struct told_value *t, size_t value_max);
void told_json(struct out *o, const char *name, const struct told_value *t, size_t value_max);

#endif
