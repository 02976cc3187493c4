/* EVAL, EVALSHA, their read-only forms, and SCRIPT. */
#include "net/command/cmd_script.h"

#include "net/command/cmd_function.h"
#include "net/command/command_groups.h"
#include "net/command/dispatch_state.h"
#include "net/command/monitor.h"
#include "net/command/script_run.h"

#include <lauxlib.h>
#include <stdio.h>

enum { ERROR_MAX = 256 };

/* --- compiling --- */

struct compiling {
	struct slice code;
	int ref;
	char error[ERROR_MAX * 4];
};

static int compile_protected(lua_State *L)
{
	struct compiling *c = lua_touserdata(L, 1);

	if (sandbox_compile(L, (const char *)c->code.data, c->code.len, "@user_script") != 0) {
		(void)snprintf(c->error, sizeof c->error,
			       "ERR Error compiling script (new function): %s",
			       lua_tostring(L, -1));
		return 0;
	}
	c->ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

/* Compiles a script that is not cached yet and caches it. NULL: the error reply was sent. */
static const struct cached_script *compile(struct command_ctx *ctx, struct slice body,
					   const char *sha)
{
	struct scripts *s = ctx->dispatch->scripts;
	struct cached_script script = {.bytes = body.len};
	struct compiling c = {.ref = LUA_NOREF};
	char error[ERROR_MAX];

	if (script_shebang_read(body, &script.flags, &c.code, error, sizeof error) != ST_OK) {
		resp_error(ctx->reply, "%s", error);
		return NULL;
	}
	if (scripts_open(s) != ST_OK || lua_cpcall(s->box.L, compile_protected, &c) != 0) {
		resp_error(ctx->reply, "OOM out of memory: the script was not compiled");
		return NULL;
	}
	if (c.error[0] != 0) {
		resp_error(ctx->reply, "%s", c.error);
		return NULL;
	}
	memcpy(script.sha, sha, sizeof script.sha);
	script.ref = c.ref;
	if (script_cache_add(&s->cache, &script) != ST_OK) {
		luaL_unref(s->box.L, LUA_REGISTRYINDEX, c.ref);
		resp_error(ctx->reply, "OOM out of memory: the script was not compiled");
		return NULL;
	}
	return script_cache_find(&s->cache, slice_of(sha, SCRIPT_SHA_LEN));
}

static const struct cached_script *find_or_compile(struct command_ctx *ctx, struct slice body)
{
	const struct cached_script *script;
	char sha[SCRIPT_SHA_LEN + 1];

	script_sha(body, sha);
	script = script_cache_find(&ctx->dispatch->scripts->cache, slice_of(sha, SCRIPT_SHA_LEN));
	return script != NULL ? script : compile(ctx, body, sha);
}

/* --- running --- */

static void run_script(struct command_ctx *ctx, const struct cached_script *script,
		       size_t keys_count)
{
	script_start(ctx, false, script->sha, script->flags, script->ref, keys_count);
}

static void cmd_eval(struct command_ctx *ctx)
{
	const struct cached_script *script;
	size_t keys_count;

	monitor_script(ctx);
	if (!script_keys_count(ctx, NULL, &keys_count)) {
		return;
	}
	script = find_or_compile(ctx, ctx->argv[1]);
	if (script != NULL) {
		run_script(ctx, script, keys_count);
	}
}

static void cmd_evalsha(struct command_ctx *ctx)
{
	const struct cached_script *script;
	size_t keys_count;

	monitor_script(ctx);
	if (ctx->argv[1].len != SCRIPT_SHA_LEN) {
		resp_error(ctx->reply, "NOSCRIPT No matching script. Please use EVAL.");
		return;
	}
	if (!script_keys_count(ctx, NULL, &keys_count)) {
		return;
	}
	script = script_cache_find(&ctx->dispatch->scripts->cache, ctx->argv[1]);
	if (script == NULL) {
		resp_error(ctx->reply, "NOSCRIPT No matching script. Please use EVAL.");
		return;
	}
	run_script(ctx, script, keys_count);
}

unsigned script_flags_of_request(struct dispatch *d, const struct command *cmd,
				 const struct slice *argv, size_t argc)
{
	const struct cached_script *script;
	unsigned flags = SCRIPT_PLAIN;
	struct slice code;
	char error[ERROR_MAX];

	if (argc < 2) {
		return SCRIPT_PLAIN;
	}
	if (cmd->run == cmd_fcall) {
		return function_flags(d, argv[1]);
	}
	if (cmd->run == cmd_evalsha) {
		script = script_cache_find(&d->scripts->cache, argv[1]);
		return script != NULL ? script->flags : SCRIPT_PLAIN;
	}
	return script_shebang_read(argv[1], &flags, &code, error, sizeof error) == ST_OK
		   ? flags
		   : SCRIPT_PLAIN;
}

/* --- SCRIPT --- */

static void cmd_script_load(struct command_ctx *ctx)
{
	const struct cached_script *script = find_or_compile(ctx, ctx->argv[2]);

	if (script != NULL) {
		resp_bulk(ctx->reply, slice_of(script->sha, SCRIPT_SHA_LEN));
	}
}

static void cmd_script_exists(struct command_ctx *ctx)
{
	resp_array(ctx->reply, ctx->argc - 2);
	for (size_t i = 2; i < ctx->argc; i++) {
		resp_int(ctx->reply,
			 script_cache_find(&ctx->dispatch->scripts->cache, ctx->argv[i]) != NULL);
	}
}

static void cmd_script_flush(struct command_ctx *ctx)
{
	if (ctx->argc > 3 || (ctx->argc == 3 && !command_arg_is(ctx, 2, "sync") &&
			      !command_arg_is(ctx, 2, "async"))) {
		resp_error(ctx->reply, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
		return;
	}
	scripts_flush(ctx->dispatch->scripts);
	resp_ok(ctx->reply);
}

static void cmd_script_kill(struct command_ctx *ctx)
{
	script_kill(ctx, false);
}

/* A debugger would hold the executor, and with it everybody, for as long as somebody thinks. */
static void cmd_script_debug(struct command_ctx *ctx)
{
	if (command_arg_is(ctx, 2, "no")) {
		resp_ok(ctx->reply);
	} else if (command_arg_is(ctx, 2, "yes") || command_arg_is(ctx, 2, "sync")) {
		resp_error(ctx->reply, "ERR SCRIPT DEBUG is not supported");
	} else {
		resp_error(ctx->reply, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
	}
}

static void cmd_script_help(struct command_ctx *ctx)
{
	static const char *const lines[] = {
	    "DEBUG (YES|SYNC|NO)",
	    "    Only NO is supported.",
	    "EXISTS <sha1> [<sha1> ...]",
	    "    Which of the scripts are in the cache.",
	    "FLUSH [ASYNC|SYNC]",
	    "    Empty the cache of scripts.",
	    "KILL",
	    "    End the script that runs, if it has written nothing.",
	    "LOAD <script>",
	    "    Put a script into the cache without running it.",
	    NULL};

	command_reply_help(ctx, lines);
}

static const struct command subcommands_script[] = {
    {"debug", 3, CMD_NOSCRIPT, NO_KEYS, cmd_script_debug, NULL},
    {"exists", -3, CMD_NOSCRIPT, NO_KEYS, cmd_script_exists, NULL},
    {"flush", -2, CMD_NOSCRIPT, NO_KEYS, cmd_script_flush, NULL},
    {"help", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_script_help, NULL},
    {"kill", 2, CMD_NOSCRIPT | CMD_ALLOW_BUSY, NO_KEYS, cmd_script_kill, NULL},
    {"load", 3, CMD_NOSCRIPT | CMD_STALE, NO_KEYS, cmd_script_load, NULL},
    {.name = NULL},
};

#define SCRIPT_COMMON                                                                              \
	CMD_NOSCRIPT | CMD_SKIP_MONITOR | CMD_NO_MANDATORY_KEYS | CMD_STALE | CMD_MOVABLE_KEYS |   \
	    CMD_SCRIPT

const struct command commands_script[] = {
    {"eval", -3, SCRIPT_COMMON, NO_KEYS, cmd_eval, NULL},
    {"eval_ro", -3, SCRIPT_COMMON | CMD_READONLY, NO_KEYS, cmd_eval, NULL},
    {"evalsha", -3, SCRIPT_COMMON, NO_KEYS, cmd_evalsha, NULL},
    {"evalsha_ro", -3, SCRIPT_COMMON | CMD_READONLY, NO_KEYS, cmd_evalsha, NULL},
    {"fcall", -3, SCRIPT_COMMON, NO_KEYS, cmd_fcall, NULL},
    {"fcall_ro", -3, SCRIPT_COMMON | CMD_READONLY, NO_KEYS, cmd_fcall, NULL},
    {"script", -2, 0, NO_KEYS, NULL, subcommands_script},
    {.name = NULL},
};
