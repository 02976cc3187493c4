/* Stream commands: what redis-server 7.0 does not say (7.2's rules), what the differential test can
 * not send, and failing memory. The rest: tests/e2e/generators/streams.py. */
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define STREAM_ID_WANTED "-ERR Invalid stream ID specified as stream command argument\r\n"

static void ids_come_from_the_clock_and_never_fall(void **state)
{
	struct command_box *b = *state;
	static const struct box_case cases[] = {
	    {"XADD s * f v", "$15\r\n1700000000000-0\r\n"},
	    {"XADD s * f v", "$15\r\n1700000000000-1\r\n"},
	    {"XADD s 1800000000000-5 f v", "$15\r\n1800000000000-5\r\n"},
	    {"XADD s * f v", "$15\r\n1800000000000-6\r\n"},
	    {"XADD s 1800000000000-18446744073709551615 f v",
	     "$34\r\n1800000000000-18446744073709551615\r\n"},
	    {"XADD s 1800000000000-* f v", "-ERR The ID specified in XADD is equal or smaller than "
					   "the target stream top item\r\n"},
	    {"XADD s * f v", "$15\r\n1800000000001-0\r\n"},
	    {"XADD s 18446744073709551615-18446744073709551615 f v",
	     "$41\r\n18446744073709551615-18446744073709551615\r\n"},
	    {"XADD s * f v",
	     "-ERR The stream has exhausted the last possible ID, unable to add more "
	     "items\r\n"},
	    {"XLEN s", ":7\r\n"},
	};

	COMMAND_BOX_CHECK(b, cases);
	b->engine.now_ms = 1;
	command_box_expect(b, "XADD t * f v", "$3\r\n1-0\r\n");
}

