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

static void a_mark_comes_back(void **state)
{
	struct repl_message m;
	struct buf b = {0};
	uint64_t lsn;
	size_t used;

	(void)state;
	assert_int_equal(repl_put_mark(77, &b), ST_OK);
	assert_int_equal(repl_decode(buf_slice(&b), &m, &used), ST_OK);
	assert_int_equal(m.type, REPL_MARK);
	assert_int_equal(repl_get_mark(m.payload, &lsn), ST_OK);
	assert_int_equal(lsn, 77);
	m.payload.len--;
	assert_int_equal(repl_get_mark(m.payload, &lsn), ST_CORRUPT);
	buf_deinit(&b);
}

static void contents_come_back_slot_by_slot(void **state)
{
	static const uint16_t slots[] = {0, 7, 8, 5000, SLOTS - 1};
	uint8_t digest[REPL_DIGEST_LEN];
	struct repl_contents c;
	struct repl_message m;
	struct buf b = {0}, whole = {0};
	const uint8_t *at;
	size_t used;

	(void)state;
	assert_int_equal(repl_contents_begin(99, &b), ST_OK);
	for (size_t i = 0; i < 5; i++) {
		memset(digest, (int)i + 1, sizeof digest);
		assert_int_equal(repl_contents_add(&b, slots[i], i == 2 ? NULL : digest), ST_OK);
	}
	assert_int_equal(repl_put_contents(buf_slice(&b), &whole), ST_OK);
	assert_int_equal(repl_decode(buf_slice(&whole), &m, &used), ST_OK);
	assert_int_equal(m.type, REPL_CONTENTS);
	assert_int_equal(repl_get_contents(m.payload, &c), ST_OK);
	assert_int_equal(c.lsn, 99);
	at = c.digests;
	for (unsigned slot = 0, i = 0; slot < SLOTS; slot++) {
		bool known = i < 5 && slots[i] == slot;

		assert_int_equal(repl_slot_bit(c.known, (uint16_t)slot), known);
		assert_int_equal(repl_slot_bit(c.filled, (uint16_t)slot), known && i != 2);
		if (repl_slot_bit(c.filled, (uint16_t)slot)) {
			assert_int_equal(at[0], i + 1);
			at += REPL_DIGEST_LEN;
		}
		i += known;
	}
	/* A byte less or more, or a digest of a slot that is not known. */
	assert_int_equal(repl_get_contents(slice_of(b.data, b.len - 1), &c), ST_CORRUPT);
	assert_int_equal(repl_get_contents(slice_of(b.data, 100), &c), ST_CORRUPT);
	b.data[8] &= (uint8_t)~1u;
	assert_int_equal(repl_get_contents(buf_slice(&b), &c), ST_CORRUPT);
	b.data[8] |= 1;
	assert_int_equal(buf_append(&b, digest, 1), ST_OK);
	assert_int_equal(repl_get_contents(buf_slice(&b), &c), ST_CORRUPT);
	buf_deinit(&b);
	buf_deinit(&whole);
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
	    cmocka_unit_test(a_mark_comes_back),
	    cmocka_unit_test(contents_come_back_slot_by_slot),
	    cmocka_unit_test(a_header_and_its_payload_are_a_message),
	    cmocka_unit_test(a_part_asks_for_the_rest),
	    cmocka_unit_test(no_flipped_bit_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
