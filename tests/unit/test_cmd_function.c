/* FUNCTION through dispatch, on a node that has none; and PSYNC, which it refuses. */
#include "net/proto/crc64.h"
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct slice restore(struct command_box *b, struct slice payload)
{
	struct slice argv[3] = {slice_str("FUNCTION"), slice_str("RESTORE"), payload};

	return command_box_run(b, argv, 3);
}

static void there_are_none(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "FUNCTION LIST", "*0\r\n");
	command_box_expect(b, "FUNCTION LIST LIBRARYNAME x* WITHCODE", "*0\r\n");
	command_box_expect(b, "FUNCTION LIST LIBRARYNAME",
			   "-ERR library name argument was not given\r\n");
	command_box_expect(b, "FUNCTION LIST WITHCODE WITHCODE",
			   "-ERR Unknown argument WITHCODE\r\n");
}

static void an_empty_dump_is_restored_and_no_other(void **state)
{
	/* As redis-server 7.0.15 dumps when it has no functions. */
	static const uint8_t none[] = {0x0a, 0x00, 0x5d, 0x9b, 0x5c, 0x40, 0x0f, 0x7f, 0xa2, 0xda};
	struct command_box *b = *state;
	uint8_t library[24] = {0xf5, 0x03, 'l', 'i', 'b'};
	struct slice reply;
	uint64_t crc;

	command_box_expect(b, "FUNCTION RESTORE x",
			   "-ERR DUMP payload version or checksum are wrong\r\n");
	assert_true(slice_eq(restore(b, slice_of(none, sizeof none)), slice_str("+OK\r\n")));
	/* What is dumped here is of the same kind. */
	reply = command_box_line(b, "FUNCTION DUMP");
	assert_int_equal(reply.len, strlen("$10\r\n") + sizeof none + 2);
	assert_memory_equal(reply.data + 5, none, 2);
	memcpy(library + 5, none, 2);
	crc = crc64(0, slice_of(library, 7));
	for (unsigned i = 0; i < 8; i++) {
		library[7 + i] = (uint8_t)(crc >> (8 * i));
	}
	reply = restore(b, slice_of(library, 15));
	assert_true(reply.len > 5 && memcmp(reply.data, "-ERR the payload holds", 22) == 0);
	library[3] ^= 1;
	reply = restore(b, slice_of(library, 15));
	assert_true(
	    slice_eq(reply, slice_str("-ERR DUMP payload version or checksum are wrong\r\n")));
	command_box_expect(b, "FUNCTION RESTORE x SOMEHOW",
			   "-ERR Wrong restore policy given, value should be either FLUSH, "
			   "APPEND or REPLACE.\r\n");
}

static void redis_server_is_told_that_it_can_not_replicate(void **state)
{
	struct command_box *b = *state;

	command_box_expect_error(b, "PSYNC ? -1", "ERR this is a Cairn node");
	command_box_expect_error(b, "SYNC", "ERR this is a Cairn node");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(there_are_none),
	    COMMAND_BOX_TEST(an_empty_dump_is_restored_and_no_other),
	    COMMAND_BOX_TEST(redis_server_is_told_that_it_can_not_replicate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
