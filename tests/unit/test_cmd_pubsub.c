/* SUBSCRIBE, PUBLISH and their kin within one process: what goes to whom, in which order, and what
 * a cluster makes of it. The differential test compares their replies with redis-server's. */
#include "tests/support/cluster_box.h"

#include "cluster/slot_map.h"
#include "net/command/dispatch_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ONLY(name)                                                                                 \
	"-ERR Can't execute '" name                                                                \
	"': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "     \
	"context\r\n"

/* A second client of the box. */
static struct session other;

/* Lets the other client say something. */
static void other_says(struct command_box *b, const char *line, const char *reply)
{
	struct slice argv[8];
	size_t argc = 0;
	struct buf out = {0};

	for (const char *p = line; *p != 0; p += *p == ' ') {
		size_t n = strcspn(p, " ");

		argv[argc++] = slice_of(p, n);
		p += n;
	}
	assert_int_equal(
	    dispatch_request(b->dispatch, &other, argv, argc, &out, b->engine.now_ms, false),
	    DISPATCH_DONE);
	assert_int_equal(buf_append(&out, "", 1), ST_OK);
	assert_string_equal((const char *)out.data, reply);
	buf_deinit(&out);
}

static void expect_pushed(struct command_box *b, const char *want)
{
	assert_int_equal(buf_append(&b->pushed, "", 1), ST_OK);
	assert_string_equal((const char *)b->pushed.data, want);
	b->pushed.len = 0;
}

static int setup(void **state)
{
	int rc = cluster_box_setup(state);
	struct cluster_box *b = *state;

	session_init(&other, 2, b->command.engine.now_ms);
	other.authenticated = true;
	return rc;
}

static int teardown(void **state)
{
	session_deinit(&other);
	return cluster_box_teardown(state);
}

