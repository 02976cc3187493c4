/* Client-side caching within one process: who is told what, and that it waits for no LSN; changes
 * that no command makes; what happens without memory. The steps beside redis-server are in
 * tests/e2e/test_tracking.py. */
#include "tests/support/command_box.h"

#include "engine/base/alloc.h"
#include "net/command/dispatch_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The client that caches; the box's own writes. */
static struct session reader;

static void reader_says(struct command_box *b, const char *line)
{
	struct slice argv[12];
	size_t argc = 0;
	struct buf out = {0};

	for (const char *p = line; *p != 0; p += *p == ' ') {
		size_t n = strcspn(p, " ");

		argv[argc++] = slice_of(p, n);
		p += n;
	}
	assert_int_equal(
	    dispatch_request(b->dispatch, &reader, argv, argc, &out, b->engine.now_ms, false),
	    DISPATCH_DONE);
	assert_true(out.len > 0 && out.data[0] != '-');
	buf_deinit(&out);
}

static void expect_told(struct command_box *b, const char *want)
{
	assert_int_equal(buf_append(&b->pushed, "", 1), ST_OK);
	assert_string_equal((const char *)b->pushed.data, want);
	b->pushed.len = 0;
}

static int setup(void **state)
{
	int rc = command_box_setup(state);
	struct command_box *b = *state;

	session_init(&reader, 2, b->engine.now_ms);
	reader.authenticated = true;
	reader.proto = 3;
	return rc;
}

static int teardown(void **state)
{
	session_deinit(&reader);
	return command_box_teardown(state);
}

static void a_key_that_was_read_is_told_once(void **state)
{
	struct command_box *b = *state;
	struct tracking_stats stats;

	reader_says(b, "CLIENT TRACKING ON");
	reader_says(b, "MGET k j");
	tracking_stats(&b->dispatch->tracking, &stats);
	assert_int_equal(stats.keys, 2);
	command_box_expect(b, "SET k v", "+OK\r\n");
	expect_told(b, "2@0 >2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n");
	command_box_expect(b, "SET k w", "+OK\r\n");
	assert_int_equal(b->pushed.len, 0);
	command_box_expect(b, "FLUSHALL", "+OK\r\n");
	expect_told(b, "2@0 >2\r\n$10\r\ninvalidate\r\n_\r\n");
	tracking_stats(&b->dispatch->tracking, &stats);
	assert_int_equal(stats.keys + stats.items, 0);
	/* Its own write is told behind its reply, to nobody else. */
	reader_says(b, "GET k");
	reader_says(b, "SET k v");
	assert_int_equal(b->pushed.len, 0);
}

static void changes_that_no_command_makes(void **state)
{
	struct command_box *b = *state;
	struct store_key key;

	reader_says(b, "CLIENT TRACKING ON");
	reader_says(b, "GET k");
	store_key_of_key(&key, slice_str("k"));
	dispatch_touched(b->dispatch, &key);
	expect_told(b, "2@0 >2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n");
	/* An element's operation names no key: all, once a turn, and only to who has read. */
	dispatch_touched(b->dispatch, NULL);
	dispatch_turn_end(b->dispatch);
	assert_int_equal(b->pushed.len, 0);
	reader_says(b, "GET k");
	dispatch_touched(b->dispatch, NULL);
	dispatch_touched(b->dispatch, NULL);
	dispatch_turn_end(b->dispatch);
	expect_told(b, "2@0 >2\r\n$10\r\ninvalidate\r\n_\r\n");
}

static void prefixes_are_told_at_the_turns_end(void **state)
{
	struct command_box *b = *state;

	reader_says(b, "CLIENT TRACKING ON BCAST PREFIX a PREFIX b");
	command_box_expect(b, "MSET b1 1 a2 1 c 1 a1 1 a2 2", "+OK\r\n");
	assert_int_equal(b->pushed.len, 0);
	dispatch_turn_end(b->dispatch);
	expect_told(b, "2@0 >2\r\n$10\r\ninvalidate\r\n*2\r\n$2\r\na1\r\n$2\r\na2\r\n"
		       "2@0 >2\r\n$10\r\ninvalidate\r\n*1\r\n$2\r\nb1\r\n");
	dispatch_turn_end(b->dispatch);
	assert_int_equal(b->pushed.len, 0);
}

static void the_table_has_a_limit(void **state)
{
	struct command_box *b = *state;
	struct tracking_stats stats;

	reader_says(b, "CLIENT TRACKING ON");
	b->host.tracked_max = 3;
	reader_says(b, "MGET a b c d e f g");
	dispatch_turn_end(b->dispatch);
	tracking_stats(&b->dispatch->tracking, &stats);
	assert_int_equal(stats.keys, 3);
	assert_true(b->pushed.len > 0);
}

static void who_redirects_to_one_that_is_gone_is_told(void **state)
{
	struct command_box *b = *state;
	struct session target;

	session_init(&target, 3, b->engine.now_ms);
	target.proto = 3;
	tracking_begin(b->dispatch, &reader, 0, &target);
	reader_says(b, "GET k");
	command_box_expect(b, "SET k v", "+OK\r\n");
	expect_told(b, "3@0 >2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n");
	session_deinit(&target);
	reader_says(b, "GET k");
	command_box_expect(b, "SET k v", "+OK\r\n");
	expect_told(b, "2@0 >2\r\n$21\r\ntracking-redir-broken\r\n:3\r\n");
	assert_true((reader.tracking & TRACKING_BROKEN) != 0);
}

/* Whatever allocation fails: a client that may miss something is let go. */
static void without_memory_the_client_is_let_go(void **state)
{
	enum { MOST = 60 }; /* more than there are */
	struct command_box *b = *state;

	assert_int_equal(buf_reserve(&b->pushed, 4096), ST_OK); /* the box's own never fails */
	for (int64_t n = 0; n < MOST; n++) {
		struct store_key key;

		session_leave(&reader);
		reader.close_after_reply = false;
		tracking_begin(b->dispatch, &reader, n % 2 == 0 ? 0 : TRACKING_BCAST, NULL);
		assert_int_equal(tracking_prefix(b->dispatch, &reader, slice_str("k")), ST_OK);
		assert_int_equal(pubsub_subscribe(&b->dispatch->tracking.table, &reader,
						  TRACKED_KEY, slice_str("k")),
				 ST_OK);
		buf_deinit(&b->dispatch->message);
		buf_deinit(&b->dispatch->scratch);
		buf_deinit(&b->dispatch->tracking.changed);
		b->pushed.len = 0;
		store_key_of_key(&key, slice_str("k"));
		mem_fail_nth(n);
		dispatch_touched(b->dispatch, &key);
		dispatch_turn_end(b->dispatch);
		mem_fail_nth(-1);
		assert_true(b->pushed.len > 0 || reader.close_after_reply);
		assert_int_equal(reader.subscribed[TRACKED_KEY], 0);
	}
	assert_false(reader.close_after_reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_key_that_was_read_is_told_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(changes_that_no_command_makes, setup, teardown),
	    cmocka_unit_test_setup_teardown(prefixes_are_told_at_the_turns_end, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_table_has_a_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(who_redirects_to_one_that_is_gone_is_told, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(without_memory_the_client_is_let_go, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
