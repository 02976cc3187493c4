/* The state that scripts run in: which names it has, and what was changed about them. */
#include "net/script/sandbox.h"

#include "engine/base/alloc.h"
#include "engine/base/invariant.h"
#include "net/script/readonly.h"
#include "net/script/script_libs.h"

#include <lauxlib.h>
#include <lualib.h>
#include <math.h>
#include <string.h>

enum {
	RANDOM_SEED_LOW = 0x330e, /* as srand48 and lrand48 begin */
	RANDOM_MOST = 0x7fffffff,
	BYTECODE_MARK = 0x1b,
};

static const uint64_t random_first = UINT64_C(0x1234abcd330e);

/* What scripts see of Lua's base library; all else is taken away. */
static const char *const base_names[] = {
    "_VERSION", "assert",	"collectgarbage", "coroutine", "error",	 "gcinfo", "getmetatable",
    "ipairs",	"load",		"loadstring",	  "math",      "next",	 "pairs",  "pcall",
    "rawequal", "rawget",	"rawset",	  "select",    "string", "table",  "tonumber",
    "tostring", "setmetatable", "type",		  "unpack",    "xpcall", "bit",	   "cjson",
    "cmsgpack", "struct",
};

struct sandbox *sandbox_of(lua_State *L)
{
	void *box;

	(void)lua_getallocf(L, &box);
	return box;
}

static void *allocate(void *arg, void *ptr, size_t old_size, size_t new_size)
{
	struct sandbox *box = arg;
	void *grown;

	if (new_size == 0) {
		mem_free(ptr);
		box->used -= ptr != NULL ? old_size : 0;
		return NULL;
	}
	grown = mem_realloc(ptr, new_size);
	if (grown == NULL && ptr != NULL && new_size <= old_size) {
		grown = ptr; /* Lua relies on it that shrinking succeeds */
	}
	if (grown != NULL) {
		box->used += new_size - (ptr != NULL ? old_size : 0);
	}
	return grown;
}

static int on_panic(lua_State *L)
{
	INVARIANT(L == NULL); /* a Lua error outside of a protected call */
	return 0;
}

/* --- chance --- */

static uint64_t random_next(struct sandbox *box)
{
	box->random = (box->random * UINT64_C(0x5deece66d) + 0xb) & ((UINT64_C(1) << 48) - 1);
	return box->random >> 17;
}

static void random_seed(struct sandbox *box, int32_t seed)
{
	box->random = (uint64_t)(uint32_t)seed << 16 | RANDOM_SEED_LOW;
}

/* math.random: from 0 to 1, 1 to n, or m to n. */
static int math_random(lua_State *L)
{
	lua_Number r = (lua_Number)(random_next(sandbox_of(L)) % RANDOM_MOST) / RANDOM_MOST;
	int low, high;

	switch (lua_gettop(L)) {
	case 0:
		lua_pushnumber(L, r);
		return 1;
	case 1:
		low = 1;
		high = luaL_checkint(L, 1);
		luaL_argcheck(L, 1 <= high, 1, "interval is empty");
		lua_pushnumber(L, floor(r * high) + 1);
		return 1;
	case 2:
		low = luaL_checkint(L, 1);
		high = luaL_checkint(L, 2);
		luaL_argcheck(L, low <= high, 2, "interval is empty");
		lua_pushnumber(L, floor(r * ((lua_Number)high - low + 1)) + low);
		return 1;
	default:
		return luaL_error(L, "wrong number of arguments");
	}
}

static int math_randomseed(lua_State *L)
{
	random_seed(sandbox_of(L), (int32_t)luaL_checkint(L, 1));
	return 0;
}

/* --- compiling --- */

int sandbox_compile(lua_State *L, const char *text, size_t len, const char *name)
{
	int result;

	if (len == 0 || text[0] != BYTECODE_MARK) {
		return luaL_loadbuffer(L, text, len, name);
	}
	/* Behind a space it is a text, and a wrong one. */
	lua_pushlstring(L, " ", 1);
	lua_pushlstring(L, text, len);
	lua_concat(L, 2);
	text = lua_tolstring(L, -1, &len);
	result = luaL_loadbuffer(L, text, len, name);
	lua_remove(L, -2);
	return result;
}

