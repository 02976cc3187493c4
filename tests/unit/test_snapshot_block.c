/* The bytes of a full copy: what is written is read back, and nothing else is. */
#include "engine/snapshot_block.h"

#include "engine/base/alloc.h"
#include "engine/base/bytes.h"
#include "engine/key_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct wal_history history(void)
{
	return (struct wal_history){
	    .shard_id = 99, .count = 2, .items = {{.id = 1, .first_lsn = 1}, {5, 3, 70}}};
}

static void heads_tails_and_places_come_back(void **state)
{
	struct snapshot_head head = {.lsn = 80, .next_id = 7, .keys = 5, .bytes = 100}, head2;
	struct snapshot_tail tail = {90, 8, 1000, UINT64_MAX}, tail2;
	struct snapshot_resume place = {80, 85, 500, 12345, SNAPSHOT_END}, place2;
	struct buf out = {0}, again = {0};

	(void)state;
	for (int with = 0; with < 2; with++) {
		out.len = 0;
		head.history = with == 1 ? history() : (struct wal_history){.shard_id = 3};
		assert_int_equal(snapshot_head_encode(&head, &out), ST_OK);
		assert_int_equal(snapshot_head_decode(buf_slice(&out), &head2), ST_OK);
		again.len = 0;
		assert_int_equal(snapshot_head_encode(&head2, &again), ST_OK);
		assert_true(slice_eq(buf_slice(&out), buf_slice(&again)));
		assert_int_equal(head2.history.count, head.history.count);
		for (size_t n = 0; n < out.len; n++) {
			assert_int_equal(snapshot_head_decode(slice_of(out.data, n), &head2),
					 ST_CORRUPT);
		}
	}
	out.len = 0;
	assert_int_equal(snapshot_tail_encode(&tail, &out), ST_OK);
	assert_int_equal(out.len, SNAPSHOT_TAIL_LEN);
	assert_int_equal(snapshot_tail_decode(buf_slice(&out), &tail2), ST_OK);
	assert_memory_equal(&tail, &tail2, sizeof tail);
	assert_int_equal(snapshot_tail_decode(slice_of(out.data, out.len - 1), &tail2), ST_CORRUPT);
	out.data[0] = 2;
	assert_int_equal(snapshot_tail_decode(buf_slice(&out), &tail2), ST_VERSION);
	out.len = 0;
	assert_int_equal(snapshot_resume_encode(&place, &out), ST_OK);
	assert_int_equal(out.len, SNAPSHOT_RESUME_LEN);
	assert_int_equal(snapshot_resume_decode(buf_slice(&out), &place2), ST_OK);
	assert_int_equal(place2.lsn, 80);
	assert_int_equal(place2.drain_lsn, 85);
	assert_int_equal(place2.entries, 500);
	assert_int_equal(place2.sum, 12345);
	assert_int_equal(place2.slot, SNAPSHOT_END);
	bytes_put_u16le(out.data + out.len - 2, SNAPSHOT_END + 1);
	assert_int_equal(snapshot_resume_decode(buf_slice(&out), &place2), ST_CORRUPT);
	assert_int_equal(snapshot_resume_decode(slice_of(out.data, 3), &place2), ST_CORRUPT);
	buf_deinit(&again);
	buf_deinit(&out);
}

/* A payload of count entries; long ones compress. */
static void make_payload(uint32_t count, size_t value_len, struct buf *raw)
{
	uint8_t *value = calloc(1, value_len + 1);

	raw->len = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct store_key key;
		char name[16];

		(void)snprintf(name, sizeof name, "k%u", i);
		store_key_of_key(&key, slice_str(name));
		assert_int_equal(
		    snapshot_entry_encode(store_key_slice(&key), slice_of(value, value_len), raw),
		    ST_OK);
	}
	free(value);
}

static void blocks_come_back_and_every_flipped_byte_is_noticed(void **state)
{
	static const struct {
		uint32_t count;
		size_t value_len;
		bool shorter;
	} cases[] = {{1, 0, false}, {3, 20, false}, {40, 100, true}, {1, 5000, true}};
	struct snapshot_block block = {80, 85, 500, 12345, 0}, back;
	struct buf raw = {0}, out = {0};
	struct snapshot_codec *c;
	struct slice payload;
	uint64_t len;

	(void)state;
	assert_int_equal(snapshot_codec_create(&c), ST_OK);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		make_payload(cases[i].count, cases[i].value_len, &raw);
		block.entries = cases[i].count;
		out.len = 0;
		assert_int_equal(snapshot_block_encode(c, &block, buf_slice(&raw), &out), ST_OK);
		assert_int_equal(out.len < raw.len, cases[i].shorter);
		assert_int_equal(snapshot_block_len(buf_slice(&out), &len), ST_OK);
		assert_int_equal(len, out.len);
		assert_int_equal(snapshot_block_decode(c, buf_slice(&out), &back, &payload), ST_OK);
		assert_int_equal(back.lsn, block.lsn);
		assert_int_equal(back.drain_lsn, block.drain_lsn);
		assert_int_equal(back.entries_before, block.entries_before);
		assert_int_equal(back.sum_before, block.sum_before);
		assert_int_equal(back.entries, block.entries);
		assert_true(slice_eq(payload, buf_slice(&raw)));
		for (size_t at = 0; at < out.len; at++) {
			out.data[at] ^= 0x10;
			assert_int_equal(snapshot_block_decode(c, buf_slice(&out), &back, &payload),
					 ST_CORRUPT);
			out.data[at] ^= 0x10;
			assert_int_equal(
			    snapshot_block_decode(c, slice_of(out.data, at), &back, &payload),
			    ST_CORRUPT);
		}
	}
	assert_int_equal(
	    snapshot_block_len(slice_of(out.data, SNAPSHOT_BLOCK_HEADER_LEN - 1), &len),
	    ST_NEED_MORE);
	snapshot_codec_destroy(c);
	buf_deinit(&raw);
	buf_deinit(&out);
}

