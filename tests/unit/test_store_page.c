/* Pages of the store's file: one as LMDB writes it is read, and no damage leads out of it. */
#include "engine/store_page.h"

#include "engine/base/bytes.h"
#include "engine/base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SIZE = 512, NUMBER = 77, NODES = 9 };

static const struct slice none = {NULL, 0};

/* A page of NODES nodes with keys k0, k1, ... and values of different lengths; node 4 of a leaf is
 * in overflow pages, node 6 is a table. On the heap, so that a step outside is noticed. */
static uint8_t *make(enum store_page_kind kind)
{
	uint8_t *page = calloc(1, SIZE);
	size_t upper = SIZE;

	bytes_put_u64le(page, NUMBER);
	bytes_put_u16le(page + 10, (uint16_t)kind);
	bytes_put_u16le(page + 12, STORE_PAGE_HEADER + 2 * NODES);
	for (size_t i = 0; i < NODES; i++) {
		size_t data = kind == STORE_PAGE_BRANCH ? 0 : i == 4 ? 8 : i * 3;
		uint8_t *node;

		upper -= (8 + 2 + data + 1) & ~(size_t)1;
		node = page + upper;
		bytes_put_u16le(page + STORE_PAGE_HEADER + 2 * i, (uint16_t)upper);
		bytes_put_u16le(node + 6, 2);
		node[8] = 'k';
		node[9] = (uint8_t)('0' + i);
		if (kind == STORE_PAGE_BRANCH) {
			bytes_put_u32le(node, (uint32_t)(1000 + i));
			bytes_put_u16le(node + 4, 1);
		} else {
			bytes_put_u32le(node, i == 4 ? 5000 : (uint32_t)data);
			bytes_put_u16le(node + 4, i == 4 ? 1 : i == 6 ? 2 : 0);
			memset(node + 10, (int)('a' + i), data);
			if (i == 4) {
				bytes_put_u64le(node + 10, 4242);
			}
		}
	}
	bytes_put_u16le(page + 14, (uint16_t)upper);
	return page;
}

static void a_leaf_is_read_as_it_was_written(void **state)
{
	uint8_t *page = make(STORE_PAGE_LEAF);
	unsigned count;

	(void)state;
	assert_true(store_page_header(page, SIZE, NUMBER, STORE_PAGE_LEAF, &count));
	assert_int_equal(count, NODES);
	for (unsigned i = 0; i < count; i++) {
		struct store_node n;
		char key[16];

		assert_true(store_page_node(page, SIZE, STORE_PAGE_LEAF, i, &n));
		(void)snprintf(key, sizeof key, "k%u", i);
		assert_true(slice_eq(n.key, slice_str(key)));
		assert_int_equal(n.page, i == 4 ? 4242 : STORE_NO_PAGE);
		assert_int_equal(n.data.len, i == 4 ? 5000 : i * 3);
		assert_true((n.data.data == NULL) == (i == 4));
		assert_true(n.table == (i == 6));
	}
	assert_true(
	    store_page_whole(page, SIZE, NUMBER, STORE_PAGE_LEAF, STORE_KEYS_BYTES, none, none));
	free(page);
}

static void a_branch_names_its_children(void **state)
{
	uint8_t *page = make(STORE_PAGE_BRANCH);
	struct store_node n;

	(void)state;
	for (unsigned i = 0; i < NODES; i++) {
		assert_true(store_page_node(page, SIZE, STORE_PAGE_BRANCH, i, &n));
		assert_int_equal(n.page, (UINT64_C(1) << 32) + 1000 + i);
	}
	assert_true(
	    store_page_whole(page, SIZE, NUMBER, STORE_PAGE_BRANCH, STORE_KEYS_BYTES, none, none));
	free(page);
}

static void a_page_must_be_the_one_that_was_asked_for(void **state)
{
	uint8_t *page = make(STORE_PAGE_LEAF);
	unsigned count;

	(void)state;
	assert_false(store_page_header(page, SIZE, NUMBER + 1, STORE_PAGE_LEAF, &count));
	assert_false(store_page_header(page, SIZE, NUMBER, STORE_PAGE_BRANCH, &count));
	assert_false(store_page_header(page, SIZE, NUMBER, STORE_PAGE_OVERFLOW, &count));
	bytes_put_u16le(page + 10, STORE_PAGE_OVERFLOW);
	bytes_put_u32le(page + 12, 3);
	assert_true(store_page_header(page, SIZE, NUMBER, STORE_PAGE_OVERFLOW, &count));
	assert_int_equal(count, 3);
	bytes_put_u32le(page + 12, 0);
	assert_false(store_page_header(page, SIZE, NUMBER, STORE_PAGE_OVERFLOW, &count));
	free(page);
}

