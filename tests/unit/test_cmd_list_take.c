/* Pops and moves of lists through dispatch: replies, both forms, failing memory. */
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct box_case replies[] = {
    {"RPUSH l a b c d e f", ":6\r\n"},
    {"LPOP l", "$1\r\na\r\n"},
    {"RPOP l", "$1\r\nf\r\n"},
    {"LPOP l 2", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"},
    {"RPOP l 0", "*0\r\n"},
    {"RPOP l 5", "*2\r\n$1\r\ne\r\n$1\r\nd\r\n"},
    {"EXISTS l", ":0\r\n"},
    {"LPOP l", "$-1\r\n"},
    {"LPOP l 0", "*-1\r\n"},
    {"LPOP l 1", "*-1\r\n"},
    {"RPUSH l a b c", ":3\r\n"},
    {"LPOP l -1", "-ERR value is out of range, must be positive\r\n"},
    {"LPOP l x", "-ERR value is out of range, must be positive\r\n"},
    {"LPOP l 1.5", "-ERR value is out of range, must be positive\r\n"},
    {"LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command\r\n"},
    {"LPOP l x y", "-ERR wrong number of arguments for 'lpop' command\r\n"},
    {"RPOPLPUSH l m", "$1\r\nc\r\n"},
    {"RPOPLPUSH l l", "$1\r\nb\r\n"},
    {"LRANGE l 0 -1", "*2\r\n$1\r\nb\r\n$1\r\na\r\n"},
    {"LRANGE m 0 -1", "*1\r\n$1\r\nc\r\n"},
    {"RPOPLPUSH nothing m", "$-1\r\n"},
    {"LMOVE l m LEFT RIGHT", "$1\r\nb\r\n"},
    {"LMOVE l m right left", "$1\r\na\r\n"},
    {"EXISTS l", ":0\r\n"},
    {"LRANGE m 0 -1", "*3\r\n$1\r\na\r\n$1\r\nc\r\n$1\r\nb\r\n"},
    {"LMOVE m m LEFT RIGHT", "$1\r\na\r\n"},
    {"LMOVE m m LEFT LEFT", "$1\r\nc\r\n"},
    {"LRANGE m 0 -1", "*3\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n"},
    {"LMOVE nothing m LEFT LEFT", "$-1\r\n"},
    {"LMOVE m m x LEFT", "-ERR syntax error\r\n"},
    {"LMOVE m m LEFT x", "-ERR syntax error\r\n"},
    {"LMOVE m m LEFT", "-ERR wrong number of arguments for 'lmove' command\r\n"},
    {"SET s v", "+OK\r\n"},
    {"LMOVE m s LEFT LEFT", WRONG_TYPE},
    {"LMOVE s m LEFT LEFT", WRONG_TYPE},
    {"LMOVE nothing s LEFT LEFT", "$-1\r\n"},
    {"RPOPLPUSH m s", WRONG_TYPE},
    {"RPOPLPUSH s m", WRONG_TYPE},
    {"LRANGE m 0 -1", "*3\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n"},
    {"LPOP s", WRONG_TYPE},
    {"RPOP s 1", WRONG_TYPE},
    {"LPOP s x", "-ERR value is out of range, must be positive\r\n"},
    {"LMPOP 1 m LEFT", "*2\r\n$1\r\nm\r\n*1\r\n$1\r\nc\r\n"},
    {"LMPOP 2 nothing m RIGHT COUNT 10", "*2\r\n$1\r\nm\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
    {"EXISTS m", ":0\r\n"},
    {"LMPOP 1 m LEFT", "*-1\r\n"},
    {"LMPOP 2 nothing nothing2 LEFT COUNT 2", "*-1\r\n"},
    {"RPUSH m 1 2 3", ":3\r\n"},
    {"LMPOP 2 m s LEFT", "*2\r\n$1\r\nm\r\n*1\r\n$1\r\n1\r\n"},
    {"LMPOP 2 s m LEFT", WRONG_TYPE},
    {"LMPOP 2 nothing s LEFT", WRONG_TYPE},
    {"LMPOP 0 m LEFT", "-ERR numkeys should be greater than 0\r\n"},
    {"LMPOP -1 m LEFT", "-ERR numkeys should be greater than 0\r\n"},
    {"LMPOP x m LEFT", "-ERR numkeys should be greater than 0\r\n"},
    {"LMPOP 2 m LEFT", "-ERR syntax error\r\n"},
    {"LMPOP 3 m LEFT", "-ERR syntax error\r\n"},
    {"LMPOP 1 m x", "-ERR syntax error\r\n"},
    {"LMPOP 1 m LEFT COUNT", "-ERR syntax error\r\n"},
    {"LMPOP 1 m LEFT COUNT 0", "-ERR count should be greater than 0\r\n"},
    {"LMPOP 1 m LEFT COUNT -1", "-ERR count should be greater than 0\r\n"},
    {"LMPOP 1 m LEFT COUNT x", "-ERR count should be greater than 0\r\n"},
    {"LMPOP 1 m LEFT COUNT 1 COUNT 1", "-ERR syntax error\r\n"},
    {"LMPOP 1 m LEFT x 1", "-ERR syntax error\r\n"},
    {"LMPOP 1 m", "-ERR wrong number of arguments for 'lmpop' command\r\n"},
    {"LRANGE m 0 -1", "*2\r\n$1\r\n2\r\n$1\r\n3\r\n"},
    {"EXPIRE m 100", ":1\r\n"},
    {"LPOP m", "$1\r\n2\r\n"},
    {"TTL m", ":100\r\n"},
    {"RPOPLPUSH m n", "$1\r\n3\r\n"},
    {"TTL n", ":-1\r\n"},
};

static const struct box_case resp3[] = {
    {"RPUSH l a b", ":2\r\n"},
    {"LPOP nothing", "_\r\n"},
    {"LPOP nothing 1", "_\r\n"},
    {"LMPOP 1 nothing LEFT", "_\r\n"},
    {"LMOVE nothing l LEFT LEFT", "_\r\n"},
    {"LPOP l 9", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"},
    {"RPUSH l a", ":1\r\n"},
    {"LMPOP 1 l LEFT", "*2\r\n$1\r\nl\r\n*1\r\n$1\r\na\r\n"},
};

static void replies_are_those_of_redis(void **state)
{
	COMMAND_BOX_CHECK(*state, replies);
}

static void nothing_is_a_null_of_its_own_in_resp3(void **state)
{
	struct command_box *b = *state;

	b->session.proto = 3;
	COMMAND_BOX_CHECK(b, resp3);
}

/* e0 ... e<count - 1> in the list named key. */
static void fill(struct command_box *b, const char *key, int count)
{
	char line[64], reply[32];

	for (int i = 0; i < count; i++) {
		(void)snprintf(line, sizeof line, "RPUSH %s e%d", key, i);
		(void)snprintf(reply, sizeof reply, ":%d\r\n", i + 1);
		command_box_expect(b, line, reply);
	}
}

static void a_long_list_is_taken_from_both_ends(void **state)
{
	struct command_box *b = *state;
	char reply[32];
	int head = 0, tail = 399;

	fill(b, "l", 400);
	engine_box_checkpoint(&b->engine);
	while (head + 9 < tail) {
		(void)snprintf(reply, sizeof reply, "$%d\r\ne%d\r\n",
			       head < 10    ? 2
			       : head < 100 ? 3
					    : 4,
			       head);
		command_box_expect(b, "LPOP l", reply);
		head++;
		(void)snprintf(reply, sizeof reply, "$%d\r\ne%d\r\n", tail < 100 ? 3 : 4, tail);
		command_box_expect(b, "RPOP l", reply);
		tail--;
		if (head == 100) {
			engine_box_checkpoint(&b->engine);
		}
	}
	command_box_expect(b, "LPOP l 2", "*2\r\n$4\r\ne195\r\n$4\r\ne196\r\n");
	command_box_expect(b, "RPOP l 2", "*2\r\n$4\r\ne204\r\n$4\r\ne203\r\n");
	command_box_expect(b, "LLEN l", ":6\r\n");
	command_box_expect(b, "LMPOP 1 l RIGHT COUNT 100",
			   "*2\r\n$1\r\nl\r\n*6\r\n$4\r\ne202\r\n$4\r\ne201\r\n$4\r\ne200\r\n$4\r\n"
			   "e199\r\n$4\r\ne198\r\n$4\r\ne197\r\n");
	command_box_expect(b, "DBSIZE", ":0\r\n");
}

static void elements_move_between_lists_of_either_form(void **state)
{
	static const struct box_case cases[] = {
	    {"LMOVE long short LEFT RIGHT", "$2\r\ne0\r\n"},
	    {"LMOVE short long LEFT LEFT", "$2\r\ne0\r\n"},
	    {"EXISTS short", ":0\r\n"},
	    {"LMOVE long long LEFT RIGHT", "$2\r\ne0\r\n"},
	    {"LINDEX long -1", "$2\r\ne0\r\n"},
	    {"LMOVE long long RIGHT LEFT", "$2\r\ne0\r\n"},
	    {"LINDEX long 0", "$2\r\ne0\r\n"},
	    {"RPOPLPUSH long short", "$4\r\ne399\r\n"},
	    {"RPUSH long e399", ":400\r\n"},
	    {"LPOP short", "$4\r\ne399\r\n"},
	    {"LLEN long", ":400\r\n"},
	};
	struct command_box *b = *state;

	fill(b, "long", 400);
	COMMAND_BOX_CHECK(b, cases);
	engine_box_checkpoint(&b->engine);
	COMMAND_BOX_CHECK(b, cases);
	command_box_restart(b);
	COMMAND_BOX_CHECK(b, cases);
}

static void failing_memory_leaves_both_lists_as_they_were(void **state)
{
	struct command_box *b = *state;

	fill(b, "l", 6);
	command_box_walk_memory(b, "LPOP l", "LRANGE l 0 -1");
	command_box_walk_memory(b, "RPOP l 2", "LRANGE l 0 -1");
	command_box_walk_memory(b, "LMOVE l m LEFT LEFT", "LLEN l");
	command_box_walk_memory(b, "RPOPLPUSH l l", "LRANGE l 0 -1");
	fill(b, "long", 300);
	command_box_walk_memory(b, "LMOVE long m LEFT LEFT", "LRANGE m 0 -1");
	command_box_walk_memory(b, "LMPOP 1 long LEFT COUNT 20", "LRANGE long 0 30");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(replies_are_those_of_redis),
	    COMMAND_BOX_TEST(nothing_is_a_null_of_its_own_in_resp3),
	    COMMAND_BOX_TEST(a_long_list_is_taken_from_both_ends),
	    COMMAND_BOX_TEST(elements_move_between_lists_of_either_form),
	    COMMAND_BOX_TEST(failing_memory_leaves_both_lists_as_they_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
