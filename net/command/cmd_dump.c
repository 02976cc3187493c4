/* DUMP and RESTORE: values in Redis's serialized form. */
#include "engine/types/type_build.h"
#include "engine/types/type_string.h"
#include "engine/types/type_zset.h"
#include "engine/types/zset_gather.h"
#include "net/command/cmd_set.h"
#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/dispatch_state.h"
#include "net/command/notify.h"
#include "net/command/stream_dump.h"
#include "net/command/value_dump.h"
#include "net/proto/rdb_value.h"

#define BAD_DATA "ERR Bad data format"

enum {
	STRING_MAX_DEFAULT = 512 * 1024 * 1024,
	AROUND_MAX = 64, /* bytes of a string's payload, and of a bulk, beside the string */
};

/* --- DUMP --- */

static void cmd_dump(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	struct value_dump d;
	size_t mark = ctx->reply->out->len;
	enum status st = command_lookup_any(ctx, 1, &key, &m);

	if (st != ST_OK) {
		if (st == ST_NOT_FOUND) {
			resp_null(ctx->reply);
		}
		return;
	}
	st = value_dump_open(&d, ctx->engine, &key, &m);
	if (st == ST_OK && m.type == TYPE_STRING) {
		/* Its length is known, so that the buffer need not grow by doubling. */
		st = buf_reserve(ctx->reply->out, (size_t)d.count + AROUND_MAX);
	}
	if (st == ST_OK) {
		st = value_dump_next(&d, ctx->reply->out, SIZE_MAX);
	}
	if (st != ST_END) {
		command_reply_status(ctx, st == ST_NOT_FOUND ? ST_CORRUPT : st);
		return;
	}
	resp_bulk_deferred_end(ctx->reply, mark);
}

/* --- RESTORE --- */

struct restore {
	struct command_ctx *ctx;
	struct store_key key;
	bool replace, absolute;
	bool expired; /* its time has come already */
	uint64_t expire_at_ms;
	enum rdb_kind kind;
	enum status engine_st; /* what the engine said, as opposed to the payload */
	struct type_build build;
	struct zset_gather gather; /* of a sorted set */
};

