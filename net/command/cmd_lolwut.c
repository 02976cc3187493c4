/* LOLWUT: a pile of stones, no two alike; and MODULE, of which there are none. */
#include "net/command/command_groups.h"

#include <stdio.h>

enum {
	STONES_MIN = 4,
	STONES_MAX = 8,
	WIDTH_FIRST = 3,
	GROWTH_MAX = 5,
	WIDTH_MAX = WIDTH_FIRST + STONES_MAX * GROWTH_MAX,
	LINE_MAX_LEN = WIDTH_MAX + 2,
};

/* One stone, in the middle of a line. */
static size_t put_stone(char *line, size_t width)
{
	size_t left = (WIDTH_MAX - width) / 2, len = left;

	memset(line, ' ', left);
	line[len++] = '(';
	memset(line + len, '_', width - 2);
	len += width - 2;
	line[len++] = ')';
	line[len++] = '\n';
	return len;
}

static void cmd_lolwut(struct command_ctx *ctx)
{
	struct rng *rng = command_rng(ctx);
	char text[STONES_MAX * LINE_MAX_LEN + 64];
	uint64_t stones = STONES_MIN + rng_below(rng, STONES_MAX - STONES_MIN + 1);
	size_t width = WIDTH_FIRST, len = 0;
	int64_t version;

	/* Which of Redis's pictures is wanted; there is but this one. */
	if (ctx->argc >= 3 && command_arg_is(ctx, 1, "version") &&
	    !command_arg_int(ctx, 2, &version, NULL)) {
		return;
	}
	for (uint64_t i = 0; i < stones; i++) {
		len += put_stone(text + len, width);
		width += 1 + (size_t)rng_below(rng, GROWTH_MAX);
	}
	len += (size_t)snprintf(text + len, sizeof text - len, "\nRedis ver. %s\n",
				REDIS_COMPAT_VERSION);
	resp_verbatim(ctx->reply, "txt", slice_of(text, len));
}

/* --- MODULE --- */

static void cmd_module_list(struct command_ctx *ctx)
{
	resp_array(ctx->reply, 0);
}

static void cmd_module_refused(struct command_ctx *ctx)
{
	resp_error(ctx->reply,
		   "ERR MODULE command not allowed. If the enable-module-command option is set to "
		   "\"local\", you can run it from a local connection, otherwise you need to set "
		   "this option in the configuration file, and then restart the server.");
}

static void cmd_module_help(struct command_ctx *ctx)
{
	static const char *const lines[] = {
	    "LIST",
	    "    Return the modules that are loaded: none, since this node runs none.",
	    "LOAD <path> [<arg> ...]",
	    "LOADEX <path> [CONFIG <name> <value> ...] [ARGS ...]",
	    "UNLOAD <name>",
	    "    Are refused.",
	    NULL,
	};

	command_reply_help(ctx, lines);
}

#define MODULE_FLAGS (CMD_ADMIN | CMD_NOSCRIPT)

static const struct command subcommands_module[] = {
    {"help", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_module_help, NULL},
    {"list", 2, MODULE_FLAGS, NO_KEYS, cmd_module_list, NULL},
    {"load", -3, MODULE_FLAGS | CMD_NO_ASYNC_LOADING, NO_KEYS, cmd_module_refused, NULL},
    {"loadex", -3, MODULE_FLAGS | CMD_NO_ASYNC_LOADING, NO_KEYS, cmd_module_refused, NULL},
    {"unload", 3, MODULE_FLAGS | CMD_NO_ASYNC_LOADING, NO_KEYS, cmd_module_refused, NULL},
    {.name = NULL},
};

const struct command commands_lolwut[] = {
    {"lolwut", -1, CMD_READONLY | CMD_FAST, NO_KEYS, cmd_lolwut, NULL},
    {"module", -2, 0, NO_KEYS, NULL, subcommands_module},
    {.name = NULL},
};
