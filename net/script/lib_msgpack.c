/* The library "cmsgpack" of scripts: MessagePack, as far as Redis's scripts have it (no binary and
 * no extension types), nested at most 16 deep when packed. */
#include "net/script/lua_out.h"
#include "net/script/readonly.h"
#include "net/script/script_libs.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

enum { NESTING_MAX = 16 };

/* --- packing --- */

static void put_be(struct lua_out *o, uint8_t tag, uint64_t v, size_t len)
{
	uint8_t *at = lua_out_room(o, len + 1);

	*at++ = tag;
	for (size_t i = 0; i < len; i++) {
		at[i] = (uint8_t)(v >> 8 * (len - 1 - i));
	}
}

static void put_int(struct lua_out *o, int64_t v)
{
	uint64_t bits = (uint64_t)v;

	if (v >= -32 && v <= 127) {
		put_be(o, (uint8_t)v, 0, 0);
	} else if (v >= 0) {
		if (v <= UINT8_MAX) {
			put_be(o, 0xcc, bits, 1);
		} else if (v <= UINT16_MAX) {
			put_be(o, 0xcd, bits, 2);
		} else if (v <= UINT32_MAX) {
			put_be(o, 0xce, bits, 4);
		} else {
			put_be(o, 0xcf, bits, 8);
		}
	} else if (v >= INT8_MIN) {
		put_be(o, 0xd0, bits, 1);
	} else if (v >= INT16_MIN) {
		put_be(o, 0xd1, bits, 2);
	} else if (v >= INT32_MIN) {
		put_be(o, 0xd2, bits, 4);
	} else {
		put_be(o, 0xd3, bits, 8);
	}
}

static bool is_int64(lua_Number n)
{
	return n >= -0x1p63 && n < 0x1p63 && (lua_Number)(int64_t)n == n;
}

static void put_number(struct lua_out *o, lua_Number n)
{
	float f = (float)n;
	uint32_t bits32;
	uint64_t bits64;

	if (is_int64(n)) {
		put_int(o, (int64_t)n);
	} else if ((lua_Number)f == n) {
		memcpy(&bits32, &f, sizeof bits32);
		put_be(o, 0xca, bits32, 4);
	} else {
		memcpy(&bits64, &n, sizeof bits64);
		put_be(o, 0xcb, bits64, 8);
	}
}

static void put_string(struct lua_out *o)
{
	size_t len;
	const char *text = lua_tolstring(o->L, -1, &len);

	if (len < 32) {
		put_be(o, (uint8_t)(0xa0 | len), 0, 0);
	} else if (len <= UINT8_MAX) {
		put_be(o, 0xd9, len, 1);
	} else if (len <= UINT16_MAX) {
		put_be(o, 0xda, len, 2);
	} else {
		put_be(o, 0xdb, len, 4);
	}
	lua_out_bytes(o, text, len);
}

/* The header of a table: small is the tag of the short form. */
static void put_count(struct lua_out *o, uint8_t small, uint8_t large, size_t count)
{
	if (count <= 15) {
		put_be(o, (uint8_t)(small | count), 0, 0);
	} else if (count <= UINT16_MAX) {
		put_be(o, large, count, 2);
	} else {
		put_be(o, (uint8_t)(large + 1), count, 4);
	}
}

/* Whether the keys of the table on top are 1 to n; counts them. */
static bool is_array(lua_State *L, size_t *count)
{
	lua_Number max = 0;
	bool array = true;

	*count = 0;
	lua_pushnil(L);
	while (lua_next(L, -2) != 0) {
		lua_Number n = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;

		array = array && n > 0 && is_int64(n);
		max = n > max ? n : max;
		lua_pop(L, 1);
		++*count;
	}
	return array && max == (lua_Number)*count;
}

static void put_value(struct lua_out *o, int level);

/* The table on top of the stack, which stays there. */
static void put_table(struct lua_out *o, int level)
{
	lua_State *L = o->L;
	size_t count;

	if (is_array(L, &count)) {
		put_count(o, 0x90, 0xdc, count);
		for (size_t i = 1; i <= count; i++) {
			lua_pushnumber(L, (lua_Number)i);
			lua_rawget(L, -2);
			put_value(o, level + 1);
		}
		return;
	}
	put_count(o, 0x80, 0xde, count);
	lua_pushnil(L);
	while (lua_next(L, -2) != 0) {
		lua_pushvalue(L, -2);
		put_value(o, level + 1);
		put_value(o, level + 1);
	}
}

