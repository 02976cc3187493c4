/* LOLWUT draws something different each time; MODULE has none, and takes none. */
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_picture_is_whole(void **state)
{
	struct command_box *b = *state;
	char last[1024] = "";
	size_t last_len = 0;
	unsigned different = 0;

	for (int i = 0; i < 50; i++) {
		struct slice reply = command_box_line(b, "LOLWUT VERSION 5");

		assert_true(reply.data[0] == '$' && reply.len < sizeof last);
		different += reply.len != last_len || memcmp(last, reply.data, reply.len) != 0;
		last_len = reply.len;
		memcpy(last, reply.data, reply.len);
		last[reply.len] = 0;
		assert_non_null(strstr(last, "(_)"));
		assert_non_null(strstr(last, "\nRedis ver. "));
	}
	assert_true(different > 10);
	command_box_expect(b, "LOLWUT VERSION x",
			   "-ERR value is not an integer or out of range\r\n");
}

static void there_are_no_modules(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "MODULE LIST", "*0\r\n");
	command_box_expect_error(b, "MODULE LOAD /x.so", "ERR MODULE command not allowed.");
	command_box_expect_error(b, "MODULE UNLOAD x", "ERR MODULE command not allowed.");
	command_box_expect(b, "MODULE x", "-ERR unknown subcommand 'x'. Try MODULE HELP.\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(every_picture_is_whole),
	    COMMAND_BOX_TEST(there_are_no_modules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
