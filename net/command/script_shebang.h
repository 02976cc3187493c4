/* The first line of a script or library: "#!lua name=NAME flags=FLAG,FLAG". */
#ifndef CAIRN_NET_COMMAND_SCRIPT_SHEBANG_H
#define CAIRN_NET_COMMAND_SCRIPT_SHEBANG_H

#include "engine/base/buf.h"

#include <stdbool.h>

enum script_flags {
	SCRIPT_NO_WRITES = 1,
	SCRIPT_ALLOW_OOM = 2,
	SCRIPT_ALLOW_STALE = 4,
	SCRIPT_NO_CLUSTER = 8,
	SCRIPT_ALLOW_CROSS_SLOTS = 16,
	SCRIPT_PLAIN = 32, /* without a shebang: may do what each of its commands may */
};

/* A flag by its name ("no-writes"); 0: there is none of that name. */
unsigned script_flag_of(struct slice name);

/* The names of flags, in the order of their bits; NULL ends them. */
extern const char *const script_flag_names[];

/* Reads a script's first line. *code is what is to be compiled: all behind the shebang, its line
 * end included so that lines keep their numbers. A script without one has SCRIPT_PLAIN. ST_INVALID:
 * error has the reply's text. */
MUST_CHECK enum status script_shebang_read(struct slice body, unsigned *flags, struct slice *code,
					   char *error, size_t error_cap);

/* The first line of a library. */
struct library_head {
	struct buf name;   /* to be freed */
	struct slice body; /* what is to be compiled, as above */
};

/* Reads it; head.name must be empty and is to be freed in any case. ST_INVALID, ST_NO_MEMORY: error
 * has the reply's text. */
MUST_CHECK enum status script_library_head(struct slice code, struct library_head *head,
					   struct buf *error);

/* Whether a library or a function may have this name; otherwise it gets the error. */
bool script_name_ok(struct slice name);
#define SCRIPT_NAME_ERROR                                                                          \
	"Library names can only contain letters, numbers, or underscores(_) and must be at least " \
	"one character long"

#endif
