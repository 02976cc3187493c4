/* Sorted set commands about ranges, by rank, score or member: each is two places in the order, and
 * what lies between them is given, counted, stored or removed. */
#include "net/command/cmd_zset.h"
#include "net/command/notify.h"

enum range_type { RANGE_AUTO, RANGE_RANK, RANGE_SCORE, RANGE_LEX };
enum direction { DIRECTION_AUTO, DIRECTION_UP, DIRECTION_DOWN };

/* A range as its arguments say. */
struct range {
	enum range_type type;
	int64_t start, end;	     /* RANGE_RANK */
	struct zset_bound low, high; /* the others: from low up to high */
};

/* --- arguments --- */

/* A score as ranges take it: '(' stands in front of an exclusive one. */
static bool parse_score(struct slice text, double *out, bool *exclusive)
{
	bool exact;

	*exclusive = text.len > 0 && text.data[0] == '(';
	return parse_float_loose(slice_skip(text, *exclusive), out, &exact);
}

/* One end of a range of members; upper: the greater one. */
static bool parse_member(struct slice text, bool upper, struct zset_bound *out)
{
	uint8_t c = text.len > 0 ? text.data[0] : 0;

	switch (c) {
	case '-':
	case '+':
		out->kind = c == '-' ? ZSET_BOUND_FIRST : ZSET_BOUND_LAST;
		return text.len == 1 || text.data[1] == 0;
	case '(':
	case '[':
		out->kind = ZSET_BOUND_MEMBER;
		out->member = slice_skip(text, 1);
		out->after = (c == '[') == upper;
		return true;
	default:
		return false;
	}
}

/* Reads the ends of a range from two arguments. False: the error reply was sent. */
static bool parse_range(struct command_ctx *ctx, enum range_type type, size_t low, size_t high,
			struct range *r)
{
	bool low_open, high_open;

	*r = (struct range){.type = type};
	switch (type) {
	case RANGE_SCORE:
		r->low.kind = r->high.kind = ZSET_BOUND_SCORE;
		if (!parse_score(ctx->argv[low], &r->low.score, &low_open) ||
		    !parse_score(ctx->argv[high], &r->high.score, &high_open)) {
			resp_error(ctx->reply, ERR_NOT_SCORE_RANGE);
			return false;
		}
		r->low.after = low_open;
		r->high.after = !high_open;
		return true;
	case RANGE_LEX:
		if (!parse_member(ctx->argv[low], false, &r->low) ||
		    !parse_member(ctx->argv[high], true, &r->high)) {
			resp_error(ctx->reply, ERR_NOT_LEX_RANGE);
			return false;
		}
		return true;
	default:
		return command_arg_int(ctx, low, &r->start, NULL) &&
		       command_arg_int(ctx, high, &r->end, NULL);
	}
}

/* --- from a range to ranks --- */

/* Whether the order by score may not be that of the members. */
static enum status scores_differ(struct command_ctx *ctx, const struct store_key *key,
				 const struct meta *m, uint64_t count, bool *out)
{
	struct type_zset_iter it;
	struct zset_element element;
	double first = 0;
	enum status st = type_zset_iter_open(ctx->engine, key, m, 0, false, &it);

	if (st == ST_OK) {
		st = type_zset_iter_next(&it, &element);
		first = element.score;
	}
	if (st == ST_OK) {
		st = type_zset_iter_open(ctx->engine, key, m, count - 1, false, &it);
	}
	if (st == ST_OK) {
		st = type_zset_iter_next(&it, &element);
		*out = element.score != first;
	}
	return st;
}

/* A range by member where scores differ is what Redis's walk over its small encoding meets: from
 * the first element that is not below the range (reverse: the last one not above it) on, up to the
 * first that is outside. Nothing, when the last element is below the range or the first above. */
