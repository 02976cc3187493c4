/* List commands through dispatch: replies, both forms of a list, damage and failing memory. */
#include "engine/base/bytes.h"
#include "engine/types/type_list.h"
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct box_case replies[] = {
    {"RPUSH l a b c", ":3\r\n"},
    {"LPUSH l z y", ":5\r\n"},
    {"LRANGE l 0 -1", "*5\r\n$1\r\ny\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"},
    {"LLEN l", ":5\r\n"},
    {"LLEN nothing", ":0\r\n"},
    {"LINDEX l 0", "$1\r\ny\r\n"},
    {"LINDEX l -1", "$1\r\nc\r\n"},
    {"LINDEX l 4", "$1\r\nc\r\n"},
    {"LINDEX l 5", "$-1\r\n"},
    {"LINDEX l -6", "$-1\r\n"},
    {"LINDEX l x", "-ERR value is not an integer or out of range\r\n"},
    {"LINDEX nothing 0", "$-1\r\n"},
    {"LINDEX nothing x", "$-1\r\n"},
    {"LPUSHX l w", ":6\r\n"},
    {"RPUSHX l d e", ":8\r\n"},
    {"LPUSHX nothing a", ":0\r\n"},
    {"RPUSHX nothing a b", ":0\r\n"},
    {"EXISTS nothing", ":0\r\n"},
    {"LRANGE l 1 2", "*2\r\n$1\r\ny\r\n$1\r\nz\r\n"},
    {"LRANGE l -2 -1", "*2\r\n$1\r\nd\r\n$1\r\ne\r\n"},
    {"LRANGE l -100 100", "*8\r\n$1\r\nw\r\n$1\r\ny\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\nb\r\n$"
			  "1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n"},
    {"LRANGE l 5 1", "*0\r\n"},
    {"LRANGE l 100 200", "*0\r\n"},
    {"LRANGE l -1 -2", "*0\r\n"},
    {"LRANGE nothing 0 -1", "*0\r\n"},
    {"LRANGE l x 0", "-ERR value is not an integer or out of range\r\n"},
    {"LRANGE l 0 x", "-ERR value is not an integer or out of range\r\n"},
    {"LINSERT l BEFORE a 1", ":9\r\n"},
    {"LINSERT l after a 2", ":10\r\n"},
    {"LINSERT l AFTER e last", ":11\r\n"},
    {"LINSERT l BEFORE nothing 3", ":-1\r\n"},
    {"LINSERT nothing BEFORE a 3", ":0\r\n"},
    {"LINSERT l x a 3", "-ERR syntax error\r\n"},
    {"LRANGE l 0 -1", "*11\r\n$1\r\nw\r\n$1\r\ny\r\n$1\r\nz\r\n$1\r\n1\r\n$1\r\na\r\n$1\r\n2\r\n$"
		      "1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$4\r\nlast\r\n"},
    {"LSET l 0 first", "+OK\r\n"},
    {"LSET l -1 end", "+OK\r\n"},
    {"LSET l 100 x", "-ERR index out of range\r\n"},
    {"LSET l -100 x", "-ERR index out of range\r\n"},
    {"LSET l x x", "-ERR value is not an integer or out of range\r\n"},
    {"LSET nothing 0 x", "-ERR no such key\r\n"},
    {"LSET nothing x x", "-ERR no such key\r\n"},
    {"LRANGE l 0 -1", "*11\r\n$5\r\nfirst\r\n$1\r\ny\r\n$1\r\nz\r\n$1\r\n1\r\n$1\r\na\r\n$"
		      "1\r\n2\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$3\r\nend\r\n"},
    {"DEL l", ":1\r\n"},
    {"RPUSH l a b a c a d a", ":7\r\n"},
    {"LPOS l a", ":0\r\n"},
    {"LPOS l a RANK 2", ":2\r\n"},
    {"LPOS l a RANK -1", ":6\r\n"},
    {"LPOS l a RANK -2", ":4\r\n"},
    {"LPOS l a COUNT 0", "*4\r\n:0\r\n:2\r\n:4\r\n:6\r\n"},
    {"LPOS l a COUNT 2", "*2\r\n:0\r\n:2\r\n"},
    {"LPOS l a COUNT 2 RANK -1", "*2\r\n:6\r\n:4\r\n"},
    {"LPOS l a COUNT 0 MAXLEN 3", "*2\r\n:0\r\n:2\r\n"},
    {"LPOS l a COUNT 0 RANK -1 MAXLEN 3", "*2\r\n:6\r\n:4\r\n"},
    {"LPOS l a RANK 5", "$-1\r\n"},
    {"LPOS l a RANK 5 COUNT 0", "*0\r\n"},
    {"LPOS l nothing", "$-1\r\n"},
    {"LPOS l nothing COUNT 1", "*0\r\n"},
    {"LPOS nothing a", "$-1\r\n"},
    {"LPOS nothing a COUNT 0", "*0\r\n"},
    {"LPOS l a RANK 0", "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
			"second ... or use negative to start from the end of the list\r\n"},
    {"LPOS l a RANK x", "-ERR value is not an integer or out of range\r\n"},
    {"LPOS l a COUNT -1", "-ERR COUNT can't be negative\r\n"},
    {"LPOS l a COUNT x", "-ERR COUNT can't be negative\r\n"},
    {"LPOS l a MAXLEN -1", "-ERR MAXLEN can't be negative\r\n"},
    {"LPOS l a RANK", "-ERR syntax error\r\n"},
    {"LPOS l a x 1", "-ERR syntax error\r\n"},
    {"LREM l 1 a", ":1\r\n"},
    {"LREM l -1 a", ":1\r\n"},
    {"LRANGE l 0 -1", "*5\r\n$1\r\nb\r\n$1\r\na\r\n$1\r\nc\r\n$1\r\na\r\n$1\r\nd\r\n"},
    {"LREM l 0 nothing", ":0\r\n"},
    {"LREM nothing 0 a", ":0\r\n"},
    {"LREM l x a", "-ERR value is not an integer or out of range\r\n"},
    {"LREM l 0 a", ":2\r\n"},
    {"LRANGE l 0 -1", "*3\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n"},
    {"LREM l -5 b", ":1\r\n"},
    {"LREM l 9223372036854775807 c", ":1\r\n"},
    {"LREM l -9223372036854775808 d", ":1\r\n"},
    {"EXISTS l", ":0\r\n"},
    {"RPUSH l 1 2 3 4 5 6", ":6\r\n"},
    {"LTRIM l 1 -2", "+OK\r\n"},
    {"LRANGE l 0 -1", "*4\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n"},
    {"LTRIM l -100 2", "+OK\r\n"},
    {"LRANGE l 0 -1", "*3\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"},
    {"LTRIM l x 0", "-ERR value is not an integer or out of range\r\n"},
    {"LTRIM l 0 x", "-ERR value is not an integer or out of range\r\n"},
    {"LTRIM nothing 0 1", "+OK\r\n"},
    {"LTRIM l 5 10", "+OK\r\n"},
    {"EXISTS l", ":0\r\n"},
    {"RPUSH l '' ''", ":2\r\n"},
    {"LRANGE l 0 -1", "*2\r\n$0\r\n\r\n$0\r\n\r\n"},
    {"LPOS l ''", ":0\r\n"},
    {"SET s v", "+OK\r\n"},
    {"LPUSH s a", WRONG_TYPE},
    {"RPUSHX s a", WRONG_TYPE},
    {"LLEN s", WRONG_TYPE},
    {"LINDEX s 0", WRONG_TYPE},
    {"LINDEX s x", WRONG_TYPE},
    {"LRANGE s 0 -1", WRONG_TYPE},
    {"LINSERT s BEFORE a b", WRONG_TYPE},
    {"LINSERT s x a b", "-ERR syntax error\r\n"},
    {"LPOS s a", WRONG_TYPE},
    {"LSET s 0 a", WRONG_TYPE},
    {"LSET s x a", WRONG_TYPE},
    {"LREM s 0 a", WRONG_TYPE},
    {"LTRIM s 0 -1", WRONG_TYPE},
    {"LPUSH", "-ERR wrong number of arguments for 'lpush' command\r\n"},
    {"LPUSH l", "-ERR wrong number of arguments for 'lpush' command\r\n"},
};

