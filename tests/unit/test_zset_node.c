/* Nodes of a sorted set's tree as bytes: made, read, taken apart and put together; and bytes that
 * are none. */
#include "engine/types/zset_node.h"

#include "engine/base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { NODE_MAX = 4096 };

static const char long_text[] = "a name of exactly thirty-two byte";

/* Item i of the test nodes: names of many lengths, some long ones. */
static struct zset_item item_of(uint32_t i, uint8_t text[ZSET_NAME_INLINE])
{
	struct zset_item item = {.score = (double)i / 4 - 3, .child = (uint64_t)i * 7919 + 5};
	size_t len = i % 7 * 5 % ZSET_NAME_INLINE;

	memset(text, 'a' + (int)(i % 26), len);
	item.name.text = slice_of(text, len);
	if (i % 11 == 10) {
		item.name = (struct zset_name){
		    .text = slice_of(long_text, ZSET_NAME_PREFIX), .is_long = true, .number = i};
	}
	return item;
}

static void expect_item(const struct zset_view *v, uint32_t at, uint32_t i, bool inner)
{
	uint8_t text[ZSET_NAME_INLINE];
	struct zset_item want = item_of(i, text), got;

	assert_int_equal(zset_view_item(v, at, &got), ST_OK);
	assert_true(got.score == want.score && zset_view_score(v, at) == want.score);
	assert_int_equal(got.child, inner ? want.child : 0);
	assert_true(slice_eq(got.name.text, want.name.text));
	assert_int_equal(got.name.is_long, want.name.is_long);
	assert_true(!got.name.is_long || got.name.number == want.name.number);
}

static size_t flatten(struct zset_builder *b, uint8_t dst[NODE_MAX])
{
	struct slice parts[ZSET_PARTS];
	size_t n = zset_builder_parts(b, parts), len = 0;

	for (size_t i = 0; i < n; i++) {
		assert_true(len + parts[i].len <= NODE_MAX);
		if (parts[i].len > 0) {
			memcpy(dst + len, parts[i].data, parts[i].len);
		}
		len += parts[i].len;
	}
	assert_int_equal(len, zset_builder_bytes(b));
	return len;
}

static void fill(struct zset_builder *b, bool inner, uint32_t count)
{
	uint8_t text[ZSET_NAME_INLINE];

	zset_builder_init(b, inner);
	for (uint32_t i = 0; i < count; i++) {
		struct zset_item item = item_of(i, text);

		assert_int_equal(zset_builder_add(b, &item), ST_OK);
	}
}

static void what_is_made_is_read(void **state)
{
	static struct zset_builder b, parts;
	uint8_t bytes[NODE_MAX];
	struct zset_view v;

	(void)state;
	for (int inner = 0; inner < 2; inner++) {
		uint32_t count = inner ? 50 : ZSET_LEAF_MAX;

		fill(&b, inner, count);
		assert_true(zset_builder_fits(&b));
		assert_int_equal(zset_view_open(slice_of(bytes, flatten(&b, bytes)), inner, &v),
				 ST_OK);
		assert_int_equal(v.count, count);
		for (uint32_t i = 0; i < count; i++) {
			expect_item(&v, i, i, inner);
		}
		/* Two halves the other way round. */
		zset_builder_init(&parts, inner);
		assert_int_equal(zset_builder_take(&parts, &v, count / 2, count), ST_OK);
		assert_int_equal(zset_builder_take(&parts, &v, 3, 3), ST_OK);
		assert_int_equal(zset_builder_take(&parts, &v, 0, count / 2), ST_OK);
		assert_int_equal(parts.count, count);
		v = zset_builder_view(&parts);
		for (uint32_t i = 0; i < count; i++) {
			expect_item(&v, i, (i + count / 2) % count, inner);
		}
	}
}

static void the_first_child_has_no_separator(void **state)
{
	static struct zset_builder b, right;
	struct zset_view v;
	struct zset_item item;

	(void)state;
	fill(&b, true, 20);
	v = zset_builder_view(&b);
	zset_builder_init(&right, true);
	assert_int_equal(zset_builder_take_first(&right, &v, 10, 20), ST_OK);
	v = zset_builder_view(&right);
	assert_int_equal(zset_view_item(&v, 0, &item), ST_OK);
	assert_true(item.score == 0 && item.name.text.len == 0 && !item.name.is_long);
	assert_int_equal(item.child, 10 * 7919 + 5);
	expect_item(&v, 1, 11, true);
	expect_item(&v, 9, 19, true);
}

