/* Bitmap commands through dispatch: replies as redis-server 7.0.15 gives them, or 7.2 where it
 * differs. */
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void single_bits_and_ranges_answer_as_redis(void **state)
{
	static const struct box_case cases[] = {
	    {"SETBIT k 7 1", ":0\r\n"},
	    {"GET k", "$1\r\n\001\r\n"},
	    {"GETBIT k 7", ":1\r\n"},
	    {"GETBIT k 6", ":0\r\n"},
	    {"GETBIT k 100", ":0\r\n"},
	    {"GETBIT nothing 1", ":0\r\n"},
	    {"SETBIT k 7 0", ":1\r\n"},
	    {"SETBIT k 20 0", ":0\r\n"},
	    {"STRLEN k", ":3\r\n"},
	    {"SETBIT k -1 1", "-ERR bit offset is not an integer or out of range\r\n"},
	    {"SETBIT k 4294967296 1", "-ERR bit offset is not an integer or out of range\r\n"},
	    {"SETBIT k x 1", "-ERR bit offset is not an integer or out of range\r\n"},
	    {"SETBIT k 1 2", "-ERR bit is not an integer or out of range\r\n"},
	    {"SETBIT k 1 x", "-ERR bit is not an integer or out of range\r\n"},
	    {"GETBIT k x", "-ERR bit offset is not an integer or out of range\r\n"},
	    {"RPUSH list x", ":1\r\n"},
	    {"SETBIT list 1 1",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	    {"GETBIT list 1",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	    {"SET s foobar", "+OK\r\n"},
	    {"BITCOUNT s", ":26\r\n"},
	    {"BITCOUNT s 0 0", ":4\r\n"},
	    {"BITCOUNT s 1 1", ":6\r\n"},
	    {"BITCOUNT s -2 -1", ":7\r\n"},
	    {"BITCOUNT s -1 -2", ":0\r\n"},
	    {"BITCOUNT s 5 30 BIT", ":17\r\n"},
	    {"BITCOUNT s -10 -3 bit", ":4\r\n"},
	    {"BITCOUNT s 0 -1 byte", ":26\r\n"},
	    {"BITCOUNT s 100 200", ":0\r\n"},
	    {"BITCOUNT s 0", "-ERR syntax error\r\n"},
	    {"BITCOUNT s 0 1 BITS", "-ERR syntax error\r\n"},
	    {"BITCOUNT s x 1", "-ERR value is not an integer or out of range\r\n"},
	    {"BITCOUNT s 0 1 BIT 3", "-ERR syntax error\r\n"},
	    {"BITCOUNT nothing", ":0\r\n"},
	    {"BITCOUNT list",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	    {"SETRANGE p 0 ab", ":2\r\n"},
	    {"BITPOS s 1", ":1\r\n"},
	    {"BITPOS s 0", ":0\r\n"},
	    {"BITPOS s 1 2", ":17\r\n"},
	    {"BITPOS s 1 2 2", ":17\r\n"},
	    {"BITPOS s 0 2 -1", ":16\r\n"},
	    {"BITPOS s 1 7 15 BIT", ":9\r\n"},
	    {"BITPOS s 1 -8 -1 BIT", ":41\r\n"},
	    {"BITPOS s 1 4 3", ":-1\r\n"},
	    {"BITPOS nothing 0", ":0\r\n"},
	    {"BITPOS nothing 1", ":-1\r\n"},
	    {"BITPOS s 2", "-ERR The bit argument must be 1 or 0.\r\n"},
	    {"BITPOS s x", "-ERR value is not an integer or out of range\r\n"},
	    {"BITPOS s 1 x", "-ERR value is not an integer or out of range\r\n"},
	    {"BITPOS s 1 0 1 BITS", "-ERR syntax error\r\n"},
	    {"BITPOS s 1 0 1 BIT 9", "-ERR syntax error\r\n"},
	    {"BITPOS list 1",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	    {"SET e ''", "+OK\r\n"},
	    {"BITPOS e 0", ":-1\r\n"},
	    {"BITPOS e 1", ":-1\r\n"},
	    {"BITPOS e 0 0 -1", ":-1\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void combining_answers_as_redis(void **state)
{
	static const struct box_case cases[] = {
	    {"MSET a abcdef b foobar c xy", "+OK\r\n"},
	    {"BITOP AND d a b", ":6\r\n"},
	    {"GET d", "$6\r\n`bc`ab\r\n"},
	    {"BITOP OR d a b", ":6\r\n"},
	    {"GET d", "$6\r\ngoofev\r\n"},
	    {"BITOP XOR d a c", ":6\r\n"},
	    {"GET d", "$6\r\n\031\033cdef\r\n"},
	    {"BITOP NOT d c", ":2\r\n"},
	    {"GET d", "$2\r\n\207\206\r\n"},
	    {"OBJECT ENCODING d", "$3\r\nraw\r\n"},
	    {"BITOP and a a b c nothing", ":6\r\n"},
	    {"BITOP NOT d a b", "-ERR BITOP NOT must be called with a single source key.\r\n"},
	    {"BITOP FOO d a", "-ERR syntax error\r\n"},
	    {"EXPIRE d 100", ":1\r\n"},
	    {"BITOP OR d nothing", ":0\r\n"},
	    {"EXISTS d", ":0\r\n"},
	    {"RPUSH list x", ":1\r\n"},
	    {"BITOP OR d a list",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	    {"BITOP OR list a b", ":6\r\n"},
	    {"TYPE list", "+string\r\n"},
	    {"BITOP OR list nothing", ":0\r\n"},
	    {"EXISTS list", ":0\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void fields_answer_as_redis(void **state)
{
	static const struct box_case cases[] = {
	    {"BITFIELD k INCRBY i5 100 1 GET u4 0", "*2\r\n:1\r\n:0\r\n"},
	    {"BITFIELD k SET i8 #0 100 GET i8 #0 SET u8 8 255", "*3\r\n:0\r\n:100\r\n:0\r\n"},
	    {"BITFIELD k INCRBY u2 100 1 OVERFLOW SAT INCRBY u2 102 1", "*2\r\n:1\r\n:1\r\n"},
	    {"BITFIELD k INCRBY u2 100 1 OVERFLOW SAT INCRBY u2 102 1", "*2\r\n:2\r\n:2\r\n"},
	    {"BITFIELD k OVERFLOW FAIL INCRBY u2 102 3", "*1\r\n$-1\r\n"},
	    {"BITFIELD k OVERFLOW SAT SET i8 0 -9223372036854775808 GET i8 0",
	     "*2\r\n:100\r\n:127\r\n"},
	    {"BITFIELD k OVERFLOW FAIL SET u8 1000 256", "*1\r\n$-1\r\n"},
	    {"STRLEN k", ":126\r\n"},
	    {"BITFIELD fail OVERFLOW FAIL SET u8 0 256", "*1\r\n$-1\r\n"},
	    {"EXISTS fail", ":1\r\n"},
	    {"BITFIELD k", "*0\r\n"},
	    {"BITFIELD none GET i64 3", "*1\r\n:0\r\n"},
	    {"EXISTS none", ":0\r\n"},
	    {"BITFIELD none OVERFLOW WRAP", "*0\r\n"},
	    {"EXISTS none", ":0\r\n"},
	    {"BITFIELD k GET u64 0", "-ERR Invalid bitfield type. Use something like i16 u8. Note "
				     "that u64 is not supported but i64 is.\r\n"},
	    {"BITFIELD k GET i65 0", "-ERR Invalid bitfield type. Use something like i16 u8. Note "
				     "that u64 is not supported but i64 is.\r\n"},
	    {"BITFIELD k GET x8 0", "-ERR Invalid bitfield type. Use something like i16 u8. Note "
				    "that u64 is not supported but i64 is.\r\n"},
	    {"BITFIELD k GET u8 -1", "-ERR bit offset is not an integer or out of range\r\n"},
	    {"BITFIELD k GET u8 #-1", "-ERR bit offset is not an integer or out of range\r\n"},
	    {"BITFIELD k GET u8 4294967296",
	     "-ERR bit offset is not an integer or out of range\r\n"},
	    {"BITFIELD k GET u8", "-ERR syntax error\r\n"},
	    {"BITFIELD k OVERFLOW NO", "-ERR Invalid OVERFLOW type specified\r\n"},
	    {"BITFIELD k OVERFLOW", "-ERR syntax error\r\n"},
	    {"BITFIELD k SET u8 0 x", "-ERR value is not an integer or out of range\r\n"},
	    {"BITFIELD k FOO u8 0", "-ERR syntax error\r\n"},
	    {"BITFIELD k SET u8 0 1 GET", "-ERR syntax error\r\n"},
	    {"BITFIELD_RO k GET u8 0 GET i8 #1", "*2\r\n:127\r\n:-1\r\n"},
	    {"BITFIELD_RO k SET u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand\r\n"},
	    {"BITFIELD_RO k", "*0\r\n"},
	    {"RPUSH list x", ":1\r\n"},
	    {"BITFIELD list GET u8 0",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	    {"BITFIELD list SET u8 0 1",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	    {"BITFIELD k SET i64 1 -2 GET i64 1 GET u63 2",
	     "*3\r\n:-562949953421312\r\n:-2\r\n:9223372036854775806\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void arguments_are_checked_before_the_key_is_looked_up(void **state)
{
	static const struct box_case cases[] = {
	    {"BITCOUNT nothing x y", "-ERR value is not an integer or out of range\r\n"},
	    {"BITCOUNT nothing 1", "-ERR syntax error\r\n"},
	    {"BITCOUNT nothing 0 1 BITS", "-ERR syntax error\r\n"},
	    {"BITPOS nothing 0 x", "-ERR value is not an integer or out of range\r\n"},
	    {"BITPOS nothing 0 0 1 BITS", "-ERR syntax error\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void fields_of_long_strings_reach_over_the_border_of_chunks(void **state)
{
	static const struct box_case cases[] = {
	    {"BITFIELD k SET i64 130530 -2 GET i64 130530 GET u8 130522",
	     "*3\r\n:0\r\n:-2\r\n:0\r\n"},
	    {"STRLEN k", ":16325\r\n"},
	    {"BITCOUNT k", ":63\r\n"},
	    {"BITFIELD k OVERFLOW FAIL INCRBY u8 400000 -1", "*1\r\n$-1\r\n"},
	    {"STRLEN k", ":50001\r\n"},
	    {"BITFIELD k INCRBY i64 130530 1 INCRBY u8 #0 7", "*2\r\n:-1\r\n:7\r\n"},
	    {"BITCOUNT k", ":67\r\n"},
	    {"BITPOS k 1 16000", ":130530\r\n"},
	    {"BITPOS k 0 130530 -1 BIT", ":130594\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void failing_memory_leaves_the_value_as_it_was(void **state)
{
	struct command_box *b = *state;

	command_box_walk_memory(b, "SETBIT k 200000 1", "STRLEN k");
	command_box_walk_memory(b, "BITFIELD k SET u8 0 1 SET u16 130552 65535", "BITCOUNT k");
	command_box_walk_memory(b, "BITOP NOT k k", "BITCOUNT k");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(single_bits_and_ranges_answer_as_redis),
	    COMMAND_BOX_TEST(combining_answers_as_redis),
	    COMMAND_BOX_TEST(fields_answer_as_redis),
	    COMMAND_BOX_TEST(arguments_are_checked_before_the_key_is_looked_up),
	    COMMAND_BOX_TEST(fields_of_long_strings_reach_over_the_border_of_chunks),
	    COMMAND_BOX_TEST(failing_memory_leaves_the_value_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
