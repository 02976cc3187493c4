/* Keys by name. */
#include "net/command/migrate_keys.h"

#include "engine/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { MANY = 3000 };

static struct slice name_of(unsigned i, char dst[16])
{
	return slice_of(dst, (size_t)snprintf(dst, 16, "k%u", i));
}

static void all_that_were_added_are_found(void **state)
{
	struct migrate_keys k = {0};
	char name[16];

	(void)state;
	assert_int_equal(migrate_keys_init(&k, MANY, MANY * 5), ST_OK);
	for (unsigned i = 0; i < MANY; i++) {
		assert_null(migrate_keys_find(&k, name_of(i, name)));
		assert_int_equal(migrate_keys_add(&k, name_of(i, name)), ST_OK);
	}
	for (unsigned i = 0; i < MANY; i++) {
		struct moving_key *one = migrate_keys_find(&k, name_of(i, name));

		assert_ptr_equal(one, &k.list[i]);
		assert_true(slice_eq(one->name, name_of(i, name)));
		assert_int_equal(one->state, KEY_WAITING);
	}
	assert_null(migrate_keys_find(&k, slice_str("k")));
	assert_null(migrate_keys_find(&k, slice_str("")));
	migrate_keys_deinit(&k);
}

static void memory_may_run_out(void **state)
{
	enum status st = ST_NO_MEMORY;

	(void)state;
	for (int64_t n = 0; st == ST_NO_MEMORY; n++) {
		struct migrate_keys k = {0};

		mem_fail_nth(n);
		st = migrate_keys_init(&k, 10, 100);
		mem_fail_nth(-1);
		migrate_keys_deinit(&k);
		assert_true(n < 5);
	}
	assert_int_equal(st, ST_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_that_were_added_are_found),
	    cmocka_unit_test(memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
