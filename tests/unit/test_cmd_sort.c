/* SORT and SORT_RO: orders, patterns, parts, stored results; arguments and failing memory; what a
 * cluster refuses. */
#include "tests/support/cluster_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct box_case orders[] = {
    {"RPUSH l 3 10 -1 2.5", ":4\r\n"},
    {"SORT l", "*4\r\n$2\r\n-1\r\n$3\r\n2.5\r\n$1\r\n3\r\n$2\r\n10\r\n"},
    {"SORT_RO l DESC LIMIT 1 2", "*2\r\n$1\r\n3\r\n$3\r\n2.5\r\n"},
    {"SORT l ALPHA", "*4\r\n$2\r\n-1\r\n$2\r\n10\r\n$3\r\n2.5\r\n$1\r\n3\r\n"},
    {"SORT l BY nosort LIMIT 1 2", "*2\r\n$2\r\n10\r\n$2\r\n-1\r\n"},
    {"SORT l BY nosort DESC LIMIT 0 2", "*2\r\n$3\r\n2.5\r\n$2\r\n-1\r\n"},
    {"SORT l LIMIT 3 5", "*1\r\n$2\r\n10\r\n"},
    {"SORT l LIMIT -9 1", "*1\r\n$2\r\n-1\r\n"},
    {"SORT l LIMIT 4 -1", "*0\r\n"},
    {"SORT l LIMIT 0 0", "*0\r\n"},
    {"SORT nothing", "*0\r\n"},
    {"SADD s 2 1 x", ":3\r\n"},
    {"SORT s", "-ERR One or more scores can't be converted into double\r\n"},
    {"SORT s DESC ALPHA", "*3\r\n$1\r\nx\r\n$1\r\n2\r\n$1\r\n1\r\n"},
    {"ZADD z 1 b 2 a 3 c", ":3\r\n"},
    {"SORT z BY nosort DESC LIMIT 0 2", "*2\r\n$1\r\nc\r\n$1\r\na\r\n"},
    {"SORT z ALPHA", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"},
    {"RPUSH far 1e999", ":1\r\n"},
    {"SORT far", "-ERR One or more scores can't be converted into double\r\n"},
    {"RPUSH none nan", ":1\r\n"},
    {"SORT none", "-ERR One or more scores can't be converted into double\r\n"},
};

