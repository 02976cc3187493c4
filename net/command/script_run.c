/* Running a script: its keys and arguments, its result or error as a reply. */
#include "net/command/script_run.h"

#include "engine/base/alloc.h"
#include "net/command/dispatch_state.h"
#include "net/script/lua_values.h"

#include <lauxlib.h>

enum { INSTRUCTIONS_BETWEEN = 100000 /* two looks at the clock */ };

struct script_run *script_run_of(lua_State *L)
{
	struct scripts *s = sandbox_of(L)->user;

	return s->run;
}

enum status scripts_open(struct scripts *s)
{
	return s->box.L != NULL ? ST_OK : sandbox_open(&s->box, s, script_api_fill);
}

void scripts_flush(struct scripts *s)
{
	sandbox_close(&s->box);
	script_cache_deinit(&s->cache);
}

struct scripts *scripts_create(void)
{
	return mem_calloc(1, sizeof(struct scripts));
}

void scripts_destroy(struct scripts *s)
{
	if (s != NULL) {
		scripts_flush(s);
		functions_deinit(&s->functions);
		buf_deinit(&s->reply);
		mem_free(s->argv);
		mem_free(s);
	}
}

/* Called by Lua after so many instructions. What ends a run ends it at every line from then on,
 * so that a script can't catch it for long. */
static void on_instructions(lua_State *L, lua_Debug *at)
{
	struct script_run *run = script_run_of(L);

	(void)at;
	script_look_around(run);
	if (!run->killed && run->doom[0] == 0) {
		return;
	}
	(void)lua_sethook(L, on_instructions, LUA_MASKLINE, 0);
	lua_push_error(L, slice_str(run->killed ? "Script killed by user with SCRIPT KILL..."
						: lua_pushfstring(L, "-%s", run->doom)));
	(void)lua_error(L);
}

struct protected_run {
	struct script_run *run;
	int ref;
	size_t keys_count;
};

static void push_arguments(lua_State *L, const struct slice *argv, size_t count)
{
	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		lua_pushlstring(L, (const char *)argv[i].data, argv[i].len);
		lua_rawseti(L, -2, (int)i + 1);
	}
}

/* The error value on top of the stack as a reply that tells where it happened. */
static void write_failure(lua_State *L, const struct script_run *run)
{
	const char *message = NULL, *source = NULL, *line = NULL;

	if (lua_istable(L, -1)) {
		lua_getfield(L, -1, "err");
		lua_getfield(L, -2, "source");
		lua_getfield(L, -3, "line");
		message = lua_tostring(L, -3);
		source = lua_tostring(L, -2);
		line = lua_tostring(L, -1);
	} else if (lua_isstring(L, -1)) {
		message = lua_pushfstring(L, "ERR %s", lua_tostring(L, -1));
	}
	message = message != NULL ? message : "ERR unknown error";
	if (source != NULL && line != NULL) {
		lua_pushfstring(L, "%s script: %s, on %s:%s.", message, run->name, source, line);
	} else {
		lua_pushfstring(L, "%s script: %s.", message, run->name);
	}
	lua_write_line(run->ctx->reply, '-', slice_str(lua_tostring(L, -1)));
}

static void set_globals_nil(lua_State *L)
{
	lua_pushnil(L);
	sandbox_set_global(L, "KEYS");
	lua_pushnil(L);
	sandbox_set_global(L, "ARGV");
}

static int run_protected(lua_State *L)
{
	struct protected_run *p = lua_touserdata(L, 1);
	struct script_run *run = p->run;
	struct command_ctx *ctx = run->ctx;
	int args = run->function ? 2 : 0;
	bool failed;

	lua_settop(L, 0);
	lua_pushcfunction(L, sandbox_error_handler);
	lua_rawgeti(L, LUA_REGISTRYINDEX, p->ref);
	push_arguments(L, ctx->argv + 3, p->keys_count);
	if (!run->function) {
		sandbox_set_global(L, "KEYS");
	}
	push_arguments(L, ctx->argv + 3 + p->keys_count, ctx->argc - 3 - p->keys_count);
	if (!run->function) {
		sandbox_set_global(L, "ARGV");
	}
	failed = lua_pcall(L, args, 1, 1) != 0;
	ctx->error_counted = lua_is_counted_error(L);
	if (!failed) {
		lua_write_reply(L, ctx->reply, run->resp);
	} else {
		write_failure(L, run);
	}
	if (!run->function) {
		set_globals_nil(L); /* they may be large */
	}
	return 0;
}

