/* XCLAIM and XAUTOCLAIM: pending entries change their consumer. */
#include "net/command/cmd_stream.h"
#include "net/command/command_groups.h"
#include "net/command/command_host.h"

#include <stdio.h>

enum { AUTOCLAIM_COUNT = 100, ATTEMPTS_PER_ENTRY = 10 };

struct claim {
	struct command_ctx *ctx;
	struct stream s;
	struct stream_group g;
	struct stream_consumer c; /* who gets them */
	int64_t min_idle;
	bool just_id, force;
	int64_t deliveries; /* to be set; -1: one more */
	uint64_t time_ms;   /* to be set */
};

/* Has the consumer of argv[3] ready. */
static enum status begin_claim(struct claim *k)
{
	return stream_use_consumer(k->ctx, &k->s, &k->g, k->ctx->argv[3], &k->c);
}

static void end_claim(struct claim *k, enum status st)
{
	if (st == ST_OK) {
		st = stream_group_put(&k->s, &k->g);
	}
	if (st == ST_OK) {
		st = stream_consumer_put(&k->s, &k->g, &k->c);
	}
	stream_finish(k->ctx, &k->s, st);
}

/* Drops a pending entry whose entry is gone. */
static enum status drop(struct claim *k, const struct stream_pending *p)
{
	enum status st = ST_OK;

	if (p->consumer != k->c.number) {
		return stream_pending_delete(&k->s, &k->g, p);
	}
	/* Its count is in hand, and not in the record yet. */
	st = stream_consumer_put(&k->s, &k->g, &k->c);
	if (st == ST_OK) {
		st = stream_pending_delete(&k->s, &k->g, p);
	}
	k->c.pending -= st == ST_OK;
	return st;
}

/* Gives an entry to the consumer and replies with it. old NULL: it was nobody's. */
static enum status take(struct claim *k, struct stream_id id, const struct stream_pending *old)
{
	struct stream_pending p = {.id = id, .deliveries = 1};
	struct slice value;
	enum status st;

	if (old != NULL) {
		p = *old;
	}
	if (k->deliveries >= 0) {
		p.deliveries = (uint64_t)k->deliveries;
	} else if (!k->just_id) {
		p.deliveries++;
	}
	p.consumer = k->c.number;
	p.time_ms = k->time_ms;
	k->c.active_ms = (int64_t)k->ctx->now_ms;
	if (k->just_id) {
		stream_reply_id(k->ctx, id);
	} else {
		st = stream_get(&k->s, id, &value);
		if (st == ST_OK) {
			st = stream_reply_entry(k->ctx, id, value);
		}
		if (st != ST_OK) {
			return st == ST_NOT_FOUND ? ST_CORRUPT : st;
		}
	}
	return stream_pending_put(&k->s, &k->g, &k->c, old, &p);
}

static bool idle_enough(const struct claim *k, const struct stream_pending *p)
{
	return k->min_idle <= 0 || (int64_t)k->ctx->now_ms - (int64_t)p->time_ms >= k->min_idle;
}

/* --- XCLAIM --- */

struct claim_options {
	int64_t delivered; /* ms; -1: now */
	struct stream_id last_id;
};

/* An option with a number behind it. False: the error reply was sent. */
static bool claim_number(struct command_ctx *ctx, size_t arg, const char *name, int64_t *out)
{
	char error[64];

	(void)snprintf(error, sizeof error, "ERR Invalid %s option argument for XCLAIM", name);
	return command_arg_int(ctx, arg, out, error);
}

