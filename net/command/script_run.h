/* A script at work: the run that is under way, and what runs share. Private to net/command. */
#ifndef CAIRN_NET_COMMAND_SCRIPT_RUN_H
#define CAIRN_NET_COMMAND_SCRIPT_RUN_H

#include "net/command/command.h"
#include "net/command/script_cache.h"
#include "net/command/script_functions.h"
#include "net/command/script_shebang.h"
#include "net/script/sandbox.h"

enum { SCRIPT_DOOM_MAX = 512 };

struct scripts {
	struct sandbox box; /* of EVAL; made when it is first needed */
	struct script_cache cache;
	struct functions functions;
	struct script_run *run; /* NULL: none */
	struct buf reply;	/* of the command that the script runs */
	struct slice *argv;	/* its arguments */
	size_t argv_cap;
};

struct script_run {
	struct scripts *scripts;
	struct command_ctx *ctx; /* of EVAL or its kin */
	const char *name;	 /* the script's SHA-1, or the function's */
	bool function;		 /* it is one, and gets keys and arguments as its own */
	unsigned flags;		 /* of enum script_flags */
	bool read_only;		 /* its writes are refused */
	int resp;		 /* protocol of the replies that it gets */
	uint16_t slot;		 /* of the keys seen so far; SLOTS: none yet */
	uint64_t began_us;	 /* monotonic */
	uint64_t served_us;	 /* when other clients were looked after last; 0: not yet */
	uint64_t bus_us;	 /* when the bus was; from the start on */
	bool wrote;		 /* it has run a command that writes */
	bool killed;		 /* by SCRIPT KILL */
	/* All that it wrote must be undone, since a command failed half-way; this becomes the
	 * reply.
	 * "": not so. */
	char doom[SCRIPT_DOOM_MAX];
};

/* The number of keys in argv[2]. error: of what is no number; NULL: the usual one. False: the error
 * reply was sent. */
MUST_CHECK bool script_keys_count(struct command_ctx *ctx, const char *error, size_t *out);

/* Runs the script or function, which has that reference in the registry of its sandbox, unless its
 * flags (enum script_flags) forbid it here: keys and arguments from argv, the reply into
 * ctx->reply. */
void script_start(struct command_ctx *ctx, bool function, const char *name, unsigned flags, int ref,
		  size_t keys_count);

/* The error that others' requests get while a script runs, and that KILL of the wrong kind gets. */
const char *script_busy_text(const struct script_run *run);

/* SCRIPT KILL or FUNCTION KILL. */
void script_kill(struct command_ctx *ctx, bool function);

/* Runs a command for the script, argv as in scripts->argv; leaves its reply, or the error that
 * refuses it, in scripts->reply, but for a run that is doomed. */
void script_call(struct script_run *run, size_t argc);

/* While the script runs for longer than busy-reply-threshold: has other clients answered, most of
 * them with BUSY. In a cluster also has the bus go on, from early on. Called now and then from
 * within Lua. */
void script_look_around(struct script_run *run);

/* Fills the table on top of the stack with what scripts of EVAL get beside the language, or what
 * functions get. */
void script_api_fill(lua_State *L);
void script_api_fill_functions(lua_State *L);
/* Pushes what stands for all globals while a library is loaded. */
void script_api_push_loading(lua_State *L);

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
