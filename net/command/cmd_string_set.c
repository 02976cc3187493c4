/* Commands that set strings whole: SET and its kin, MSET, and those that read at the same time. */
#include "net/command/cmd_string.h"
#include "net/command/notify.h"

enum set_flags {
	SET_NX = 1,
	SET_XX = 2,
	SET_GET = 4,
	SET_KEEPTTL = 8,
	SET_PERSIST = 16,
	SET_EX = 32,
	SET_PX = 64,
	SET_EXAT = 128,
	SET_PXAT = 256,
	SET_IFEQ = 512,
	SET_CONDITIONS = SET_NX | SET_XX | SET_IFEQ,
	SET_TIMES = SET_EX | SET_PX | SET_EXAT | SET_PXAT,
};

/* The options of SET and GETEX: allowed when the other's bit is in allowed and none of excludes was
 * given before. Giving an option twice is fine, the last time counts. */
static const struct set_option {
	const char *word;
	uint32_t flag, excludes;
} set_options[] = {
    {"nx", SET_NX, SET_XX | SET_IFEQ},
    {"xx", SET_XX, SET_NX | SET_IFEQ},
    {"ifeq", SET_IFEQ, SET_CONDITIONS},
    {"get", SET_GET, 0},
    {"keepttl", SET_KEEPTTL, SET_PERSIST | SET_TIMES},
    {"persist", SET_PERSIST, SET_KEEPTTL | SET_TIMES},
    {"ex", SET_EX, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_EX)},
    {"px", SET_PX, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_PX)},
    {"exat", SET_EXAT, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_EXAT)},
    {"pxat", SET_PXAT, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_PXAT)},
};

/* What was given; the arguments are indexes of argv, 0: none. */
struct set_given {
	uint32_t flags;
	size_t time_arg;     /* the last expiry */
	size_t expected_arg; /* what IFEQ compares with */
};