/* The value on top of the stack, which is popped. */
static void put_value(struct lua_out *o, int level)
{
	lua_State *L = o->L;
	int type = lua_type(L, -1);

	luaL_checkstack(L, 6, "in function mp_encode_lua_type");
	if (type == LUA_TTABLE && level < NESTING_MAX) {
		if (readonly_push_real(L, -1)) {
			lua_replace(L, -2);
		}
		put_table(o, level);
	} else if (type == LUA_TSTRING) {
		put_string(o);
	} else if (type == LUA_TNUMBER) {
		put_number(o, lua_tonumber(L, -1));
	} else if (type == LUA_TBOOLEAN) {
		put_be(o, lua_toboolean(L, -1) ? 0xc3 : 0xc2, 0, 0);
	} else {
		put_be(o, 0xc0, 0, 0);
	}
	lua_pop(L, 1);
}

static int pack(lua_State *L)
{
	int count = lua_gettop(L);
	struct lua_out o;

	if (count == 0) {
		return luaL_argerror(L, 0, "MessagePack pack needs input.");
	}
	lua_out_init(&o, L);
	for (int i = 1; i <= count; i++) {
		lua_pushvalue(L, i);
		put_value(&o, 0);
	}
	lua_out_push(&o);
	return 1;
}

/* --- unpacking --- */

enum unpack_error { UNPACK_OK, UNPACK_CUT, UNPACK_BAD };

struct input {
	const uint8_t *at;
	size_t left;
	enum unpack_error error;
};

static bool take(struct input *in, size_t len, const uint8_t **out)
{
	if (in->left < len) {
		in->error = UNPACK_CUT;
		return false;
	}
	*out = in->at;
	in->at += len;
	in->left -= len;
	return true;
}

static uint64_t take_be(struct input *in, size_t len)
{
	const uint8_t *bytes;
	uint64_t v = 0;

	if (take(in, len, &bytes)) {
		for (size_t i = 0; i < len; i++) {
			v = v << 8 | bytes[i];
		}
	}
	return v;
}

static void push_value(lua_State *L, struct input *in);

static void push_string(lua_State *L, struct input *in, uint64_t len)
{
	const uint8_t *bytes;

	if (in->error == UNPACK_OK && take(in, (size_t)len, &bytes)) {
		lua_pushlstring(L, (const char *)bytes, (size_t)len);
	} else {
		lua_pushnil(L);
	}
}

static void push_array(lua_State *L, struct input *in, uint64_t count)
{
	luaL_checkstack(L, 4, "in function mp_decode_to_lua_array");
	lua_newtable(L);
	for (uint64_t i = 1; i <= count && in->error == UNPACK_OK; i++) {
		lua_pushnumber(L, (lua_Number)i);
		push_value(L, in);
		lua_rawset(L, -3);
	}
}

static void push_map(lua_State *L, struct input *in, uint64_t count)
{
	luaL_checkstack(L, 4, "in function mp_decode_to_lua_hash");
	lua_newtable(L);
	for (uint64_t i = 0; i < count && in->error == UNPACK_OK; i++) {
		push_value(L, in);
		push_value(L, in);
		if (in->error != UNPACK_OK) {
			lua_pop(L, 2);
			return;
		}
		lua_settable(L, -3); /* raises for a key that can't be one */
	}
}

static void push_float(lua_State *L, struct input *in, bool wide)
{
	uint64_t bits = take_be(in, wide ? 8 : 4);
	uint32_t bits32 = (uint32_t)bits;
	double d;
	float f;

	memcpy(&d, &bits, sizeof d);
	memcpy(&f, &bits32, sizeof f);
	lua_pushnumber(L, wide ? d : (lua_Number)f);
}