/* Options from argument i on. False: the error reply was sent. */
static bool claim_options(struct claim *k, size_t i, struct claim_options *o)
{
	struct command_ctx *ctx = k->ctx;

	for (; i < ctx->argc; i++) {
		bool more = i + 1 < ctx->argc, fine = true;

		if (command_arg_is(ctx, i, "force")) {
			k->force = true;
		} else if (command_arg_is(ctx, i, "justid")) {
			k->just_id = true;
		} else if (more && command_arg_is(ctx, i, "idle")) {
			fine = claim_number(ctx, ++i, "IDLE", &o->delivered);
			if (fine && __builtin_sub_overflow((int64_t)ctx->now_ms, o->delivered,
							   &o->delivered)) {
				o->delivered = (int64_t)ctx->now_ms;
			}
		} else if (more && command_arg_is(ctx, i, "time")) {
			fine = claim_number(ctx, ++i, "TIME", &o->delivered);
		} else if (more && command_arg_is(ctx, i, "retrycount")) {
			fine = claim_number(ctx, ++i, "RETRYCOUNT", &k->deliveries);
		} else if (more && command_arg_is(ctx, i, "lastid")) {
			fine = stream_arg_id(ctx, ++i, STREAM_ID_STRICT, 0, NULL, &o->last_id);
		} else {
			struct slice opt = ctx->argv[i];

			resp_error(ctx->reply, "ERR Unrecognized XCLAIM option '%.*s'",
				   opt.len == 0 ? 0 : (int)strnlen((const char *)opt.data, opt.len),
				   (const char *)opt.data);
			fine = false;
		}
		if (!fine) {
			return false;
		}
	}
	return true;
}

static enum status claim_one(struct claim *k, struct stream_id id, bool *claimed)
{
	struct stream_pending p;
	struct slice ignored;
	enum status there = stream_get(&k->s, id, &ignored);
	enum status st = stream_pending_get(&k->s, &k->g, id, &p);
	bool pending = st == ST_OK;

	*claimed = false;
	if (there != ST_OK && there != ST_NOT_FOUND) {
		return there;
	}
	if (!pending && st != ST_NOT_FOUND) {
		return st;
	}
	if (there == ST_NOT_FOUND) {
		return pending ? drop(k, &p) : ST_OK;
	}
	if (pending ? !idle_enough(k, &p) : !k->force) {
		return ST_OK;
	}
	*claimed = true;
	return take(k, id, pending ? &p : NULL);
}

/* Claims the IDs of arguments 5..end. */
static enum status claim_all(struct claim *k, size_t end)
{
	size_t mark = resp_deferred_begin(k->ctx->reply), n = 0;
	enum status st = ST_OK;

	for (size_t i = 5; st == ST_OK && i < end; i++) {
		struct stream_id id;
		bool claimed;

		if (!stream_parse_id(k->ctx->argv[i], STREAM_ID_STRICT, 0, NULL, &id)) {
			break; /* they were all looked at before */
		}
		st = claim_one(k, id, &claimed);
		n += claimed;
	}
	resp_deferred_end(k->ctx->reply, mark, '*', n);
	return st;
}

void cmd_xclaim(struct command_ctx *ctx)
{
	struct claim k = {.ctx = ctx, .deliveries = -1};
	struct claim_options o = {.delivered = -1};
	struct store_key key;
	struct stream_id id;
	size_t end = 5;
	enum status st;

	if (!stream_lookup_group(ctx, &key, &k.s, &k.g) ||
	    !command_arg_int(ctx, 4, &k.min_idle,
			     "ERR Invalid min-idle-time argument for XCLAIM")) {
		return;
	}
	while (end < ctx->argc && stream_parse_id(ctx->argv[end], STREAM_ID_STRICT, 0, NULL, &id)) {
		end++;
	}
	if (!claim_options(&k, end, &o)) {
		return;
	}
	if (stream_id_compare(o.last_id, k.g.last_id) > 0) {
		k.g.last_id = o.last_id;
	}
	/* What makes no sense is taken as now: a client's clock may be ahead. */
	k.time_ms = o.delivered < 0 || (uint64_t)o.delivered > ctx->now_ms ? ctx->now_ms
									   : (uint64_t)o.delivered;
	st = begin_claim(&k);
	if (st == ST_OK) {
		st = claim_all(&k, end);
	}
	end_claim(&k, st);
}

/* --- XAUTOCLAIM --- */

