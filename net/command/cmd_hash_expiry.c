/* Commands on when fields of a hash expire: HEXPIRE and its kin, HTTL and its kin, HPERSIST. What
 * that means in storage: engine/types/hash_expiry.h. */
#include "engine/types/hash_expiry.h"

#include "engine/types/type_hash.h"
#include "net/command/cmd_hash.h"
#include "net/command/expire_fields.h"

/* What is said of one field. */
enum field_reply {
	FIELD_NONE = -2,    /* there is no such field */
	FIELD_FOREVER = -1, /* it does not expire */
	FIELD_REFUSED = 0,  /* by the condition */
	FIELD_DONE = 1,
	FIELD_DELETED = 2, /* the time lies in the past */
};

enum condition { ALWAYS, IF_NEVER, IF_EVER, IF_LATER, IF_EARLIER };

/* The latest time that a request may name, ms. */
#define TIME_MAX (int64_t)(HASH_EXPIRY_MAX >> 2)

/* A request on fields. */
struct request {
	struct command_ctx *ctx;
	struct store_key key;
	struct meta m;
	bool found;
	enum condition condition;
	int64_t at_ms;
	size_t first; /* argument of the first field; the others follow to the end */
};

/* --- arguments --- */

static bool lookup(struct request *q)
{
	enum status st = command_lookup(q->ctx, 1, TYPE_HASH, &q->key, &q->m);

	q->found = st == ST_OK;
	return st == ST_OK || st == ST_NOT_FOUND;
}

/* FIELDS, their number and they themselves, from argument at on. False: the error reply was sent.
 */
static bool parse_fields(struct request *q, size_t at, const char *bad_number)
{
	struct command_ctx *ctx = q->ctx;
	int64_t n;

	if (at + 1 >= ctx->argc || !command_arg_is(ctx, at, "fields")) {
		resp_error(ctx->reply, "ERR Mandatory argument FIELDS is missing or not at the "
				       "right position");
		return false;
	}
	if (!command_arg_int(ctx, at + 1, &n, bad_number)) {
		return false;
	}
	if (n < 1) {
		resp_error(ctx->reply, "%s", bad_number);
		return false;
	}
	q->first = at + 2;
	if ((uint64_t)n != ctx->argc - q->first) {
		resp_error(ctx->reply,
			   "ERR The `numfields` parameter must match the number of arguments");
		return false;
	}
	return true;
}

/* The time in argument 2 as unix ms. False: the error reply was sent. */
static bool parse_time(struct request *q, int64_t unit_ms, bool absolute)
{
	struct command_ctx *ctx = q->ctx;
	int64_t now = absolute ? 0 : (int64_t)ctx->now_ms;

	if (!command_arg_int(ctx, 2, &q->at_ms, NULL)) {
		return false;
	}
	if (q->at_ms < 0) {
		resp_error(ctx->reply, "ERR invalid expire time, must be >= 0");
		return false;
	}
	if (q->at_ms > TIME_MAX / unit_ms || q->at_ms * unit_ms > (int64_t)HASH_EXPIRY_MAX - now) {
		resp_error(ctx->reply, "ERR invalid expire time in '%s' command", ctx->full_name);
		return false;
	}
	q->at_ms = q->at_ms * unit_ms + now;
	return true;
}

/* NX, XX, GT or LT in argument 3. */
static bool parse_condition(struct request *q)
{
	static const char *const words[] = {"nx", "xx", "gt", "lt"};

	for (int i = 0; i < 4; i++) {
		if (command_arg_is(q->ctx, 3, words[i])) {
			q->condition = (enum condition)(i + 1);
			return true;
		}
	}
	return false;
}

/* --- HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT --- */

/* Whether a field that expires then (0: never) is to be given another time. */
static bool is_wanted(const struct request *q, uint64_t now_at)
{
	switch (q->condition) {
	case IF_NEVER:
		return now_at == 0;
	case IF_EVER:
		return now_at != 0;
	case IF_LATER:
		return now_at != 0 && (uint64_t)q->at_ms > now_at;
	case IF_EARLIER:
		return now_at == 0 || (uint64_t)q->at_ms < now_at;
	case ALWAYS:
		break;
	}
	return true;
}

static enum status expire_field(struct request *q, struct hash_timing *t, struct slice field,
				enum field_reply *reply)
{
	uint64_t at;
	enum status st = hash_timing_get(t, field, &at);

	if (st == ST_NOT_FOUND) {
		*reply = FIELD_NONE;
		return ST_OK;
	}
	if (st != ST_OK) {
		return st;
	}
	*reply = FIELD_REFUSED;
	if (!is_wanted(q, at)) {
		return ST_OK;
	}
	if ((uint64_t)q->at_ms <= q->ctx->now_ms) {
		*reply = FIELD_DELETED;
		return hash_timing_del(t, field);
	}
	*reply = FIELD_DONE;
	return hash_timing_set(t, field, (uint64_t)q->at_ms);
}

