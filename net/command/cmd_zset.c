/* Sorted set commands about single members, and the table of all. What a sorted set is in storage:
 * engine/types/type_zset.h. */
#include "net/command/cmd_zset.h"

#include "engine/base/alloc.h"
#include "net/command/command_host.h"
#include "net/command/notify.h"

#include <math.h>

struct zset_limits zset_limits_of(const struct command_ctx *ctx)
{
	return (struct zset_limits){.entries = ctx->host->zset_max_listpack_entries,
				    .value = ctx->host->zset_max_listpack_value};
}

bool zset_lookup(struct command_ctx *ctx, size_t arg, struct store_key *key, struct meta *m,
		 uint64_t *count)
{
	enum status st = command_lookup(ctx, arg, TYPE_ZSET, key, m);

	*count = 0;
	if (st == ST_NOT_FOUND) {
		return true;
	}
	if (st != ST_OK) {
		return false;
	}
	st = type_zset_count(m, count);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
	return st == ST_OK;
}

bool zset_arg_positive(struct command_ctx *ctx, size_t arg, int64_t *out)
{
	static const char error[] = "ERR value is out of range, must be positive";

	if (!command_arg_int(ctx, arg, out, error)) {
		return false;
	}
	if (*out < 0) {
		resp_error(ctx->reply, "%s", error);
		return false;
	}
	return true;
}

void zset_reply_element(struct command_ctx *ctx, const struct zset_element *element,
			bool with_score, bool nested)
{
	if (with_score && nested) {
		resp_array(ctx->reply, 2);
	}
	resp_bulk(ctx->reply, element->member);
	if (with_score) {
		resp_double(ctx->reply, element->score);
	}
}

enum status zset_reply_ranks(struct command_ctx *ctx, const struct store_key *key,
			     const struct meta *m, uint64_t rank, uint64_t n, bool reverse,
			     bool with_scores, bool nested)
{
	struct type_zset_iter it;
	struct zset_element element;
	enum status st =
	    n > 0 ? type_zset_iter_open(ctx->engine, key, m, rank, reverse, &it) : ST_OK;

	for (; st == ST_OK && n > 0; n--) {
		st = type_zset_iter_next(&it, &element);
		if (st == ST_OK) {
			zset_reply_element(ctx, &element, with_scores, nested);
		}
	}
	return st == ST_END ? ST_CORRUPT : st;
}