static void replies_are_those_of_redis(void **state)
{
	COMMAND_BOX_CHECK(*state, replies);
}

/* e0 ... e<count - 1> in the list l. */
static void fill(struct command_box *b, int count)
{
	char line[64], reply[32];

	for (int i = 0; i < count; i++) {
		(void)snprintf(line, sizeof line, "RPUSH l e%d", i);
		(void)snprintf(reply, sizeof reply, ":%d\r\n", i + 1);
		command_box_expect(b, line, reply);
	}
}

static void a_long_list_answers_like_a_short_one(void **state)
{
	static const struct box_case cases[] = {
	    {"LLEN l", ":500\r\n"},
	    {"LINDEX l 250", "$4\r\ne250\r\n"},
	    {"LINDEX l -500", "$2\r\ne0\r\n"},
	    {"LINDEX l 500", "$-1\r\n"},
	    {"LRANGE l 249 250", "*2\r\n$4\r\ne249\r\n$4\r\ne250\r\n"},
	    {"LRANGE l -1 1000", "*1\r\n$4\r\ne499\r\n"},
	    {"LRANGE l 500 501", "*0\r\n"},
	    {"LPOS l e499", ":499\r\n"},
	    {"LPOS l e0 RANK -1", ":0\r\n"},
	    {"LPOS l e250 MAXLEN 250", "$-1\r\n"},
	    {"LPOS l e250 MAXLEN 251 COUNT 0", "*1\r\n:250\r\n"},
	    {"LSET l 100 e100", "+OK\r\n"},
	    {"LREM l 0 nothing", ":0\r\n"},
	    {"LINSERT l AFTER nothing x", ":-1\r\n"},
	    {"LINSERT l BEFORE e3 near-the-head", ":501\r\n"},
	    {"LINSERT l AFTER e496 near-the-tail", ":502\r\n"},
	    {"LRANGE l 2 4", "*3\r\n$2\r\ne2\r\n$13\r\nnear-the-head\r\n$2\r\ne3\r\n"},
	    {"LINDEX l -4", "$13\r\nnear-the-tail\r\n"},
	    {"LREM l 1 near-the-head", ":1\r\n"},
	    {"LREM l -1 near-the-tail", ":1\r\n"},
	    {"LTRIM l 0 -1", "+OK\r\n"},
	};
	struct command_box *b = *state;

	fill(b, 500);
	COMMAND_BOX_CHECK(b, cases);
	engine_box_checkpoint(&b->engine);
	COMMAND_BOX_CHECK(b, cases);
	command_box_restart(b);
	COMMAND_BOX_CHECK(b, cases);
	command_box_expect(b, "LTRIM l 250 252", "+OK\r\n"); /* a blob again */
	command_box_expect(b, "LRANGE l 0 -1", "*3\r\n$4\r\ne250\r\n$4\r\ne251\r\n$4\r\ne252\r\n");
	command_box_expect(b, "LTRIM l 3 3", "+OK\r\n");
	command_box_expect(b, "DBSIZE", ":0\r\n");
}

