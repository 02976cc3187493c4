/* The library "cjson" of scripts is Debian's lua-cjson. It counts bytes in ints and ends the
 * process when these do not suffice, so nothing reaches it whose text could come near their limit.
 */
#include "net/script/readonly.h"
#include "net/script/script_libs.h"

#include <lauxlib.h>
#include <lua-cjson.h>
#include <stdbool.h>

enum {
	JSON_MAX = 256 * 1024 * 1024, /* bytes of a text */
	NUMBER_MAX = 32,	      /* bytes of a number, or of what is between values */
	ESCAPED = 6,		      /* bytes that one of a string may become */
	NULL_LEN = 5,		      /* with its comma */
	DEPTH_MAX = 1000,	      /* beyond, encode refuses by itself, unless told otherwise */
};

/* What a text may still take. */
struct room {
	size_t left;
	bool deep; /* there are tables that were not looked into */
};

static bool take(struct room *room, size_t need)
{
	if (need > room->left) {
		return false;
	}
	room->left -= need;
	return true;
}

static bool fits(lua_State *L, struct room *room, int depth);

/* The same for the table on top, which stays. Holes of an array become nulls. */
static bool table_fits(lua_State *L, struct room *room, int depth)
{
	lua_Number max = 0;
	bool array = true;

	lua_pushnil(L);
	while (lua_next(L, -2) != 0) {
		lua_Number n = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;

		array = array && n > 0;
		max = n > max ? n : max;
		if (!fits(L, room, depth + 1)) {
			lua_pop(L, 1);
			return false;
		}
		lua_pushvalue(L, -1);
		if (!fits(L, room, depth + 1)) {
			lua_pop(L, 1);
			return false;
		}
	}
	return !array || (max < JSON_MAX && take(room, (size_t)max * NULL_LEN));
}

/* Takes the room that a value may need; false: there is not enough. The value is on top, and
 * popped. */
static bool fits(lua_State *L, struct room *room, int depth)
{
	bool ok = take(room, NUMBER_MAX);

	luaL_checkstack(L, 6, "Cannot serialise, excessive nesting");
	if (ok && lua_type(L, -1) == LUA_TSTRING) {
		size_t len = lua_objlen(L, -1);

		ok = len < JSON_MAX && take(room, len * ESCAPED);
	}
	if (ok && lua_istable(L, -1)) {
		if (depth < DEPTH_MAX) {
			ok = table_fits(L, room, depth);
		} else {
			room->deep = true;
		}
	}
	lua_pop(L, 1);
	return ok;
}

/* Upvalues of a guard: the settings, as what it guards has them; that function itself;
 * encode_max_depth.
 */
static int call_guarded(lua_State *L)
{
	return lua_tocfunction(L, lua_upvalueindex(2))(L);
}

static int encode(lua_State *L)
{
	struct room room = {JSON_MAX, false};

	if (lua_gettop(L) == 1) {
		if (readonly_push_real(L, 1)) {
			lua_replace(L, 1);
		}
		lua_pushvalue(L, 1);
		if (!fits(L, &room, 0)) {
			return luaL_error(L, "Cannot serialise: the text would be too long");
		}
	}
	if (room.deep) {
		lua_pushvalue(L, lua_upvalueindex(3)); /* encode_max_depth */
		lua_call(L, 0, 1);
		if (lua_tonumber(L, -1) > DEPTH_MAX) {
			return luaL_error(L, "Cannot serialise, excessive nesting (%d)",
					  DEPTH_MAX + 1);
		}
		lua_pop(L, 1);
	}
	return call_guarded(L);
}

static int decode(lua_State *L)
{
	if (lua_type(L, 1) == LUA_TSTRING && lua_objlen(L, 1) > JSON_MAX) {
		return luaL_error(L, "Expected a text of at most %d bytes", JSON_MAX);
	}
	return call_guarded(L);
}

static int new_instance(lua_State *L);

/* Puts guards into the library on top of the stack. */
static void guard_all(lua_State *L)
{
	static const struct {
		const char *name;
		lua_CFunction with;
	} guards[] = {{"encode", encode}, {"decode", decode}, {"new", new_instance}};

	for (size_t i = 0; i < sizeof guards / sizeof guards[0]; i++) {
		lua_getfield(L, -1, guards[i].name);
		if (lua_getupvalue(L, -1, 1) == NULL) {
			lua_pushnil(L);
		}
		lua_insert(L, -2);
		lua_getfield(L, -3, "encode_max_depth");
		lua_pushcclosure(L, guards[i].with, 3);
		lua_setfield(L, -2, guards[i].name);
	}
}

/* Another library with settings of its own. */
static int new_instance(lua_State *L)
{
	int results = call_guarded(L);

	guard_all(L);
	return results;
}

void script_open_json(lua_State *L)
{
	lua_pushcfunction(L, luaopen_cjson);
	lua_call(L, 0, 1);
	guard_all(L);
	lua_setglobal(L, "cjson");
}
