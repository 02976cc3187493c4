/* The store of a data directory, opened read-only by a tool. */
#ifndef CAIRN_TOOLS_TOOL_STORE_H
#define CAIRN_TOOLS_TOOL_STORE_H

#include "engine/store.h"
#include "tools/tool.h"

/* A zeroed one is closed. */
struct tool_store {
	struct store *store;
	struct store_reader *reader; /* at the newest commit */
	struct store_state state;
};

/* Opens the file. Returns EXIT_GO_ON, or an exit code after telling what is wrong. From here on a
 * tree that leads LMDB out of its file ends the process with EXIT_DAMAGE and a message. */
int tool_store_open(struct tool *t, const char *file, struct tool_store *out);
void tool_store_close(struct tool_store *s);

#endif
