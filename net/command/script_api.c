/* The library "redis" of scripts. */
#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "net/command/command_groups.h"
#include "net/command/dispatch_state.h"
#include "net/command/script_library.h"
#include "net/command/script_run.h"
#include "net/script/lua_values.h"
#include "net/script/readonly.h"

#include <lauxlib.h>
#include <stdio.h>

enum {
	REPL_NONE = 0,
	REPL_AOF = 1,
	REPL_REPLICA = 2,
	REPL_ALL = REPL_AOF | REPL_REPLICA,
};

/* Raises an error as redis.call does: a table that says more than its text. */
static int raise(lua_State *L, const char *text)
{
	lua_push_error(L, slice_str(text));
	return lua_error(L);
}

/* --- commands --- */

/* The arguments as a command's, in scripts->argv, which borrow from the stack. NULL, or the error.
 */
static const char *take_arguments(lua_State *L, struct scripts *s)
{
	int argc = lua_gettop(L);

	if (argc == 0) {
		return "Please specify at least one argument for this redis lib call";
	}
	if ((size_t)argc > s->argv_cap) {
		struct slice *grown = mem_realloc(s->argv, (size_t)argc * sizeof *grown);

		if (grown == NULL) {
			return "-OOM out of memory: too many arguments";
		}
		s->argv = grown;
		s->argv_cap = (size_t)argc;
	}
	for (int i = 1; i <= argc; i++) {
		size_t len;
		const char *text;

		if (lua_type(L, i) == LUA_TNUMBER) {
			char number[64];
			int n = snprintf(number, sizeof number, "%.17g", lua_tonumber(L, i));

			lua_pushlstring(L, number, (size_t)n);
			lua_replace(L, i);
		} else if (lua_type(L, i) != LUA_TSTRING) {
			return "Lua redis lib command arguments must be strings or integers";
		}
		text = lua_tolstring(L, i, &len);
		s->argv[i - 1] = slice_of(text, len);
	}
	return NULL;
}

static int call(lua_State *L, bool raises)
{
	struct script_run *run = script_run_of(L);
	int argc = lua_gettop(L);
	const char *error = take_arguments(L, run->scripts);
	const uint8_t *reply;
	bool failed;

	luaL_checkstack(L, 1, "too many arguments");
	if (error != NULL) {
		lua_push_error(L, slice_str(error));
		return raises ? lua_error(L) : 1;
	}
	script_call(run, (size_t)argc);
	if (run->doom[0] != 0) {
		lua_push_error(L, slice_str(lua_pushfstring(L, "-%s", run->doom)));
		return lua_error(L); /* and again at the next command, should it be caught */
	}
	reply = run->scripts->reply.data;
	failed = *reply == '-';
	(void)lua_push_reply(L, reply);
	return failed && raises ? lua_error(L) : 1;
}

static int api_call(lua_State *L)
{
	return call(L, true);
}

static int api_pcall(lua_State *L)
{
	return call(L, false);
}

static int api_acl_check_cmd(lua_State *L)
{
	struct script_run *run = script_run_of(L);
	const char *error = take_arguments(L, run->scripts);
	const struct slice *argv = run->scripts->argv;
	size_t argc = (size_t)lua_gettop(L);
	struct dispatch *d = run->ctx->dispatch;
	const struct acl_user *user = run->ctx->session->user;
	const struct command_entry *entry;
	struct slice object;

	if (error != NULL) {
		return raise(L, error);
	}
	entry = command_table_resolve(&d->table, argv, argc);
	if (entry == NULL) {
		return raise(L, "Invalid command passed to redis.acl_check_cmd()");
	}
	lua_pushboolean(L, user->unrestricted ||
			       acl_check(&d->acl, user, entry, argv, argc, &object) == ACL_ALLOWED);
	return 1;
}

/* --- replies --- */

/* {name = text}; an error table when the one argument is no string. */
static int single_field(lua_State *L, const char *name)
{
	if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING) {
		lua_push_error(L, slice_str("wrong number or type of arguments"));
		return 1;
	}
	lua_createtable(L, 0, 1);
	lua_pushvalue(L, 1);
	lua_setfield(L, -2, name);
	return 1;
}

static int api_status_reply(lua_State *L)
{
	return single_field(L, "ok");
}

static int api_error_reply(lua_State *L)
{
	size_t len;
	const char *text;

	if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING) {
		return single_field(L, "err");
	}
	text = lua_tostring(L, 1);
	if (text[0] != '-') {
		lua_pushfstring(L, "-%s", text);
	}
	text = lua_tolstring(L, -1, &len);
	lua_push_error(L, slice_of(text, len));
	return 1;
}

static int api_setresp(lua_State *L)
{
	int version;

	if (lua_gettop(L) != 1) {
		return raise(L, "redis.setresp() requires one argument.");
	}
	version = (int)lua_tonumber(L, 1);
	if (version != 2 && version != 3) {
		return raise(L, "RESP version must be 2 or 3.");
	}
	script_run_of(L)->resp = version;
	return 0;
}

/* --- the rest --- */

