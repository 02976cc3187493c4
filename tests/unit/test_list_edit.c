/* Changes in the middle of lists, pattern by pattern, and the names of encodings. */
#include "engine/types/type_list.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct engine_box box;
	struct store_key key;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	engine_box_open(&f->box, 13);
	store_key_of_key(&f->key, slice_str("list"));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	engine_box_close(&f->box);
	free(f);
	return 0;
}

enum { PATTERN_LEN = 8, PAD = 600 };

/* An element of its own: letter, and so much behind it that eight of them are a large list. */
static struct slice element(char letter, uint8_t *dst)
{
	memset(dst, letter, PAD);
	return slice_of(dst, PAD);
}

/* Makes the list the letters of text, large or small. */
static void make(struct fixture *f, const char *text, bool large, struct meta *m)
{
	uint8_t bytes[PAD];
	uint64_t n;
	enum status st = ks_lookup(f->box.e, &f->key, m);

	if (st == ST_OK) {
		assert_int_equal(ks_delete(f->box.e, &f->key, m), ST_OK);
	}
	for (size_t i = 0; text[i] != 0; i++) {
		struct slice value = element(text[i], bytes);

		value.len = large ? PAD : 1;
		st = ks_lookup(f->box.e, &f->key, m);
		assert_int_equal(
		    type_list_push(f->box.e, &f->key, st == ST_OK ? m : NULL, false, &value, 1, &n),
		    ST_OK);
	}
	assert_int_equal(ks_lookup(f->box.e, &f->key, m), ST_OK);
	assert_int_equal(m->form, large ? FORM_LARGE : FORM_INLINE);
}

static void check(struct fixture *f, const char *text, const char *what)
{
	static struct type_list_iter it;
	struct slice value;
	struct meta m;
	uint64_t count;
	enum status st = ks_lookup(f->box.e, &f->key, &m);

	if (text[0] == 0) {
		assert_int_equal(st, ST_NOT_FOUND);
		return;
	}
	assert_int_equal(st, ST_OK);
	assert_int_equal(type_list_count(&m, &count), ST_OK);
	assert_int_equal(type_list_iter_open(f->box.e, &f->key, &m, 0, false, &it), ST_OK);
	for (size_t i = 0; text[i] != 0; i++) {
		st = type_list_iter_next(&it, &value);
		if (st != ST_OK || value.data[0] != (uint8_t)text[i]) {
			fail_msg("%s: element %zu should be %c", what, i, text[i]);
		}
	}
	assert_int_equal(type_list_iter_next(&it, &value), ST_END);
	type_list_iter_close(&it);
	assert_int_equal(count, strlen(text));
}

/* The letters of text without the x that count selects. */
static void without_x(const char *text, int64_t count, char *dst)
{
	size_t len = strlen(text), n = 0, total = 0, seen = 0;

	for (size_t i = 0; i < len; i++) {
		total += text[i] == 'x';
	}
	for (size_t i = 0; i < len; i++) {
		bool gone = text[i] == 'x';

		if (gone) {
			seen++;
			gone = count == 0 || (count > 0 ? seen <= (size_t)count
							: total - seen < 0 - (size_t)count);
		}
		if (!gone) {
			dst[n++] = text[i];
		}
	}
	dst[n] = 0;
}

static void every_pattern_of_removed_elements_closes(void **state)
{
	static const int64_t counts[] = {0, 1, 2, 3, -1, -2, -3, INT64_MAX, INT64_MIN};
	struct fixture *f = *state;
	uint8_t bytes[PAD];

	for (unsigned pattern = 0; pattern < 1u << PATTERN_LEN; pattern++) {
		char text[PATTERN_LEN + 1] = {0}, expect[PATTERN_LEN + 1], what[64];

		for (unsigned i = 0; i < PATTERN_LEN; i++) {
			text[i] = (pattern >> i & 1) != 0 ? 'x' : (char)('a' + i);
		}
		for (size_t k = 0; k < 2 * sizeof counts / sizeof counts[0]; k++) {
			int64_t count = counts[k / 2];
			struct slice x = element('x', bytes);
			struct meta m;
			uint64_t removed;

			x.len = k % 2 == 0 ? PAD : 1;
			engine_box_begin(&f->box);
			make(f, text, k % 2 == 0, &m);
			assert_int_equal(
			    type_list_remove(f->box.e, &f->key, &m, x, count, &removed), ST_OK);
			without_x(text, count, expect);
			(void)snprintf(what, sizeof what, "%s count %lld", text, (long long)count);
			assert_int_equal(removed, strlen(text) - strlen(expect));
			check(f, expect, what);
			engine_box_commit(&f->box);
		}
		(void)engine_turn_end(f->box.e);
	}
}