static enum status persist_field(struct request *q, struct hash_timing *t, struct slice field,
				 enum field_reply *reply)
{
	uint64_t at;
	enum status st = hash_timing_get(t, field, &at);

	(void)q;
	*reply = st == ST_NOT_FOUND ? FIELD_NONE : at == 0 ? FIELD_FOREVER : FIELD_DONE;
	if (st == ST_OK && at != 0) {
		st = hash_timing_set(t, field, 0);
	}
	return st == ST_NOT_FOUND ? ST_OK : st;
}

/* Changes each of the fields, and replies what became of it. */
static void change_fields(struct request *q,
			  enum status (*change)(struct request *q, struct hash_timing *t,
						struct slice field, enum field_reply *reply))
{
	struct command_ctx *ctx = q->ctx;
	struct hash_timing t;
	enum status st = ST_OK;

	resp_array(ctx->reply, ctx->argc - q->first);
	if (q->found) {
		hash_timing_begin(&t, ctx->engine, &q->key, &q->m);
	}
	for (size_t i = q->first; st == ST_OK && i < ctx->argc; i++) {
		enum field_reply reply = FIELD_NONE;

		if (q->found) {
			st = change(q, &t, ctx->argv[i], &reply);
		}
		resp_int(ctx->reply, reply);
	}
	if (st == ST_OK && q->found) {
		st = hash_timing_end(&t);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

static void expire_command(struct command_ctx *ctx, int64_t unit_ms, bool absolute)
{
	struct request q = {.ctx = ctx};

	if (lookup(&q) && parse_time(&q, unit_ms, absolute) &&
	    parse_fields(&q, parse_condition(&q) ? 4 : 3,
			 "ERR Parameter `numFields` should be greater than 0")) {
		change_fields(&q, expire_field);
	}
}

void cmd_hexpire(struct command_ctx *ctx)
{
	expire_command(ctx, 1000, false);
}

void cmd_hpexpire(struct command_ctx *ctx)
{
	expire_command(ctx, 1, false);
}

void cmd_hexpireat(struct command_ctx *ctx)
{
	expire_command(ctx, 1000, true);
}

void cmd_hpexpireat(struct command_ctx *ctx)
{
	expire_command(ctx, 1, true);
}

void cmd_hpersist(struct command_ctx *ctx)
{
	struct request q = {.ctx = ctx};

	if (lookup(&q) && parse_fields(&q, 2, "ERR Number of fields must be a positive integer")) {
		change_fields(&q, persist_field);
	}
}

/* --- HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME --- */

static void ttl_command(struct command_ctx *ctx, int64_t unit_ms, bool absolute)
{
	struct request q = {.ctx = ctx};
	int64_t now = absolute ? 0 : (int64_t)ctx->now_ms;
	struct hash_timing t;

	if (!lookup(&q) ||
	    !parse_fields(&q, 2, "ERR Number of fields must be a positive integer")) {
		return;
	}
	resp_array(ctx->reply, ctx->argc - q.first);
	if (q.found) {
		hash_timing_begin(&t, ctx->engine, &q.key, &q.m);
	}
	for (size_t i = q.first; i < ctx->argc; i++) {
		uint64_t at = 0;
		enum status st = q.found ? hash_timing_get(&t, ctx->argv[i], &at) : ST_NOT_FOUND;

		if (st != ST_OK && st != ST_NOT_FOUND) {
			command_reply_status(ctx, st);
			return;
		}
		if (st == ST_NOT_FOUND || at == 0) {
			resp_int(ctx->reply, st == ST_OK ? FIELD_FOREVER : FIELD_NONE);
		} else {
			resp_int(ctx->reply, ((int64_t)at - now + unit_ms - 1) / unit_ms);
		}
	}
}

void cmd_httl(struct command_ctx *ctx)
{
	ttl_command(ctx, 1000, false);
}

void cmd_hpttl(struct command_ctx *ctx)
{
	ttl_command(ctx, 1, false);
}

void cmd_hexpiretime(struct command_ctx *ctx)
{
	ttl_command(ctx, 1000, true);
}

void cmd_hpexpiretime(struct command_ctx *ctx)
{
	ttl_command(ctx, 1, true);
}

/* --- the expiry cycle --- */

enum status command_expire_fields(struct engine *e, const struct store_key *key,
				  const struct meta *m, uint32_t max)
{
	return type_hash_expire(e, key, m, max);
}
