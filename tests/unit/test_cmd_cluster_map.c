/* CLUSTER SLOTS, SHARDS and LINKS, byte by byte. */
#include "tests/support/cluster_box.h"

#include "cluster/slot_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define ID(text) "$40\r\n" text "\r\n"

/* Asserts that the reply is those parts, one after the other. */
static void expect_parts(struct cluster_box *b, const char *line, const char *const *parts)
{
	struct buf want = {0};

	for (; *parts != NULL; parts++) {
		assert_int_equal(buf_append(&want, *parts, strlen(*parts)), ST_OK);
	}
	assert_int_equal(buf_append(&want, "", 1), ST_OK);
	command_box_expect(&b->command, line, (const char *)want.data);
	buf_deinit(&want);
}

#define EXPECT(b, line, ...)                                                                       \
	do {                                                                                       \
		static const char *const parts[] = {__VA_ARGS__, NULL};                            \
		expect_parts((b), (line), parts);                                                  \
	} while (0)

/* --- SLOTS --- */

#define ME_AT	   "*4\r\n$8\r\n10.0.0.1\r\n:7000\r\n" ID(BOX_ME)
#define OTHER_AT   "*4\r\n$8\r\n10.0.0.2\r\n:7001\r\n" ID(BOX_OTHER)
#define REPLICA_AT "*4\r\n$8\r\n10.0.0.3\r\n:7002\r\n" ID(BOX_REPLICA)
#define NOTHING2   "*0\r\n"
#define NOTHING3   "%0\r\n"

static void slots_name_primaries_and_their_replicas(void **state)
{
	struct cluster_box *b = *state;

	/* The replica has no data yet. */
	EXPECT(b, "CLUSTER SLOTS", "*2\r\n*3\r\n:0\r\n:8191\r\n", ME_AT, NOTHING2,
	       "*3\r\n:8192\r\n:16382\r\n", OTHER_AT, NOTHING2);
	b->cluster->nodes[2].offset = 5;
	slot_unbind(b->cluster, 100);
	b->command.session.proto = 3;
	EXPECT(b, "CLUSTER SLOTS", "*3\r\n*4\r\n:0\r\n:99\r\n", ME_AT, NOTHING3, REPLICA_AT,
	       NOTHING3, "*4\r\n:101\r\n:8191\r\n", ME_AT, NOTHING3, REPLICA_AT, NOTHING3,
	       "*3\r\n:8192\r\n:16382\r\n", OTHER_AT, NOTHING3);
	b->cluster->nodes[2].flags |= NODE_FAIL;
	EXPECT(b, "CLUSTER SLOTS", "*3\r\n*3\r\n:0\r\n:99\r\n", ME_AT, NOTHING3,
	       "*3\r\n:101\r\n:8191\r\n", ME_AT, NOTHING3, "*3\r\n:8192\r\n:16382\r\n", OTHER_AT,
	       NOTHING3);
}

/* Leaves this node and the other one a slot each. */
static void keep_one_slot_each(struct cluster *c)
{
	for (unsigned s = 0; s < 16383; s++) {
		if (s != 0 && s != 8192) {
			slot_unbind(c, s);
		}
	}
}

static void endpoints_are_what_is_preferred(void **state)
{
	struct cluster_box *b = *state;

	keep_one_slot_each(b->cluster);
	memcpy(b->cluster->nodes[1].hostname, "other.example", 14);
	EXPECT(b, "CLUSTER SLOTS", "*2\r\n*3\r\n:0\r\n:0\r\n", ME_AT, NOTHING2,
	       "*3\r\n:8192\r\n:8192\r\n", OTHER_AT,
	       "*2\r\n$8\r\nhostname\r\n$13\r\nother.example\r\n");
	b->settings.endpoint = ENDPOINT_HOSTNAME;
	cluster_box_set(b);
	EXPECT(b, "CLUSTER SLOTS", "*2\r\n*3\r\n:0\r\n:0\r\n*4\r\n$1\r\n?\r\n:7000\r\n", ID(BOX_ME),
	       "*2\r\n$2\r\nip\r\n$8\r\n10.0.0.1\r\n",
	       "*3\r\n:8192\r\n:8192\r\n*4\r\n$13\r\nother.example\r\n:7001\r\n", ID(BOX_OTHER),
	       "*2\r\n$2\r\nip\r\n$8\r\n10.0.0.2\r\n");
	b->settings.endpoint = ENDPOINT_UNKNOWN;
	cluster_box_set(b);
	EXPECT(b, "CLUSTER SLOTS", "*2\r\n*3\r\n:0\r\n:0\r\n*4\r\n$-1\r\n:7000\r\n", ID(BOX_ME),
	       "*2\r\n$2\r\nip\r\n$8\r\n10.0.0.1\r\n",
	       "*3\r\n:8192\r\n:8192\r\n*4\r\n$-1\r\n:7001\r\n", ID(BOX_OTHER),
	       "*4\r\n$2\r\nip\r\n$8\r\n10.0.0.2\r\n$8\r\nhostname\r\n$13\r\nother.example\r\n");
}

