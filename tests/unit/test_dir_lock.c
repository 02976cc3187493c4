/* A data directory is one process's at a time. */
#include "engine/dir_lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void another_process_is_refused_and_told_who_has_it(void **state)
{
	char dir[] = "/tmp/cairn-lock-XXXXXX", path[64], pid[16];
	struct buf error = {0};
	struct io_file *lock;
	int status = 0;
	pid_t child;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(dir_lock_take(io_posix(), dir, &lock, &error), ST_OK);
	(void)snprintf(pid, sizeof pid, "%d", (int)getpid());
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct io_file *mine;
		enum status st = dir_lock_take(io_posix(), dir, &mine, &error);

		_exit(st == ST_LOCKED && memmem(error.data, error.len, pid, strlen(pid)) != NULL
			  ? 0
			  : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	io_posix()->ops->close(NULL, lock);
	assert_int_equal(dir_lock_take(io_posix(), dir, &lock, &error), ST_OK);
	io_posix()->ops->close(NULL, lock);
	(void)snprintf(path, sizeof path, "%s/cairn.lock", dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(dir_lock_take(io_posix(), dir, &lock, &error), ST_NOT_FOUND);
	assert_true(error.len > 0);
	buf_deinit(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(another_process_is_refused_and_told_who_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
