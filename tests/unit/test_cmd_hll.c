/* PFADD, PFCOUNT, PFMERGE, PFDEBUG, PFSELFTEST: replies, what is kept, what is refused, failing
 * memory. That the bytes are Redis's is compared by the differential test. */
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOT_HLL "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"
#define INVALID "-INVALIDOBJ Corrupted HLL object detected\r\n"

static const struct box_case replies[] = {
    {"PFADD h a b c", ":1\r\n"},
    {"PFADD h a b", ":0\r\n"},
    {"PFADD h", ":0\r\n"},
    {"PFADD empty", ":1\r\n"},
    {"PFCOUNT h", ":3\r\n"},
    {"PFCOUNT h", ":3\r\n"},
    {"PFCOUNT nothing", ":0\r\n"},
    {"PFCOUNT empty", ":0\r\n"},
    {"PFADD g c d", ":1\r\n"},
    {"PFCOUNT h g nothing", ":4\r\n"},
    {"PFMERGE m h g nothing", "+OK\r\n"},
    {"PFCOUNT m", ":4\r\n"},
    {"PFMERGE new", "+OK\r\n"},
    {"PFCOUNT new", ":0\r\n"},
    {"TYPE m", "+string\r\n"},
    {"PFDEBUG ENCODING m", "+sparse\r\n"},
    {"PFDEBUG todense m", ":1\r\n"},
    {"PFDEBUG TODENSE m", ":0\r\n"},
    {"PFDEBUG ENCODING m", "+dense\r\n"},
    {"PFDEBUG DECODE m", "-ERR HLL encoding is not sparse\r\n"},
    {"PFDEBUG DECODE empty", "$7\r\nZ:16384\r\n"},
    {"PFDEBUG x empty", "-ERR Unknown PFDEBUG subcommand 'x'\r\n"},
    {"PFDEBUG ENCODING nothing", "-ERR The specified key does not exist\r\n"},
    {"STRLEN m", ":12304\r\n"},
    {"PFCOUNT m", ":4\r\n"},
    {"PFMERGE h m", "+OK\r\n"},
    {"PFDEBUG ENCODING h", "+dense\r\n"},
    {"PFCOUNT h", ":4\r\n"},
    {"EXPIRE h 100", ":1\r\n"},
    {"PFADD h x", ":1\r\n"},
    {"TTL h", ":100\r\n"},
    {"PFSELFTEST", "+OK\r\n"},
};

static const struct box_case refused[] = {
    {"SET text HYLL", "+OK\r\n"},
    {"PFADD text a", NOT_HLL},
    {"PFCOUNT text", NOT_HLL},
    {"PFCOUNT nothing text", NOT_HLL},
    {"PFMERGE text", NOT_HLL},
    {"PFMERGE new text", NOT_HLL},
    {"PFDEBUG ENCODING text", NOT_HLL},
    {"LPUSH list a", ":1\r\n"},
    {"PFADD list a", WRONG_TYPE},
    {"PFCOUNT list", WRONG_TYPE},
    {"PFADD h a", ":1\r\n"},
    {"APPEND h x", ":22\r\n"},
    {"PFCOUNT h", INVALID},
    {"PFCOUNT h nothing", INVALID},
    {"PFMERGE m h", INVALID},
    {"EXISTS m", ":0\r\n"},
    {"PFDEBUG GETREG h", INVALID},
};

static void replies_are_those_of_redis(void **state)
{
	COMMAND_BOX_CHECK(*state, replies);
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct command_box *b = *state;

	COMMAND_BOX_CHECK(b, refused);
	command_box_expect_error(b, "EVAL_RO return{redis.call('PFCOUNT','g')} 1 g", "ERR");
}

/* The highest bit of the count says that it does not hold; PFCOUNT makes it hold, on a primary. */
static void a_count_is_kept(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "PFADD h a b", ":1\r\n");
	command_box_expect(b, "GETRANGE h 15 15", "$1\r\n\x80\r\n");
	b->host.is_replica = true;
	command_box_expect(b, "PFCOUNT h", ":2\r\n");
	b->host.is_replica = false;
	command_box_expect(b, "GETRANGE h 15 15", "$1\r\n\x80\r\n");
	command_box_expect(b, "PFCOUNT h", ":2\r\n");
	command_box_expect(b, "GETBIT h 120", ":0\r\n");
	command_box_expect(b, "GETRANGE h 8 8", "$1\r\n\x02\r\n");
	command_box_restart(b);
	command_box_expect(b, "GETRANGE h 8 8", "$1\r\n\x02\r\n");
	/* What a client has put there is believed, as by Redis. */
	command_box_expect(b, "SETRANGE h 8 \x07", ":24\r\n");
	command_box_expect(b, "PFCOUNT h", ":7\r\n");
}

static void the_configured_length_decides(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "PFADD before a b c d", ":1\r\n");
	command_box_expect(b, "PFDEBUG ENCODING before", "+sparse\r\n");
	b->host.hll_sparse_max_bytes = 20;
	command_box_expect(b, "PFADD h a b c d", ":1\r\n");
	command_box_expect(b, "PFDEBUG ENCODING h", "+dense\r\n");
	command_box_expect(b, "PFADD before a", ":0\r\n");
	command_box_expect(b, "PFDEBUG ENCODING before", "+sparse\r\n");
}

static void a_lack_of_memory_is_told(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "PFADD h a b", ":1\r\n");
	command_box_walk_memory(b, "PFMERGE to h", "STRLEN to");
	command_box_walk_memory(b, "PFDEBUG DECODE h", "STRLEN h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(replies_are_those_of_redis),
	    COMMAND_BOX_TEST(what_makes_no_sense_is_refused),
	    COMMAND_BOX_TEST(a_count_is_kept),
	    COMMAND_BOX_TEST(the_configured_length_decides),
	    COMMAND_BOX_TEST(a_lack_of_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