/* Values whose first byte has no part of them in it. */
static void push_tagged(lua_State *L, struct input *in, uint8_t tag)
{
	if (tag == 0xc0) {
		lua_pushnil(L);
	} else if (tag == 0xc2 || tag == 0xc3) {
		lua_pushboolean(L, tag == 0xc3);
	} else if (tag == 0xca || tag == 0xcb) {
		push_float(L, in, tag == 0xcb);
	} else if (tag >= 0xcc && tag <= 0xcf) {
		/* Of 64 bits, as everywhere in Lua: what does not fit is negative. */
		lua_pushnumber(L, (lua_Number)(int64_t)take_be(in, (size_t)1 << (tag - 0xcc)));
	} else if (tag >= 0xd0 && tag <= 0xd3) {
		size_t len = (size_t)1 << (tag - 0xd0);
		unsigned unused = (unsigned)(64 - 8 * len);
		uint64_t bits = take_be(in, len);

		lua_pushnumber(L, (lua_Number)((int64_t)(bits << unused) >> unused));
	} else if (tag >= 0xd9 && tag <= 0xdb) {
		push_string(L, in, take_be(in, (size_t)1 << (tag - 0xd9)));
	} else if (tag == 0xdc || tag == 0xdd) {
		push_array(L, in, take_be(in, tag == 0xdc ? 2 : 4));
	} else if (tag == 0xde || tag == 0xdf) {
		push_map(L, in, take_be(in, tag == 0xde ? 2 : 4));
	} else {
		in->error = UNPACK_BAD;
		lua_pushnil(L);
	}
}

/* Pushes one value; nil, or a part of it, when in->error is set. */
static void push_value(lua_State *L, struct input *in)
{
	const uint8_t *first;

	luaL_checkstack(L, 1,
			"too many return values at once; use unpack_one or unpack_limit instead.");
	if (in->error != UNPACK_OK || !take(in, 1, &first)) {
		lua_pushnil(L);
	} else if (*first <= 0x7f || *first >= 0xe0) {
		lua_pushnumber(L, (lua_Number)(int8_t)*first);
	} else if (*first <= 0x8f) {
		push_map(L, in, *first & 15);
	} else if (*first <= 0x9f) {
		push_array(L, in, *first & 15);
	} else if (*first <= 0xbf) {
		push_string(L, in, *first & 31);
	} else {
		push_tagged(L, in, *first);
	}
}

/* At most limit values from offset on, and in front of them the offset behind them, -1 at the end.
 * Neither limit nor offset: all values, and nothing else. */
static int unpack_from(lua_State *L, int limit, int offset)
{
	bool all = limit == 0 && offset == 0;
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len);
	struct input in;
	int count = 0;

	if (offset < 0 || limit < 0) {
		return luaL_error(L, "Invalid request to unpack with offset of %d and limit of %d.",
				  offset, (int)len);
	}
	if ((size_t)offset > len) {
		return luaL_error(L, "Start offset %d greater than input length %d.", offset,
				  (int)len);
	}
	in = (struct input){(const uint8_t *)text + offset, len - (size_t)offset, UNPACK_OK};
	for (; in.left > 0 && (all || count < limit); count++) {
		push_value(L, &in);
		if (in.error == UNPACK_CUT) {
			return luaL_error(L, "Missing bytes in input.");
		}
		if (in.error == UNPACK_BAD) {
			return luaL_error(L, "Bad data format in input.");
		}
	}
	if (!all) {
		luaL_checkstack(L, 1,
				"too many return values at once; use unpack_one or "
				"unpack_limit instead.");
		lua_pushnumber(L, in.left == 0 ? -1 : (lua_Number)(len - in.left));
		lua_insert(L, 2);
		count++;
	}
	return count;
}

static int unpack(lua_State *L)
{
	return unpack_from(L, 0, 0);
}

static int unpack_one(lua_State *L)
{
	int offset = (int)luaL_optinteger(L, 2, 0);

	lua_settop(L, lua_gettop(L) < 1 ? 0 : 1);
	return unpack_from(L, 1, offset);
}

static int unpack_limit(lua_State *L)
{
	int limit = (int)luaL_checkinteger(L, 2), offset = (int)luaL_optinteger(L, 3, 0);

	lua_settop(L, 1);
	return unpack_from(L, limit, offset);
}

static const luaL_Reg functions[] = {
    {"pack", pack}, {"unpack", unpack}, {"unpack_one", unpack_one}, {"unpack_limit", unpack_limit},
    {NULL, NULL},
};

void script_open_msgpack(lua_State *L)
{
	lua_newtable(L);
	luaL_register(L, NULL, functions);
	lua_pushliteral(L, "cmsgpack");
	lua_setfield(L, -2, "_NAME");
	lua_pushliteral(L, "lua-cmsgpack 0.4.0");
	lua_setfield(L, -2, "_VERSION");
	lua_setglobal(L, "cmsgpack");
}
