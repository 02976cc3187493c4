/* Set commands through dispatch: replies, both forms of a set, damage and failing memory. */
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct box_case replies[] = {
    {"SADD s 3 1 2 3", ":3\r\n"},
    {"SADD s 1", ":0\r\n"},
    {"OBJECT ENCODING s", "$6\r\nintset\r\n"},
    {"SMEMBERS s", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"},
    {"SADD s 10 -5", ":2\r\n"},
    {"SMEMBERS s", "*5\r\n$2\r\n-5\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$2\r\n10\r\n"},
    {"SCARD s", ":5\r\n"},
    {"SCARD nothing", ":0\r\n"},
    {"SISMEMBER s 10", ":1\r\n"},
    {"SISMEMBER s 11", ":0\r\n"},
    {"SISMEMBER nothing 11", ":0\r\n"},
    {"SMISMEMBER s 1 x 2", "*3\r\n:1\r\n:0\r\n:1\r\n"},
    {"SMISMEMBER nothing a", "*1\r\n:0\r\n"},
    {"SREM s 1 1 9", ":1\r\n"},
    {"SREM nothing 1", ":0\r\n"},
    {"SADD s word", ":1\r\n"},
    {"OBJECT ENCODING s", "$8\r\nlistpack\r\n"},
    {"SREM s word", ":1\r\n"},
    {"OBJECT ENCODING s", "$8\r\nlistpack\r\n"},
    {"SADD s 0123456789012345678901234567890123456789012345678901234567890123456789", ":1\r\n"},
    {"OBJECT ENCODING s", "$9\r\nhashtable\r\n"},
    {"TYPE s", "+set\r\n"},
    {"SADD one ''", ":1\r\n"},
    {"SMEMBERS one", "*1\r\n$0\r\n\r\n"},
    {"SPOP one", "$0\r\n\r\n"},
    {"EXISTS one", ":0\r\n"},
    {"SPOP one", "$-1\r\n"},
    {"SPOP one 0", "*0\r\n"},
    {"SPOP one 3", "*0\r\n"},
    {"SPOP s 0", "*0\r\n"},
    {"SPOP s -1", "-ERR value is out of range, must be positive\r\n"},
    {"SPOP s x", "-ERR value is out of range, must be positive\r\n"},
    {"SPOP s 1 2", "-ERR syntax error\r\n"},
    {"SADD a x", ":1\r\n"},
    {"SPOP a 5", "*1\r\n$1\r\nx\r\n"},
    {"EXISTS a", ":0\r\n"},
    {"SADD a x", ":1\r\n"},
    {"SRANDMEMBER a", "$1\r\nx\r\n"},
    {"SRANDMEMBER a -3", "*3\r\n$1\r\nx\r\n$1\r\nx\r\n$1\r\nx\r\n"},
    {"SRANDMEMBER a 3", "*1\r\n$1\r\nx\r\n"},
    {"SRANDMEMBER nothing", "$-1\r\n"},
    {"SRANDMEMBER nothing 2", "*0\r\n"},
    {"SRANDMEMBER a x", "-ERR value is not an integer or out of range\r\n"},
    {"SRANDMEMBER a 1 2", "-ERR syntax error\r\n"},
    {"SSCAN a 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nx\r\n"},
    {"SSCAN a 0 MATCH y*", "*2\r\n$1\r\n0\r\n*0\r\n"},
    {"SSCAN nothing 0", "*2\r\n$1\r\n0\r\n*0\r\n"},
    {"SMOVE a b x", ":1\r\n"},
    {"EXISTS a", ":0\r\n"},
    {"SMEMBERS b", "*1\r\n$1\r\nx\r\n"},
    {"SMOVE a b x", ":0\r\n"},
    {"SMOVE b b x", ":1\r\n"},
    {"SMOVE b b y", ":0\r\n"},
    {"SMOVE b s y", ":0\r\n"},
    {"SADD c x y", ":2\r\n"},
    {"SMOVE c b x", ":1\r\n"},
    {"SCARD b", ":1\r\n"},
    {"SET string v", "+OK\r\n"},
    {"SMOVE nothing string x", ":0\r\n"},
    {"SMOVE b string x", WRONG_TYPE},
    {"SMOVE string b x", WRONG_TYPE},
    {"SADD string a", WRONG_TYPE},
    {"SREM string a", WRONG_TYPE},
    {"SCARD string", WRONG_TYPE},
    {"SISMEMBER string a", WRONG_TYPE},
    {"SMISMEMBER string a", WRONG_TYPE},
    {"SMEMBERS string", WRONG_TYPE},
    {"SPOP string", WRONG_TYPE},
    {"SPOP string 2", WRONG_TYPE},
    {"SRANDMEMBER string", WRONG_TYPE},
    {"SRANDMEMBER string 2", WRONG_TYPE},
    {"SSCAN string 0", WRONG_TYPE},
    {"SADD s", "-ERR wrong number of arguments for 'sadd' command\r\n"},
};

static const struct box_case resp3[] = {
    {"SADD s 2 1", ":2\r\n"},
    {"SMEMBERS s", "~2\r\n$1\r\n1\r\n$1\r\n2\r\n"},
    {"SMEMBERS nothing", "~0\r\n"},
    {"SPOP nothing", "_\r\n"},
    {"SPOP nothing 2", "~0\r\n"},
    {"SRANDMEMBER nothing", "_\r\n"},
    {"SRANDMEMBER nothing 2", "*0\r\n"},
    {"SREM s 1", ":1\r\n"},
    {"SRANDMEMBER s 1", "*1\r\n$1\r\n2\r\n"},
    {"SPOP s 1", "~1\r\n$1\r\n2\r\n"},
};

static void replies_are_those_of_redis(void **state)
{
	COMMAND_BOX_CHECK(*state, replies);
}

static void sets_have_their_type_in_resp3(void **state)
{
	struct command_box *b = *state;

	b->session.proto = 3;
	COMMAND_BOX_CHECK(b, resp3);
}

/* Members m<from> ... m<to - 1> on the key s. */
static void fill(struct command_box *b, int from, int to)
{
	char line[64];

	for (int i = from; i < to; i++) {
		(void)snprintf(line, sizeof line, "SADD s m%d", i);
		command_box_expect(b, line, ":1\r\n");
	}
}

static void many_members_answer_like_few(void **state)
{
	static const struct box_case cases[] = {
	    {"SCARD s", ":600\r\n"},
	    {"SISMEMBER s m599", ":1\r\n"},
	    {"SISMEMBER s m600", ":0\r\n"},
	    {"SMISMEMBER s m0 m600 m17", "*3\r\n:1\r\n:0\r\n:1\r\n"},
	    {"SADD s m5 m6", ":0\r\n"},
	    {"SADD s new", ":1\r\n"},
	    {"SREM s new new", ":1\r\n"},
	    {"SMOVE s other m7", ":1\r\n"},
	    {"SMOVE other s m7", ":1\r\n"},
	    {"SINTERCARD 2 s s", ":600\r\n"},
	};
	struct command_box *b = *state;

	fill(b, 0, 600);
	COMMAND_BOX_CHECK(b, cases);
	engine_box_checkpoint(&b->engine);
	COMMAND_BOX_CHECK(b, cases);
	assert_true(slice_has_prefix(command_box_line(b, "SMEMBERS s"), slice_str("*600\r\n")));
	command_box_restart(b);
	COMMAND_BOX_CHECK(b, cases);
	assert_true(slice_has_prefix(command_box_line(b, "SPOP s 250"), slice_str("*250\r\n")));
	command_box_expect(b, "SCARD s", ":350\r\n");
	assert_true(slice_has_prefix(command_box_line(b, "SPOP s 340"), slice_str("*340\r\n")));
	command_box_expect(b, "SCARD s", ":10\r\n");
	assert_true(slice_has_prefix(command_box_line(b, "SPOP s 10"), slice_str("*10\r\n")));
	command_box_expect(b, "EXISTS s", ":0\r\n");
}

static void a_lost_member_gives_an_error_and_no_part_of_the_reply(void **state)
{
	struct command_box *b = *state;
	struct store_key key;
	struct meta m;

	fill(b, 0, 600);
	engine_box_begin(&b->engine);
	store_key_of_key(&key, slice_str("s"));
	assert_int_equal(ks_lookup(b->engine.e, &key, &m), ST_OK);
	assert_int_equal(ks_field_del(b->engine.e, key.slot, m.id, slice_str("m7")), ST_OK);
	engine_box_commit(&b->engine);
	command_box_expect_error(b, "SMEMBERS s", "CORRUPT");
	command_box_expect_error(b, "SUNION s", "CORRUPT");
	command_box_expect_error(b, "SPOP s 600", "CORRUPT");
}

static void failing_memory_leaves_the_set_as_it_was(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "SADD s 1 2 3 4", ":4\r\n");
	command_box_walk_memory(b, "SADD s 5 6", "SMEMBERS s");
	command_box_walk_memory(b, "SREM s 1", "SMEMBERS s");
	command_box_walk_memory(b, "SMOVE s t 2", "SMEMBERS s");
	command_box_walk_memory(b, "SPOP s 4", "SMEMBERS s");
	fill(b, 10, 400); /* now in records of its own */
	command_box_walk_memory(b, "SADD s m1 m2", "SMISMEMBER s m1 m2");
	command_box_walk_memory(b, "SREM s m1 m2", "SMISMEMBER s m1 m2");
	command_box_walk_memory(b, "SPOP s 380", "SCARD s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(replies_are_those_of_redis),
	    COMMAND_BOX_TEST(sets_have_their_type_in_resp3),
	    COMMAND_BOX_TEST(many_members_answer_like_few),
	    COMMAND_BOX_TEST(a_lost_member_gives_an_error_and_no_part_of_the_reply),
	    COMMAND_BOX_TEST(failing_memory_leaves_the_set_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
