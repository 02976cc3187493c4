/* Commands that read or write fields of a hash and say in the same breath when they expire: HGETEX,
 * HSETEX; and HGETDEL, which takes them away. */
#include "net/command/cmd_hash.h"
#include "net/command/notify.h"

/* --- HGETEX, HGETDEL --- */

enum field_change { CHANGE_NONE, CHANGE_TIME, CHANGE_PERSIST, CHANGE_DELETE };

/* Changes a field that is there. *changed: there was something to be done. */
static enum status change_field(const struct fields_request *q, struct hash_timing *t,
				struct slice field, enum field_change change, bool *changed)
{
	uint64_t at = 0;
	enum status st = ST_OK;

	*changed = change != CHANGE_NONE;
	switch (change) {
	case CHANGE_TIME:
		return hash_timing_set(t, field, (uint64_t)q->at_ms);
	case CHANGE_DELETE:
		return hash_timing_del(t, field);
	case CHANGE_PERSIST:
		st = hash_timing_get(t, field, &at);
		*changed = at != 0;
		return st == ST_OK && at != 0 ? hash_timing_set(t, field, 0) : st;
	case CHANGE_NONE:
		break;
	}
	return st;
}

/* Replies with the fields, and changes those that are there. event: what a change is called. */
static void get_and_change(struct fields_request *q, enum field_change change, const char *event)
{
	struct command_ctx *ctx = q->ctx;
	struct hash_timing t;
	bool any = false;
	enum status st = ST_OK;

	resp_array(ctx->reply, ctx->argc - q->first);
	if (q->found) {
		hash_timing_begin(&t, ctx->engine, &q->key, &q->m);
	}
	for (size_t i = q->first; st == ST_OK && i < ctx->argc; i++) {
		struct slice value;
		bool changed = false;

		st = q->found ? type_hash_get(ctx->engine, &q->key, &t.m, ctx->argv[i], &value)
			      : ST_NOT_FOUND;
		if (st == ST_OK) {
			resp_bulk(ctx->reply, value);
			st = change_field(q, &t, ctx->argv[i], change, &changed);
			any |= changed;
		} else if (st == ST_NOT_FOUND) {
			resp_null(ctx->reply);
			st = ST_OK;
		}
	}
	if (st == ST_OK && q->found) {
		st = hash_timing_end(&t);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	} else if (any) {
		fields_tell(q, &t, event);
	}
}

void cmd_hgetdel(struct command_ctx *ctx)
{
	struct fields_request q = {.ctx = ctx};

	if (fields_lookup(&q) && fields_parse(&q, 2, ERR_FIELDS_NUMBER)) {
		get_and_change(&q, CHANGE_DELETE, "hdel");
	}
}

void cmd_hgetex(struct command_ctx *ctx)
{
	struct fields_request q = {.ctx = ctx};
	bool timed = false, persist = command_arg_is(ctx, 2, "persist");

	if (!fields_lookup(&q) || !fields_parse_option(&q, 2, &timed) ||
	    !fields_parse(&q,
			  timed	    ? 4
			  : persist ? 3
				    : 2,
			  ERR_FIELDS_NUMBER)) {
		return;
	}
	if (persist) {
		get_and_change(&q, CHANGE_PERSIST, "hpersist");
	} else if (timed && fields_time_is_past(&q)) {
		get_and_change(&q, CHANGE_DELETE, "hdel");
	} else {
		get_and_change(&q, timed ? CHANGE_TIME : CHANGE_NONE, "hexpire");
	}
}

/* --- HSETEX --- */

enum field_condition { SET_ALWAYS, SET_IF_NONE_IS_THERE, SET_IF_ALL_ARE_THERE };

struct set_request {
	struct fields_request fields;
	enum field_condition condition;
	bool timed, keep;
};

/* FIELDS, their number, fields and values. False: the error reply was sent. */
static bool parse_pairs(struct fields_request *q, size_t at)
{
	struct command_ctx *ctx = q->ctx;
	int64_t n = 0;
	bool enough = at + 3 < ctx->argc;

	if (enough && (!parse_int(ctx->argv[at + 1], &n) || n < 1 || n > INT32_MAX)) {
		resp_error(ctx->reply, "ERR invalid number of fields");
		return false;
	}
	q->first = at + 2;
	if (!enough || (uint64_t)n * 2 != ctx->argc - q->first) {
		resp_error(ctx->reply, "ERR wrong number of arguments for '%s' command",
			   ctx->full_name);
		return false;
	}
	return true;
}

/* What stands in front of FIELDS at argument at; *used: arguments that it took. False: the error
 * reply was sent. */
