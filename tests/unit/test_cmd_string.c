/* String commands through dispatch: replies as redis-server 7.0.15 gives them, limits and failures.
 */
#include "engine/types/type_string.h"
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void set_ifeq_compares_what_is_there(void **state)
{
	static const struct box_case cases[] = {
	    {"SET k v IFEQ x", "$-1\r\n"},
	    {"EXISTS k", ":0\r\n"},
	    {"SET k v IFEQ x GET", "$-1\r\n"},
	    {"SET k v EX 100", "+OK\r\n"},
	    {"SET k w IFEQ x", "$-1\r\n"},
	    {"SET k w IFEQ x GET", "$1\r\nv\r\n"},
	    {"SET k w IFEQ vv", "$-1\r\n"},
	    {"GET k", "$1\r\nv\r\n"},
	    {"SET k w ifeq v KEEPTTL", "+OK\r\n"},
	    {"TTL k", ":100\r\n"},
	    {"SET k x GET IFEQ w", "$1\r\nw\r\n"},
	    {"TTL k", ":-1\r\n"},
	    {"SET k 5 IFEQ x PX 100000", "+OK\r\n"},
	    {"INCR k", ":6\r\n"},
	    {"SET k y IFEQ 6", "+OK\r\n"},
	    {"SET k y IFEQ", "-ERR syntax error\r\n"},
	    {"SET k y IFEQ y NX", "-ERR syntax error\r\n"},
	    {"SET k y IFEQ y XX", "-ERR syntax error\r\n"},
	    {"SET k y XX IFEQ y", "-ERR syntax error\r\n"},
	    {"SET k y IFEQ y IFEQ y", "-ERR syntax error\r\n"},
	    {"GETEX k IFEQ y", "-ERR syntax error\r\n"},
	    /* a hole in a long string */
	    {"SETRANGE long 40000 end", ":40003\r\n"},
	    {"SET copy 1", "+OK\r\n"},
	    {"SET long x IFEQ 1", "$-1\r\n"},
	    {"STRLEN long", ":40003\r\n"},
	    {"LPUSH l a", ":1\r\n"},
	    {"SET l v IFEQ a", WRONG_TYPE},
	    {"SET l v IFEQ a GET", WRONG_TYPE},
	    {"TYPE l", "+list\r\n"},
	};

	COMMAND_BOX_CHECK((struct command_box *)*state, cases);
}

/* In pieces, with a hole, and one byte off at either end. */
static void set_ifeq_compares_long_values(void **state)
{
	enum { LEN = 40003 };
	struct command_box *b = *state;
	uint8_t *bytes = calloc(1, LEN);
	struct slice argv[] = {slice_str("SET"), slice_str("long"), slice_str("short"),
			       slice_str("IFEQ"), slice_of(bytes, LEN)};

	assert_non_null(bytes);
	command_box_expect(b, "SETRANGE long 40000 end", ":40003\r\n");
	memcpy(bytes + 40000, "enD", 3);
	assert_true(slice_eq(command_box_run(b, argv, 5), slice_str("$-1\r\n")));
	memcpy(bytes + 40000, "end", 3);
	bytes[0] = 1;
	assert_true(slice_eq(command_box_run(b, argv, 5), slice_str("$-1\r\n")));
	bytes[0] = 0;
	assert_true(slice_eq(command_box_run(b, argv, 5), slice_str("+OK\r\n")));
	command_box_expect(b, "GET long", "$5\r\nshort\r\n");
	free(bytes);
}

