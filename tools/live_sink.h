/* Commands on their way to a running node: pipelined over one connection, every reply looked at. */
#ifndef CAIRN_TOOLS_LIVE_SINK_H
#define CAIRN_TOOLS_LIVE_SINK_H

#include "engine/export/emit.h"
#include "tools/tool_parse.h"

struct live_sink;

/* Connects and authenticates. ST_IO: no connection; ST_READ_ONLY: the node refuses. error gets a
 * line for humans on any failure, here and below. */
MUST_CHECK enum status live_sink_open(const struct node_address *address, struct live_sink **out,
				      struct buf *error);
/* As resp_sink.take, arg is the sink: sends, and reads replies once many are under way. ST_IO: the
 * connection broke; ST_READ_ONLY: the node answered with an error. */
MUST_CHECK enum status live_sink_take(void *arg, struct slice bytes, uint64_t commands);
/* Waits for all replies. */
MUST_CHECK enum status live_sink_finish(struct live_sink *s);
void live_sink_close(struct live_sink *s); /* NULL is fine */

#endif
