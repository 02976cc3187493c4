/* The library "struct" of scripts: numbers and strings to and from bytes by a format.
 *
 * Format: > < byte order, !N alignment, x a padding byte, b h l T iN integers (upper case: without
 * sign), f d floating point, s a string that ends at a zero, cN one of fixed length, c0 one whose
 * length is the number before it. */
#include "net/script/lua_out.h"
#include "net/script/script_libs.h"

#include <ctype.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

enum { INT_BYTES_MAX = 32, ALIGN_DEFAULT = 8 };

struct format {
	lua_State *L;
	const char *at; /* ends at a NUL */
	bool big;
	size_t align;
};

/* A number in the format, or otherwise. */
static size_t take_number(struct format *f, size_t otherwise)
{
	int n = 0;

	if (!isdigit((unsigned char)*f->at)) {
		return otherwise;
	}
	for (; isdigit((unsigned char)*f->at); f->at++) {
		if (n > INT_MAX / 10 || n * 10 > INT_MAX - (*f->at - '0')) {
			(void)luaL_error(f->L, "integral size overflow");
		}
		n = n * 10 + (*f->at - '0');
	}
	return (size_t)n;
}

/* Bytes that an option takes, its number in the format being taken; 0: none, or not known yet. */
static size_t option_size(struct format *f, char option)
{
	size_t size;

	switch (option) {
	case 'b':
	case 'B':
	case 'x':
		return 1;
	case 'h':
	case 'H':
		return sizeof(short);
	case 'l':
	case 'L':
		return sizeof(long);
	case 'T':
		return sizeof(size_t);
	case 'f':
		return sizeof(float);
	case 'd':
		return sizeof(double);
	case 'c':
		return take_number(f, 1);
	case 'i':
	case 'I':
		size = take_number(f, sizeof(int));
		if (size > INT_BYTES_MAX) {
			(void)luaL_error(f->L, "integral size %d is larger than limit of %d",
					 (int)size, INT_BYTES_MAX);
		}
		return size;
	default:
		return 0;
	}
}

/* Padding in front of an option at position at. */
static size_t padding(const struct format *f, size_t at, char option, size_t size)
{
	if (size == 0 || option == 'c') {
		return 0;
	}
	size = size > f->align ? f->align : size;
	return (size - (at & (size - 1))) & (size - 1);
}

/* Options that stand for no data. */
static void control(struct format *f, char option)
{
	size_t align;

	switch (option) {
	case ' ':
		return;
	case '>':
	case '<':
		f->big = option == '>';
		return;
	case '!':
		align = take_number(f, ALIGN_DEFAULT);
		if (align == 0 || (align & (align - 1)) != 0) {
			(void)luaL_error(f->L, "alignment %d is not a power of 2", (int)align);
		}
		f->align = align;
		return;
	default:
		(void)luaL_argerror(f->L, 1,
				    lua_pushfstring(f->L, "invalid format option '%c'", option));
	}
}

static bool is_integer(char option)
{
	return option != 0 && strchr("bBhHlLTiI", option) != NULL;
}

/* --- packing --- */

static void reverse(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len / 2; i++) {
		uint8_t b = bytes[i];

		bytes[i] = bytes[len - 1 - i];
		bytes[len - 1 - i] = b;
	}
}

/* A number's bits as C converts it; what no 64 bits can hold has the highest alone. */
static uint64_t integer_bits(lua_Number n)
{
	if (n < 0) {
		return n >= -0x1p63 ? (uint64_t)(int64_t)n : (uint64_t)1 << 63;
	}
	return n < 0x1p64 ? (uint64_t)n : n != n ? (uint64_t)1 << 63 : 0;
}

static void put_integer(struct lua_out *o, const struct format *f, int arg, size_t size)
{
	uint64_t bits = integer_bits(luaL_checknumber(f->L, arg));
	uint8_t *at = lua_out_room(o, size);

	for (size_t i = 0; i < size; i++) {
		at[i] = (uint8_t)bits;
		bits >>= 8;
	}
	if (f->big) {
		reverse(at, size);
	}
}

static void put_float(struct lua_out *o, const struct format *f, int arg, size_t size)
{
	double d = luaL_checknumber(f->L, arg);
	float narrow = (float)d;
	uint8_t *at = lua_out_room(o, size);

	memcpy(at, size == sizeof d ? (const void *)&d : (const void *)&narrow, size);
	if (f->big) {
		reverse(at, size);
	}
}

static void put_string(struct lua_out *o, const struct format *f, int arg, char option, size_t size)
{
	size_t len;
	const char *text = luaL_checklstring(f->L, arg, &len);

	size = size == 0 ? len : size;
	luaL_argcheck(f->L, len >= size, arg + 1, "string too short");
	lua_out_bytes(o, text, size);
	if (option == 's') {
		*lua_out_room(o, 1) = 0;
	}
}

