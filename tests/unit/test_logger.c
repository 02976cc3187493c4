/* The log's level filter and its line. */
#include "engine/base/logger.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct seen {
	unsigned lines;
	enum log_level level;
	char text[2048];
};

static void sink(void *arg, enum log_level level, const char *line)
{
	struct seen *s = arg;

	s->lines++;
	s->level = level;
	strncat(s->text, line, sizeof s->text - strlen(s->text) - 1);
	errno = EBADF;
}

static void lines_below_the_level_are_dropped(void **state)
{
	struct seen s = {0};

	(void)state;
	logger_set(sink, &s, LOG_LVL_NOTICE);
	logger(LOG_LVL_DEBUG, "no");
	logger(LOG_LVL_VERBOSE, "no");
	logger(LOG_LVL_NOTICE, "yes %d", 1);
	logger(LOG_LVL_WARNING, ", yes %d", 2);
	assert_int_equal(s.lines, 2);
	assert_int_equal(s.level, LOG_LVL_WARNING);
	assert_string_equal(s.text, "yes 1, yes 2");
	logger_set(NULL, NULL, LOG_LVL_DEBUG);
	logger(LOG_LVL_WARNING, "nobody listens");
	assert_int_equal(s.lines, 2);
}

static void a_long_line_is_cut_and_errno_survives(void **state)
{
	struct seen s = {0};
	char word[3000];

	(void)state;
	memset(word, 'w', sizeof word - 1);
	word[sizeof word - 1] = '\0';
	logger_set(sink, &s, LOG_LVL_DEBUG);
	errno = ENOSPC;
	logger(LOG_LVL_DEBUG, "%s", word);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(strlen(s.text), 1023);
	logger_set(NULL, NULL, LOG_LVL_NOTICE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_below_the_level_are_dropped),
	    cmocka_unit_test(a_long_line_is_cut_and_errno_survives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
