/* Long doubles as plain text: what Redis 7.0 answers to HINCRBYFLOAT for the same sums. */
#include "net/proto/float_text.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void numbers_are_plain_and_short(void **state)
{
	static const struct {
		long double v;
		const char *text;
	} cases[] = {
	    {0.0L, "0"},
	    {-0.0L, "0"},
	    {1.0L, "1"},
	    {10.5L, "10.5"},
	    {10.6L, "10.6"},
	    {-3.25L, "-3.25"},
	    {5000.0L, "5000"},
	    {1e20L, "100000000000000000000"},
	    {1e-17L, "0.00000000000000001"},
	    {-1e-30L, "0"},
	    {3.0e3L, "3000"},
	    {INFINITY, "inf"},
	    {-INFINITY, "-inf"},
	    {NAN, "nan"},
	};
	char dst[FLOAT_TEXT_CAP];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t len = float_text(cases[i].v, dst);

		assert_int_equal(len, strlen(cases[i].text));
		assert_memory_equal(dst, cases[i].text, len);
	}
}

static void the_longest_number_fits(void **state)
{
	char dst[FLOAT_TEXT_CAP];

	(void)state;
	assert_int_equal(float_text(LDBL_MAX, dst), 4933);
	assert_int_equal(float_text(-LDBL_MAX, dst), 4934);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers_are_plain_and_short),
	    cmocka_unit_test(the_longest_number_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
