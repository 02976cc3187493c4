/* A growing hash by chains against a plain array: what was added is found until it is removed. */
#include "engine/base/rng.h"
#include "net/command/chain_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ITEMS = 3000, STEPS = 60000 };

struct item {
	struct chained chained;
	bool in;
};

static bool finds(const struct chain_table *t, const struct item *item)
{
	for (struct chained *c = chain_table_first(t, item->chained.hash); c != NULL; c = c->next) {
		if (c == &item->chained) {
			return true;
		}
	}
	return false;
}

static void what_was_added_is_found_until_it_is_removed(void **state)
{
	struct item *items = calloc(ITEMS, sizeof *items);
	struct chain_table t = {0};
	struct rng rng;
	size_t count = 0;

	(void)state;
	rng_seed(&rng, 3);
	assert_null(chain_table_first(&t, 7));
	for (size_t i = 0; i < ITEMS; i++) {
		/* Every third shares its hash with others. */
		items[i].chained.hash = i % 3 == 0 ? 5 : rng_below(&rng, UINT64_MAX);
	}
	for (int step = 0; step < STEPS; step++) {
		struct item *item = &items[rng_below(&rng, ITEMS)];

		assert_int_equal(finds(&t, item), item->in);
		if (item->in && rng_below(&rng, 4) == 0) {
			chain_table_remove(&t, &item->chained);
			item->in = false;
			count--;
		} else if (!item->in) {
			assert_int_equal(chain_table_room(&t), ST_OK);
			chain_table_add(&t, &item->chained);
			item->in = true;
			count++;
		}
		assert_int_equal(t.count, count);
	}
	assert_true(t.mask + 1 >= count / 2); /* it grew */
	for (size_t i = 0; i < ITEMS; i++) {
		assert_int_equal(finds(&t, &items[i]), items[i].in);
	}
	chain_table_deinit(&t);
	assert_null(chain_table_first(&t, 5));
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_added_is_found_until_it_is_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
