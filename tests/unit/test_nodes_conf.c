/* nodes.conf: what Redis 7.0 and 7.2 write is read, what is written is read back, damage is told.
 */
#include "cluster/nodes_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define A "0123456789abcdef0123456789abcdef01234567"
#define B "fedcba9876543210fedcba9876543210fedcba98"

static enum status read_one(const char *text, struct nodes_conf_row *row,
			    struct nodes_conf_reader *r)
{
	enum nodes_conf_kind kind;

	nodes_conf_open_text(r, slice_str(text));
	return nodes_conf_next(r, row, &kind);
}

static void a_file_of_redis_is_read(void **state)
{
	static const char text[] =
	    A " 127.0.0.1:7000@17000 myself,master - 0 0 3 connected 0-5460 5462 [5461->-" B "]"
	      " [9-<-" B "]\n" B " 127.0.0.1:7001@17001,host-b slave,fail " A
	      " 1700000000000 1700000000001 3"
	      " disconnected\n\n"
	      "vars currentEpoch 6 lastVoteEpoch 5 shard-" A " " B " name-" B " b/2\n\n\n";
	struct nodes_conf_reader r;
	struct nodes_conf_row row;
	struct nodes_conf_open open;
	enum nodes_conf_kind kind;
	struct slice rest;

	(void)state;
	nodes_conf_open_text(&r, slice_str(text));
	assert_int_equal(nodes_conf_next(&r, &row, &kind), ST_OK);
	assert_string_equal(row.id.text, A);
	assert_string_equal(row.addr.ip, "127.0.0.1");
	assert_int_equal(row.addr.port, 7000);
	assert_int_equal(row.addr.bus_port, 17000);
	assert_int_equal(row.flags, NODE_MYSELF | NODE_PRIMARY);
	assert_true(node_id_empty(&row.primary));
	assert_true(slot_bits_get(&row.slots, 0) && slot_bits_get(&row.slots, 5460));
	assert_false(slot_bits_get(&row.slots, 5461));
	assert_true(slot_bits_get(&row.slots, 5462));
	rest = row.open;
	assert_true(nodes_conf_next_open(&rest, &open));
	assert_int_equal(open.slot, 5461);
	assert_false(open.importing);
	assert_true(nodes_conf_next_open(&rest, &open));
	assert_int_equal(open.slot, 9);
	assert_true(open.importing);
	assert_string_equal(open.peer.text, B);
	assert_int_equal(nodes_conf_next(&r, &row, &kind), ST_OK);
	assert_string_equal(row.hostname, "host-b");
	assert_int_equal(row.flags, NODE_REPLICA | NODE_FAIL);
	assert_string_equal(row.primary.text, A);
	assert_false(row.connected);
	assert_int_equal(nodes_conf_next(&r, &row, &kind), ST_OK);
	assert_int_equal(kind, NODES_CONF_SHARD);
	assert_string_equal(row.shard.text, B);
	assert_int_equal(nodes_conf_next(&r, &row, &kind), ST_OK);
	assert_int_equal(kind, NODES_CONF_NAME);
	assert_string_equal(row.id.text, B);
	assert_string_equal(row.name, "b/2");
	assert_int_equal(nodes_conf_next(&r, &row, &kind), ST_END);
	assert_int_equal(r.current_epoch, 6);
	assert_int_equal(r.last_vote_epoch, 5);
}

static void fields_of_7_2_and_ipv6_are_read(void **state)
{
	struct nodes_conf_reader r;
	struct nodes_conf_row row;

	(void)state;
	assert_int_equal(read_one(A " ::1:7000@17000,,tls-port=7443,shard-id=" B
				    ",nodename=blue,new-thing=1 master - 0 0 0 connected\n",
				  &row, &r),
			 ST_OK);
	assert_string_equal(row.addr.ip, "::1");
	assert_int_equal(row.addr.other_port, 7443);
	assert_string_equal(row.shard.text, B);
	assert_string_equal(row.name, "blue");
	/* What Redis takes in a name and a line does not bear is left out. */
	assert_int_equal(read_one(A " ::1:7000@17000,,nodename=\"x,tls-port=1 master - 0 0 0 "
				    "connected\n",
				  &row, &r),
			 ST_OK);
	assert_string_equal(row.name, "");
	assert_int_equal(row.addr.other_port, 1);
	/* Redis 3 had no bus port. */
	assert_int_equal(read_one(A " 10.0.0.1:7000 master - 0 0 0 connected\n", &row, &r), ST_OK);
	assert_int_equal(row.addr.bus_port, 17000);
}

static void what_is_written_is_read_back(void **state)
{
	char buf[1024];
	struct conf_text t = {.data = buf, .cap = sizeof buf};
	struct nodes_conf_row row = {.id = {A}, .primary = {B}, .flags = NODE_REPLICA | NODE_PFAIL};
	struct nodes_conf_row back;
	struct nodes_conf_reader r;
	struct nodes_conf_open open = {.slot = 16383, .importing = true, .peer = {B}};

	(void)state;
	memcpy(row.addr.ip, "10.0.0.1", 9);
	row.addr.port = 1;
	row.addr.bus_port = 10001;
	row.epoch = UINT64_MAX;
	for (unsigned s = 100; s < 200; s++) {
		slot_bits_set(&row.slots, s);
	}
	slot_bits_set(&row.slots, 0);
	slot_bits_set(&row.slots, 16383);
	nodes_conf_put_row(&t, &row);
	nodes_conf_put_open(&t, &open);
	conf_printf(&t, "\n");
	assert_non_null(strstr(buf, " slave,fail? " B " 0 0 18446744073709551615 disconnected 0 "
				    "100-199 16383 [16383-<-" B "]\n"));
	assert_int_equal(read_one(buf, &back, &r), ST_OK);
	assert_memory_equal(&back.slots, &row.slots, sizeof row.slots);
	assert_true(back.epoch == UINT64_MAX);
	/* The length is told even when the text did not fit. */
	t = (struct conf_text){.data = buf, .cap = 10};
	nodes_conf_put_row(&t, &row);
	assert_true(t.len > 100);
}

static void damage_is_told_with_its_line(void **state)
{
	static const char *const bad[] = {
	    "short 127.0.0.1:1@2 master - 0 0 0 connected",
	    A " 127.0.0.1@2 master - 0 0 0 connected",
	    A " 127.0.0.1:70000@2 master - 0 0 0 connected",
	    A " 127.0.0.1:1@2 master,gone - 0 0 0 connected",
	    A " 127.0.0.1:1@2 master nobody 0 0 0 connected",
	    A " 127.0.0.1:1@2 master - x 0 0 connected",
	    A " 127.0.0.1:1@2 master - 0 0 99999999999999999999 connected",
	    A " 127.0.0.1:1@2 master - 0 0 0 maybe",
	    A " 127.0.0.1:1@2 master - 0 0 0 connected 16384",
	    A " 127.0.0.1:1@2 master - 0 0 0 connected 5-4",
	    A " 127.0.0.1:1@2 master - 0 0 0 connected [5->-short]",
	    A " 127.0.0.1:1@2 master - 0 0",
	    "vars currentEpoch many lastVoteEpoch 0",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct nodes_conf_reader r;
		struct nodes_conf_row row;

		assert_int_equal(read_one(bad[i], &row, &r), ST_CORRUPT);
		assert_int_equal(r.line, 1);
		assert_true(r.error[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_file_of_redis_is_read),
	    cmocka_unit_test(fields_of_7_2_and_ipv6_are_read),
	    cmocka_unit_test(what_is_written_is_read_back),
	    cmocka_unit_test(damage_is_told_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