static void entries_are_read_as_they_were_put(void **state)
{
	struct buf raw = {0};
	struct slice rest, key, value;

	(void)state;
	assert_int_equal(snapshot_entry_encode(slice_str("key"), slice_str("value"), &raw), ST_OK);
	assert_int_equal(snapshot_entry_encode(slice_str("k"), slice_of(NULL, 0), &raw), ST_OK);
	rest = buf_slice(&raw);
	assert_int_equal(snapshot_entry_decode(&rest, &key, &value), ST_OK);
	assert_true(slice_eq(key, slice_str("key")) && slice_eq(value, slice_str("value")));
	assert_int_equal(snapshot_entry_decode(&rest, &key, &value), ST_OK);
	assert_true(slice_eq(key, slice_str("k")) && value.len == 0);
	assert_int_equal(snapshot_entry_decode(&rest, &key, &value), ST_END);
	for (size_t n = 1; n < 14; n++) {
		rest = slice_of(raw.data, n);
		assert_int_equal(snapshot_entry_decode(&rest, &key, &value), ST_CORRUPT);
	}
	assert_int_equal(
	    snapshot_entry_encode(slice_str("k"), slice_of(raw.data, SNAPSHOT_RAW_MAX), &raw),
	    ST_LIMIT);
	assert_int_not_equal(snapshot_entry_digest(slice_str("a"), slice_str("b")),
			     snapshot_entry_digest(slice_str("b"), slice_str("a")));
	buf_deinit(&raw);
}

static void an_entry_that_could_not_stand_in_a_store_is_damage(void **state)
{
	struct meta m = {.type = TYPE_STRING};
	uint8_t record[META_ENCODED_MAX];
	struct slice value = slice_of(record, meta_encode(&m, record));
	struct store_key key;
	char name[700];

	(void)state;
	store_key_of_key(&key, slice_str("name"));
	assert_int_equal(snapshot_entry_check(store_key_slice(&key), value), ST_OK);
	assert_int_equal(snapshot_entry_check(store_key_slice(&key), slice_of(NULL, 0)),
			 ST_CORRUPT);
	key.bytes[5] ^= 1; /* not the order of this name */
	assert_int_equal(snapshot_entry_check(store_key_slice(&key), value), ST_CORRUPT);
	store_key_of_key(&key, slice_str("name"));
	key.bytes[1] ^= 1; /* not its slot */
	assert_int_equal(snapshot_entry_check(store_key_slice(&key), value), ST_CORRUPT);
	memset(name, 'x', sizeof name);
	store_key_of_key(&key, slice_of(name, sizeof name)); /* the name must be in the value */
	assert_int_equal(snapshot_entry_check(store_key_slice(&key), value), ST_CORRUPT);
	store_key_of_field(&key, 7, 3, slice_of(name, sizeof name));
	assert_int_equal(snapshot_entry_check(store_key_slice(&key), value), ST_CORRUPT);
	store_key_of_field(&key, 7, 3, slice_str("field"));
	assert_int_equal(snapshot_entry_check(store_key_slice(&key), slice_of(NULL, 0)), ST_OK);
	store_key_of_garbage(&key, 7, 3);
	assert_int_equal(snapshot_entry_check(store_key_slice(&key), slice_of(NULL, 0)), ST_OK);
	assert_int_equal(snapshot_entry_check(store_key_slice(&key), value), ST_CORRUPT);
	key.bytes[2] = 'X';
	assert_int_equal(snapshot_entry_check(store_key_slice(&key), slice_of(NULL, 0)),
			 ST_CORRUPT);
	assert_int_equal(snapshot_entry_check(slice_of(NULL, 0), value), ST_CORRUPT);
}

static void memory_that_is_short_leaves_the_output_as_it_was(void **state)
{
	struct snapshot_block block = {.entries = 1};
	struct snapshot_head head = {.lsn = 1, .history = history()};
	struct snapshot_codec *c = NULL;
	struct buf out = {0};
	uint8_t raw[64] = {0};
	enum status st;

	(void)state;
	for (int n = 0;; n++) {
		mem_fail_nth(n);
		st = snapshot_codec_create(&c);
		if (st == ST_OK) {
			st = snapshot_block_encode(c, &block, slice_of(raw, sizeof raw), &out);
		}
		mem_fail_nth(-1);
		snapshot_codec_destroy(c);
		c = NULL;
		if (st == ST_OK) {
			break;
		}
		assert_int_equal(st, ST_NO_MEMORY);
		assert_int_equal(out.len, 0);
	}
	buf_deinit(&out);
	mem_fail_nth(0);
	assert_int_equal(snapshot_head_encode(&head, &out), ST_NO_MEMORY);
	mem_fail_nth(-1);
	assert_int_equal(out.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(heads_tails_and_places_come_back),
	    cmocka_unit_test(blocks_come_back_and_every_flipped_byte_is_noticed),
	    cmocka_unit_test(entries_are_read_as_they_were_put),
	    cmocka_unit_test(an_entry_that_could_not_stand_in_a_store_is_damage),
	    cmocka_unit_test(memory_that_is_short_leaves_the_output_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