/* However sizes are spread, each half has an item and not much more than half of the bytes. */
static void the_middle_is_by_bytes(void **state)
{
	static struct zset_builder b;
	uint8_t text[ZSET_NAME_INLINE] = {0};
	struct rng rng;

	(void)state;
	rng_seed(&rng, 4);
	for (int round = 0; round < 2000; round++) {
		struct zset_view v;
		size_t left = 0;
		uint32_t middle;

		zset_builder_init(&b, false);
		while (zset_builder_fits(&b)) {
			struct zset_item item = {
			    .name.text = slice_of(
				text, (size_t)rng_below(&rng, rng_below(&rng, 2) ? 129 : 4))};

			assert_int_equal(zset_builder_add(&b, &item), ST_OK);
		}
		v = zset_builder_view(&b);
		middle = zset_view_middle(&v);
		assert_true(middle > 0 && middle < v.count);
		for (uint32_t i = 0; i < middle; i++) {
			struct zset_name name;

			assert_int_equal(zset_view_name(&v, i, &name), ST_OK);
			left += 10 + name.text.len;
		}
		assert_in_range(left, 1, zset_builder_bytes(&b) / 2 + ZSET_ITEM_MAX);
	}
}

static void damaged_nodes_are_refused(void **state)
{
	static struct zset_builder b, copy;
	uint8_t bytes[NODE_MAX];
	struct zset_view v;
	struct rng rng;
	size_t len;

	(void)state;
	fill(&b, false, 20);
	len = flatten(&b, bytes);
	assert_int_equal(zset_view_open(slice_of(bytes, 0), false, &v), ST_CORRUPT);
	assert_int_equal(zset_view_open(slice_of(bytes, len - 1), false, &v), ST_CORRUPT);
	assert_int_equal(zset_view_open(slice_of(bytes, len), true, &v), ST_CORRUPT);
	/* Any bytes: read without going astray, refused or not. */
	rng_seed(&rng, 8);
	for (int round = 0; round < 20000; round++) {
		(void)flatten(&b, bytes);
		for (int i = 0; i < 3; i++) {
			bytes[rng_below(&rng, 300)] = (uint8_t)rng_next(&rng);
		}
		if (zset_view_open(slice_of(bytes, len), false, &v) == ST_OK) {
			struct zset_item item;

			for (uint32_t i = 0; i < v.count; i++) {
				if (zset_view_item(&v, i, &item) == ST_OK) {
					assert_true(item.name.text.len <= ZSET_NAME_INLINE);
					assert_true(item.name.text.data >= bytes &&
						    item.name.text.data + item.name.text.len <=
							bytes + len);
				}
			}
			zset_builder_init(&copy, false);
			(void)!zset_builder_take(&copy, &v, 0, v.count);
		}
	}
}

static void counts_survive(void **state)
{
	uint64_t in[ZSET_INNER_MAX], out[ZSET_INNER_MAX];
	uint8_t bytes[8 * ZSET_INNER_MAX];

	(void)state;
	for (unsigned level = 1; level <= ZSET_HEIGHT_MAX; level++) {
		size_t width = zset_counts_width(level);
		uint64_t most = width == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * width)) - 1;
		size_t len;

		for (uint32_t i = 0; i < ZSET_INNER_MAX; i++) {
			in[i] = most - i;
		}
		len = zset_counts_put(in, ZSET_INNER_MAX, level, bytes);
		assert_int_equal(len, width * ZSET_INNER_MAX);
		assert_int_equal(zset_counts_get(slice_of(bytes, len), level, ZSET_INNER_MAX, out),
				 ST_OK);
		assert_memory_equal(in, out, sizeof in);
		assert_int_equal(
		    zset_counts_get(slice_of(bytes, len - 1), level, ZSET_INNER_MAX, out),
		    ST_CORRUPT);
	}
}

static void subkeys_name_their_records(void **state)
{
	uint8_t subkey[ZSET_KEY_LEN];
	struct rng rng;

	(void)state;
	rng_seed(&rng, 2);
	for (int i = 0; i < 10000; i++) {
		uint64_t number = rng_below(&rng, i % 2 ? ZSET_NUMBER_LIMIT : 1000), got;
		enum zset_record record = (enum zset_record)(i % 4), what;

		zset_subkey(subkey, record, number);
		assert_true(zset_subkey_parse(slice_of(subkey, sizeof subkey), &what, &got));
		assert_int_equal(got, number);
		assert_int_equal(what, record);
	}
	assert_false(
	    zset_subkey_parse(slice_str("sixby6"), &(enum zset_record){0}, &(uint64_t){0}));
}

static void scores_are_numbers(void **state)
{
	uint8_t bytes[ZSET_SCORE_LEN];
	double nan_value = NAN, got;

	(void)state;
	zset_score_put(bytes, -0.0);
	assert_int_equal(zset_score_get(slice_of(bytes, sizeof bytes), &got), ST_OK);
	assert_true(got == 0 && signbit(got));
	assert_int_equal(zset_score_get(slice_of(bytes, 7), &got), ST_CORRUPT);
	memcpy(bytes, &nan_value, sizeof nan_value);
	assert_int_equal(zset_score_get(slice_of(bytes, sizeof bytes), &got), ST_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_made_is_read),
	    cmocka_unit_test(the_first_child_has_no_separator),
	    cmocka_unit_test(the_middle_is_by_bytes),
	    cmocka_unit_test(damaged_nodes_are_refused),
	    cmocka_unit_test(counts_survive),
	    cmocka_unit_test(subkeys_name_their_records),
	    cmocka_unit_test(scores_are_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
