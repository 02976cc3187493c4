/* REPLCONF, SYNC and PSYNC as far as the command itself goes: what is asked of the host, and the
 * errors that Redis gives. */
#include "net/command/command_host.h"
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct psync_request asked;
static const char *refusal;

static enum status take(struct command_host *h, struct session *session,
			const struct psync_request *request, struct buf *error)
{
	(void)h;
	(void)session;
	asked = *request;
	if (refusal != NULL) {
		buf_note(error, "%s", refusal);
		return ST_INVALID;
	}
	return ST_OK;
}

static void replconf_says_what_the_replica_is_like(void **state)
{
	static const struct box_case cases[] = {
	    {"REPLCONF", "+OK\r\n"},
	    {"REPLCONF listening-port 6380", "+OK\r\n"},
	    {"REPLCONF listening-port x", "-ERR value is not an integer or out of range\r\n"},
	    {"REPLCONF listening-port", "-ERR syntax error\r\n"},
	    {"REPLCONF ip-address 10.0.0.7 capa eof capa psync2 capa other", "+OK\r\n"},
	    {"REPLCONF rdb-only 1", "+OK\r\n"},
	    {"REPLCONF rdb-filter-only keys", "-ERR Unsupported rdb-filter-only option: keys\r\n"},
	    {"REPLCONF rdb-filter-only functions", "+OK\r\n"},
	    {"REPLCONF nosuch 1", "-ERR Unrecognized REPLCONF option: nosuch\r\n"},
	    /* Nobody waits for a reply to these. */
	    {"REPLCONF ACK 100", ""},
	    {"REPLCONF GETACK *", ""},
	};
	struct command_box *b = *state;
	const struct replconf *conf = &b->session.replconf;

	COMMAND_BOX_CHECK(b, cases);
	assert_int_equal(conf->port, 6380);
	assert_string_equal(conf->ip, "10.0.0.7");
	assert_true(conf->eof && conf->psync2 && conf->rdb_only);
	assert_true(conf->no_keys && !conf->no_libraries);
	command_box_expect(b, "REPLCONF rdb-filter-only ''", "+OK\r\n");
	assert_true(conf->no_keys && conf->no_libraries);
}

static void an_address_too_long_is_refused(void **state)
{
	char line[400] = "REPLCONF ip-address ";
	struct command_box *b = *state;

	memset(line + strlen(line), 'x', 300);
	command_box_expect(b, line,
			   "-ERR REPLCONF ip-address provided by replica instance is too long: 300 "
			   "bytes\r\n");
}

static void psync_asks_for_a_place_in_a_stream(void **state)
{
	struct command_host_ops ops = command_box_ops;
	struct command_box *b = *state;

	command_box_expect_error(b, "SYNC", "ERR this node has no replication");
	ops.psync = take;
	b->host.ops = &ops;
	command_box_expect(b, "SYNC", "");
	assert_false(asked.psync || asked.has_offset);
	command_box_expect(b, "PSYNC ? -1", "");
	assert_true(asked.psync && !asked.has_offset);
	/* The offset is that of the first byte which is missing. */
	command_box_expect(b, "PSYNC 0123456789012345678901234567890123456789 42", "");
	assert_true(asked.has_offset);
	assert_int_equal(asked.offset, 41);
	assert_string_equal(asked.replid, "0123456789012345678901234567890123456789");
	/* No name of a stream: everything. */
	command_box_expect(b, "PSYNC short 42", "");
	assert_false(asked.has_offset);
	command_box_expect(b, "PSYNC ? x", "-ERR value is not an integer or out of range\r\n");
	command_box_expect_error(b, "PSYNC ? -1 FAILOVER", "ERR PSYNC FAILOVER");
	command_box_expect(b, "PSYNC ? -1 other", "-ERR syntax error\r\n");
	refusal = "NOMASTERLINK Can't SYNC while not connected with my master";
	command_box_expect_error(b, "SYNC", "NOMASTERLINK");
	refusal = NULL;
	b->host.ops = &command_box_ops;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(replconf_says_what_the_replica_is_like),
	    COMMAND_BOX_TEST(an_address_too_long_is_refused),
	    COMMAND_BOX_TEST(psync_asks_for_a_place_in_a_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
