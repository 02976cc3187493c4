/* A library of functions as code that can be called: compiled, and run once so that it registers
 * its functions. Private to net/command; executor thread. */
#ifndef CAIRN_NET_COMMAND_SCRIPT_LIBRARY_H
#define CAIRN_NET_COMMAND_SCRIPT_LIBRARY_H

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/library_set.h"
#include "net/script/sandbox.h"

struct function_library;

struct function {
	struct function_library *library;
	unsigned flags; /* enum script_flags */
	int ref;	/* of the Lua function in the sandbox's registry */
	bool described;
	size_t name_len, description_len;
	char text[]; /* name, NUL, description */
};

static inline struct slice function_name(const struct function *f)
{
	return slice_of(f->text, f->name_len);
}

static inline struct slice function_description(const struct function *f)
{
	return slice_of(f->text + f->name_len + 1, f->description_len);
}

/* The order of names of functions, for which case does not count. */
int function_name_cmp(struct slice a, struct slice b);

struct function_library {
	struct library *source; /* held; NULL until it is in the engine */
	struct function **functions;
	size_t count, cap;
};

/* A library that is being loaded: who registers functions finds it here. */
struct library_loading {
	struct function_library *into;
	const struct clock *clock;
	uint64_t deadline_us; /* monotonic; 0: none */
	bool no_memory;	      /* it failed for that, not for what it is */
};

/* Compiles what follows the first line of a library (script_shebang.h) and runs it, for at most
 * limit_ms (0: as long as it takes), in the sandbox of functions. ST_INVALID: error has the reply's
 * text. ST_NO_MEMORY: likewise. */
MUST_CHECK enum status script_library_load(struct sandbox *box, struct slice body,
					   const struct clock *clock, uint64_t limit_ms,
					   struct function_library **out, struct buf *error);

/* Lets go of its functions and its source. NULL is fine. */
void script_library_free(struct sandbox *box, struct function_library *l);

/* redis.register_function: its arguments are on the stack. NULL, or the error to be raised. Raises
 * out of memory. */
const char *script_library_register(lua_State *L);

#endif