static enum status walked_ranks(struct command_ctx *ctx, const struct store_key *key,
				const struct meta *m, uint64_t count, const struct range *r,
				bool reverse, uint64_t *from, uint64_t *to)
{
	struct type_zset_iter it;
	struct zset_element element;
	uint64_t run = 0; /* from here up to the current element none is below the range */
	bool begun = false, ended = false, empty = false;
	enum status st = type_zset_iter_open(ctx->engine, key, m, 0, false, &it);

	for (uint64_t i = 0; st == ST_OK && i < count; i++) {
		bool below, above;

		st = type_zset_iter_next(&it, &element);
		if (st != ST_OK) {
			break;
		}
		below = zset_bound_passes(&r->low, &element);
		above = !zset_bound_passes(&r->high, &element);
		empty |= (i == 0 && above) || (i == count - 1 && below);
		run = below ? i + 1 : run;
		if (reverse && !above) {
			*from = run;
			*to = i + 1;
		} else if (!reverse && !below && !begun) {
			begun = true;
			*from = *to = i;
		}
		if (!reverse && begun && !ended) {
			ended = above;
			*to = above ? i : i + 1;
		}
	}
	if (empty) {
		*to = *from;
	}
	return st == ST_END ? ST_CORRUPT : st;
}

/* Ranks from *from up to, not including, *to; reverse: start and end count from the end. */
static enum status range_ranks(struct command_ctx *ctx, const struct store_key *key,
			       const struct meta *m, uint64_t count, const struct range *r,
			       bool reverse, uint64_t *from, uint64_t *to)
{
	int64_t n = (int64_t)count, start = r->start, end = r->end;
	/* In its other encoding Redis's answer depends on chance when scores differ. */
	bool walked = r->type == RANGE_LEX && (m->flags & META_ENCODED) == 0;
	enum status st = ST_OK;

	*from = 0;
	*to = 0;
	if (walked && m->form == FORM_LARGE) {
		st = scores_differ(ctx, key, m, count, &walked);
	}
	if (st != ST_OK || walked) {
		return st == ST_OK ? walked_ranks(ctx, key, m, count, r, reverse, from, to) : st;
	}
	if (r->type != RANGE_RANK) {
		st = type_zset_position(ctx->engine, key, m, &r->low, from);
		if (st == ST_OK) {
			st = type_zset_position(ctx->engine, key, m, &r->high, to);
		}
		if (st == ST_OK && *to < *from) {
			*to = *from;
		}
		return st;
	}
	start = start < 0 ? start + n : start;
	end = end < 0 ? end + n : end;
	start = start < 0 ? 0 : start;
	if (start > end || start >= n) {
		return ST_OK;
	}
	end = end >= n ? n - 1 : end;
	*from = (uint64_t)(reverse ? n - 1 - end : start);
	*to = (uint64_t)(reverse ? n - start : end + 1);
	return ST_OK;
}

/* --- ranges given and stored --- */

struct range_request {
	struct range range;
	size_t key_arg;
	bool store, with_scores, reverse;
	int64_t offset, limit; /* limit -1: none */
};

