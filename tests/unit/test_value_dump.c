/* Values as payloads: in pieces over many turns the same as in one, of the length that was counted
 * before, and read back by the decoder as what was stored. */
#include "net/command/value_dump.h"

#include "engine/types/stream_group.h"
#include "engine/types/type_build.h"
#include "engine/types/type_string.h"
#include "net/command/stream_dump.h"
#include "net/proto/rdb_value.h"
#include "tests/support/engine_box.h"
#include "tests/support/rdb_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct hash_limits limits = {512, 64};

/* Dumps key with pieces of so many bytes, a turn and perhaps a checkpoint between any two. */
static struct buf dump(struct engine_box *b, const struct store_key *key, size_t piece,
		       bool checkpoints)
{
	struct buf out = {0};
	struct value_dump counted, d;
	struct meta m;
	enum status st;

	engine_box_begin(b);
	assert_int_equal(ks_lookup(b->e, key, &m), ST_OK);
	assert_int_equal(value_dump_open(&counted, b->e, key, &m), ST_OK);
	assert_int_equal(value_dump_open(&d, b->e, key, &m), ST_OK);
	do {
		st = value_dump_next(&counted, NULL, piece);
		engine_box_commit(b);
		(void)engine_turn_end(b->e);
		engine_box_begin(b);
	} while (st == ST_OK);
	assert_int_equal(st, ST_END);
	do {
		st = value_dump_next(&d, &out, piece);
		engine_box_commit(b);
		if (checkpoints) {
			engine_box_checkpoint(b);
		}
		(void)engine_turn_end(b->e);
		engine_box_begin(b);
	} while (st == ST_OK);
	assert_int_equal(st, ST_END);
	engine_box_commit(b);
	assert_int_equal(counted.bytes, out.len);
	assert_int_equal(d.bytes, out.len);
	return out;
}

/* Dumps in several ways and returns the decoded text, to be freed. */
static struct buf check(struct engine_box *b, const struct store_key *key)
{
	struct buf whole = dump(b, key, SIZE_MAX, false), text = {0};
	static const size_t pieces[] = {1, 100, 5000};
	struct slice value;

	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		struct buf again = dump(b, key, pieces[i], pieces[i] == 5000);

		assert_true(slice_eq(buf_slice(&again), buf_slice(&whole)));
		buf_deinit(&again);
	}
	assert_int_equal(rdb_payload_open(buf_slice(&whole), &value), ST_OK);
	assert_int_equal(rdb_value_decode(value, 1 << 20, rdb_take_text, &text), ST_OK);
	buf_deinit(&whole);
	return text;
}

static void strings_of_all_lengths(void **state)
{
	static const size_t lengths[] = {0, 1, 63, 64, 16320, 16321, 100000};
	static uint8_t bytes[100000];
	struct engine_box b = {0};
	struct store_key key;

	(void)state;
	engine_box_open(&b, 1);
	store_key_of_key(&key, slice_str("s"));
	for (size_t i = 0; i < sizeof bytes; i++) {
		bytes[i] = (uint8_t)(i * 7 + i / 300);
	}
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		struct buf text;

		engine_box_begin(&b);
		assert_int_equal(string_set(b.e, &key, slice_of(bytes, lengths[i]), 0, 0), ST_OK);
		engine_box_commit(&b);
		text = check(&b, &key);
		assert_true(slice_eq(buf_slice(&text), slice_of(bytes, lengths[i])));
		buf_deinit(&text);
	}
	engine_box_close(&b);
}

static void holes_in_a_string_are_zeros(void **state)
{
	static uint8_t zeros[90000];
	struct engine_box b = {0};
	struct store_key key;
	struct buf text;

	(void)state;
	engine_box_open(&b, 1);
	store_key_of_key(&key, slice_str("s"));
	engine_box_begin(&b);
	assert_int_equal(string_write(b.e, &key, NULL, 89999, slice_str("x")), ST_OK);
	engine_box_commit(&b);
	text = check(&b, &key);
	zeros[89999] = 'x';
	assert_true(slice_eq(buf_slice(&text), slice_of(zeros, sizeof zeros)));
	zeros[89999] = 0;
	buf_deinit(&text);
	engine_box_close(&b);
}

