/* Numbers, words and globs in arguments. */
#include "net/command/command.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void integers_are_taken_only_in_their_one_form(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t v;
	} cases[] = {
	    {"0", true, 0},
	    {"1", true, 1},
	    {"-1", true, -1},
	    {"9223372036854775807", true, INT64_MAX},
	    {"-9223372036854775808", true, INT64_MIN},
	    {"9223372036854775808", false, 0},
	    {"-9223372036854775809", false, 0},
	    {"99999999999999999999", false, 0},
	    {"", false, 0},
	    {"-", false, 0},
	    {"-0", false, 0},
	    {"+1", false, 0},
	    {"01", false, 0},
	    {" 1", false, 0},
	    {"1 ", false, 0},
	    {"1a", false, 0},
	    {"0x1", false, 0},
	    {"1.0", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int64_t v = 0;

		assert_int_equal(parse_int(slice_str(cases[i].text), &v), cases[i].ok);
		if (cases[i].ok) {
			assert_true(v == cases[i].v);
		}
	}
}

static void floats_follow_strtod_without_spaces_and_nan(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		double v;
	} cases[] = {
	    {"1", true, 1},	  {"-1.5", true, -1.5},	   {"1e3", true, 1000}, {"+2", true, 2},
	    {".5", true, .5},	  {"inf", true, INFINITY}, {"0x10", true, 16},	{"", false, 0},
	    {" 1", false, 0},	  {"1 ", false, 0},	   {"nan", false, 0},	{"1e400", false, 0},
	    {"1e-400", false, 0}, {"abc", false, 0},	   {"1x", false, 0},
	};
	static char longest[6000];
	long double wide;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		double v = 0;

		assert_int_equal(parse_float(slice_str(cases[i].text), &v), cases[i].ok);
		if (cases[i].ok) {
			assert_true(v == cases[i].v);
		}
	}
	assert_true(parse_long_float(slice_str("1e400"), &wide));
	assert_false(parse_long_float(slice_str("1e5000"), &wide));
	assert_false(parse_long_float(slice_str("nan"), &wide));
	assert_false(parse_long_float(slice_of("1\0002", 3), &wide));
	memset(longest, '1', sizeof longest);
	assert_false(parse_long_float(slice_of(longest, sizeof longest), &wide));
	assert_true(parse_long_float(slice_of(longest, 4000), &wide));
}

static void words_ignore_ascii_case_and_nothing_else(void **state)
{
	(void)state;
	assert_true(word_is(slice_str("GeT"), "get"));
	assert_true(word_is(slice_str("get"), "GET"));
	assert_true(word_is(slice_str(""), ""));
	assert_false(word_is(slice_str("ge"), "get"));
	assert_false(word_is(slice_str("gett"), "get"));
	assert_false(word_is(slice_of("get\0", 4), "get"));
	assert_false(word_is(slice_str("g@t"), "g`t"));
}

static void globs_match_as_redis_has_them(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool yes;
	} cases[] = {
	    {"*", "anything", true},
	    {"", "", true},
	    {"", "a", false},
	    {"h?llo", "hello", true},
	    {"h?llo", "hllo", false},
	    {"h*llo", "heeello", true},
	    {"h*llo", "hllo", true},
	    {"h*llo", "hllox", false},
	    {"h[ae]llo", "hallo", true},
	    {"h[ae]llo", "hillo", false},
	    {"h[^e]llo", "hallo", true},
	    {"h[^e]llo", "hello", false},
	    {"h[a-b]llo", "hbllo", true},
	    {"h[b-a]llo", "hallo", true},
	    {"h[a-b]llo", "hcllo", false},
	    {"\\*", "*", true},
	    {"\\*", "a", false},
	    {"a\\", "a\\", true},
	    {"[\\]]", "]", true},
	    {"[a", "a", true},
	    {"[a", "b", false},
	    {"[^", "x", true},
	    {"[", "[", false},
	    {"*a*b*c", "xxaxxbxxc", true},
	    {"*a*b*c", "xxaxxcxxb", false},
	    {"a**b", "ab", true},
	    {"foo*", "foo", true},
	    {"**", "abc", true},
	    {"a*a*a", "aa", false},
	    {"[a-", "-", true},
	    {"?", "", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (glob_match(slice_str(cases[i].pattern), slice_str(cases[i].text), false) !=
		    cases[i].yes) {
			print_error("%s on %s\n", cases[i].pattern, cases[i].text);
			fail();
		}
	}
	assert_true(glob_match(slice_str("HE*O"), slice_str("hello"), true));
	assert_true(glob_match(slice_str("[A-C]x"), slice_str("bX"), true));
	assert_false(glob_match(slice_str("HE*O"), slice_str("hello"), false));
}

static void a_malicious_glob_costs_no_more_than_pattern_times_text(void **state)
{
	static char pattern[2001], text[20001];

	(void)state;
	for (size_t i = 0; i + 1 < sizeof pattern; i += 2) {
		pattern[i] = '*';
		pattern[i + 1] = 'a';
	}
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 2] = 'b';
	/* Exponential matching would never come back. */
	assert_false(glob_match(slice_str(pattern), slice_str(text), false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(integers_are_taken_only_in_their_one_form),
	    cmocka_unit_test(floats_follow_strtod_without_spaces_and_nan),
	    cmocka_unit_test(words_ignore_ascii_case_and_nothing_else),
	    cmocka_unit_test(globs_match_as_redis_has_them),
	    cmocka_unit_test(a_malicious_glob_costs_no_more_than_pattern_times_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
