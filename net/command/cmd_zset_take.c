/* Sorted set commands that take elements off an end, also those that wait for one. */
#include "net/command/blocked.h"
#include "net/command/cmd_zset.h"
#include "net/command/notify.h"

/* What is asked for: from keys, n elements off one end. */
struct zpop {
	const struct slice *keys; /* of the arguments */
	size_t keys_count;
	uint64_t n;
	bool max;
	bool with_key; /* the reply names the key ... */
	bool nested;   /* ... and has an array for each element */
};

/* Takes elements: first into the reply, then out of the set. */
static void take(struct command_ctx *ctx, const struct zpop *p, const struct slice *name,
		 const struct store_key *key, const struct meta *m, uint64_t count)
{
	uint64_t n = p->n < count ? p->n : count;
	enum status st;

	if (p->with_key && p->nested) {
		resp_array(ctx->reply, 2);
		resp_bulk(ctx->reply, *name);
		resp_array(ctx->reply, (size_t)n);
	} else if (p->with_key) {
		resp_array(ctx->reply, (size_t)(1 + 2 * n));
		resp_bulk(ctx->reply, *name);
	} else {
		resp_array(ctx->reply, (size_t)(p->nested ? n : 2 * n));
	}
	st = zset_reply_ranks(ctx, key, m, p->max ? count - 1 : 0, n, p->max, true, p->nested);
	if (st == ST_OK && n > 0) {
		st = type_zset_remove(ctx->engine, key, m, p->max ? count - n : 0,
				      p->max ? count : n);
		command_event(ctx, EVENT_ZSET, p->max ? "zpopmax" : "zpopmin", key->name);
		command_event_gone(ctx, key->name);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

/* Takes from the first key that holds a sorted set. True: that, or an error, was the reply; false:
 * there is none. */
static bool pop_first(struct command_ctx *ctx, const struct zpop *p)
{
	struct store_key key;
	struct meta m;
	uint64_t count;

	for (size_t i = 0; i < p->keys_count; i++) {
		if (!zset_lookup(ctx, (size_t)(p->keys - ctx->argv) + i, &key, &m, &count)) {
			return true;
		}
		if (count > 0) {
			take(ctx, p, &p->keys[i], &key, &m, count);
			return true;
		}
	}
	return false;
}

/* --- ZPOPMIN and ZPOPMAX --- */

static void pop(struct command_ctx *ctx, bool max)
{
	struct zpop p = {.keys = ctx->argv + 1, .keys_count = 1, .n = 1, .max = max};
	int64_t n;

	if (ctx->argc > 3) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	if (ctx->argc == 3) {
		if (!zset_arg_positive(ctx, 2, &n)) {
			return;
		}
		p.n = (uint64_t)n;
		p.nested = ctx->reply->proto >= 3;
	}
	if (!pop_first(ctx, &p)) {
		resp_array(ctx->reply, 0);
	}
}

void cmd_zpopmin(struct command_ctx *ctx)
{
	pop(ctx, false);
}

void cmd_zpopmax(struct command_ctx *ctx)
{
	pop(ctx, true);
}

/* --- ZMPOP --- */

/* Reads a number of at least 1; msg: the text for anything else. */
static bool arg_at_least_one(struct command_ctx *ctx, size_t arg, int64_t *out, const char *msg)
{
	if (!command_arg_int(ctx, arg, out, msg)) {
		return false;
	}
	if (*out < 1) {
		resp_error(ctx->reply, "%s", msg);
		return false;
	}
	return true;
}

/* Reads the arguments from the number of keys on. False: the error reply was sent. */
static bool parse_mpop(struct command_ctx *ctx, size_t arg, struct zpop *p)
{
	int64_t numkeys, n = 1;
	size_t where;

	if (!arg_at_least_one(ctx, arg, &numkeys, "ERR numkeys should be greater than 0")) {
		return false;
	}
	if ((uint64_t)numkeys >= ctx->argc - arg - 1) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return false;
	}
	where = arg + 1 + (size_t)numkeys;
	*p = (struct zpop){.keys = ctx->argv + arg + 1,
			   .keys_count = (size_t)numkeys,
			   .max = command_arg_is(ctx, where, "max"),
			   .with_key = true,
			   .nested = true};
	if (!p->max && !command_arg_is(ctx, where, "min")) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return false;
	}
	if (where + 1 < ctx->argc) {
		if (!command_arg_is(ctx, where + 1, "count") || where + 2 >= ctx->argc) {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
		if (!arg_at_least_one(ctx, where + 2, &n, "ERR count should be greater than 0")) {
			return false;
		}
	}
	if (where + 3 < ctx->argc) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return false;
	}
	p->n = (uint64_t)n;
	return true;
}

void cmd_zmpop(struct command_ctx *ctx)
{
	struct zpop p;

	if (parse_mpop(ctx, 1, &p) && !pop_first(ctx, &p)) {
		resp_null_array(ctx->reply);
	}
}

/* --- pops that wait --- */

static void pop_or_block(struct command_ctx *ctx, const struct zpop *p, uint64_t deadline_ms)
{
	struct blocking b = {.type = TYPE_ZSET,
			     .keys = p->keys,
			     .keys_count = p->keys_count,
			     .deadline_ms = deadline_ms};

	if (!pop_first(ctx, p) && !command_block(ctx, &b)) {
		resp_null_array(ctx->reply);
	}
}

static void blocking_pop(struct command_ctx *ctx, bool max)
{
	struct zpop p = {.keys = ctx->argv + 1,
			 .keys_count = ctx->argc - 2,
			 .n = 1,
			 .max = max,
			 .with_key = true};
	uint64_t deadline_ms;

	if (command_arg_timeout(ctx, ctx->argc - 1, &deadline_ms)) {
		pop_or_block(ctx, &p, deadline_ms);
	}
}

void cmd_bzpopmin(struct command_ctx *ctx)
{
	blocking_pop(ctx, false);
}

void cmd_bzpopmax(struct command_ctx *ctx)
{
	blocking_pop(ctx, true);
}

void cmd_bzmpop(struct command_ctx *ctx)
{
	struct zpop p;
	uint64_t deadline_ms;

	if (parse_mpop(ctx, 2, &p) && command_arg_timeout(ctx, 1, &deadline_ms)) {
		pop_or_block(ctx, &p, deadline_ms);
	}
}