static bool parse_set_option(struct set_request *q, size_t at, size_t *used)
{
	struct command_ctx *ctx = q->fields.ctx;
	bool none = command_arg_is(ctx, at, "fnx"), all = command_arg_is(ctx, at, "fxx");
	bool keep = command_arg_is(ctx, at, "keepttl"), timed = false;
	bool had_time = q->timed || q->keep;

	*used = 1;
	if (none || all) {
		if (q->condition != SET_ALWAYS) {
			resp_error(ctx->reply,
				   "ERR Only one of FXX or FNX arguments can be specified");
			return false;
		}
		q->condition = none ? SET_IF_NONE_IS_THERE : SET_IF_ALL_ARE_THERE;
		return true;
	}
	timed = command_arg_is(ctx, at, "ex") || command_arg_is(ctx, at, "px") ||
		command_arg_is(ctx, at, "exat") || command_arg_is(ctx, at, "pxat");
	if ((keep || timed) && had_time) {
		resp_error(ctx->reply, "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments "
				       "can be specified");
		return false;
	}
	if (keep) {
		q->keep = true;
		return true;
	}
	if (!timed) {
		resp_error(ctx->reply, "ERR unknown argument: %.*s", (int)ctx->argv[at].len,
			   (const char *)ctx->argv[at].data);
		return false;
	}
	*used = 2;
	return fields_parse_option(&q->fields, at, &q->timed);
}

static bool parse_set(struct set_request *q)
{
	struct command_ctx *ctx = q->fields.ctx;
	size_t used;

	for (size_t at = 2; at < ctx->argc; at += used) {
		if (command_arg_is(ctx, at, "fields")) {
			return parse_pairs(&q->fields, at);
		}
		if (!parse_set_option(q, at, &used)) {
			return false;
		}
	}
	resp_error(ctx->reply,
		   "ERR Mandatory argument FIELDS is missing or not at the right position");
	return false;
}

/* *met: the condition is. */
static enum status check_condition(const struct set_request *q, bool *met)
{
	const struct fields_request *f = &q->fields;
	bool wanted = q->condition == SET_IF_ALL_ARE_THERE;

	*met = true;
	if (q->condition == SET_ALWAYS) {
		return ST_OK;
	}
	for (size_t i = f->first; *met && i < f->ctx->argc; i += 2) {
		struct slice value;
		enum status st = f->found ? type_hash_get(f->ctx->engine, &f->key, &f->m,
							  f->ctx->argv[i], &value)
					  : ST_NOT_FOUND;

		if (st != ST_OK && st != ST_NOT_FOUND) {
			return st;
		}
		*met = (st == ST_OK) == wanted;
	}
	return ST_OK;
}

/* What has been set goes by the time of the request, or is gone by it. */
static enum status time_pairs(const struct set_request *q, struct hash_timing *t)
{
	const struct fields_request *f = &q->fields;
	bool past = fields_time_is_past(f);
	struct meta m;
	enum status st = ks_lookup(f->ctx->engine, &f->key, &m);

	if (st != ST_OK) {
		return st == ST_NOT_FOUND ? ST_CORRUPT : st;
	}
	hash_timing_begin(t, f->ctx->engine, &f->key, &m);
	for (size_t i = f->first; st == ST_OK && i < f->ctx->argc; i += 2) {
		uint64_t at;

		st = hash_timing_get(t, f->ctx->argv[i], &at);
		if (st == ST_NOT_FOUND) {
			st = ST_OK; /* named twice, and gone already */
		} else if (st == ST_OK && past) {
			st = hash_timing_del(t, f->ctx->argv[i]);
		} else if (st == ST_OK) {
			st = hash_timing_set(t, f->ctx->argv[i], (uint64_t)f->at_ms);
		}
	}
	return st == ST_OK ? hash_timing_end(t) : st;
}

static enum status set_fields(const struct set_request *q, struct hash_timing *t)
{
	const struct fields_request *f = &q->fields;
	struct command_ctx *ctx = f->ctx;
	struct hash_limits limits = hash_limits_of(ctx);
	const struct meta *old = f->found ? &f->m : NULL;
	const struct slice *pairs = ctx->argv + f->first;
	size_t count = (ctx->argc - f->first) / 2;
	uint64_t added;
	enum status st =
	    q->timed || q->keep
		? type_hash_change(ctx->engine, &f->key, old, pairs, count, &limits, &added)
		: type_hash_set(ctx->engine, &f->key, old, pairs, count, &limits, &added);

	return st == ST_OK && q->timed ? time_pairs(q, t) : st;
}

void cmd_hsetex(struct command_ctx *ctx)
{
	struct set_request q = {.fields = {.ctx = ctx}};
	struct hash_timing t;
	bool met = false;
	enum status st;

	if (!parse_set(&q) || !fields_lookup(&q.fields)) {
		return;
	}
	st = check_condition(&q, &met);
	if (st == ST_OK && met) {
		st = set_fields(&q, &t);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	if (met) {
		command_event(ctx, EVENT_HASH, "hset", q.fields.key.name);
	}
	if (met && q.timed) {
		fields_tell(&q.fields, &t, fields_time_is_past(&q.fields) ? "hdel" : "hexpire");
	}
	resp_int(ctx->reply, met);
}