/* False: the error reply was sent. */
static bool autoclaim_options(struct claim *k, struct stream_id *from, int64_t *count)
{
	struct command_ctx *ctx = k->ctx;

	if (!command_arg_int(ctx, 4, &k->min_idle,
			     "ERR Invalid min-idle-time argument for XAUTOCLAIM") ||
	    !stream_arg_bound(ctx, 5, false, from)) {
		return false;
	}
	for (size_t i = 6; i < ctx->argc; i++) {
		if (command_arg_is(ctx, i, "justid")) {
			k->just_id = true;
		} else if (i + 1 < ctx->argc && command_arg_is(ctx, i, "count")) {
			if (!command_arg_int(ctx, ++i, count, "ERR COUNT must be > 0")) {
				return false;
			}
			if (*count < 1 || *count > INT64_MAX / STREAM_ID_LEN) {
				resp_error(ctx->reply, "ERR COUNT must be > 0");
				return false;
			}
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
	}
	return true;
}

/* What a pass over the pending entries found. Nothing may be written while it goes. */
struct autoclaim_pass {
	struct buf found; /* of struct stream_pending, idle enough or of an entry that is gone */
	struct stream_id next; /* where the next pass begins; 0-0: it was the last */
};

static enum status find_idle(struct claim *k, struct stream_id from, int64_t count,
			     struct autoclaim_pass *pass)
{
	struct stream_pending_iter it;
	struct stream_pending p;
	struct slice ignored;
	int64_t attempts =
	    count > INT64_MAX / ATTEMPTS_PER_ENTRY ? INT64_MAX : count * ATTEMPTS_PER_ENTRY;
	enum status st = stream_pending_open(&k->s, &k->g, 0, from, &it);

	while (st == ST_OK) {
		st = stream_pending_next(&it, &p);
		if (st == ST_OK && (attempts-- == 0 || count == 0)) {
			pass->next = p.id;
			break;
		}
		if (st == ST_OK && !idle_enough(k, &p)) {
			st = stream_get(&k->s, p.id, &ignored);
			if (st == ST_OK) {
				continue;
			}
			st = st == ST_NOT_FOUND ? ST_OK : st;
		}
		if (st == ST_OK) {
			st = buf_append(&pass->found, &p, sizeof p);
			count--;
		}
	}
	stream_pending_close(&it);
	return st == ST_END ? ST_OK : st;
}

/* Takes what the pass found; ids of those that are gone go into gone. */
static enum status take_idle(struct claim *k, const struct autoclaim_pass *pass, struct buf *gone)
{
	size_t mark = resp_deferred_begin(k->ctx->reply), n = 0;
	enum status st = ST_OK;

	for (size_t at = 0; st == ST_OK && at < pass->found.len;
	     at += sizeof(struct stream_pending)) {
		struct stream_pending p;
		struct slice ignored;

		memcpy(&p, pass->found.data + at, sizeof p);
		st = stream_get(&k->s, p.id, &ignored);
		if (st == ST_OK) {
			st = take(k, p.id, &p);
			n++;
		} else if (st == ST_NOT_FOUND) {
			st = drop(k, &p);
			if (st == ST_OK) {
				st = buf_append(gone, &p.id, sizeof p.id);
			}
		}
	}
	resp_deferred_end(k->ctx->reply, mark, '*', n);
	return st;
}

static void reply_ids(struct command_ctx *ctx, const struct buf *ids)
{
	resp_array(ctx->reply, ids->len / sizeof(struct stream_id));
	for (size_t at = 0; at < ids->len; at += sizeof(struct stream_id)) {
		struct stream_id id;

		memcpy(&id, ids->data + at, sizeof id);
		stream_reply_id(ctx, id);
	}
}

void cmd_xautoclaim(struct command_ctx *ctx)
{
	struct claim k = {.ctx = ctx, .deliveries = -1, .time_ms = ctx->now_ms};
	struct autoclaim_pass pass = {0};
	struct store_key key;
	struct stream_id from;
	struct buf gone = {0};
	int64_t count = AUTOCLAIM_COUNT;
	enum status st;

	if (!autoclaim_options(&k, &from, &count) || !stream_lookup_group(ctx, &key, &k.s, &k.g)) {
		return;
	}
	st = begin_claim(&k);
	if (st == ST_OK) {
		st = find_idle(&k, from, count, &pass);
	}
	if (st == ST_OK) {
		resp_array(ctx->reply, 3);
		stream_reply_id(ctx, pass.next);
		st = take_idle(&k, &pass, &gone);
		reply_ids(ctx, &gone);
	}
	end_claim(&k, st);
	buf_deinit(&pass.found);
	buf_deinit(&gone);
}