/* Parses options from argv[first] on. */
static bool parse_options(struct command_ctx *ctx, size_t first, uint32_t allowed,
			  struct set_given *given)
{
	*given = (struct set_given){0};
	for (size_t i = first; i < ctx->argc; i++) {
		const struct set_option *found = NULL;

		for (size_t o = 0; o < sizeof set_options / sizeof set_options[0]; o++) {
			if (command_arg_is(ctx, i, set_options[o].word)) {
				found = &set_options[o];
				break;
			}
		}
		if (found == NULL || (found->flag & allowed) == 0 ||
		    (given->flags & found->excludes) != 0 ||
		    ((found->flag & (SET_TIMES | SET_IFEQ)) != 0 && i + 1 == ctx->argc)) {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
		given->flags |= found->flag;
		if ((found->flag & SET_TIMES) != 0) {
			given->time_arg = ++i;
		} else if (found->flag == SET_IFEQ) {
			given->expected_arg = ++i;
		}
	}
	return true;
}

static bool parse_time(struct command_ctx *ctx, const struct set_given *given,
		       uint64_t *expire_at_ms)
{
	*expire_at_ms = 0;
	return given->time_arg == 0 ||
	       command_arg_expiry(ctx, given->time_arg,
				  (given->flags & (SET_EX | SET_EXAT)) != 0 ? 1000 : 1,
				  (given->flags & (SET_EXAT | SET_PXAT)) != 0, expire_at_ms);
}

/* Stores a value whose expiry may lie in the past already: then there is no value. old and known:
 * the result of a lookup, when one was made. */
static enum status put_value(struct command_ctx *ctx, const struct store_key *key, bool known,
			     const struct meta *old, struct slice value, uint64_t expire_at_ms)
{
	struct meta found;
	enum status st = ST_OK;

	if (expire_at_ms != 0 && expire_at_ms <= ctx->now_ms) {
		if (!known) {
			st = ks_lookup(ctx->engine, key, &found);
			old = st == ST_OK ? &found : NULL;
			st = st == ST_NOT_FOUND ? ST_OK : st;
		}
		if (st == ST_OK && old != NULL) {
			st = ks_delete(ctx->engine, key, old);
		} else if (st == ST_OK) {
			ks_touch(ctx->engine, key); /* it was there for no time at all */
		}
		return st;
	}
	if (known) {
		return string_replace(ctx->engine, key, old, value, 0, expire_at_ms);
	}
	return string_set(ctx->engine, key, value, 0, expire_at_ms);
}

static enum status store_value(struct command_ctx *ctx, const struct store_key *key, bool known,
			       const struct meta *old, struct slice value, uint64_t expire_at_ms)
{
	enum status st = put_value(ctx, key, known, old, value, expire_at_ms);

	command_event(ctx, EVENT_STRING, "set", key->name);
	return st;
}

/* Behind "set", when the command gave the key a time to live. */
static void tell_expiry(struct command_ctx *ctx, const struct store_key *key, uint64_t expire_at_ms)
{
	if (expire_at_ms != 0) {
		command_event(ctx, EVENT_GENERIC, "expire", key->name);
	}
	if (expire_at_ms != 0 && expire_at_ms <= ctx->now_ms) {
		command_event(ctx, EVENT_EXPIRED, "expired", key->name);
	}
}

/* Zeros, as a hole of a string reads. */
static bool is_zeros(struct slice s)
{
	return s.len == 0 || (s.data[0] == 0 && memcmp(s.data, s.data + 1, s.len - 1) == 0);
}

/* Whether a string holds just these bytes. */
static enum status compare_value(struct command_ctx *ctx, const struct store_key *key,
				 const struct meta *m, struct slice bytes, bool *same)
{
	struct string_reader r;
	struct slice piece;
	enum status st;

	*same = string_len(m) == bytes.len;
	if (!*same) {
		return ST_OK;
	}
	st = string_reader_open(ctx->engine, key->slot, m, 0, bytes.len, &r);
	while (st == ST_OK && *same) {
		st = string_reader_next(&r, &piece);
		if (st == ST_OK) {
			struct slice part = slice_of(bytes.data, piece.len);

			*same = piece.data == NULL ? is_zeros(part) : slice_eq(part, piece);
			bytes = slice_skip(bytes, piece.len);
		}
	}
	string_reader_close(&r);
	return st == ST_END ? ST_OK : st;
}

/* Whether what a lookup has found (found false: nothing) lets SET go on. ST_WRONG_TYPE: IFEQ can't
 * compare it. */
static enum status condition_met(struct command_ctx *ctx, const struct set_given *given,
				 const struct store_key *key, bool found, const struct meta *m,
				 bool *met)
{
	*met = (given->flags & (found ? SET_NX : SET_XX | SET_IFEQ)) == 0;
	if (!found || (given->flags & SET_IFEQ) == 0) {
		return ST_OK;
	}
	if (m->type != TYPE_STRING) {
		return ST_WRONG_TYPE;
	}
	return compare_value(ctx, key, m, ctx->argv[given->expected_arg], met);
}

/* SET with a condition, GET or KEEPTTL: what is there has to be looked at. */
static void set_looking(struct command_ctx *ctx, const struct set_given *given,
			uint64_t expire_at_ms)
{
	struct store_key key;
	struct meta m;
	uint32_t flags = given->flags;
	bool get = (flags & SET_GET) != 0, found, met;
	enum status st;

	if (get) {
		st = string_reply_key(ctx, &key, &m);
	} else {
		st = command_lookup_any(ctx, 1, &key, &m);
	}
	if (st != ST_OK && st != ST_NOT_FOUND) {
		return;
	}
	found = st == ST_OK;
	st = condition_met(ctx, given, &key, found, &m, &met);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	if (!met) {
		if (!get) {
			resp_null(ctx->reply);
		}
		return;
	}
	if (found && (flags & SET_KEEPTTL) != 0) {
		expire_at_ms = m.expire_at_ms;
	}
	st = store_value(ctx, &key, true, found ? &m : NULL, ctx->argv[2], expire_at_ms);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	if ((flags & SET_KEEPTTL) == 0) {
		tell_expiry(ctx, &key, expire_at_ms);
	}
	if (!get) {
		resp_ok(ctx->reply);
	}
}

static void set_blind(struct command_ctx *ctx, struct slice value, uint64_t expire_at_ms)
{
	struct store_key key;
	enum status st;

	store_key_of_key(&key, ctx->argv[1]);
	st = store_value(ctx, &key, false, NULL, value, expire_at_ms);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	tell_expiry(ctx, &key, expire_at_ms);
	resp_ok(ctx->reply);
}

void cmd_set(struct command_ctx *ctx)
{
	struct set_given given;
	uint64_t expire_at_ms;

	if (ctx->argc == 3) {
		set_blind(ctx, ctx->argv[2], 0);
		return;
	}
	if (!parse_options(ctx, 3, ~(uint32_t)SET_PERSIST, &given) ||
	    !parse_time(ctx, &given, &expire_at_ms)) {
		return;
	}
	if ((given.flags & (SET_CONDITIONS | SET_GET | SET_KEEPTTL)) != 0) {
		set_looking(ctx, &given, expire_at_ms);
	} else {
		set_blind(ctx, ctx->argv[2], expire_at_ms);
	}
}

static void set_with_time(struct command_ctx *ctx, int64_t unit_ms)
{
	uint64_t expire_at_ms;

	if (command_arg_expiry(ctx, 2, unit_ms, false, &expire_at_ms)) {
		set_blind(ctx, ctx->argv[3], expire_at_ms);
	}
}

void cmd_setex(struct command_ctx *ctx)
{
	set_with_time(ctx, 1000);
}

void cmd_psetex(struct command_ctx *ctx)
{
	set_with_time(ctx, 1);
}

void cmd_setnx(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	enum status st = command_lookup_any(ctx, 1, &key, &m);

	if (st == ST_OK) {
		resp_int(ctx->reply, 0);
	} else if (st == ST_NOT_FOUND) {
		st = store_value(ctx, &key, true, NULL, ctx->argv[2], 0);
		if (st != ST_OK) {
			command_reply_status(ctx, st);
			return;
		}
		resp_int(ctx->reply, 1);
	}
}

static bool mset_arity_ok(struct command_ctx *ctx)
{
	if (ctx->argc % 2 == 1) {
		return true;
	}
	resp_error(ctx->reply, "ERR wrong number of arguments for '%s' command", ctx->cmd->name);
	return false;
}

/* Blind also where every key was found absent: a name may be given twice. */
static bool mset_all(struct command_ctx *ctx)
{
	for (size_t i = 1; i < ctx->argc; i += 2) {
		struct store_key key;
		enum status st;

		store_key_of_key(&key, ctx->argv[i]);
		st = string_set(ctx->engine, &key, ctx->argv[i + 1], 0, 0);
		if (st != ST_OK) {
			command_reply_status(ctx, st);
			return false;
		}
		command_event(ctx, EVENT_STRING, "set", key.name);
	}
	return true;
}

void cmd_mset(struct command_ctx *ctx)
{
	if (mset_arity_ok(ctx) && mset_all(ctx)) {
		resp_ok(ctx->reply);
	}
}

void cmd_msetnx(struct command_ctx *ctx)
{
	if (!mset_arity_ok(ctx)) {
		return;
	}
	for (size_t i = 1; i < ctx->argc; i += 2) {
		struct store_key key;
		struct meta m;
		enum status st = command_lookup_any(ctx, i, &key, &m);

		if (st == ST_OK) {
			resp_int(ctx->reply, 0);
		}
		if (st != ST_NOT_FOUND) {
			return;
		}
	}
	if (mset_all(ctx)) {
		resp_int(ctx->reply, 1);
	}
}

/* --- reading with a change --- */

void cmd_getset(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	enum status st = string_reply_key(ctx, &key, &m);

	if (st != ST_OK && st != ST_NOT_FOUND) {
		return;
	}
	st = store_value(ctx, &key, true, st == ST_OK ? &m : NULL, ctx->argv[2], 0);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

void cmd_getdel(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	enum status st = string_reply_key(ctx, &key, &m);

	if (st != ST_OK) {
		return;
	}
	st = ks_delete(ctx->engine, &key, &m);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
	command_event(ctx, EVENT_GENERIC, "del", key.name);
}

void cmd_getex(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m, changed;
	struct set_given given;
	uint64_t expire_at_ms;
	enum status st;

	if (!parse_options(ctx, 2, SET_PERSIST | SET_TIMES, &given)) {
		return;
	}
	st = string_lookup_counted(ctx, 1, &key, &m);
	if (st == ST_NOT_FOUND) {
		resp_null(ctx->reply);
	}
	if (st != ST_OK || !parse_time(ctx, &given, &expire_at_ms) ||
	    string_reply_whole(ctx, key.slot, &m) != ST_OK) {
		return;
	}
	if (given.time_arg != 0 && expire_at_ms <= ctx->now_ms) {
		st = ks_delete(ctx->engine, &key, &m);
		command_event(ctx, EVENT_GENERIC, "del", key.name);
	} else if (given.time_arg != 0 || (given.flags != 0 && m.expire_at_ms != 0)) {
		changed = m;
		changed.expire_at_ms = expire_at_ms;
		st = ks_put(ctx->engine, &key, &m, &changed, &m.payload,
			    m.form == FORM_INLINE ? 1 : 0);
		command_event(ctx, EVENT_GENERIC, given.time_arg != 0 ? "expire" : "persist",
			      key.name);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}
