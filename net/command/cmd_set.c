/* The set commands: arguments and replies. What a set is in storage: engine/types/type_set.h. */
#include "net/command/cmd_set.h"

#include "net/command/cmd_named.h"
#include "net/command/command_host.h"
#include "net/command/notify.h"

struct set_limits set_limits_of(const struct command_ctx *ctx)
{
	return (struct set_limits){.intset_entries = ctx->host->set_max_intset_entries,
				   .entries = ctx->host->set_max_listpack_entries,
				   .value = ctx->host->set_max_listpack_value};
}

/* Looks up the set of argv[1]. false: an error reply was sent. */
static bool lookup(struct command_ctx *ctx, struct store_key *key, struct meta *m, bool *found)
{
	enum status st = command_lookup(ctx, 1, TYPE_SET, key, m);

	*found = st == ST_OK;
	return st == ST_OK || st == ST_NOT_FOUND;
}

/* Sends a number, or the error. */
static void reply_count(struct command_ctx *ctx, enum status st, uint64_t count)
{
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	resp_int(ctx->reply, (int64_t)count);
}

/* --- members by name --- */

static void cmd_sadd(struct command_ctx *ctx)
{
	struct set_limits limits = set_limits_of(ctx);
	struct store_key key;
	struct meta m;
	uint64_t added = 0;
	bool found;
	enum status st;

	if (!lookup(ctx, &key, &m, &found)) {
		return;
	}
	st = type_set_add(ctx->engine, &key, found ? &m : NULL, ctx->argv + 2, ctx->argc - 2,
			  &limits, &added);
	if (added > 0) {
		command_event(ctx, EVENT_SET, "sadd", key.name);
	}
	reply_count(ctx, st, added);
}

static void cmd_srem(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	uint64_t removed = 0;
	bool found;
	enum status st = ST_OK;

	if (!lookup(ctx, &key, &m, &found)) {
		return;
	}
	if (found) {
		st = named_del(ctx->engine, &key, &m, ctx->argv + 2, ctx->argc - 2, &removed);
	}
	if (removed > 0) {
		command_event(ctx, EVENT_SET, "srem", key.name);
		command_event_gone(ctx, key.name);
	}
	reply_count(ctx, st, removed);
}

static void cmd_scard(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	uint64_t count = 0;
	bool found;
	enum status st = ST_OK;

	if (!lookup(ctx, &key, &m, &found)) {
		return;
	}
	if (found) {
		st = named_count(&m, &count);
	}
	reply_count(ctx, st, count);
}

/* Replies whether each of the arguments from argv[2] on is a member. */
static void reply_membership(struct command_ctx *ctx, const struct store_key *key,
			     const struct meta *m, bool found)
{
	struct slice value;

	for (size_t i = 2; i < ctx->argc; i++) {
		enum status st = ST_NOT_FOUND;

		if (found) {
			st = named_get(ctx->engine, key, m, ctx->argv[i], &value);
		}
		if (st != ST_OK && st != ST_NOT_FOUND) {
			command_reply_status(ctx, st);
			return;
		}
		resp_int(ctx->reply, st == ST_OK);
	}
}

static void cmd_sismember(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	bool found;

	if (lookup(ctx, &key, &m, &found)) {
		reply_membership(ctx, &key, &m, found);
	}
}

static void cmd_smismember(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	bool found;

	if (lookup(ctx, &key, &m, &found)) {
		resp_array(ctx->reply, ctx->argc - 2);
		reply_membership(ctx, &key, &m, found);
	}
}

/* Puts a member that was taken out of another set. The destination is looked up anew, since a write
 * came between. */
static enum status add_moved(struct command_ctx *ctx, const struct store_key *to)
{
	struct set_limits limits = set_limits_of(ctx);
	struct meta m;
	uint64_t added = 0;
	enum status st = ks_lookup(ctx->engine, to, &m);

	if (st != ST_OK && st != ST_NOT_FOUND) {
		return st;
	}
	st = type_set_add(ctx->engine, to, st == ST_OK ? &m : NULL, &ctx->argv[3], 1, &limits,
			  &added);
	if (added > 0) {
		command_event(ctx, EVENT_SET, "sadd", to->name);
	}
	return st;
}

static void cmd_smove(struct command_ctx *ctx)
{
	struct store_key from, to;
	struct meta from_meta, to_meta;
	struct slice value;
	uint64_t removed = 0;
	bool found;
	enum status st;

	if (!lookup(ctx, &from, &from_meta, &found)) {
		return;
	}
	if (!found) {
		resp_int(ctx->reply, 0);
		return;
	}
	st = command_lookup(ctx, 2, TYPE_SET, &to, &to_meta);
	if (st != ST_OK && st != ST_NOT_FOUND) {
		return;
	}
	if (slice_eq(ctx->argv[1], ctx->argv[2])) {
		st = named_get(ctx->engine, &from, &from_meta, ctx->argv[3], &value);
		removed = st == ST_OK;
		reply_count(ctx, st == ST_NOT_FOUND ? ST_OK : st, removed);
		return;
	}
	st = named_del(ctx->engine, &from, &from_meta, &ctx->argv[3], 1, &removed);
	if (st == ST_OK && removed > 0) {
		command_event(ctx, EVENT_SET, "srem", from.name);
		command_event_gone(ctx, from.name);
		st = add_moved(ctx, &to);
	}
	reply_count(ctx, st, removed);
}