void zset_store_gathered(struct command_ctx *ctx, size_t arg, struct zset_gather *g)
{
	struct zset_limits limits = zset_limits_of(ctx);
	struct zset_element *elements;
	struct store_key key;
	enum status st = zset_gather_sort(g, &elements);

	store_key_of_key(&key, ctx->argv[arg]);
	if (st == ST_OK && g->count == 0) {
		st = command_remove(ctx, &key);
	} else if (st == ST_OK) {
		st = type_zset_store(ctx->engine, &key, elements, g->count, &limits, 0);
		command_event(ctx, EVENT_ZSET,
			      strncmp(ctx->cmd->name, "georadius", 9) == 0 ? "georadiusstore"
									   : ctx->cmd->name,
			      key.name);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	resp_int(ctx->reply, (int64_t)g->count);
}

/* --- ZADD --- */

enum {
	ZADD_NX = 1,
	ZADD_XX = 2,
	ZADD_GT = 4,
	ZADD_LT = 8,
	ZADD_CH = 16,
	ZADD_INCR = 32,
	SCORES_ON_STACK = 32,
};

/* Reads the options; *first is the first score's argument then. */
static unsigned zadd_options(const struct command_ctx *ctx, size_t *first)
{
	static const struct {
		const char *word;
		unsigned flag;
	} words[] = {{"nx", ZADD_NX}, {"xx", ZADD_XX}, {"gt", ZADD_GT},
		     {"lt", ZADD_LT}, {"ch", ZADD_CH}, {"incr", ZADD_INCR}};
	unsigned flags = 0;

	for (*first = 2; *first < ctx->argc; *first += 1) {
		size_t i = 0;

		while (i < sizeof words / sizeof words[0] &&
		       !command_arg_is(ctx, *first, words[i].word)) {
			i++;
		}
		if (i == sizeof words / sizeof words[0]) {
			break;
		}
		flags |= words[i].flag;
	}
	return flags;
}

/* False: the error reply was sent. */
static bool zadd_check(struct command_ctx *ctx, unsigned flags, size_t first)
{
	size_t left = ctx->argc - first;
	bool nx = (flags & ZADD_NX) != 0, gt = (flags & ZADD_GT) != 0, lt = (flags & ZADD_LT) != 0;

	if (left % 2 != 0 || left == 0) {
		resp_error(ctx->reply, ERR_SYNTAX);
	} else if (nx && (flags & ZADD_XX) != 0) {
		resp_error(ctx->reply, "ERR XX and NX options at the same time are not compatible");
	} else if ((gt && nx) || (lt && nx) || (gt && lt)) {
		resp_error(ctx->reply, "ERR GT, LT, and/or NX options at the same time are not "
				       "compatible");
	} else if ((flags & ZADD_INCR) != 0 && left > 2) {
		resp_error(ctx->reply, "ERR INCR option supports a single increment-element pair");
	} else {
		return true;
	}
	return false;
}

/* What became of one pair. */
struct zadd_result {
	int64_t added, updated;
	bool processed; /* of the last one: not held back by an option */
	double score;
};

/* ST_INVALID: the sum is no number. */
static enum status zadd_one(struct zset_edit *ed, unsigned flags, double score, struct slice member,
			    struct zadd_result *r)
{
	double now;
	enum status st = zset_edit_get(ed, member, &now);

	r->processed = false;
	r->score = score;
	if (st == ST_NOT_FOUND) {
		if ((flags & ZADD_XX) != 0) {
			return ST_OK;
		}
		r->processed = true;
		r->added++;
		return zset_edit_set(ed, member, NULL, score);
	}
	if (st != ST_OK || (flags & ZADD_NX) != 0) {
		return st;
	}
	if ((flags & ZADD_INCR) != 0) {
		score += now;
		if (isnan(score)) {
			return ST_INVALID;
		}
	}
	if (((flags & ZADD_LT) != 0 && score >= now) || ((flags & ZADD_GT) != 0 && score <= now)) {
		return ST_OK;
	}
	r->processed = true;
	r->score = score;
	r->updated += score != now;
	return zset_edit_set(ed, member, &now, score);
}

static void zadd_reply(struct command_ctx *ctx, unsigned flags, const struct zadd_result *r)
{
	if ((flags & ZADD_INCR) == 0) {
		resp_int(ctx->reply, (flags & ZADD_CH) != 0 ? r->added + r->updated : r->added);
	} else if (r->processed) {
		resp_double(ctx->reply, r->score);
	} else {
		resp_null(ctx->reply);
	}
}

static void zadd_pairs(struct command_ctx *ctx, unsigned flags, size_t first, const double *scores)
{
	struct zset_limits limits = zset_limits_of(ctx);
	struct zadd_result r = {.added = 0};
	struct zset_edit ed;
	struct store_key key;
	struct meta m;
	uint64_t count;
	enum status st;

	if (!zset_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	if (count == 0 && (flags & ZADD_XX) != 0) {
		zadd_reply(ctx, flags, &r);
		return;
	}
	st = zset_edit_begin(&ed, ctx->engine, &key, count > 0 ? &m : NULL, &limits);
	for (size_t i = first; st == ST_OK && i < ctx->argc; i += 2) {
		st = zadd_one(&ed, flags, scores[(i - first) / 2], ctx->argv[i + 1], &r);
	}
	if (st == ST_INVALID) {
		resp_error(ctx->reply, "ERR resulting score is not a number (NaN)");
		return;
	}
	if (st == ST_OK) {
		st = zset_edit_end(&ed);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	if (r.added + r.updated > 0) {
		command_event(ctx, EVENT_ZSET, (flags & ZADD_INCR) != 0 ? "zincr" : "zadd",
			      key.name);
	}
	zadd_reply(ctx, flags, &r);
}

static void zadd(struct command_ctx *ctx, unsigned flags)
{
	double few[SCORES_ON_STACK], *scores = few;
	size_t first, pairs;

	flags |= zadd_options(ctx, &first);
	if (!zadd_check(ctx, flags, first)) {
		return;
	}
	pairs = (ctx->argc - first) / 2;
	if (pairs > SCORES_ON_STACK) {
		scores = mem_calloc(pairs, sizeof *scores);
		if (scores == NULL) {
			command_reply_status(ctx, ST_NO_MEMORY);
			return;
		}
	}
	/* All are looked at before the first one is written. */
	for (size_t i = 0; i < pairs; i++) {
		if (!command_arg_float(ctx, first + 2 * i, &scores[i], NULL)) {
			pairs = 0;
		}
	}
	if (pairs > 0) {
		zadd_pairs(ctx, flags, first, scores);
	}
	if (scores != few) {
		mem_free(scores);
	}
}

void cmd_zadd(struct command_ctx *ctx)
{
	zadd(ctx, 0);
}

static void cmd_zincrby(struct command_ctx *ctx)
{
	zadd(ctx, ZADD_INCR);
}

/* --- other single members --- */

static void cmd_zrem(struct command_ctx *ctx)
{
	struct zset_limits limits = zset_limits_of(ctx);
	struct zset_edit ed;
	struct store_key key;
	struct meta m;
	uint64_t count;
	enum status st;

	if (!zset_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	if (count == 0) {
		resp_int(ctx->reply, 0);
		return;
	}
	st = zset_edit_begin(&ed, ctx->engine, &key, &m, &limits);
	for (size_t i = 2; st == ST_OK && i < ctx->argc && ed.removed < count; i++) {
		st = zset_edit_del(&ed, ctx->argv[i]);
		st = st == ST_NOT_FOUND ? ST_OK : st;
	}
	if (st == ST_OK) {
		st = zset_edit_end(&ed);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	if (ed.removed > 0) {
		command_event(ctx, EVENT_ZSET, "zrem", key.name);
		command_event_gone(ctx, key.name);
	}
	resp_int(ctx->reply, (int64_t)ed.removed);
}

static void cmd_zcard(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	uint64_t count;

	if (zset_lookup(ctx, 1, &key, &m, &count)) {
		resp_int(ctx->reply, (int64_t)count);
	}
}

/* The score of argv[arg], or nil. False: an error reply was sent. */
static bool reply_score(struct command_ctx *ctx, const struct store_key *key, const struct meta *m,
			size_t arg)
{
	double score;
	enum status st =
	    m == NULL ? ST_NOT_FOUND : type_zset_score(ctx->engine, key, m, ctx->argv[arg], &score);

	if (st == ST_OK) {
		resp_double(ctx->reply, score);
	} else if (st == ST_NOT_FOUND) {
		resp_null(ctx->reply);
	} else {
		command_reply_status(ctx, st);
		return false;
	}
	return true;
}

static void cmd_zscore(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	uint64_t count;

	if (zset_lookup(ctx, 1, &key, &m, &count)) {
		(void)reply_score(ctx, &key, count > 0 ? &m : NULL, 2);
	}
}

static void cmd_zmscore(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	uint64_t count;

	if (!zset_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	resp_array(ctx->reply, ctx->argc - 2);
	for (size_t i = 2; i < ctx->argc; i++) {
		if (!reply_score(ctx, &key, count > 0 ? &m : NULL, i)) {
			return;
		}
	}
}

static void rank(struct command_ctx *ctx, bool reverse)
{
	struct store_key key;
	struct meta m;
	bool with_score = ctx->argc > 3;
	uint64_t count, n;
	double score;
	enum status st = ST_NOT_FOUND;

	if (ctx->argc > 4) {
		resp_error(ctx->reply, "ERR wrong number of arguments for '%s' command",
			   ctx->cmd->name);
		return;
	}
	if (with_score && !command_arg_is(ctx, 3, "withscore")) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	if (!zset_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	if (count > 0) {
		st = type_zset_rank(ctx->engine, &key, &m, ctx->argv[2], &n, &score);
	}
	if (st == ST_OK) {
		if (with_score) {
			resp_array(ctx->reply, 2);
		}
		resp_int(ctx->reply, (int64_t)(reverse ? count - 1 - n : n));
		if (with_score) {
			resp_double(ctx->reply, score);
		}
	} else if (st != ST_NOT_FOUND) {
		command_reply_status(ctx, st);
	} else if (with_score) {
		resp_null_array(ctx->reply);
	} else {
		resp_null(ctx->reply);
	}
}

static void cmd_zrank(struct command_ctx *ctx)
{
	rank(ctx, false);
}

static void cmd_zrevrank(struct command_ctx *ctx)
{
	rank(ctx, true);
}

/* --- the table --- */

enum {
	READ_ONE = CMD_READONLY | CMD_FAST | CMD_TOUCH_ARGS,
	READ_RANGE = CMD_READONLY,
	WRITE_ONE = CMD_WRITE | CMD_DENYOOM | CMD_FAST | CMD_TOUCH_ARGS,
	READ_SETS = CMD_READONLY | CMD_MOVABLE_KEYS | CMD_TOUCH_RANGE,
	STORE = CMD_WRITE | CMD_DENYOOM | CMD_MOVABLE_KEYS | CMD_TOUCH_RANGE,
	BLOCK = CMD_WRITE | CMD_NOSCRIPT | CMD_BLOCKING,
};

const struct command commands_zset[] = {
    {"bzmpop", -5, CMD_WRITE | CMD_BLOCKING | CMD_MOVABLE_KEYS, NO_KEYS, cmd_bzmpop, NULL},
    {"bzpopmax", -3, BLOCK | CMD_FAST, KEYS(1, -2, 1), cmd_bzpopmax, NULL},
    {"bzpopmin", -3, BLOCK | CMD_FAST, KEYS(1, -2, 1), cmd_bzpopmin, NULL},
    {"zadd", -4, WRITE_ONE | CMD_ORDER, KEYS(1, 1, 1), cmd_zadd, NULL},
    {"zcard", 2, CMD_READONLY | CMD_FAST, KEYS(1, 1, 1), cmd_zcard, NULL},
    {"zcount", 4, CMD_READONLY | CMD_FAST, KEYS(1, 1, 1), cmd_zcount, NULL},
    {"zdiff", -3, READ_SETS, NO_KEYS, cmd_zdiff, NULL},
    {"zdiffstore", -4, STORE, KEYS(1, 1, 1), cmd_zdiffstore, NULL},
    {"zincrby", 4, WRITE_ONE | CMD_ORDER, KEYS(1, 1, 1), cmd_zincrby, NULL},
    {"zinter", -3, READ_SETS, NO_KEYS, cmd_zinter, NULL},
    {"zintercard", -3, READ_SETS, NO_KEYS, cmd_zintercard, NULL},
    {"zinterstore", -4, STORE, KEYS(1, 1, 1), cmd_zinterstore, NULL},
    {"zlexcount", 4, CMD_READONLY | CMD_FAST, KEYS(1, 1, 1), cmd_zlexcount, NULL},
    {"zmpop", -4, CMD_WRITE | CMD_MOVABLE_KEYS, NO_KEYS, cmd_zmpop, NULL},
    {"zmscore", -3, READ_ONE, KEYS(1, 1, 1), cmd_zmscore, NULL},
    {"zpopmax", -2, CMD_WRITE | CMD_FAST, KEYS(1, 1, 1), cmd_zpopmax, NULL},
    {"zpopmin", -2, CMD_WRITE | CMD_FAST, KEYS(1, 1, 1), cmd_zpopmin, NULL},
    {"zrandmember", -2, CMD_READONLY, KEYS(1, 1, 1), cmd_zrandmember, NULL},
    {"zrange", -4, READ_RANGE, KEYS(1, 1, 1), cmd_zrange, NULL},
    {"zrangebylex", -4, READ_RANGE, KEYS(1, 1, 1), cmd_zrangebylex, NULL},
    {"zrangebyscore", -4, READ_RANGE, KEYS(1, 1, 1), cmd_zrangebyscore, NULL},
    {"zrangestore", -5, CMD_WRITE | CMD_DENYOOM, KEYS(1, 2, 1), cmd_zrangestore, NULL},
    {"zrank", -3, READ_ONE | CMD_ORDER, KEYS(1, 1, 1), cmd_zrank, NULL},
    {"zrem", -3, CMD_WRITE | CMD_FAST | CMD_TOUCH_ARGS | CMD_ORDER, KEYS(1, 1, 1), cmd_zrem, NULL},
    {"zremrangebylex", 4, CMD_WRITE, KEYS(1, 1, 1), cmd_zremrangebylex, NULL},
    {"zremrangebyrank", 4, CMD_WRITE, KEYS(1, 1, 1), cmd_zremrangebyrank, NULL},
    {"zremrangebyscore", 4, CMD_WRITE, KEYS(1, 1, 1), cmd_zremrangebyscore, NULL},
    {"zrevrange", -4, READ_RANGE, KEYS(1, 1, 1), cmd_zrevrange, NULL},
    {"zrevrangebylex", -4, READ_RANGE, KEYS(1, 1, 1), cmd_zrevrangebylex, NULL},
    {"zrevrangebyscore", -4, READ_RANGE, KEYS(1, 1, 1), cmd_zrevrangebyscore, NULL},
    {"zrevrank", -3, READ_ONE | CMD_ORDER, KEYS(1, 1, 1), cmd_zrevrank, NULL},
    {"zscan", -3, CMD_READONLY, KEYS(1, 1, 1), cmd_zscan, NULL},
    {"zscore", 3, READ_ONE, KEYS(1, 1, 1), cmd_zscore, NULL},
    {"zunion", -3, READ_SETS, NO_KEYS, cmd_zunion, NULL},
    {"zunionstore", -4, STORE, KEYS(1, 1, 1), cmd_zunionstore, NULL},
    {.name = NULL},
};
