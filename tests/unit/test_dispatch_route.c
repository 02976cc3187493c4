/* Redirection as a client sees it: which commands are asked where their keys are, what MULTI and
 * EXEC make of it, ASKING and READONLY. The decisions themselves: test_route.c. */
#include "tests/support/cluster_box.h"

#include "cluster/slot_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define QUEUED "+QUEUED\r\n"
#define MOVED  "-MOVED 12182 10.0.0.2:7001\r\n" /* foo */
#define CROSS  "-CROSSSLOT Keys in request don't hash to the same slot\r\n"
#define TRY    "-TRYAGAIN Multiple keys request during rehashing of slot\r\n"
#define ASK    "-ASK 866 10.0.0.2:7001\r\n" /* hello */
#define ABORT  "-EXECABORT Transaction discarded because of previous errors.\r\n"

static void keys_decide(void **state)
{
	struct cluster_box *b = *state;
	static const struct box_case cases[] = {
	    {"SET hello 1", "+OK\r\n"},
	    {"GET foo", MOVED},
	    {"SET foo 1", MOVED},
	    {"GET hello", "$1\r\n1\r\n"},
	    {"PING", "+PONG\r\n"},
	    {"DBSIZE", ":1\r\n"},
	    {"KEYS *", "*1\r\n$5\r\nhello\r\n"},
	    {"RANDOMKEY", "$5\r\nhello\r\n"},
	    /* several keys: side by side, every second one, counted, in a subcommand */
	    {"MGET hello foo", CROSS},
	    {"MGET {hello}1 {hello}2", "*2\r\n$-1\r\n$-1\r\n"},
	    {"MGET {foo}1 {foo}2", MOVED},
	    {"MSET {hello}1 foo {hello}2 bar", "+OK\r\n"},
	    {"MSET {hello}1 foo foo bar", CROSS},
	    {"DEL {hello}1 {hello}2", ":2\r\n"},
	    {"RENAME hello foo", CROSS},
	    {"LMPOP 2 {hello}1 {hello}2 LEFT", "*-1\r\n"},
	    {"LMPOP 2 hello foo LEFT", CROSS},
	    {"LMPOP 1 foo LEFT", MOVED},
	    {"LMPOP 0 foo LEFT", "-ERR numkeys should be greater than 0\r\n"},
	    {"OBJECT ENCODING foo", MOVED},
	    {"MEMORY USAGE foo", MOVED},
	    {"WATCH foo", MOVED},
	    {"BITOP AND {hello}d {hello}1 foo", CROSS},
	    /* databases */
	    {"SELECT 0", "+OK\r\n"},
	    {"SELECT 1", "-ERR SELECT is not allowed in cluster mode\r\n"},
	    {"SWAPDB 0 1", "-ERR SWAPDB is not allowed in cluster mode\r\n"},
	    {"MOVE foo 1", MOVED},
	    {"MOVE hello 1", "-ERR MOVE is not allowed in cluster mode\r\n"},
	    {"COPY hello {hello}2 DB 1",
	     "-ERR Copying to another database is not allowed in cluster mode\r\n"},
	    {"COPY hello {hello}2 DB 99", "-ERR DB index is out of range\r\n"},
	    {"FLUSHALL", "+OK\r\n"},
	};

	COMMAND_BOX_CHECK(&b->command, cases);
}

/* Arity, authentication and unknown commands come first. */
static void other_errors_come_first(void **state)
{
	struct cluster_box *b = *state;

	command_box_expect(&b->command, "GET foo bar",
			   "-ERR wrong number of arguments for 'get' command\r\n");
	assert_int_equal(dispatch_set_password(b->command.dispatch, "secret"), ST_OK);
	b->command.session.authenticated = false;
	command_box_expect(&b->command, "GET foo", "-NOAUTH Authentication required.\r\n");
	b->command.session.authenticated = true;
	command_box_expect(&b->command, "GET foo", MOVED);
}

