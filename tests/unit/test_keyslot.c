/* Keys to slots: the specification's check value, tags, and their corner cases. */
#include "engine/base/keyslot.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void slots_are_those_of_the_cluster_specification(void **state)
{
	/* The first is the CRC's published check value, 0x31C3; the others were asked of a
	 * redis-server with CLUSTER KEYSLOT. */
	static const struct {
		const char *key;
		uint16_t slot;
	} cases[] = {
	    {"123456789", 0x31c3 % SLOTS},
	    {"", 0},
	    {"foo", 12182},
	    {"bar", 5061},
	    {"hello", 866},
	    {"{user1000}.following", 3443},
	    {"{user1000}.followers", 3443},
	    {"user1000", 3443},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(keyslot(slice_str(cases[i].key)), cases[i].slot);
	}
}

static void only_the_first_complete_tag_counts(void **state)
{
	static const struct {
		const char *key, *same_as;
	} cases[] = {
	    {"a{b}c", "b"},
	    {"{b}{c}", "b"},
	    {"a{{b}c", "{b"},
	    {"x}{b}", "b"},
	};
	struct slice empty = slice_str("foo{}{bar}");

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(keyslot(slice_str(cases[i].key)),
				 keyslot(slice_str(cases[i].same_as)));
	}
	/* An empty tag does not count, nor does one that never closes. */
	assert_int_not_equal(keyslot(empty), keyslot(slice_str("bar")));
	assert_int_not_equal(keyslot(empty), keyslot(slice_str("")));
	assert_int_not_equal(keyslot(slice_str("a{b")), keyslot(slice_str("b")));
}

static void binary_keys_are_hashed_whole(void **state)
{
	(void)state;
	assert_int_not_equal(keyslot(slice_of("a\0b", 3)), keyslot(slice_of("a\0c", 3)));
	assert_int_equal(keyslot(slice_of("{\0}x", 4)), keyslot(slice_of("\0", 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(slots_are_those_of_the_cluster_specification),
	    cmocka_unit_test(only_the_first_complete_tag_counts),
	    cmocka_unit_test(binary_keys_are_hashed_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
