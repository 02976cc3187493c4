/* Bytes under construction in a userdata on Lua's stack, so that an error frees them. */
#ifndef CAIRN_NET_SCRIPT_LUA_OUT_H
#define CAIRN_NET_SCRIPT_LUA_OUT_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

struct lua_out {
	lua_State *L;
	int index; /* of the userdata */
	uint8_t *data;
	size_t len, cap;
};

/* Begins with nothing; pushes the userdata. Raises out of memory. */
void lua_out_init(struct lua_out *o, lua_State *L);
/* Room for len more bytes, which count as written. Raises out of memory. */
uint8_t *lua_out_room(struct lua_out *o, size_t len);
void lua_out_bytes(struct lua_out *o, const void *bytes, size_t len);
/* Pushes what was written as a string. Raises out of memory. */
void lua_out_push(struct lua_out *o);

#endif