/* Runs the function with that reference in box's registry. */
static void run_in(struct script_run *run, struct sandbox *box, int ref, size_t keys_count)
{
	enum { KEPT = 64 * 1024 };
	struct command_ctx *ctx = run->ctx;
	struct dispatch *d = ctx->dispatch;
	struct protected_run p = {run, ref, keys_count};
	bool in_exec = d->in_exec;

	d->in_exec = true; /* nothing that it runs may wait */
	run->scripts->run = run;
	sandbox_begin(box);
	(void)lua_sethook(box->L, on_instructions, LUA_MASKCOUNT, INSTRUCTIONS_BETWEEN);
	if (lua_cpcall(box->L, run_protected, &p) != 0 && !ctx->reply->failed) {
		ctx->reply->out->len = ctx->reply_at;
		resp_error(ctx->reply, "OOM out of memory: the script's result was lost");
	}
	(void)lua_sethook(box->L, NULL, 0, 0);
	run->scripts->run = NULL;
	run->scripts->reply.len = 0;
	buf_shrink(&run->scripts->reply, KEPT);
	d->in_exec = in_exec;
	if (run->doom[0] != 0) {
		command_failed(ctx);
		ctx->undo_exec = true;
		resp_error(ctx->reply, "%s", run->doom);
	}
}

/* --- starting and killing --- */

bool script_keys_count(struct command_ctx *ctx, const char *error, size_t *out)
{
	int64_t count;

	if (!command_arg_int(ctx, 2, &count, error)) {
		return false;
	}
	if (count > (int64_t)ctx->argc - 3) {
		resp_error(ctx->reply, "ERR Number of keys can't be greater than number of args");
		return false;
	}
	if (count < 0) {
		resp_error(ctx->reply, "ERR Number of keys can't be negative");
		return false;
	}
	*out = (size_t)count;
	return true;
}

/* What a script that says what it does is refused for before it begins. */
static const char *refused_by_flags(const struct command_ctx *ctx, unsigned flags)
{
	if ((flags & SCRIPT_PLAIN) != 0) {
		return NULL;
	}
	if (ctx->host->cluster != NULL && (flags & SCRIPT_NO_CLUSTER) != 0) {
		return "ERR Can not run script on cluster, 'no-cluster' flag is set.";
	}
	if ((flags & SCRIPT_NO_WRITES) == 0 && (ctx->cmd->flags & CMD_READONLY) != 0) {
		return "ERR Can not execute a script with write flag using *_ro command.";
	}
	return NULL;
}

void script_start(struct command_ctx *ctx, bool function, const char *name, unsigned flags, int ref,
		  size_t keys_count)
{
	struct dispatch *d = ctx->dispatch;
	struct scripts *s = d->scripts;
	struct script_run run = {
	    .scripts = s,
	    .ctx = ctx,
	    .name = name,
	    .function = function,
	    .flags = flags,
	    .read_only = (ctx->cmd->flags & CMD_READONLY) != 0 || (flags & SCRIPT_NO_WRITES) != 0,
	    .resp = 2,
	    .slot = d->route_slot,
	    .began_us = d->clock->mono_us(d->clock->ctx),
	};
	const char *refusal = refused_by_flags(ctx, flags);

	run.bus_us = run.began_us;
	if (refusal != NULL) {
		resp_error(ctx->reply, "%s", refusal);
		return;
	}
	run_in(&run, function ? &s->functions.box : &s->box, ref, keys_count);
}

const char *script_busy_text(const struct script_run *run)
{
	return run->function ? "BUSY Redis is busy running a script. You can only call FUNCTION "
			       "KILL or SHUTDOWN NOSAVE."
			     : "BUSY Redis is busy running a script. You can only call SCRIPT KILL "
			       "or SHUTDOWN NOSAVE.";
}

void script_kill(struct command_ctx *ctx, bool function)
{
	struct script_run *run = ctx->dispatch->scripts->run;

	if (run == NULL) {
		resp_error(ctx->reply, "NOTBUSY No scripts in execution right now.");
	} else if (run->wrote) {
		resp_error(ctx->reply,
			   "UNKILLABLE Sorry the script already executed write commands against "
			   "the dataset. You can either wait the script termination or kill the "
			   "server in a hard way using the SHUTDOWN NOSAVE command.");
	} else if (run->function != function) {
		resp_error(ctx->reply, "%s", script_busy_text(run));
	} else {
		run->killed = true;
		resp_ok(ctx->reply);
	}
}
