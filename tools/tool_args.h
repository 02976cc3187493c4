/* Options of a verb as a table: parsing, help text and errors come from the same rows. */
#ifndef CAIRN_TOOLS_TOOL_ARGS_H
#define CAIRN_TOOLS_TOOL_ARGS_H

#include "tools/tool.h"
#include "tools/tool_parse.h"

enum option_kind {
	OPT_FLAG,     /* bool */
	OPT_TEXT,     /* const char * */
	OPT_U64,      /* uint64_t */
	OPT_SIZE,     /* uint64_t, 64k 1m 2g */
	OPT_TIME,     /* uint64_t, Unix ms */
	OPT_POSITION, /* struct position */
	OPT_SLOTS,    /* struct slot_set */
	OPT_HEX,      /* uint64_t, hexadecimal id */
	OPT_CHOICE,   /* int: index of the word in choices */
};

/* A row. Rows end with a NULL name. */
struct option_row {
	const char *name; /* long name without the hyphens */
	char letter;	  /* short form, 0: none */
	enum option_kind kind;
	void *target;	     /* of the kind's type; unchanged when the option is not given */
	const char *arg;     /* how help calls the value; NULL for a flag */
	const char *help;    /* may hold newlines */
	const char *choices; /* OPT_CHOICE: "text,json" */
};

struct verb_usage {
	const char *operands; /* "DIR|FILE..." */
	const char *about;    /* a paragraph */
	size_t operands_min, operands_max;
};

/* Parses argv[1..]: options anywhere, "--" ends them. The operands are moved to the front of
 * argv + 1; *operands gets how many. Returns EXIT_GO_ON; EXIT_CLEAN after --help; EXIT_USAGE after
 * printing what is wrong. */
int args_parse(struct tool *t, const struct verb_usage *usage, const struct option_row *rows,
	       int argc, char **argv, size_t *operands);

#endif
