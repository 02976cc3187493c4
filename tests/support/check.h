/* A check that says what it found. Include after <cmocka.h>. */
#ifndef CAIRN_TESTS_SUPPORT_CHECK_H
#define CAIRN_TESTS_SUPPORT_CHECK_H

#define CHECK(cond, ...)                                                                           \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			print_error(__VA_ARGS__);                                                  \
			fail();                                                                    \
		}                                                                                  \
	} while (0)

#endif
