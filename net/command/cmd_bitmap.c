/* Bitmap commands: single bits, counting, finding, combining whole strings. */
#include "engine/types/bits.h"
#include "net/command/cmd_string.h"
#include "net/command/notify.h"

static const char bit_offset_error[] = "ERR bit offset is not an integer or out of range";

bool bit_offset_arg(struct command_ctx *ctx, size_t arg, unsigned bits, uint64_t *out)
{
	struct slice text = ctx->argv[arg];
	int64_t off, unit = 1;

	if (bits > 0 && text.len > 0 && text.data[0] == '#') {
		text = slice_skip(text, 1);
		unit = bits;
	}
	if (!string_to_int(text, &off) || __builtin_mul_overflow(off, unit, &off) || off < 0 ||
	    !string_len_allowed(ctx, (uint64_t)off / 8 + 1)) {
		resp_error(ctx->reply, "%s", bit_offset_error);
		return false;
	}
	*out = (uint64_t)off;
	return true;
}

/* Looks argv[arg] up. *m is NULL when it is absent. false: the error reply was sent. */
static bool lookup(struct command_ctx *ctx, size_t arg, struct store_key *key, struct meta *found,
		   const struct meta **m)
{
	enum status st = command_lookup(ctx, arg, TYPE_STRING, key, found);

	*m = st == ST_OK ? found : NULL;
	return st == ST_OK || st == ST_NOT_FOUND;
}

