/* A Lua state for scripts of clients: what they can reach is the language and pure libraries, and
 * they can change nothing that another script sees but the state of math.random, which begins the
 * same in every node. No files, no processes, no clock, no bytecode.
 *
 * Everything that touches the state must run under lua_pcall or lua_cpcall, as running out of
 * memory is a Lua error. Executor thread. */
#ifndef CAIRN_NET_SCRIPT_SANDBOX_H
#define CAIRN_NET_SCRIPT_SANDBOX_H

#include "engine/base/status.h"

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

struct sandbox {
	lua_State *L;
	void *user;	 /* of who made it: what its functions find by sandbox_of */
	size_t used;	 /* bytes that the state holds */
	uint64_t random; /* state of math.random */
	int globals_ref; /* registry: the real table of globals */
	int shown_ref;	 /* registry: what scripts see of it */
};

/* Makes a state. fill is called under protection with the table of globals on top of the stack, to
 * add what scripts get besides the language (the library "redis"); tables that it puts there become
 * read-only, one level deep. ST_NO_MEMORY. Closed by sandbox_close. */
MUST_CHECK enum status sandbox_open(struct sandbox *box, void *user, void (*fill)(lua_State *L));
void sandbox_close(struct sandbox *box); /* fine when it was never opened (zeroed) */

/* The sandbox that a state belongs to. */
struct sandbox *sandbox_of(lua_State *L);

/* Before each script: an empty stack, and nothing left of what the one before did to the state's
 * settings. Raises nothing. */
void sandbox_begin(struct sandbox *box);

/* Sets a global that scripts see to the value on top of the stack, and pops it. */
void sandbox_set_global(lua_State *L, const char *name);

/* Has reading a name that the table on top of the stack does not have raise an error, as it does
 * for globals. Raises out of memory. */
void sandbox_make_strict(lua_State *L);

/* What functions of this state, made already or later, find under the names of globals: the table
 * on top of the stack, which is popped; nil: the globals again. Raises nothing. */
void sandbox_show(lua_State *L);

/* Compiles source text; as luaL_loadbuffer, but never takes bytecode. */
MUST_CHECK int sandbox_compile(lua_State *L, const char *text, size_t len, const char *name);

/* A handler for lua_pcall: makes of any error value a table {err=, source=, line=}. */
int sandbox_error_handler(lua_State *L);

#endif
