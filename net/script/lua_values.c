/* Replies as Lua values, and Lua values as replies. */
#include "net/script/lua_values.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

enum {
	STACK_PER_LEVEL = 6,
	NUMBER_MAX = 512, /* a double written out has 330 digits at most */
};

/* Of an error table that a command's reply became; true. */
static const char counted_field[] = "ignore_error_stats_update";

/* --- replies to values --- */

/* The rest of a reply's first line; *at goes behind it. */
static struct slice take_line(const uint8_t **at)
{
	const uint8_t *begin = *at, *end = begin;

	while (*end != '\r') {
		end++;
	}
	*at = end + 2;
	return slice_of(begin, (size_t)(end - begin));
}

/* The text of a number, with its end for strtoll and strtod. */
struct number_text {
	char text[NUMBER_MAX];
};

static struct number_text number_of(struct slice line)
{
	struct number_text n = {{0}};
	size_t len = line.len < sizeof n.text - 1 ? line.len : sizeof n.text - 1;

	memcpy(n.text, line.data, len);
	return n;
}

static long long take_int(const uint8_t **at)
{
	return strtoll(number_of(take_line(at)).text, NULL, 10);
}

static void push_slice(lua_State *L, struct slice s)
{
	lua_pushlstring(L, (const char *)s.data, s.len);
}

/* Sets the field name of the table below to the value on top, and pops that. */
static void raw_set(lua_State *L, const char *name)
{
	lua_pushstring(L, name);
	lua_insert(L, -2);
	lua_rawset(L, -3);
}

static struct slice trim_end(struct slice text)
{
	while (text.len > 0 &&
	       (text.data[text.len - 1] == '\r' || text.data[text.len - 1] == '\n')) {
		text.len--;
	}
	return text;
}

void lua_push_error(lua_State *L, struct slice text)
{
	struct slice code = slice_str("ERR");
	bool coded = text.len > 0 && text.data[0] == '-';
	const uint8_t *space;

	text = slice_skip(text, coded);
	space = coded && text.len > 0 ? memchr(text.data, ' ', text.len) : NULL;
	if (space != NULL) {
		code = slice_of(text.data, (size_t)(space - text.data));
		text = slice_skip(text, code.len + 1);
	}
	lua_createtable(L, 0, 4);
	push_slice(L, code);
	lua_pushliteral(L, " ");
	push_slice(L, trim_end(text));
	lua_concat(L, 3);
	raw_set(L, "err");
}

static const uint8_t *push_bulk(lua_State *L, const uint8_t *at)
{
	long long len = take_int(&at);

	if (len < 0) {
		lua_pushboolean(L, 0);
		return at;
	}
	lua_pushlstring(L, (const char *)at, (size_t)len);
	return at + len + 2;
}

static const uint8_t *push_array(lua_State *L, const uint8_t *at)
{
	long long count = take_int(&at);

	if (count < 0) {
		lua_pushboolean(L, 0);
		return at;
	}
	lua_createtable(L, count < INT32_MAX ? (int)count : 0, 0);
	for (long long i = 1; i <= count; i++) {
		at = lua_push_reply(L, at);
		lua_rawseti(L, -2, (int)i);
	}
	return at;
}

/* {map={...}} of pairs, {set={...}} of members that are true. */
static const uint8_t *push_named(lua_State *L, const uint8_t *at, bool map)
{
	long long count = take_int(&at);

	lua_createtable(L, 0, 1);
	lua_createtable(L, 0, count < INT32_MAX ? (int)count : 0);
	for (long long i = 0; i < count; i++) {
		at = lua_push_reply(L, at);
		if (map) {
			at = lua_push_reply(L, at);
		} else {
			lua_pushboolean(L, 1);
		}
		lua_rawset(L, -3);
	}
	raw_set(L, map ? "map" : "set");
	return at;
}

static const uint8_t *push_verbatim(lua_State *L, const uint8_t *at)
{
	long long len = take_int(&at);

	lua_createtable(L, 0, 1);
	lua_createtable(L, 0, 2);
	lua_pushlstring(L, (const char *)at + 4, (size_t)len - 4);
	raw_set(L, "string");
	lua_pushlstring(L, (const char *)at, 3);
	raw_set(L, "format");
	raw_set(L, "verbatim_string");
	return at + len + 2;
}

const uint8_t *lua_push_reply(lua_State *L, const uint8_t *at)
{
	char kind = (char)*at++;
	const uint8_t *line = at;

	luaL_checkstack(L, STACK_PER_LEVEL, "a reply is nested too deep");
	switch (kind) {
	case ':':
		lua_pushnumber(L, (lua_Number)take_int(&at));
		return at;
	case '$':
		return push_bulk(L, at);
	case '*':
	case '>':
		return push_array(L, at);
	case '%':
	case '~':
		return push_named(L, at, kind == '%');
	case '=':
		return push_verbatim(L, at);
	case '+':
		lua_createtable(L, 0, 1);
		push_slice(L, take_line(&at));
		raw_set(L, "ok");
		return at;
	case '-':
		(void)take_line(&at);
		lua_push_error(L, slice_of(line - 1, (size_t)(at - line) - 1));
		lua_pushboolean(L, 1);
		raw_set(L, counted_field);
		return at;
	case ',':
		lua_createtable(L, 0, 1);
		lua_pushnumber(L, strtod(number_of(take_line(&at)).text, NULL));
		raw_set(L, "double");
		return at;
	case '(':
		lua_createtable(L, 0, 1);
		push_slice(L, take_line(&at));
		raw_set(L, "big_number");
		return at;
	case '#':
		lua_pushboolean(L, *at == 't');
		return at + 3;
	default: /* '_' */
		lua_pushnil(L);
		return at + 2;
	}
}

/* --- values to replies --- */