static void messages_go_to_who_listens(void **state)
{
	struct command_box *b = *state;

	b->host.cluster = NULL;
	other_says(b, "SUBSCRIBE news", "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
	command_box_expect(b, "PUBLISH sports x", ":0\r\n");
	command_box_expect(b, "PUBLISH news x", ":1\r\n");
	expect_pushed(b, "2@0 *3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\nx\r\n");
	other.proto = 3;
	other_says(b, "PSUBSCRIBE n*", ">3\r\n$10\r\npsubscribe\r\n$2\r\nn*\r\n:2\r\n");
	command_box_expect(b, "PUBLISH news y", ":2\r\n");
	expect_pushed(b, "2@0 >3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\ny\r\n"
			 "2@0 >4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$1\r\ny\r\n");
	/* A shard channel of the same name is another one. */
	command_box_expect(b, "SPUBLISH news y", ":0\r\n");
	other_says(b, "RESET", "+RESET\r\n");
	command_box_expect(b, "PUBLISH news z", ":0\r\n");
	assert_int_equal(b->pushed.len, 0);
}

static void a_listener_of_resp2_does_little_else(void **state)
{
	struct command_box *b = *state;
	static const struct box_case cases[] = {
	    {"SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"},
	    {"GET {b}", ONLY("get")},
	    {"CLIENT LIST", ONLY("client|list")},
	    {"PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n"},
	    {"PING x", "*2\r\n$4\r\npong\r\n$1\r\nx\r\n"},
	    {"GET", "-ERR wrong number of arguments for 'get' command\r\n"},
	    {"UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n"},
	    {"PING", "+PONG\r\n"},
	    {"SSUBSCRIBE {b}a", "*3\r\n$10\r\nssubscribe\r\n$4\r\n{b}a\r\n:1\r\n"},
	    {"GET a", "-MOVED 15495 10.0.0.2:7001\r\n"},
	    {"GET hello", ONLY("get")},
	    {"SUNSUBSCRIBE", "*3\r\n$12\r\nsunsubscribe\r\n$4\r\n{b}a\r\n:0\r\n"},
	    {"GET hello", "$-1\r\n"},
	    {"MULTI", "+OK\r\n"},
	    {"SSUBSCRIBE hello", "+QUEUED\r\n"},
	    {"EXEC", "*1\r\n-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n"},
	};

	COMMAND_BOX_CHECK(b, cases);
}

/* What a client hears of itself comes behind its reply, also behind EXEC's. */
static void own_messages_come_behind_the_reply(void **state)
{
	struct command_box *b = *state;
	static const struct box_case cases[] = {
	    {"SUBSCRIBE a", ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"},
	    {"PUBLISH a x", ":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"},
	    {"MULTI", "+OK\r\n"},
	    {"PUBLISH a 1", "+QUEUED\r\n"},
	    {"PING", "+QUEUED\r\n"},
	    {"EXEC", "*2\r\n:1\r\n+PONG\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n"},
	    /* Messages are no replies: CLIENT REPLY does not silence them. */
	    {"CLIENT REPLY OFF", ""},
	    {"PUBLISH a x", ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n"},
	    {"SUBSCRIBE b", ">3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"},
	    {"UNSUBSCRIBE b", ">3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n"},
	    {"CLIENT REPLY ON", "+OK\r\n"},
	};

	b->session.proto = 3;
	COMMAND_BOX_CHECK(b, cases);
}

/* A message leaves with what its publisher wrote before it, not earlier. */
static void messages_wait_for_their_publisher_s_writes(void **state)
{
	struct command_box *b = *state;
	char want[128];

	b->host.cluster = NULL;
	other_says(b, "SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
	command_box_expect(b, "SET k v", "+OK\r\n");
	assert_true(b->session.gate_lsn > 0);
	command_box_expect(b, "PUBLISH a x", ":1\r\n");
	(void)snprintf(want, sizeof want, "2@%llu *3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n",
		       (unsigned long long)b->session.gate_lsn);
	expect_pushed(b, want);
}

static void a_cluster_spreads_messages(void **state)
{
	struct cluster_box *box = *state;
	struct command_box *b = *state;

	other_says(b, "SUBSCRIBE foo", "*3\r\n$9\r\nsubscribe\r\n$3\r\nfoo\r\n:1\r\n");
	command_box_expect(b, "PUBLISH foo x", ":1\r\n"); /* in no slot */
	command_box_expect(b, "PUBLISH bar x", ":0\r\n");
	command_box_expect(b, "SPUBLISH hello y", ":0\r\n");
	command_box_expect(b, "SPUBLISH foo y", "-MOVED 12182 10.0.0.2:7001\r\n");
	command_box_expect(b, "SSUBSCRIBE hello foo",
			   "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
	assert_int_equal(buf_append(&box->published, "", 1), ST_OK);
	assert_string_equal((const char *)box->published.data, "foo x\nbar x\nhello y\n");
	assert_int_equal(box->published_sharded, 1);
	b->pushed.len = 0;
	/* From another node: to those here, and not on. */
	dispatch_publish(b->dispatch, slice_str("foo"), slice_str("z"), false);
	expect_pushed(b, "2@0 *3\r\n$7\r\nmessage\r\n$3\r\nfoo\r\n$1\r\nz\r\n");
	dispatch_publish(b->dispatch, slice_str("foo"), slice_str("z"), true);
	assert_int_equal(b->pushed.len, 0);
	assert_string_equal((const char *)box->published.data, "foo x\nbar x\nhello y\n");
}

static void a_lost_slot_lets_its_listeners_go(void **state)
{
	struct cluster_box *box = *state;
	struct command_box *b = *state;

	other_says(b, "SSUBSCRIBE hello", "*3\r\n$10\r\nssubscribe\r\n$5\r\nhello\r\n:1\r\n");
	other_says(b, "SSUBSCRIBE {b}", "*3\r\n$10\r\nssubscribe\r\n$3\r\n{b}\r\n:2\r\n");
	command_box_expect(b, "CLUSTER SETSLOT 866 MIGRATING " BOX_OTHER, "+OK\r\n");
	dispatch_routes_changed(b->dispatch);
	command_box_expect(b, "SPUBLISH hello x", ":1\r\n"); /* until the slot is another's */
	b->pushed.len = 0;
	box->cluster->health.ok = false;
	dispatch_routes_changed(b->dispatch);
	assert_int_equal(b->pushed.len, 0);
	cluster_box_heal(box);
	slot_bind(box->cluster, 866, &box->cluster->nodes[1]);
	dispatch_routes_changed(b->dispatch);
	expect_pushed(b, "2@0 *3\r\n$12\r\nsunsubscribe\r\n$5\r\nhello\r\n:1\r\n");
	slot_unbind(box->cluster, 3300);
	dispatch_routes_changed(b->dispatch);
	expect_pushed(b, "2@0 *3\r\n$12\r\nsunsubscribe\r\n$3\r\n{b}\r\n:0\r\n");
	assert_false(session_listens(&other));
}

/* Every way that memory may run out: an error, or all is told. */
static void without_memory_it_says_so(void **state)
{
	struct command_box *b = *state;

	b->host.cluster = NULL;
	other_says(b, "SUBSCRIBE a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
	command_box_walk_memory(b, "PUBLISH a x", "PUBSUB NUMSUB a");
}

#define BOX_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BOX_TEST(messages_go_to_who_listens),
	    BOX_TEST(a_listener_of_resp2_does_little_else),
	    BOX_TEST(own_messages_come_behind_the_reply),
	    BOX_TEST(messages_wait_for_their_publisher_s_writes),
	    BOX_TEST(a_cluster_spreads_messages),
	    BOX_TEST(a_lost_slot_lets_its_listeners_go),
	    BOX_TEST(without_memory_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