static int load_string(lua_State *L)
{
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len);
	const char *name = luaL_optstring(L, 2, text);

	if (sandbox_compile(L, text, len, name) == 0) {
		return 1;
	}
	lua_pushnil(L);
	lua_insert(L, -2);
	return 2;
}

/* The pieces of a text, as a function gives them. upvalues: that function; whether it has given
 * any.
 */
static int next_piece(lua_State *L)
{
	size_t len;
	const char *text;

	lua_settop(L, 0);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_call(L, 0, 1);
	if (lua_type(L, -1) != LUA_TSTRING || lua_toboolean(L, lua_upvalueindex(2))) {
		return 1;
	}
	text = lua_tolstring(L, -1, &len);
	if (len > 0) {
		lua_pushboolean(L, 1);
		lua_replace(L, lua_upvalueindex(2));
	}
	if (len > 0 && text[0] == BYTECODE_MARK) {
		lua_pushliteral(L, " ");
		lua_insert(L, -2);
		lua_concat(L, 2);
	}
	return 1;
}

/* load(function, name): Lua's own, which is the upvalue, gets its pieces through next_piece. */
static int load(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_pushvalue(L, 1);
	lua_pushboolean(L, 0);
	lua_pushcclosure(L, next_piece, 2);
	lua_replace(L, 1);
	return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* --- errors --- */

/* pcall gives a script the message where redis.call raised a table. */
static int protected_call(lua_State *L)
{
	luaL_checkany(L, 1);
	lua_pushboolean(L, 1);
	lua_insert(L, 1);
	if (lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0) == 0) {
		return lua_gettop(L);
	}
	lua_pushboolean(L, 0);
	lua_replace(L, 1);
	if (lua_istable(L, -1)) {
		lua_getfield(L, -1, "err");
		if (lua_isstring(L, -1)) {
			lua_replace(L, -2);
		} else {
			lua_pop(L, 1);
		}
	}
	return lua_gettop(L);
}

int sandbox_error_handler(lua_State *L)
{
	lua_Debug at;
	int found = lua_getstack(L, 1, &at) && lua_getinfo(L, "Sl", &at);

	if (found && strcmp(at.what, "C") == 0) {
		found = lua_getstack(L, 2, &at) && lua_getinfo(L, "Sl", &at);
	}
	if (!lua_istable(L, 1)) {
		lua_createtable(L, 0, 3);
		lua_pushliteral(L, "ERR ");
		if (lua_isstring(L, 1)) {
			lua_pushvalue(L, 1);
		} else if (lua_isboolean(L, 1)) {
			lua_pushstring(L, lua_toboolean(L, 1) ? "true" : "false");
		} else if (lua_isnil(L, 1)) {
			lua_pushliteral(L, "nil");
		} else {
			lua_pushfstring(L, "%s: %p", luaL_typename(L, 1), lua_topointer(L, 1));
		}
		lua_concat(L, 2);
		lua_setfield(L, -2, "err");
		lua_replace(L, 1);
	}
	if (found) {
		lua_settop(L, 1);
		lua_pushstring(L, "source");
		lua_pushstring(L, at.source);
		lua_rawset(L, 1);
		lua_pushstring(L, "line");
		lua_pushnumber(L, at.currentline);
		lua_rawset(L, 1);
	}
	lua_settop(L, 1);
	return 1;
}

/* Every name that a script uses and nobody has set. */
static int no_such_global(lua_State *L)
{
	const char *name = lua_isstring(L, 2) ? lua_tostring(L, 2) : luaL_typename(L, 2);

	return luaL_error(L, "Script attempted to access nonexistent global variable '%s'", name);
}

void sandbox_make_strict(lua_State *L)
{
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, no_such_global);
	lua_setfield(L, -2, "__index");
	(void)lua_setmetatable(L, -2);
}

void sandbox_show(lua_State *L)
{
	struct sandbox *box = sandbox_of(L);

	lua_rawgeti(L, LUA_REGISTRYINDEX, box->shown_ref);
	(void)lua_getmetatable(L, -1);
	if (lua_isnil(L, -3)) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, box->globals_ref);
	} else {
		lua_pushvalue(L, -3);
	}
	lua_setfield(L, -2, "__index"); /* Lua keeps that name, and the field is there */
	lua_pop(L, 3);
}

