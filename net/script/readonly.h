/* Tables that scripts can read but not change. Debian's Lua knows no such thing, so a script sees
 * an empty stand-in whose metatable leads to the real table and refuses assignments; the functions
 * of the base library that go past metatables are replaced by ones that know stand-ins. */
#ifndef CAIRN_NET_SCRIPT_READONLY_H
#define CAIRN_NET_SCRIPT_READONLY_H

#include <lua.h>

#define READONLY_TEXT "Attempt to modify a readonly table"

/* Replaces the table on top of the stack by its stand-in. Raises Lua's out of memory. */
void readonly_wrap(lua_State *L);

/* Pushes the table behind a stand-in and returns 1; returns 0 and pushes nothing for anything
 * else. */
int readonly_push_real(lua_State *L, int index);

/* Replaces, in the table on top of the stack (the globals), the base functions named in
 * readonly.c: those that would write to a stand-in refuse it, those that read see the real table.
 * The libraries "table" and "string" must be in it, not wrapped yet. Raises out of memory. */
void readonly_guard_base(lua_State *L);

#endif
