/* Commands that work on keys of any type: DEL, UNLINK, EXISTS, TOUCH, TYPE, and the table of all of
 * them (expiry: cmd_expire.c, renaming: cmd_rename.c, walks: cmd_scan.c, OBJECT: cmd_object.c,
 * waiting: cmd_wait.c). */
#include "net/command/command_groups.h"
#include "net/command/notify.h"

static void cmd_del(struct command_ctx *ctx)
{
	int64_t deleted = 0;

	for (size_t i = 1; i < ctx->argc; i++) {
		struct store_key key;
		struct meta meta;
		enum status st = command_lookup_any(ctx, i, &key, &meta);

		if (st == ST_NOT_FOUND) {
			continue;
		}
		if (st != ST_OK) {
			return;
		}
		st = ks_delete(ctx->engine, &key, &meta);
		if (st != ST_OK) {
			command_reply_status(ctx, st);
			return;
		}
		command_event(ctx, EVENT_GENERIC, "del", key.name);
		deleted++;
	}
	resp_int(ctx->reply, deleted);
}

static void cmd_exists(struct command_ctx *ctx)
{
	int64_t found = 0;

	for (size_t i = 1; i < ctx->argc; i++) {
		struct store_key key;
		struct meta meta;
		enum status st = command_lookup_any(ctx, i, &key, &meta);

		if (st != ST_OK && st != ST_NOT_FOUND) {
			return;
		}
		found += st == ST_OK;
	}
	resp_int(ctx->reply, found);
}

static void cmd_type(struct command_ctx *ctx)
{
	struct store_key key;
	struct meta meta;
	enum status st = command_lookup_any(ctx, 1, &key, &meta);

	if (st == ST_OK) {
		resp_simple(ctx->reply, value_type_text(meta.type));
	} else if (st == ST_NOT_FOUND) {
		resp_simple(ctx->reply, "none");
	}
}

const struct command commands_key[] = {
    {"copy", -3, CMD_WRITE | CMD_DENYOOM | CMD_TOUCH_RANGE, KEYS(1, 2, 1), cmd_copy, NULL},
    {"del", -2, CMD_WRITE, KEYS(1, -1, 1), cmd_del, NULL},
    {"exists", -2, CMD_READONLY | CMD_FAST, KEYS(1, -1, 1), cmd_exists, NULL},
    {"expire", -3, CMD_WRITE | CMD_FAST, KEYS(1, 1, 1), cmd_expire, NULL},
    {"expireat", -3, CMD_WRITE | CMD_FAST, KEYS(1, 1, 1), cmd_expireat, NULL},
    {"expiretime", 2, CMD_READONLY | CMD_FAST, KEYS(1, 1, 1), cmd_expiretime, NULL},
    {"keys", 2, CMD_READONLY, NO_KEYS, cmd_keys, NULL},
    {"move", 3, CMD_WRITE | CMD_FAST, KEYS(1, 1, 1), cmd_move, NULL},
    {"object", -2, 0, NO_KEYS, NULL, subcommands_object},
    {"persist", 2, CMD_WRITE | CMD_FAST, KEYS(1, 1, 1), cmd_persist, NULL},
    {"pexpire", -3, CMD_WRITE | CMD_FAST, KEYS(1, 1, 1), cmd_pexpire, NULL},
    {"pexpireat", -3, CMD_WRITE | CMD_FAST, KEYS(1, 1, 1), cmd_pexpireat, NULL},
    {"pexpiretime", 2, CMD_READONLY | CMD_FAST, KEYS(1, 1, 1), cmd_pexpiretime, NULL},
    {"pttl", 2, CMD_READONLY | CMD_FAST, KEYS(1, 1, 1), cmd_pttl, NULL},
    {"randomkey", 1, CMD_READONLY | CMD_COUNTS, NO_KEYS, cmd_randomkey, NULL},
    {"rename", 3, CMD_WRITE | CMD_TOUCH_RANGE, KEYS(1, 2, 1), cmd_rename, NULL},
    {"renamenx", 3, CMD_WRITE | CMD_FAST | CMD_TOUCH_RANGE, KEYS(1, 2, 1), cmd_renamenx, NULL},
    {"scan", -2, CMD_READONLY, NO_KEYS, cmd_scan, NULL},
    {"sort", -2, CMD_WRITE | CMD_DENYOOM | CMD_MOVABLE_KEYS | CMD_TOUCH_RANGE, KEYS(1, 1, 1),
     cmd_sort, NULL},
    {"sort_ro", -2, CMD_READONLY | CMD_MOVABLE_KEYS | CMD_TOUCH_RANGE, KEYS(1, 1, 1), cmd_sort_ro,
     NULL},
    {"touch", -2, CMD_READONLY | CMD_FAST, KEYS(1, -1, 1), cmd_exists, NULL},
    {"ttl", 2, CMD_READONLY | CMD_FAST, KEYS(1, 1, 1), cmd_ttl, NULL},
    {"type", 2, CMD_READONLY | CMD_FAST, KEYS(1, 1, 1), cmd_type, NULL},
    {"unlink", -2, CMD_WRITE | CMD_FAST, KEYS(1, -1, 1), cmd_del, NULL},
    {"wait", 3, CMD_NOSCRIPT, NO_KEYS, cmd_wait, NULL},
    {"waitaof", 4, CMD_NOSCRIPT, NO_KEYS, cmd_waitaof, NULL},
    {.name = NULL},
};
