/* Loading a library: its Lua code, and redis.register_function. */
#include "net/command/script_library.h"

#include "engine/base/alloc.h"
#include "net/command/script_run.h"
#include "net/command/script_shebang.h"

#include <lauxlib.h>
#include <strings.h>

enum { INSTRUCTIONS_BETWEEN = 100000, CAP_MIN = 4 };

int function_name_cmp(struct slice a, struct slice b)
{
	size_t min = a.len < b.len ? a.len : b.len;
	int c = min == 0 ? 0 : strncasecmp((const char *)a.data, (const char *)b.data, min);

	if (c != 0) {
		return c;
	}
	return a.len < b.len ? -1 : a.len > b.len;
}

/* --- loading --- */

void script_library_free(struct sandbox *box, struct function_library *l)
{
	if (l == NULL) {
		return;
	}
	for (size_t i = 0; i < l->count; i++) {
		luaL_unref(box->L, LUA_REGISTRYINDEX, l->functions[i]->ref);
		mem_free(l->functions[i]);
	}
	library_let_go(l->source);
	mem_free(l->functions);
	mem_free(l);
}

static void on_instructions(lua_State *L, lua_Debug *at)
{
	const struct scripts *s = sandbox_of(L)->user;
	const struct library_loading *loading = s->functions.loading;

	(void)at;
	if (loading->deadline_us != 0 &&
	    loading->clock->mono_us(loading->clock->ctx) >= loading->deadline_us) {
		lua_createtable(L, 0, 1);
		lua_pushliteral(L, "ERR FUNCTION LOAD timeout");
		lua_setfield(L, -2, "err");
		(void)lua_error(L);
	}
}

struct protected_load {
	struct slice body;
	struct buf *error;
	struct library_loading *loading;
	int shown_ref;
};

/* The error value on top of the stack as text; prefix: in front of one that is no table. */
static const char *failure_text(lua_State *L, const char *prefix)
{
	const char *text = NULL;

	if (lua_istable(L, -1)) {
		lua_getfield(L, -1, "err");
		text = lua_tostring(L, -1);
	} else if (lua_isstring(L, -1)) {
		text = lua_pushfstring(L, "%s%s", prefix, lua_tostring(L, -1));
	}
	return text != NULL ? text : "ERR unknown error";
}

static int load_protected(lua_State *L)
{
	struct protected_load *p = lua_touserdata(L, 1);
	const char *what = "compiling function", *prefix = "";
	int result;

	lua_settop(L, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, p->shown_ref);
	sandbox_show(L);
	result = sandbox_compile(L, (const char *)p->body.data, p->body.len, "@user_function");
	if (result == 0) {
		(void)lua_sethook(L, on_instructions, LUA_MASKCOUNT, INSTRUCTIONS_BETWEEN);
		what = "registering functions";
		prefix = "ERR ";
		result = lua_pcall(L, 0, 0, 0);
		(void)lua_sethook(L, NULL, 0, 0);
	}
	if (result == LUA_ERRMEM) {
		p->loading->no_memory = true;
	} else if (result != 0) {
		buf_note(p->error, "ERR Error %s: %s", what, failure_text(L, prefix));
	}
	return 0;
}

enum status script_library_load(struct sandbox *box, struct slice body, const struct clock *clock,
				uint64_t limit_ms, struct function_library **out, struct buf *error)
{
	struct scripts *s = box->user;
	struct function_library *l = mem_calloc(1, sizeof *l);
	struct library_loading loading = {.into = l, .clock = clock};
	struct protected_load p = {body, error, &loading, s->functions.loading_ref};
	enum status st = ST_OK;

	if (l == NULL) {
		buf_note(error, "OOM out of memory: the library was not loaded");
		return ST_NO_MEMORY;
	}
	if (limit_ms > 0) {
		loading.deadline_us = clock->mono_us(clock->ctx) + limit_ms * 1000;
	}
	s->functions.loading = &loading;
	sandbox_begin(box);
	if (lua_cpcall(box->L, load_protected, &p) != 0 || loading.no_memory) {
		st = ST_NO_MEMORY;
		error->len = 0;
		buf_note(error, "OOM out of memory: the library was not loaded");
	}
	(void)lua_sethook(box->L, NULL, 0, 0);
	lua_settop(box->L, 0);
	lua_pushnil(box->L);
	sandbox_show(box->L);
	s->functions.loading = NULL;
	if (st == ST_OK && error->len == 0 && l->count == 0) {
		buf_note(error, "ERR No functions registered");
	}
	if (error->len > 0) {
		script_library_free(box, l);
		return st == ST_OK ? ST_INVALID : st;
	}
	*out = l;
	return ST_OK;
}

/* --- registering --- */

struct registration {
	struct slice name, description; /* borrow the stack */
	bool named, described, has_callback;
	unsigned flags;
	int callback; /* index on the stack */
};

/* The string at an index, numbers included. False: it is none. */
static bool take_string(lua_State *L, int index, struct slice *out)
{
	size_t len;
	const char *text;

	if (!lua_isstring(L, index)) {
		return false;
	}
	text = lua_tolstring(L, index, &len);
	*out = slice_of(text, len);
	return true;
}

