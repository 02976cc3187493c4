/* ACL LOG's list: what is alike is counted on one entry, the oldest go first, texts are shortened.
 */
#include "engine/base/alloc.h"
#include "net/command/acl_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void note(struct acl_log *log, const char *object, uint64_t now_ms)
{
	struct acl_event event = {.denial = ACL_DENIED_KEY,
				  .context = ACL_AT_TOP,
				  .object = slice_str(object),
				  .user = slice_str("u"),
				  .client = slice_str("id=1"),
				  .now_ms = now_ms};

	acl_log_add(log, &event);
}

static void what_happens_again_within_a_minute_is_one_entry(void **state)
{
	struct acl_log log = {.len_max = 100};

	(void)state;
	note(&log, "a", 1000);
	note(&log, "b", 2000);
	note(&log, "a", 60000);
	assert_int_equal(log.len, 2);
	assert_int_equal(log.newest->count, 2); /* in front again */
	assert_int_equal(log.newest->id, 0);
	assert_int_equal(log.newest->created_ms, 1000);
	assert_int_equal(log.newest->updated_ms, 60000);
	note(&log, "a", 120000); /* a minute after the last one */
	assert_int_equal(log.newest->count, 3);
	note(&log, "a", 180001);
	assert_int_equal(log.len, 3);
	assert_int_equal(log.newest->count, 1);
	assert_int_equal(log.newest->id, 2);
	assert_int_equal(log.counts[ACL_DENIED_KEY], 5);
	acl_log_set_max(&log, 0);
}

static void only_the_last_ten_are_looked_at(void **state)
{
	struct acl_log log = {.len_max = 100};
	char name[16];

	(void)state;
	note(&log, "first", 1);
	for (int i = 0; i < 10; i++) {
		(void)snprintf(name, sizeof name, "%d", i);
		note(&log, name, 2);
	}
	note(&log, "first", 3);
	assert_int_equal(log.len, 12);
	note(&log, "1", 3); /* the tenth */
	assert_int_equal(log.len, 12);
	acl_log_set_max(&log, 0);
}

static void the_oldest_go_beyond_the_limit(void **state)
{
	struct acl_log log = {.len_max = 3};

	(void)state;
	note(&log, "a", 1);
	note(&log, "b", 1);
	note(&log, "c", 1);
	note(&log, "d", 1);
	assert_int_equal(log.len, 3);
	assert_true(slice_eq(buf_slice(&log.oldest->object), slice_str("b")));
	acl_log_set_max(&log, 1);
	assert_int_equal(log.len, 1);
	assert_ptr_equal(log.newest, log.oldest);
	acl_log_reset(&log);
	assert_int_equal(log.len, 0);
	assert_int_equal(log.len_max, 1);
	acl_log_set_max(&log, 0);
	note(&log, "e", 1); /* counted, not kept */
	assert_int_equal(log.len, 0);
	assert_int_equal(log.counts[ACL_DENIED_KEY], 5);
}

static void long_names_are_shortened(void **state)
{
	struct acl_log log = {.len_max = 3};
	static char text[5001];

	(void)state;
	memset(text, 'x', sizeof text - 1);
	note(&log, text, 1);
	note(&log, text, 1);
	assert_int_equal(log.len, 1);
	assert_int_equal(log.newest->count, 2);
	assert_int_equal(log.newest->object.len, 1024 + strlen("... (3976 more bytes)"));
	acl_log_set_max(&log, 0);
}

static void without_memory_it_is_counted_only(void **state)
{
	struct acl_log log = {.len_max = 3};

	(void)state;
	for (int n = 0; log.len == 0; n++) {
		mem_fail_nth(n);
		note(&log, "object", 1);
		mem_fail_nth(-1);
		assert_int_equal(log.counts[ACL_DENIED_KEY], n + 1);
	}
	acl_log_set_max(&log, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_happens_again_within_a_minute_is_one_entry),
	    cmocka_unit_test(only_the_last_ten_are_looked_at),
	    cmocka_unit_test(the_oldest_go_beyond_the_limit),
	    cmocka_unit_test(long_names_are_shortened),
	    cmocka_unit_test(without_memory_it_is_counted_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