static void lists_of_all_sizes(void **state)
{
	static const uint32_t sizes[] = {1, 100, 2000};
	struct engine_box b = {0};
	struct store_key key;
	uint8_t bytes[BOX_VALUE_MAX];

	(void)state;
	engine_box_open(&b, 1);
	store_key_of_key(&key, slice_str("l"));
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct type_build build;
		struct buf want = {0}, text;

		engine_box_begin(&b);
		type_build_list(&build, b.e, &key);
		for (uint32_t n = 0; n < sizes[i]; n++) {
			struct rdb_item item = {.bytes = engine_box_value(n, bytes)};

			assert_int_equal(type_build_element(&build, item.bytes), ST_OK);
			assert_int_equal(rdb_take_text(&want, RDB_KIND_LIST, &item), ST_OK);
		}
		assert_int_equal(type_build_end(&build, 0), ST_OK);
		engine_box_commit(&b);
		text = check(&b, &key);
		assert_true(slice_eq(buf_slice(&text), buf_slice(&want)));
		buf_deinit(&text);
		buf_deinit(&want);
	}
	engine_box_close(&b);
}

/* Entries of different fields and sizes, and two groups. */
static void make_stream(struct engine_box *b, const struct store_key *key, uint32_t entries)
{
	struct stream s;
	struct stream_group g;
	struct stream_consumer c;
	uint8_t bytes[BOX_VALUE_MAX];
	bool existed;

	engine_box_begin(b);
	assert_int_equal(stream_open(&s, b->e, key, NULL), ST_OK);
	for (uint32_t n = 0; n < entries; n++) {
		struct slice fields[4] = {slice_str("f"), engine_box_value(n, bytes),
					  slice_str(n % 7 == 0 ? "g" : "h"), slice_str("")};
		struct stream_id id = {n / 3 + 1, n % 3 * 5000000000};

		assert_int_equal(stream_append(&s, id, fields, n % 10 == 0 ? 2 : 4), ST_OK);
	}
	if (entries > 3) {
		assert_int_equal(stream_delete(&s, (struct stream_id){1, 0}, &existed), ST_OK);
		assert_true(existed);
	}
	assert_int_equal(stream_group_create(&s, slice_str("a"), STREAM_ID_MAX, 5, &g), ST_OK);
	assert_int_equal(
	    stream_group_create(&s, slice_str("b"), STREAM_ID_MIN, STREAM_READS_UNKNOWN, &g),
	    ST_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
		    stream_consumer_create(&s, &g, slice_str(i == 0 ? "y" : "x"), 77, &c), ST_OK);
		for (uint64_t n = 0; n < entries; n += 2) {
			struct stream_pending p = {.id = {n + 1, (uint64_t)i},
						   .consumer = c.number,
						   .time_ms = n,
						   .deliveries = n * 100};

			assert_int_equal(stream_pending_put(&s, &g, &c, NULL, &p), ST_OK);
		}
		assert_int_equal(stream_consumer_put(&s, &g, &c), ST_OK);
	}
	assert_int_equal(stream_group_put(&s, &g), ST_OK);
	assert_int_equal(stream_save(&s), ST_OK);
	engine_box_commit(b);
}

/* Whatever is changed or cut off, all is refused or makes a stream that can be dumped. */
static void restore_damaged(struct engine_box *b, const struct store_key *key, struct slice value)
{
	uint8_t *copy = malloc(value.len);
	int refused = 0;

	assert_non_null(copy);
	for (size_t i = 1; i < value.len; i++) {
		enum status engine_st, st;

		memcpy(copy, value.data, value.len);
		copy[i] ^= (uint8_t)(1 << i % 8);
		for (int cut = 0; cut < 2; cut++) {
			engine_box_begin(b);
			st = stream_restore(b->e, key, slice_of(copy, cut ? i : value.len), 1 << 20,
					    0, &engine_st);
			assert_true(st == ST_OK || st == ST_CORRUPT || st == ST_LIMIT);
			assert_int_equal(engine_st, ST_OK);
			refused += st != ST_OK;
			engine_box_rollback(b);
		}
	}
	assert_true(refused > (int)value.len);
	free(copy);
}