static const struct box_case patterns[] = {
    {"RPUSH l a b c", ":3\r\n"},
    {"MSET w_a 3 w_b 1 w_c 2", "+OK\r\n"},
    {"HSET h_a f x->y x->y 2", ":2\r\n"},
    {"SORT l BY w_*", "*3\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\na\r\n"},
    {"SORT l BY w_* DESC GET #", "*3\r\n$1\r\na\r\n$1\r\nc\r\n$1\r\nb\r\n"},
    {"SORT l BY nothing_* ALPHA", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"},
    {"SORT l BY h_*->x->y ALPHA", "*3\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\na\r\n"},
    {"SORT l BY w_* GET w_* GET h_*->f LIMIT 1 2",
     "*4\r\n$1\r\n2\r\n$-1\r\n$1\r\n3\r\n$4\r\nx->y\r\n"},
    {"SORT l ALPHA GET const GET h_*", "*6\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"},
};

static const struct box_case stored[] = {
    {"RPUSH l 2 1", ":2\r\n"},
    {"SET w_1 x", "+OK\r\n"},
    {"SORT l STORE l", ":2\r\n"},
    {"LRANGE l 0 -1", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"},
    {"SET to v EX 100", "+OK\r\n"},
    {"SORT l GET w_* GET # STORE to", ":4\r\n"},
    {"LRANGE to 0 -1", "*4\r\n$1\r\nx\r\n$1\r\n1\r\n$0\r\n\r\n$1\r\n2\r\n"},
    {"TTL to", ":-1\r\n"},
    {"SORT nothing STORE to", ":0\r\n"},
    {"EXISTS to", ":0\r\n"},
    {"SADD s 2 10 1", ":3\r\n"},
    {"SORT s BY nosort STORE to", ":3\r\n"},
    {"LRANGE to 0 -1", "*3\r\n$1\r\n1\r\n$2\r\n10\r\n$1\r\n2\r\n"},
    {"EVAL return{redis.call('SORT','s','BY','nosort','DESC')} 1 s",
     "*1\r\n*3\r\n$1\r\n2\r\n$2\r\n10\r\n$1\r\n1\r\n"},
};

static const struct box_case refused[] = {
    {"SET k v", "+OK\r\n"},
    {"SORT k", WRONG_TYPE},
    {"SORT", "-ERR wrong number of arguments for 'sort' command\r\n"},
    {"SORT l x", "-ERR syntax error\r\n"},
    {"SORT l BY", "-ERR syntax error\r\n"},
    {"SORT l LIMIT 1", "-ERR syntax error\r\n"},
    {"SORT l LIMIT a 1", "-ERR value is not an integer or out of range\r\n"},
    {"SORT_RO l STORE m", "-ERR syntax error\r\n"},
    {"COMMAND GETKEYS SORT a BY STORE STORE b STORE c", "*2\r\n$1\r\na\r\n$1\r\nc\r\n"},
};

static void elements_come_in_order(void **state)
{
	COMMAND_BOX_CHECK(*state, orders);
}

static void patterns_give_weights_and_replies(void **state)
{
	COMMAND_BOX_CHECK(*state, patterns);
}

static void results_take_the_place_of_a_key(void **state)
{
	COMMAND_BOX_CHECK(*state, stored);
}

static void bad_requests_are_refused(void **state)
{
	COMMAND_BOX_CHECK(*state, refused);
}

/* Elements with equal weights keep their places, up and down. */
static void equal_weights_keep_their_order(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "RPUSH l c a b", ":3\r\n");
	command_box_expect(b, "MSET w_a x w_b x w_c x", "+OK\r\n");
	command_box_expect(b, "SORT l BY w_* ALPHA", "*3\r\n$1\r\nc\r\n$1\r\na\r\n$1\r\nb\r\n");
	command_box_expect(b, "SORT l BY w_* ALPHA DESC",
			   "*3\r\n$1\r\nc\r\n$1\r\na\r\n$1\r\nb\r\n");
}

static void a_lack_of_memory_is_told(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "RPUSH l c a b", ":3\r\n");
	command_box_expect(b, "MSET w_a x w_b x w_c x", "+OK\r\n");
	command_box_walk_memory(b, "SORT l BY w_* ALPHA GET w_* GET # STORE to", "LRANGE to 0 -1");
}

/* Names that depend on elements may belong to any node. */
static void a_cluster_allows_no_patterns(void **state)
{
	struct cluster_box *b = *state;
	static const struct box_case cases[] = {
	    {"RPUSH {hello}l b a", ":2\r\n"},
	    {"SORT {hello}l BY w_*", "-ERR BY option of SORT denied in cluster mode.\r\n"},
	    {"SORT {hello}l GET #", "-ERR GET option of SORT denied in cluster mode.\r\n"},
	    {"SORT {hello}l BY nosort", "*2\r\n$1\r\nb\r\n$1\r\na\r\n"},
	    {"SORT {hello}l ALPHA STORE {hello}m", ":2\r\n"},
	    {"SORT {hello}l ALPHA STORE foo",
	     "-CROSSSLOT Keys in request don't hash to the same slot\r\n"},
	    {"SORT foo", "-MOVED 12182 10.0.0.2:7001\r\n"},
	};

	COMMAND_BOX_CHECK(&b->command, cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(elements_come_in_order),
	    COMMAND_BOX_TEST(patterns_give_weights_and_replies),
	    COMMAND_BOX_TEST(results_take_the_place_of_a_key),
	    COMMAND_BOX_TEST(bad_requests_are_refused),
	    COMMAND_BOX_TEST(equal_weights_keep_their_order),
	    COMMAND_BOX_TEST(a_lack_of_memory_is_told),
	    CLUSTER_BOX_TEST(a_cluster_allows_no_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
