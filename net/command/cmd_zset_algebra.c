/* Unions, intersections and differences of sorted sets, and of sets, whose members count with score
 * 1. The result is put together in memory, found by member, and ordered at the end. */
#include "engine/base/alloc.h"
#include "engine/types/named_walk.h"
#include "net/command/cmd_zset.h"

#include <math.h>
#include <stdlib.h>

enum operation { OP_UNION, OP_INTER, OP_DIFF };
enum aggregate { AGGREGATE_SUM, AGGREGATE_MIN, AGGREGATE_MAX };

/* An input; count 0: there is no such key. */
struct source {
	struct store_key key;
	struct meta m;
	uint64_t count;
	double weight;
	size_t arg;
};

struct request {
	enum operation op;
	bool store;	 /* into argv[1] */
	bool count_only; /* ZINTERCARD */
	bool with_scores;
	enum aggregate aggregate;
	uint64_t limit; /* of count_only; 0: none */
	struct source *sources;
	size_t sources_count;
	struct zset_gather result;
};

/* --- inputs --- */

/* Looks the inputs up. False: the error reply was sent. */
static bool open_sources(struct command_ctx *ctx, struct request *q, size_t first)
{
	for (size_t i = 0; i < q->sources_count; i++) {
		struct source *s = &q->sources[i];
		enum status st = command_lookup_counted(ctx, first + i, &s->key, &s->m);

		s->weight = 1;
		s->arg = first + i;
		if (st == ST_OK && s->m.type != TYPE_ZSET && s->m.type != TYPE_SET) {
			resp_error(ctx->reply, ERR_WRONG_TYPE);
			return false;
		}
		if (st == ST_OK) {
			st = named_count(&s->m, &s->count);
			if (st != ST_OK) {
				command_reply_status(ctx, st);
				return false;
			}
		} else if (st != ST_NOT_FOUND) {
			return false;
		}
	}
	return true;
}

/* A member's score in an input. ST_NOT_FOUND. */
static enum status source_find(struct command_ctx *ctx, const struct source *s, struct slice member,
			       double *score)
{
	struct small_cursor c;
	struct slice name;
	enum status st;

	if (s->count == 0) {
		return ST_NOT_FOUND;
	}
	if (s->m.type == TYPE_ZSET) {
		return type_zset_score(ctx->engine, &s->key, &s->m, member, score);
	}
	*score = 1;
	if (s->m.form == FORM_LARGE) {
		return ks_field_get(ctx->engine, s->key.slot, s->m.id, member, &name);
	}
	st = small_cursor_init(&c, s->m.payload);
	while (st == ST_OK) {
		st = small_cursor_next(&c, &name);
		if (st == ST_OK && slice_eq(name, member)) {
			return ST_OK;
		}
	}
	return st == ST_END ? ST_NOT_FOUND : st;
}

/* The next element of an input. ST_END. */
static enum status source_next(struct named_iter *it, const struct source *s,
			       struct zset_element *out)
{
	struct slice value;
	uint64_t order;
	enum status st = named_iter_next(it, &order, &out->member, &value);

	out->score = 1;
	return st == ST_OK && s->m.type == TYPE_ZSET ? zset_score_get(value, &out->score) : st;
}

/* --- the operations --- */

static double weighted(const struct source *s, double score)
{
	double v = s->weight * score;

	return isnan(v) ? 0 : v;
}

static double combine(enum aggregate how, double a, double b)
{
	double sum = a + b;

	switch (how) {
	case AGGREGATE_MIN:
		return b < a ? b : a;
	case AGGREGATE_MAX:
		return b > a ? b : a;
	default:
		return isnan(sum) ? 0 : sum; /* of infinities */
	}
}

static enum status union_one(struct request *q, const struct source *s,
			     const struct zset_element *element)
{
	double score = weighted(s, element->score);
	double *there = zset_gather_find(&q->result, element->member);

	if (there == NULL) {
		return zset_gather_add(&q->result, element->member, score);
	}
	*there = combine(q->aggregate, *there, score);
	return ST_OK;
}