static void a_redirected_command_fails_its_transaction(void **state)
{
	struct cluster_box *b = *state;
	static const struct box_case cases[] = {
	    {"MULTI", "+OK\r\n"},
	    {"SET hello 1", QUEUED},
	    {"GET foo", MOVED},
	    {"SET hello 2", QUEUED},
	    {"EXEC", ABORT},
	    {"GET hello", "$-1\r\n"},
	    /* Each is served here, but not all together. */
	    {"MULTI", "+OK\r\n"},
	    {"SET hello 1", QUEUED},
	    {"SET {b}x 1", QUEUED},
	    {"EXEC", CROSS},
	    {"GET hello", "$-1\r\n"},
	    {"EXEC", "-ERR EXEC without MULTI\r\n"},
	    {"MULTI", "+OK\r\n"},
	    {"PING", QUEUED},
	    {"EXEC", "*1\r\n+PONG\r\n"},
	    {"MULTI", "+OK\r\n"},
	    {"MSET {hello}1 1 {hello}2 2", QUEUED},
	    {"LMPOP 1 {hello}3 LEFT", QUEUED},
	    {"EXEC", "*2\r\n+OK\r\n*-1\r\n"},
	};

	COMMAND_BOX_CHECK(&b->command, cases);
	/* The slot leaves between the queueing and EXEC. */
	command_box_expect(&b->command, "MULTI", "+OK\r\n");
	command_box_expect(&b->command, "SET hello 1", QUEUED);
	slot_bind(b->cluster, 866, &b->cluster->nodes[1]);
	command_box_expect(&b->command, "EXEC", "-MOVED 866 10.0.0.2:7001\r\n");
	command_box_expect(&b->command, "EXEC", "-ERR EXEC without MULTI\r\n");
	assert_false(b->command.session.multi_failed);
}

static void a_migrating_slot_looks_at_keys(void **state)
{
	struct cluster_box *b = *state;
	static const struct box_case cases[] = {
	    {"SET hello 1", "+OK\r\n"},
	    {"SET {hello}old 1 PX 1", "+OK\r\n"},
	    {"CLUSTER SETSLOT 866 MIGRATING " BOX_OTHER, "+OK\r\n"},
	    {"GET hello", "$1\r\n1\r\n"},
	    {"SET hello 2", "+OK\r\n"},
	    {"GET {hello}2", ASK},
	    {"SET {hello}2 1", ASK},
	    {"MGET hello {hello}2", TRY},
	    {"MGET {hello}3 {hello}2", ASK},
	    {"MULTI", "+OK\r\n"},
	    {"SET {hello}2 1", ASK},
	    {"EXEC", ABORT},
	};

	COMMAND_BOX_CHECK(&b->command, cases);
	b->command.engine.now_ms += 10;
	command_box_expect(&b->command, "GET {hello}old", ASK); /* expired is missing */
	/* What a client is told of keys waits until what it tells of is durable. */
	assert_true(b->command.session.gate_lsn > 0);
}

static void an_importing_slot_wants_asking(void **state)
{
	struct cluster_box *b = *state;
	static const struct box_case cases[] = {
	    {"CLUSTER SETSLOT 12182 IMPORTING " BOX_OTHER, "+OK\r\n"},
	    {"SET foo 1", MOVED},
	    {"ASKING", "+OK\r\n"},
	    {"SET foo 1", "+OK\r\n"},
	    {"GET foo", MOVED},
	    /* Once, for whatever comes next. */
	    {"ASKING", "+OK\r\n"},
	    {"PING", "+PONG\r\n"},
	    {"GET foo", MOVED},
	    {"ASKING", "+OK\r\n"},
	    {"NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"},
	    {"GET foo", MOVED},
	    {"ASKING", "+OK\r\n"},
	    {"MGET foo {foo}2", TRY},
	    {"ASKING", "+OK\r\n"},
	    {"MGET foo foo", "*2\r\n$1\r\n1\r\n$1\r\n1\r\n"},
	    /* A whole transaction. */
	    {"ASKING", "+OK\r\n"},
	    {"MULTI", "+OK\r\n"},
	    {"INCR foo", QUEUED},
	    {"INCR foo", QUEUED},
	    {"EXEC", "*2\r\n:2\r\n:3\r\n"},
	    {"GET foo", MOVED},
	    {"ASKING", "+OK\r\n"},
	    {"RESET", "+RESET\r\n"},
	    {"GET foo", MOVED},
	};

	COMMAND_BOX_CHECK(&b->command, cases);
}

