/* The functions that can be called: the engine's libraries, loaded. They are loaded when they are
 * first asked for after a change that did not come from a command here: a start, a record of the
 * primary, an undone transaction. Private to net/command; executor thread. */
#ifndef CAIRN_NET_COMMAND_SCRIPT_FUNCTIONS_H
#define CAIRN_NET_COMMAND_SCRIPT_FUNCTIONS_H

#include "net/command/script_library.h"

struct dispatch;
struct engine;

/* Libraries by name, and their functions by name, without regard to case. A zeroed one is empty. */
struct function_table {
	struct function_library **libraries; /* those whose source is known by its name, */
	struct slice *names;		     /* which is here */
	size_t count, cap;
	struct function **functions;
	size_t functions_count, functions_cap;
};

/* What scripts keeps of them. A zeroed one is empty. */
struct functions {
	struct sandbox box; /* made when it is first needed */
	int loading_ref;    /* registry: what stands for all globals while a library is loaded */
	struct library_loading *loading; /* NULL: none is */
	struct function_table table;
	uint64_t version; /* of the engine's libraries that the table has; 0: of none */
};

/* Frees all. */
void functions_deinit(struct functions *f);

/* Opens the sandbox of functions when it is not yet. ST_NO_MEMORY. */
MUST_CHECK enum status functions_open(struct dispatch *d);

/* Has the table be what the engine has, but for while a script runs, when nothing changes. A
 * library that can't be loaded here is told of in the log and has no functions. ST_NO_MEMORY. */
MUST_CHECK enum status functions_sync(struct dispatch *d);

/* Forgets what the table has: another engine is used from now on. */
void functions_forget(struct functions *f);

/* A library; NULL: none has that name. */
struct function_library *function_table_library(const struct function_table *t, struct slice name);
/* Likewise a function. */
struct function *function_table_function(const struct function_table *t, struct slice name);

/* Room for so many more. ST_NO_MEMORY: unchanged. */
MUST_CHECK enum status function_table_reserve(struct function_table *t, size_t libraries,
					      size_t functions);

/* Adds a library under a name that is not there, for which and for whose functions, none of which
 * is there either, there is room. name lives as long as the library is in the table. */
void function_table_add(struct function_table *t, struct slice name, struct function_library *l);
/* Takes a library and its functions out. */
void function_table_remove(struct function_table *t, struct function_library *l);
/* Frees the arrays, not what is in them. */
void function_table_deinit(struct function_table *t);

/* The first function of a library whose name the table has too, from a library other than except
 * (NULL: from any). NULL: none. */
const struct function *function_table_clash(const struct function_table *t,
					    const struct function_library *l,
					    const struct function_library *except);

#endif