/* Whether all other inputs have it, and with which score. */
static enum status inter_one(struct command_ctx *ctx, struct request *q, const struct source *s,
			     const struct zset_element *element)
{
	double score = weighted(s, element->score), other;
	enum status st = ST_OK;

	for (size_t i = 1; i < q->sources_count; i++) {
		st = source_find(ctx, &q->sources[i], element->member, &other);
		if (st != ST_OK) {
			return st == ST_NOT_FOUND ? ST_OK : st;
		}
		score = combine(q->aggregate, score, q->sources[i].weight * other);
	}
	if (!q->count_only) {
		return zset_gather_add(&q->result, element->member, score);
	}
	q->result.count++;
	return q->limit > 0 && q->result.count == q->limit ? ST_END : ST_OK;
}

static enum status diff_one(struct command_ctx *ctx, struct request *q,
			    const struct zset_element *element)
{
	double other;

	for (size_t i = 1; i < q->sources_count; i++) {
		enum status st = source_find(ctx, &q->sources[i], element->member, &other);

		if (st != ST_NOT_FOUND) {
			return st;
		}
	}
	return zset_gather_add(&q->result, element->member, element->score);
}

/* Goes through one input. */
static enum status walk(struct command_ctx *ctx, struct request *q, const struct source *s)
{
	struct named_iter it = {.is_large = false};
	struct zset_element element;
	enum status st =
	    s->count > 0 ? named_iter_open(ctx->engine, &s->key, &s->m, 0, &it) : ST_END;

	while (st == ST_OK) {
		st = source_next(&it, s, &element);
		if (st != ST_OK) {
			break;
		}
		switch (q->op) {
		case OP_UNION:
			st = union_one(q, s, &element);
			break;
		case OP_INTER:
			st = inter_one(ctx, q, s, &element);
			break;
		case OP_DIFF:
			st = diff_one(ctx, q, &element);
			break;
		}
	}
	named_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

static int by_count(const void *a, const void *b)
{
	const struct source *x = a, *y = b;

	if (x->count != y->count) {
		return x->count < y->count ? -1 : 1;
	}
	return x->arg < y->arg ? -1 : 1; /* sums depend on their order */
}

static enum status compute(struct command_ctx *ctx, struct request *q)
{
	enum status st = ST_OK;

