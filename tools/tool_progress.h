/* Progress of long work: one line on stderr, only when a terminal watches. */
#ifndef CAIRN_TOOLS_TOOL_PROGRESS_H
#define CAIRN_TOOLS_TOOL_PROGRESS_H

#include "tools/tool.h"

struct progress {
	const struct tool *tool;
	const char *unit; /* "records" */
	uint64_t total;	  /* 0: unknown */
	uint64_t start_us, next_us;
	uint32_t countdown; /* calls until the clock is looked at again */
	bool on, shown;
};

void progress_start(struct progress *p, const struct tool *t, const char *unit, uint64_t total);
/* Cheap enough for every record; the line appears after a second and changes five times per
 * second. */
void progress_at(struct progress *p, uint64_t done);
/* Removes the line. */
void progress_end(struct progress *p);

#endif
