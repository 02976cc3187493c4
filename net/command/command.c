/* What commands share: looking a key up, reading arguments, turning engine errors into replies. */
#include "net/command/command.h"

#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/dispatch_state.h"
#include "net/command/notify.h"
#include "net/command/session.h"

#include <stdio.h>

enum { KEY_SHOWN_MAX = 64 };

void command_failed(struct command_ctx *ctx)
{
	ctx->failed = true;
	if (!ctx->reply->failed && ctx->reply->out->len > ctx->reply_at) {
		ctx->reply->out->len = ctx->reply_at;
	}
}

bool command_later(struct command_ctx *ctx)
{
	if (!ctx->dispatch->may_wait || ctx->dispatch->in_exec) {
		return false;
	}
	ctx->later = true;
	return true;
}

/* The first key argument in printable form, for messages. */
static const char *key_shown(const struct command_ctx *ctx, char dst[KEY_SHOWN_MAX + 1])
{
	size_t n = 0;
	size_t first = (size_t)ctx->cmd->keys.first;

	if (first > 0 && first < ctx->argc) {
		struct slice key = ctx->argv[first];

		for (; n < key.len && n < KEY_SHOWN_MAX; n++) {
			uint8_t c = key.data[n];

			dst[n] = c >= 0x20 && c < 0x7f && c != '\'' ? (char)c : '?';
		}
	}
	dst[n] = 0;
	return dst;
}

void command_reply_status(struct command_ctx *ctx, enum status st)
{
	char key[KEY_SHOWN_MAX + 1];

	command_failed(ctx);
	ctx->undo_exec = st != ST_WRONG_TYPE && st != ST_CORRUPT;
	switch (st) {
	case ST_WRONG_TYPE:
		resp_error(ctx->reply, ERR_WRONG_TYPE);
		return;
	case ST_CORRUPT:
	case ST_COLLISION:
		resp_error(ctx->reply,
			   "CORRUPT stored data does not match its checksum and is not served "
			   "(command '%s', key '%s'): %s; run cairn-slot check",
			   ctx->full_name, key_shown(ctx, key), status_text(st));
		return;
	case ST_NO_MEMORY:
		resp_error(ctx->reply, "OOM out of memory: the command was not carried out");
		return;
	case ST_LIMIT:
		resp_error(ctx->reply, "ERR the command changes more than fits in one log record; "
				       "split it into smaller ones");
		return;
	case ST_NO_SPACE:
	case ST_MAP_FULL:
	case ST_IO:
	case ST_READ_ONLY:
		resp_error(ctx->reply, "MISCONF the command was not carried out: %s",
			   status_text(st));
		return;
	default:
		resp_error(ctx->reply, "ERR %s", status_text(st));
		return;
	}
}

static enum status lookup_any(struct command_ctx *ctx, size_t arg, bool counted,
			      struct store_key *key, struct meta *meta)
{
	enum status st;

	store_key_of_key(key, ctx->argv[arg]);
	st = ks_lookup(ctx->engine, key, meta);
	if (counted && st == ST_OK) {
		ctx->host->stats.keyspace_hits++;
	} else if (counted && st == ST_NOT_FOUND) {
		ctx->host->stats.keyspace_misses++;
		if (strncmp(ctx->full_name, "object|", 7) != 0) { /* it only asks about it */
			command_event(ctx, EVENT_KEY_MISS, "keymiss", key->name);
		}
	}
	if (st != ST_OK && st != ST_NOT_FOUND) {
		command_reply_status(ctx, st);
	}
	return st;
}

enum status command_lookup_any(struct command_ctx *ctx, size_t arg, struct store_key *key,
			       struct meta *meta)
{
	return lookup_any(ctx, arg, (ctx->cmd->flags & CMD_READONLY) != 0, key, meta);
}

enum status command_lookup_counted(struct command_ctx *ctx, size_t arg, struct store_key *key,
				   struct meta *meta)
{
	return lookup_any(ctx, arg, true, key, meta);
}

