/* Messages of the replication stream: they come back as they were put, in any pieces, and no
 * damaged byte passes. */
#include "engine/base/bytes.h"
#include "net/proto/repl_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void messages_come_back(void **state)
{
	struct repl_heartbeat h = {.last_lsn = 9, .durable_lsn = 8, .horizon_lsn = 7, .wall_ms = 6};
	struct repl_ack a = {.received_lsn = UINT64_MAX, .durable_lsn = 3};
	struct repl_heartbeat h2;
	struct repl_ack a2;
	struct repl_message m;
	struct buf b = {0};
	size_t used;

	(void)state;
	assert_int_equal(repl_put_heartbeat(&h, &b), ST_OK);
	assert_int_equal(repl_put_ack(&a, &b), ST_OK);
	assert_int_equal(repl_decode(buf_slice(&b), &m, &used), ST_OK);
	assert_int_equal(m.type, REPL_HEARTBEAT);
	assert_int_equal(repl_get_heartbeat(m.payload, &h2), ST_OK);
	assert_memory_equal(&h, &h2, sizeof h);
	assert_int_equal(repl_get_ack(m.payload, &a2), ST_CORRUPT);
	assert_int_equal(repl_decode(slice_skip(buf_slice(&b), used), &m, &used), ST_OK);
	assert_int_equal(m.type, REPL_ACK);
	assert_int_equal(repl_get_ack(m.payload, &a2), ST_OK);
	assert_memory_equal(&a, &a2, sizeof a);
	buf_deinit(&b);
}

static void a_header_and_its_payload_are_a_message(void **state)
{
	uint8_t bytes[REPL_HEADER_LEN + 6];
	struct repl_message m;
	size_t used;

	(void)state;
	memcpy(bytes + REPL_HEADER_LEN, "abcdef", 6);
	repl_header(REPL_FRAMES, slice_str("abcdef"), bytes);
	assert_int_equal(repl_decode(slice_of(bytes, sizeof bytes), &m, &used), ST_OK);
	assert_int_equal(used, sizeof bytes);
	assert_true(slice_eq(m.payload, slice_str("abcdef")));
}

static void a_part_asks_for_the_rest(void **state)
{
	struct repl_ack a = {.received_lsn = 1, .durable_lsn = 1};
	struct repl_message m;
	struct buf b = {0};
	size_t used;

	(void)state;
	assert_int_equal(repl_put_ack(&a, &b), ST_OK);
	for (size_t len = 0; len < b.len; len++) {
		assert_int_equal(repl_decode(slice_of(b.data, len), &m, &used), ST_NEED_MORE);
		assert_int_equal(used, len < REPL_HEADER_LEN ? REPL_HEADER_LEN : b.len);
	}
	buf_deinit(&b);
}

static void no_flipped_bit_passes(void **state)
{
	struct repl_ack a = {.received_lsn = 77, .durable_lsn = 66};
	struct buf b = {0};

	(void)state;
	assert_int_equal(repl_put_ack(&a, &b), ST_OK);
	for (size_t i = 0; i < b.len * 8; i++) {
		struct repl_message m;
		size_t used;

		b.data[i / 8] ^= (uint8_t)(1 << (i % 8));
		/* A longer length waits for bytes that the next message will not match. */
		assert_int_not_equal(repl_decode(buf_slice(&b), &m, &used), ST_OK);
		b.data[i / 8] ^= (uint8_t)(1 << (i % 8));
	}
	bytes_put_u32le(b.data + 8, REPL_PAYLOAD_MAX + 1);
	{
		struct repl_message m;
		size_t used;

		assert_int_equal(repl_decode(buf_slice(&b), &m, &used), ST_CORRUPT);
	}
	buf_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_come_back),
	    cmocka_unit_test(a_header_and_its_payload_are_a_message),
	    cmocka_unit_test(a_part_asks_for_the_rest),
	    cmocka_unit_test(no_flipped_bit_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