/* --- making --- */

static void open_library(lua_State *L, const char *name, lua_CFunction open)
{
	lua_pushcfunction(L, open);
	lua_pushstring(L, name);
	lua_call(L, 1, 0);
}

static void set_function(lua_State *L, const char *name, lua_CFunction f)
{
	lua_pushcfunction(L, f);
	lua_setfield(L, -2, name);
}

/* Pushes a table with what scripts may see of the state's globals. */
static void choose_globals(lua_State *L)
{
	lua_newtable(L);
	for (size_t i = 0; i < sizeof base_names / sizeof base_names[0]; i++) {
		lua_getfield(L, LUA_GLOBALSINDEX, base_names[i]);
		lua_setfield(L, -2, base_names[i]);
	}
	set_function(L, "loadstring", load_string);
	lua_getfield(L, -1, "load");
	lua_pushcclosure(L, load, 1);
	lua_setfield(L, -2, "load");
	set_function(L, "pcall", protected_call);
	lua_getfield(L, -1, "math");
	set_function(L, "random", math_random);
	set_function(L, "randomseed", math_randomseed);
	lua_pop(L, 1);
	readonly_guard_base(L);
}

/* Wraps each table in the table on top of the stack. */
static void protect_libraries(lua_State *L)
{
	lua_newtable(L); /* what is to be replaced: not changed while it is walked */
	lua_pushnil(L);
	while (lua_next(L, -3) != 0) {
		if (lua_istable(L, -1)) {
			lua_pushvalue(L, -2);
			lua_insert(L, -2);
			readonly_wrap(L);
			lua_rawset(L, -4);
		} else {
			lua_pop(L, 1);
		}
	}
	lua_pushnil(L);
	while (lua_next(L, -2) != 0) {
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -5);
	}
	lua_pop(L, 1);
}

/* Strings find their methods through the read-only library too. */
static void protect_strings(lua_State *L)
{
	lua_pushliteral(L, "");
	(void)lua_getmetatable(L, -1);
	lua_getfield(L, -3, "string");
	lua_setfield(L, -2, "__index");
	lua_pop(L, 2);
}

struct opening {
	struct sandbox *box;
	void (*fill)(lua_State *L);
};

static int open_protected(lua_State *L)
{
	struct opening *o = lua_touserdata(L, 1);
	struct sandbox *box = o->box;

	lua_settop(L, 0);
	open_library(L, "", luaopen_base);
	open_library(L, LUA_TABLIBNAME, luaopen_table);
	open_library(L, LUA_STRLIBNAME, luaopen_string);
	open_library(L, LUA_MATHLIBNAME, luaopen_math);
	script_open_libs(L);
	lua_settop(L, 0);
	choose_globals(L);
	o->fill(L);
	protect_libraries(L);
	protect_strings(L);
	sandbox_make_strict(L);
	lua_pushvalue(L, -1);
	box->globals_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pushvalue(L, -1);
	readonly_wrap(L);
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, "_G");
	box->shown_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

enum status sandbox_open(struct sandbox *box, void *user, void (*fill)(lua_State *L))
{
	struct opening o = {box, fill};

	*box = (struct sandbox){.user = user, .random = random_first};
	box->L = lua_newstate(allocate, box);
	if (box->L == NULL) {
		return ST_NO_MEMORY;
	}
	(void)lua_atpanic(box->L, on_panic);
	if (lua_cpcall(box->L, open_protected, &o) != 0) {
		sandbox_close(box);
		return ST_NO_MEMORY;
	}
	sandbox_begin(box);
	return ST_OK;
}

void sandbox_close(struct sandbox *box)
{
	if (box->L != NULL) {
		lua_close(box->L);
		box->L = NULL;
	}
}

void sandbox_begin(struct sandbox *box)
{
	lua_State *L = box->L;

	(void)lua_gc(L, LUA_GCRESTART, 0);
	lua_settop(L, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, box->shown_ref);
	lua_replace(L, LUA_GLOBALSINDEX);
}

void sandbox_set_global(lua_State *L, const char *name)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, sandbox_of(L)->globals_ref);
	lua_insert(L, -2);
	lua_pushstring(L, name);
	lua_insert(L, -2);
	lua_rawset(L, -3);
	lua_pop(L, 1);
}
