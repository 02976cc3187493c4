/* ZSCAN and ZRANDMEMBER: parts of a sorted set, page by page or at random. */
#include "engine/base/alloc.h"
#include "engine/types/named_walk.h"
#include "net/command/cmd_named.h"
#include "net/command/cmd_zset.h"
#include "net/command/command_host.h"

#include <stdio.h>

enum {
	TEXT_MAX = 32,
	BULK_MIN = 6,	  /* bytes of the shortest bulk */
	SAMPLE_SHARE = 3, /* a sample of less than 1/3 is drawn, a larger one walks */
};

/* A reply of random elements with repeats has no natural end: longer ones are refused. */
#define RANDOM_REPLY_MAX (UINT64_C(512) << 20)

/* --- ZSCAN --- */

/* The score as ZSCAN gives it in either protocol: the small encoding keeps whole numbers as such.
 */
static void reply_scan_score(struct command_ctx *ctx, const struct meta *m, double score)
{
	static const double whole_max = 4611686018427387904; /* 2^62 */
	struct resp_writer text = *ctx->reply;

	if ((m->flags & META_ENCODED) == 0 && score >= -whole_max && score <= whole_max &&
	    (double)(int64_t)score == score) {
		resp_bulk_int(ctx->reply, (int64_t)score);
		return;
	}
	text.proto = 2; /* a bulk */
	resp_double(&text, score);
	ctx->reply->failed |= text.failed;
}

/* Walks from the cursor over count elements, and on while they share the last one's position. The
 * cursor becomes where to go on, 0 at the end. *shown: replies written. */
