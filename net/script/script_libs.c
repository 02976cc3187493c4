/* Opens the libraries of scripts: bit and cjson are Debian's. */
#include "net/script/script_libs.h"

#include <lauxlib.h>

/* Of lua-bitop, which has no header. */
int luaopen_bit(lua_State *L);

void script_open_libs(lua_State *L)
{
	lua_pushcfunction(L, luaopen_bit);
	lua_pushliteral(L, "bit");
	lua_call(L, 1, 0);
	script_open_json(L);
	script_open_msgpack(L);
	script_open_struct(L);
}
