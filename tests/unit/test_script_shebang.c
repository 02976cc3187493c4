/* The first line of scripts. */
#include "net/command/script_shebang.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void lines_say_what_a_script_may_do(void **state)
{
	static const struct {
		const char *body;
		unsigned flags;
		const char *code;
	} cases[] = {
	    {"", SCRIPT_PLAIN, ""},
	    {"return 1", SCRIPT_PLAIN, "return 1"},
	    {"#x\n", SCRIPT_PLAIN, "#x\n"},
	    {"#!lua\nreturn 1", 0, "\nreturn 1"},
	    {"#!lua   \n", 0, "\n"},
	    {"#!lua flags=\n", 0, "\n"},
	    {"#!lua flags=no-writes\n", SCRIPT_NO_WRITES, "\n"},
	    {"#!lua flags=allow-oom,allow-stale flags=no-cluster\n",
	     SCRIPT_ALLOW_OOM | SCRIPT_ALLOW_STALE | SCRIPT_NO_CLUSTER, "\n"},
	    {"#!lua \"flags=allow-cross-slot-keys\"\n", SCRIPT_ALLOW_CROSS_SLOTS, "\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		unsigned flags;
		struct slice code;
		char error[256];

		assert_int_equal(script_shebang_read(slice_str(cases[i].body), &flags, &code, error,
						     sizeof error),
				 ST_OK);
		assert_int_equal(flags, cases[i].flags);
		assert_true(slice_eq(code, slice_str(cases[i].code)));
	}
}

static void what_is_wrong_is_named(void **state)
{
	static const char *const cases[][2] = {
	    {"#!lua", "ERR Invalid script shebang"},
	    {"#!\n", "ERR Unexpected engine in script shebang: #!"},
	    {"#!js x\n", "ERR Unexpected engine in script shebang: #!js"},
	    {"#!lua x\n", "ERR Unknown lua shebang option: x"},
	    {"#!lua name=x\n", "ERR Unknown lua shebang option: name=x"},
	    {"#!lua flags=a\n", "ERR Unexpected flag in script shebang: a"},
	    {"#!lua flags=no-writes,\n", "ERR Unexpected flag in script shebang: "},
	    {"#!lua flags=,no-writes\n", "ERR Unexpected flag in script shebang: "},
	    {"#!js 'x\n", "ERR Invalid engine in script shebang"},
	    {"#!lua flags='a'b\n", "ERR Invalid engine in script shebang"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		unsigned flags;
		struct slice code;
		char error[256];

		assert_int_equal(
		    script_shebang_read(slice_str(cases[i][0]), &flags, &code, error, sizeof error),
		    ST_INVALID);
		assert_string_equal(error, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_say_what_a_script_may_do),
	    cmocka_unit_test(what_is_wrong_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