static void inserts_go_where_they_belong_in_both_forms(void **state)
{
	struct fixture *f = *state;
	uint8_t bytes[PAD];

	for (uint64_t at = 0; at <= PATTERN_LEN; at++) {
		for (unsigned form = 0; form < 3; form++) { /* small, large, small to large */
			char expect[PATTERN_LEN + 2] = {0};
			struct slice z = element('z', bytes);
			struct meta m;
			uint64_t length;

			memcpy(expect, "abcdefgh", at);
			expect[at] = 'z';
			memcpy(expect + at + 1, &"abcdefgh"[at], PATTERN_LEN - at);
			z.len = form == 0 ? 1 : PAD;
			engine_box_begin(&f->box);
			make(f, "abcdefgh", form == 1, &m);
			assert_int_equal(type_list_insert(f->box.e, &f->key, &m, at, z, &length),
					 ST_OK);
			assert_int_equal(length, PATTERN_LEN + 1);
			check(f, expect, "insert");
			engine_box_commit(&f->box);
		}
	}
}

static void a_move_to_another_type_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store_key other;
	struct meta m, string = {.type = TYPE_STRING, .form = FORM_INLINE};
	struct slice text = slice_str("text");

	store_key_of_key(&other, slice_str("string"));
	engine_box_begin(&f->box);
	assert_int_equal(ks_put_blind(f->box.e, &other, &string, &text, 1), ST_OK);
	make(f, "ab", false, &m);
	assert_int_equal(type_list_move(f->box.e, &f->key, &m, true, &other, true), ST_WRONG_TYPE);
	engine_box_rollback(&f->box);
}

static void encodings_have_redis_names(void **state)
{
	static const struct {
		uint32_t count, len;
		int64_t limit;
		const char *name;
	} cases[] = {
	    {1, 1, -2, "listpack"},	{100, 10, -2, "listpack"},  {1, 8000, -2, "listpack"},
	    {1, 8192, -2, "quicklist"}, {100, 78, -2, "listpack"}, /* 100 * 81 + 7 */
	    {100, 82, -2, "quicklist"},				   /* 100 * 85 + 7 */
	    {100, 82, -3, "listpack"},	{1, 4080, -1, "listpack"},  {1, 4090, -1, "quicklist"},
	    {3, 1, 3, "listpack"},	{4, 1, 3, "quicklist"},	    {3, 9000, 3, "quicklist"},
	    {1, 1, 0, "quicklist"},	{1, 60000, -9, "listpack"}, {5000, 1, -2, "quicklist"},
	};
	static uint8_t bytes[70000];
	struct fixture *f = *state;

	memset(bytes, 'v', sizeof bytes);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct slice *values = calloc(cases[i].count, sizeof *values);
		const char *name;
		struct meta m;
		uint64_t n;

		for (uint32_t k = 0; k < cases[i].count; k++) {
			values[k] = slice_of(bytes, cases[i].len);
		}
		engine_box_begin(&f->box);
		assert_int_equal(
		    type_list_push(f->box.e, &f->key, NULL, false, values, cases[i].count, &n),
		    ST_OK);
		assert_int_equal(ks_lookup(f->box.e, &f->key, &m), ST_OK);
		assert_int_equal(type_list_encoding(f->box.e, &f->key, &m, cases[i].limit, &name),
				 ST_OK);
		if (strcmp(name, cases[i].name) != 0) {
			fail_msg("case %zu: %s", i, name);
		}
		engine_box_rollback(&f->box);
		free(values);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(every_pattern_of_removed_elements_closes, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(inserts_go_where_they_belong_in_both_forms, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_move_to_another_type_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(encodings_have_redis_names, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