static void keys_lie_between_the_bounds_of_the_page(void **state)
{
	static const struct {
		const char *lo, *hi;
		bool leaf, branch; /* whole */
	} cases[] = {
	    {"k0", "k9", true, true},	{"k", "k8x", true, true},  {"k0", "k8", false, false},
	    {"k00", "k9", false, true}, {"k1", "k9", false, true}, {"k2", "k9", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t *leaf = make(STORE_PAGE_LEAF), *branch = make(STORE_PAGE_BRANCH);
		struct slice lo = slice_str(cases[i].lo), hi = slice_str(cases[i].hi);

		assert_true(store_page_whole(leaf, SIZE, NUMBER, STORE_PAGE_LEAF, STORE_KEYS_BYTES,
					     lo, hi) == cases[i].leaf);
		assert_true(store_page_whole(branch, SIZE, NUMBER, STORE_PAGE_BRANCH,
					     STORE_KEYS_BYTES, lo, hi) == cases[i].branch);
		free(leaf);
		free(branch);
	}
}

static void what_a_page_holds_fits_it_exactly(void **state)
{
	uint8_t *page = make(STORE_PAGE_LEAF);
	uint16_t lower = bytes_get_u16le(page + 12), a, b;

	(void)state;
	/* An entry too few, one twice, two exchanged. */
	bytes_put_u16le(page + 12, (uint16_t)(lower - 2));
	assert_false(
	    store_page_whole(page, SIZE, NUMBER, STORE_PAGE_LEAF, STORE_KEYS_BYTES, none, none));
	bytes_put_u16le(page + 12, lower);
	a = bytes_get_u16le(page + 16);
	b = bytes_get_u16le(page + 18);
	bytes_put_u16le(page + 16, b);
	assert_false(
	    store_page_whole(page, SIZE, NUMBER, STORE_PAGE_LEAF, STORE_KEYS_BYTES, none, none));
	bytes_put_u16le(page + 18, a);
	assert_false(
	    store_page_whole(page, SIZE, NUMBER, STORE_PAGE_LEAF, STORE_KEYS_BYTES, none, none));
	bytes_put_u16le(page + 16, a);
	bytes_put_u16le(page + 18, b);
	assert_true(
	    store_page_whole(page, SIZE, NUMBER, STORE_PAGE_LEAF, STORE_KEYS_BYTES, none, none));
	free(page);
}

/* The free list's keys are transaction numbers: 256 comes after 255, though its first byte is less.
 */
static void the_free_list_is_ordered_by_number(void **state)
{
	static const uint64_t numbers[] = {7, 255, 256, 70000};
	uint8_t *page = calloc(1, SIZE);
	size_t upper = SIZE;

	(void)state;
	bytes_put_u64le(page, NUMBER);
	bytes_put_u16le(page + 10, STORE_PAGE_LEAF);
	bytes_put_u16le(page + 12, STORE_PAGE_HEADER + 2 * 4);
	for (size_t i = 0; i < 4; i++) {
		upper -= 16;
		bytes_put_u16le(page + STORE_PAGE_HEADER + 2 * i, (uint16_t)upper);
		bytes_put_u16le(page + upper + 6, 8);
		bytes_put_u64le(page + upper + 8, numbers[i]);
	}
	bytes_put_u16le(page + 14, (uint16_t)upper);
	assert_true(
	    store_page_whole(page, SIZE, NUMBER, STORE_PAGE_LEAF, STORE_KEYS_NUMBERS, none, none));
	assert_false(
	    store_page_whole(page, SIZE, NUMBER, STORE_PAGE_LEAF, STORE_KEYS_BYTES, none, none));
	bytes_put_u64le(page + upper + 8, 256); /* twice the same */
	assert_false(
	    store_page_whole(page, SIZE, NUMBER, STORE_PAGE_LEAF, STORE_KEYS_NUMBERS, none, none));
	free(page);
}

/* Whatever a page says, nothing outside of it is touched or given out. */
static void no_damage_leads_out_of_the_page(void **state)
{
	struct rng rng;

	(void)state;
	rng_seed(&rng, 5);
	for (int n = 0; n < 40000; n++) {
		enum store_page_kind kind = n % 2 == 0 ? STORE_PAGE_LEAF : STORE_PAGE_BRANCH;
		uint8_t *page = make(kind);
		unsigned count;

		for (uint64_t k = 1 + rng_below(&rng, 4); k > 0; k--) {
			size_t at =
			    rng_below(&rng, 2) == 0 ? rng_below(&rng, 40) : rng_below(&rng, SIZE);

			page[at] = (uint8_t)rng_next(&rng);
		}
		(void)store_page_whole(page, SIZE, NUMBER, kind, STORE_KEYS_BYTES, none, none);
		if (store_page_header(page, SIZE, NUMBER, kind, &count)) {
			for (unsigned i = 0; i < count; i++) {
				struct store_node got;

				if (!store_page_node(page, SIZE, kind, i, &got)) {
					continue;
				}
				assert_true(got.key.data >= page &&
					    got.key.data + got.key.len <= page + SIZE);
				assert_true(got.data.data == NULL ||
					    (got.data.data >= page &&
					     got.data.data + got.data.len <= page + SIZE));
			}
		}
		free(page);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_leaf_is_read_as_it_was_written),
	    cmocka_unit_test(a_branch_names_its_children),
	    cmocka_unit_test(a_page_must_be_the_one_that_was_asked_for),
	    cmocka_unit_test(keys_lie_between_the_bounds_of_the_page),
	    cmocka_unit_test(what_a_page_holds_fits_it_exactly),
	    cmocka_unit_test(the_free_list_is_ordered_by_number),
	    cmocka_unit_test(no_damage_leads_out_of_the_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
