/* Digests of entries and of slots walked from scratch. */
#include "engine/content_digest.h"

#include "engine/key_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct digest record(struct content_digest *c, const char *name, uint64_t id,
			    const char *payload)
{
	uint8_t raw[META_ENCODED_MAX + 64];
	struct store_key key;
	struct meta m = {.type = id != 0 ? TYPE_HASH : TYPE_STRING,
			 .form = id != 0 ? FORM_LARGE : FORM_INLINE,
			 .id = id,
			 .count = 1};
	size_t len = meta_encode(&m, raw);

	store_key_of_key(&key, slice_str(name));
	key.bytes[0] = 0;
	key.bytes[1] = 7;
	memcpy(raw + len, payload, strlen(payload));
	len += strlen(payload);
	assert_int_equal(content_digest_add(c, store_key_slice(&key), slice_of(raw, len)), ST_OK);
	return digest_of_entry(store_key_slice(&key), slice_of(raw, len));
}

static struct digest element(struct content_digest *c, uint64_t id, const char *field,
			     const char *value)
{
	struct store_key key;

	store_key_of_field(&key, 7, id, slice_str(field));
	assert_int_equal(content_digest_add(c, store_key_slice(&key), slice_str(value)), ST_OK);
	return digest_of_entry(store_key_slice(&key), slice_str(value));
}

static void an_entry_is_bound_to_its_key_and_its_value(void **state)
{
	struct digest d = digest_of_entry(slice_str("key"), slice_str("value"));

	(void)state;
	assert_true(digest_eq(d, digest_of_entry(slice_str("key"), slice_str("value"))));
	assert_false(digest_eq(d, digest_of_entry(slice_str("kex"), slice_str("value"))));
	assert_false(digest_eq(d, digest_of_entry(slice_str("key"), slice_str("valuf"))));
	assert_false(digest_eq(d, digest_of_entry(slice_str("keyv"), slice_str("alue"))));
	/* Empty values tell their keys apart, and none is nothing. */
	d = digest_of_entry(slice_str("a"), slice_of(NULL, 0));
	assert_false(digest_eq(d, digest_of_entry(slice_str("b"), slice_of(NULL, 0))));
	assert_false(digest_eq(d, (struct digest){0}));
}

static void sums_go_back_to_nothing_in_any_order(void **state)
{
	struct digest d[5], sum = {0};

	(void)state;
	for (int i = 0; i < 5; i++) {
		uint8_t key = (uint8_t)i;

		d[i] = digest_of_entry(slice_of(&key, 1), slice_str("v"));
		sum = digest_add(sum, d[i]);
	}
	assert_true(digest_eq(digest_times(sum, -1), digest_sub((struct digest){0}, sum)));
	for (int i = 0; i < 5; i++) {
		sum = digest_sub(sum, d[(i * 2) % 5]);
		assert_int_equal(digest_eq(sum, (struct digest){0}), i == 4);
	}
}

static void bytes_and_text_have_a_fixed_form(void **state)
{
	struct digest d = {0x0123456789abcdef, 0xfedcba9876543210};
	char text[DIGEST_TEXT_LEN + 1];
	uint8_t raw[DIGEST_LEN];

	(void)state;
	digest_put(raw, d);
	assert_int_equal(raw[0], 0xef);
	assert_int_equal(raw[15], 0xfe);
	assert_true(digest_eq(digest_get(raw), d));
	digest_text(d, text);
	assert_string_equal(text, "fedcba98765432100123456789abcdef");
	/* What a given entry's is, is part of the store's format. */
	digest_text(digest_of_entry(slice_str("key"), slice_str("value")), text);
	assert_string_equal(text, "e84582f5c8fe2c1351ad8f295ea71283");
}

static void elements_count_when_a_record_names_them(void **state)
{
	struct content_digest c = {0};
	struct digest want = {0};

	(void)state;
	want = digest_add(want, record(&c, "plain", 0, "x"));
	for (uint64_t id = 40; id > 0; id--) {
		char name[16];

		(void)snprintf(name, sizeof name, "h%d", (int)id);
		want = digest_add(want, record(&c, name, id * 2, ""));
	}
	(void)element(&c, 1, "f", "orphan");
	want = digest_add(want, element(&c, 2, "f", "v"));
	want = digest_add(want, element(&c, 2, "g", "v"));
	(void)element(&c, 3, "f", "orphan");
	want = digest_add(want, element(&c, 80, "f", "w"));
	(void)element(&c, 81, "f", "orphan");
	assert_true(digest_eq(content_digest_take(&c), want));
	/* The next slot knows nothing of that. */
	(void)element(&c, 2, "f", "v");
	assert_true(digest_eq(content_digest_take(&c), (struct digest){0}));
	content_digest_deinit(&c);
}

static void a_broken_record_is_refused(void **state)
{
	struct content_digest c = {0};
	struct store_key key;

	(void)state;
	store_key_of_key(&key, slice_str("k"));
	assert_int_equal(content_digest_add(&c, store_key_slice(&key), slice_str("")), ST_CORRUPT);
	assert_true(digest_eq(content_digest_take(&c), (struct digest){0}));
	content_digest_deinit(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_entry_is_bound_to_its_key_and_its_value),
	    cmocka_unit_test(sums_go_back_to_nothing_in_any_order),
	    cmocka_unit_test(bytes_and_text_have_a_fixed_form),
	    cmocka_unit_test(elements_count_when_a_record_names_them),
	    cmocka_unit_test(a_broken_record_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
