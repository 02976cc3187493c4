/* Bus messages: offsets as on the wire, and no bytes are believed beyond their lengths. */
#include "cluster/bus_msg.h"
#include "engine/base/bytes.h"
#include "engine/base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct node_id some_id = {"0123456789abcdef0123456789abcdef01234567"};
static const struct node_id other_id = {"fedcba9876543210fedcba9876543210fedcba98"};
static struct slot_bits some_slots;

static struct bus_header header(enum bus_type type)
{
	struct bus_header h = {.type = (uint16_t)type,
			       .flags = NODE_MYSELF | NODE_PRIMARY,
			       .current_epoch = 0x1122334455667788u,
			       .config_epoch = 7,
			       .offset = 99,
			       .sender = some_id,
			       .slots = &some_slots};

	h.addr =
	    (struct node_addr){.ip = "10.1.2.3", .port = 7000, .other_port = 1, .bus_port = 17000};
	return h;
}

static void fields_are_where_the_wire_has_them(void **state)
{
	uint8_t b[BUS_UPDATE_LEN];
	struct bus_header h = header(BUS_UPDATE);

	(void)state;
	slot_bits_set(&some_slots, 10);
	h.primary = other_id;
	h.mflags = BUS_FORCEACK;
	h.state_fail = true;
	bus_put_header(b, &h);
	assert_int_equal(bus_put_update(b, 12, &other_id, &some_slots), 4352);
	assert_memory_equal(b, "RCmb", 4);
	assert_int_equal(bytes_get_u32be(b + 4), 4352);
	assert_int_equal(bytes_get_u16be(b + 8), 1);
	assert_int_equal(bytes_get_u16be(b + 10), 7000);
	assert_int_equal(bytes_get_u16be(b + 12), BUS_UPDATE);
	assert_true(bytes_get_u64be(b + 16) == 0x1122334455667788u);
	assert_int_equal(bytes_get_u64be(b + 24), 7);
	assert_int_equal(bytes_get_u64be(b + 32), 99);
	assert_memory_equal(b + 40, some_id.text, 40);
	assert_int_equal(b[80 + 1], 4); /* slot 10: byte 1, bit 2 */
	assert_memory_equal(b + 2128, other_id.text, 40);
	assert_string_equal((const char *)b + 2168, "10.1.2.3");
	assert_int_equal(bytes_get_u16be(b + 2246), 1);
	assert_int_equal(bytes_get_u16be(b + 2248), 17000);
	assert_int_equal(bytes_get_u16be(b + 2250), 17);
	assert_int_equal(b[2252], 1);
	assert_int_equal(b[2253], 2);
	assert_int_equal(bytes_get_u64be(b + 2256), 12);
	assert_memory_equal(b + 2264, other_id.text, 40);
	for (int i = 2216; i < 2246; i++) {
		assert_int_equal(b[i], 0); /* reserved, unless the node says that it is Cairn */
	}
}

static size_t gossip_message(uint8_t *b)
{
	struct bus_header h = header(BUS_PING);
	struct bus_gossip g = {
	    .id = other_id, .ping_sent_s = 1, .pong_s = 2, .flags = NODE_REPLICA};
	size_t len = BUS_HEADER_LEN;

	g.addr = (struct node_addr){.ip = "::1", .port = 3, .other_port = 4, .bus_port = 5};
	h.mflags = BUS_EXT_DATA;
	h.cairn = true;
	h.history_epoch = 77;
	bus_put_header(b, &h);
	bus_put_gossip(b + len, &g);
	len += BUS_GOSSIP_LEN;
	len += bus_put_hostname(b + len, "a.host-name");
	len += bus_put_nodename(b + len, "rack-1/blue_2");
	len += bus_put_forgotten(b + len, &other_id, 60);
	len += bus_put_shard(b + len, &some_id);
	bus_msg_seal(b, len, 1, 4);
	return len;
}

static void gossip_and_extensions_are_read_back(void **state)
{
	uint8_t b[4096];
	size_t len = gossip_message(b);
	struct bus_msg m;
	struct bus_gossip g;
	struct bus_ext e;
	struct slice rest;
	struct node_id id;
	char name[NODE_HOSTNAME_CAP];
	uint64_t ttl = 0;

	(void)state;
	assert_int_equal(len, 2256 + 104 + 24 + 24 + 56 + 48);
	assert_int_equal(bus_msg_decode(slice_of(b, len), &m), ST_OK);
	assert_true(m.h.cairn);
	assert_int_equal(m.h.history_epoch, 77);
	assert_true(bus_msg_gossip(&m, 0, &g));
	assert_true(node_id_eq(&g.id, &other_id));
	assert_string_equal(g.addr.ip, "::1");
	assert_int_equal(g.addr.port, 3);
	assert_int_equal(g.addr.other_port, 4);
	assert_int_equal(g.addr.bus_port, 5);
	assert_int_equal(g.flags, NODE_REPLICA);
	rest = m.exts;
	assert_true(bus_ext_next(&rest, &e) && bus_ext_hostname(&e, name));
	assert_string_equal(name, "a.host-name");
	assert_true(bus_ext_next(&rest, &e) && !bus_ext_hostname(&e, name));
	assert_true(bus_ext_nodename(&e, name));
	assert_string_equal(name, "rack-1/blue_2");
	assert_true(bus_ext_next(&rest, &e) && bus_ext_forgotten(&e, &id, &ttl));
	assert_int_equal(ttl, 60);
	assert_true(bus_ext_next(&rest, &e) && bus_ext_shard(&e, &id));
	assert_true(node_id_eq(&id, &some_id));
	assert_false(bus_ext_next(&rest, &e));
}

