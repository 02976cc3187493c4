/* The real file system behind struct io. */
#include "engine/base/io.h"

#include "engine/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static const struct io_ops *ops;

static const char *path_of(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];

	(void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

static int set_up(void **state)
{
	(void)state;
	ops = io_posix()->ops;
	(void)snprintf(folder, sizeof folder, "/tmp/cairn-io-XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static void remove_one(void *arg, const char *name)
{
	(void)arg;
	if (unlink(path_of(name)) != 0) {
		(void)rmdir(path_of(name));
	}
}

static int tear_down(void **state)
{
	(void)state;
	(void)ops->list(NULL, folder, remove_one, NULL);
	return rmdir(folder);
}

static void what_is_written_is_read_and_reads_end_with_the_file(void **state)
{
	struct io_file *f;
	uint64_t size = 0;
	uint8_t back[16] = {0};
	size_t got = 99;

	(void)state;
	assert_int_equal(
	    ops->open(NULL, path_of("a"), IO_READ | IO_WRITE | IO_CREATE | IO_EXCL, &f), ST_OK);
	assert_int_equal(ops->pwrite(NULL, f, "hello", 5, 3), ST_OK);
	assert_int_equal(ops->datasync(NULL, f), ST_OK);
	assert_int_equal(ops->size(NULL, f, &size), ST_OK);
	assert_int_equal(size, 8);
	assert_int_equal(ops->pread(NULL, f, back, sizeof back, 0, &got), ST_OK);
	assert_int_equal(got, 8);
	assert_memory_equal(back, "\0\0\0hello", 8);
	assert_int_equal(ops->pread(NULL, f, back, 4, 100, &got), ST_OK);
	assert_int_equal(got, 0);
	assert_int_equal(ops->truncate(NULL, f, 4), ST_OK);
	assert_int_equal(ops->allocate(NULL, f, 65536), ST_OK);
	assert_int_equal(ops->size(NULL, f, &size), ST_OK);
	assert_int_equal(size, 65536);
	assert_int_equal(ops->pread(NULL, f, back, 6, 2, &got), ST_OK);
	assert_memory_equal(back, "\0h\0\0\0\0", 6);
	ops->close(NULL, f);
}

static void files_are_for_the_owner_alone(void **state)
{
	struct io_file *f;
	struct stat info;

	(void)state;
	assert_int_equal(ops->open(NULL, path_of("own"), IO_WRITE | IO_CREATE, &f), ST_OK);
	ops->close(NULL, f);
	assert_int_equal(stat(path_of("own"), &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	assert_int_equal(ops->mkdir(NULL, path_of("dir")), ST_OK);
	assert_int_equal(stat(path_of("dir"), &info), 0);
	assert_int_equal(info.st_mode & 0777, 0700);
}

static void failures_are_told_apart(void **state)
{
	struct io_file *f;
	uint8_t byte;
	size_t got;

	(void)state;
	assert_int_equal(ops->open(NULL, path_of("none"), IO_READ, &f), ST_NOT_FOUND);
	assert_int_equal(ops->open(NULL, path_of("b"), IO_WRITE | IO_CREATE, &f), ST_OK);
	assert_int_equal(ops->pread(NULL, f, &byte, 1, 0, &got), ST_IO);
	ops->close(NULL, f);
	assert_int_equal(ops->open(NULL, path_of("b"), IO_WRITE | IO_CREATE | IO_EXCL, &f),
			 ST_EXISTS);
	assert_int_equal(ops->mkdir(NULL, path_of("b")), ST_EXISTS);
	assert_int_equal(ops->mkdir(NULL, path_of("none/below")), ST_NOT_FOUND);
	assert_int_equal(ops->rename(NULL, path_of("none"), path_of("c")), ST_NOT_FOUND);
	assert_int_equal(ops->unlink(NULL, path_of("none")), ST_NOT_FOUND);
	assert_int_equal(ops->sync_dir(NULL, path_of("none")), ST_NOT_FOUND);
	assert_int_equal(ops->list(NULL, path_of("none"), remove_one, NULL), ST_NOT_FOUND);
	mem_fail_nth(0);
	assert_int_equal(ops->open(NULL, path_of("b"), IO_READ, &f), ST_NO_MEMORY);
	/* A link in place of a data file is not followed. */
	assert_int_equal(symlink("b", path_of("link")), 0);
	assert_int_equal(ops->open(NULL, path_of("link"), IO_READ, &f), ST_IO);
}

static void a_full_device_is_no_space(void **state)
{
	struct io_file *f;

	(void)state;
	if (access("/dev/full", W_OK) != 0) {
		skip();
	}
	assert_int_equal(ops->open(NULL, "/dev/full", IO_WRITE, &f), ST_OK);
	assert_int_equal(ops->pwrite(NULL, f, "x", 1, 0), ST_NO_SPACE);
	ops->close(NULL, f);
}

static void count_names(void *arg, const char *name)
{
	unsigned *count = arg;

	assert_true(name[0] != '.');
	(*count)++;
}

static void names_come_and_go_with_rename_and_unlink(void **state)
{
	struct io_file *f;
	unsigned count = 0;

	(void)state;
	assert_int_equal(ops->mkdir(NULL, path_of("d")), ST_OK);
	assert_int_equal(ops->mkdir(NULL, path_of("d")), ST_OK);
	assert_int_equal(ops->open(NULL, path_of("d/1"), IO_WRITE | IO_CREATE, &f), ST_OK);
	ops->close(NULL, f);
	assert_int_equal(ops->rename(NULL, path_of("d/1"), path_of("d/2")), ST_OK);
	assert_int_equal(ops->sync_dir(NULL, path_of("d")), ST_OK);
	assert_int_equal(ops->list(NULL, path_of("d"), count_names, &count), ST_OK);
	assert_int_equal(count, 1);
	assert_int_equal(ops->open(NULL, path_of("d/1"), IO_READ, &f), ST_NOT_FOUND);
	assert_int_equal(ops->rmdir(NULL, path_of("d")), ST_IO); /* not empty */
	assert_int_equal(ops->unlink(NULL, path_of("d/2")), ST_OK);
	assert_int_equal(ops->rmdir(NULL, path_of("d")), ST_OK);
	assert_int_equal(ops->rmdir(NULL, path_of("d")), ST_NOT_FOUND);
}

static void a_lock_is_refused_to_another_process_with_the_holders_pid(void **state)
{
	struct io_file *f;
	int holder = -1, status = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(ops->open(NULL, path_of("lock"), IO_READ | IO_WRITE | IO_CREATE, &f),
			 ST_OK);
	assert_int_equal(ops->lock(NULL, f, &holder), ST_OK);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct io_file *mine;
		int theirs = 0;

		if (ops->open(NULL, path_of("lock"), IO_READ | IO_WRITE, &mine) != ST_OK ||
		    ops->lock(NULL, mine, &theirs) != ST_LOCKED || theirs != getppid()) {
			_exit(1);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	ops->close(NULL, f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_written_is_read_and_reads_end_with_the_file),
	    cmocka_unit_test(files_are_for_the_owner_alone),
	    cmocka_unit_test(failures_are_told_apart),
	    cmocka_unit_test(a_full_device_is_no_space),
	    cmocka_unit_test(names_come_and_go_with_rename_and_unlink),
	    cmocka_unit_test(a_lock_is_refused_to_another_process_with_the_holders_pid),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
