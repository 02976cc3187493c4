/* Digests are those of redis-server 7.0.15, and do not depend on where a value lies. */
#include "net/command/value_digest.h"

#include "engine/types/type_build.h"
#include "engine/types/type_string.h"
#include "tests/support/engine_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct hash_limits limits = {512, 64};

static void check_value(struct engine_box *b, const char *name, const char *hex)
{
	uint8_t digest[VALUE_DIGEST_LEN] = {0};
	char text[2 * VALUE_DIGEST_LEN + 1];
	struct store_key key;
	struct meta m;

	store_key_of_key(&key, slice_str(name));
	engine_box_begin(b);
	assert_int_equal(ks_lookup(b->e, &key, &m), ST_OK);
	assert_int_equal(value_digest(b->e, &key, &m, digest), ST_OK);
	engine_box_commit(b);
	for (size_t i = 0; i < sizeof digest; i++) {
		(void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
	}
	assert_string_equal(text, hex);
}

static void check_dataset(struct engine_box *b, const char *hex)
{
	uint8_t digest[VALUE_DIGEST_LEN];
	char text[2 * VALUE_DIGEST_LEN + 1];

	engine_box_begin(b);
	assert_int_equal(dataset_digest(b->e, digest), ST_OK);
	engine_box_commit(b);
	for (size_t i = 0; i < sizeof digest; i++) {
		(void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
	}
	assert_string_equal(text, hex);
}

static void fill(struct engine_box *b)
{
	struct store_key key;
	struct type_build build;

	engine_box_begin(b);
	store_key_of_key(&key, slice_str("s"));
	assert_int_equal(string_set(b->e, &key, slice_str("text"), 0, 0), ST_OK);
	store_key_of_key(&key, slice_str("e"));
	assert_int_equal(string_set(b->e, &key, slice_str("12"), 0, b->now_ms + 1000), ST_OK);
	store_key_of_key(&key, slice_str("long"));
	assert_int_equal(string_write(b->e, &key, NULL, 50000, slice_str("end")), ST_OK);
	store_key_of_key(&key, slice_str("l"));
	type_build_list(&build, b->e, &key);
	assert_int_equal(type_build_element(&build, slice_str("a")), ST_OK);
	assert_int_equal(type_build_element(&build, slice_str("")), ST_OK);
	assert_int_equal(type_build_element(&build, slice_str("1")), ST_OK);
	assert_int_equal(type_build_end(&build, 0), ST_OK);
	store_key_of_key(&key, slice_str("h"));
	type_build_hash(&build, b->e, &key, &limits);
	assert_int_equal(type_build_field(&build, slice_str("f"), slice_str("v")), ST_OK);
	assert_int_equal(type_build_field(&build, slice_str("g"), slice_str("1")), ST_OK);
	assert_int_equal(type_build_end(&build, 0), ST_OK);
	engine_box_commit(b);
}

static void check(struct engine_box *b)
{
	check_value(b, "s", "2ce3f57ae020966eb041fa6a47e5221ee0d42d6b");
	check_value(b, "e", "83df3a94c43338a2db2a05ddb5dbb794b842c619");
	check_value(b, "long", "95fa656b4bbf2ae93a42aab61ea5e8e169bb0ba3");
	check_value(b, "l", "a50cd5dc02db5de5853eb4c844dbbecb74e451a5");
	check_value(b, "h", "6679ee22f89ed8001eeb5309d0900265ea56c03a");
	check_dataset(b, "7ecdf96a10297a9854c2cbfc8dacfb9f25d41a81");
}

static void digests_are_those_of_redis(void **state)
{
	struct engine_box b = {0};

	(void)state;
	engine_box_open(&b, 1);
	check_dataset(&b, "0000000000000000000000000000000000000000");
	fill(&b);
	check(&b);
	engine_box_checkpoint(&b);
	check(&b);
	engine_box_restart(&b);
	check(&b);
	engine_box_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(digests_are_those_of_redis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