static const char *read_flags(lua_State *L, int index, unsigned *flags)
{
	if (!lua_istable(L, index)) {
		return "flags argument to redis.register_function must be a table representing "
		       "function flags";
	}
	for (int i = 1;; i++) {
		struct slice name;
		unsigned flag;

		lua_pushnumber(L, i);
		lua_gettable(L, index);
		if (lua_isnil(L, -1)) {
			lua_pop(L, 1);
			return NULL;
		}
		flag = take_string(L, -1, &name) ? script_flag_of(name) : 0;
		lua_pop(L, 1);
		if (flag == 0) {
			return "unknown flag given";
		}
		*flags |= flag;
	}
}

/* One named argument: its key and value are at index and above. */
static const char *read_named(lua_State *L, int index, struct registration *r)
{
	int value = index + 1;
	const char *key;

	/* A number as a key must not become a string, or lua_next loses its way. */
	if (lua_type(L, index) != LUA_TSTRING) {
		return lua_isnumber(L, index)
			   ? "unknown argument given to redis.register_function"
			   : "named argument key given to redis.register_function is not a string";
	}
	key = lua_tostring(L, index);
	if (strcasecmp(key, "function_name") == 0) {
		r->named = take_string(L, value, &r->name);
		return r->named ? NULL
				: "function_name argument given to redis.register_function must "
				  "be a string";
	}
	if (strcasecmp(key, "description") == 0) {
		r->described = take_string(L, value, &r->description);
		return r->described ? NULL
				    : "description argument given to redis.register_function must "
				      "be a string";
	}
	if (strcasecmp(key, "callback") == 0) {
		r->callback = value;
		r->has_callback = lua_isfunction(L, value);
		return r->has_callback ? NULL
				       : "callback argument given to redis.register_function must "
					 "be a function";
	}
	if (strcasecmp(key, "flags") == 0) {
		return read_flags(L, value, &r->flags);
	}
	return "unknown argument given to redis.register_function";
}

/* The values stay on the stack, where what was read of them is borrowed from. */
static const char *read_table(lua_State *L, struct registration *r)
{
	const char *error = NULL;

	if (!lua_istable(L, 1)) {
		return "calling redis.register_function with a single argument is only applicable "
		       "to Lua table (representing named arguments).";
	}
	lua_pushnil(L);
	while (error == NULL && lua_next(L, 1) != 0) {
		int key = lua_gettop(L) - 1;

		luaL_checkstack(L, 4, "too many arguments");
		error = read_named(L, key, r);
		lua_pushvalue(L, key); /* what lua_next goes on from */
	}
	if (error == NULL && !r->named) {
		error = "redis.register_function must get a function name argument";
	}
	if (error == NULL && !r->has_callback) {
		error = "redis.register_function must get a callback argument";
	}
	return error;
}

static const char *read_pair(lua_State *L, struct registration *r)
{
	if (!take_string(L, 1, &r->name)) {
		return "first argument to redis.register_function must be a string";
	}
	if (!lua_isfunction(L, 2)) {
		return "second argument to redis.register_function must be a function";
	}
	r->callback = 2;
	return NULL;
}

static bool has_function(const struct function_library *l, struct slice name)
{
	for (size_t i = 0; i < l->count; i++) {
		if (function_name_cmp(function_name(l->functions[i]), name) == 0) {
			return true;
		}
	}
	return false;
}

/* The new function without its reference; the library has room for it. NULL: out of memory. */
static struct function *make(struct function_library *l, const struct registration *r)
{
	struct function *f;

	if (l->count == l->cap) {
		size_t cap = l->cap == 0 ? CAP_MIN : l->cap * 2;
		struct function **grown = mem_realloc(l->functions, cap * sizeof(*grown));

		if (grown == NULL) {
			return NULL;
		}
		l->functions = grown;
		l->cap = cap;
	}
	f = mem_calloc(1, sizeof *f + r->name.len + 1 + r->description.len);
	if (f == NULL) {
		return NULL;
	}
	f->library = l;
	f->flags = r->flags;
	f->ref = LUA_NOREF;
	f->described = r->described;
	f->name_len = r->name.len;
	f->description_len = r->description.len;
	memcpy(f->text, r->name.data, r->name.len);
	if (r->description.len > 0) {
		memcpy(f->text + r->name.len + 1, r->description.data, r->description.len);
	}
	return f;
}

const char *script_library_register(lua_State *L)
{
	const struct scripts *s = sandbox_of(L)->user;
	struct library_loading *loading = s->functions.loading;
	int argc = lua_gettop(L);
	struct registration r = {0};
	const char *error;
	struct function *f;

	if (loading == NULL) {
		return "redis.register_function can only be called on FUNCTION LOAD command";
	}
	if (argc < 1 || argc > 2) {
		return "wrong number of arguments to redis.register_function";
	}
	error = argc == 1 ? read_table(L, &r) : read_pair(L, &r);
	if (error != NULL) {
		return error;
	}
	if (!script_name_ok(r.name)) {
		return SCRIPT_NAME_ERROR;
	}
	if (has_function(loading->into, r.name)) {
		return "Function already exists in the library";
	}
	f = make(loading->into, &r);
	if (f == NULL) {
		loading->no_memory = true;
		return "-OOM out of memory: the function was not registered";
	}
	/* In the library first: what luaL_ref raises must not lose it. */
	loading->into->functions[loading->into->count++] = f;
	lua_pushvalue(L, r.callback);
	f->ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return NULL;
}