static int pack(lua_State *L)
{
	struct format f = {.L = L, .at = luaL_checkstring(L, 1), .align = 1};
	struct lua_out o;
	int arg = 2;

	lua_pushnil(L); /* what is behind the last argument */
	lua_out_init(&o, L);
	while (*f.at != 0) {
		char option = *f.at++;
		size_t size = option_size(&f, option), pad = padding(&f, o.len, option, size);

		memset(lua_out_room(&o, pad), 0, pad);
		if (is_integer(option)) {
			put_integer(&o, &f, arg++, size);
		} else if (option == 'f' || option == 'd') {
			put_float(&o, &f, arg++, size);
		} else if (option == 'c' || option == 's') {
			put_string(&o, &f, arg++, option, size);
		} else if (option == 'x') {
			*lua_out_room(&o, 1) = 0;
		} else {
			control(&f, option);
		}
	}
	lua_out_push(&o);
	return 1;
}

/* --- unpacking --- */

static lua_Number get_integer(const struct format *f, const uint8_t *at, char option, size_t size)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < size; i++) {
		bits = bits << 8 | at[f->big ? i : size - 1 - i];
	}
	if (!islower((unsigned char)option)) {
		return (lua_Number)bits;
	}
	if (size > 0 && size < sizeof bits) {
		unsigned unused = (unsigned)(64 - 8 * size);

		return (lua_Number)((int64_t)(bits << unused) >> unused);
	}
	return (lua_Number)(int64_t)bits;
}

static lua_Number get_float(const struct format *f, const uint8_t *at, size_t size)
{
	uint8_t bytes[sizeof(double)];
	double d;
	float narrow;

	memcpy(bytes, at, size);
	if (f->big) {
		reverse(bytes, size);
	}
	memcpy(&d, bytes, sizeof d);
	memcpy(&narrow, bytes, sizeof narrow);
	return size == sizeof d ? d : (lua_Number)narrow;
}

struct data {
	const uint8_t *bytes;
	size_t len, at;
	int results;
};

static void check_room(lua_State *L, const struct data *d, size_t size)
{
	luaL_argcheck(L, size <= d->len && d->at <= d->len - size, 2, "data string too short");
}

/* c0: the number before it is a length, and no result. */
static size_t take_length(lua_State *L, struct data *d)
{
	lua_Number n;

	if (d->results == 0 || !lua_isnumber(L, -1)) {
		(void)luaL_error(L, "format 'c0' needs a previous size");
	}
	n = lua_tonumber(L, -1);
	lua_pop(L, 1);
	d->results--;
	luaL_argcheck(L, n >= 0 && n <= (lua_Number)d->len, 2, "data string too short");
	return (size_t)n;
}

/* Pushes the value of one option at its place; returns the bytes that it took. */
static size_t get_option(struct format *f, struct data *d, char option, size_t size)
{
	lua_State *L = f->L;
	const uint8_t *at, *end;

	if (option == 'c' && size == 0) {
		size = take_length(L, d);
		check_room(L, d, size);
	}
	at = d->bytes + d->at;
	if (is_integer(option)) {
		lua_pushnumber(L, get_integer(f, at, option, size));
	} else if (option == 'f' || option == 'd') {
		lua_pushnumber(L, get_float(f, at, size));
	} else if (option == 'c') {
		lua_pushlstring(L, (const char *)at, size);
	} else if (option == 's') {
		end = d->at < d->len ? memchr(at, 0, d->len - d->at) : NULL;
		if (end == NULL) {
			(void)luaL_error(L, "unfinished string in data");
		}
		size = (size_t)(end - at) + 1;
		lua_pushlstring(L, (const char *)at, size - 1);
	} else {
		if (option != 'x') {
			control(f, option);
		}
		return size;
	}
	d->results++;
	return size;
}

static int unpack(lua_State *L)
{
	struct format f = {.L = L, .at = luaL_checkstring(L, 1), .align = 1};
	struct data d = {0};

	d.bytes = (const uint8_t *)luaL_checklstring(L, 2, &d.len);
	d.at = (size_t)luaL_optinteger(L, 3, 1);
	luaL_argcheck(L, d.at > 0, 3, "offset must be 1 or greater");
	d.at--;
	while (*f.at != 0) {
		char option = *f.at++;
		size_t size = option_size(&f, option);

		d.at += padding(&f, d.at, option, size);
		check_room(L, &d, size);
		luaL_checkstack(L, 2, "too many results");
		d.at += get_option(&f, &d, option, size);
	}
	lua_pushnumber(L, (lua_Number)(d.at + 1));
	return d.results + 1;
}

static int size_of(lua_State *L)
{
	struct format f = {.L = L, .at = luaL_checkstring(L, 1), .align = 1};
	size_t at = 0;

	while (*f.at != 0) {
		char option = *f.at++;
		size_t size = option_size(&f, option);

		at += padding(&f, at, option, size);
		luaL_argcheck(L, option != 's', 1, "option 's' has no fixed size");
		luaL_argcheck(L, option != 'c' || size != 0, 1, "option 'c0' has no fixed size");
		if (!isalnum((unsigned char)option)) {
			control(&f, option);
		}
		at += size;
	}
	lua_pushnumber(L, (lua_Number)at);
	return 1;
}

static const luaL_Reg functions[] = {
    {"pack", pack},
    {"unpack", unpack},
    {"size", size_of},
    {NULL, NULL},
};

void script_open_struct(lua_State *L)
{
	lua_newtable(L);
	luaL_register(L, NULL, functions);
	lua_setglobal(L, "struct");
}
