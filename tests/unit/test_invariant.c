/* A broken invariant ends the process and says where; a kept one costs nothing. */
#include "engine/base/invariant.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void a_kept_invariant_does_nothing(void **state)
{
	int evaluated = 0;

	(void)state;
	INVARIANT(++evaluated == 1);
	assert_int_equal(evaluated, 1);
}

static void a_broken_invariant_names_its_place_and_aborts(void **state)
{
	char text[512] = {0};
	int ends[2], status = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit none = {0, 0};

		(void)setrlimit(RLIMIT_CORE, &none);
		(void)signal(SIGABRT, SIG_DFL);
		(void)dup2(ends[1], STDERR_FILENO);
		INVARIANT(1 + 1 == 3);
		_exit(0);
	}
	(void)close(ends[1]);
	assert_true(read(ends[0], text, sizeof text - 1) > 0);
	(void)close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(text, "test_invariant.c:"));
	assert_non_null(strstr(text, "1 + 1 == 3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_kept_invariant_does_nothing),
	    cmocka_unit_test(a_broken_invariant_names_its_place_and_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
