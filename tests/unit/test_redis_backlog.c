/* The ring of newest bytes: whatever is asked for and still there comes back as it went in. */
#include "net/redis_backlog.h"

#include "engine/base/buf.h"
#include "engine/base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Everything behind offset, put together. */
static struct buf from(const struct redis_backlog *b, uint64_t offset)
{
	struct buf all = {0};

	while (offset < b->offset) {
		struct slice part = redis_backlog_from(b, offset);

		assert_true(part.len > 0 && part.len <= b->offset - offset);
		assert_int_equal(buf_append(&all, part.data, part.len), ST_OK);
		offset += part.len;
	}
	return all;
}

static void what_is_held_comes_back(void **state)
{
	enum { SIZE = 61, BEGIN = 1000, ROUNDS = 400 };
	struct redis_backlog b;
	struct buf whole = {0};
	struct rng rng;

	(void)state;
	rng_seed(&rng, 5);
	assert_int_equal(redis_backlog_init(&b, SIZE, BEGIN), ST_OK);
	for (int i = 0; i < ROUNDS; i++) {
		uint8_t bytes[3 * SIZE];
		size_t len = (size_t)rng_below(&rng, i % 10 == 0 ? sizeof bytes : SIZE / 2);

		for (size_t n = 0; n < len; n++) {
			bytes[n] = (uint8_t)rng_next(&rng);
		}
		redis_backlog_add(&b, slice_of(bytes, len));
		assert_int_equal(buf_append(&whole, bytes, len), ST_OK);
		assert_int_equal(b.offset, BEGIN + whole.len);
		for (uint64_t back = 0; back <= whole.len + 2 && back < 2 * SIZE; back++) {
			uint64_t offset = b.offset - back;
			struct buf got;

			assert_int_equal(redis_backlog_reaches(&b, offset),
					 back <= SIZE && back <= whole.len);
			if (!redis_backlog_reaches(&b, offset)) {
				continue;
			}
			got = from(&b, offset);
			assert_true(slice_eq(buf_slice(&got),
					     slice_skip(buf_slice(&whole), whole.len - back)));
			buf_deinit(&got);
		}
	}
	assert_false(redis_backlog_reaches(&b, b.offset + 1));
	buf_deinit(&whole);
	redis_backlog_deinit(&b);
	redis_backlog_deinit(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_held_comes_back)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
