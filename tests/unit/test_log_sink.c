/* Log lines: Redis's format, whole lines whatever they hold, and files that are rotated away. */
#include "net/log_sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/cairn-log-XXXXXX";
static char path[64], old[64];

static int setup(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL) {
		return -1;
	}
	(void)snprintf(path, sizeof path, "%s/node.log", dir);
	(void)snprintf(old, sizeof old, "%s/node.log.1", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(path);
	(void)unlink(old);
	return rmdir(dir);
}

static size_t read_file(const char *name, char *dst, size_t size)
{
	FILE *f = fopen(name, "r");
	size_t n;

	assert_non_null(f);
	n = fread(dst, 1, size - 1, f);
	dst[n] = 0;
	(void)fclose(f);
	return n;
}

static void lines_have_redis_form_and_stay_one_line(void **state)
{
	char text[8192], begin[32];
	int parts[6] = {0};
	char mark = 0;
	struct stat facts;

	(void)state;
	assert_true(log_sink_open(path, LOG_LVL_NOTICE, NULL, 0));
	logger(LOG_LVL_DEBUG, "not this one");
	logger(LOG_LVL_NOTICE, "hello\r\n1:M forged");
	(void)read_file(path, text, sizeof text);
	(void)snprintf(begin, sizeof begin, "%d:M ", (int)getpid());
	assert_int_equal(strncmp(text, begin, strlen(begin)), 0);
	assert_int_equal(sscanf(text + strlen(begin), "%d %*3s %d %d:%d:%d.%d %c hello  1:M forged",
				&parts[0], &parts[1], &parts[2], &parts[3], &parts[4], &parts[5],
				&mark),
			 7);
	assert_int_equal(mark, '*');
	assert_string_equal(strchr(text, '\n'), "\n");
	assert_int_equal(stat(path, &facts), 0);
	assert_int_equal(facts.st_mode & 0077, 0);
}

static void a_file_that_was_renamed_or_removed_is_created_anew(void **state)
{
	char text[8192];

	(void)state;
	assert_int_equal(rename(path, old), 0);
	logger(LOG_LVL_WARNING, "after the rename");
	(void)read_file(path, text, sizeof text);
	assert_non_null(strstr(text, " # after the rename\n"));
	(void)read_file(old, text, sizeof text);
	assert_null(strstr(text, "after the rename"));
	assert_int_equal(unlink(path), 0);
	logger(LOG_LVL_WARNING, "after the unlink");
	(void)read_file(path, text, sizeof text);
	assert_non_null(strstr(text, "after the unlink"));
}

static void a_file_that_can_not_be_made_again_does_not_lose_lines(void **state)
{
	char text[8192], away[80];

	(void)state;
	/* As with no descriptor left: the name leads nowhere, the old descriptor still does. */
	(void)snprintf(away, sizeof away, "%s.away", dir);
	assert_int_equal(rename(dir, away), 0);
	logger(LOG_LVL_WARNING, "while away");
	assert_int_equal(rename(away, dir), 0);
	(void)read_file(path, text, sizeof text);
	assert_non_null(strstr(text, "while away"));
}

static void very_long_lines_are_cut_and_still_end(void **state)
{
	static char big[5000], text[16384];
	size_t n;

	(void)state;
	memset(big, 'x', sizeof big - 1);
	logger(LOG_LVL_WARNING, "%s", big);
	n = read_file(path, text, sizeof text);
	assert_int_equal(text[n - 1], '\n');
	assert_int_equal(text[n - 2], 'x');
}

static void a_file_that_can_not_be_opened_is_said(void **state)
{
	char bad[96];

	(void)state;
	(void)snprintf(bad, sizeof bad, "%s/none/x.log", dir);
	assert_false(log_sink_open(bad, LOG_LVL_NOTICE, NULL, 0));
	assert_int_equal(log_sink_fd(), STDOUT_FILENO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_have_redis_form_and_stay_one_line),
	    cmocka_unit_test(a_file_that_was_renamed_or_removed_is_created_anew),
	    cmocka_unit_test(a_file_that_can_not_be_made_again_does_not_lose_lines),
	    cmocka_unit_test(very_long_lines_are_cut_and_still_end),
	    cmocka_unit_test(a_file_that_can_not_be_opened_is_said),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
