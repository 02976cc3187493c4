/* Between replies and Lua values, as Redis converts them. */
#ifndef CAIRN_NET_SCRIPT_LUA_VALUES_H
#define CAIRN_NET_SCRIPT_LUA_VALUES_H

#include "net/proto/resp_writer.h"

#include <lua.h>

/* Pushes the value that a reply, one that struct resp_writer wrote, is for a script: numbers,
 * strings, false for RESP2's nulls and nil for RESP3's, tables {ok=}, {err=}, {map=}, {set=},
 * {double=}, {big_number=}, {verbatim_string=}. Returns where the reply ends. Raises Lua's out of
 * memory, and an error when replies are nested too deep. */
const uint8_t *lua_push_reply(lua_State *L, const uint8_t *at);

/* Pushes the error table of a text: "-CODE message", or a message alone, whose code is ERR. Ends of
 * lines at its end are dropped. Raises out of memory. */
void lua_push_error(lua_State *L, struct slice text);

/* Whether the value on top of the stack is the error of a command, as lua_push_reply makes it: the
 * statistics have it already. */
bool lua_is_counted_error(lua_State *L);

/* Writes the value on top of the stack as a reply, and pops it. resp: what the script chose by
 * setresp, which decides about booleans. Raises out of memory. */
void lua_write_reply(lua_State *L, struct resp_writer *w, int resp);

/* Writes "-text" or "+text", of any length; ends of lines within become spaces. */
void lua_write_line(struct resp_writer *w, char kind, struct slice text);

#endif