static void cmd_setbit(struct command_ctx *ctx)
{
	static const char bit_error[] = "ERR bit is not an integer or out of range";
	struct store_key key;
	struct meta found;
	const struct meta *m;
	uint64_t off;
	int64_t bit;
	uint8_t byte, mask;
	bool was;
	enum status st;

	if (!bit_offset_arg(ctx, 2, 0, &off) || !command_arg_int(ctx, 3, &bit, bit_error)) {
		return;
	}
	if (bit != 0 && bit != 1) {
		resp_error(ctx->reply, "%s", bit_error);
		return;
	}
	if (!lookup(ctx, 1, &key, &found, &m)) {
		return;
	}
	st = string_read(ctx->engine, key.slot, m, off / 8, &byte, 1);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	mask = (uint8_t)(0x80U >> off % 8);
	was = (byte & mask) != 0;
	/* A write that would change nothing is not one: it would break WATCHes. */
	if (was != (bit == 1) || off / 8 >= string_len(m)) {
		byte = (uint8_t)(bit == 1 ? byte | mask : byte & ~mask);
		st = string_write(ctx->engine, &key, m, off / 8, slice_of(&byte, 1));
		command_event(ctx, EVENT_STRING, "setbit", key.name);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	resp_int(ctx->reply, was);
}

static void cmd_getbit(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta found;
	const struct meta *m;
	uint64_t off;
	uint8_t byte;
	enum status st;

	if (!bit_offset_arg(ctx, 2, 0, &off) || !lookup(ctx, 1, &key, &found, &m)) {
		return;
	}
	st = string_read(ctx->engine, key.slot, m, off / 8, &byte, 1);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	resp_int(ctx->reply, byte >> (7 - off % 8) & 1);
}

/* --- ranges --- */

/* Parses BYTE or BIT. */
static bool unit_arg(struct command_ctx *ctx, size_t arg, bool *by_bit)
{
	*by_bit = command_arg_is(ctx, arg, "bit");
	if (*by_bit || command_arg_is(ctx, arg, "byte")) {
		return true;
	}
	resp_error(ctx->reply, ERR_SYNTAX);
	return false;
}

/* Bits of a string, both ends included; empty when first > last. */
struct bit_range {
	int64_t first, last;
};

/* Turns what the client said, in bytes or bits, negative from the end, into bits of a string of len
 * bytes. */
static struct bit_range range_of(int64_t start, int64_t end, bool by_bit, uint64_t len)
{
	int64_t total = (int64_t)(by_bit ? len * 8 : len);

	start = start < 0 ? start + total : start;
	end = end < 0 ? end + total : end;
	start = start < 0 ? 0 : start;
	end = end < 0 ? 0 : end;
	end = end >= total ? total - 1 : end;
	if (start > end) {
		return (struct bit_range){0, -1};
	}
	return by_bit ? (struct bit_range){start, end} : (struct bit_range){start * 8, end * 8 + 7};
}

/* One bits of one byte under a mask. */
static enum status count_in_byte(struct engine *e, uint16_t slot, const struct meta *m,
				 uint64_t off, uint8_t mask, uint64_t *out)
{
	uint8_t byte;
	enum status st = string_read(e, slot, m, off, &byte, 1);

	byte &= mask;
	*out = (unsigned)__builtin_popcount(byte);
	return st;
}

static enum status count_range(struct engine *e, uint16_t slot, const struct meta *m,
			       struct bit_range range, uint64_t *out)
{
	uint64_t first = (uint64_t)range.first / 8, last = (uint64_t)range.last / 8;
	uint8_t before = (uint8_t) ~(0xffU >> range.first % 8); /* bits of the first byte outside */
	uint8_t after = (uint8_t)(0x7fU >> range.last % 8);	/* and of the last */
	uint64_t total = 0, outside = 0;
	struct string_reader r;
	struct slice piece;
	enum status st = string_reader_open(e, slot, m, first, last - first + 1, &r);

	while (st == ST_OK) {
		st = string_reader_next(&r, &piece);
		if (st == ST_OK && piece.data != NULL) {
			total += bits_count(piece);
		}
	}
	string_reader_close(&r);
	st = st == ST_END ? ST_OK : st;
	if (st == ST_OK && before != 0) {
		st = count_in_byte(e, slot, m, first, before, &outside);
		total -= outside;
	}
	if (st == ST_OK && after != 0) {
		st = count_in_byte(e, slot, m, last, after, &outside);
		total -= outside;
	}
	*out = total;
	return st;
}

static void cmd_bitcount(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta found;
	const struct meta *m;
	struct bit_range range;
	int64_t start = 0, end = -1;
	uint64_t total = 0;
	bool by_bit = false;
	enum status st = ST_OK;

	if (ctx->argc == 3 || ctx->argc > 5) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	if (ctx->argc > 2 &&
	    (!command_arg_int(ctx, 2, &start, NULL) || !command_arg_int(ctx, 3, &end, NULL))) {
		return;
	}
	if ((ctx->argc == 5 && !unit_arg(ctx, 4, &by_bit)) || !lookup(ctx, 1, &key, &found, &m)) {
		return;
	}
	range = range_of(start, end, by_bit, string_len(m));
	/* From the end backwards nothing lies between, also where clamping would find something. */
	if (m != NULL && range.first <= range.last && !(start < 0 && end < 0 && start > end)) {
		st = count_range(ctx->engine, key.slot, m, range, &total);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	resp_int(ctx->reply, (int64_t)total);
}

/* *out: the first such bit in the range, -1 when there is none. */
static enum status find_in_range(struct engine *e, uint16_t slot, const struct meta *m, bool bit,
				 struct bit_range range, int64_t *out)
{
	uint64_t first = (uint64_t)range.first / 8, last = (uint64_t)range.last / 8;
	uint64_t skip = (uint64_t)range.first % 8;
	uint64_t at = first * 8;
	struct string_reader r;
	struct slice piece;
	enum status st = string_reader_open(e, slot, m, first, last - first + 1, &r);

	*out = -1;
	while (st == ST_OK) {
		uint64_t bits, pos;

		st = string_reader_next(&r, &piece);
		if (st != ST_OK) {
			break;
		}
		bits = (uint64_t)piece.len * 8;
		if (piece.data != NULL) {
			pos = bits_find(piece, bit, skip);
		} else {
			pos = bit ? bits : skip;
		}
		if (pos < bits) {
			*out = at + pos <= (uint64_t)range.last ? (int64_t)(at + pos) : -1;
			break;
		}
		at += bits;
		skip = 0;
	}
	string_reader_close(&r);
	return st == ST_END ? ST_OK : st;
}

static void cmd_bitpos(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta found;
	const struct meta *m;
	struct bit_range range;
	int64_t bit, start = 0, end = -1, pos = -1;
	bool by_bit = false;
	enum status st = ST_OK;

	if (!command_arg_int(ctx, 2, &bit, NULL)) {
		return;
	}
	if (bit != 0 && bit != 1) {
		resp_error(ctx->reply, "ERR The bit argument must be 1 or 0.");
		return;
	}
	if (ctx->argc > 6) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	if ((ctx->argc > 3 && !command_arg_int(ctx, 3, &start, NULL)) ||
	    (ctx->argc > 5 && !unit_arg(ctx, 5, &by_bit)) ||
	    (ctx->argc > 4 && !command_arg_int(ctx, 4, &end, NULL)) ||
	    !lookup(ctx, 1, &key, &found, &m)) {
		return;
	}
	if (m == NULL) {
		/* An absent key is endless zeros. */
		resp_int(ctx->reply, bit == 1 ? -1 : 0);
		return;
	}
	range = range_of(start, end, by_bit, string_len(m));
	if (range.first <= range.last) {
		st = find_in_range(ctx->engine, key.slot, m, bit == 1, range, &pos);
		/* Without an end the string goes on with zeros. */
		if (pos < 0 && bit == 0 && ctx->argc < 5) {
			pos = (int64_t)string_len(m) * 8;
		}
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	resp_int(ctx->reply, pos);
}

/* --- BITOP --- */

struct bitop {
	struct command_ctx *ctx;
	enum bits_op op;
	bool invert;
};

/* Makes one chunk of the result. The sources are looked up anew for each: what the chunk before
 * read ended with its write, and the destination may be one of them. */
static enum status bitop_fill(void *arg, uint64_t off, uint8_t *dst, size_t len)
{
	const struct bitop *b = arg;
	uint8_t src[STRING_CHUNK];

	for (size_t i = 3; i < b->ctx->argc; i++) {
		struct store_key key;
		struct meta m;
		enum status st;

		store_key_of_key(&key, b->ctx->argv[i]);
		st = ks_lookup(b->ctx->engine, &key, &m);
		if (st != ST_OK && st != ST_NOT_FOUND) {
			return st;
		}
		st = string_read(b->ctx->engine, key.slot, st == ST_OK ? &m : NULL, off,
				 i == 3 ? dst : src, len);
		if (st != ST_OK) {
			return st;
		}
		if (i > 3) {
			bits_combine(b->op, dst, src, len);
		}
	}
	if (b->invert) {
		bits_invert(dst, len);
	}
	return ST_OK;
}

static bool bitop_parse(struct command_ctx *ctx, struct bitop *b)
{
	*b = (struct bitop){.ctx = ctx};
	if (command_arg_is(ctx, 1, "and")) {
		b->op = BITS_AND;
	} else if (command_arg_is(ctx, 1, "or")) {
		b->op = BITS_OR;
	} else if (command_arg_is(ctx, 1, "xor")) {
		b->op = BITS_XOR;
	} else if (command_arg_is(ctx, 1, "not")) {
		b->invert = true;
	} else {
		resp_error(ctx->reply, ERR_SYNTAX);
		return false;
	}
	if (b->invert && ctx->argc != 4) {
		resp_error(ctx->reply, "ERR BITOP NOT must be called with a single source key.");
		return false;
	}
	return true;
}

static void cmd_bitop(struct command_ctx *ctx)
{
	struct bitop b;
	struct store_key key;
	uint64_t len = 0;
	enum status st;

	if (!bitop_parse(ctx, &b)) {
		return;
	}
	for (size_t i = 3; i < ctx->argc; i++) {
		struct meta found;
		uint64_t source = 0;

		st = string_lookup_counted(ctx, i, &key, &found);
		if (st == ST_OK) {
			source = string_len(&found);
		} else if (st != ST_NOT_FOUND) {
			return;
		}
		len = source > len ? source : len;
	}
	store_key_of_key(&key, ctx->argv[2]);
	if (len == 0) {
		st = command_remove(ctx, &key);
	} else {
		st = string_build(ctx->engine, &key, len, bitop_fill, &b);
		command_event(ctx, EVENT_STRING, "set", key.name);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	resp_int(ctx->reply, (int64_t)len);
}

const struct command commands_bitmap[] = {
    {"bitcount", -2, CMD_READONLY | CMD_TOUCH_RANGE, KEYS(1, 1, 1), cmd_bitcount, NULL},
    {"bitfield", -2, CMD_WRITE | CMD_DENYOOM, KEYS(1, 1, 1), cmd_bitfield, NULL},
    {"bitfield_ro", -2, CMD_READONLY | CMD_FAST, KEYS(1, 1, 1), cmd_bitfield_ro, NULL},
    {"bitop", -4, CMD_WRITE | CMD_DENYOOM | CMD_TOUCH_RANGE, KEYS(2, -1, 1), cmd_bitop, NULL},
    {"bitpos", -3, CMD_READONLY | CMD_TOUCH_RANGE, KEYS(1, 1, 1), cmd_bitpos, NULL},
    {"getbit", 3, CMD_READONLY | CMD_FAST, KEYS(1, 1, 1), cmd_getbit, NULL},
    {"setbit", 4, CMD_WRITE | CMD_DENYOOM, KEYS(1, 1, 1), cmd_setbit, NULL},
    {NULL, 0, 0, NO_KEYS, NULL, NULL},
};
