/* The part of a line that each operation of the log has, whatever is told of it further. */
#include "tools/op_line.h"

#include "engine/key_codec.h"

#include <inttypes.h>

void op_line_text(struct out *o, uint64_t epoch, const struct wal_record *rec,
		  const struct wal_op *op, const struct op_facts *f, uint64_t value_max)
{
	out_printf(o, "%" PRIu64 ":%012" PRIu64 " ", epoch, rec->lsn);
	out_time(o, rec->time_ms);
	if (f->has_slot) {
		out_printf(o, " slot=%u", f->slot);
	}
	out_text(o, " ");
	out_word(o, rec->cmd);
	out_printf(o, " op=%s", wal_op_kind_text(op->kind));
	if (f->has_library) {
		out_text(o, " library=");
		out_quoted(o, f->library, 0);
	}
	if (f->has_key) {
		out_text(o, " key=");
		out_quoted(o, f->key, 0);
	}
	if (f->has_type) {
		out_printf(o, " type=%s", value_type_text(f->type));
	}
	if (f->has_sub) {
		out_text(o, " sub=");
		out_quoted(o, f->sub, value_max);
	}
}

void op_line_json(struct out *o, uint64_t epoch, const struct wal_record *rec,
		  const struct wal_op *op, const struct op_facts *f)
{
	json_begin(o);
	json_u64(o, "epoch", epoch);
	json_u64(o, "lsn", rec->lsn);
	json_u64(o, "ts", rec->time_ms);
	json_bytes(o, "cmd", rec->cmd);
	json_text(o, "op", wal_op_kind_text(op->kind));
	if (f->has_slot) {
		json_u64(o, "slot", f->slot);
	}
	if (f->has_library) {
		json_bytes(o, "library", f->library);
	}
	if (f->has_key) {
		json_bytes(o, "key", f->key);
	}
	if (f->has_type) {
		json_text(o, "type", value_type_text(f->type));
	}
	if (f->has_sub) {
		json_bytes(o, "sub", f->sub);
	}
}
