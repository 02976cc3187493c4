/* The table of who waits for which key. */
#include "net/command/blocked.h"

#include "engine/base/alloc.h"
#include "net/command/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { SESSIONS = 4 };

static struct blocked_table table;
static struct session sessions[SESSIONS];

static int setup(void **state)
{
	(void)state;
	table = (struct blocked_table){0};
	for (int i = 0; i < SESSIONS; i++) {
		session_init(&sessions[i], (uint64_t)i + 1, 0);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	blocked_table_deinit(&table);
	for (int i = 0; i < SESSIONS; i++) {
		assert_null(sessions[i].blocked);
		session_deinit(&sessions[i]);
	}
	return 0;
}

static enum status block(int session, const char *first, const char *second)
{
	struct slice keys[2] = {slice_str(first), slice_str(second != NULL ? second : "")};
	struct blocking b = {.type = TYPE_LIST, .keys = keys, .keys_count = second != NULL ? 2 : 1};

	return blocked_add(&table, &sessions[session], &b, true);
}

/* The queue of the key that changed first, as numbers of sessions; "-": none has. */
static void expect_ready(const char *queue)
{
	struct blocked_key *k = blocked_take_ready(&table);
	char text[64] = "-";
	size_t n = 0;

	for (const struct blocked_wait *w = k != NULL ? k->first : NULL; w != NULL; w = w->next) {
		text[n++] = (char)('0' + w->client->session->id);
	}
	text[k == NULL ? 1 : n] = 0;
	assert_string_equal(text, queue);
	if (k != NULL) {
		blocked_give_back(&table, k, false);
	}
}

static void queues_are_in_the_order_of_arrival(void **state)
{
	(void)state;
	assert_int_equal(block(0, "a", "b"), ST_OK);
	assert_int_equal(block(1, "b", "a"), ST_OK);
	assert_int_equal(block(2, "b", NULL), ST_OK);
	assert_int_equal(table.keys.count, 2);
	blocked_touched(&table, slice_str("b"));
	blocked_touched(&table, slice_str("other"));
	blocked_touched(&table, slice_str("a"));
	blocked_touched(&table, slice_str("b"));
	expect_ready("123");
	expect_ready("12");
	expect_ready("-");
	blocked_forget(&sessions[1]);
	blocked_forget(&sessions[1]);
	blocked_touched_all(&table);
	expect_ready("1");
	expect_ready("13");
	expect_ready("-");
}

static void a_key_named_twice_is_waited_for_once(void **state)
{
	(void)state;
	assert_int_equal(block(0, "a", "a"), ST_OK);
	assert_int_equal(block(1, "a", NULL), ST_OK);
	blocked_touched_all(&table);
	expect_ready("12");
	blocked_forget(&sessions[0]);
	blocked_touched_all(&table);
	expect_ready("2");
	blocked_forget(&sessions[1]);
	assert_int_equal(table.keys.count, 0);
	assert_int_equal(table.clients_count, 0);
}

static void a_key_outlives_its_clients_while_it_is_held(void **state)
{
	struct blocked_key *k;

	(void)state;
	assert_int_equal(block(0, "a", NULL), ST_OK);
	assert_int_equal(block(1, "b", NULL), ST_OK);
	blocked_touched_all(&table);
	blocked_forget(&sessions[0]); /* it is still on the list of those that changed */
	k = blocked_take_ready(&table);
	assert_true(slice_eq(blocked_key_name(k), slice_str("a")));
	assert_null(k->first);
	assert_int_equal(block(0, "a", NULL), ST_OK);
	assert_ptr_equal(k->first->key, k);
	/* Given back to be served again, it comes before the other. */
	blocked_give_back(&table, k, true);
	expect_ready("1");
	expect_ready("2");
	blocked_forget(&sessions[0]);
	blocked_forget(&sessions[1]);
	assert_int_equal(table.keys.count, 0);
}

static void the_cursor_moves_on_when_its_client_goes(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(block(i, "a", NULL), ST_OK);
	}
	table.cursor = &sessions[1].blocked->waits[0];
	blocked_forget(&sessions[1]);
	assert_ptr_equal(table.cursor, &sessions[2].blocked->waits[0]);
	blocked_forget(&sessions[2]);
	assert_null(table.cursor);
}

static void many_keys_are_found(void **state)
{
	char names[3000][16];
	struct slice keys[3000];
	struct blocking b = {.type = TYPE_LIST, .keys = keys, .keys_count = 3000};
	struct blocked_key *k;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(names[i], sizeof names[i], "k%d", i);
		keys[i] = slice_str(names[i]);
	}
	assert_int_equal(blocked_add(&table, &sessions[0], &b, true), ST_OK);
	for (int i = 0; i < 3000; i++) {
		blocked_touched(&table, keys[i]);
		k = blocked_take_ready(&table);
		assert_non_null(k);
		assert_true(slice_eq(blocked_key_name(k), keys[i]));
		blocked_give_back(&table, k, false);
	}
}

static void without_memory_nobody_waits(void **state)
{
	(void)state;
	for (int n = 0;; n++) {
		enum status st;

		mem_fail_nth(n);
		st = block(0, "a", "b");
		mem_fail_nth(-1);
		if (st == ST_OK) {
			assert_true(n >= 3);
			break;
		}
		assert_int_equal(st, ST_NO_MEMORY);
		assert_null(sessions[0].blocked);
		assert_int_equal(table.keys.count, 0);
		assert_int_equal(table.clients_count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(queues_are_in_the_order_of_arrival, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_key_named_twice_is_waited_for_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_key_outlives_its_clients_while_it_is_held, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(the_cursor_moves_on_when_its_client_goes, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(many_keys_are_found, setup, teardown),
	    cmocka_unit_test_setup_teardown(without_memory_nobody_waits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
