/* List commands that take elements off an end: pops and moves, also those that wait for one. */
#include "net/command/blocked.h"
#include "net/command/cmd_list.h"
#include "net/command/notify.h"

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

static void tell_taken(struct command_ctx *ctx, const struct store_key *key, bool left)
{
	command_event(ctx, EVENT_LIST, left ? "lpop" : "rpop", key->name);
	command_event_gone(ctx, key->name);
}

/* Takes n elements off one end: first into the reply, then out of the list. */
static void take(struct command_ctx *ctx, const struct store_key *key, const struct meta *m,
		 uint64_t count, uint64_t n, bool left)
{
	enum status st = ST_OK;

	if (n > 0) {
		st = list_reply_elements(ctx, key, m, left ? 0 : count - 1, n, !left);
		if (st == ST_OK) {
			st = type_list_trim(ctx->engine, key, m, left ? n : 0, count - n);
			tell_taken(ctx, key, left);
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
		tell_taken(ctx, &key, left);
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
	if (!command_arg_not_negative(ctx, 2, &arg, range_error) ||
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
static bool parse_mpop_end(struct command_ctx *ctx, size_t first, bool *left, int64_t *n)
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

/* What LMPOP and BLMPOP ask for. */
struct mpop {
	const struct slice *keys;
	size_t keys_count;
	int64_t n;
	bool left;
};

/* Reads the arguments from the number of keys on. False: the error reply was sent. */
static bool parse_mpop(struct command_ctx *ctx, size_t arg, struct mpop *m)
{
	static const char numkeys_error[] = "ERR numkeys should be greater than 0";
	int64_t numkeys;

	if (!command_arg_int(ctx, arg, &numkeys, numkeys_error)) {
		return false;
	}
	if (numkeys < 1) {
		resp_error(ctx->reply, "%s", numkeys_error);
		return false;
	}
	if ((uint64_t)numkeys >= ctx->argc - arg - 1) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return false;
	}
	m->keys = ctx->argv + arg + 1;
	m->keys_count = (size_t)numkeys;
	return parse_mpop_end(ctx, arg + 1 + m->keys_count, &m->left, &m->n);
}

/* Replies with the first key that holds a list, and what was taken off it. True: that, or an
 * error, was the reply; false: all are empty. */
static bool mpop(struct command_ctx *ctx, const struct mpop *m)
{
	struct store_key key;
	struct meta meta;
	uint64_t count, n;

	for (size_t i = 0; i < m->keys_count; i++) {
		if (!list_lookup(ctx, (size_t)(m->keys - ctx->argv) + i, &key, &meta, &count)) {
			return true;
		}
		if (count > 0) {
			n = (uint64_t)m->n < count ? (uint64_t)m->n : count;
			resp_array(ctx->reply, 2);
			resp_bulk(ctx->reply, m->keys[i]);
			resp_array(ctx->reply, (size_t)n);
			take(ctx, &key, &meta, count, n, m->left);
			return true;
		}
	}
	return false;
}

void cmd_lmpop(struct command_ctx *ctx)
{
	struct mpop m;

	if (parse_mpop(ctx, 1, &m) && !mpop(ctx, &m)) {
		resp_null_array(ctx->reply);
	}
}

/* --- pops that wait --- */

static void block(struct command_ctx *ctx, const struct slice *keys, size_t keys_count,
		  uint64_t deadline_ms)
{
	struct blocking b = {
	    .type = TYPE_LIST, .keys = keys, .keys_count = keys_count, .deadline_ms = deadline_ms};

	if (!command_block(ctx, &b)) {
		resp_null_array(ctx->reply);
	}
}

void cmd_blmpop(struct command_ctx *ctx)
{
	struct mpop m;
	uint64_t deadline_ms;

	if (parse_mpop(ctx, 2, &m) && command_arg_timeout(ctx, 1, &deadline_ms) && !mpop(ctx, &m)) {
		block(ctx, m.keys, m.keys_count, deadline_ms);
	}
}

/* BLPOP and BRPOP: one element of the first list that there is. */
static void blocking_pop(struct command_ctx *ctx, bool left)
{
	struct store_key key;
	struct meta m;
	uint64_t count, deadline_ms;

	if (!command_arg_timeout(ctx, ctx->argc - 1, &deadline_ms)) {
		return;
	}
	for (size_t i = 1; i + 1 < ctx->argc; i++) {
		if (!list_lookup(ctx, i, &key, &m, &count)) {
			return;
		}
		if (count > 0) {
			resp_array(ctx->reply, 2);
			resp_bulk(ctx->reply, ctx->argv[i]);
			take(ctx, &key, &m, count, 1, left);
			return;
		}
	}
	block(ctx, ctx->argv + 1, ctx->argc - 2, deadline_ms);
}

void cmd_blpop(struct command_ctx *ctx)
{
	blocking_pop(ctx, true);
}

void cmd_brpop(struct command_ctx *ctx)
{
	blocking_pop(ctx, false);
}

/* --- moves --- */

/* True: the element that was moved, or an error, is the reply; false: there is none. */
static bool move(struct command_ctx *ctx, bool from_left, bool to_left)
{
	struct store_key from, to;
	struct meta from_meta, to_meta;
	struct slice value;
	uint64_t count, to_count;
	enum status st;

	if (!list_lookup(ctx, 1, &from, &from_meta, &count)) {
		return true;
	}
	if (count == 0) {
		return false;
	}
	if (!list_lookup(ctx, 2, &to, &to_meta, &to_count)) {
		return true;
	}
	st = type_list_get(ctx->engine, &from, &from_meta, from_left ? 0 : count - 1, &value);
	if (st == ST_OK) {
		resp_bulk(ctx->reply, value);
		st = type_list_move(ctx->engine, &from, &from_meta, from_left, &to, to_left);
		command_event(ctx, EVENT_LIST, to_left ? "lpush" : "rpush", to.name);
		tell_taken(ctx, &from, from_left);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
	return true;
}

void cmd_lmove(struct command_ctx *ctx)
{
	bool from_left, to_left;

	if (arg_side(ctx, 3, &from_left) && arg_side(ctx, 4, &to_left) &&
	    !move(ctx, from_left, to_left)) {
		resp_null(ctx->reply);
	}
}

void cmd_rpoplpush(struct command_ctx *ctx)
{
	if (!move(ctx, false, true)) {
		resp_null(ctx->reply);
	}
}

/* Waits for the source alone, and answers as Redis does where waiting is not possible: as the
 * command that never waits, not as one whose time is up. */
static void blocking_move(struct command_ctx *ctx, bool from_left, bool to_left,
			  uint64_t deadline_ms)
{
	struct blocking b = {
	    .type = TYPE_LIST, .keys = ctx->argv + 1, .keys_count = 1, .deadline_ms = deadline_ms};

	if (!move(ctx, from_left, to_left) && !command_block(ctx, &b)) {
		resp_null(ctx->reply);
	}
}

void cmd_blmove(struct command_ctx *ctx)
{
	bool from_left, to_left;
	uint64_t deadline_ms;

	if (arg_side(ctx, 3, &from_left) && arg_side(ctx, 4, &to_left) &&
	    command_arg_timeout(ctx, 5, &deadline_ms)) {
		blocking_move(ctx, from_left, to_left, deadline_ms);
	}
}

void cmd_brpoplpush(struct command_ctx *ctx)
{
	uint64_t deadline_ms;

	if (command_arg_timeout(ctx, 3, &deadline_ms)) {
		blocking_move(ctx, false, true, deadline_ms);
	}
}
