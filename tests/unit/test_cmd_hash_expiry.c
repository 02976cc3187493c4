/* HEXPIRE and its kin: replies, conditions, times, arguments; what other commands see of fields
 * whose time has come, on a replica too; DUMP and RESTORE; failing memory. */
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define POSITION "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"
#define MATCH	 "-ERR The `numfields` parameter must match the number of arguments\r\n"
#define POSITIVE "-ERR Number of fields must be a positive integer\r\n"

static const struct box_case replies[] = {
    {"HSET h a 1 b 2 c 3", ":3\r\n"},
    {"HEXPIRE h 100 FIELDS 2 a x", "*2\r\n:1\r\n:-2\r\n"},
    {"HTTL h FIELDS 3 a b x", "*3\r\n:100\r\n:-1\r\n:-2\r\n"},
    {"HPEXPIRE h 500000 fields 1 b", "*1\r\n:1\r\n"},
    {"HTTL h FIELDS 1 b", "*1\r\n:500\r\n"},
    {"HEXPIREAT h 20000000000 FIELDS 1 c", "*1\r\n:1\r\n"},
    {"HEXPIRETIME h FIELDS 1 c", "*1\r\n:20000000000\r\n"},
    {"HPEXPIRETIME h FIELDS 1 c", "*1\r\n:20000000000000\r\n"},
    {"HPEXPIREAT h 30000000000001 FIELDS 1 c", "*1\r\n:1\r\n"},
    {"HEXPIRETIME h FIELDS 1 c", "*1\r\n:30000000001\r\n"},
    {"HPERSIST h FIELDS 3 c c x", "*3\r\n:1\r\n:-1\r\n:-2\r\n"},
    {"HTTL none FIELDS 1 a", "*1\r\n:-2\r\n"},
    {"HEXPIRE none 1 FIELDS 1 a", "*1\r\n:-2\r\n"},
    {"HPERSIST none FIELDS 1 a", "*1\r\n:-2\r\n"},
    {"HEXPIRE h 50 NX FIELDS 2 a c", "*2\r\n:0\r\n:1\r\n"},
    {"HPERSIST h FIELDS 1 c", "*1\r\n:1\r\n"},
    {"HEXPIRE h 50 XX FIELDS 2 a c", "*2\r\n:1\r\n:0\r\n"},
    {"HEXPIRE h 40 GT FIELDS 2 a c", "*2\r\n:0\r\n:0\r\n"},
    {"HEXPIRE h 60 LT FIELDS 2 a c", "*2\r\n:0\r\n:1\r\n"},
    {"HEXPIRE h 60 gt FIELDS 1 a", "*1\r\n:1\r\n"},
    {"HTTL h FIELDS 2 a c", "*2\r\n:60\r\n:60\r\n"},
    {"OBJECT ENCODING h", "$10\r\nlistpackex\r\n"},
    {"HINCRBY h a 5", ":6\r\n"},
    {"HTTL h FIELDS 1 a", "*1\r\n:60\r\n"},
    {"HSET h a 7", ":0\r\n"},
    {"HTTL h FIELDS 1 a", "*1\r\n:-1\r\n"},
    {"HEXPIRE h 0 FIELDS 1 a", "*1\r\n:2\r\n"},
    {"HPEXPIREAT h 1 FIELDS 2 b c", "*2\r\n:2\r\n:2\r\n"},
    {"EXISTS h", ":0\r\n"},
};

static const struct box_case refused[] = {
    {"HSET h a 1", ":1\r\n"},
    {"SET k v", "+OK\r\n"},
    {"HEXPIRE k 1 FIELDS 1 a", WRONG_TYPE},
    {"HTTL k FIELDS 1 a", WRONG_TYPE},
    {"HEXPIRE h 1 FIELDS 1", "-ERR wrong number of arguments for 'hexpire' command\r\n"},
    {"HEXPIRE h x FIELDS 1 a", "-ERR value is not an integer or out of range\r\n"},
    {"HEXPIRE h -1 FIELDS 1 a", "-ERR invalid expire time, must be >= 0\r\n"},
    {"HEXPIRE h 9223372036854775807 FIELDS 1 a",
     "-ERR invalid expire time in 'hexpire' command\r\n"},
    {"HPEXPIREAT h 70368744177665 FIELDS 1 a",
     "-ERR invalid expire time in 'hpexpireat' command\r\n"},
    {"HEXPIRE h 1 ZZ FIELDS 1 a", POSITION},
    {"HEXPIRE h 1 NX FIELDS 1", MATCH},
    {"HEXPIRE h 1 FIELDS 2 a", MATCH},
    {"HEXPIRE h 1 FIELDS 0 a", "-ERR Parameter `numFields` should be greater than 0\r\n"},
    {"HTTL h x 1 a", POSITION},
    {"HTTL h FIELDS x a", POSITIVE},
    {"HPERSIST h FIELDS 2 a", MATCH},
    {"HTTL h FIELDS 1 a", "*1\r\n:-1\r\n"},
};

static void replies_are_those_of_redis(void **state)
{
	COMMAND_BOX_CHECK(*state, replies);
}

