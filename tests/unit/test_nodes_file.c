/* nodes.conf on disk: locked by one, replaced whole, kept when replacing fails. */
#include "net/file_replace.h"
#include "net/nodes_file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64], path[128];
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){.dir = "/tmp/cairn-nodes-XXXXXX"};
	*state = &f;
	if (mkdtemp(f.dir) == NULL) {
		return -1;
	}
	(void)snprintf(f.path, sizeof f.path, "%s/nodes.conf", f.dir);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	(void)chmod(f->dir, 0700);
	(void)unlink(f->path);
	return rmdir(f->dir); /* nothing else was left behind */
}

static void what_was_saved_is_read_back(void **state)
{
	struct fixture *f = *state;
	struct nodes_file n;
	struct buf text = {0}, error = {0};
	bool created = false;

	assert_int_equal(nodes_file_open(&n, f->path, &text, &created, &error), ST_OK);
	assert_true(created);
	assert_int_equal(text.len, 0);
	assert_int_equal(nodes_file_save(&n, slice_str("one\n"), &error), ST_OK);
	assert_int_equal(nodes_file_save(&n, slice_str("two two\n"), &error), ST_OK);
	nodes_file_close(&n);
	assert_int_equal(nodes_file_open(&n, f->path, &text, &created, &error), ST_OK);
	assert_false(created);
	assert_true(slice_eq(buf_slice(&text), slice_str("two two\n")));
	nodes_file_close(&n);
	buf_deinit(&text);
	assert_int_equal(error.len, 0);
}

static bool can_lock(const char *path)
{
	int fd = open(path, O_RDWR);
	bool ok = flock(fd, LOCK_EX | LOCK_NB) == 0;

	(void)close(fd);
	return ok;
}

static void one_node_at_a_time_before_and_after_saving(void **state)
{
	struct fixture *f = *state;
	struct nodes_file n, other;
	struct buf text = {0}, error = {0};
	bool created;

	assert_int_equal(nodes_file_open(&n, f->path, &text, &created, &error), ST_OK);
	for (int i = 0; i < 3; i++) {
		error.len = 0;
		assert_int_equal(nodes_file_open(&other, f->path, &text, &created, &error),
				 ST_LOCKED);
		assert_true(error.len > 0);
		assert_non_null(memmem(error.data, error.len, f->path, strlen(f->path)));
		assert_false(can_lock(f->path)); /* as redis-server would try */
		error.len = 0;
		assert_int_equal(nodes_file_save(&n, slice_str("x\n"), &error), ST_OK);
	}
	nodes_file_close(&n);
	assert_true(can_lock(f->path));
	buf_deinit(&text);
	buf_deinit(&error);
}

static void a_failed_save_leaves_the_old_file(void **state)
{
	struct fixture *f = *state;
	struct nodes_file n;
	struct buf text = {0}, error = {0};
	char tmp[160];
	bool created;

	assert_int_equal(nodes_file_open(&n, f->path, &text, &created, &error), ST_OK);
	assert_int_equal(nodes_file_save(&n, slice_str("old\n"), &error), ST_OK);
	/* A folder is in the way of the new file. */
	(void)snprintf(tmp, sizeof tmp, "%s.tmp", f->path);
	assert_int_equal(mkdir(tmp, 0700), 0);
	assert_int_equal(nodes_file_save(&n, slice_str("new\n"), &error), ST_IO);
	assert_true(error.len > 0);
	assert_false(can_lock(f->path));
	assert_int_equal(rmdir(tmp), 0);
	nodes_file_close(&n);
	assert_int_equal(nodes_file_open(&n, f->path, &text, &created, &error), ST_OK);
	assert_true(slice_eq(buf_slice(&text), slice_str("old\n")));
	nodes_file_close(&n);
	buf_deinit(&text);
	buf_deinit(&error);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	char path[5000] = "/";
	struct buf error = {0};

	(void)state;
	memset(path + 1, 'x', sizeof path - 2);
	assert_int_equal(file_replace(path, ".tmp", slice_str("x"), 0600, NULL, &error), ST_LIMIT);
	assert_true(error.len > 0);
	buf_deinit(&error);
}

static void the_mode_is_as_asked_for(void **state)
{
	struct fixture *f = *state;
	struct buf error = {0};
	struct stat facts;

	assert_int_equal(file_replace(f->path, ".tmp", slice_str("x"), 0640, NULL, &error), ST_OK);
	assert_int_equal(stat(f->path, &facts), 0);
	assert_int_equal(facts.st_mode & 0777, 0640);
	assert_true(can_lock(f->path));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_was_saved_is_read_back),
	    TEST(one_node_at_a_time_before_and_after_saving),
	    TEST(a_failed_save_leaves_the_old_file),
	    TEST(a_path_that_is_too_long_is_refused),
	    TEST(the_mode_is_as_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