/* Options behind the payload; false: the error reply was sent. */
static bool restore_options(struct command_ctx *ctx, struct restore *r)
{
	int64_t idle = -1, freq = -1;

	for (size_t i = 4; i < ctx->argc; i++) {
		bool more = i + 1 < ctx->argc;

		if (command_arg_is(ctx, i, "replace")) {
			r->replace = true;
		} else if (command_arg_is(ctx, i, "absttl")) {
			r->absolute = true;
		} else if (command_arg_is(ctx, i, "idletime") && more && freq == -1) {
			if (!command_arg_int(ctx, ++i, &idle, NULL)) {
				return false;
			}
			if (idle < 0) {
				resp_error(ctx->reply, "ERR Invalid IDLETIME value, must be >= 0");
				return false;
			}
		} else if (command_arg_is(ctx, i, "freq") && more && idle == -1) {
			if (!command_arg_int(ctx, ++i, &freq, NULL)) {
				return false;
			}
			if (freq < 0 || freq > 255) {
				resp_error(ctx->reply,
					   "ERR Invalid FREQ value, must be >= 0 and <= 255");
				return false;
			}
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
	}
	return true;
}

/* The ttl argument as a time, 0: none. False: the error reply was sent. */
static bool restore_ttl(struct command_ctx *ctx, struct restore *r)
{
	int64_t ttl;

	if (!command_arg_int(ctx, 2, &ttl, NULL)) {
		return false;
	}
	if (ttl < 0 ||
	    (ttl > 0 && !r->absolute && __builtin_add_overflow(ttl, (int64_t)ctx->now_ms, &ttl))) {
		resp_error(ctx->reply, "ERR Invalid TTL value, must be >= 0");
		return false;
	}
	r->expire_at_ms = (uint64_t)ttl;
	return true;
}

static uint64_t string_max(const struct command_ctx *ctx)
{
	const char *text = ctx->host->ops->config_value(ctx->host, "proto-max-bulk-len");
	int64_t v;

	return text != NULL && parse_int(slice_str(text), &v) && v > 0 ? (uint64_t)v
								       : STRING_MAX_DEFAULT;
}

static bool has_type(enum rdb_kind kind)
{
	return kind != RDB_KIND_MODULE;
}

/* Writes an element. ST_EXISTS: a field or member comes twice. */
static enum status restore_item(void *arg, enum rdb_kind kind, const struct rdb_item *item)
{
	struct restore *r = arg;

	switch (kind) {
	case RDB_KIND_STRING:
		r->engine_st = string_set(r->ctx->engine, &r->key, item->bytes, 0, r->expire_at_ms);
		break;
	case RDB_KIND_LIST:
		r->engine_st = type_build_element(&r->build, item->bytes);
		break;
	case RDB_KIND_ZSET:
		r->engine_st = zset_gather_find(&r->gather, item->bytes) != NULL
				   ? ST_EXISTS
				   : zset_gather_add(&r->gather, item->bytes, item->score);
		break;
	case RDB_KIND_SET:
		r->engine_st = type_build_member(&r->build, item->bytes);
		break;
	default:
		r->engine_st = type_build_field(&r->build, item->bytes, item->value);
		if (r->engine_st == ST_OK && item->expire_at_ms != 0) {
			r->engine_st =
			    type_build_field_expiry(&r->build, item->bytes, item->expire_at_ms);
		}
		break;
	}
	return r->engine_st;
}

/* To learn whether a payload is sound. */
static enum status ignore_item(void *arg, enum rdb_kind kind, const struct rdb_item *item)
{
	(void)arg;
	(void)kind;
	(void)item;
	return ST_OK;
}

static bool reply_bad_payload(struct restore *r, enum status st)
{
	struct command_ctx *ctx = r->ctx;

	if (r->engine_st != ST_OK && r->engine_st != ST_EXISTS) {
		command_reply_status(ctx, r->engine_st);
		return false;
	}
	if (st == ST_NO_MEMORY) {
		command_reply_status(ctx, st);
		return false;
	}
	command_failed(ctx);
	if (st == ST_LIMIT) {
		resp_error(ctx->reply,
			   "ERR the payload holds a string longer than proto-max-bulk-len");
	} else {
		resp_error(ctx->reply, BAD_DATA);
	}
	return false;
}

/* Looks through the payload without writing. False: the error reply was sent. */
static bool check_value(struct restore *r, struct slice value)
{
	enum status st = rdb_value_kind(value, &r->kind);
	/* A failed command is undone, but within EXEC that would undo the others too. An expired or
	 * foreign value is not to be written at all. */
	bool must = r->ctx->dispatch->in_exec || r->expired || (st == ST_OK && !has_type(r->kind));

	if (st == ST_OK && must) {
		st = rdb_value_decode(value, string_max(r->ctx), ignore_item, NULL);
	}
	if (st != ST_OK) {
		return reply_bad_payload(r, st);
	}
	if (!has_type(r->kind)) {
		resp_error(r->ctx->reply,
			   "ERR the payload holds a %s, a type that this node does not have",
			   rdb_kind_text(r->kind));
		return false;
	}
	return true;
}

/* What was gathered is the sorted set. */
static enum status write_zset(struct restore *r)
{
	const struct zset_limits limits = {r->ctx->host->zset_max_listpack_entries,
					   r->ctx->host->zset_max_listpack_value};
	struct zset_element *elements;
	enum status st = zset_gather_sort(&r->gather, &elements);

	return st == ST_OK ? type_zset_store(r->ctx->engine, &r->key, elements, r->gather.count,
					     &limits, r->expire_at_ms)
			   : st;
}

/* False: the error reply was sent. */
static bool write_value(struct restore *r, struct slice value)
{
	const struct hash_limits limits = {r->ctx->host->hash_max_listpack_entries,
					   r->ctx->host->hash_max_listpack_value};
	enum status st;

	if (r->kind == RDB_KIND_STREAM) {
		st = stream_restore(r->ctx->engine, &r->key, value, string_max(r->ctx),
				    r->expire_at_ms, &r->engine_st);
		return st == ST_OK || reply_bad_payload(r, st);
	}
	if (r->kind == RDB_KIND_LIST) {
		type_build_list(&r->build, r->ctx->engine, &r->key);
	} else if (r->kind == RDB_KIND_SET) {
		const struct set_limits set_limits = set_limits_of(r->ctx);

		type_build_set(&r->build, r->ctx->engine, &r->key, &set_limits);
	} else {
		type_build_hash(&r->build, r->ctx->engine, &r->key, &limits);
	}
	st = rdb_value_decode(value, string_max(r->ctx), restore_item, r);
	if (st == ST_OK && r->kind == RDB_KIND_ZSET) {
		r->engine_st = st = write_zset(r);
	} else if (st == ST_OK && r->kind != RDB_KIND_STRING) {
		r->engine_st = st = type_build_end(&r->build, r->expire_at_ms);
	}
	zset_gather_deinit(&r->gather);
	return st == ST_OK || reply_bad_payload(r, st);
}

/* A value whose time has come leaves nothing behind but what it replaces goes. */
static bool drop_old(struct restore *r)
{
	struct meta old;
	enum status st = command_lookup_any(r->ctx, 1, &r->key, &old);

	if (st == ST_OK) {
		st = ks_delete(r->ctx->engine, &r->key, &old);
		command_event(r->ctx, EVENT_GENERIC, "del", r->key.name);
		if (st != ST_OK) {
			command_reply_status(r->ctx, st);
		}
	}
	return st == ST_OK || st == ST_NOT_FOUND;
}

/* False: the error reply was sent. */
static bool restore_key(struct restore *r)
{
	struct command_ctx *ctx = r->ctx;
	struct meta old;
	struct slice value;
	enum status st;

	if (!restore_options(ctx, r)) {
		return false;
	}
	st = command_lookup_any(ctx, 1, &r->key, &old);
	if (st != ST_OK && st != ST_NOT_FOUND) {
		return false;
	}
	if (st == ST_OK && !r->replace) {
		resp_error(ctx->reply, "BUSYKEY Target key name already exists.");
		return false;
	}
	if (!restore_ttl(ctx, r)) {
		return false;
	}
	if (rdb_payload_open(ctx->argv[3], &value) != ST_OK) {
		resp_error(ctx->reply, "ERR DUMP payload version or checksum are wrong");
		return false;
	}
	r->expired = r->expire_at_ms != 0 && r->expire_at_ms <= ctx->now_ms;
	if (!check_value(r, value)) {
		return false;
	}
	if (r->expired) {
		return drop_old(r);
	}
	if (st == ST_OK) {
		command_event(ctx, EVENT_NEW, "new", r->key.name);
	}
	if (!write_value(r, value)) {
		return false;
	}
	command_event(ctx, EVENT_GENERIC, "restore", r->key.name);
	return true;
}

static void cmd_restore(struct command_ctx *ctx)
{
	struct restore r = {.ctx = ctx};

	if (restore_key(&r)) {
		resp_ok(ctx->reply);
	}
}

const struct command commands_dump[] = {
    {"dump", 2, CMD_READONLY | CMD_TOUCH_RANGE, KEYS(1, 1, 1), cmd_dump, NULL},
    {"restore", -4, CMD_WRITE | CMD_DENYOOM, KEYS(1, 1, 1), cmd_restore, NULL},
    {"restore-asking", -4, CMD_WRITE | CMD_DENYOOM | CMD_ASKING, KEYS(1, 1, 1), cmd_restore, NULL},
    {.name = NULL},
};