static void a_lost_element_gives_an_error_and_no_part_of_the_reply(void **state)
{
	static const char *const lines[] = {"LRANGE l 0 -1", "LINDEX l 7", "LPOS l x COUNT 0",
					    "LINSERT l BEFORE x y", "LREM l 0 x"};
	struct command_box *b = *state;
	struct store_key key;
	struct meta m;
	uint8_t position[LIST_SUBKEY_LEN];

	fill(b, 500);
	engine_box_begin(&b->engine);
	store_key_of_key(&key, slice_str("l"));
	assert_int_equal(ks_lookup(b->engine.e, &key, &m), ST_OK);
	bytes_put_u64be(position, m.aux[0] + 7);
	assert_int_equal(
	    ks_elem_del(b->engine.e, key.slot, m.id, slice_of(position, sizeof position)), ST_OK);
	engine_box_commit(&b->engine);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		command_box_expect_error(b, lines[i], "CORRUPT");
	}
}

static void failing_memory_leaves_the_list_as_it_was(void **state)
{
	struct command_box *b = *state;

	command_box_walk_memory(b, "RPUSH l a b c", "LRANGE l 0 -1");
	command_box_walk_memory(b, "LINSERT l BEFORE b x", "LRANGE l 0 -1");
	command_box_walk_memory(b, "LSET l 1 y", "LRANGE l 0 -1");
	command_box_walk_memory(b, "LREM l 0 y", "LRANGE l 0 -1");
	command_box_walk_memory(b, "LTRIM l 1 1", "LRANGE l 0 -1");
	command_box_expect(b, "DEL l", ":1\r\n");
	fill(b, 400);
	command_box_walk_memory(b, "LPUSH l a b c", "LRANGE l 0 3");
	command_box_walk_memory(b, "LINSERT l AFTER e5 x", "LRANGE l 0 20");
	command_box_walk_memory(b, "LREM l 1 e5", "LRANGE l 0 20");
	command_box_walk_memory(b, "LTRIM l 2 -2", "LRANGE l 0 20");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(replies_are_those_of_redis),
	    COMMAND_BOX_TEST(a_long_list_answers_like_a_short_one),
	    COMMAND_BOX_TEST(a_lost_element_gives_an_error_and_no_part_of_the_reply),
	    COMMAND_BOX_TEST(failing_memory_leaves_the_list_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