static int api_log(lua_State *L)
{
	int argc = lua_gettop(L);
	lua_Number level;
	luaL_Buffer text;

	if (argc < 2) {
		return raise(L, "redis.log() requires two arguments or more.");
	}
	if (!lua_isnumber(L, 1)) {
		return raise(L, "First argument must be a number (log level).");
	}
	level = lua_tonumber(L, 1);
	if (!(level >= LOG_LVL_DEBUG && level <= LOG_LVL_WARNING)) {
		return raise(L, "Invalid debug level.");
	}
	luaL_buffinit(L, &text);
	for (int i = 2; i <= argc; i++) {
		size_t len;
		const char *part = lua_tolstring(L, i, &len);

		if (part == NULL) {
			continue;
		}
		if (i > 2) {
			luaL_addchar(&text, ' ');
		}
		luaL_addlstring(&text, part, len);
	}
	luaL_pushresult(&text);
	logger((enum log_level)(int)level, "%s", lua_tostring(L, -1));
	return 0;
}

static int api_sha1hex(lua_State *L)
{
	char sha[SCRIPT_SHA_LEN + 1];
	size_t len = 0;
	const char *text;

	if (lua_gettop(L) != 1) {
		return raise(L, "wrong number of arguments");
	}
	text = lua_tolstring(L, 1, &len);
	script_sha(slice_of(text != NULL ? text : "", text != NULL ? len : 0), sha);
	lua_pushlstring(L, sha, SCRIPT_SHA_LEN);
	return 1;
}

/* A script's effects are always logged and replicated as a whole: there is nothing to choose. */
static int api_set_repl(lua_State *L)
{
	lua_Number flags;

	if (lua_gettop(L) != 1) {
		return raise(L, "redis.set_repl() requires two arguments.");
	}
	flags = lua_tonumber(L, 1);
	if (!(flags >= REPL_NONE && flags <= REPL_ALL)) {
		return raise(L, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL "
				"or REPL_NONE.");
	}
	return 0;
}

static int api_replicate_commands(lua_State *L)
{
	lua_pushboolean(L, 1);
	return 1;
}

/* No debugger is ever attached. */
static int api_breakpoint(lua_State *L)
{
	lua_pushboolean(L, 0);
	return 1;
}

static int api_debug(lua_State *L)
{
	(void)L;
	return 0;
}

/* "7.2.4" as 0x070204. */
static lua_Number version_number(void)
{
	unsigned long number = 0, part = 0;

	for (const char *c = REDIS_COMPAT_VERSION;; c++) {
		if (*c >= '0' && *c <= '9') {
			part = part * 10 + (unsigned long)(*c - '0');
			continue;
		}
		number = number << 8 | part;
		part = 0;
		if (*c == 0) {
			return (lua_Number)number;
		}
	}
}

static int api_register_function(lua_State *L)
{
	const char *error = script_library_register(L);

	return error != NULL ? raise(L, error) : 0;
}

static const luaL_Reg functions[] = {
    {"call", api_call},
    {"pcall", api_pcall},
    {"acl_check_cmd", api_acl_check_cmd},
    {"status_reply", api_status_reply},
    {"error_reply", api_error_reply},
    {"setresp", api_setresp},
    {"log", api_log},
    {"sha1hex", api_sha1hex},
    {"set_repl", api_set_repl},
    {NULL, NULL},
};

static const luaL_Reg functions_of_eval[] = {
    {"replicate_commands", api_replicate_commands},
    {"breakpoint", api_breakpoint},
    {"debug", api_debug},
    {NULL, NULL},
};

static const luaL_Reg functions_of_loading[] = {
    {"register_function", api_register_function},
    {"log", api_log},
    {NULL, NULL},
};

enum { LOG_NUMBERS = 4 }; /* which come first */

static const struct {
	const char *name;
	int value;
} numbers[] = {
    {"LOG_DEBUG", LOG_LVL_DEBUG},   {"LOG_VERBOSE", LOG_LVL_VERBOSE},
    {"LOG_NOTICE", LOG_LVL_NOTICE}, {"LOG_WARNING", LOG_LVL_WARNING},
    {"REPL_NONE", REPL_NONE},	    {"REPL_AOF", REPL_AOF},
    {"REPL_SLAVE", REPL_REPLICA},   {"REPL_REPLICA", REPL_REPLICA},
    {"REPL_ALL", REPL_ALL},
};

/* Adds numbers and versions to the table on top of the stack. */
static void fill_values(lua_State *L, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		lua_pushinteger(L, numbers[i].value);
		lua_setfield(L, -2, numbers[i].name);
	}
	lua_pushliteral(L, REDIS_COMPAT_VERSION);
	lua_setfield(L, -2, "REDIS_VERSION");
	lua_pushnumber(L, version_number());
	lua_setfield(L, -2, "REDIS_VERSION_NUM");
}

void script_api_fill(lua_State *L)
{
	script_api_fill_functions(L);
	lua_getfield(L, -1, "redis");
	luaL_register(L, NULL, functions_of_eval);
	lua_pop(L, 1);
	lua_pushcfunction(L, sandbox_error_handler);
	lua_setfield(L, -2, "__redis__err__handler");
}

void script_api_fill_functions(lua_State *L)
{
	lua_newtable(L);
	luaL_register(L, NULL, functions);
	fill_values(L, sizeof numbers / sizeof numbers[0]);
	lua_setfield(L, -2, "redis");
}

void script_api_push_loading(lua_State *L)
{
	lua_newtable(L);
	lua_newtable(L);
	luaL_register(L, NULL, functions_of_loading);
	fill_values(L, LOG_NUMBERS);
	sandbox_make_strict(L);
	readonly_wrap(L);
	lua_setfield(L, -2, "redis");
	sandbox_make_strict(L);
}
