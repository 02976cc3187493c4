/* The libraries that scripts get besides Lua's own. */
#ifndef CAIRN_NET_SCRIPT_SCRIPT_LIBS_H
#define CAIRN_NET_SCRIPT_SCRIPT_LIBS_H

#include <lua.h>

/* Puts the libraries into the state's globals under the names that Redis gives them. */
void script_open_libs(lua_State *L);

/* Each puts one of them there. Raise out of memory. */
void script_open_json(lua_State *L);
void script_open_msgpack(lua_State *L);
void script_open_struct(lua_State *L);

#endif
