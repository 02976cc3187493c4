/* BITFIELD and BITFIELD_RO: a list of reads and writes of integers at any bit offset. */
#include "engine/types/bits.h"
#include "net/command/cmd_string.h"
#include "net/command/notify.h"

enum op_kind { OP_GET, OP_SET, OP_INCRBY };

struct op {
	enum op_kind kind;
	enum bits_overflow how;
	bool is_signed;
	unsigned width;
	uint64_t off; /* bits */
	int64_t by;   /* SET: the value; INCRBY: the increment */
};

/* What all operations of a command need together. */
struct plan {
	size_t ops;
	uint64_t len; /* bytes that the writes reach to; 0: there are none */
};

/* The value while the operations run. A short one is kept here and written once; of a long one each
 * write goes to its chunk at once. */
struct field_target {
	struct command_ctx *ctx;
	struct store_key key;
	const struct meta *m; /* as looked up last; NULL: absent */
	struct meta found;
	bool local;   /* bytes and len hold the value */
	bool changed; /* they are not what is stored */
	size_t len;
	uint8_t bytes[STRING_INLINE_MAX];
};

/* "i8", "u63": sign and width. */
static bool type_arg(struct command_ctx *ctx, size_t arg, struct op *op)
{
	struct slice text = ctx->argv[arg];
	int64_t width = 0;

	op->is_signed = text.len > 0 && text.data[0] == 'i';
	if (text.len == 0 || (!op->is_signed && text.data[0] != 'u') ||
	    !string_to_int(slice_skip(text, 1), &width) || width < 1 ||
	    width > (op->is_signed ? 64 : 63)) {
		resp_error(ctx->reply,
			   "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 "
			   "is not supported but i64 is.");
		return false;
	}
	op->width = (unsigned)width;
	return true;
}

static bool overflow_arg(struct command_ctx *ctx, size_t arg, enum bits_overflow *how)
{
	if (command_arg_is(ctx, arg, "wrap")) {
		*how = BITS_WRAP;
	} else if (command_arg_is(ctx, arg, "sat")) {
		*how = BITS_SAT;
	} else if (command_arg_is(ctx, arg, "fail")) {
		*how = BITS_FAIL;
	} else {
		resp_error(ctx->reply, "ERR Invalid OVERFLOW type specified");
		return false;
	}
	return true;
}

/* Reads the next operation at *arg and moves behind it; op->how carries over from call to call.
 * ST_END: no more; ST_INVALID: the error reply was sent. */
static enum status next_op(struct command_ctx *ctx, size_t *arg, struct op *op)
{
	size_t i = *arg;

	while (i + 1 < ctx->argc && command_arg_is(ctx, i, "overflow")) {
		if (!overflow_arg(ctx, i + 1, &op->how)) {
			return ST_INVALID;
		}
		i += 2;
	}
	if (i == ctx->argc) {
		return ST_END;
	}
	if (command_arg_is(ctx, i, "get") && ctx->argc - i > 2) {
		op->kind = OP_GET;
	} else if (command_arg_is(ctx, i, "set") && ctx->argc - i > 3) {
		op->kind = OP_SET;
	} else if (command_arg_is(ctx, i, "incrby") && ctx->argc - i > 3) {
		op->kind = OP_INCRBY;
	} else {
		resp_error(ctx->reply, ERR_SYNTAX);
		return ST_INVALID;
	}
	if (!type_arg(ctx, i + 1, op) || !bit_offset_arg(ctx, i + 2, op->width, &op->off)) {
		return ST_INVALID;
	}
	if (op->kind != OP_GET && !command_arg_int(ctx, i + 3, &op->by, NULL)) {
		return ST_INVALID;
	}
	*arg = i + (op->kind == OP_GET ? 3 : 4);
	return ST_OK;
}

/* Checks all arguments before anything is done. */
static bool make_plan(struct command_ctx *ctx, struct plan *plan)
{
	struct op op = {0};
	size_t arg = 2;
	enum status st;

	*plan = (struct plan){0};
	while ((st = next_op(ctx, &arg, &op)) == ST_OK) {
		uint64_t end = (op.off + op.width - 1) / 8 + 1;

		plan->ops++;
		if (op.kind != OP_GET && end > plan->len) {
			plan->len = end;
		}
	}
	return st == ST_END;
}

static enum status target_lookup(struct field_target *t)
{
	enum status st = ks_lookup(t->ctx->engine, &t->key, &t->found);

	t->m = st == ST_OK ? &t->found : NULL;
	return st == ST_NOT_FOUND ? ST_OK : st;
}

/* Makes room up to the farthest bit that is written; also when every write fails later. */
static enum status target_prepare(struct field_target *t, uint64_t len)
{
	uint64_t old_len = string_len(t->m);
	enum status st;

