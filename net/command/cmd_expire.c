/* EXPIRE and its kin, TTL and its kin, PERSIST. */
#include "net/command/command_groups.h"
#include "net/command/notify.h"

enum { FLAG_NX = 1, FLAG_XX = 2, FLAG_GT = 4, FLAG_LT = 8 };

/* Reads NX, XX, GT, LT; false: the error reply was sent. */
static bool expire_options(struct command_ctx *ctx, unsigned *flags)
{
	static const struct {
		const char *word;
		unsigned flag;
	} options[] = {{"nx", FLAG_NX}, {"xx", FLAG_XX}, {"gt", FLAG_GT}, {"lt", FLAG_LT}};

	for (size_t i = 3; i < ctx->argc; i++) {
		unsigned flag = 0;

		for (size_t o = 0; o < 4; o++) {
			flag |= command_arg_is(ctx, i, options[o].word) ? options[o].flag : 0;
		}
		if (flag == 0) {
			resp_error(ctx->reply, "ERR Unsupported option %.*s", (int)ctx->argv[i].len,
				   (const char *)ctx->argv[i].data);
			return false;
		}
		*flags |= flag;
	}
	if ((*flags & FLAG_NX) != 0 && *flags != FLAG_NX) {
		resp_error(ctx->reply, "ERR NX and XX, GT or LT options at the same time are not "
				       "compatible");
		return false;
	}
	if ((*flags & (FLAG_GT | FLAG_LT)) == (FLAG_GT | FLAG_LT)) {
		resp_error(ctx->reply, "ERR GT and LT options at the same time are not compatible");
		return false;
	}
	return true;
}

/* Whether the options let the time of m change to at; no expiry counts as never. */
static bool options_allow(unsigned flags, const struct meta *m, int64_t at)
{
	int64_t now = (int64_t)m->expire_at_ms;
	bool has = m->expire_at_ms != 0;

	if ((flags & FLAG_NX) != 0 && has) {
		return false;
	}
	if ((flags & FLAG_XX) != 0 && !has) {
		return false;
	}
	if ((flags & FLAG_GT) != 0 && (!has || at <= now)) {
		return false;
	}
	return (flags & FLAG_LT) == 0 || !has || at < now;
}

/* Writes a key's record again with another expiry (0: none). */
static enum status put_expiry(struct engine *e, const struct store_key *key, const struct meta *old,
			      uint64_t at)
{
	struct meta m = *old;

	m.expire_at_ms = at;
	return ks_put(e, key, old, &m, &old->payload, 1);
}

static void expire(struct command_ctx *ctx, int64_t unit_ms, bool absolute)
{
	struct store_key key;
	struct meta meta;
	unsigned flags = 0;
	int64_t at;
	enum status st;

	if (!expire_options(ctx, &flags) || !command_arg_int(ctx, 2, &at, NULL)) {
		return;
	}
	if (__builtin_mul_overflow(at, unit_ms, &at) ||
	    (!absolute && __builtin_add_overflow(at, (int64_t)ctx->now_ms, &at))) {
		resp_error(ctx->reply, "ERR invalid expire time in '%s' command", ctx->full_name);
		return;
	}
	st = command_lookup_any(ctx, 1, &key, &meta);
	if (st == ST_NOT_FOUND || (st == ST_OK && !options_allow(flags, &meta, at))) {
		resp_int(ctx->reply, 0);
		return;
	}
	if (st != ST_OK) {
		return;
	}
	/* A time that has passed already is a deletion. */
	st = at <= (int64_t)ctx->now_ms ? ks_delete(ctx->engine, &key, &meta)
					: put_expiry(ctx->engine, &key, &meta, (uint64_t)at);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	command_event(ctx, EVENT_GENERIC, at <= (int64_t)ctx->now_ms ? "del" : "expire", key.name);
	resp_int(ctx->reply, 1);
}

void cmd_expire(struct command_ctx *ctx)
{
	expire(ctx, 1000, false);
}

void cmd_expireat(struct command_ctx *ctx)
{
	expire(ctx, 1000, true);
}

void cmd_pexpire(struct command_ctx *ctx)
{
	expire(ctx, 1, false);
}

void cmd_pexpireat(struct command_ctx *ctx)
{
	expire(ctx, 1, true);
}

void cmd_persist(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta meta;
	enum status st = command_lookup_any(ctx, 1, &key, &meta);

	if (st == ST_OK && meta.expire_at_ms != 0) {
		st = put_expiry(ctx->engine, &key, &meta, 0);
		if (st != ST_OK) {
			command_reply_status(ctx, st);
			return;
		}
		command_event(ctx, EVENT_GENERIC, "persist", key.name);
		resp_int(ctx->reply, 1);
	} else if (st == ST_OK || st == ST_NOT_FOUND) {
		resp_int(ctx->reply, 0);
	}
}

/* Replies -2 (no key), -1 (no expiry), or the time, from now or absolute, rounded to the unit. */
static void reply_time(struct command_ctx *ctx, int64_t unit_ms, bool absolute)
{
	struct store_key key;
	struct meta meta;
	enum status st = command_lookup_any(ctx, 1, &key, &meta);
	int64_t ms;

	if (st == ST_NOT_FOUND) {
		resp_int(ctx->reply, -2);
	}
	if (st != ST_OK) {
		return;
	}
	if (meta.expire_at_ms == 0) {
		resp_int(ctx->reply, -1);
		return;
	}
	ms = (int64_t)meta.expire_at_ms - (absolute ? 0 : (int64_t)ctx->now_ms);
	resp_int(ctx->reply, unit_ms == 1 ? ms : ms / unit_ms + (ms % unit_ms >= unit_ms / 2));
}

void cmd_ttl(struct command_ctx *ctx)
{
	reply_time(ctx, 1000, false);
}

void cmd_pttl(struct command_ctx *ctx)
{
	reply_time(ctx, 1, false);
}

void cmd_expiretime(struct command_ctx *ctx)
{
	reply_time(ctx, 1000, true);
}

void cmd_pexpiretime(struct command_ctx *ctx)
{
	reply_time(ctx, 1, true);
}