static void what_makes_no_sense_is_refused(void **state)
{
	COMMAND_BOX_CHECK(*state, refused);
}

static const struct box_case after[] = {
    {"HGET h a", "$-1\r\n"},
    {"HEXISTS h a", ":0\r\n"},
    {"HSTRLEN h a", ":0\r\n"},
    {"HMGET h a b", "*2\r\n$-1\r\n$1\r\n2\r\n"},
    {"HLEN h", ":1\r\n"},
    {"HGETALL h", "*2\r\n$1\r\nb\r\n$1\r\n2\r\n"},
    {"HKEYS h", "*1\r\n$1\r\nb\r\n"},
    {"HVALS h", "*1\r\n$1\r\n2\r\n"},
    {"HSCAN h 0", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n"},
    {"HRANDFIELD h", "$1\r\nb\r\n"},
    {"HRANDFIELD h 5", "*1\r\n$1\r\nb\r\n"},
    {"HTTL h FIELDS 2 a b", "*2\r\n:-2\r\n:-1\r\n"},
    {"SORT_RO names BY nosort GET *->a", "*1\r\n$-1\r\n"},
};

/* Hidden at once, on a replica as well, which must not write. */
static void a_field_whose_time_has_come_is_hidden(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "HSET h a 1 b 2", ":2\r\n");
	command_box_expect(b, "RPUSH names h", ":1\r\n");
	command_box_expect(b, "HPEXPIRE h 100 FIELDS 1 a", "*1\r\n:1\r\n");
	b->engine.now_ms += 100;
	b->host.is_replica = true;
	COMMAND_BOX_CHECK(b, after);
	b->host.is_replica = false;
	COMMAND_BOX_CHECK(b, after);
	command_box_expect(b, "HINCRBY h a 3", ":3\r\n");
	command_box_expect(b, "HTTL h FIELDS 1 a", "*1\r\n:-1\r\n");
	command_box_expect(b, "HPEXPIRE h 100 FIELDS 1 a", "*1\r\n:1\r\n");
	b->engine.now_ms += 100;
	command_box_expect(b, "HSETNX h a 4", ":1\r\n");
	command_box_expect(b, "HPEXPIRE h 100 FIELDS 2 a b", "*2\r\n:1\r\n:1\r\n");
	b->engine.now_ms += 100;
	command_box_expect(b, "HDEL h a", ":0\r\n");
	command_box_expect(b, "HLEN h", ":0\r\n");
	command_box_expect(b, "HRANDFIELD h", "$-1\r\n");
	command_box_expect(b, "HRANDFIELD h 3", "*0\r\n");
	command_box_expect(b, "HSET h c 1", ":1\r\n");
	command_box_expect(b, "HLEN h", ":1\r\n");
}

/* The payload that 7.4 makes of such a hash. */
static void a_dump_has_the_times(void **state)
{
	struct command_box *b = *state;
	struct slice argv[4], payload;
	char copy[256];
	size_t head = 5; /* "$NN\r\n" */

	command_box_expect(b, "HSET h a 1 b 2", ":2\r\n");
	command_box_expect(b, "HPEXPIREAT h 20000000000000 FIELDS 1 b", "*1\r\n:1\r\n");
	payload = command_box_line(b, "DUMP h");
	assert_true(payload.len < sizeof copy && payload.data[head] == 24);
	memcpy(copy, payload.data, payload.len);
	argv[0] = slice_str("RESTORE");
	argv[1] = slice_str("copy");
	argv[2] = slice_str("0");
	argv[3] = slice_of(copy + head, payload.len - head - 2);
	payload = command_box_run(b, argv, 4);
	assert_true(slice_eq(payload, slice_str("+OK\r\n")));
	command_box_expect(b, "HPEXPIRETIME copy FIELDS 2 a b", "*2\r\n:-1\r\n:20000000000000\r\n");
	command_box_expect(b, "HGET copy b", "$1\r\n2\r\n");
	command_box_expect(b, "COPY copy other", ":1\r\n");
	command_box_expect(b, "RENAME other again", "+OK\r\n");
	command_box_expect(b, "HPEXPIRETIME again FIELDS 2 a b",
			   "*2\r\n:-1\r\n:20000000000000\r\n");
	command_box_restart(b);
	command_box_expect(b, "HPEXPIRETIME again FIELDS 1 b", "*1\r\n:20000000000000\r\n");
	command_box_expect(b, "HLEN again", ":2\r\n");
}

static void a_lack_of_memory_is_told(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "HSET h a 1 b 2", ":2\r\n");
	command_box_walk_memory(b, "HEXPIRE h 1000 FIELDS 1 a", "HTTL h FIELDS 2 a b");
	command_box_walk_memory(b, "HPERSIST h FIELDS 1 a", "HTTL h FIELDS 1 b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(replies_are_those_of_redis),
	    COMMAND_BOX_TEST(what_makes_no_sense_is_refused),
	    COMMAND_BOX_TEST(a_field_whose_time_has_come_is_hidden),
	    COMMAND_BOX_TEST(a_dump_has_the_times),
	    COMMAND_BOX_TEST(a_lack_of_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
