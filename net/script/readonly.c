/* Read-only stand-ins, and base functions that know them. */
#include "net/script/readonly.h"

#include <lauxlib.h>

/* Its address marks the metatable of a stand-in. */
static char real_table_key;

static int refuse_assignment(lua_State *L)
{
	return luaL_error(L, "%s", READONLY_TEXT);
}

/* The same for functions, where Lua's own refusal has no position in front. */
static int refuse_write(lua_State *L)
{
	lua_pushstring(L, READONLY_TEXT);
	return lua_error(L);
}

void readonly_wrap(lua_State *L)
{
	lua_newtable(L); /* real, stand-in */
	lua_createtable(L, 0, 3);
	lua_pushvalue(L, -3);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, refuse_assignment);
	lua_setfield(L, -2, "__newindex");
	lua_pushlightuserdata(L, &real_table_key);
	lua_pushvalue(L, -4);
	lua_rawset(L, -3);
	(void)lua_setmetatable(L, -2);
	lua_remove(L, -2);
}

int readonly_push_real(lua_State *L, int index)
{
	if (!lua_istable(L, index) || !lua_getmetatable(L, index)) {
		return 0;
	}
	lua_pushlightuserdata(L, &real_table_key);
	lua_rawget(L, -2);
	lua_remove(L, -2);
	if (lua_istable(L, -1)) {
		return 1;
	}
	lua_pop(L, 1);
	return 0;
}

/* The guarded function is an upvalue, and called as C calls C: errors that it raises tell of the
 * script's call as they would without the guard. */
static int call_guarded(lua_State *L)
{
	return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int guard_write(lua_State *L)
{
	if (readonly_push_real(L, 1)) {
		return refuse_write(L);
	}
	return call_guarded(L);
}

static int guard_read(lua_State *L)
{
	if (readonly_push_real(L, 1)) {
		lua_replace(L, 1);
	}
	return call_guarded(L);
}

/* A stand-in's own metatable is nobody's business; that of the real table, and that which all
 * strings share, are shown read-only. */
static int get_metatable(lua_State *L)
{
	luaL_checkany(L, 1);
	if (lua_type(L, 1) != LUA_TSTRING && !readonly_push_real(L, 1)) {
		return call_guarded(L);
	}
	if (!lua_getmetatable(L, -1)) {
		lua_pushnil(L);
		return 1;
	}
	readonly_wrap(L);
	return 1;
}

/* pairs, with the guarded next as its upvalue. */
static int pairs(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_pushvalue(L, 1);
	lua_pushnil(L);
	return 3;
}

/* Puts guard around the function name of the table on top of the stack. */
static void guard(lua_State *L, const char *name, lua_CFunction with)
{
	lua_getfield(L, -1, name);
	lua_pushcclosure(L, with, 1);
	lua_setfield(L, -2, name);
}

void readonly_guard_base(lua_State *L)
{
	static const char *const writes[] = {"insert", "remove", "sort", "setn"};
	static const char *const reads[] = {"foreach", "foreachi", "getn", "maxn", "concat"};

	guard(L, "rawset", guard_write);
	guard(L, "setmetatable", guard_write);
	guard(L, "rawget", guard_read);
	guard(L, "next", guard_read);
	guard(L, "unpack", guard_read);
	guard(L, "getmetatable", get_metatable);
	lua_getfield(L, -1, "next");
	lua_pushcclosure(L, pairs, 1);
	lua_setfield(L, -2, "pairs");
	lua_getfield(L, -1, "table");
	for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
		guard(L, writes[i], guard_write);
	}
	for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
		guard(L, reads[i], guard_read);
	}
	lua_pop(L, 1);
}
