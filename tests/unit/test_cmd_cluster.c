/* CLUSTER: shapes of replies in RESP2 and RESP3, errors, and what changes. */
#include "tests/support/cluster_box.h"

#include "cluster/failure.h"
#include "net/command/dispatch_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define DISABLED "-ERR This instance has cluster support disabled\r\n"
#define UNKNOWN	 "-ERR Unknown node x\r\n"

static void without_a_cluster_all_is_refused(void **state)
{
	struct command_box *b = *state;
	static const struct box_case cases[] = {
	    {"CLUSTER INFO", DISABLED},
	    {"CLUSTER NODES", DISABLED},
	    {"CLUSTER SLOTS", DISABLED},
	    {"CLUSTER SHARDS", DISABLED},
	    {"CLUSTER LINKS", DISABLED},
	    {"CLUSTER MYID", DISABLED},
	    {"CLUSTER MYSHARDID", DISABLED},
	    {"CLUSTER HELP", DISABLED},
	    {"CLUSTER KEYSLOT a", DISABLED},
	    {"CLUSTER COUNTKEYSINSLOT x", DISABLED},
	    {"CLUSTER GETKEYSINSLOT x x", DISABLED},
	    {"CLUSTER REPLICAS x", DISABLED},
	    {"CLUSTER COUNT-FAILURE-REPORTS x", DISABLED},
	    {"CLUSTER ADDSLOTS x", DISABLED},
	    {"ASKING", DISABLED},
	    {"READONLY", DISABLED},
	    {"READWRITE", DISABLED},
	    {"CLUSTER KEYSLOT", "-ERR wrong number of arguments for 'cluster|keyslot' command\r\n"},
	    {"CLUSTER FOO", "-ERR unknown subcommand 'FOO'. Try CLUSTER HELP.\r\n"},
	    {"SET foo 1", "+OK\r\n"},
	    {"MGET foo hello", "*2\r\n$1\r\n1\r\n$-1\r\n"},
	    {"MOVE foo 1", "-ERR DB index is out of range\r\n"},
	    {"MOVE foo 0", "-ERR source and destination objects are the same\r\n"},
	    {"MOVE foo x", "-ERR value is not an integer or out of range\r\n"},
	    {"SWAPDB 0 0", "+OK\r\n"},
	    {"SWAPDB 0 1", "-ERR DB index is out of range\r\n"},
	    {"SWAPDB x 1", "-ERR invalid first DB index\r\n"},
	    {"SWAPDB 0 x", "-ERR invalid second DB index\r\n"},
	    {"SELECT 1", "-ERR DB index is out of range\r\n"},
	};

	COMMAND_BOX_CHECK(b, cases);
}

static void this_node_and_its_keys(void **state)
{
	struct cluster_box *b = *state;
	static const struct box_case cases[] = {
	    {"CLUSTER MYID", "$40\r\n" BOX_ME "\r\n"},
	    {"CLUSTER KEYSLOT hello", ":866\r\n"},
	    {"CLUSTER KEYSLOT {hello}x", ":866\r\n"},
	    {"CLUSTER COUNTKEYSINSLOT 866", ":0\r\n"},
	    {"MSET {hello}1 a {hello}2 b {hello}3 c", "+OK\r\n"},
	    {"SET {hello}4 d PX 5", "+OK\r\n"},
	    {"CLUSTER COUNTKEYSINSLOT 866", ":4\r\n"},
	    {"CLUSTER GETKEYSINSLOT 866 0", "*0\r\n"},
	    {"CLUSTER GETKEYSINSLOT 1 10", "*0\r\n"},
	    {"CLUSTER COUNTKEYSINSLOT 16384", "-ERR Invalid slot\r\n"},
	    {"CLUSTER COUNTKEYSINSLOT -1", "-ERR Invalid slot\r\n"},
	    {"CLUSTER COUNTKEYSINSLOT 007", "-ERR value is not an integer or out of range\r\n"},
	    {"CLUSTER GETKEYSINSLOT 1 -1", "-ERR Invalid slot or number of keys\r\n"},
	    {"CLUSTER GETKEYSINSLOT 16384 1", "-ERR Invalid slot or number of keys\r\n"},
	    {"CLUSTER GETKEYSINSLOT x 1", "-ERR value is not an integer or out of range\r\n"},
	    {"CLUSTER GETKEYSINSLOT 1 x", "-ERR value is not an integer or out of range\r\n"},
	};
	struct slice reply;

	COMMAND_BOX_CHECK(&b->command, cases);
	assert_true(slice_has_prefix(command_box_line(&b->command, "CLUSTER GETKEYSINSLOT 866 2"),
				     slice_str("*2\r\n$8\r\n{hello}")));
	/* What has expired would be asked for, and not found, for ever. */
	b->command.engine.now_ms += 10;
	reply = command_box_line(&b->command, "CLUSTER GETKEYSINSLOT 866 10");
	assert_true(slice_has_prefix(reply, slice_str("*3\r\n$8\r\n{hello}")));
	assert_int_equal(reply.len, 4 + 3 * 14);
	assert_true(slice_has_prefix(command_box_line(&b->command, "CLUSTER MYSHARDID"),
				     slice_str("$40\r\n")));
}

