/* Options by table: every kind, in every spelling, and what is told about wrong ones. */
#include "tools/tool_args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { WORDS_MAX = 32 };

struct values {
	bool flag;
	const char *text;
	uint64_t number, size, time, hex;
	struct position position;
	struct slot_set slots;
	int choice;
};

/* One run over a line of words; the outputs are kept until the next one. */
struct bench {
	struct tool t;
	struct values v;
	char *out, *err, *line, *argv[WORDS_MAX];
	size_t out_len, err_len, operands;
};

static void clear(struct bench *b)
{
	free(b->out);
	free(b->err);
	free(b->line);
	*b = (struct bench){0};
}

static int run(struct bench *b, const char *line)
{
	static const struct verb_usage usage = {"FILE [MORE]", "Tests things.", 1, 2};
	struct values *v = &b->v;
	const struct option_row rows[] = {
	    {"flag", 'f', OPT_FLAG, &v->flag, NULL, "a flag", NULL},
	    {"text", 't', OPT_TEXT, &v->text, "TEXT", "first line\nsecond line", NULL},
	    {"number", 'n', OPT_U64, &v->number, "N", "a number", NULL},
	    {"size", 0, OPT_SIZE, &v->size, "SIZE", "a size", NULL},
	    {"time", 0, OPT_TIME, &v->time, "TIME", "a time", NULL},
	    {"hex", 0, OPT_HEX, &v->hex, "ID", "an id", NULL},
	    {"position", 0, OPT_POSITION, &v->position, "POS", "a place", NULL},
	    {"slots", 0, OPT_SLOTS, &v->slots, "RANGES", "slots", NULL},
	    {"choice", 0, OPT_CHOICE, &v->choice, "WORD", "one of them", "red,green,blue"},
	    {0}};
	FILE *out, *err;
	int argc = 0, code;

	clear(b);
	v->choice = 7;
	out = open_memstream(&b->out, &b->out_len);
	err = open_memstream(&b->err, &b->err_len);
	assert_true(out != NULL && err != NULL);
	b->t = (struct tool){.name = "tool", .verb = "verb", .err = err};
	out_init(&b->t.out, out);
	b->line = strdup(line);
	for (char *word = b->line; word != NULL && argc < WORDS_MAX;) {
		char *space = strchr(word, ' ');

		if (space != NULL) {
			*space = '\0';
		}
		b->argv[argc++] = word;
		word = space == NULL ? NULL : space + 1;
	}
	code = args_parse(&b->t, &usage, rows, argc, b->argv, &b->operands);
	assert_true(out_deinit(&b->t.out));
	(void)fclose(out);
	(void)fclose(err);
	return code;
}

static void every_kind_in_every_spelling(void **state)
{
	struct bench b = {0};

	(void)state;
	assert_int_equal(run(&b,
			     "verb a --flag --text=x=y --number 12 --size 2k --time 5 --hex 0xff "
			     "--position 1:2 --slots 3-5 --choice green b"),
			 EXIT_GO_ON);
	assert_true(b.v.flag);
	assert_string_equal(b.v.text, "x=y");
	assert_int_equal(b.v.number, 12);
	assert_int_equal(b.v.size, 2048);
	assert_int_equal(b.v.time, 5000);
	assert_int_equal(b.v.hex, 255);
	assert_true(b.v.position.has_epoch && b.v.position.lsn == 2);
	assert_int_equal(b.v.slots.count, 3);
	assert_int_equal(b.v.choice, 1);
	assert_int_equal(b.operands, 2);
	assert_string_equal(b.argv[1], "a");
	assert_string_equal(b.argv[2], "b");
	assert_int_equal(run(&b, "verb -f -n3 -t word -"), EXIT_GO_ON);
	assert_true(b.v.flag);
	assert_int_equal(b.v.number, 3);
	assert_string_equal(b.v.text, "word");
	assert_string_equal(b.argv[1], "-");
	assert_int_equal(b.v.choice, 7);
	assert_int_equal(run(&b, "verb -- --flag -x"), EXIT_GO_ON);
	assert_false(b.v.flag);
	assert_string_equal(b.argv[1], "--flag");
	assert_string_equal(b.argv[2], "-x");
	clear(&b);
}

static void wrong_ones_are_told_by_name(void **state)
{
	static const struct {
		const char *line, *text;
	} cases[] = {
	    {"verb", "an argument is missing"},
	    {"verb a b c", "too many arguments"},
	    {"verb --nothing a", "unknown option '--nothing'"},
	    {"verb --flags a", "unknown option '--flags'"},
	    {"verb --fla a", "unknown option '--fla'"},
	    {"verb -x a", "unknown option '-x'"},
	    {"verb --flag=1 a", "'--flag' takes no value"},
	    {"verb a --number", "'--number' needs a value (N)"},
	    {"verb a -n", "'-n' needs a value (N)"},
	    {"verb --number x a", "--number: 'x' is not a number"},
	    {"verb --size x a", "--size: 'x' is not a size such as"},
	    {"verb --time x a", "--time: 'x' is not a time"},
	    {"verb --hex x a", "--hex: 'x' is not a hexadecimal id"},
	    {"verb --position x a", "is not a position: LSN or EPOCH:LSN"},
	    {"verb --slots 16384 a", "is not slot ranges"},
	    {"verb --choice yellow a", "'yellow' is not one of red,green,blue"},
	    {"verb --choice gree a", "'gree' is not one of red,green,blue"},
	};
	struct bench b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(run(&b, cases[i].line), EXIT_USAGE);
		if (strstr(b.err, cases[i].text) == NULL ||
		    strncmp(b.err, "tool: verb: ", 12) != 0) {
			fail_msg("'%s' says: %s", cases[i].line, b.err);
		}
	}
	clear(&b);
}

static void help_names_every_option(void **state)
{
	struct bench b = {0};

	(void)state;
	assert_int_equal(run(&b, "verb --number x --help"), EXIT_USAGE);
	assert_int_equal(run(&b, "verb --help"), EXIT_CLEAN);
	for (const char *const *part =
		 (const char *const[]){"Usage: tool verb [OPTIONS] FILE [MORE]\n", "Tests things.",
				       "  -f, --flag                  a flag\n",
				       "  -t, --text TEXT             first line\n",
				       "                              second line\n",
				       "      --choice WORD           one of them\n",
				       "      --help                  print this help\n", NULL};
	     *part != NULL; part++) {
		if (strstr(b.out, *part) == NULL) {
			fail_msg("'%s' is not in\n%s", *part, b.out);
		}
	}
	assert_string_equal(b.err, "");
	clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_kind_in_every_spelling),
	    cmocka_unit_test(wrong_ones_are_told_by_name),
	    cmocka_unit_test(help_names_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
