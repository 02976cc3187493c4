/* The list commands: arguments and replies. What a list is in storage: engine/types/type_list.h. */
#include "net/command/cmd_list.h"

#include "net/command/notify.h"

bool list_lookup(struct command_ctx *ctx, size_t arg, struct store_key *key, struct meta *m,
		 uint64_t *count)
{
	enum status st = command_lookup(ctx, arg, TYPE_LIST, key, m);

	*count = 0;
	if (st == ST_NOT_FOUND) {
		return true;
	}
	if (st != ST_OK) {
		return false;
	}
	st = type_list_count(m, count);
	if (st == ST_OK && *count == 0) {
		st = ST_CORRUPT; /* an empty list is not stored */
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
	return st == ST_OK;
}

/* Replies to a write that engine said st of: the number, or the error. */
static void reply_count(struct command_ctx *ctx, enum status st, uint64_t n)
{
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	resp_int(ctx->reply, (int64_t)n);
}

/* Turns an index counted from the tail (negative) into one from the head; false: outside. */
static bool index_of(int64_t i, uint64_t count, uint64_t *out)
{
	if (i < 0) {
		if (0 - (uint64_t)i > count) {
			return false;
		}
		*out = count - (0 - (uint64_t)i);
		return true;
	}
	*out = (uint64_t)i;
	return *out < count;
}

/* The part of a list that start and end (both inclusive, negative from the tail) select. */
static void range_of(int64_t start, int64_t end, uint64_t count, uint64_t *from, uint64_t *n)
{
	int64_t len = (int64_t)count;

	start = start < 0 ? (start < -len ? 0 : start + len) : start;
	end = end < 0 ? (end < -len ? -1 : end + len) : end;
	end = end >= len ? len - 1 : end;
	*from = 0;
	*n = 0;
	if (start <= end) {
		*from = (uint64_t)start;
		*n = (uint64_t)(end - start) + 1;
	}
}

enum status list_reply_elements(struct command_ctx *ctx, const struct store_key *key,
				const struct meta *m, uint64_t index, uint64_t n, bool reverse)
{
	struct type_list_iter it;
	struct slice value;
	enum status st = type_list_iter_open(ctx->engine, key, m, index, reverse, &it);

	while (st == ST_OK && n-- > 0) {
		st = type_list_iter_next(&it, &value);
		if (st == ST_OK) {
			resp_bulk(ctx->reply, value);
		}
	}
	type_list_iter_close(&it);
	return st == ST_END ? ST_CORRUPT : st;
}

/* --- pushes --- */

static void push(struct command_ctx *ctx, bool left, bool create)
{
	struct store_key key;
	struct meta m;
	uint64_t count, length;
	enum status st;

	if (!list_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	if (count == 0 && !create) {
		resp_int(ctx->reply, 0);
		return;
	}
	st = type_list_push(ctx->engine, &key, count > 0 ? &m : NULL, left, ctx->argv + 2,
			    ctx->argc - 2, &length);
	command_event(ctx, EVENT_LIST, left ? "lpush" : "rpush", key.name);
	reply_count(ctx, st, length);
}

static void cmd_lpush(struct command_ctx *ctx)
{
	push(ctx, true, true);
}

static void cmd_rpush(struct command_ctx *ctx)
{
	push(ctx, false, true);
}

static void cmd_lpushx(struct command_ctx *ctx)
{
	push(ctx, true, false);
}

static void cmd_rpushx(struct command_ctx *ctx)
{
	push(ctx, false, false);
}

static void cmd_linsert(struct command_ctx *ctx)
{
	struct type_list_iter it;
	struct store_key key;
	struct meta m;
	struct slice value;
	uint64_t count, index = 0, length = 0;
	bool before = command_arg_is(ctx, 2, "before");
	enum status st;

	if (!before && !command_arg_is(ctx, 2, "after")) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	if (!list_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	if (count == 0) {
		resp_int(ctx->reply, 0);
		return;
	}
	st = type_list_iter_open(ctx->engine, &key, &m, 0, false, &it);
	while (st == ST_OK) {
		st = type_list_iter_next(&it, &value);
		if (st == ST_OK && slice_eq(value, ctx->argv[3])) {
			break;
		}
		index++;
	}
	type_list_iter_close(&it);
	if (st == ST_END) {
		resp_int(ctx->reply, -1);
		return;
	}
	if (st == ST_OK) {
		st = type_list_insert(ctx->engine, &key, &m, index + (before ? 0 : 1), ctx->argv[4],
				      &length);
		command_event(ctx, EVENT_LIST, "linsert", key.name);
	}
	reply_count(ctx, st, length);
}

/* --- reads --- */

static void cmd_llen(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	uint64_t count;

	if (list_lookup(ctx, 1, &key, &m, &count)) {
		resp_int(ctx->reply, (int64_t)count);
	}
}

static void cmd_lindex(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	struct slice value;
	uint64_t count, index;
	int64_t arg;
	enum status st = ST_NOT_FOUND;

	if (!list_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	if (count > 0) {
		if (!command_arg_int(ctx, 2, &arg, NULL)) {
			return;
		}
		if (index_of(arg, count, &index)) {
			st = type_list_get(ctx->engine, &key, &m, index, &value);
		}
	}
	if (st == ST_OK) {
		resp_bulk(ctx->reply, value);
	} else if (st == ST_NOT_FOUND) {
		resp_null(ctx->reply);
	} else {
		command_reply_status(ctx, st);
	}
}

static void cmd_lrange(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	uint64_t count, from, n;
	int64_t start, end;
	enum status st = ST_OK;

	if (!command_arg_int(ctx, 2, &start, NULL) || !command_arg_int(ctx, 3, &end, NULL) ||
	    !list_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	range_of(start, end, count, &from, &n);
	resp_array(ctx->reply, (size_t)n);
	if (n > 0) {
		st = list_reply_elements(ctx, &key, &m, from, n, false);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

/* --- LPOS --- */

struct pos_options {
	int64_t rank, count, maxlen; /* count -1: not given */
};

static bool arg_rank(struct command_ctx *ctx, size_t arg, int64_t *out)
{
	if (!command_arg_int(ctx, arg, out, NULL)) {
		return false;
	}
	if (*out == INT64_MIN) {
		resp_error(ctx->reply,
			   "ERR value is out of range, value must between %lld and %lld",
			   -(long long)INT64_MAX, (long long)INT64_MAX);
		return false;
	}
	if (*out == 0) {
		resp_error(ctx->reply,
			   "ERR RANK can't be zero: use 1 to start from the first match, 2 from "
			   "the second ... or use negative to start from the end of the list");
		return false;
	}
	return true;
}

static bool parse_pos(struct command_ctx *ctx, struct pos_options *o)
{
	for (size_t i = 3; i < ctx->argc; i += 2) {
		bool more = i + 1 < ctx->argc, fine;

		if (more && command_arg_is(ctx, i, "rank")) {
			fine = arg_rank(ctx, i + 1, &o->rank);
		} else if (more && command_arg_is(ctx, i, "count")) {
			fine = command_arg_not_negative(ctx, i + 1, &o->count,
							"ERR COUNT can't be negative");
		} else if (more && command_arg_is(ctx, i, "maxlen")) {
			fine = command_arg_not_negative(ctx, i + 1, &o->maxlen,
							"ERR MAXLEN can't be negative");
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			fine = false;
		}
		if (!fine) {
			return false;
		}
	}
	return true;
}

/* Walks from the end that rank says; writes each wanted match's index as an integer, or with count
 * not given only finds the first into *index. Returns ST_END after the walk. */
static enum status find_positions(struct command_ctx *ctx, const struct store_key *key,
				  const struct meta *m, uint64_t total, const struct pos_options *o,
				  uint64_t *matches, uint64_t *index)
{
	struct type_list_iter it;
	struct slice value;
	bool reverse = o->rank < 0;
	uint64_t skip = (reverse ? 0 - (uint64_t)o->rank : (uint64_t)o->rank) - 1;
	uint64_t limit = o->count < 0 ? 1 : o->count == 0 ? UINT64_MAX : (uint64_t)o->count;
	uint64_t walk = o->maxlen == 0 || (uint64_t)o->maxlen > total ? total : (uint64_t)o->maxlen;
	enum status st =
	    type_list_iter_open(ctx->engine, key, m, reverse ? total - 1 : 0, reverse, &it);

	*matches = 0;
	for (uint64_t i = 0; st == ST_OK && i < walk && *matches < limit; i++) {
		st = type_list_iter_next(&it, &value);
		if (st != ST_OK || !slice_eq(value, ctx->argv[2])) {
			continue;
		}
		if (skip > 0) {
			skip--;
			continue;
		}
		*matches += 1;
		*index = reverse ? total - 1 - i : i;
		if (o->count >= 0) {
			resp_int(ctx->reply, (int64_t)*index);
		}
	}
	type_list_iter_close(&it);
	return st == ST_END ? ST_CORRUPT : st;
}

static void cmd_lpos(struct command_ctx *ctx)
{
	struct pos_options o = {.rank = 1, .count = -1, .maxlen = 0};
	struct store_key key;
	struct meta m;
	uint64_t total, matches = 0, index = 0;
	size_t mark = 0;
	enum status st = ST_OK;

	if (!parse_pos(ctx, &o) || !list_lookup(ctx, 1, &key, &m, &total)) {
		return;
	}
	if (o.count >= 0) {
		mark = resp_deferred_begin(ctx->reply);
	}
	if (total > 0) {
		st = find_positions(ctx, &key, &m, total, &o, &matches, &index);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	} else if (o.count >= 0) {
		resp_deferred_end(ctx->reply, mark, '*', (size_t)matches);
	} else if (matches > 0) {
		resp_int(ctx->reply, (int64_t)index);
	} else {
		resp_null(ctx->reply);
	}
}

/* --- changes --- */

static void cmd_lset(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	uint64_t count, index;
	int64_t arg;
	enum status st;

	if (!list_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	if (count == 0) {
		resp_error(ctx->reply, ERR_NO_KEY);
		return;
	}
	if (!command_arg_int(ctx, 2, &arg, NULL)) {
		return;
	}
	if (!index_of(arg, count, &index)) {
		resp_error(ctx->reply, ERR_INDEX);
		return;
	}
	st = type_list_set(ctx->engine, &key, &m, index, ctx->argv[3]);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	command_event(ctx, EVENT_LIST, "lset", key.name);
	resp_ok(ctx->reply);
}

static void cmd_lrem(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	uint64_t count, removed = 0;
	int64_t arg;
	enum status st = ST_OK;

	if (!command_arg_int(ctx, 2, &arg, NULL) || !list_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	if (count > 0) {
		st = type_list_remove(ctx->engine, &key, &m, ctx->argv[3], arg, &removed);
	}
	if (removed > 0) {
		command_event(ctx, EVENT_LIST, "lrem", key.name);
		command_event_gone(ctx, key.name);
	}
	reply_count(ctx, st, removed);
}

static void cmd_ltrim(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	uint64_t count, from, n;
	int64_t start, end;
	enum status st = ST_OK;

	if (!command_arg_int(ctx, 2, &start, NULL) || !command_arg_int(ctx, 3, &end, NULL) ||
	    !list_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	if (count > 0) {
		range_of(start, end, count, &from, &n);
		st = type_list_trim(ctx->engine, &key, &m, from, n);
		command_event(ctx, EVENT_LIST, "ltrim", key.name);
		command_event_gone(ctx, key.name);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	resp_ok(ctx->reply);
}

/* --- the table --- */

enum {
	/* Elements are not named by arguments, so what a command at one end needs is only its key.
	 */
	WRITE_END = CMD_WRITE | CMD_FAST,
	GROW_END = CMD_WRITE | CMD_DENYOOM | CMD_FAST,
	WAIT_END = CMD_WRITE | CMD_NOSCRIPT | CMD_BLOCKING,
	WAIT_MOVE = WAIT_END | CMD_DENYOOM,
	READ_PART = CMD_READONLY | CMD_TOUCH_RANGE,
	WRITE_PART = CMD_WRITE | CMD_TOUCH_RANGE,
};

const struct command commands_list[] = {
    {"blmove", 6, WAIT_MOVE, KEYS(1, 2, 1), cmd_blmove, NULL},
    {"blmpop", -5, CMD_WRITE | CMD_BLOCKING | CMD_MOVABLE_KEYS, NO_KEYS, cmd_blmpop, NULL},
    {"blpop", -3, WAIT_END, KEYS(1, -2, 1), cmd_blpop, NULL},
    {"brpop", -3, WAIT_END, KEYS(1, -2, 1), cmd_brpop, NULL},
    {"brpoplpush", 4, WAIT_MOVE, KEYS(1, 2, 1), cmd_brpoplpush, NULL},
    {"lindex", 3, CMD_READONLY, KEYS(1, 1, 1), cmd_lindex, NULL},
    {"linsert", 5, WRITE_PART | CMD_DENYOOM, KEYS(1, 1, 1), cmd_linsert, NULL},
    {"llen", 2, CMD_READONLY | CMD_FAST, KEYS(1, 1, 1), cmd_llen, NULL},
    {"lmove", 5, CMD_WRITE | CMD_DENYOOM, KEYS(1, 2, 1), cmd_lmove, NULL},
    {"lmpop", -4, CMD_WRITE | CMD_MOVABLE_KEYS, NO_KEYS, cmd_lmpop, NULL},
    {"lpop", -2, WRITE_END | CMD_LEFT_END, KEYS(1, 1, 1), cmd_lpop, NULL},
    {"lpos", -3, READ_PART, KEYS(1, 1, 1), cmd_lpos, NULL},
    {"lpush", -3, GROW_END | CMD_LEFT_END, KEYS(1, 1, 1), cmd_lpush, NULL},
    {"lpushx", -3, GROW_END | CMD_LEFT_END, KEYS(1, 1, 1), cmd_lpushx, NULL},
    {"lrange", 4, READ_PART, KEYS(1, 1, 1), cmd_lrange, NULL},
    {"lrem", 4, WRITE_PART, KEYS(1, 1, 1), cmd_lrem, NULL},
    {"lset", 4, CMD_WRITE | CMD_DENYOOM, KEYS(1, 1, 1), cmd_lset, NULL},
    {"ltrim", 4, CMD_WRITE, KEYS(1, 1, 1), cmd_ltrim, NULL},
    {"rpop", -2, WRITE_END | CMD_RIGHT_END, KEYS(1, 1, 1), cmd_rpop, NULL},
    {"rpoplpush", 3, CMD_WRITE | CMD_DENYOOM, KEYS(1, 2, 1), cmd_rpoplpush, NULL},
    {"rpush", -3, GROW_END | CMD_RIGHT_END, KEYS(1, 1, 1), cmd_rpush, NULL},
    {"rpushx", -3, GROW_END | CMD_RIGHT_END, KEYS(1, 1, 1), cmd_rpushx, NULL},
    {NULL, 0, 0, NO_KEYS, NULL, NULL},
};