static void setid_minds_what_was_deleted(void **state)
{
	static const struct box_case cases[] = {
	    {"XADD s 5-0 f v", "$3\r\n5-0\r\n"},
	    {"XDEL s 5-0", ":1\r\n"},
	    {"XSETID s 4-0", "-ERR The ID specified in XSETID is smaller than current "
			     "max_deleted_entry_id\r\n"},
	    {"XSETID s 6-0", "+OK\r\n"},
	    {"XSETID s 5-0", "+OK\r\n"},
	    {"XSETID nosuch 5-0", "-ERR no such key\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void consumers_are_made_by_who_finds_nothing(void **state)
{
	struct command_box *b = *state;
	static const struct box_case cases[] = {
	    {"XGROUP CREATE s g $ MKSTREAM", "+OK\r\n"},
	    {"XREADGROUP GROUP g a STREAMS s >", "*-1\r\n"},
	    {"XCLAIM s g b 0 1-1", "*0\r\n"},
	    {"XAUTOCLAIM s g c 0 0", "*3\r\n$3\r\n0-0\r\n*0\r\n*0\r\n"},
	    {"XINFO CONSUMERS s g",
	     "*3\r\n*8\r\n$4\r\nname\r\n$1\r\na\r\n$7\r\npending\r\n:0\r\n$4\r\nidle\r\n:0\r\n$"
	     "8\r\ninactive\r\n:-1\r\n*8\r\n$4\r\nname\r\n$1\r\nb\r\n$7\r\npending\r\n:0\r\n$"
	     "4\r\nidle\r\n:0\r\n$8\r\ninactive\r\n:-1\r\n*8\r\n$4\r\nname\r\n$1\r\nc\r\n$7\r\n"
	     "pending\r\n:0\r\n$4\r\nidle\r\n:0\r\n$8\r\ninactive\r\n:-1\r\n"},
	    {"XADD s 1-1 f v", "$3\r\n1-1\r\n"},
	    {"XREADGROUP GROUP g a STREAMS s >",
	     "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"},
	};

	COMMAND_BOX_CHECK(b, cases);
	b->engine.now_ms += 5000;
	command_box_expect(b, "XPENDING s g IDLE 4000 - + 10",
			   "*1\r\n*4\r\n$3\r\n1-1\r\n$1\r\na\r\n:5000\r\n:1\r\n");
	command_box_expect(b, "XPENDING s g IDLE 6000 - + 10", "*0\r\n");
	command_box_expect(b, "XCLAIM s g b 6000 1-1", "*0\r\n");
	command_box_expect(b, "XAUTOCLAIM s g b 4000 0 JUSTID",
			   "*3\r\n$3\r\n0-0\r\n*1\r\n$3\r\n1-1\r\n*0\r\n");
	command_box_expect(b, "XPENDING s g - + 10",
			   "*1\r\n*4\r\n$3\r\n1-1\r\n$1\r\nb\r\n:0\r\n:1\r\n");
	command_box_expect(b, "XDEL s 1-1", ":1\r\n");
	command_box_expect(b, "XAUTOCLAIM s g a 0 0",
			   "*3\r\n$3\r\n0-0\r\n*0\r\n*1\r\n$3\r\n1-1\r\n");
	command_box_expect(b, "XPENDING s g", "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n");
}

/* By hundreds, or all. */
static void trimming_that_need_not_be_exact(void **state)
{
	struct command_box *b = *state;

	for (int i = 1; i <= 350; i++) {
		char line[64];

		(void)snprintf(line, sizeof line, "XADD s %d-1 f v", i);
		assert_int_equal(command_box_line(b, line).data[0], '$');
	}
	command_box_expect(b, "XTRIM s MAXLEN ~ 260", ":0\r\n");
	command_box_expect(b, "XTRIM s MAXLEN ~ 100 LIMIT 150", ":100\r\n");
	command_box_expect(b, "XTRIM s MINID ~ 250-1", ":100\r\n");
	command_box_expect(b, "XLEN s", ":150\r\n");
	command_box_expect(b, "XTRIM s MINID = 250-1", ":49\r\n");
	command_box_expect(b, "XTRIM s MINID ~ 1000 LIMIT 50", ":0\r\n");
	command_box_expect(b, "XTRIM s MINID ~ 1000", ":101\r\n");
	command_box_expect(b, "XLEN s", ":0\r\n");
	command_box_expect(b, "EXISTS s", ":1\r\n");
}

static void restarts_keep_groups(void **state)
{
	struct command_box *b = *state;
	static const struct box_case before[] = {
	    {"XADD s 1-1 f v", "$3\r\n1-1\r\n"},
	    {"XADD s 2-1 f v", "$3\r\n2-1\r\n"},
	    {"XGROUP CREATE s g 0", "+OK\r\n"},
	};
	static const struct box_case after[] = {
	    {"XPENDING s g",
	     "*4\r\n:1\r\n$3\r\n1-1\r\n$3\r\n1-1\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"},
	    {"XREADGROUP GROUP g b STREAMS s >",
	     "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n2-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"},
	    {"XACK s g 1-1 2-1 3-1", ":2\r\n"},
	    {"XGROUP DELCONSUMER s g a", ":0\r\n"},
	    {"XGROUP DESTROY s g", ":1\r\n"},
	    {"XGROUP DESTROY s g", ":0\r\n"},
	};

	COMMAND_BOX_CHECK(b, before);
	assert_int_equal(command_box_line(b, "XREADGROUP GROUP g a COUNT 1 STREAMS s >").data[0],
			 '*');
	command_box_restart(b);
	COMMAND_BOX_CHECK(b, after);
}

static void ids_are_read_as_in_redis(void **state)
{
	static const struct box_case cases[] = {
	    {"XADD s x f v", STREAM_ID_WANTED},
	    {"XADD s + f v", STREAM_ID_WANTED},
	    {"XADD s 1-1-1 f v", STREAM_ID_WANTED},
	    {"XADD s -5 f v", STREAM_ID_WANTED},
	    {"XADD s 18446744073709551616 f v", STREAM_ID_WANTED},
	    {"XADD s 0 f v", "-ERR The ID specified in XADD must be greater than 0-0\r\n"},
	    {"XADD s 007-+1 f v", "$3\r\n7-1\r\n"},
	    {"XRANGE s (18446744073709551615-18446744073709551615 +",
	     "-ERR invalid start ID for the interval\r\n"},
	    {"XRANGE s - (0-0", "-ERR invalid end ID for the interval\r\n"},
	    {"XRANGE s (- +", STREAM_ID_WANTED},
	    {"XRANGE s (7-0 (7-2", "*1\r\n*2\r\n$3\r\n7-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"},
	    {"XRANGE s (7-1 +", "*0\r\n"},
	    {"XRANGE s - + COUNT 0", "*-1\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void without_memory_nothing_is_half_done(void **state)
{
	struct command_box *b = *state;

	command_box_walk_memory(b, "XADD s 1-1 f v", "XINFO STREAM s FULL");
	command_box_walk_memory(b, "XGROUP CREATE s g 0", "XINFO STREAM s FULL");
	command_box_walk_memory(b, "XREADGROUP GROUP g a STREAMS s >", "XINFO STREAM s FULL");
	command_box_walk_memory(b, "XCLAIM s g b 0 1-1", "XINFO STREAM s FULL");
	command_box_walk_memory(b, "XACK s g 1-1", "XINFO STREAM s FULL");
	command_box_walk_memory(b, "XDEL s 1-1", "XINFO STREAM s FULL");
	command_box_walk_memory(b, "XGROUP DESTROY s g", "XINFO STREAM s FULL");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(ids_come_from_the_clock_and_never_fall),
	    COMMAND_BOX_TEST(setid_minds_what_was_deleted),
	    COMMAND_BOX_TEST(consumers_are_made_by_who_finds_nothing),
	    COMMAND_BOX_TEST(trimming_that_need_not_be_exact),
	    COMMAND_BOX_TEST(restarts_keep_groups),
	    COMMAND_BOX_TEST(ids_are_read_as_in_redis),
	    COMMAND_BOX_TEST(without_memory_nothing_is_half_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
