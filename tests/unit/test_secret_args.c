/* Passwords among arguments are found, and nothing else is hidden; SLOWLOG shows none. */
#include "net/command/secret_args.h"
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ARGS_MAX = 16 };

static void passwords_are_found(void **state)
{
	/* A request, and 's' for each argument that is secret. */
	static const struct {
		const char *name, *line, *secret;
	} cases[] = {
	    {"auth", "AUTH pw", ".s"},
	    {"auth", "AUTH user pw", ".ss"},
	    {"hello", "HELLO 3 AUTH u p SETNAME n", "...ss.."},
	    {"hello", "HELLO 3 SETNAME auth", "...."},
	    {"acl|setuser", "ACL SETUSER u on >p", "..sss"},
	    {"config|set", "CONFIG SET requirepass p timeout 3 MASTERAUTH q", "...s...s"},
	    {"config|set", "CONFIG SET timeout requirepass", "...."},
	    {"migrate", "MIGRATE h 1 k 0 9 COPY AUTH p", "........s"},
	    {"migrate", "MIGRATE h 1 auth 0 9 AUTH2 u p KEYS k", ".......ss.."},
	    {"get", "GET auth", ".."},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct slice argv[ARGS_MAX];
		size_t argc = 0;

		for (const char *p = cases[i].line; *p != 0; p += *p == ' ') {
			size_t n = strcspn(p, " ");

			argv[argc++] = slice_of(p, n);
			p += n;
		}
		assert_int_equal(argc, strlen(cases[i].secret));
		for (size_t k = 0; k < argc; k++) {
			bool secret = command_arg_is_secret(cases[i].name, argv, argc, k);

			if (secret != (cases[i].secret[k] == 's')) {
				print_error("%s: argument %zu\n", cases[i].line, k);
				fail();
			}
			assert_true(!secret || command_has_secrets(cases[i].name));
		}
	}
	assert_false(command_has_secrets("get"));
}

static const char *all_is_slow(struct command_host *h, const char *name)
{
	(void)h;
	return strcmp(name, "slowlog-log-slower-than") == 0 ? "0" : NULL;
}

static void the_slow_log_shows_none(void **state)
{
	struct command_box *b = *state;
	struct command_host_ops ops = command_box_ops;
	struct slice reply;

	ops.config_value = all_is_slow;
	b->host.ops = &ops;
	dispatch_config_changed(b->dispatch);
	command_box_expect(b, "ACL SETUSER bob on >hunter2 +@all", "+OK\r\n");
	command_box_expect(b, "AUTH bob hunter2", "+OK\r\n");
	reply = command_box_line(b, "SLOWLOG GET");
	assert_true(reply.len > 100);
	for (size_t i = 0; i + 7 <= reply.len; i++) {
		assert_int_not_equal(memcmp(reply.data + i, "hunter2", 7), 0);
	}
	b->host.ops = &command_box_ops;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(passwords_are_found),
	    COMMAND_BOX_TEST(the_slow_log_shows_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
