/* Opens the libraries of scripts: bit is Debian's. */
#include "net/script/script_libs.h"

#include <lauxlib.h>

/* Of lua-bitop, which has no header. */
int luaopen_bit(lua_State *L);

void script_open_libs(lua_State *L)
{
	lua_pushcfunction(L, luaopen_bit);
	lua_pushliteral(L, "bit");
	lua_call(L, 1, 0);
}