static void wrong_lengths_are_refused(void **state)
{
	uint8_t b[4096];
	size_t len = gossip_message(b);
	struct bus_msg m;
	uint32_t framed;

	(void)state;
	for (size_t cut = 0; cut < len; cut++) {
		assert_int_not_equal(bus_msg_decode(slice_of(b, cut), &m), ST_OK);
	}
	/* A count that promises more entries than there are. */
	bytes_put_u16be(b + 14, 65535);
	assert_int_equal(bus_msg_decode(slice_of(b, len), &m), ST_CORRUPT);
	bytes_put_u16be(b + 14, 1);
	/* An extension of length 0 would never end, one of 4 GB would wrap. */
	bytes_put_u32be(b + 2256 + 104, 0);
	assert_int_equal(bus_msg_decode(slice_of(b, len), &m), ST_CORRUPT);
	bytes_put_u32be(b + 2256 + 104, 0xfffffff8u);
	assert_int_equal(bus_msg_decode(slice_of(b, len), &m), ST_CORRUPT);
	bytes_put_u32be(b + 2256 + 104, 24);
	assert_int_equal(bus_msg_decode(slice_of(b, len), &m), ST_OK);
	/* Extensions without the flag that announces them. */
	b[2253] = 0;
	assert_int_equal(bus_msg_decode(slice_of(b, len), &m), ST_CORRUPT);
	assert_int_equal(bus_msg_length(slice_of(b, 7), 1 << 20, &framed), ST_NEED_MORE);
	assert_int_equal(bus_msg_length(slice_of(b, len), (uint32_t)len - 1, &framed), ST_CORRUPT);
	assert_int_equal(bus_msg_length(slice_of(b, len), 1 << 20, &framed), ST_OK);
	assert_int_equal(framed, len);
	bytes_put_u32be(b + 4, 2255);
	assert_int_equal(bus_msg_length(slice_of(b, len), 1 << 20, &framed), ST_CORRUPT);
}

static void lengths_that_wrap_are_refused(void **state)
{
	uint8_t b[2600];
	struct bus_header h = header(BUS_PUBLISH);
	struct bus_msg m;
	size_t len;

	(void)state;
	bus_put_header(b, &h);
	len = bus_put_publish(b, slice_str("channel"), slice_str("hello"));
	assert_int_equal(bus_msg_decode(slice_of(b, len), &m), ST_OK);
	assert_true(slice_eq(m.channel, slice_str("channel")));
	assert_true(slice_eq(m.payload, slice_str("hello")));
	/* 32-bit sums would be right again. */
	bytes_put_u32be(b + 2256, 0xffffffffu);
	bytes_put_u32be(b + 2260, 13);
	assert_int_equal(bus_msg_decode(slice_of(b, len), &m), ST_CORRUPT);
	bytes_put_u16be(b + 12, BUS_MODULE);
	assert_int_equal(bus_msg_decode(slice_of(b, len), &m), ST_CORRUPT);
	bytes_put_u16be(b + 12, 11);
	assert_int_equal(bus_msg_decode(slice_of(b, len), &m), ST_INVALID);
	bytes_put_u16be(b + 8, 2);
	assert_int_equal(bus_msg_decode(slice_of(b, len), &m), ST_VERSION);
}

static void bad_names_are_refused(void **state)
{
	uint8_t b[4096];
	size_t len = gossip_message(b);
	struct bus_msg m;
	struct bus_gossip g;

	(void)state;
	b[40] = 'Z'; /* the sender's id */
	assert_int_equal(bus_msg_decode(slice_of(b, len), &m), ST_CORRUPT);
	b[40] = '0';
	memset(b + 2168, '1', 46); /* an address without an end */
	assert_int_equal(bus_msg_decode(slice_of(b, len), &m), ST_CORRUPT);
	memset(b + 2168, 0, 46);
	assert_int_equal(bus_msg_decode(slice_of(b, len), &m), ST_OK);
	b[2256 + 48] = '\n'; /* would break a line of nodes.conf */
	assert_int_equal(bus_msg_decode(slice_of(b, len), &m), ST_OK);
	assert_false(bus_msg_gossip(&m, 0, &g));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_are_where_the_wire_has_them),
	    cmocka_unit_test(gossip_and_extensions_are_read_back),
	    cmocka_unit_test(wrong_lengths_are_refused),
	    cmocka_unit_test(lengths_that_wrap_are_refused),
	    cmocka_unit_test(bad_names_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