enum status command_lookup(struct command_ctx *ctx, size_t arg, enum value_type type,
			   struct store_key *key, struct meta *meta)
{
	enum status st = command_lookup_any(ctx, arg, key, meta);

	if (st == ST_OK && meta->type != type) {
		command_reply_status(ctx, ST_WRONG_TYPE);
		return ST_WRONG_TYPE;
	}
	return st;
}

bool command_arg_int(struct command_ctx *ctx, size_t arg, int64_t *out, const char *msg)
{
	if (parse_int(ctx->argv[arg], out)) {
		return true;
	}
	resp_error(ctx->reply, "%s", msg != NULL ? msg : ERR_NOT_INT);
	return false;
}

bool command_arg_not_negative(struct command_ctx *ctx, size_t arg, int64_t *out, const char *msg)
{
	if (!command_arg_int(ctx, arg, out, msg)) {
		return false;
	}
	if (*out < 0) {
		resp_error(ctx->reply, "%s", msg);
		return false;
	}
	return true;
}

bool command_arg_float(struct command_ctx *ctx, size_t arg, double *out, const char *msg)
{
	if (parse_float(ctx->argv[arg], out)) {
		return true;
	}
	resp_error(ctx->reply, "%s", msg != NULL ? msg : ERR_NOT_FLOAT);
	return false;
}

bool command_arg_long_float(struct command_ctx *ctx, size_t arg, long double *out, const char *msg)
{
	if (parse_long_float(ctx->argv[arg], out)) {
		return true;
	}
	resp_error(ctx->reply, "%s", msg != NULL ? msg : ERR_NOT_FLOAT);
	return false;
}

struct rng *command_rng(struct command_ctx *ctx)
{
	return &ctx->dispatch->rng;
}

bool command_arg_is(const struct command_ctx *ctx, size_t arg, const char *word)
{
	return word_is(ctx->argv[arg], word);
}

bool command_arg_expiry(struct command_ctx *ctx, size_t arg, int64_t unit_ms, bool absolute,
			uint64_t *expire_at_ms)
{
	int64_t at;

	if (!command_arg_int(ctx, arg, &at, NULL)) {
		return false;
	}
	if (at <= 0 || __builtin_mul_overflow(at, unit_ms, &at) ||
	    (!absolute && __builtin_add_overflow(at, (int64_t)ctx->now_ms, &at))) {
		resp_error(ctx->reply, "ERR invalid expire time in '%s' command", ctx->full_name);
		return false;
	}
	*expire_at_ms = (uint64_t)at;
	return true;
}

static void upper_name(const char *name, char *dst, size_t size)
{
	size_t n = 0;

	for (; name[n] != 0 && name[n] != '|' && n < size - 1; n++) {
		dst[n] = (char)(name[n] >= 'a' && name[n] <= 'z' ? name[n] & ~0x20 : name[n]);
	}
	dst[n] = 0;
}

void command_reply_help(struct command_ctx *ctx, const char *const *lines)
{
	size_t count = 0;
	char name[32], head[96];

	while (lines[count] != NULL) {
		count++;
	}
	upper_name(ctx->full_name, name, sizeof name);
	(void)snprintf(head, sizeof head, "%s <subcommand> [<arg> ...]. Subcommands:", name);
	resp_array(ctx->reply, count + 3);
	resp_simple(ctx->reply, head);
	for (size_t i = 0; i < count; i++) {
		resp_simple(ctx->reply, lines[i]);
	}
	resp_simple(ctx->reply, "HELP");
	resp_simple(ctx->reply, "    Show this text.");
}

void command_reply_bad_subcommand(struct command_ctx *ctx)
{
	char name[32];

	upper_name(ctx->full_name, name, sizeof name);
	resp_error(ctx->reply,
		   "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
		   (int)(ctx->argv[1].len < 128 ? ctx->argv[1].len : 128),
		   (const char *)ctx->argv[1].data, name);
}