/* --- all members, and any --- */

static void cmd_smembers(struct command_ctx *ctx)
{
	struct type_set_walk w;
	struct store_key key;
	struct meta m;
	struct slice member;
	size_t mark;
	uint64_t count = 0;
	bool found;
	enum status st;

	if (!lookup(ctx, &key, &m, &found)) {
		return;
	}
	if (!found) {
		resp_set(ctx->reply, 0);
		return;
	}
	mark = resp_deferred_begin(ctx->reply);
	st = type_set_walk_open(ctx->engine, &key, &m, &w);
	while (st == ST_OK) {
		st = type_set_walk_next(&w, &member);
		if (st == ST_OK) {
			resp_bulk(ctx->reply, member);
			count++;
		}
	}
	type_set_walk_close(&w);
	if (st != ST_END) {
		command_reply_status(ctx, st);
		return;
	}
	resp_deferred_end(ctx->reply, mark, '~', (size_t)count);
}

static void reply_member(void *arg, struct slice member)
{
	const struct command_ctx *ctx = arg;

	resp_bulk(ctx->reply, member);
}

static void cmd_spop(struct command_ctx *ctx)
{
	struct set_limits limits = set_limits_of(ctx);
	struct store_key key;
	struct meta m;
	uint64_t total = 0;
	int64_t want = 1;
	bool found;
	enum status st = ST_OK;

	if (ctx->argc > 3) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	if (ctx->argc == 3 && !command_arg_not_negative(
				  ctx, 2, &want, "ERR value is out of range, must be positive")) {
		return;
	}
	if (!lookup(ctx, &key, &m, &found)) {
		return;
	}
	if (found) {
		st = named_count(&m, &total);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	if (ctx->argc == 2 && !found) {
		resp_null(ctx->reply);
		return;
	}
	if (ctx->argc == 3 && total > 0 && (uint64_t)want >= total) {
		ctx->host->stats.keyspace_hits++; /* Redis looks up once more what goes whole */
	}
	total = (uint64_t)want < total ? (uint64_t)want : total;
	if (ctx->argc == 3) {
		resp_set(ctx->reply, (size_t)total);
	}
	if (total > 0) {
		st = type_set_pop(ctx->engine, &key, &m, total, command_rng(ctx), &limits,
				  reply_member, ctx);
		command_event(ctx, EVENT_SET, "spop", key.name);
		command_event_gone(ctx, key.name);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

/* --- the table --- */

enum {
	READ_ONE = CMD_READONLY | CMD_FAST | CMD_TOUCH_ARGS,
	READ_ALL = CMD_READONLY | CMD_TOUCH_RANGE,
	STORE = CMD_WRITE | CMD_DENYOOM | CMD_TOUCH_RANGE,
};

const struct command commands_set[] = {
    {"sadd", -3, CMD_WRITE | CMD_DENYOOM | CMD_FAST | CMD_TOUCH_ARGS, KEYS(1, 1, 1), cmd_sadd,
     NULL},
    {"scard", 2, CMD_READONLY | CMD_FAST, KEYS(1, 1, 1), cmd_scard, NULL},
    {"sdiff", -2, READ_ALL, KEYS(1, -1, 1), cmd_sdiff, NULL},
    {"sdiffstore", -3, STORE, KEYS(1, -1, 1), cmd_sdiffstore, NULL},
    {"sinter", -2, READ_ALL, KEYS(1, -1, 1), cmd_sinter, NULL},
    {"sintercard", -3, READ_ALL | CMD_MOVABLE_KEYS, NO_KEYS, cmd_sintercard, NULL},
    {"sinterstore", -3, STORE, KEYS(1, -1, 1), cmd_sinterstore, NULL},
    {"sismember", 3, READ_ONE, KEYS(1, 1, 1), cmd_sismember, NULL},
    {"smembers", 2, READ_ALL, KEYS(1, 1, 1), cmd_smembers, NULL},
    {"smismember", -3, READ_ONE, KEYS(1, 1, 1), cmd_smismember, NULL},
    {"smove", 4, CMD_WRITE | CMD_FAST | CMD_TOUCH_ARGS, KEYS(1, 2, 1), cmd_smove, NULL},
    {"spop", -2, CMD_WRITE | CMD_FAST, KEYS(1, 1, 1), cmd_spop, NULL},
    {"srandmember", -2, READ_ALL, KEYS(1, 1, 1), cmd_srandmember, NULL},
    {"srem", -3, CMD_WRITE | CMD_FAST | CMD_TOUCH_ARGS, KEYS(1, 1, 1), cmd_srem, NULL},
    {"sscan", -3, CMD_READONLY, KEYS(1, 1, 1), cmd_sscan, NULL},
    {"sunion", -2, READ_ALL, KEYS(1, -1, 1), cmd_sunion, NULL},
    {"sunionstore", -3, STORE, KEYS(1, -1, 1), cmd_sunionstore, NULL},
    {NULL, 0, 0, NO_KEYS, NULL, NULL},
};