static enum status scan_page(struct command_ctx *ctx, const struct store_key *key,
			     const struct meta *m, struct scan_options *o, size_t *shown)
{
	struct named_iter it;
	struct slice member, value;
	uint64_t order, last = 0;
	int64_t walked = 0;
	double score;
	enum status st =
	    named_iter_open(ctx->engine, key, m, m->form == FORM_LARGE ? o->cursor : 0, &it);

	o->cursor = 0;
	while (st == ST_OK) {
		st = named_iter_next(&it, &order, &member, &value);
		if (st == ST_OK) {
			st = zset_score_get(value, &score);
		}
		if (st != ST_OK) {
			break;
		}
		if (m->form == FORM_LARGE && walked >= o->count && order != last) {
			o->cursor = order;
			break;
		}
		last = order;
		walked++;
		if (o->pattern.data == NULL || glob_match(o->pattern, member, false)) {
			resp_bulk(ctx->reply, member);
			reply_scan_score(ctx, m, score);
			*shown += 2;
		}
	}
	named_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

void cmd_zscan(struct command_ctx *ctx)
{
	struct scan_options o = {.count = SCAN_COUNT_DEFAULT};
	struct resp_writer *reply = ctx->reply, page;
	struct buf bytes = {0};
	struct store_key key;
	struct meta m;
	uint64_t count;
	size_t shown = 0;
	char text[TEXT_MAX];
	enum status st = ST_OK;

	if (!command_arg_cursor(ctx, 2, &o.cursor) || !zset_lookup(ctx, 1, &key, &m, &count) ||
	    (count > 0 && !named_scan_options(ctx, &o))) {
		return;
	}
	page = (struct resp_writer){.out = &bytes, .proto = reply->proto};
	if (count > 0) {
		/* The cursor, which comes first, is known only after the page. */
		ctx->reply = &page;
		st = scan_page(ctx, &key, &m, &o, &shown);
		ctx->reply = reply;
	} else {
		o.cursor = 0;
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	} else {
		(void)snprintf(text, sizeof text, "%llu", (unsigned long long)o.cursor);
		resp_array(reply, 2);
		resp_bulk_str(reply, text);
		resp_array(reply, shown);
		reply->failed |= page.failed || (bytes.len > 0 && buf_append(reply->out, bytes.data,
									     bytes.len) != ST_OK);
	}
	buf_deinit(&bytes);
}

/* --- ZRANDMEMBER --- */

/* Replies with the element of a rank. */
static enum status reply_rank(struct command_ctx *ctx, const struct store_key *key,
			      const struct meta *m, uint64_t rank, bool with_scores)
{
	return zset_reply_ranks(ctx, key, m, rank, 1, false, with_scores, ctx->reply->proto >= 3);
}

/* n elements, each any of all. */
static enum status reply_with_repeats(struct command_ctx *ctx, const struct store_key *key,
				      const struct meta *m, uint64_t count, uint64_t n,
				      bool with_scores)
{
	size_t mark = ctx->reply->out->len;
	enum status st = ST_OK;

	for (; st == ST_OK && n > 0 && !ctx->reply->failed; n--) {
		st = reply_rank(ctx, key, m, rng_below(command_rng(ctx), count), with_scores);
		if (st == ST_OK && ctx->reply->out->len - mark > RANDOM_REPLY_MAX) {
			return ST_INVALID;
		}
	}
	return st;
}

/* Takes each element with the chance (still needed) / (still left): exact, in one pass. */
static enum status reply_by_walk(struct command_ctx *ctx, const struct store_key *key,
				 const struct meta *m, uint64_t count, uint64_t n, bool with_scores)
{
	struct type_zset_iter it;
	struct zset_element element;
	enum status st = type_zset_iter_open(ctx->engine, key, m, 0, false, &it);

	for (uint64_t left = count; st == ST_OK && n > 0; left--) {
		st = type_zset_iter_next(&it, &element);
		if (st == ST_OK && rng_below(command_rng(ctx), left) < n) {
			zset_reply_element(ctx, &element, with_scores, ctx->reply->proto >= 3);
			n--;
		}
	}
	return st == ST_END ? ST_CORRUPT : st;
}

/* n different ranks: each is drawn until it is a new one. */
static enum status reply_by_draws(struct command_ctx *ctx, const struct store_key *key,
				  const struct meta *m, uint64_t count, uint64_t n,
				  bool with_scores)
{
	uint64_t mask = 15, *seen; /* open addressing by rank + 1; 0: free */
	enum status st = ST_OK;

	while (mask < 2 * n) {
		mask = 2 * mask + 1;
	}
	seen = mem_calloc((size_t)mask + 1, sizeof *seen);
	if (seen == NULL) {
		return ST_NO_MEMORY;
	}
	while (st == ST_OK && n > 0) {
		uint64_t rank = rng_below(command_rng(ctx), count);
		uint64_t at = (rank * 0x9e3779b97f4a7c15u >> 20) & mask;

		while (seen[at] != 0 && seen[at] != rank + 1) {
			at = (at + 1) & mask;
		}
		if (seen[at] == 0) {
			seen[at] = rank + 1;
			n--;
			st = reply_rank(ctx, key, m, rank, with_scores);
		}
	}
	mem_free(seen);
	return st;
}

static void random_members(struct command_ctx *ctx, int64_t arg, bool with_scores)
{
	struct store_key key;
	struct meta m;
	uint64_t count, n = arg < 0 ? 0 - (uint64_t)arg : (uint64_t)arg;
	enum status st = ST_OK;

	if (!zset_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	if (count == 0 || (arg > 0 && n > count)) {
		n = count;
	}
	if (arg < 0 && n > RANDOM_REPLY_MAX / BULK_MIN) {
		resp_error(ctx->reply, ERR_OUT_OF_RANGE);
		return;
	}
	resp_array(ctx->reply, (size_t)(with_scores && ctx->reply->proto < 3 ? 2 * n : n));
	if (n == 0) {
		return;
	}
	if (arg < 0) {
		st = reply_with_repeats(ctx, &key, &m, count, n, with_scores);
	} else if (n < count / SAMPLE_SHARE) {
		st = reply_by_draws(ctx, &key, &m, count, n, with_scores);
	} else {
		st = reply_by_walk(ctx, &key, &m, count, n, with_scores);
	}
	if (st == ST_INVALID) {
		command_failed(ctx);
		resp_error(ctx->reply, ERR_OUT_OF_RANGE);
	} else if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

static void random_member(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	uint64_t count;
	enum status st;

	if (!zset_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	if (count == 0) {
		resp_null(ctx->reply);
		return;
	}
	st = reply_rank(ctx, &key, &m, rng_below(command_rng(ctx), count), false);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

void cmd_zrandmember(struct command_ctx *ctx)
{
	int64_t count;

	if (ctx->argc == 2) {
		random_member(ctx);
		return;
	}
	if (!command_arg_int(ctx, 2, &count, NULL)) {
		return;
	}
	if (count == INT64_MIN) {
		resp_error(ctx->reply,
			   "ERR value is out of range, value must between %lld and %lld",
			   -(long long)INT64_MAX, (long long)INT64_MAX);
		return;
	}
	if (ctx->argc > 4 || (ctx->argc == 4 && !command_arg_is(ctx, 3, "withscores"))) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	if (ctx->argc == 4 && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) {
		resp_error(ctx->reply, ERR_OUT_OF_RANGE);
		return;
	}
	random_members(ctx, count, ctx->argc == 4);
}
