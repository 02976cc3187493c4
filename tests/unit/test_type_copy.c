/* A collection's elements under a second id, of both kinds, from every layer. */
#include "engine/types/type_copy.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ELEMS = 50 };

static void copy_and_compare(struct engine_box *b, enum value_type type, bool named)
{
	struct meta m = {.type = type, .form = FORM_LARGE, .count = ELEMS};
	struct store_key from;
	uint8_t bytes[BOX_VALUE_MAX];
	uint64_t copy;
	uint16_t slot = 77;

	store_key_of_key(&from, slice_str("from"));
	engine_box_begin(b);
	m.id = ks_new_id(b->e);
	copy = ks_new_id(b->e);
	for (uint8_t i = 0; i < ELEMS; i++) {
		struct slice value = engine_box_value(i, bytes), name = slice_of(&i, 1);

		if (i == ELEMS / 2) { /* half of them are in the store by then */
			engine_box_commit(b);
			engine_box_checkpoint(b);
			engine_box_begin(b);
		}
		assert_int_equal(named ? ks_field_put(b->e, from.slot, m.id, name, &value, 1)
				       : ks_elem_put(b->e, from.slot, m.id, name, &value, 1),
				 ST_OK);
	}
	engine_box_commit(b);
	engine_box_begin(b);
	assert_int_equal(type_copy_elements(b->e, &from, &m, slot, copy), ST_OK);
	for (uint8_t i = 0; i < ELEMS; i++) {
		struct slice name = slice_of(&i, 1), got;

		for (int which = 0; which < 2; which++) { /* the copy, and what it was made of */
			uint64_t id = which == 0 ? copy : m.id;
			uint16_t in = which == 0 ? slot : from.slot;

			assert_int_equal(named ? ks_field_get(b->e, in, id, name, &got)
					       : ks_elem_get(b->e, in, id, name, &got),
					 ST_OK);
			assert_true(slice_eq(got, engine_box_value(i, bytes)));
		}
	}
	engine_box_commit(b);
}

static void elements_are_copied_whatever_the_type(void **state)
{
	struct engine_box *b = calloc(1, sizeof *b);

	(void)state;
	engine_box_open(b, 71);
	copy_and_compare(b, TYPE_HASH, true);
	copy_and_compare(b, TYPE_SET, true);
	copy_and_compare(b, TYPE_LIST, false);
	copy_and_compare(b, TYPE_ZSET, false);
	engine_box_close(b);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(elements_are_copied_whatever_the_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