/* --- SHARDS --- */

#define PORT(port)	  "$4\r\nport\r\n:" port "\r\n"
#define ADDRESS(ip)	  "$2\r\nip\r\n$8\r\n" ip "\r\n$8\r\nendpoint\r\n$8\r\n" ip "\r\n"
#define MASTER		  "$4\r\nrole\r\n$6\r\nmaster\r\n"
#define REPLICA		  "$4\r\nrole\r\n$7\r\nreplica\r\n"
#define OFFSET_AND_HEALTH "$18\r\nreplication-offset\r\n:0\r\n$6\r\nhealth\r\n"
#define ME_IN_SHARD	  "$2\r\nid\r\n" ID(BOX_ME) PORT("7000") ADDRESS("10.0.0.1") MASTER
#define OTHER_IN_SHARD	  "$2\r\nid\r\n" ID(BOX_OTHER) PORT("7001") ADDRESS("10.0.0.2") MASTER
#define REPLICA_IN_SHARD  "$2\r\nid\r\n" ID(BOX_REPLICA) PORT("7002") ADDRESS("10.0.0.3") REPLICA
#define ONLINE		  OFFSET_AND_HEALTH "$6\r\nonline\r\n"
#define LOADING		  OFFSET_AND_HEALTH "$7\r\nloading\r\n"
#define FAILED		  OFFSET_AND_HEALTH "$4\r\nfail\r\n"

static void shards_keep_their_nodes_together(void **state)
{
	struct cluster_box *b = *state;

	EXPECT(b, "CLUSTER SHARDS",
	       "*2\r\n*4\r\n$5\r\nslots\r\n*2\r\n:0\r\n:8191\r\n$5\r\nnodes\r\n*2\r\n*14\r\n",
	       ME_IN_SHARD, ONLINE, "*14\r\n", REPLICA_IN_SHARD, LOADING,
	       "*4\r\n$5\r\nslots\r\n*2\r\n:8192\r\n:16382\r\n$5\r\nnodes\r\n*1\r\n*14\r\n",
	       OTHER_IN_SHARD, ONLINE);
	slot_unbind(b->cluster, 8000);
	(void)slot_map_unbind_all(b->cluster, &b->cluster->nodes[1]);
	b->cluster->nodes[1].flags |= NODE_FAIL;
	b->command.session.proto = 3;
	EXPECT(b, "CLUSTER SHARDS",
	       "*2\r\n%2\r\n$5\r\nslots\r\n*4\r\n:0\r\n:7999\r\n:8001\r\n:8191\r\n",
	       "$5\r\nnodes\r\n*2\r\n%7\r\n", ME_IN_SHARD, ONLINE, "%7\r\n", REPLICA_IN_SHARD,
	       LOADING, "%2\r\n$5\r\nslots\r\n*0\r\n$5\r\nnodes\r\n*1\r\n%7\r\n", OTHER_IN_SHARD,
	       FAILED);
}

/* --- LINKS --- */

static void links_are_the_bus_s(void **state)
{
	struct cluster_box *b = *state;

	EXPECT(b, "CLUSTER LINKS", "*0\r\n");
	b->links = 2;
	b->command.session.proto = 3;
	EXPECT(b, "CLUSTER LINKS", "*2\r\n%6\r\n$9\r\ndirection\r\n$2\r\nto\r\n$4\r\nnode\r\n",
	       ID(BOX_OTHER),
	       "$11\r\ncreate-time\r\n:1700000000000\r\n$6\r\nevents\r\n$2\r\nrw\r\n",
	       "$21\r\nsend-buffer-allocated\r\n:4096\r\n$16\r\nsend-buffer-used\r\n:0\r\n",
	       "%6\r\n$9\r\ndirection\r\n$4\r\nfrom\r\n$4\r\nnode\r\n", ID(BOX_OTHER),
	       "$11\r\ncreate-time\r\n:1700000000001\r\n$6\r\nevents\r\n$1\r\nr\r\n",
	       "$21\r\nsend-buffer-allocated\r\n:4096\r\n$16\r\nsend-buffer-used\r\n:1\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CLUSTER_BOX_TEST(slots_name_primaries_and_their_replicas),
	    CLUSTER_BOX_TEST(endpoints_are_what_is_preferred),
	    CLUSTER_BOX_TEST(shards_keep_their_nodes_together),
	    CLUSTER_BOX_TEST(links_are_the_bus_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