	if (q->op != OP_DIFF) {
		qsort(q->sources, q->sources_count, sizeof *q->sources, by_count);
	}
	if (q->op != OP_UNION) {
		return walk(ctx, q, &q->sources[0]);
	}
	for (size_t i = 0; st == ST_OK && i < q->sources_count; i++) {
		st = walk(ctx, q, &q->sources[i]);
	}
	return st;
}

/* --- arguments --- */

/* Reads AGGREGATE's word. */
static bool parse_aggregate(const struct command_ctx *ctx, size_t arg, enum aggregate *out)
{
	static const char *const words[] = {"sum", "min", "max"};

	for (int i = 0; i < 3; i++) {
		if (command_arg_is(ctx, arg, words[i])) {
			*out = (enum aggregate)i;
			return true;
		}
	}
	return false;
}

/* WEIGHTS or AGGREGATE at argument *at, which moves behind it. *known: it is one of them. False:
 * the error reply was sent. */
static bool parse_scoring(struct command_ctx *ctx, struct request *q, size_t *at, bool *known)
{
	size_t left = ctx->argc - *at;

	*known = true;
	if (left >= q->sources_count + 1 && command_arg_is(ctx, *at, "weights")) {
		for (size_t i = 0; i < q->sources_count; i++) {
			if (!command_arg_float(ctx, *at + 1 + i, &q->sources[i].weight,
					       "ERR weight value is not a float")) {
				return false;
			}
		}
		*at += 1 + q->sources_count;
	} else if (left >= 2 && command_arg_is(ctx, *at, "aggregate")) {
		if (!parse_aggregate(ctx, *at + 1, &q->aggregate)) {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
		*at += 2;
	} else {
		*known = false;
	}
	return true;
}

/* LIMIT's number. */
static bool parse_limit(struct command_ctx *ctx, size_t arg, uint64_t *out)
{
	int64_t limit;

	if (!command_arg_int(ctx, arg, &limit, "ERR LIMIT can't be negative")) {
		return false;
	}
	if (limit < 0) {
		resp_error(ctx->reply, "ERR LIMIT can't be negative");
		return false;
	}
	*out = (uint64_t)limit;
	return true;
}

/* Reads what follows the keys. False: the error reply was sent. */
static bool parse_options(struct command_ctx *ctx, struct request *q, size_t at)
{
	while (at < ctx->argc) {
		bool known = false;

		if (q->op != OP_DIFF && !q->count_only && !parse_scoring(ctx, q, &at, &known)) {
			return false;
		}
		if (known) {
			continue;
		}
		if (!q->store && !q->count_only && command_arg_is(ctx, at, "withscores")) {
			q->with_scores = true;
			at++;
		} else if (q->count_only && at + 1 < ctx->argc &&
			   command_arg_is(ctx, at, "limit")) {
			if (!parse_limit(ctx, at + 1, &q->limit)) {
				return false;
			}
			at += 2;
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
	}
	return true;
}

static void reply_result(struct command_ctx *ctx, struct request *q)
{
	struct zset_element *elements;
	bool nested = ctx->reply->proto >= 3;
	uint64_t n = q->result.count;

	if (q->count_only) {
		resp_int(ctx->reply, (int64_t)n);
		return;
	}
	if (q->store) {
		zset_store_gathered(ctx, 1, &q->result);
		return;
	}
	if (zset_gather_sort(&q->result, &elements) != ST_OK) {
		command_reply_status(ctx, ST_NO_MEMORY);
		return;
	}
	resp_array(ctx->reply, (size_t)(q->with_scores && !nested ? 2 * n : n));
	for (uint64_t i = 0; i < n; i++) {
		zset_reply_element(ctx, &elements[i], q->with_scores, nested);
	}
}

static void run(struct command_ctx *ctx, struct request *q)
{
	size_t numkeys_arg = q->store ? 2 : 1;
	int64_t numkeys;
	enum status st;

	if (!command_arg_int(ctx, numkeys_arg, &numkeys, NULL)) {
		return;
	}
	if (numkeys < 1) {
		resp_error(ctx->reply, "ERR at least 1 input key is needed for '%s' command",
			   ctx->full_name);
		return;
	}
	if ((uint64_t)numkeys > ctx->argc - numkeys_arg - 1) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	q->sources_count = (size_t)numkeys;
	q->sources = mem_calloc(q->sources_count, sizeof *q->sources);
	if (q->sources == NULL) {
		command_reply_status(ctx, ST_NO_MEMORY);
		return;
	}
	if (open_sources(ctx, q, numkeys_arg + 1) &&
	    parse_options(ctx, q, numkeys_arg + 1 + q->sources_count)) {
		st = compute(ctx, q);
		if (st != ST_OK) {
			command_reply_status(ctx, st);
		} else {
			reply_result(ctx, q);
		}
	}
	zset_gather_deinit(&q->result);
	mem_free(q->sources);
}

void cmd_zunion(struct command_ctx *ctx)
{
	struct request q = {.op = OP_UNION};

	run(ctx, &q);
}

void cmd_zunionstore(struct command_ctx *ctx)
{
	struct request q = {.op = OP_UNION, .store = true};

	run(ctx, &q);
}

void cmd_zinter(struct command_ctx *ctx)
{
	struct request q = {.op = OP_INTER};

	run(ctx, &q);
}

void cmd_zinterstore(struct command_ctx *ctx)
{
	struct request q = {.op = OP_INTER, .store = true};

	run(ctx, &q);
}

void cmd_zintercard(struct command_ctx *ctx)
{
	struct request q = {.op = OP_INTER, .count_only = true};

	run(ctx, &q);
}

void cmd_zdiff(struct command_ctx *ctx)
{
	struct request q = {.op = OP_DIFF};

	run(ctx, &q);
}

void cmd_zdiffstore(struct command_ctx *ctx)
{
	struct request q = {.op = OP_DIFF, .store = true};

	run(ctx, &q);
}
