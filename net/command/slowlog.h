/* The last commands that took longer than slowlog-log-slower-than. */
#ifndef CAIRN_NET_COMMAND_SLOWLOG_H
#define CAIRN_NET_COMMAND_SLOWLOG_H

#include "engine/base/slice.h"

#include <stddef.h>

struct slow_entry {
	struct slow_entry *older, *newer;
	uint64_t id;
	uint64_t at_s, usec; /* Unix time; duration */
	struct slice *argv;  /* shortened copies */
	size_t argc;
	struct slice addr, name;
};

/* A zeroed log is a valid empty one that keeps nothing. */
struct slowlog {
	struct slow_entry *newest, *oldest;
	size_t len, len_max;
	uint64_t next_id;
};

/* Adds a command, forgetting the oldest beyond len_max. Without memory it is left out. */
void slowlog_add(struct slowlog *log, const struct slice *argv, size_t argc, uint64_t at_s,
		 uint64_t usec, struct slice addr, struct slice name);

/* Changes how many are kept. */
void slowlog_set_max(struct slowlog *log, size_t len_max);

/* Forgets all entries. */
void slowlog_reset(struct slowlog *log);

#endif
