/* Output of the tools: quoting, JSON that parses whatever the bytes, dates, and lost bytes noticed.
 */
#include "tools/tool_out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* What was written since the last look. */
struct sheet {
	struct out o;
	FILE *file;
	char *text;
	size_t len;
};

static void sheet_open(struct sheet *s)
{
	s->file = open_memstream(&s->text, &s->len);
	assert_non_null(s->file);
	out_init(&s->o, s->file);
}

static void sheet_expect(struct sheet *s, const char *want)
{
	assert_true(out_deinit(&s->o));
	assert_int_equal(fclose(s->file), 0);
	assert_string_equal(s->text, want);
	free(s->text);
	sheet_open(s);
}

static void sheet_close(struct sheet *s)
{
	assert_true(out_deinit(&s->o));
	(void)fclose(s->file);
	free(s->text);
}

static void quoted_words_are_printable_and_cut_where_asked(void **state)
{
	struct sheet s;

	(void)state;
	sheet_open(&s);
	out_quoted(&s.o, slice_of("a\"\\\n\r\t\0\x7f\x80 b", 11), 0);
	sheet_expect(&s, "\"a\\\"\\\\\\n\\r\\t\\x00\\x7f\\x80 b\"");
	out_quoted(&s.o, slice_str("abcdef"), 3);
	sheet_expect(&s, "\"abc\"...");
	out_quoted(&s.o, slice_str("abc"), 3);
	sheet_expect(&s, "\"abc\"");
	out_word(&s.o, slice_str("set-1_B"));
	sheet_expect(&s, "set-1_B");
	out_word(&s.o, slice_str("a b"));
	sheet_expect(&s, "\"a b\"");
	out_word(&s.o, slice_str(""));
	sheet_expect(&s, "\"\"");
	sheet_close(&s);
}

static void objects_and_arrays_have_their_commas(void **state)
{
	struct sheet s;

	(void)state;
	sheet_open(&s);
	json_begin(&s.o);
	json_u64(&s.o, "u", UINT64_MAX);
	json_i64(&s.o, "i", INT64_MIN);
	json_bool(&s.o, "yes", true);
	json_null(&s.o, "none");
	json_ratio(&s.o, "r", 1.005);
	json_hex(&s.o, "h", 0xab);
	json_time(&s.o, "t", 1789985051512);
	json_object(&s.o, "o");
	json_close(&s.o, '}');
	json_array(&s.o, "a");
	json_bytes(&s.o, NULL, slice_str("x"));
	json_array(&s.o, NULL);
	json_close(&s.o, ']');
	json_element(&s.o);
	json_text(&s.o, "k", "v");
	json_close(&s.o, '}');
	json_close(&s.o, ']');
	json_text(&s.o, "last", "");
	json_end(&s.o);
	json_begin(&s.o);
	json_end(&s.o);
	sheet_expect(&s,
		     "{\"u\":18446744073709551615,\"i\":-9223372036854775808,\"yes\":true,"
		     "\"none\":null,\"r\":1.00,\"h\":\"00000000000000ab\","
		     "\"t\":\"2026-09-21T10:04:11.512Z\",\"o\":{},\"a\":[\"x\",[],{\"k\":\"v\"}],"
		     "\"last\":\"\"}\n{}\n");
	sheet_close(&s);
}

static void bytes_are_a_string_when_they_are_utf8_else_base64(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *json;
	} cases[] = {
	    {"", 0, "\"\""},
	    {"a\"\\/\n\t\r\b\x1f\x7f", 10, "\"a\\\"\\\\/\\n\\t\\r\\u0008\\u001f\\u007f\""},
	    {"\0", 1, "\"\\u0000\""},
	    {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa6", 15,
	     "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa6\""},
	    {"\xff", 1, "{\"b64\":\"/w==\"}"},
	    {"\xff\xfe", 2, "{\"b64\":\"//4=\"}"},
	    {"\xff\xfe\xfd", 3, "{\"b64\":\"//79\"}"},
	    {"\xfb\xef\xbe\x00", 4, "{\"b64\":\"++++AA==\"}"},
	    {"abc\x80", 4, "{\"b64\":\"YWJjgA==\"}"},
	};
	struct sheet s;
	char want[128];

	(void)state;
	sheet_open(&s);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		json_begin(&s.o);
		json_bytes(&s.o, "v", slice_of(cases[i].bytes, cases[i].len));
		json_end(&s.o);
		(void)snprintf(want, sizeof want, "{\"v\":%s}\n", cases[i].json);
		sheet_expect(&s, want);
	}
	sheet_close(&s);
}

