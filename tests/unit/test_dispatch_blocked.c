/* Blocked clients without a network: the host keeps their requests and runs them when asked to. */
#include "net/command/blocked.h"

#include "engine/base/alloc.h"
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PEERS = 4, WORDS_MAX = 16 };

/* A client with its request, as text. */
struct peer {
	struct session session;
	const char *request;
	enum dispatch_result result;
	struct buf out;
};

struct node {
	struct command_box box; /* first */
	struct command_host_ops ops;
	struct peer peers[PEERS];
	bool refuses; /* to run blocked clients */
	int runs;
};

static enum dispatch_result run(struct node *n, struct peer *p)
{
	struct slice argv[WORDS_MAX];
	size_t argc = 0;

	for (const char *at = p->request; *at != 0; at += *at == ' ') {
		size_t len = strcspn(at, " ");

		argv[argc++] = slice_of(at, len);
		at += len;
	}
	p->result = dispatch_request(n->box.dispatch, &p->session, argv, argc, &p->out,
				     n->box.engine.now_ms, true);
	return p->result;
}

static bool run_blocked(struct command_host *h, struct session *s)
{
	struct node *n = (struct node *)(void *)((char *)h - offsetof(struct command_box, host));

	if (n->refuses) {
		return false;
	}
	n->runs++;
	(void)run(n, (struct peer *)(void *)s);
	return true;
}

static void unblocked(struct command_host *h, struct session *s)
{
	struct node *n = (struct node *)(void *)((char *)h - offsetof(struct command_box, host));

	(void)run(n, (struct peer *)(void *)s);
}

static struct session *find_client(struct command_host *h, uint64_t id)
{
	struct node *n = (struct node *)(void *)((char *)h - offsetof(struct command_box, host));

	return id >= 10 && id < 10 + PEERS ? &n->peers[id - 10].session : NULL;
}

static int setup(void **state)
{
	struct node *n = calloc(1, sizeof *n);

	assert_non_null(n);
	command_box_open(&n->box, 3);
	n->ops = command_box_ops;
	n->ops.run_blocked = run_blocked;
	n->ops.unblocked = unblocked;
	n->ops.find_client = find_client;
	n->box.host.ops = &n->ops;
	for (int i = 0; i < PEERS; i++) {
		session_init(&n->peers[i].session, 10 + (uint64_t)i, n->box.engine.now_ms);
		n->peers[i].session.authenticated = true;
	}
	*state = n;
	return 0;
}

static int teardown(void **state)
{
	struct node *n = *state;

	for (int i = 0; i < PEERS; i++) {
		session_deinit(&n->peers[i].session);
		buf_deinit(&n->peers[i].out);
	}
	command_box_close(&n->box);
	free(n);
	return 0;
}

static void block(struct node *n, int peer, const char *request)
{
	n->peers[peer].request = request;
	n->peers[peer].out.len = 0;
	assert_int_equal(run(n, &n->peers[peer]), DISPATCH_BLOCKED);
	assert_int_equal(n->peers[peer].out.len, 0);
}

static void expect_reply(const struct node *n, int peer, const char *reply)
{
	assert_int_equal(n->peers[peer].result, DISPATCH_DONE);
	assert_true(slice_eq(buf_slice(&n->peers[peer].out), slice_str(reply)));
	assert_null(n->peers[peer].session.blocked);
	assert_false(n->peers[peer].session.wait.active);
}

static void who_came_first_is_served_first_and_the_rest_waits(void **state)
{
	struct node *n = *state;
	uint64_t gate;

	block(n, 0, "BLPOP a b 0");
	block(n, 1, "BRPOP b 0");
	block(n, 2, "BLPOP b 0");
	command_box_expect(&n->box, "RPUSH b 1 2", ":2\r\n");
	expect_reply(n, 0, "*2\r\n$1\r\nb\r\n$1\r\n1\r\n");
	expect_reply(n, 1, "*2\r\n$1\r\nb\r\n$1\r\n2\r\n");
	assert_int_equal(n->peers[2].result, DISPATCH_BLOCKED);
	assert_int_equal(n->runs, 2); /* for the third there was no reason */
	/* The reply waits for the record of the pop, which comes after that of the push. */
	gate = n->peers[1].session.gate_lsn;
	assert_true(gate > n->box.session.gate_lsn);
	command_box_expect(&n->box, "EXISTS b", ":0\r\n");
}

static void another_type_is_no_reason(void **state)
{
	struct node *n = *state;

	block(n, 0, "BLPOP a 0");
	command_box_expect(&n->box, "SET a x", "+OK\r\n");
	command_box_expect(&n->box, "DEL a", ":1\r\n");
	command_box_expect(&n->box, "HSET a f v", ":1\r\n");
	command_box_expect(&n->box, "DEL a", ":1\r\n");
	assert_int_equal(n->runs, 0);
	command_box_expect(&n->box, "LPUSH a v", ":1\r\n");
	expect_reply(n, 0, "*2\r\n$1\r\na\r\n$1\r\nv\r\n");
}

static void moves_serve_each_other(void **state)
{
	struct node *n = *state;

	block(n, 0, "BLMOVE a b LEFT RIGHT 0");
	block(n, 1, "BRPOPLPUSH b c 0");
	block(n, 2, "BLMPOP 0 2 x c LEFT COUNT 2");
	block(n, 3, "BLPOP a b c 0");
	command_box_expect(&n->box, "LPUSH a v", ":1\r\n");
	expect_reply(n, 0, "$1\r\nv\r\n");
	expect_reply(n, 1, "$1\r\nv\r\n");
	expect_reply(n, 2, "*2\r\n$1\r\nc\r\n*1\r\n$1\r\nv\r\n");
	assert_int_equal(n->peers[3].result, DISPATCH_BLOCKED);
}

