/* The hash commands: arguments and replies. What a hash is in storage: engine/types/type_hash.h. */

#include "net/command/cmd_hash.h"
#include "engine/types/named_walk.h"
#include "net/command/cmd_named.h"
#include "net/command/notify.h"
#include "net/proto/float_text.h"

#include <math.h>
#include <stdio.h>

enum { INT_TEXT_MAX = 24 };

/* Looks up the hash of argv[1]. false: an error reply was sent. */
static bool hash_lookup(struct command_ctx *ctx, struct store_key *key, struct meta *m, bool *found)
{
	enum status st = command_lookup(ctx, 1, TYPE_HASH, key, m);

	*found = st == ST_OK;
	return st == ST_OK || st == ST_NOT_FOUND;
}

/* Like lookup, and finds argv[2] in the hash. *found: whether the hash has it. */
static bool lookup_field(struct command_ctx *ctx, struct store_key *key, struct meta *m,
			 struct slice *value, bool *have_key, bool *found)
{
	enum status st = ST_NOT_FOUND;

	if (!hash_lookup(ctx, key, m, have_key)) {
		return false;
	}
	if (*have_key) {
		st = type_hash_get(ctx->engine, key, m, ctx->argv[2], value);
	}
	*found = st == ST_OK;
	if (st != ST_OK && st != ST_NOT_FOUND) {
		command_reply_status(ctx, st);
		return false;
	}
	return true;
}

/* --- one field --- */

static void cmd_hget(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	struct slice value;
	bool have_key, found;

	if (!lookup_field(ctx, &key, &m, &value, &have_key, &found)) {
		return;
	}
	if (found) {
		resp_bulk(ctx->reply, value);
	} else {
		resp_null(ctx->reply);
	}
}

static void cmd_hexists(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	struct slice value;
	bool have_key, found;

	if (lookup_field(ctx, &key, &m, &value, &have_key, &found)) {
		resp_int(ctx->reply, found);
	}
}

static void cmd_hstrlen(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	struct slice value;
	bool have_key, found;

	if (lookup_field(ctx, &key, &m, &value, &have_key, &found)) {
		resp_int(ctx->reply, found ? (int64_t)value.len : 0);
	}
}

static void cmd_hlen(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	uint64_t count = 0;
	bool found;
	enum status st = ST_OK;

	if (!hash_lookup(ctx, &key, &m, &found)) {
		return;
	}
	if (found) {
		st = named_count_visible(ctx->engine, &key, &m, &count);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	resp_int(ctx->reply, (int64_t)count);
}

static void cmd_hmget(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	struct slice value;
	bool found;

	if (!hash_lookup(ctx, &key, &m, &found)) {
		return;
	}
	resp_array(ctx->reply, ctx->argc - 2);
	for (size_t i = 2; i < ctx->argc; i++) {
		enum status st = ST_NOT_FOUND;

		if (found) {
			st = type_hash_get(ctx->engine, &key, &m, ctx->argv[i], &value);
		}
		if (st == ST_OK) {
			resp_bulk(ctx->reply, value);
		} else if (st == ST_NOT_FOUND) {
			resp_null(ctx->reply);
		} else {
			command_reply_status(ctx, st);
			return;
		}
	}
}

/* --- writes --- */

static void set_pairs(struct command_ctx *ctx, bool reply_ok)
{
	struct store_key key;
	struct meta m;
	struct hash_limits limits = hash_limits_of(ctx);
	uint64_t added;
	bool found;
	enum status st;

	if (ctx->argc % 2 != 0) {
		resp_error(ctx->reply, "ERR wrong number of arguments for '%s' command",
			   ctx->cmd->name);
		return;
	}
	if (!hash_lookup(ctx, &key, &m, &found)) {
		return;
	}
	st = type_hash_set(ctx->engine, &key, found ? &m : NULL, ctx->argv + 2, ctx->argc / 2 - 1,
			   &limits, &added);
	command_event(ctx, EVENT_HASH, "hset", key.name);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	} else if (reply_ok) {
		resp_ok(ctx->reply);
	} else {
		resp_int(ctx->reply, (int64_t)added);
	}
}

static void cmd_hset(struct command_ctx *ctx)
{
	set_pairs(ctx, false);
}

static void cmd_hmset(struct command_ctx *ctx)
{
	set_pairs(ctx, true);
}

static void cmd_hsetnx(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	struct hash_limits limits = hash_limits_of(ctx);
	struct slice value;
	uint64_t added;
	bool have_key, found;
	enum status st;

	if (!lookup_field(ctx, &key, &m, &value, &have_key, &found)) {
		return;
	}
	if (found) {
		resp_int(ctx->reply, 0);
		return;
	}
	st = type_hash_set(ctx->engine, &key, have_key ? &m : NULL, ctx->argv + 2, 1, &limits,
			   &added);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	command_event(ctx, EVENT_HASH, "hset", key.name);
	resp_int(ctx->reply, 1);
}

