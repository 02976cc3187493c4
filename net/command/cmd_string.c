/* String commands: reading, counting, appending, parts; the rows of all string commands. */
#include "net/command/cmd_string.h"

#include "net/command/command_host.h"
#include "net/command/notify.h"
#include "net/proto/float_text.h"

#include <math.h>

enum {
	BULK_MAX_DEFAULT = 512 << 20,
	BULK_MAX_LEAST = 1 << 20, /* proto-max-bulk-len cannot be set lower */
};

uint64_t string_len_max(const struct command_ctx *ctx)
{
	const char *text = ctx->host->ops->config_value(ctx->host, "proto-max-bulk-len");
	int64_t v;

	if (text == NULL || !string_to_int(slice_str(text), &v) || v <= 0) {
		return BULK_MAX_DEFAULT;
	}
	return (uint64_t)v;
}

bool string_len_allowed(const struct command_ctx *ctx, uint64_t len)
{
	return len <= BULK_MAX_LEAST || len <= string_len_max(ctx);
}

bool string_may_grow(struct command_ctx *ctx, uint64_t base, uint64_t extra)
{
	uint64_t total;

	if (!__builtin_add_overflow(base, extra, &total) && string_len_allowed(ctx, total)) {
		return true;
	}
	resp_error(ctx->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
	return false;
}

/* --- reading --- */

static void reply_zeros(struct resp_writer *w, size_t len)
{
	while (len > 0) {
		size_t n = len < STRING_CHUNK ? len : STRING_CHUNK;

		resp_bulk_part(w, slice_of(string_zeros, n));
		len -= n;
	}
}

enum status string_reply_range(struct command_ctx *ctx, uint16_t slot, const struct meta *m,
			       uint64_t off, uint64_t len)
{
	struct resp_writer *w = ctx->reply;
	struct string_reader r;
	struct slice piece;
	enum status st;

	if (m->form == FORM_INLINE) {
		resp_bulk(w, slice_of(m->payload.data + off, (size_t)len));
		return ST_OK;
	}
	resp_bulk_begin(w, (size_t)len);
	st = string_reader_open(ctx->engine, slot, m, off, len, &r);
	while (st == ST_OK && !w->failed) {
		st = string_reader_next(&r, &piece);
		if (st != ST_OK) {
			break;
		}
		if (piece.data != NULL) {
			resp_bulk_part(w, piece);
		} else {
			reply_zeros(w, piece.len);
		}
	}
	string_reader_close(&r);
	if (st == ST_OK || st == ST_END) {
		resp_bulk_end(w);
		return ST_OK;
	}
	command_reply_status(ctx, st); /* takes back the half of a bulk */
	return st;
}

enum status string_reply_whole(struct command_ctx *ctx, uint16_t slot, const struct meta *m)
{
	return string_reply_range(ctx, slot, m, 0, string_len(m));
}

enum status string_lookup_counted(struct command_ctx *ctx, size_t arg, struct store_key *key,
				  struct meta *m)
{
	enum status st = command_lookup_counted(ctx, arg, key, m);

	if (st == ST_OK && m->type != TYPE_STRING) {
		command_reply_status(ctx, ST_WRONG_TYPE);
		return ST_WRONG_TYPE;
	}
	return st;
}

enum status string_reply_key(struct command_ctx *ctx, struct store_key *key, struct meta *m)
{
	enum status st = string_lookup_counted(ctx, 1, key, m);

	if (st == ST_OK) {
		return string_reply_whole(ctx, key->slot, m);
	}
	if (st == ST_NOT_FOUND) {
		resp_null(ctx->reply);
	}
	return st;
}

static void cmd_get(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	enum status st = string_reply_key(ctx, &key, &m);

	(void)st; /* replied in every case */
}

static void cmd_mget(struct command_ctx *ctx)
{
	resp_array(ctx->reply, ctx->argc - 1);
	for (size_t i = 1; i < ctx->argc; i++) {
		struct store_key key;
		struct meta m;
		enum status st = command_lookup_any(ctx, i, &key, &m);

		if (st == ST_NOT_FOUND || (st == ST_OK && m.type != TYPE_STRING)) {
			resp_null(ctx->reply);
		} else if (st != ST_OK || string_reply_whole(ctx, key.slot, &m) != ST_OK) {
			return;
		}
	}
}

static void cmd_strlen(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	enum status st = command_lookup(ctx, 1, TYPE_STRING, &key, &m);

	if (st == ST_OK || st == ST_NOT_FOUND) {
		resp_int(ctx->reply, (int64_t)string_len(st == ST_OK ? &m : NULL));
	}
}

static void cmd_getrange(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	int64_t start, end, len;
	enum status st;

	if (!command_arg_int(ctx, 2, &start, NULL) || !command_arg_int(ctx, 3, &end, NULL)) {
		return;
	}
	st = command_lookup(ctx, 1, TYPE_STRING, &key, &m);
	if (st != ST_OK && st != ST_NOT_FOUND) {
		return;
	}
	len = (int64_t)string_len(st == ST_OK ? &m : NULL);
	/* From the end backwards nothing lies between; clamping below would turn it into 0..0. */
	if (len == 0 || (start < 0 && end < 0 && start > end)) {
		resp_bulk(ctx->reply, slice_of(NULL, 0));
		return;
	}
	start = start < 0 ? start + len : start;
	end = end < 0 ? end + len : end;
	start = start < 0 ? 0 : start;
	end = end < 0 ? 0 : end;
	end = end >= len ? len - 1 : end;
	if (start > end) {
		resp_bulk(ctx->reply, slice_of(NULL, 0));
		return;
	}
	st = string_reply_range(ctx, key.slot, &m, (uint64_t)start, (uint64_t)(end - start + 1));
	(void)st;
}

/* --- counting --- */

/* Adds to the integer at argv[1] and sends the result. */
static void add_int(struct command_ctx *ctx, int64_t by)
{
	struct store_key key;
	struct meta m;
	uint8_t text[STRING_INT_TEXT_MAX];
	int64_t v = 0;
	enum status st = command_lookup(ctx, 1, TYPE_STRING, &key, &m);

	if (st != ST_OK && st != ST_NOT_FOUND) {
		return;
	}
	if (st == ST_OK && (m.form == FORM_LARGE || !string_to_int(m.payload, &v))) {
		resp_error(ctx->reply, ERR_NOT_INT);
		return;
	}
	if (__builtin_add_overflow(v, by, &v)) {
		resp_error(ctx->reply, "ERR increment or decrement would overflow");
		return;
	}
	st = string_replace(ctx->engine, &key, st == ST_OK ? &m : NULL,
			    slice_of(text, string_from_int(v, text)), 0,
			    st == ST_OK ? m.expire_at_ms : 0);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	command_event(ctx, EVENT_STRING, "incrby", key.name);
	resp_int(ctx->reply, v);
}

static void cmd_incr(struct command_ctx *ctx)
{
	add_int(ctx, 1);
}

static void cmd_decr(struct command_ctx *ctx)
{
	add_int(ctx, -1);
}

static void cmd_incrby(struct command_ctx *ctx)
{
	int64_t by;

	if (command_arg_int(ctx, 2, &by, NULL)) {
		add_int(ctx, by);
	}
}

static void cmd_decrby(struct command_ctx *ctx)
{
	int64_t by;

	if (!command_arg_int(ctx, 2, &by, NULL)) {
		return;
	}
	if (by == INT64_MIN) {
		resp_error(ctx->reply, "ERR decrement would overflow");
		return;
	}
	add_int(ctx, -by);
}

static void cmd_incrbyfloat(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	char text[FLOAT_TEXT_CAP];
	long double v = 0, by;
	struct slice value;
	enum status st = command_lookup(ctx, 1, TYPE_STRING, &key, &m);

	if (st != ST_OK && st != ST_NOT_FOUND) {
		return;
	}
	if (st == ST_OK && (m.form == FORM_LARGE || !parse_long_float(m.payload, &v))) {
		resp_error(ctx->reply, ERR_NOT_FLOAT);
		return;
	}
	if (!command_arg_long_float(ctx, 2, &by, NULL)) {
		return;
	}
	v += by;
	if (isnan(v) || isinf(v)) {
		resp_error(ctx->reply, "ERR increment would produce NaN or Infinity");
		return;
	}
	value = slice_of(text, float_text(v, text));
	/* META_ENCODED: Redis does not turn what it computed as a float into an integer again. */
	st = string_replace(ctx->engine, &key, st == ST_OK ? &m : NULL, value, META_ENCODED,
			    st == ST_OK ? m.expire_at_ms : 0);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	command_event(ctx, EVENT_STRING, "incrbyfloat", key.name);
	resp_bulk(ctx->reply, value);
}

/* --- parts --- */

static void cmd_append(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	struct slice value = ctx->argv[2];
	uint64_t len;
	enum status st = command_lookup(ctx, 1, TYPE_STRING, &key, &m);

	if (st != ST_OK && st != ST_NOT_FOUND) {
		return;
	}
	len = string_len(st == ST_OK ? &m : NULL);
	if (st == ST_NOT_FOUND) {
		st = string_replace(ctx->engine, &key, NULL, value, 0, 0);
	} else if (!string_may_grow(ctx, len, value.len)) {
		return;
	} else {
		st = string_write(ctx->engine, &key, &m, len, value);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	command_event(ctx, EVENT_STRING, "append", key.name);
	resp_int(ctx->reply, (int64_t)(len + value.len));
}

static void cmd_setrange(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	struct slice value = ctx->argv[3];
	int64_t off;
	uint64_t len;
	enum status st;

	if (!command_arg_int(ctx, 2, &off, NULL)) {
		return;
	}
	if (off < 0) {
		resp_error(ctx->reply, "ERR offset is out of range");
		return;
	}
	st = command_lookup(ctx, 1, TYPE_STRING, &key, &m);
	if (st != ST_OK && st != ST_NOT_FOUND) {
		return;
	}
	len = string_len(st == ST_OK ? &m : NULL);
	if (value.len == 0) {
		resp_int(ctx->reply, (int64_t)len);
		return;
	}
	if (!string_may_grow(ctx, (uint64_t)off, value.len)) {
		return;
	}
	st = string_write(ctx->engine, &key, st == ST_OK ? &m : NULL, (uint64_t)off, value);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	command_event(ctx, EVENT_STRING, "setrange", key.name);
	len = (uint64_t)off + value.len > len ? (uint64_t)off + value.len : len;
	resp_int(ctx->reply, (int64_t)len);
}

#define WRITE_FAST (CMD_WRITE | CMD_DENYOOM | CMD_FAST)
#define WRITE_SLOW (CMD_WRITE | CMD_DENYOOM)

const struct command commands_string[] = {
    {"append", 3, WRITE_FAST, KEYS(1, 1, 1), cmd_append, NULL},
    {"decr", 2, WRITE_FAST, KEYS(1, 1, 1), cmd_decr, NULL},
    {"decrby", 3, WRITE_FAST, KEYS(1, 1, 1), cmd_decrby, NULL},
    {"get", 2, CMD_READONLY | CMD_FAST | CMD_TOUCH_RANGE, KEYS(1, 1, 1), cmd_get, NULL},
    {"getdel", 2, CMD_WRITE | CMD_FAST | CMD_TOUCH_RANGE, KEYS(1, 1, 1), cmd_getdel, NULL},
    {"getex", -2, CMD_WRITE | CMD_FAST | CMD_TOUCH_RANGE, KEYS(1, 1, 1), cmd_getex, NULL},
    {"getrange", 4, CMD_READONLY, KEYS(1, 1, 1), cmd_getrange, NULL},
    {"getset", 3, WRITE_FAST | CMD_TOUCH_RANGE, KEYS(1, 1, 1), cmd_getset, NULL},
    {"incr", 2, WRITE_FAST, KEYS(1, 1, 1), cmd_incr, NULL},
    {"incrby", 3, WRITE_FAST, KEYS(1, 1, 1), cmd_incrby, NULL},
    {"incrbyfloat", 3, WRITE_FAST, KEYS(1, 1, 1), cmd_incrbyfloat, NULL},
    {"lcs", -3, CMD_READONLY | CMD_TOUCH_RANGE, KEYS(1, 2, 1), cmd_lcs, NULL},
    {"mget", -2, CMD_READONLY | CMD_FAST | CMD_TOUCH_RANGE, KEYS(1, -1, 1), cmd_mget, NULL},
    {"mset", -3, WRITE_SLOW | CMD_BLIND, KEYS(1, -1, 2), cmd_mset, NULL},
    {"msetnx", -3, WRITE_SLOW, KEYS(1, -1, 2), cmd_msetnx, NULL},
    {"psetex", 4, WRITE_SLOW | CMD_BLIND, KEYS(1, 1, 1), cmd_psetex, NULL},
    {"set", -3, WRITE_SLOW | CMD_BLIND, KEYS(1, 1, 1), cmd_set, NULL},
    {"setex", 4, WRITE_SLOW | CMD_BLIND, KEYS(1, 1, 1), cmd_setex, NULL},
    {"setnx", 3, WRITE_FAST, KEYS(1, 1, 1), cmd_setnx, NULL},
    {"setrange", 4, WRITE_SLOW, KEYS(1, 1, 1), cmd_setrange, NULL},
    {"strlen", 2, CMD_READONLY | CMD_FAST, KEYS(1, 1, 1), cmd_strlen, NULL},
    {"substr", 4, CMD_READONLY, KEYS(1, 1, 1), cmd_getrange, NULL},
    {NULL, 0, 0, NO_KEYS, NULL, NULL},
};
