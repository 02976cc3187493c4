/* What cairn-wal and cairn-slot share: the run's surroundings, exit codes, errors for humans, and
 * the table of verbs. Single-threaded: every verb is one function that returns an exit code. */
#ifndef CAIRN_TOOLS_TOOL_H
#define CAIRN_TOOLS_TOOL_H

#include "engine/base/clock.h"
#include "engine/base/io.h"
#include "engine/base/status.h"
#include "tools/tool_out.h"

#include <stdio.h>

/* Part of the command line contract; scripts depend on the numbers. */
enum tool_exit {
	EXIT_CLEAN = 0,
	EXIT_FINDINGS = 1, /* torn tail, mismatch, nothing matched */
	EXIT_USAGE = 2,
	EXIT_DAMAGE = 3,  /* damage that stopped the run */
	EXIT_REFUSED = 4, /* locked by another process, or a safety rule forbids it */
	EXIT_IO = 5,	  /* input/output, memory, network */
	EXIT_GO_ON = -1,  /* not an exit: the verb continues */
};

struct tool {
	const char *name; /* "cairn-wal" */
	const char *verb; /* "dump"; NULL before it is known */
	const struct io *io;
	const struct clock *clock;
	struct out out; /* standard output */
	FILE *err;	/* errors, warnings, progress */
};

struct tool_verb {
	const char *name;
	const char *summary;				   /* one line for the tool's help */
	int (*run)(struct tool *t, int argc, char **argv); /* argv[0] is the verb */
};

/* Runs the verb that argv[1] names out of a table ended by a NULL name. about is the tool's
 * one-line purpose. Returns the exit code of the process, standard output flushed. */
int tool_main(const char *name, const char *about, const struct tool_verb *verbs, int argc,
	      char **argv);

/* Prints "cairn-wal: dump: ..." to stderr; tool_fail also returns the code given. */
void tool_warn(const struct tool *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int tool_fail(const struct tool *t, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* An error line gathered in a buffer as a C string, or the status's text when it is empty; valid as
 * long as the buffer is not changed. */
const char *tool_text(struct buf *error, enum status st);

/* The exit code that a status stands for. */
int tool_exit_of(enum status st);

#endif