static void streams_with_groups_come_back_the_same(void **state)
{
	static const uint32_t sizes[] = {0, 1, 20, 350};
	struct engine_box b = {0};
	struct store_key key, copy;

	(void)state;
	engine_box_open(&b, 1);
	store_key_of_key(&key, slice_str("s"));
	store_key_of_key(&copy, slice_str("copy"));
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct buf whole, again, text;
		struct slice value;
		enum status engine_st;

		engine_box_begin(&b);
		assert_int_equal(ks_remove(b.e, &key), ST_OK);
		engine_box_commit(&b);
		make_stream(&b, &key, sizes[i]);
		text = check(&b, &key);
		buf_deinit(&text);
		whole = dump(&b, &key, SIZE_MAX, false);
		assert_int_equal(rdb_payload_open(buf_slice(&whole), &value), ST_OK);
		engine_box_begin(&b);
		assert_int_equal(stream_restore(b.e, &copy, value, 1 << 20, 0, &engine_st), ST_OK);
		engine_box_commit(&b);
		again = dump(&b, &copy, 1000, true);
		assert_true(slice_eq(buf_slice(&again), buf_slice(&whole)));
		if (sizes[i] == 20) {
			restore_damaged(&b, &copy, value);
		}
		buf_deinit(&again);
		buf_deinit(&whole);
	}
	engine_box_close(&b);
}

/* Fields come in the store's order, so they are counted and looked up instead. */
struct look {
	struct engine_box *b;
	const struct store_key *key;
	uint64_t fields;
};

static enum status look_up(void *arg, enum rdb_kind kind, const struct rdb_item *item)
{
	struct look *l = arg;
	struct meta m;
	struct slice value;

	assert_int_equal(kind, RDB_KIND_HASH);
	assert_int_equal(ks_lookup(l->b->e, l->key, &m), ST_OK);
	assert_int_equal(type_hash_get(l->b->e, l->key, &m, item->bytes, &value), ST_OK);
	assert_true(slice_eq(value, item->value));
	l->fields++;
	return ST_OK;
}

static void hashes_of_all_sizes(void **state)
{
	static const uint32_t sizes[] = {1, 100, 2000};
	struct engine_box b = {0};
	struct store_key key;
	uint8_t bytes[BOX_VALUE_MAX];

	(void)state;
	engine_box_open(&b, 1);
	store_key_of_key(&key, slice_str("h"));
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct type_build build;
		struct look look = {&b, &key, 0};
		struct buf whole;
		struct slice value;

		engine_box_begin(&b);
		type_build_hash(&build, b.e, &key, &limits);
		for (uint32_t n = 0; n < sizes[i]; n++) {
			struct slice v = engine_box_value(n, bytes);

			assert_int_equal(type_build_field(&build, v, v), ST_OK);
		}
		assert_int_equal(type_build_end(&build, 0), ST_OK);
		engine_box_commit(&b);
		whole = check(&b, &key);
		buf_deinit(&whole);
		whole = dump(&b, &key, 700, false);
		assert_int_equal(rdb_payload_open(buf_slice(&whole), &value), ST_OK);
		engine_box_begin(&b);
		assert_int_equal(rdb_value_decode(value, 1 << 20, look_up, &look), ST_OK);
		engine_box_commit(&b);
		assert_int_equal(look.fields, sizes[i]);
		buf_deinit(&whole);
	}
	engine_box_close(&b);
}

static void a_value_that_changes_is_given_up(void **state)
{
	static uint8_t bytes[100000];
	struct engine_box b = {0};
	struct store_key key;
	struct value_dump d;
	struct meta m;
	struct buf out = {0};

	(void)state;
	engine_box_open(&b, 1);
	store_key_of_key(&key, slice_str("s"));
	engine_box_begin(&b);
	assert_int_equal(string_set(b.e, &key, slice_of(bytes, sizeof bytes), 0, 0), ST_OK);
	assert_int_equal(ks_lookup(b.e, &key, &m), ST_OK);
	assert_int_equal(value_dump_open(&d, b.e, &key, &m), ST_OK);
	assert_int_equal(value_dump_next(&d, &out, 1), ST_OK);
	assert_int_equal(string_set(b.e, &key, slice_of(bytes, sizeof bytes), 0, 0), ST_OK);
	assert_int_equal(value_dump_next(&d, &out, 1), ST_NOT_FOUND);
	assert_int_equal(ks_lookup(b.e, &key, &m), ST_OK);
	assert_int_equal(value_dump_open(&d, b.e, &key, &m), ST_OK);
	assert_int_equal(ks_delete(b.e, &key, &m), ST_OK);
	assert_int_equal(value_dump_next(&d, &out, 1), ST_NOT_FOUND);
	engine_box_commit(&b);
	buf_deinit(&out);
	engine_box_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(strings_of_all_lengths),
	    cmocka_unit_test(holes_in_a_string_are_zeros),
	    cmocka_unit_test(lists_of_all_sizes),
	    cmocka_unit_test(streams_with_groups_come_back_the_same),
	    cmocka_unit_test(hashes_of_all_sizes),
	    cmocka_unit_test(a_value_that_changes_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
