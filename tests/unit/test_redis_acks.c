/* Acknowledgements of a Redis replica: bytes in any pieces, and what LSN an offset stands for. */
#include "net/redis_acks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct slice ack(uint64_t offset)
{
	static char text[128];
	char number[24];
	int digits = snprintf(number, sizeof number, "%llu", (unsigned long long)offset);

	(void)snprintf(text, sizeof text, "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$%d\r\n%s\r\n",
		       digits, number);
	return slice_str(text);
}

static void an_offset_stands_for_the_records_before_it(void **state)
{
	struct redis_acks a;

	(void)state;
	redis_acks_init(&a, 100, 7);
	assert_int_equal(a.lsn, 7);
	redis_acks_mark(&a, 130, 8);
	redis_acks_mark(&a, 130, 9); /* a record without a command */
	redis_acks_mark(&a, 150, 10);
	assert_int_equal(redis_acks_take(&a, ack(129)), ST_OK);
	assert_int_equal(a.lsn, 7);
	assert_int_equal(redis_acks_take(&a, ack(130)), ST_OK);
	assert_int_equal(a.lsn, 9);
	assert_int_equal(redis_acks_take(&a, ack(120)), ST_OK); /* it never goes back */
	assert_int_equal(a.offset, 130);
	assert_int_equal(redis_acks_take(&a, ack(1000)), ST_OK);
	assert_int_equal(a.lsn, 10);
	redis_acks_mark(&a, 150, 11); /* acknowledged already */
	assert_int_equal(a.lsn, 11);
	assert_int_equal(a.count, 4);
	redis_acks_deinit(&a);
}

static void bytes_come_in_any_pieces(void **state)
{
	struct redis_acks a;
	struct slice whole = ack(55);

	(void)state;
	for (size_t piece = 1; piece <= whole.len; piece++) {
		redis_acks_init(&a, 0, 0);
		redis_acks_mark(&a, 55, 3);
		for (size_t at = 0; at < whole.len; at += piece) {
			size_t len = whole.len - at < piece ? whole.len - at : piece;

			assert_int_equal(a.lsn, 0);
			assert_int_equal(redis_acks_take(&a, slice_of(whole.data + at, len)),
					 ST_OK);
		}
		assert_int_equal(a.lsn, 3);
		redis_acks_deinit(&a);
	}
}

static void other_commands_are_passed_over(void **state)
{
	static const char *const fine[] = {
	    "\n",
	    "\r\n",
	    "PING\r\n",
	    "replconf ack 20\r\n",
	    "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n-5\r\n",
	    "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\nx\r\n",
	    "*2\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n",
	    "*5\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n21\r\n$4\r\nFACK\r\n$2\r\n21\r\n",
	};
	struct redis_acks a;

	(void)state;
	redis_acks_init(&a, 0, 0);
	for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
		a.alive = false;
		assert_int_equal(redis_acks_take(&a, slice_str(fine[i])), ST_OK);
		assert_true(a.alive);
	}
	assert_int_equal(a.offset, 21);
	assert_int_equal(a.count, 2);
	redis_acks_deinit(&a);
}

static void what_is_no_request_is_refused(void **state)
{
	static const char *const bad[] = {"*x\r\n", "*1\r\n+PING\r\n", "*100000\r\n",
					  "*1\r\n$99999999\r\n"};
	struct redis_acks a;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		redis_acks_init(&a, 0, 0);
		assert_int_equal(redis_acks_take(&a, slice_str(bad[i])), ST_INVALID);
		assert_non_null(a.fault);
		/* A new link begins anew. */
		redis_acks_relink(&a);
		assert_int_equal(redis_acks_take(&a, ack(9)), ST_OK);
		assert_int_equal(a.offset, 9);
		redis_acks_deinit(&a);
	}
}

static void very_many_marks_become_coarse(void **state)
{
	struct redis_acks a;

	(void)state;
	redis_acks_init(&a, 0, 0);
	for (uint64_t i = 1; i <= 10000; i++) {
		redis_acks_mark(&a, i * 10, i);
	}
	assert_int_equal(redis_acks_take(&a, ack(1005)), ST_OK);
	assert_int_equal(a.lsn, 100);
	assert_int_equal(redis_acks_take(&a, ack(99999)), ST_OK);
	assert_true(a.lsn < 10000);
	assert_int_equal(redis_acks_take(&a, ack(100000)), ST_OK);
	assert_int_equal(a.lsn, 10000);
	redis_acks_deinit(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_offset_stands_for_the_records_before_it),
	    cmocka_unit_test(bytes_come_in_any_pieces),
	    cmocka_unit_test(other_commands_are_passed_over),
	    cmocka_unit_test(what_is_no_request_is_refused),
	    cmocka_unit_test(very_many_marks_become_coarse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