static void cmd_hdel(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	uint64_t removed = 0;
	bool found;
	enum status st = ST_OK;

	if (!hash_lookup(ctx, &key, &m, &found)) {
		return;
	}
	if (found) {
		st = type_hash_del(ctx->engine, &key, &m, ctx->argv + 2, ctx->argc - 2, &removed);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	if (removed > 0) {
		command_event(ctx, EVENT_HASH, "hdel", key.name);
		command_event_gone(ctx, key.name);
	}
	resp_int(ctx->reply, (int64_t)removed);
}

/* Stores the new number of argv[2]. false: an error reply was sent. */
static bool store_number(struct command_ctx *ctx, const struct store_key *key,
			 const struct meta *old, struct slice text)
{
	struct hash_limits limits = hash_limits_of(ctx);
	struct slice pair[2] = {ctx->argv[2], text};
	uint64_t added;
	enum status st = type_hash_change(ctx->engine, key, old, pair, 1, &limits, &added);

	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
	return st == ST_OK;
}

static void cmd_hincrby(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	struct slice value;
	int64_t by, now = 0;
	bool have_key, have_field;
	char text[INT_TEXT_MAX];

	if (!command_arg_int(ctx, 3, &by, NULL) ||
	    !lookup_field(ctx, &key, &m, &value, &have_key, &have_field)) {
		return;
	}
	if (have_field && !parse_int(value, &now)) {
		resp_error(ctx->reply, "ERR hash value is not an integer");
		return;
	}
	if (__builtin_add_overflow(now, by, &now)) {
		resp_error(ctx->reply, "ERR increment or decrement would overflow");
		return;
	}
	(void)snprintf(text, sizeof text, "%lld", (long long)now);
	if (store_number(ctx, &key, have_key ? &m : NULL, slice_str(text))) {
		command_event(ctx, EVENT_HASH, "hincrby", key.name);
		resp_int(ctx->reply, now);
	}
}

static void cmd_hincrbyfloat(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	struct slice value;
	long double by, now = 0;
	bool have_key, have_field;
	char text[FLOAT_TEXT_CAP];

	if (!command_arg_long_float(ctx, 3, &by, NULL)) {
		return;
	}
	if (isnan(by) || isinf(by)) {
		resp_error(ctx->reply, "ERR value is NaN or Infinity");
		return;
	}
	if (!lookup_field(ctx, &key, &m, &value, &have_key, &have_field)) {
		return;
	}
	if (have_field && !parse_long_float(value, &now)) {
		resp_error(ctx->reply, "ERR hash value is not a float");
		return;
	}
	now += by;
	if (isnan(now) || isinf(now)) {
		resp_error(ctx->reply, "ERR increment would produce NaN or Infinity");
		return;
	}
	value = slice_of(text, float_text(now, text));
	if (store_number(ctx, &key, have_key ? &m : NULL, value)) {
		command_event(ctx, EVENT_HASH, "hincrbyfloat", key.name);
		resp_bulk(ctx->reply, value);
	}
}

/* --- all fields --- */

enum { SHOW_FIELDS = 1, SHOW_VALUES = 2 };

/* Writes all of a hash; the header has been written for count fields. */
static void reply_all(struct command_ctx *ctx, const struct store_key *key, const struct meta *m,
		      uint64_t count, unsigned show)
{
	struct named_iter it;
	struct slice field, value;
	uint64_t order, seen = 0;
	enum status st = named_iter_open(ctx->engine, key, m, 0, &it);

	while (st == ST_OK) {
		st = named_iter_next(&it, &order, &field, &value);
		if (st == ST_OK) {
			seen++;
			if ((show & SHOW_FIELDS) != 0) {
				resp_bulk(ctx->reply, field);
			}
			if ((show & SHOW_VALUES) != 0) {
				resp_bulk(ctx->reply, value);
			}
		}
	}
	named_iter_close(&it);
	if (st != ST_END || seen != count) {
		command_reply_status(ctx, st == ST_END ? ST_CORRUPT : st);
	}
}

static void get_all(struct command_ctx *ctx, unsigned show)
{
	struct store_key key;
	struct meta m;
	uint64_t count = 0;
	bool found;
	enum status st = ST_OK;

	if (!hash_lookup(ctx, &key, &m, &found)) {
		return;
	}
	if (found) {
		st = named_count_visible(ctx->engine, &key, &m, &count);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	if (show == (SHOW_FIELDS | SHOW_VALUES)) {
		resp_map(ctx->reply, (size_t)count);
	} else {
		resp_array(ctx->reply, (size_t)count);
	}
	if (found) {
		reply_all(ctx, &key, &m, count, show);
	}
}

static void cmd_hgetall(struct command_ctx *ctx)
{
	get_all(ctx, SHOW_FIELDS | SHOW_VALUES);
}

static void cmd_hkeys(struct command_ctx *ctx)
{
	get_all(ctx, SHOW_FIELDS);
}

static void cmd_hvals(struct command_ctx *ctx)
{
	get_all(ctx, SHOW_VALUES);
}

/* --- the table --- */

enum {
	READ_ONE = CMD_READONLY | CMD_FAST | CMD_TOUCH_ARGS,
	READ_ALL = CMD_READONLY | CMD_TOUCH_RANGE,
	WRITE_ONE = CMD_WRITE | CMD_DENYOOM | CMD_FAST | CMD_TOUCH_ARGS,
};

const struct command commands_hash[] = {
    {"hdel", -3, CMD_WRITE | CMD_FAST | CMD_TOUCH_ARGS, KEYS(1, 1, 1), cmd_hdel, NULL},
    {"hexists", 3, READ_ONE, KEYS(1, 1, 1), cmd_hexists, NULL},
    {"hexpire", -6, WRITE_ONE, KEYS(1, 1, 1), cmd_hexpire, NULL},
    {"hexpireat", -6, WRITE_ONE, KEYS(1, 1, 1), cmd_hexpireat, NULL},
    {"hexpiretime", -5, READ_ONE, KEYS(1, 1, 1), cmd_hexpiretime, NULL},
    {"hget", 3, READ_ONE, KEYS(1, 1, 1), cmd_hget, NULL},
    {"hgetall", 2, READ_ALL, KEYS(1, 1, 1), cmd_hgetall, NULL},
    {"hgetdel", -5, CMD_WRITE | CMD_FAST | CMD_TOUCH_ARGS, KEYS(1, 1, 1), cmd_hgetdel, NULL},
    {"hgetex", -5, CMD_WRITE | CMD_FAST | CMD_TOUCH_ARGS, KEYS(1, 1, 1), cmd_hgetex, NULL},
    {"hincrby", 4, WRITE_ONE, KEYS(1, 1, 1), cmd_hincrby, NULL},
    {"hincrbyfloat", 4, WRITE_ONE, KEYS(1, 1, 1), cmd_hincrbyfloat, NULL},
    {"hkeys", 2, READ_ALL, KEYS(1, 1, 1), cmd_hkeys, NULL},
    {"hlen", 2, CMD_READONLY | CMD_FAST, KEYS(1, 1, 1), cmd_hlen, NULL},
    {"hmget", -3, READ_ONE, KEYS(1, 1, 1), cmd_hmget, NULL},
    {"hmset", -4, WRITE_ONE, KEYS(1, 1, 1), cmd_hmset, NULL},
    {"hpersist", -5, CMD_WRITE | CMD_FAST | CMD_TOUCH_ARGS, KEYS(1, 1, 1), cmd_hpersist, NULL},
    {"hpexpire", -6, WRITE_ONE, KEYS(1, 1, 1), cmd_hpexpire, NULL},
    {"hpexpireat", -6, WRITE_ONE, KEYS(1, 1, 1), cmd_hpexpireat, NULL},
    {"hpexpiretime", -5, READ_ONE, KEYS(1, 1, 1), cmd_hpexpiretime, NULL},
    {"hpttl", -5, READ_ONE, KEYS(1, 1, 1), cmd_hpttl, NULL},
    {"hrandfield", -2, READ_ALL, KEYS(1, 1, 1), cmd_hrandfield, NULL},
    {"hscan", -3, CMD_READONLY, KEYS(1, 1, 1), cmd_hscan, NULL},
    {"hset", -4, WRITE_ONE, KEYS(1, 1, 1), cmd_hset, NULL},
    {"hsetex", -6, WRITE_ONE, KEYS(1, 1, 1), cmd_hsetex, NULL},
    {"hsetnx", 4, WRITE_ONE, KEYS(1, 1, 1), cmd_hsetnx, NULL},
    {"hstrlen", 3, READ_ONE, KEYS(1, 1, 1), cmd_hstrlen, NULL},
    {"httl", -5, READ_ONE, KEYS(1, 1, 1), cmd_httl, NULL},
    {"hvals", 2, READ_ALL, KEYS(1, 1, 1), cmd_hvals, NULL},
    {NULL, 0, 0, NO_KEYS, NULL, NULL},
};
