/* Bytes that grow by moving to a larger userdata; the collector takes the old one. */
#include "net/script/lua_out.h"

#include <string.h>

enum { CAP_MIN = 256 };

void lua_out_init(struct lua_out *o, lua_State *L)
{
	*o = (struct lua_out){.L = L, .data = lua_newuserdata(L, CAP_MIN), .cap = CAP_MIN};
	o->index = lua_gettop(L);
}

uint8_t *lua_out_room(struct lua_out *o, size_t len)
{
	uint8_t *at;

	if (o->cap - o->len < len) {
		size_t cap = o->len + len > o->cap * 2 ? o->len + len : o->cap * 2;
		uint8_t *grown = lua_newuserdata(o->L, cap);

		memcpy(grown, o->data, o->len);
		lua_replace(o->L, o->index);
		o->data = grown;
		o->cap = cap;
	}
	at = o->data + o->len;
	o->len += len;
	return at;
}

void lua_out_bytes(struct lua_out *o, const void *bytes, size_t len)
{
	uint8_t *at = lua_out_room(o, len);

	if (len > 0) {
		memcpy(at, bytes, len);
	}
}

void lua_out_push(struct lua_out *o)
{
	lua_pushlstring(o->L, (const char *)o->data, o->len);
}
