/* A script at work: the run that is under way, and what runs share. Private to net/command. */
#ifndef CAIRN_NET_COMMAND_SCRIPT_RUN_H
#define CAIRN_NET_COMMAND_SCRIPT_RUN_H

#include "net/command/command.h"
#include "net/command/script_cache.h"
#include "net/command/script_shebang.h"
#include "net/script/sandbox.h"

enum { SCRIPT_DOOM_MAX = 512 };

struct scripts {
	struct sandbox box; /* of EVAL; made when it is first needed */
	struct script_cache cache;
	struct script_run *run; /* NULL: none */
	struct buf reply;	/* of the command that the script runs */
	struct slice *argv;	/* its arguments */
	size_t argv_cap;
};

struct script_run {
	struct scripts *scripts;
	struct command_ctx *ctx; /* of EVAL or its kin */
	const char *name;	 /* the script's SHA-1 */
	unsigned flags;		 /* of enum script_flags */
	bool read_only;		 /* its writes are refused */
	int resp;		 /* protocol of the replies that it gets */
	uint16_t slot;		 /* of the keys seen so far; SLOTS: none yet */
	uint64_t began_us;	 /* monotonic */
	uint64_t served_us;	 /* when other clients were looked after last; 0: not yet */
	bool wrote;		 /* it has run a command that writes */
	bool killed;		 /* by SCRIPT KILL */
	/* All that it wrote must be undone, since a command failed half-way; this becomes the
	 * reply.
	 * "": not so. */
	char doom[SCRIPT_DOOM_MAX];
};

/* Runs the function with that reference in box's registry: keys and arguments from argv, the reply
 * into run->ctx->reply. */
void script_run(struct script_run *run, struct sandbox *box, int ref, size_t keys_count);

/* Runs a command for the script, argv as in scripts->argv; leaves its reply, or the error that
 * refuses it, in scripts->reply, but for a run that is doomed. */
void script_call(struct script_run *run, size_t argc);

/* While the script runs for longer than busy-reply-threshold: has other clients answered, most of
 * them with BUSY. Called now and then from within Lua. */
void script_look_around(struct script_run *run);

/* Fills the table on top of the stack with what scripts of EVAL get: redis. */
void script_api_fill(lua_State *L);

/* The run that a state belongs to; never NULL while a script runs. */
struct script_run *script_run_of(lua_State *L);

/* What dispatch keeps for scripts. NULL: out of memory. */
struct scripts *scripts_create(void);
void scripts_destroy(struct scripts *s); /* NULL is fine */

/* Opens the sandbox of EVAL when it is not yet. ST_NO_MEMORY. */
MUST_CHECK enum status scripts_open(struct scripts *s);
/* Forgets all scripts and closes the sandbox. */
void scripts_flush(struct scripts *s);

#endif