static void set_and_its_kin_answer_as_redis(void **state)
{
	static const struct box_case cases[] = {
	    {"SET k v", "+OK\r\n"},
	    {"GET k", "$1\r\nv\r\n"},
	    {"SET k w NX", "$-1\r\n"},
	    {"SET k w NX GET", "$1\r\nv\r\n"},
	    {"GET k", "$1\r\nv\r\n"},
	    {"SET n v XX", "$-1\r\n"},
	    {"SET n v XX GET", "$-1\r\n"},
	    {"EXISTS n", ":0\r\n"},
	    {"SET k w XX", "+OK\r\n"},
	    {"SET k v GET", "$1\r\nw\r\n"},
	    {"SET k v EX 100", "+OK\r\n"},
	    {"TTL k", ":100\r\n"},
	    {"SET k v KEEPTTL", "+OK\r\n"},
	    {"TTL k", ":100\r\n"},
	    {"SET k v", "+OK\r\n"},
	    {"TTL k", ":-1\r\n"},
	    {"SET k v EX 100 PX 1", "-ERR syntax error\r\n"},
	    {"SET k v EX 100 EX 200", "+OK\r\n"},
	    {"TTL k", ":200\r\n"},
	    {"SET k v EX 100 KEEPTTL", "-ERR syntax error\r\n"},
	    {"SET k v NX XX", "-ERR syntax error\r\n"},
	    {"SET k v EX", "-ERR syntax error\r\n"},
	    {"SET k v EX x", "-ERR value is not an integer or out of range\r\n"},
	    {"SET k v EX 0", "-ERR invalid expire time in 'set' command\r\n"},
	    {"SET k v PX -1", "-ERR invalid expire time in 'set' command\r\n"},
	    {"SET k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"},
	    {"SET k v PERSIST", "-ERR syntax error\r\n"},
	    {"SET k v FOO", "-ERR syntax error\r\n"},
	    {"SET k v EXAT 4102444800", "+OK\r\n"},
	    {"PEXPIRETIME k", ":4102444800000\r\n"},
	    {"SET k v PXAT 1", "+OK\r\n"},
	    {"GET k", "$-1\r\n"},
	    {"SET k v NX PXAT 1", "+OK\r\n"},
	    {"EXISTS k", ":0\r\n"},
	    {"SETEX k 100 v", "+OK\r\n"},
	    {"TTL k", ":100\r\n"},
	    {"SETEX k 0 v", "-ERR invalid expire time in 'setex' command\r\n"},
	    {"PSETEX k x v", "-ERR value is not an integer or out of range\r\n"},
	    {"PSETEX k 100000 v", "+OK\r\n"},
	    {"SETNX k x", ":0\r\n"},
	    {"SETNX new x", ":1\r\n"},
	    {"GET new", "$1\r\nx\r\n"},
	    {"MSET a 1 b 2 a 3", "+OK\r\n"},
	    {"MGET a b nothing", "*3\r\n$1\r\n3\r\n$1\r\n2\r\n$-1\r\n"},
	    {"MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n"},
	    {"MSETNX c 1 a 2", ":0\r\n"},
	    {"MGET c a", "*2\r\n$-1\r\n$1\r\n3\r\n"},
	    {"MSETNX c 1 c 2", ":1\r\n"},
	    {"GET c", "$1\r\n2\r\n"},
	    {"MSETNX c", "-ERR wrong number of arguments for 'msetnx' command\r\n"},
	    {"GETSET k z", "$1\r\nv\r\n"},
	    {"TTL k", ":-1\r\n"},
	    {"GETSET fresh z", "$-1\r\n"},
	    {"GETDEL fresh", "$1\r\nz\r\n"},
	    {"GETDEL fresh", "$-1\r\n"},
	    {"GETEX a EX 100", "$1\r\n3\r\n"},
	    {"TTL a", ":100\r\n"},
	    {"GETEX a PERSIST", "$1\r\n3\r\n"},
	    {"TTL a", ":-1\r\n"},
	    {"GETEX a EX 0", "-ERR invalid expire time in 'getex' command\r\n"},
	    {"GETEX a KEEPTTL", "-ERR syntax error\r\n"},
	    {"GETEX a EX 1 PERSIST", "-ERR syntax error\r\n"},
	    {"GETEX nothing EX 0", "$-1\r\n"},
	    {"GETEX a PXAT 1", "$1\r\n3\r\n"},
	    {"EXISTS a", ":0\r\n"},
	    {"GETEX b", "$1\r\n2\r\n"},
	    {"SET '' ''", "+OK\r\n"},
	    {"GET ''", "$0\r\n\r\n"},
	    {"RPUSH list x", ":1\r\n"},
	    {"GET list", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	    {"GETSET list x",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	    {"GETDEL list",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	    {"GETEX list",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	    {"SET list x GET",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	    {"SET list x NX", "$-1\r\n"},
	    {"STRLEN list",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	    {"MGET list k", "*2\r\n$-1\r\n$1\r\nz\r\n"},
	    {"SET list x", "+OK\r\n"},
	    {"GET list", "$1\r\nx\r\n"},
	    {"GET", "-ERR wrong number of arguments for 'get' command\r\n"},
	    {"SET k", "-ERR wrong number of arguments for 'set' command\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void counters_answer_as_redis(void **state)
{
	static const struct box_case cases[] = {
	    {"INCR n", ":1\r\n"},
	    {"INCR n", ":2\r\n"},
	    {"DECR n", ":1\r\n"},
	    {"DECRBY n 10", ":-9\r\n"},
	    {"INCRBY n 5", ":-4\r\n"},
	    {"INCRBY n x", "-ERR value is not an integer or out of range\r\n"},
	    {"INCRBY n +1", "-ERR value is not an integer or out of range\r\n"},
	    {"DECRBY n -9223372036854775808", "-ERR decrement would overflow\r\n"},
	    {"SET n 9223372036854775807", "+OK\r\n"},
	    {"INCR n", "-ERR increment or decrement would overflow\r\n"},
	    {"DECRBY n 1", ":9223372036854775806\r\n"},
	    {"SET n -9223372036854775808", "+OK\r\n"},
	    {"DECR n", "-ERR increment or decrement would overflow\r\n"},
	    {"SET n 01", "+OK\r\n"},
	    {"INCR n", "-ERR value is not an integer or out of range\r\n"},
	    {"SET n ''", "+OK\r\n"},
	    {"INCR n", "-ERR value is not an integer or out of range\r\n"},
	    {"SET n 10", "+OK\r\n"},
	    {"EXPIRE n 100", ":1\r\n"},
	    {"INCR n", ":11\r\n"},
	    {"TTL n", ":100\r\n"},
	    {"APPEND n 1", ":3\r\n"},
	    {"OBJECT ENCODING n", "$3\r\nraw\r\n"},
	    {"INCR n", ":112\r\n"},
	    {"OBJECT ENCODING n", "$3\r\nint\r\n"},
	    {"INCRBYFLOAT f 1.5", "$3\r\n1.5\r\n"},
	    {"INCRBYFLOAT f -0.5", "$1\r\n1\r\n"},
	    {"OBJECT ENCODING f", "$6\r\nembstr\r\n"},
	    {"INCRBYFLOAT f -1", "$1\r\n0\r\n"},
	    {"GET f", "$1\r\n0\r\n"},
	    {"INCRBYFLOAT f nan", "-ERR value is not a valid float\r\n"},
	    {"INCRBYFLOAT f inf", "-ERR increment would produce NaN or Infinity\r\n"},
	    {"INCRBYFLOAT f x", "-ERR value is not a valid float\r\n"},
	    {"INCRBYFLOAT f 3.0e3", "$4\r\n3000\r\n"},
	    {"INCRBYFLOAT f 1e17", "$18\r\n100000000000003000\r\n"},
	    {"SET f abc", "+OK\r\n"},
	    {"INCRBYFLOAT f 1", "-ERR value is not a valid float\r\n"},
	    {"TTL n", ":100\r\n"},
	    {"INCRBYFLOAT n 0.25", "$6\r\n112.25\r\n"},
	    {"TTL n", ":100\r\n"},
	    {"RPUSH list x", ":1\r\n"},
	    {"INCR list", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	    {"INCRBYFLOAT list 1",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void parts_answer_as_redis(void **state)
{
	static const struct box_case cases[] = {
	    {"APPEND k 12", ":2\r\n"},
	    {"OBJECT ENCODING k", "$3\r\nint\r\n"},
	    {"APPEND k 34", ":4\r\n"},
	    {"OBJECT ENCODING k", "$3\r\nraw\r\n"},
	    {"GET k", "$4\r\n1234\r\n"},
	    {"STRLEN k", ":4\r\n"},
	    {"STRLEN nothing", ":0\r\n"},
	    {"GETRANGE k 0 -1", "$4\r\n1234\r\n"},
	    {"GETRANGE k 1 2", "$2\r\n23\r\n"},
	    {"GETRANGE k -2 -1", "$2\r\n34\r\n"},
	    {"GETRANGE k -1 -2", "$0\r\n\r\n"},
	    {"GETRANGE k 2 1", "$0\r\n\r\n"},
	    {"GETRANGE k 5 9", "$0\r\n\r\n"},
	    {"GETRANGE k -100 100", "$4\r\n1234\r\n"},
	    {"SUBSTR k 0 0", "$1\r\n1\r\n"},
	    {"GETRANGE k x 1", "-ERR value is not an integer or out of range\r\n"},
	    {"GETRANGE k 0 y", "-ERR value is not an integer or out of range\r\n"},
	    {"GETRANGE nothing 0 -1", "$0\r\n\r\n"},
	    {"SETRANGE k 1 zz", ":4\r\n"},
	    {"GET k", "$4\r\n1zz4\r\n"},
	    {"SETRANGE k 6 end", ":9\r\n"},
	    {"SETRANGE k -1 x", "-ERR offset is out of range\r\n"},
	    {"SETRANGE k x x", "-ERR value is not an integer or out of range\r\n"},
	    {"SETRANGE nothing 0 ''", ":0\r\n"},
	    {"EXISTS nothing", ":0\r\n"},
	    {"SETRANGE k 0 ''", ":9\r\n"},
	    {"SETRANGE k 536870911 ab",
	     "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"},
	    {"SETRANGE k 9223372036854775807 ab",
	     "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"},
	    {"SETRANGE new 2 x", ":3\r\n"},
	    {"RPUSH list x", ":1\r\n"},
	    {"APPEND list x",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	    {"SETRANGE list 0 x",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	    {"GETRANGE list 0 -1",
	     "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void the_common_subsequence_is_the_one_redis_finds(void **state)
{
	static const struct box_case cases[] = {
	    {"MSET a ohmytext b mynewtext", "+OK\r\n"},
	    {"LCS a b", "$6\r\nmytext\r\n"},
	    {"LCS a b LEN", ":6\r\n"},
	    {"LCS a b IDX", "*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:"
			    "8\r\n*2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n"},
	    {"LCS a b IDX MINMATCHLEN 4", "*4\r\n$7\r\nmatches\r\n*1\r\n*2\r\n*2\r\n:4\r\n:7\r\n*"
					  "2\r\n:5\r\n:8\r\n$3\r\nlen\r\n:6\r\n"},
	    {"LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
	     "*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$"
	     "3\r\nlen\r\n:6\r\n"},
	    {"LCS a b LEN IDX",
	     "-ERR If you want both the length and indexes, please just use IDX.\r\n"},
	    {"LCS a b FOO", "-ERR syntax error\r\n"},
	    {"LCS a b MINMATCHLEN", "-ERR syntax error\r\n"},
	    {"LCS a b MINMATCHLEN x", "-ERR value is not an integer or out of range\r\n"},
	    {"LCS a b IDX MINMATCHLEN -3",
	     "*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n*2\r\n*2\r\n:"
	     "2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n"},
	    {"LCS a nothing", "$0\r\n\r\n"},
	    {"LCS nothing b IDX", "*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0\r\n"},
	    {"LCS a a LEN", ":8\r\n"},
	    {"RPUSH list x", ":1\r\n"},
	    {"LCS list a", "-ERR The specified keys must contain string values\r\n"},
	    {"LCS a list FOO", "-ERR The specified keys must contain string values\r\n"},
	    {"LCS a", "-ERR wrong number of arguments for 'lcs' command\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void a_string_grows_to_the_configured_length_and_no_further(void **state)
{
	static const struct box_case cases[] = {
	    {"SETRANGE k 1999999 x", ":2000000\r\n"},
	    {"APPEND k x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"},
	    {"SETRANGE k 2000000 x",
	     "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"},
	    {"SETRANGE k 1999999 y", ":2000000\r\n"},
	    {"SETBIT k 16000000 1", "-ERR bit offset is not an integer or out of range\r\n"},
	    {"SETBIT k 15999999 1", ":1\r\n"},
	    {"STRLEN k", ":2000000\r\n"},
	    {"GETRANGE k 1999998 -1", "$2\r\n\0y\r\n"},
	    {"SET a 1", "+OK\r\n"},
	    {"LCS k a LEN", "-ERR Insufficient memory, transient memory for LCS exceeds "
			    "proto-max-bulk-len\r\n"},
	    {"SETRANGE j 249998 x", ":249999\r\n"},
	    {"LCS j a LEN", ":0\r\n"},
	};
	struct command_box *b = *state;

	b->bulk_len_max = "2000000";
	command_box_check(b, cases, 7);
	assert_true(slice_eq(command_box_line(b, cases[7].line), slice_of("$2\r\n\0y\r\n", 8)));
	command_box_check(b, cases + 8, sizeof cases / sizeof cases[0] - 8);
}

static void a_time_in_the_past_removes_the_key(void **state)
{
	static const struct box_case cases[] = {
	    {"SET k v", "+OK\r\n"},
	    {"SET k w GET PXAT 1699999999999", "$1\r\nv\r\n"},
	    {"DBSIZE", ":0\r\n"},
	    {"SETRANGE k 20000 v", ":20001\r\n"},
	    {"SET k w EXAT 1", "+OK\r\n"},
	    {"SET k w EXAT 1", "+OK\r\n"},
	    {"DBSIZE", ":0\r\n"},
	    {"SET k v", "+OK\r\n"},
	    {"GETEX k PXAT 1700000000000", "$1\r\nv\r\n"},
	    {"DBSIZE", ":0\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void damage_in_a_large_value_gives_an_error_and_no_part_of_it(void **state)
{
	struct command_box *b = *state;
	struct slice parts[2] = {slice_of(string_zeros, STRING_CHUNK), slice_str("!")};
	struct store_key key;
	struct meta m;
	struct slice reply;
	static const char *const lines[] = {
	    "GET k",	       "MGET x k x",
	    "GETRANGE k 0 -1", "GETDEL k",
	    "GETSET k v",      "BITCOUNT k",
	    "BITPOS k 1",      "LCS k x",
	    "BITOP NOT d k",   "BITFIELD k SET u8 #16320 1 GET u8 0"};

	(void)command_box_line(b, "SETRANGE k 50000 v");
	engine_box_begin(&b->engine);
	store_key_of_key(&key, slice_str("k"));
	assert_int_equal(ks_lookup(b->engine.e, &key, &m), ST_OK);
	assert_int_equal(
	    ks_elem_put(b->engine.e, key.slot, m.id, slice_of("\0\0\0\0", 4), parts, 2), ST_OK);
	engine_box_commit(&b->engine);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		reply = command_box_line(b, lines[i]);
		assert_true(slice_has_prefix(reply, slice_str("-CORRUPT ")));
		assert_ptr_equal(memchr(reply.data, '\n', reply.len), reply.data + reply.len - 1);
	}
	reply = command_box_line(b, "STRLEN k");
	assert_true(slice_eq(reply, slice_str(":50001\r\n")));
}

static void failing_memory_leaves_the_value_as_it_was(void **state)
{
	struct command_box *b = *state;

	(void)command_box_line(b, "SET k 12");
	command_box_walk_memory(b, "SET other longer-than-what-was-there", "MGET k other");
	command_box_walk_memory(b, "INCR k", "GET k");
	command_box_walk_memory(b, "APPEND k tail", "GET k");
	command_box_walk_memory(b, "SETRANGE k 40000 tail", "STRLEN k");
	command_box_walk_memory(b, "SETRANGE k 16318 border", "GETRANGE k 16310 16330");
	command_box_walk_memory(b, "BITOP NOT d k", "BITCOUNT d");
	command_box_walk_memory(b, "MSET k 1 d 2 e 3", "MGET k d e");
	(void)command_box_line(b, "SETRANGE a 20000 abc");
	command_box_walk_memory(b, "LCS a k", "STRLEN a");
	command_box_walk_memory(b, "GETDEL a", "STRLEN a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(set_and_its_kin_answer_as_redis),
	    COMMAND_BOX_TEST(set_ifeq_compares_what_is_there),
	    COMMAND_BOX_TEST(set_ifeq_compares_long_values),
	    COMMAND_BOX_TEST(counters_answer_as_redis),
	    COMMAND_BOX_TEST(parts_answer_as_redis),
	    COMMAND_BOX_TEST(the_common_subsequence_is_the_one_redis_finds),
	    COMMAND_BOX_TEST(a_string_grows_to_the_configured_length_and_no_further),
	    COMMAND_BOX_TEST(a_time_in_the_past_removes_the_key),
	    COMMAND_BOX_TEST(damage_in_a_large_value_gives_an_error_and_no_part_of_it),
	    COMMAND_BOX_TEST(failing_memory_leaves_the_value_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