/* Reads what follows the two ends. False: the error reply was sent. */
static bool range_options(struct command_ctx *ctx, struct range_request *q, enum range_type *type,
			  enum direction *direction)
{
	for (size_t i = q->key_arg + 3; i < ctx->argc; i++) {
		if (!q->store && command_arg_is(ctx, i, "withscores")) {
			q->with_scores = true;
		} else if (command_arg_is(ctx, i, "limit") && i + 2 < ctx->argc) {
			if (!command_arg_int(ctx, i + 1, &q->offset, NULL) ||
			    !command_arg_int(ctx, i + 2, &q->limit, NULL)) {
				return false;
			}
			i += 2;
		} else if (*direction == DIRECTION_AUTO && command_arg_is(ctx, i, "rev")) {
			*direction = DIRECTION_DOWN;
		} else if (*type == RANGE_AUTO && command_arg_is(ctx, i, "bylex")) {
			*type = RANGE_LEX;
		} else if (*type == RANGE_AUTO && command_arg_is(ctx, i, "byscore")) {
			*type = RANGE_SCORE;
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
	}
	*type = *type == RANGE_AUTO ? RANGE_RANK : *type;
	q->reverse = *direction == DIRECTION_DOWN;
	if (q->limit != -1 && *type == RANGE_RANK) {
		resp_error(ctx->reply, "ERR syntax error, LIMIT is only supported in combination "
				       "with either BYSCORE or BYLEX");
		return false;
	}
	if (q->with_scores && *type == RANGE_LEX) {
		resp_error(ctx->reply, "ERR syntax error, WITHSCORES not supported in combination "
				       "with BYLEX");
		return false;
	}
	return true;
}

/* Narrows ranks by LIMIT. */
static void apply_limit(const struct range_request *q, uint64_t *from, uint64_t *to)
{
	uint64_t n = *to - *from;
	uint64_t skip = q->offset < 0 || (uint64_t)q->offset > n ? n : (uint64_t)q->offset;

	if (q->range.type == RANGE_RANK) {
		return;
	}
	n -= skip;
	if (q->limit >= 0 && (uint64_t)q->limit < n) {
		n = (uint64_t)q->limit;
	}
	if (q->reverse) {
		*to -= skip;
		*from = *to - n;
	} else {
		*from += skip;
		*to = *from + n;
	}
}

/* Redis adds one element after the other to a set that begins in the small encoding, which has no
 * negative zero, unless it knows beforehand (by_rank) that there are too many. */
static void store_ranks(struct command_ctx *ctx, const struct store_key *key, const struct meta *m,
			uint64_t from, uint64_t to, bool reverse, bool by_rank)
{
	struct zset_limits limits = zset_limits_of(ctx);
	struct zset_gather g = {.count = 0};
	struct type_zset_iter it;
	struct zset_element element;
	bool small = !by_rank || to - from <= limits.entries;
	enum status st = ST_OK;

	if (from < to) {
		st =
		    type_zset_iter_open(ctx->engine, key, m, reverse ? to - 1 : from, reverse, &it);
	}
	for (; st == ST_OK && from < to; from++) {
		st = type_zset_iter_next(&it, &element);
		if (st == ST_OK) {
			small =
			    small && g.count < limits.entries && element.member.len <= limits.value;
			st = zset_gather_add(&g, element.member,
					     small && element.score == 0 ? 0 : element.score);
		}
	}
	if (st == ST_OK) {
		zset_store_gathered(ctx, 1, &g);
	} else {
		command_reply_status(ctx, st == ST_END ? ST_CORRUPT : st);
	}
	zset_gather_deinit(&g);
}

static void reply_range(struct command_ctx *ctx, const struct range_request *q,
			const struct store_key *key, const struct meta *m, uint64_t from,
			uint64_t to)
{
	bool nested = ctx->reply->proto >= 3;
	uint64_t n = to - from;
	enum status st;

	resp_array(ctx->reply, (size_t)(q->with_scores && !nested ? 2 * n : n));
	st = zset_reply_ranks(ctx, key, m, q->reverse ? to - 1 : from, n, q->reverse,
			      q->with_scores, nested);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

/* The source of a store is read: a hit or miss, as in Redis. */
static void count_source(struct command_ctx *ctx, const struct store_key *key, bool found)
{
	if (found) {
		ctx->host->stats.keyspace_hits++;
	} else {
		ctx->host->stats.keyspace_misses++;
		command_event(ctx, EVENT_KEY_MISS, "keymiss", key->name);
	}
}

static void range_command(struct command_ctx *ctx, enum range_type type, enum direction direction,
			  bool store)
{
	struct range_request q = {.key_arg = store ? 2 : 1, .store = store, .limit = -1};
	size_t low = q.key_arg + 1, high = low + 1;
	struct store_key key;
	struct meta m;
	uint64_t count, from = 0, to = 0;
	enum status st = ST_OK;
	bool swapped;

	if (!range_options(ctx, &q, &type, &direction)) {
		return;
	}
	swapped = q.reverse && type != RANGE_RANK; /* the greater end comes first */
	if (!parse_range(ctx, type, swapped ? high : low, swapped ? low : high, &q.range) ||
	    !zset_lookup(ctx, q.key_arg, &key, &m, &count)) {
		return;
	}
	if (count > 0) {
		st = range_ranks(ctx, &key, &m, count, &q.range, q.reverse, &from, &to);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	apply_limit(&q, &from, &to);
	if (store) {
		count_source(ctx, &key, count > 0);
		store_ranks(ctx, &key, &m, from, to, q.reverse, type == RANGE_RANK);
	} else {
		reply_range(ctx, &q, &key, &m, from, to);
	}
}

void cmd_zrange(struct command_ctx *ctx)
{
	range_command(ctx, RANGE_AUTO, DIRECTION_AUTO, false);
}

void cmd_zrevrange(struct command_ctx *ctx)
{
	range_command(ctx, RANGE_RANK, DIRECTION_DOWN, false);
}

void cmd_zrangebyscore(struct command_ctx *ctx)
{
	range_command(ctx, RANGE_SCORE, DIRECTION_UP, false);
}

void cmd_zrevrangebyscore(struct command_ctx *ctx)
{
	range_command(ctx, RANGE_SCORE, DIRECTION_DOWN, false);
}

void cmd_zrangebylex(struct command_ctx *ctx)
{
	range_command(ctx, RANGE_LEX, DIRECTION_UP, false);
}

void cmd_zrevrangebylex(struct command_ctx *ctx)
{
	range_command(ctx, RANGE_LEX, DIRECTION_DOWN, false);
}

void cmd_zrangestore(struct command_ctx *ctx)
{
	range_command(ctx, RANGE_AUTO, DIRECTION_AUTO, true);
}

/* --- ranges counted and removed --- */

/* The ranks that arguments 2 and 3 mean. False: a reply was sent. */
static bool lookup_range(struct command_ctx *ctx, enum range_type type, struct store_key *key,
			 struct meta *m, uint64_t *from, uint64_t *to)
{
	struct range r;
	uint64_t count;
	enum status st = ST_OK;

	*from = 0;
	*to = 0;
	if (!parse_range(ctx, type, 2, 3, &r) || !zset_lookup(ctx, 1, key, m, &count)) {
		return false;
	}
	if (count > 0) {
		st = range_ranks(ctx, key, m, count, &r, false, from, to);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
	return st == ST_OK;
}

static void count_range(struct command_ctx *ctx, enum range_type type)
{
	struct store_key key;
	struct meta m;
	uint64_t from, to;

	if (lookup_range(ctx, type, &key, &m, &from, &to)) {
		resp_int(ctx->reply, (int64_t)(to - from));
	}
}

void cmd_zcount(struct command_ctx *ctx)
{
	count_range(ctx, RANGE_SCORE);
}

void cmd_zlexcount(struct command_ctx *ctx)
{
	count_range(ctx, RANGE_LEX);
}

static void remove_range(struct command_ctx *ctx, enum range_type type)
{
	struct store_key key;
	struct meta m;
	uint64_t from, to;
	enum status st = ST_OK;

	if (!lookup_range(ctx, type, &key, &m, &from, &to)) {
		return;
	}
	if (from < to) {
		st = type_zset_remove(ctx->engine, &key, &m, from, to);
		command_event(ctx, EVENT_ZSET, ctx->cmd->name, key.name);
		command_event_gone(ctx, key.name);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	resp_int(ctx->reply, (int64_t)(to - from));
}

void cmd_zremrangebyrank(struct command_ctx *ctx)
{
	remove_range(ctx, RANGE_RANK);
}

void cmd_zremrangebyscore(struct command_ctx *ctx)
{
	remove_range(ctx, RANGE_SCORE);
}

void cmd_zremrangebylex(struct command_ctx *ctx)
{
	remove_range(ctx, RANGE_LEX);
}
