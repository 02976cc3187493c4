/* FUNCTION on a node that has no engine to run functions: it holds none, and says so. redis-cli
 * --cluster add-node copies the functions of the cluster to each new node, also where there are
 * none, so without this no Cairn node could be added by way of a redis-server. */
#include "engine/base/bytes.h"
#include "net/command/command_groups.h"
#include "net/proto/crc64.h"
#include "net/proto/rdb_format.h"
#include "net/proto/rdb_write.h"

enum { VERSION_LEN = 2 };

/* A payload without libraries: version and checksum. */
static void empty_payload(const uint8_t version[VERSION_LEN], uint8_t out[RDB_FOOTER])
{
	memcpy(out, version, VERSION_LEN);
	rdb_put_checksum(out + VERSION_LEN, crc64(0, slice_of(out, VERSION_LEN)));
}

static void cmd_function_dump(struct command_ctx *ctx)
{
	uint8_t version[VERSION_LEN], payload[RDB_FOOTER];

	rdb_put_version(version);
	empty_payload(version, payload);
	resp_bulk(ctx->reply, slice_of(payload, sizeof payload));
}

static void cmd_function_restore(struct command_ctx *ctx)
{
	struct slice payload = ctx->argv[2];
	uint8_t empty[RDB_FOOTER];

	if (ctx->argc > 4) {
		command_reply_bad_subcommand(ctx);
	} else if (ctx->argc == 4 && !command_arg_is(ctx, 3, "append") &&
		   !command_arg_is(ctx, 3, "replace") && !command_arg_is(ctx, 3, "flush")) {
		resp_error(ctx->reply, "ERR Wrong restore policy given, value should be either "
				       "FLUSH, APPEND or REPLACE.");
	} else if (payload.len < RDB_FOOTER ||
		   bytes_get_u64le(payload.data + payload.len - sizeof(uint64_t)) !=
		       crc64(0, slice_of(payload.data, payload.len - sizeof(uint64_t)))) {
		resp_error(ctx->reply, "ERR DUMP payload version or checksum are wrong");
	} else {
		empty_payload(payload.data, empty);
		if (slice_eq(payload, slice_of(empty, sizeof empty))) {
			resp_ok(ctx->reply);
		} else {
			resp_error(ctx->reply, "ERR the payload holds libraries, and this node "
					       "can't run functions");
		}
	}
}

static void cmd_function_list(struct command_ctx *ctx)
{
	bool name = false, code = false;

	for (size_t i = 2; i < ctx->argc; i++) {
		if (!code && command_arg_is(ctx, i, "withcode")) {
			code = true;
		} else if (!name && command_arg_is(ctx, i, "libraryname")) {
			name = true;
			if (++i == ctx->argc) {
				resp_error(ctx->reply, "ERR library name argument was not given");
				return;
			}
		} else {
			resp_error(ctx->reply, "ERR Unknown argument %.*s",
				   (int)(ctx->argv[i].len < 128 ? ctx->argv[i].len : 128),
				   (const char *)ctx->argv[i].data);
			return;
		}
	}
	resp_array(ctx->reply, 0);
}

static void cmd_function_help(struct command_ctx *ctx)
{
	static const char *const lines[] = {
	    "DUMP",
	    "    All libraries as a payload for FUNCTION RESTORE: an empty one.",
	    "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
	    "    The libraries: none.",
	    "RESTORE <payload> [FLUSH|APPEND|REPLACE]",
	    "    Takes a payload that holds no library.",
	    NULL};

	command_reply_help(ctx, lines);
}

const struct command subcommands_function[] = {
    {"dump", 2, CMD_NOSCRIPT, NO_KEYS, cmd_function_dump, NULL},
    {"help", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_function_help, NULL},
    {"list", -2, CMD_NOSCRIPT, NO_KEYS, cmd_function_list, NULL},
    {"restore", -3, CMD_WRITE | CMD_DENYOOM | CMD_NOSCRIPT, NO_KEYS, cmd_function_restore, NULL},
    {.name = NULL},
};
