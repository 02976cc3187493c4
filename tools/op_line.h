/* How an operation of the log begins in the output of cairn-wal: place, time, command, key. */
#ifndef CAIRN_TOOLS_OP_LINE_H
#define CAIRN_TOOLS_OP_LINE_H

#include "engine/export/op_facts.h"
#include "tools/tool_out.h"

/* Begins a line of text; a sub-key is cut at value_max bytes (0: whole). */
void op_line_text(struct out *o, uint64_t epoch, const struct wal_record *rec,
		  const struct wal_op *op, const struct op_facts *f, uint64_t value_max);

/* Begins a JSON object with the same. */
void op_line_json(struct out *o, uint64_t epoch, const struct wal_record *rec,
		  const struct wal_op *op, const struct op_facts *f);

#endif
