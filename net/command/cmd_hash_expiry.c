/* Commands on when fields of a hash expire: HEXPIRE and its kin, HTTL and its kin, HPERSIST. What
 * that means in storage: engine/types/hash_expiry.h. */
#include "engine/types/hash_expiry.h"

#include "net/command/cmd_hash.h"
#include "net/command/expire_fields.h"
#include "net/command/notify.h"

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

/* What happened to the fields of one request. */
struct outcome {
	uint32_t updated, deleted;
};

/* HEXPIRE and its kin. */
struct expire_request {
	struct fields_request fields;
	enum condition condition;
	struct outcome done;
};

/* --- arguments --- */

bool fields_lookup(struct fields_request *q)
{
	enum status st = command_lookup(q->ctx, 1, TYPE_HASH, &q->key, &q->m);

	q->found = st == ST_OK;
	return st == ST_OK || st == ST_NOT_FOUND;
}

bool fields_parse(struct fields_request *q, size_t at, const char *bad_number)
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

bool fields_parse_time(struct fields_request *q, size_t arg, int64_t unit_ms, bool absolute)
{
	struct command_ctx *ctx = q->ctx;
	int64_t now = absolute ? 0 : (int64_t)ctx->now_ms;

	if (!command_arg_int(ctx, arg, &q->at_ms, NULL)) {
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

bool fields_parse_option(struct fields_request *q, size_t arg, bool *is)
{
	static const struct {
		const char *word;
		int64_t unit_ms;
		bool absolute;
	} options[] = {
	    {"ex", 1000, false}, {"px", 1, false}, {"exat", 1000, true}, {"pxat", 1, true}};

	for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
		*is = command_arg_is(q->ctx, arg, options[i].word);
		if (!*is) {
			continue;
		}
		if (arg + 1 >= q->ctx->argc) {
			resp_error(q->ctx->reply, "ERR missing expire time");
			return false;
		}
		return fields_parse_time(q, arg + 1, options[i].unit_ms, options[i].absolute);
	}
	return true;
}

void fields_tell(const struct fields_request *q, const struct hash_timing *t, const char *event)
{
	command_event(q->ctx, EVENT_HASH, event, q->key.name);
	if (t->m.count == 0 && t->changed) {
		command_event(q->ctx, EVENT_GENERIC, "del", q->key.name);
	}
}

/* NX, XX, GT or LT in argument 3. */
static bool parse_condition(struct expire_request *q)
{
	static const char *const words[] = {"nx", "xx", "gt", "lt"};

	for (int i = 0; i < 4; i++) {
		if (command_arg_is(q->fields.ctx, 3, words[i])) {
			q->condition = (enum condition)(i + 1);
			return true;
		}
	}
	return false;
}

/* --- HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT --- */

/* Whether a field that expires then (0: never) is to be given another time. */
static bool is_wanted(const struct expire_request *q, uint64_t now_at)
{
	uint64_t at = (uint64_t)q->fields.at_ms;

	switch (q->condition) {
	case IF_NEVER:
		return now_at == 0;
	case IF_EVER:
		return now_at != 0;
	case IF_LATER:
		return now_at != 0 && at > now_at;
	case IF_EARLIER:
		return now_at == 0 || at < now_at;
	case ALWAYS:
		break;
	}
	return true;
}

static enum status expire_field(struct expire_request *q, struct hash_timing *t, struct slice field,
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
	if (fields_time_is_past(&q->fields)) {
		*reply = FIELD_DELETED;
		q->done.deleted++;
		return hash_timing_del(t, field);
	}
	*reply = FIELD_DONE;
	q->done.updated++;
	return hash_timing_set(t, field, (uint64_t)q->fields.at_ms);
}

static enum status persist_field(struct expire_request *q, struct hash_timing *t,
				 struct slice field, enum field_reply *reply)
{
	uint64_t at;
	enum status st = hash_timing_get(t, field, &at);

	*reply = st == ST_NOT_FOUND ? FIELD_NONE : at == 0 ? FIELD_FOREVER : FIELD_DONE;
	if (st == ST_OK && at != 0) {
		q->done.updated++;
		st = hash_timing_set(t, field, 0);
	}
	return st == ST_NOT_FOUND ? ST_OK : st;
}

/* Changes each of the fields, and replies what became of it. event: what that is called. */
static void change_fields(struct expire_request *q, const char *event,
			  enum status (*change)(struct expire_request *q, struct hash_timing *t,
						struct slice field, enum field_reply *reply))
{
	struct command_ctx *ctx = q->fields.ctx;
	bool found = q->fields.found;
	struct hash_timing t;
	enum status st = ST_OK;

	resp_array(ctx->reply, ctx->argc - q->fields.first);
	if (found) {
		hash_timing_begin(&t, ctx->engine, &q->fields.key, &q->fields.m);
	}
	for (size_t i = q->fields.first; st == ST_OK && i < ctx->argc; i++) {
		enum field_reply reply = FIELD_NONE;

		if (found) {
			st = change(q, &t, ctx->argv[i], &reply);
		}
		resp_int(ctx->reply, reply);
	}
	if (st == ST_OK && found) {
		st = hash_timing_end(&t);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	} else if (q->done.updated + q->done.deleted > 0) {
		fields_tell(&q->fields, &t, q->done.deleted > 0 ? "hdel" : event);
	}
}

static void expire_command(struct command_ctx *ctx, int64_t unit_ms, bool absolute)
{
	struct expire_request q = {.fields = {.ctx = ctx}};

	if (fields_lookup(&q.fields) && fields_parse_time(&q.fields, 2, unit_ms, absolute) &&
	    fields_parse(&q.fields, parse_condition(&q) ? 4 : 3,
			 "ERR Parameter `numFields` should be greater than 0")) {
		change_fields(&q, "hexpire", expire_field);
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
	struct expire_request q = {.fields = {.ctx = ctx}};

	if (fields_lookup(&q.fields) && fields_parse(&q.fields, 2, ERR_FIELDS_NUMBER)) {
		change_fields(&q, "hpersist", persist_field);
	}
}

/* --- HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME --- */

static void ttl_command(struct command_ctx *ctx, int64_t unit_ms, bool absolute)
{
	struct fields_request q = {.ctx = ctx};
	int64_t now = absolute ? 0 : (int64_t)ctx->now_ms;
	struct hash_timing t;

	if (!fields_lookup(&q) || !fields_parse(&q, 2, ERR_FIELDS_NUMBER)) {
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
				  const struct meta *m, uint32_t max, struct fields_expired *out)
{
	return type_hash_expire(e, key, m, max, out);
}