static bool has(struct slice text, const char *part)
{
	return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

static void info_and_nodes(void **state)
{
	struct cluster_box *b = *state;
	struct slice reply = command_box_line(&b->command, "CLUSTER INFO");

	assert_true(has(reply, "\r\ncluster_state:ok\r\ncluster_slots_assigned:16383\r\n"
			       "cluster_slots_ok:16383\r\ncluster_slots_pfail:0\r\n"
			       "cluster_slots_fail:0\r\ncluster_known_nodes:3\r\ncluster_size:2\r\n"
			       "cluster_current_epoch:2\r\ncluster_my_epoch:1\r\n"
			       "cluster_stats_messages_sent:0\r\n"
			       "cluster_stats_messages_received:0\r\n"
			       "total_cluster_links_buffer_limit_exceeded:0\r\n"));
	b->cluster->sent[BUS_PING] = 3;
	b->cluster->received[BUS_AUTH_REQUEST] = 1;
	b->cluster->received[BUS_PUBLISHSHARD] = 2;
	b->command.host.cluster_links_over_limit = 4;
	b->command.session.proto = 3;
	reply = command_box_line(&b->command, "CLUSTER INFO");
	assert_int_equal(reply.data[0], '=');
	assert_true(has(reply, "\r\ntxt:cluster_state:ok\r\n"));
	assert_true(has(reply, "\r\ncluster_stats_messages_ping_sent:3\r\n"
			       "cluster_stats_messages_sent:3\r\n"
			       "cluster_stats_messages_auth-req_received:1\r\n"
			       "cluster_stats_messages_publishshard_received:2\r\n"
			       "cluster_stats_messages_received:3\r\n"
			       "total_cluster_links_buffer_limit_exceeded:4\r\n"));
	reply = command_box_line(&b->command, "CLUSTER NODES");
	assert_int_equal(reply.data[0], '=');
	assert_true(has(reply, BOX_ME " 10.0.0.1:7000@17000 myself,master - 0 "));
	assert_true(has(reply, " connected 0-8191\n"));
	assert_true(has(reply, BOX_REPLICA " 10.0.0.3:7002@17002 slave " BOX_ME " "));
	b->command.session.proto = 2;
	assert_int_equal(command_box_line(&b->command, "CLUSTER NODES").data[0], '$');
}

/* Each client sees the ports of its own kind, where a node has one; nodes.conf the bus's. */
static void ports_are_those_of_the_clients_kind(void **state)
{
	struct cluster_box *b = *state;
	struct session *s = &b->command.session;
	struct slice reply;

	b->cluster->nodes[1].addr.other_port = 7901;
	s->tls = true;
	reply = command_box_line(&b->command, "CLUSTER NODES");
	assert_true(has(reply, BOX_OTHER " 10.0.0.2:7901@17001 master"));
	assert_true(has(reply, BOX_REPLICA " 10.0.0.3:7002@17002 slave"));
	s->tls = false;
	reply = command_box_line(&b->command, "CLUSTER NODES");
	assert_true(has(reply, BOX_OTHER " 10.0.0.2:7001@17001 master"));
	/* In a cluster of TLS the first one is TLS's. */
	b->settings.tls_cluster = true;
	cluster_box_set(b);
	reply = command_box_line(&b->command, "CLUSTER NODES");
	assert_true(has(reply, BOX_OTHER " 10.0.0.2:7901@17001 master"));
	b->cluster->nodes[2].addr.other_port = 7902;
	reply = command_box_line(&b->command, "CLUSTER REPLICAS " BOX_ME);
	assert_true(has(reply, BOX_REPLICA " 10.0.0.3:7902@17002 slave"));
	s->tls = true;
	reply = command_box_line(&b->command, "CLUSTER REPLICAS " BOX_ME);
	assert_true(has(reply, BOX_REPLICA " 10.0.0.3:7002@17002 slave"));
	command_box_expect(&b->command, "GET foo", "-MOVED 12182 10.0.0.2:7001\r\n");
}

static void replicas_and_reports(void **state)
{
	struct cluster_box *b = *state;
	static const struct box_case cases[] = {
	    {"CLUSTER REPLICAS x", UNKNOWN},
	    {"CLUSTER SLAVES x", UNKNOWN},
	    {"CLUSTER REPLICAS " BOX_REPLICA, "-ERR The specified node is not a master\r\n"},
	    {"CLUSTER REPLICAS " BOX_OTHER, "*0\r\n"},
	    {"CLUSTER COUNT-FAILURE-REPORTS x", UNKNOWN},
	    {"CLUSTER COUNT-FAILURE-REPORTS " BOX_REPLICA, ":0\r\n"},
	};
	struct slice reply;

	COMMAND_BOX_CHECK(&b->command, cases);
	reply = command_box_line(&b->command, "CLUSTER REPLICAS " BOX_ME);
	assert_true(slice_has_prefix(reply, slice_str("*1\r\n$")));
	assert_true(has(reply, "\r\n" BOX_REPLICA " 10.0.0.3:7002@17002 slave " BOX_ME " "));
	assert_false(has(reply, "\n\r\n")); /* the line's own end is cut off */
}

static void changes(void **state)
{
	struct cluster_box *b = *state;
	static const struct box_case cases[] = {
	    {"CLUSTER ADDSLOTS 16383", "+OK\r\n"},
	    {"CLUSTER ADDSLOTS 16383", "-ERR Slot 16383 is already busy\r\n"},
	    {"CLUSTER DELSLOTS 16383 16383", "-ERR Slot 16383 specified multiple times\r\n"},
	    {"CLUSTER DELSLOTS 16383", "+OK\r\n"},
	    {"CLUSTER DELSLOTSRANGE 0 1 2",
	     "-ERR wrong number of arguments for 'cluster|delslotsrange' command\r\n"},
	    {"CLUSTER SETSLOT 1 FOO",
	     "-ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP\r\n"},
	    {"CLUSTER MEET 127.0.0.1 x", "-ERR Invalid base port specified: x\r\n"},
	    {"CLUSTER MEET 127.0.0.1 7000 x", "-ERR Invalid bus port specified: x\r\n"},
	    {"CLUSTER MEET 127.0.0.1 7000 1 2",
	     "-ERR unknown subcommand or wrong number of arguments for 'MEET'. Try CLUSTER "
	     "HELP.\r\n"},
	    {"CLUSTER FORGET x", UNKNOWN},
	    {"CLUSTER REPLICATE x", UNKNOWN},
	    {"CLUSTER FAILOVER", "-ERR You should send CLUSTER FAILOVER to a replica\r\n"},
	    {"CLUSTER FAILOVER x", "-ERR syntax error\r\n"},
	    {"CLUSTER FAILOVER FORCE x",
	     "-ERR unknown subcommand or wrong number of arguments for 'FAILOVER'. Try CLUSTER "
	     "HELP.\r\n"},
	    {"CLUSTER RESET HARD x",
	     "-ERR unknown subcommand or wrong number of arguments for 'RESET'. Try CLUSTER "
	     "HELP.\r\n"},
	    {"CLUSTER BUMPEPOCH", "+BUMPED 3\r\n"},
	    {"CLUSTER BUMPEPOCH", "+STILL 3\r\n"},
	    {"CLUSTER SAVECONFIG", "+OK\r\n"},
	    {"CLUSTER SET-CONFIG-EPOCH -1", "-ERR Invalid config epoch specified: -1\r\n"},
	    {"SET hello 1", "+OK\r\n"},
	    {"CLUSTER FLUSHSLOTS", "-ERR DB must be empty to perform CLUSTER FLUSHSLOTS.\r\n"},
	    {"CLUSTER SETSLOT 866 NODE " BOX_OTHER,
	     "-ERR Can't assign hashslot 866 to a different node while I still hold keys for this "
	     "hash slot.\r\n"},
	    {"CLUSTER RESET",
	     "-ERR CLUSTER RESET can't be called with master nodes containing keys\r\n"},
	    {"DEL hello", ":1\r\n"},
	    {"CLUSTER SETSLOT 866 NODE " BOX_OTHER, "+OK\r\n"},
	    {"GET hello", "-MOVED 866 10.0.0.2:7001\r\n"},
	    /* as redis-cli --cluster fix sends it */
	    {"MULTI", "+OK\r\n"},
	    {"CLUSTER DELSLOTS 866", "+QUEUED\r\n"},
	    {"CLUSTER ADDSLOTS 866", "+QUEUED\r\n"},
	    {"CLUSTER SETSLOT 866 STABLE", "+QUEUED\r\n"},
	    {"CLUSTER BUMPEPOCH", "+QUEUED\r\n"},
	    {"EXEC", "*4\r\n+OK\r\n+OK\r\n+OK\r\n+STILL 3\r\n"},
	    {"GET hello", "$-1\r\n"},
	    {"CLUSTER RESET HARD", "+OK\r\n"},
	};
	struct slice reply;

	COMMAND_BOX_CHECK(&b->command, cases);
	reply = command_box_line(&b->command, "CLUSTER MYID");
	assert_false(has(reply, BOX_ME));
}

#define STAT(slot, keys) "*2\r\n:" slot "\r\n*2\r\n$9\r\nkey-count\r\n:" keys "\r\n"

static void slots_tell_their_keys(void **state)
{
	struct cluster_box *b = *state;
	static const struct box_case cases[] = {
	    {"MSET {hello}1 a {hello}2 b {hello}3 c", "+OK\r\n"},
	    {"SET {b}1 a", "+OK\r\n"},
	    {"CLUSTER SLOT-STATS SLOTSRANGE 865 867",
	     "*3\r\n" STAT("865", "0") STAT("866", "3") STAT("867", "0")},
	    {"CLUSTER SLOT-STATS SLOTSRANGE 8190 8193",
	     "*2\r\n" STAT("8190", "0") STAT("8191", "0")},
	    {"CLUSTER SLOT-STATS SLOTSRANGE 9000 9001", "*0\r\n"},
	    {"CLUSTER SLOT-STATS ORDERBY key-count LIMIT 3",
	     "*3\r\n" STAT("866", "3") STAT("3300", "1") STAT("0", "0")},
	    {"CLUSTER SLOT-STATS ORDERBY key-count ASC LIMIT 2",
	     "*2\r\n" STAT("0", "0") STAT("1", "0")},
	    {"CLUSTER SLOT-STATS ORDERBY key-count LIMIT 0",
	     "-ERR Limit has to lie in between 1 and 16384 (maximum number of slots).\r\n"},
	    {"CLUSTER SLOT-STATS ORDERBY cpu-usec",
	     "-ERR unrecognized sort metric for ORDERBY.\r\n"},
	    {"CLUSTER SLOT-STATS ORDERBY key-count ASC DESC", "-ERR syntax error\r\n"},
	    {"CLUSTER SLOT-STATS SLOTSRANGE 2 1",
	     "-ERR Start slot number 2 is greater than end slot number 1\r\n"},
	    {"CLUSTER SLOT-STATS SLOTSRANGE 2 99999", "-ERR Invalid or out of range slot\r\n"},
	    {"CLUSTER SLOT-STATS FOO 1", "-ERR syntax error\r\n"},
	};

	COMMAND_BOX_CHECK(&b->command, cases);
}

static void slots_tell_their_digests(void **state)
{
	struct cluster_box *b = *state;
	static const struct box_case cases[] = {
	    {"CLUSTER SLOT-DIGEST 0",
	     "*1\r\n*2\r\n:0\r\n*6\r\n$6\r\ndigest\r\n$32\r\n"
	     "00000000000000000000000000000000\r\n$4\r\nkeys\r\n:0\r\n$3\r\nlsn\r\n:0\r\n"},
	    {"CLUSTER SLOT-DIGEST 0 16384", "-ERR Invalid or out of range slot\r\n"},
	    {"CLUSTER SLOT-DIGEST x", "-ERR value is not an integer or out of range\r\n"},
	    {"CLUSTER SLOT-DIGEST SLOTSRANGE 1", "-ERR syntax error\r\n"},
	    {"CLUSTER SLOT-DIGEST SLOTSRANGE 2 1",
	     "-ERR Start slot number 2 is greater than end slot number 1\r\n"},
	    {"SET {hello}1 a", "+OK\r\n"},
	};
	struct slice reply;

	COMMAND_BOX_CHECK(&b->command, cases);
	reply = command_box_line(&b->command, "CLUSTER SLOT-DIGEST SLOTSRANGE 865 867");
	assert_true(has(reply, "*3\r\n*2\r\n:865\r\n"));
	/* Not in a checkpoint yet. */
	reply = command_box_line(&b->command, "CLUSTER SLOT-DIGEST 866 866");
	assert_true(has(reply, "*2\r\n*2\r\n:866\r\n"));
	assert_true(has(reply, "keys\r\n:0\r\n"));
}

/* A request and each command of a transaction count as they came, EXEC's reply as it left. */
static void slots_tell_what_their_requests_cost(void **state)
{
	struct cluster_box *b = *state;
	static const struct box_case requests[] = {
	    {"SET hello 1", "+OK\r\n"},	   {"MULTI", "+OK\r\n"},  {"GET hello", "+QUEUED\r\n"},
	    {"EXEC", "*1\r\n$1\r\n1\r\n"}, {"PING", "+PONG\r\n"},
	};
	static const struct box_case reset[] = {
	    {"CLUSTER SLOT-STATS SLOTSRANGE 866 866",
	     "*1\r\n*2\r\n:866\r\n*8\r\n$9\r\nkey-count\r\n:1\r\n$8\r\ncpu-usec\r\n:0\r\n"
	     "$16\r\nnetwork-bytes-in\r\n:0\r\n$17\r\nnetwork-bytes-out\r\n:0\r\n"},
	};
	struct slice reply;

	(void)command_box_line(&b->command, "PING"); /* settings are read */
	assert_int_equal(slot_loads_enable(&b->command.dispatch->slot_loads, true), ST_OK);
	COMMAND_BOX_CHECK(&b->command, requests);
	reply =
	    command_box_line(&b->command, "CLUSTER SLOT-STATS ORDERBY network-bytes-out LIMIT 1");
	assert_true(slice_has_prefix(
	    reply, slice_str("*1\r\n*2\r\n:866\r\n*8\r\n$9\r\nkey-count\r\n:1\r\n")));
	assert_true(has(reply, "network-bytes-in\r\n:69\r\n"));
	assert_true(has(reply, "network-bytes-out\r\n:25\r\n"));
	reply = command_box_line(&b->command, "CLUSTER SLOT-STATS ORDERBY cpu-usec ASC LIMIT 1");
	assert_true(slice_has_prefix(reply, slice_str("*1\r\n*2\r\n:0\r\n")));
	dispatch_stats_reset(b->command.dispatch);
	COMMAND_BOX_CHECK(&b->command, reset);
}

static void help_lists_every_subcommand(void **state)
{
	struct cluster_box *b = *state;
	const struct command *c = dispatch_lookup(b->command.dispatch, slice_str("cluster"));

	for (const struct command *sub = c->subcommands; sub->name != NULL; sub++) {
		char line[64] = "\r\n+";
		size_t len = 3;

		for (const char *p = sub->name; *p != 0; p++) {
			line[len++] = (char)(*p >= 'a' && *p <= 'z' ? *p & ~0x20 : *p);
		}
		line[len] = 0;
		if (strcmp(sub->name, "slaves") != 0 && strcmp(sub->name, "help") != 0 &&
		    !has(command_box_line(&b->command, "CLUSTER HELP"), line)) {
			print_error("HELP says nothing of %s\n", sub->name);
			fail();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(without_a_cluster_all_is_refused),
	    CLUSTER_BOX_TEST(this_node_and_its_keys),
	    CLUSTER_BOX_TEST(info_and_nodes),
	    CLUSTER_BOX_TEST(replicas_and_reports),
	    CLUSTER_BOX_TEST(ports_are_those_of_the_clients_kind),
	    CLUSTER_BOX_TEST(changes),
	    CLUSTER_BOX_TEST(slots_tell_their_keys),
	    CLUSTER_BOX_TEST(slots_tell_their_digests),
	    CLUSTER_BOX_TEST(slots_tell_what_their_requests_cost),
	    CLUSTER_BOX_TEST(help_lists_every_subcommand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