static void utf8_is_what_the_standard_says(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
	    {"\x7f", true},
	    {"\xc2\x80", true},
	    {"\xdf\xbf", true},
	    {"\xe0\xa0\x80", true},
	    {"\xed\x9f\xbf", true},
	    {"\xee\x80\x80", true},
	    {"\xf0\x90\x80\x80", true},
	    {"\xf4\x8f\xbf\xbf", true},
	    {"\x80", false},		 /* a continuation alone */
	    {"\xc0\xaf", false},	 /* overlong */
	    {"\xc1\xbf", false},	 /* overlong */
	    {"\xe0\x9f\xbf", false},	 /* overlong */
	    {"\xf0\x8f\xbf\xbf", false}, /* overlong */
	    {"\xed\xa0\x80", false},	 /* surrogate */
	    {"\xf4\x90\x80\x80", false}, /* beyond the last code point */
	    {"\xf5\x80\x80\x80", false},
	    {"\xc2", false}, /* cut */
	    {"\xe2\x82", false},
	    {"\xf0\x9f\x90", false},
	    {"\xe2\x28\xa1", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (utf8_valid(slice_str(cases[i].text)) != cases[i].valid) {
			fail_msg("case %zu", i);
		}
	}
}

static void a_cut_leaves_characters_whole(void **state)
{
	struct sheet s;

	(void)state;
	sheet_open(&s);
	for (size_t max = 1; max <= 4; max++) {
		json_begin(&s.o);
		json_bytes_max(&s.o, "v",
			       slice_str("a\xe2\x82\xac"
					 "b"),
			       max);
		json_end(&s.o);
		sheet_expect(&s, max < 4 ? "{\"v\":\"a\"}\n" : "{\"v\":\"a\xe2\x82\xac\"}\n");
	}
	json_begin(&s.o);
	json_bytes_max(&s.o, "v", slice_str("\x80\x81\x82\x83"), 2);
	json_end(&s.o);
	sheet_expect(&s, "{\"v\":{\"b64\":\"gIE=\"}}\n");
	sheet_close(&s);
}

static void dates_there_and_back(void **state)
{
	(void)state;
	for (uint64_t day = 0; day < 60000; day += 17) {
		struct utc u = utc_of_ms(day * 86400000 + 86399999);

		assert_int_equal(utc_days(u.year, u.month, u.day), day);
		assert_int_equal(u.hour * 10000 + u.minute * 100 + u.second, 235959);
		assert_int_equal(u.ms, 999);
	}
	/* Any number, also of a damaged record, is some date. */
	assert_true(utc_of_ms(UINT64_MAX).month <= 12);
}

static void long_output_is_whole_and_a_full_disk_is_noticed(void **state)
{
	struct out o;
	FILE *full = fopen("/dev/full", "w");
	struct sheet s;
	size_t total = 0;
	char *big = malloc(200000);

	(void)state;
	assert_non_null(big);
	memset(big, 'x', 200000);
	sheet_open(&s);
	for (size_t len = 1; len < 200000; len = len * 3 + 1) {
		out_bytes(&s.o, slice_of(big, len));
		out_printf(&s.o, "%.*s", (int)len, big);
		total += 2 * len;
	}
	assert_true(out_deinit(&s.o));
	(void)fclose(s.file);
	assert_int_equal(s.len, total);
	free(s.text);
	free(big);
	assert_non_null(full);
	out_init(&o, full);
	out_text(&o, "lost");
	assert_false(out_deinit(&o));
	(void)fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(quoted_words_are_printable_and_cut_where_asked),
	    cmocka_unit_test(objects_and_arrays_have_their_commas),
	    cmocka_unit_test(bytes_are_a_string_when_they_are_utf8_else_base64),
	    cmocka_unit_test(utf8_is_what_the_standard_says),
	    cmocka_unit_test(a_cut_leaves_characters_whole),
	    cmocka_unit_test(dates_there_and_back),
	    cmocka_unit_test(long_output_is_whole_and_a_full_disk_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