static void who_can_not_run_keeps_the_order(void **state)
{
	struct node *n = *state;

	block(n, 0, "BLPOP a 0");
	block(n, 1, "BLPOP a 0");
	n->refuses = true;
	command_box_expect(&n->box, "RPUSH a 1 2", ":2\r\n");
	assert_true(dispatch_serve_blocked(n->box.dispatch, n->box.engine.now_ms));
	n->refuses = false;
	assert_false(dispatch_serve_blocked(n->box.dispatch, n->box.engine.now_ms));
	expect_reply(n, 0, "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
	expect_reply(n, 1, "*2\r\n$1\r\na\r\n$1\r\n2\r\n");
}

static void a_wait_ends_by_time_by_others_and_by_a_change_of_role(void **state)
{
	struct node *n = *state;

	block(n, 0, "BLPOP a 5");
	assert_true(n->peers[0].session.wait.deadline_ms > 0);
	assert_true(dispatch_unblock(n->box.dispatch, &n->peers[0].session, UNBLOCKED_TIMEOUT));
	expect_reply(n, 0, "*-1\r\n");
	assert_false(dispatch_unblock(n->box.dispatch, &n->peers[0].session, UNBLOCKED_TIMEOUT));
	block(n, 0, "BLMOVE a b LEFT LEFT 0");
	block(n, 1, "BLPOP a 0");
	command_box_expect(&n->box, "CLIENT UNBLOCK 10 ERROR", ":1\r\n");
	expect_reply(n, 0, "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
	command_box_expect(&n->box, "CLIENT UNBLOCK 11", ":1\r\n");
	expect_reply(n, 1, "*-1\r\n");
	command_box_expect(&n->box, "CLIENT UNBLOCK 10", ":0\r\n");
	command_box_expect(&n->box, "CLIENT UNBLOCK 77", ":0\r\n");
	command_box_expect(&n->box, "CLIENT UNBLOCK -1", ":0\r\n");
	block(n, 0, "BLPOP a 0");
	n->box.host.is_replica = true;
	dispatch_became_replica(n->box.dispatch);
	expect_reply(n, 0,
		     "-UNBLOCKED force unblock from blocking operation, instance state changed "
		     "(master -> replica?)\r\n");
	assert_true(n->peers[0].session.close_after_reply);
	assert_int_equal(n->runs, 0);
}

static void without_a_host_that_can_and_in_multi_nobody_waits(void **state)
{
	struct node *n = *state;

	command_box_expect(&n->box, "MULTI", "+OK\r\n");
	command_box_expect(&n->box, "BLPOP a 0", "+QUEUED\r\n");
	command_box_expect(&n->box, "BLMOVE a b LEFT LEFT 0", "+QUEUED\r\n");
	command_box_expect(&n->box, "EXEC", "*2\r\n*-1\r\n$-1\r\n");
	n->ops.run_blocked = NULL;
	n->peers[0].request = "BLPOP a 0";
	assert_int_equal(run(n, &n->peers[0]), DISPATCH_DONE);
	expect_reply(n, 0, "*-1\r\n");
}

static void timeouts_are_read_as_in_redis(void **state)
{
	static const struct box_case cases[] = {
	    {"BLPOP a x", "-ERR timeout is not a float or out of range\r\n"},
	    {"BLPOP a ''", "-ERR timeout is not a float or out of range\r\n"},
	    {"BLPOP a nan", "-ERR timeout is not a float or out of range\r\n"},
	    {"BLPOP a -1", "-ERR timeout is negative\r\n"},
	    {"BLPOP a -inf", "-ERR timeout is negative\r\n"},
	    {"BLPOP a 1e30", "-ERR timeout is out of range\r\n"},
	    {"BLPOP a inf", "-ERR timeout is out of range\r\n"},
	    {"BLPOP a 9223372036854775", "-ERR timeout is out of range\r\n"},
	    {"BLPOP a 1e-9", "*-1\r\n"},
	    {"BLPOP a -0.0001", "*-1\r\n"},
	};
	struct node *n = *state;

	COMMAND_BOX_CHECK(&n->box, cases);
	n->box.skip_us = 0;
	block(n, 0, "BLPOP a 0.0001");
	assert_true(n->peers[0].session.wait.deadline_ms > 0);
	block(n, 1, "BLPOP a -0.0001");
	assert_int_equal(n->peers[1].session.wait.deadline_ms, 0);
}

static void without_memory_the_client_is_told(void **state)
{
	struct node *n = *state;
	struct peer *p = &n->peers[0];
	int failed = 0;

	p->request = "BLPOP a b 0";
	for (int i = 0;; i++) {
		mem_fail_nth(i);
		p->out.len = 0;
		(void)run(n, p);
		mem_fail_nth(-1);
		if (p->result == DISPATCH_BLOCKED) {
			break;
		}
		failed++;
		assert_true(slice_has_prefix(buf_slice(&p->out), slice_str("-OOM ")));
		assert_null(p->session.blocked);
	}
	assert_true(failed >= 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(who_came_first_is_served_first_and_the_rest_waits),
	    TEST(another_type_is_no_reason),
	    TEST(moves_serve_each_other),
	    TEST(who_can_not_run_keeps_the_order),
	    TEST(a_wait_ends_by_time_by_others_and_by_a_change_of_role),
	    TEST(without_a_host_that_can_and_in_multi_nobody_waits),
	    TEST(timeouts_are_read_as_in_redis),
	    TEST(without_memory_the_client_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