static void a_replica_reads_for_those_who_say_so(void **state)
{
	static const char conf[] =
	    BOX_ME " 10.0.0.1:7000@17000 myself,slave " BOX_OTHER " 0 0 0 connected\n" BOX_OTHER
		   " 10.0.0.2:7001@17001 master - 0 0 2 connected 0-16383\n"
		   "vars currentEpoch 2 lastVoteEpoch 0\n";
	static const struct box_case cases[] = {
	    {"GET foo", MOVED},
	    {"READONLY", "+OK\r\n"},
	    {"GET foo", "$-1\r\n"},
	    {"SET foo 1", MOVED},
	    {"MULTI", "+OK\r\n"},
	    {"GET foo", QUEUED},
	    {"EXEC", "*1\r\n$-1\r\n"},
	    {"FLUSHALL", "-READONLY You can't write against a read only replica.\r\n"},
	    {"READWRITE", "+OK\r\n"},
	    {"GET foo", MOVED},
	    {"READONLY", "+OK\r\n"},
	    {"RESET", "+RESET\r\n"},
	    {"GET foo", MOVED},
	    {"CLUSTER SETSLOT 1 STABLE", "-ERR Please use SETSLOT only with masters.\r\n"},
	};
	struct cluster_box b;

	(void)state;
	cluster_box_open(&b, conf);
	b.command.host.is_replica = true;
	COMMAND_BOX_CHECK(&b.command, cases);
	cluster_box_close(&b);
}

static void a_cluster_that_is_down_says_so(void **state)
{
	struct cluster_box *b = *state;

	command_box_expect(&b->command, "GET {b}", "$-1\r\n");
	slot_unbind(b->cluster, 866);
	command_box_expect(&b->command, "GET hello", "-CLUSTERDOWN Hash slot not served\r\n");
	b->cluster->health.ok = false;
	command_box_expect(&b->command, "GET {b}", "-CLUSTERDOWN The cluster is down\r\n");
	command_box_expect(&b->command, "PING", "+PONG\r\n");
	b->settings.allow_reads_when_down = true;
	cluster_box_set(b);
	b->cluster->health.ok = false;
	command_box_expect(&b->command, "GET {b}", "$-1\r\n");
	command_box_expect(&b->command, "SET {b} 1",
			   "-CLUSTERDOWN The cluster is down and only accepts read commands\r\n");
	cluster_box_heal(b);
	command_box_expect(&b->command, "SET {b} 1", "+OK\r\n");
	/* No step for a while: another node may have been elected meanwhile. */
	b->command.skip_us += 60000000;
	command_box_expect(&b->command, "SET {b} 1",
			   "-CLUSTERDOWN The cluster is down and only accepts read commands\r\n");
	command_box_expect(&b->command, "GET {b}", "$1\r\n1\r\n");
}

/* As many keys as fill the list several times, and no memory for it. */
static void many_keys_are_looked_at(void **state)
{
	enum { KEYS = 5000 };
	struct cluster_box *b = *state;
	struct slice *argv = calloc(2 * KEYS + 1, sizeof *argv);

	assert_non_null(argv);
	argv[0] = slice_str("MSET");
	for (int i = 0; i < KEYS; i++) {
		argv[1 + 2 * i] = slice_str("{hello}x");
		argv[2 + 2 * i] = slice_str("v");
	}
	assert_true(
	    slice_eq(command_box_run(&b->command, argv, 2 * KEYS + 1), slice_str("+OK\r\n")));
	argv[2 * KEYS - 1] = slice_str("foo");
	assert_true(slice_eq(command_box_run(&b->command, argv, 2 * KEYS + 1), slice_str(CROSS)));
	free(argv);
	command_box_walk_memory(&b->command, "MSET {hello}y 1 {hello}z 2", "EXISTS {hello}y");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CLUSTER_BOX_TEST(keys_decide),
	    CLUSTER_BOX_TEST(other_errors_come_first),
	    CLUSTER_BOX_TEST(a_redirected_command_fails_its_transaction),
	    CLUSTER_BOX_TEST(a_migrating_slot_looks_at_keys),
	    CLUSTER_BOX_TEST(an_importing_slot_wants_asking),
	    cmocka_unit_test(a_replica_reads_for_those_who_say_so),
	    CLUSTER_BOX_TEST(a_cluster_that_is_down_says_so),
	    CLUSTER_BOX_TEST(many_keys_are_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
