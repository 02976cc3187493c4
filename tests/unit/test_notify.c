/* Keyspace events within one process: when they leave, and that nothing is told of what is undone.
 * Which command tells what is compared with redis-server in tests/e2e/test_events.py. */
#include "tests/support/command_box.h"

#include "net/command/dispatch_state.h"
#include "net/command/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The client that listens to all events by key. */
static struct session listener;

static int setup(void **state)
{
	int rc = command_box_setup(state);
	struct command_box *b = *state;

	session_init(&listener, 2, b->engine.now_ms);
	assert_int_equal(pubsub_subscribe(&b->dispatch->pubsub, &listener, SUBSCRIBED_PATTERN,
					  slice_str("__key*")),
			 ST_OK);
	command_box_expect(b, "PING", "+PONG\r\n"); /* settings are read with the first request */
	b->host.events = notify_classes("KAn");
	return rc;
}

static int teardown(void **state)
{
	session_deinit(&listener);
	return command_box_teardown(state);
}

/* The events: each "ID@LSN" and the event's name. */
static void expect_events(struct command_box *b, const char *want)
{
	struct buf names = {0};

	assert_int_equal(buf_append(&b->pushed, "", 1), ST_OK);
	for (const char *at = (const char *)b->pushed.data; (at = strstr(at, "@")) != NULL;) {
		const char *lsn = at - 1, *end = strchr(at, ' ');

		if (strncmp(end + 1, "*4\r\n", 4) != 0) {
			at++; /* of a channel's name */
			continue;
		}
		at = strstr(end, "__keyspace@0__:");
		at = strchr(strstr(at, "\r\n") + 2, '\n') + 1;
		assert_int_equal(buf_printf(&names, "%.*s %.*s,", (int)(end - lsn), lsn,
					    (int)strcspn(at, "\r"), at),
				 ST_OK);
	}
	assert_int_equal(buf_append(&names, "", 1), ST_OK);
	assert_string_equal((const char *)names.data, want);
	buf_deinit(&names);
	b->pushed.len = 0;
}

static void letters_are_classes(void **state)
{
	(void)state;
	assert_int_equal(notify_classes(NULL), 0);
	assert_int_equal(notify_classes("A"), 0); /* to nobody */
	assert_int_equal(notify_classes("Kg"), EVENT_BY_KEY | EVENT_GENERIC);
	assert_int_equal(notify_classes("Emn"), EVENT_BY_NAME | EVENT_KEY_MISS | EVENT_NEW);
	assert_int_equal(notify_classes("KA") & (EVENT_KEY_MISS | EVENT_NEW), 0);
}

static void events_leave_behind_their_batch(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "SET k v", "+OK\r\n");
	expect_events(b, "2@1 new,2@1 set,");
	command_box_expect(b, "MULTI", "+OK\r\n");
	command_box_expect(b, "DEL k", "+QUEUED\r\n");
	command_box_expect(b, "LPUSH k x", "+QUEUED\r\n");
	command_box_expect(b, "LPOP k", "+QUEUED\r\n");
	assert_int_equal(b->pushed.len, 0);
	command_box_expect(b, "EXEC", "*3\r\n:1\r\n:1\r\n$1\r\nx\r\n");
	expect_events(b, "2@2 del,2@2 new,2@2 lpush,2@2 lpop,2@2 del,");
}

static void the_cycle_is_told_with_the_turn(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "SET k v", "+OK\r\n");
	b->pushed.len = 0;
	/* Met, but by no command: it is told when it goes. */
	dispatch_expired(b->dispatch, slice_str("k"), EXPIRY_MET);
	dispatch_turn_end(b->dispatch);
	assert_int_equal(b->pushed.len, 0);
	dispatch_expired(b->dispatch, slice_str("k"), EXPIRY_KEY);
	assert_int_equal(b->pushed.len, 0);
	dispatch_turn_end(b->dispatch);
	expect_events(b, "2@1 expired,");
	dispatch_turn_end(b->dispatch);
	assert_int_equal(b->pushed.len, 0);
}

static void what_is_undone_is_not_told(void **state)
{
	struct command_box *b = *state;
	const char *told;

	command_box_walk_memory(b, "HSET h f v g w", "HGETALL h");
	assert_int_equal(b->dispatch->events.len, 0);
	assert_int_equal(buf_append(&b->pushed, "", 1), ST_OK);
	told = strstr((const char *)b->pushed.data, "hset");
	assert_true(told == NULL || strstr(told + 1, "hset") == NULL);
	b->pushed.len = 0;
	/* Within EXEC a command that fails tells nothing, the others do. */
	command_box_expect(b, "MULTI", "+OK\r\n");
	command_box_expect(b, "LPUSH h x", "+QUEUED\r\n");
	command_box_expect(b, "HDEL h f", "+QUEUED\r\n");
	command_box_expect(b, "EXEC",
			   "*2\r\n-WRONGTYPE Operation against a key holding the wrong kind of "
			   "value\r\n:1\r\n");
	expect_events(b, "2@2 hdel,");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(letters_are_classes),
	    cmocka_unit_test_setup_teardown(events_leave_behind_their_batch, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_cycle_is_told_with_the_turn, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_undone_is_not_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
