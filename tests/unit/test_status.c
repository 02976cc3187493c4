/* Every status code has a text of its own. */
#include "engine/base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_code_has_a_text_of_its_own(void **state)
{
#define COUNT(sym, text) +1
	enum { CODES = 0 STATUS_LIST(COUNT) };
#undef COUNT

	(void)state;
	for (int i = 0; i < CODES; i++) {
		assert_string_not_equal(status_text((enum status)i), "unknown status");
		for (int j = 0; j < i; j++) {
			assert_string_not_equal(status_text((enum status)i),
						status_text((enum status)j));
		}
	}
	assert_string_equal(status_text((enum status)CODES), "unknown status");
	assert_int_equal(ST_OK, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_code_has_a_text_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
