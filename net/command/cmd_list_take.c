/* List commands that take elements off an end: pops and moves. */
#include "net/command/cmd_list.h"

/* LEFT or RIGHT. */
static bool arg_side(struct command_ctx *ctx, size_t arg, bool *left)
{
	*left = command_arg_is(ctx, arg, "left");
	if (*left || command_arg_is(ctx, arg, "right")) {
		return true;
	}
	resp_error(ctx->reply, ERR_SYNTAX);
	return false;
}

/* --- pops --- */

/* Takes n elements off one end: first into the reply, then out of the list. */
static void take(struct command_ctx *ctx, const struct store_key *key, const struct meta *m,
		 uint64_t count, uint64_t n, bool left)
{
	enum status st = ST_OK;

	if (n > 0) {
		st = list_reply_elements(ctx, key, m, left ? 0 : count - 1, n, !left);
		if (st == ST_OK) {
			st = type_list_trim(ctx->engine, key, m, left ? n : 0, count - n);
		}
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

static void pop_one(struct command_ctx *ctx, bool left)
{
	struct store_key key;
	struct meta m;
	struct slice value;
	uint64_t count;
	enum status st;

	if (!list_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	if (count == 0) {
		resp_null(ctx->reply);
		return;
	}
	st = type_list_get(ctx->engine, &key, &m, left ? 0 : count - 1, &value);
	if (st == ST_OK) {
		resp_bulk(ctx->reply, value);
		st = type_list_trim(ctx->engine, &key, &m, left ? 1 : 0, count - 1);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

static void pop(struct command_ctx *ctx, bool left)
{
	static const char range_error[] = "ERR value is out of range, must be positive";
	struct store_key key;
	struct meta m;
	uint64_t count, n;
	int64_t arg;

	if (ctx->argc == 2) {
		pop_one(ctx, left);
		return;
	}
	if (ctx->argc > 3) {
		resp_error(ctx->reply, "ERR wrong number of arguments for '%s' command",
			   ctx->cmd->name);
		return;
	}
	if (!list_arg_not_negative(ctx, 2, &arg, range_error) ||
	    !list_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	if (count == 0) {
		resp_null_array(ctx->reply);
		return;
	}
	n = (uint64_t)arg < count ? (uint64_t)arg : count;
	resp_array(ctx->reply, (size_t)n);
	take(ctx, &key, &m, count, n, left);
}

void cmd_lpop(struct command_ctx *ctx)
{
	pop(ctx, true);
}

void cmd_rpop(struct command_ctx *ctx)
{
	pop(ctx, false);
}

/* Reads LMPOP's arguments behind the keys; first is the side's. */
static bool parse_mpop(struct command_ctx *ctx, size_t first, bool *left, int64_t *n)
{
	bool have_count = false;

	if (!arg_side(ctx, first, left)) {
		return false;
	}
	*n = 1;
	for (size_t i = first + 1; i < ctx->argc; i += 2) {
		if (have_count || i + 1 >= ctx->argc || !command_arg_is(ctx, i, "count")) {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
		if (!command_arg_int(ctx, i + 1, n, "ERR count should be greater than 0")) {
			return false;
		}
		if (*n < 1) {
			resp_error(ctx->reply, "ERR count should be greater than 0");
			return false;
		}
		have_count = true;
	}
	return true;
}

void cmd_lmpop(struct command_ctx *ctx)
{
	static const char numkeys_error[] = "ERR numkeys should be greater than 0";
	struct store_key key;
	struct meta m;
	uint64_t count, n;
	int64_t numkeys, want;
	bool left;

	if (!command_arg_int(ctx, 1, &numkeys, numkeys_error)) {
		return;
	}
	if (numkeys < 1) {
		resp_error(ctx->reply, "%s", numkeys_error);
		return;
	}
	if ((uint64_t)numkeys >= ctx->argc - 2) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	if (!parse_mpop(ctx, (size_t)numkeys + 2, &left, &want)) {
		return;
	}
	for (size_t i = 2; i < (size_t)numkeys + 2; i++) {
		if (!list_lookup(ctx, i, &key, &m, &count)) {
			return;
		}
		if (count > 0) {
			n = (uint64_t)want < count ? (uint64_t)want : count;
			resp_array(ctx->reply, 2);
			resp_bulk(ctx->reply, ctx->argv[i]);
			resp_array(ctx->reply, (size_t)n);
			take(ctx, &key, &m, count, n, left);
			return;
		}
	}
	resp_null_array(ctx->reply);
}

/* --- moves --- */

static void move(struct command_ctx *ctx, bool from_left, bool to_left)
{
	struct store_key from, to;
	struct meta from_meta, to_meta;
	struct slice value;
	uint64_t count, to_count;
	enum status st;

	if (!list_lookup(ctx, 1, &from, &from_meta, &count)) {
		return;
	}
	if (count == 0) {
		resp_null(ctx->reply);
		return;
	}
	if (!list_lookup(ctx, 2, &to, &to_meta, &to_count)) {
		return;
	}
	st = type_list_get(ctx->engine, &from, &from_meta, from_left ? 0 : count - 1, &value);
	if (st == ST_OK) {
		resp_bulk(ctx->reply, value);
		st = type_list_move(ctx->engine, &from, &from_meta, from_left, &to, to_left);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

void cmd_lmove(struct command_ctx *ctx)
{
	bool from_left, to_left;

	if (arg_side(ctx, 3, &from_left) && arg_side(ctx, 4, &to_left)) {
		move(ctx, from_left, to_left);
	}
}

void cmd_rpoplpush(struct command_ctx *ctx)
{
	move(ctx, false, true);
}
