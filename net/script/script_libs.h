/* The libraries that scripts get besides Lua's own. */
#ifndef CAIRN_NET_SCRIPT_SCRIPT_LIBS_H
#define CAIRN_NET_SCRIPT_SCRIPT_LIBS_H

#include <lua.h>

/* Puts the libraries into the state's globals under the names that Redis gives them. */
void script_open_libs(lua_State *L);

#endif