/* Numbers lose what is behind the point; those that an integer can't hold all become the least. */
static int64_t to_int64(lua_Number v)
{
	return v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN;
}

void lua_write_line(struct resp_writer *w, char kind, struct slice text)
{
	uint8_t *at;

	if (w->failed || buf_reserve(w->out, text.len + 3) != ST_OK) {
		w->failed = true;
		return;
	}
	at = w->out->data + w->out->len;
	*at++ = (uint8_t)kind;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		*at++ = c == '\r' || c == '\n' ? ' ' : c;
	}
	*at++ = '\r';
	*at = '\n';
	w->out->len += text.len + 3;
}

/* The string on top of the stack, which keeps it alive. */
static struct slice top_slice(lua_State *L)
{
	size_t len;
	const char *text = lua_tolstring(L, -1, &len);

	return slice_of(text, len);
}

/* Pushes the field of the table on top, past metatables; true when it is of the type. */
static bool raw_field(lua_State *L, const char *name, int type)
{
	lua_pushstring(L, name);
	lua_rawget(L, -2);
	if (lua_type(L, -1) == type) {
		return true;
	}
	lua_pop(L, 1);
	return false;
}

bool lua_is_counted_error(lua_State *L)
{
	int top = lua_gettop(L);
	bool counted =
	    lua_istable(L, -1) && raw_field(L, counted_field, LUA_TBOOLEAN) && lua_toboolean(L, -1);

	lua_settop(L, top);
	return counted;
}

/* Its digits are one line, whatever the script put there. */
static void write_big_number(lua_State *L, struct resp_writer *w)
{
	size_t at, len;

	resp_big_number(w, top_slice(L));
	if (w->failed) {
		return;
	}
	(void)lua_tolstring(L, -1, &len);
	at = w->out->len - len - 2;
	for (size_t i = 0; i < len; i++) {
		uint8_t *c = &w->out->data[at + i];

		*c = *c == '\r' || *c == '\n' ? ' ' : *c;
	}
}

static void write_verbatim(lua_State *L, struct resp_writer *w)
{
	char format[3] = {' ', ' ', ' '};
	struct slice text;

	text = top_slice(L); /* format */
	memcpy(format, text.data, text.len < 3 ? text.len : 3);
	lua_pop(L, 1);
	resp_verbatim(w, format, top_slice(L));
}

/* map or set: the table on top is walked. */
static void write_named(lua_State *L, struct resp_writer *w, int resp, bool map)
{
	size_t mark = resp_deferred_begin(w);
	size_t count = 0;

	lua_pushnil(L);
	while (lua_next(L, -2) != 0) {
		if (map) {
			lua_pushvalue(L, -2);
			lua_write_reply(L, w, resp);
			lua_write_reply(L, w, resp);
		} else {
			lua_pop(L, 1);
			lua_pushvalue(L, -1);
			lua_write_reply(L, w, resp);
		}
		count++;
	}
	resp_deferred_end(w, mark, map ? '%' : '~', count);
}

static void write_array(lua_State *L, struct resp_writer *w, int resp)
{
	size_t mark = resp_deferred_begin(w);
	size_t count = 0;

	for (int i = 1;; i++) {
		lua_rawgeti(L, -1, i);
		if (lua_isnil(L, -1)) {
			lua_pop(L, 1);
			break;
		}
		lua_write_reply(L, w, resp);
		count++;
	}
	resp_deferred_end(w, mark, '*', count);
}

/* The table on top of the stack, by its first field that says what it is. */
static void write_table(lua_State *L, struct resp_writer *w, int resp)
{
	int top = lua_gettop(L);

	if (raw_field(L, "err", LUA_TSTRING)) {
		lua_write_line(w, '-', trim_end(slice_str(lua_tostring(L, -1))));
	} else if (raw_field(L, "ok", LUA_TSTRING)) {
		lua_write_line(w, '+', slice_str(lua_tostring(L, -1)));
	} else if (raw_field(L, "double", LUA_TNUMBER)) {
		resp_double(w, lua_tonumber(L, -1));
	} else if (raw_field(L, "map", LUA_TTABLE)) {
		write_named(L, w, resp, true);
	} else if (raw_field(L, "set", LUA_TTABLE)) {
		write_named(L, w, resp, false);
	} else if (raw_field(L, "big_number", LUA_TSTRING)) {
		write_big_number(L, w);
	} else if (raw_field(L, "verbatim_string", LUA_TTABLE)) {
		if (raw_field(L, "string", LUA_TSTRING) &&
		    (lua_insert(L, -2), raw_field(L, "format", LUA_TSTRING))) {
			lua_remove(L, -2);
			write_verbatim(L, w);
		} else {
			lua_settop(L, top);
			write_array(L, w, resp);
		}
	} else {
		write_array(L, w, resp);
	}
	lua_settop(L, top - 1);
}

void lua_write_reply(lua_State *L, struct resp_writer *w, int resp)
{
	if (!lua_checkstack(L, STACK_PER_LEVEL)) {
		resp_error(w, "ERR reached lua stack limit");
		lua_pop(L, 1);
		return;
	}
	switch (lua_type(L, -1)) {
	case LUA_TSTRING:
		resp_bulk(w, top_slice(L));
		break;
	case LUA_TBOOLEAN:
		if (resp > 2) {
			resp_bool(w, lua_toboolean(L, -1));
		} else if (lua_toboolean(L, -1)) {
			resp_int(w, 1);
		} else {
			resp_null(w);
		}
		break;
	case LUA_TNUMBER:
		resp_int(w, to_int64(lua_tonumber(L, -1)));
		break;
	case LUA_TTABLE:
		write_table(L, w, resp);
		return;
	default:
		resp_null(w);
		break;
	}
	lua_pop(L, 1);
}
