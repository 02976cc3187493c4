/* Entry of both tools: finds the verb, prints the overall help, reports errors. */
#include "tools/tool.h"

#include <stdarg.h>
#include <string.h>

__attribute__((format(printf, 2, 0))) static void report(const struct tool *t, const char *fmt,
							 va_list ap)
{
	/* What was written so far belongs before the error when both go to one terminal. */
	fflush(stdout);
	fprintf(t->err, "%s: ", t->name);
	if (t->verb != NULL) {
		fprintf(t->err, "%s: ", t->verb);
	}
	vfprintf(t->err, fmt, ap);
	fputc('\n', t->err);
	fflush(t->err);
}

void tool_warn(const struct tool *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(t, fmt, ap);
	va_end(ap);
}

int tool_fail(const struct tool *t, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(t, fmt, ap);
	va_end(ap);
	return code;
}

const char *tool_text(struct buf *error, enum status st)
{
	if (error->len == 0 || buf_reserve(error, 1) != ST_OK) {
		return status_text(st);
	}
	error->data[error->len] = '\0';
	return (const char *)error->data;
}

int tool_exit_of(enum status st)
{
	switch (st) {
	case ST_OK:
	case ST_END:
		return EXIT_CLEAN;
	case ST_TORN:
	case ST_NOT_FOUND:
		return EXIT_FINDINGS;
	case ST_INVALID:
		return EXIT_USAGE;
	case ST_CORRUPT:
	case ST_VERSION:
	case ST_COLLISION:
		return EXIT_DAMAGE;
	case ST_LOCKED:
	case ST_EXISTS:
	case ST_READ_ONLY:
		return EXIT_REFUSED;
	default:
		return EXIT_IO;
	}
}

static void print_help(struct tool *t, const char *about, const struct tool_verb *verbs)
{
	out_printf(&t->out, "%s - %s\n\nUsage: %s VERB ARGUMENTS...\n\nVerbs:\n", t->name, about,
		   t->name);
	for (const struct tool_verb *v = verbs; v->name != NULL; v++) {
		out_printf(&t->out, "  %-11s %s\n", v->name, v->summary);
	}
	out_printf(&t->out,
		   "\n%s VERB --help describes a verb; --version prints the version.\n"
		   "Exit: 0 clean, 1 findings, 2 usage, 3 damage that stopped the run,\n"
		   "4 locked or refused, 5 input/output.\n",
		   t->name);
}

static int run_verb(struct tool *t, const char *about, const struct tool_verb *verbs, int argc,
		    char **argv)
{
	if (argc < 2) {
		return tool_fail(t, EXIT_USAGE, "a verb is needed; see %s --help", t->name);
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		print_help(t, about, verbs);
		return EXIT_CLEAN;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		out_printf(&t->out, "%s %s\n", t->name, CAIRN_VERSION);
		return EXIT_CLEAN;
	}
	for (const struct tool_verb *v = verbs; v->name != NULL; v++) {
		if (strcmp(v->name, argv[1]) == 0) {
			t->verb = v->name;
			return v->run(t, argc - 1, argv + 1);
		}
	}
	return tool_fail(t, EXIT_USAGE, "unknown verb '%s'; see %s --help", argv[1], t->name);
}

int tool_main(const char *name, const char *about, const struct tool_verb *verbs, int argc,
	      char **argv)
{
	struct tool t = {.name = name, .io = io_posix(), .clock = clock_system(), .err = stderr};
	int code;

	out_init(&t.out, stdout);
	code = run_verb(&t, about, verbs, argc, argv);
	if (!out_deinit(&t.out)) {
		code = tool_fail(&t, EXIT_IO, "standard output could not be written");
	}
	return code;
}
