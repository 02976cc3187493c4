/* OBJECT: what Redis would say of how a value is kept. */
#include "engine/types/type_hash.h"
#include "engine/types/type_list.h"
#include "engine/types/type_set.h"
#include "engine/types/type_string.h"
#include "engine/types/type_zset.h"
#include "net/command/command_groups.h"
#include "net/command/command_host.h"

enum {
	SHARED_INTS = 10000, /* small numbers that Redis keeps once for all */
};

static bool string_is_int(const struct meta *m, int64_t *v)
{
	return strcmp(string_encoding(m), "int") == 0 && parse_int(m->payload, v);
}

enum status object_encoding(struct command_ctx *ctx, const struct store_key *key,
			    const struct meta *m, const char **out)
{
	switch (m->type) {
	case TYPE_STRING:
		*out = string_encoding(m);
		return ST_OK;
	case TYPE_HASH:
		*out = type_hash_encoding(m);
		return ST_OK;
	case TYPE_ZSET:
		*out = type_zset_encoding(m);
		return ST_OK;
	case TYPE_SET:
		*out = type_set_encoding(m);
		return ST_OK;
	case TYPE_LIST:
		return type_list_encoding(ctx->engine, key, m, ctx->host->list_max_listpack_size,
					  out);
	case TYPE_STREAM:
		*out = "stream";
		return ST_OK;
	default:
		return ST_CORRUPT; /* nothing writes other types yet */
	}
}

/* ST_OK, or the reply was sent: nil for a missing key. */
static enum status lookup_or_null(struct command_ctx *ctx, struct store_key *key, struct meta *m)
{
	enum status st = command_lookup_any(ctx, 2, key, m);

	if (st == ST_NOT_FOUND) {
		resp_null(ctx->reply);
	}
	return st;
}

static void cmd_object_encoding(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	const char *text;
	enum status st;

	if (lookup_or_null(ctx, &key, &m) != ST_OK) {
		return;
	}
	st = object_encoding(ctx, &key, &m, &text);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	resp_bulk_str(ctx->reply, text);
}

static void cmd_object_refcount(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta m;
	int64_t v = -1;

	if (lookup_or_null(ctx, &key, &m) != ST_OK) {
		return;
	}
	if (m.type == TYPE_STRING && string_is_int(&m, &v) && v >= 0 && v < SHARED_INTS) {
		resp_int(ctx->reply, INT32_MAX);
		return;
	}
	resp_int(ctx->reply, 1);
}

/* Whether use is said to be counted, by maxmemory-policy, rather than timed. */
static bool policy_is_lfu(struct command_ctx *ctx)
{
	const char *policy = ctx->host->ops->config_value(ctx->host, "maxmemory-policy");

	return policy != NULL && strstr(policy, "lfu") != NULL;
}

/* Neither times of use nor their number are kept: nothing is ever evicted by them. Whichever of the
 * two the policy would have is 0 for every key, the other is refused as in Redis. */
static void reply_use(struct command_ctx *ctx, bool counted, const char *refused)
{
	struct store_key key;
	struct meta m;

	if (lookup_or_null(ctx, &key, &m) != ST_OK) {
		return;
	}
	if (policy_is_lfu(ctx) != counted) {
		resp_error(ctx->reply,
			   "ERR An LFU maxmemory policy is %s. Please note that when switching "
			   "between policies at runtime LRU and LFU data will take some time to "
			   "adjust.",
			   refused);
		return;
	}
	resp_int(ctx->reply, 0);
}

static void cmd_object_idletime(struct command_ctx *ctx)
{
	reply_use(ctx, false, "selected, idle time not tracked");
}

static void cmd_object_freq(struct command_ctx *ctx)
{
	reply_use(ctx, true, "not selected, access frequency not tracked");
}

static void cmd_object_help(struct command_ctx *ctx)
{
	static const char *const lines[] = {
	    "ENCODING <key>",
	    "    How Redis would keep the value.",
	    "FREQ <key>",
	    "    How often it is used; needs an LFU policy. Not kept, so 0.",
	    "IDLETIME <key>",
	    "    Seconds since its last use; not kept, so 0.",
	    "REFCOUNT <key>",
	    "    How many refer to the value.",
	    NULL};

	command_reply_help(ctx, lines);
}

const struct command subcommands_object[] = {
    {"encoding", 3, CMD_READONLY, KEYS(2, 2, 1), cmd_object_encoding, NULL},
    {"freq", 3, CMD_READONLY, KEYS(2, 2, 1), cmd_object_freq, NULL},
    {"help", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_object_help, NULL},
    {"idletime", 3, CMD_READONLY, KEYS(2, 2, 1), cmd_object_idletime, NULL},
    {"refcount", 3, CMD_READONLY, KEYS(2, 2, 1), cmd_object_refcount, NULL},
    {.name = NULL},
};
