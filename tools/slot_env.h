/* A node's data directory as cairn-slot opens it: the store and, above it, the tail of the log, up
 * to the moment asked for. Read-only. */
#ifndef CAIRN_TOOLS_SLOT_ENV_H
#define CAIRN_TOOLS_SLOT_ENV_H

#include "engine/export/value.h"
#include "engine/library_set.h"
#include "tools/tool_args.h"
#include "tools/tool_store.h"

struct slot_env_options {
	const char *at;	     /* end, checkpoint, a position, or a time; NULL: end */
	uint64_t memory_max; /* of the log's tail held in memory */
};

#define SLOT_ENV_OPTIONS(o)                                                                        \
	{"at",                                                                                     \
	 0,                                                                                        \
	 OPT_TEXT,                                                                                 \
	 &(o)->at,                                                                                 \
	 "WHEN",                                                                                   \
	 "state to show: end (default: the log's end), checkpoint\n(the store alone), a position " \
	 "as LSN or EPOCH:LSN, or a\ntime as RFC 3339 or @UNIX-SECONDS",                           \
	 NULL},                                                                                    \
	{                                                                                          \
		"memory-max", 0, OPT_SIZE, &(o)->memory_max, "SIZE",                               \
		    "bound on the log's tail in memory (default 4g)", NULL                         \
	}

#define SLOT_ENV_INIT                                                                              \
	{                                                                                          \
		.memory_max = (uint64_t)4 << 30                                                    \
	}

struct slot_env {
	struct view view;
	struct tool_store store;
	struct library_set libraries;
	struct wal_history history; /* the log's where it was read, else the store's */
	uint64_t last_lsn;	    /* newest record in the view */
	uint64_t last_time_ms;	    /* its time; 0 when no record of the log was needed */
	uint64_t records;	    /* taken from the log */
	int holder_pid;		    /* of the node that has the directory open, 0: none */
	bool before_store;	    /* the moment asked for is before the store's checkpoint */
	bool torn;		    /* the log ended in an unfinished frame */
};

/* path is a data directory or a keyspace.mdb file. Returns EXIT_GO_ON, or an exit code after
 * telling what is wrong. */
int slot_env_open(struct tool *t, const char *path, const struct slot_env_options *options,
		  struct slot_env *out);
void slot_env_close(struct slot_env *env); /* fine when zeroed */

/* The process that holds an exclusive lock on DIR/cairn.lock, 0 when there is none. */
int lock_holder(const char *dir);

/* Reports what went wrong at a store key; returns the exit code. */
int slot_report(const struct tool *t, enum status st, struct slice store_key);

#endif
