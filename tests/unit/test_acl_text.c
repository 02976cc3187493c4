/* Users as lines of text: what is written is read again, what is wrong is told with its line. */
#include "engine/base/alloc.h"
#include "net/command/acl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct command_table table;

static int setup(void **state)
{
	(void)state;
	return command_table_init(&table) == ST_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	command_table_deinit(&table);
	return 0;
}

static enum status read_text(struct acl *a, const char *text, struct buf *error)
{
	assert_int_equal(acl_init_empty(a, &table), ST_OK);
	return acl_read(a, "f", slice_str(text), error);
}

static void what_is_written_is_read_again(void **state)
{
	static const char text[] =
	    "user alice on sanitize-payload "
	    "#ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb ~a* %R~b* "
	    "resetchannels &news -@all +@read -get +config|get +select|0\n"
	    "user bob off nopass skip-sanitize-payload ~* &* +@all -flushall (%W~x resetchannels "
	    "-@all +set) (resetchannels -@all)\n"
	    "user default on nopass sanitize-payload ~* &* +@all\n";
	struct buf error = {0}, out = {0};
	struct acl a;

	(void)state;
	assert_int_equal(read_text(&a, text, &error), ST_OK);
	assert_int_equal(acl_write(&a, &out), ST_OK);
	assert_int_equal(out.len, sizeof text - 1);
	assert_memory_equal(out.data, text, out.len);
	assert_true(acl_find(&a, slice_str("default"))->unrestricted);
	acl_deinit(&a);
	buf_deinit(&out);
	buf_deinit(&error);
}

static void comments_blanks_and_the_order_of_lines_do_not_matter(void **state)
{
	struct buf error = {0};
	struct acl a;

	(void)state;
	assert_int_equal(read_text(&a,
				   "# users\r\n\r\n  user  b   on  +get \t\r\n\n"
				   "user a (+get ~x ) +@all\n#user c\nuser d",
				   &error),
			 ST_OK);
	assert_int_equal(a.users_count, 3);
	assert_string_equal(a.users[0]->name, "a");
	assert_int_equal(a.users[0]->selectors_count, 2);
	assert_true(a.users[1]->enabled);
	acl_deinit(&a);
	buf_deinit(&error);
}

static void every_wrong_line_is_told(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {"user a on\nuzer b\n", "f:2: line should start with user keyword followed by the "
				    "username. "},
	    {"user", "f:1: line should start with user keyword followed by the username. "},
	    {"user a\nuser b\nuser a on", "f:3: Duplicate user 'a' found. "},
	    {"user default on\nuser default off", "f:2: Duplicate user 'default' found. "},
	    {"user a +nosuch\n\nuser b foo +get\n",
	     "f:1: Error in applying operation '+nosuch': Unknown command or category name in "
	     "ACL. f:3: Error in applying operation 'foo': Syntax error. "},
	    {"user a (+get", "f:1: Unmatched parenthesis in selector definition. "},
	    /* No password ends up in a log. */
	    {"user a !secret", "f:1: Error in applying operation '!': The password hash must be "
			       "exactly 64 characters and contain only lowercase hexadecimal "
			       "characters. "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf error = {0};
		struct acl a;

		assert_int_equal(read_text(&a, cases[i].text, &error), ST_INVALID);
		if (!slice_eq(buf_slice(&error), slice_str(cases[i].error))) {
			print_error("%s\n%.*s\n", cases[i].text, (int)error.len,
				    (const char *)error.data);
			fail();
		}
		acl_deinit(&a);
		buf_deinit(&error);
	}
}

static void reading_without_memory_leaves_nothing_behind(void **state)
{
	static const char text[] = "user a on >x ~a (+get ~b)\nuser b +@read +select|0 &c\n";
	enum status st = ST_NO_MEMORY;

	(void)state;
	for (int n = 0; st != ST_OK; n++) {
		struct buf error = {0};
		struct acl a;

		mem_fail_nth(n);
		st = acl_init_empty(&a, &table);
		st = st == ST_OK ? acl_read(&a, "f", slice_str(text), &error) : st;
		mem_fail_nth(-1);
		assert_true(st == ST_OK || st == ST_NO_MEMORY);
		assert_true(st != ST_OK || a.users_count == 2);
		acl_deinit(&a);
		buf_deinit(&error);
		assert_true(n < 300);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_written_is_read_again),
	    cmocka_unit_test(comments_blanks_and_the_order_of_lines_do_not_matter),
	    cmocka_unit_test(every_wrong_line_is_told),
	    cmocka_unit_test(reading_without_memory_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