	t->local = false;
	t->changed = len > old_len;
	if (len == 0) {
		return ST_OK;
	}
	if ((t->m == NULL || t->m->form == FORM_INLINE) && len <= STRING_INLINE_MAX) {
		t->local = true;
		t->len = (size_t)(old_len > len ? old_len : len);
		return string_read(t->ctx->engine, t->key.slot, t->m, 0, t->bytes, t->len);
	}
	if (len <= old_len) {
		return ST_OK;
	}
	st = string_write(t->ctx->engine, &t->key, t->m, len, slice_of(NULL, 0));
	return st == ST_OK ? target_lookup(t) : st;
}

/* Copies the bytes of a field; what lies behind the end reads as zeros. */
static enum status target_read(struct field_target *t, const struct op *op,
			       uint8_t dst[BITS_FIELD_SPAN])
{
	uint64_t first = op->off / 8;

	if (!t->local) {
		return string_read(t->ctx->engine, t->key.slot, t->m, first, dst, BITS_FIELD_SPAN);
	}
	memset(dst, 0, BITS_FIELD_SPAN);
	if (first < t->len) {
		size_t n = t->len - (size_t)first;

		memcpy(dst, t->bytes + first, n < BITS_FIELD_SPAN ? n : BITS_FIELD_SPAN);
	}
	return ST_OK;
}

static enum status target_write(struct field_target *t, const struct op *op, const uint8_t *span)
{
	uint64_t first = op->off / 8;
	size_t n = (size_t)(op->off % 8 + op->width + 7) / 8;
	enum status st;

	if (t->local) {
		memcpy(t->bytes + first, span, n);
		t->changed = true;
		return ST_OK;
	}
	st = string_write(t->ctx->engine, &t->key, t->m, first, slice_of(span, n));
	/* What the lookup before borrowed is gone. */
	return st == ST_OK ? target_lookup(t) : st;
}

static enum status run_op(struct field_target *t, const struct op *op)
{
	struct resp_writer *w = t->ctx->reply;
	uint8_t span[BITS_FIELD_SPAN];
	unsigned at = op->off % 8;
	uint64_t old, base, now;
	enum status st = target_read(t, op, span);

	if (st != ST_OK) {
		return st;
	}
	old = bits_get(span, at, op->width);
	if (op->is_signed) {
		old = (uint64_t)bits_sign(old, op->width);
	}
	if (op->kind == OP_GET) {
		resp_int(w, (int64_t)old);
		return ST_OK;
	}
	base = op->kind == OP_SET ? (uint64_t)op->by : old;
	if (!bits_add(base, op->kind == OP_SET ? 0 : op->by, op->is_signed, op->width, op->how,
		      &now)) {
		resp_null(w);
		return ST_OK;
	}
	/* A write that changes nothing is not one: it would break WATCHes. */
	if (bits_get(span, at, op->width) != (now & (UINT64_MAX >> (64 - op->width)))) {
		bits_set(span, at, op->width, now);
		st = target_write(t, op, span);
	}
	if (st == ST_OK) {
		resp_int(w, (int64_t)(op->kind == OP_SET ? old : now));
	}
	return st;
}

static enum status run_all(struct field_target *t, const struct plan *plan)
{
	struct op op = {0};
	size_t arg = 2;
	enum status st = target_prepare(t, plan->len);

	resp_array(t->ctx->reply, plan->ops);
	for (size_t i = 0; st == ST_OK && i < plan->ops; i++) {
		st = next_op(t->ctx, &arg, &op);
		if (st == ST_OK) {
			st = run_op(t, &op);
		}
	}
	if (st == ST_OK && t->local && t->changed) {
		st = string_write(t->ctx->engine, &t->key, t->m, 0, slice_of(t->bytes, t->len));
	}
	return st;
}

static void bitfield(struct command_ctx *ctx, bool read_only)
{
	struct field_target t;
	struct plan plan;
	uint32_t ops = engine_batch_ops(ctx->engine);
	enum status st;

	if (!make_plan(ctx, &plan)) {
		return;
	}
	if (read_only && plan.len > 0) {
		resp_error(ctx->reply, "ERR BITFIELD_RO only supports the GET subcommand");
		return;
	}
	t.ctx = ctx;
	st = plan.len == 0 ? string_lookup_counted(ctx, 1, &t.key, &t.found)
			   : command_lookup(ctx, 1, TYPE_STRING, &t.key, &t.found);
	if (st != ST_OK && st != ST_NOT_FOUND) {
		return;
	}
	t.m = st == ST_OK ? &t.found : NULL;
	st = run_all(&t, &plan);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	} else if (engine_batch_ops(ctx->engine) > ops) {
		command_event(ctx, EVENT_STRING, "setbit", ctx->argv[1]);
	}
}

void cmd_bitfield(struct command_ctx *ctx)
{
	bitfield(ctx, false);
}

void cmd_bitfield_ro(struct command_ctx *ctx)
{
	bitfield(ctx, true);
}
