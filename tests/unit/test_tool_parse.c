/* Values of a command line: what is accepted, what it means, and what is refused unchanged. */
#include "tools/tool_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

struct number_case {
	const char *text;
	bool ok;
	uint64_t value;
};

static void check(bool (*parse)(const char *, uint64_t *), const struct number_case *cases,
		  size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t v = 4711;

		if (parse(cases[i].text, &v) != cases[i].ok ||
		    v != (cases[i].ok ? cases[i].value : 4711)) {
			fail_msg("'%s' gives %llu", cases[i].text, (unsigned long long)v);
		}
	}
}

#define CHECK(parse, cases) check(parse, cases, sizeof(cases) / sizeof((cases)[0]))

static void numbers(void **state)
{
	static const struct number_case cases[] = {
	    {"0", true, 0},   {"00012", true, 12},
	    {"", false, 0},   {"18446744073709551615", true, UINT64_MAX},
	    {"-1", false, 0}, {"18446744073709551616", false, 0},
	    {"1 ", false, 0}, {"99999999999999999999", false, 0},
	    {" 1", false, 0}, {"0x10", false, 0},
	};

	(void)state;
	CHECK(parse_u64, cases);
}

static void sizes(void **state)
{
	static const struct number_case cases[] = {
	    {"0", true, 0},
	    {"4096", true, 4096},
	    {"64k", true, 65536},
	    {"64K", true, 65536},
	    {"1kb", true, 1024},
	    {"1KiB", true, 1024},
	    {"2g", true, (uint64_t)2 << 30},
	    {"1t", true, (uint64_t)1 << 40},
	    {"10b", true, 10},
	    {"16777215t", true, (uint64_t)16777215 << 40},
	    {"16777216t", false, 0},
	    {"1.5m", false, 0},
	    {"1ib", false, 0},
	    {"k", false, 0},
	    {"1kk", false, 0},
	    {"", false, 0},
	};

	(void)state;
	CHECK(parse_size, cases);
}

static void hexadecimal(void **state)
{
	static const struct number_case cases[] = {
	    {"0", true, 0},
	    {"00ff", true, 255},
	    {"0xFFffFFffFFffFFff", true, UINT64_MAX},
	    {"10000000000000000", false, 0},
	    {"0x", false, 0},
	    {"", false, 0},
	    {"g", false, 0},
	};

	(void)state;
	CHECK(parse_hex, cases);
}

static void times(void **state)
{
	static const struct number_case cases[] = {
	    {"0", true, 0},
	    {"1789985051", true, 1789985051000},
	    {"1789985051.5", true, 1789985051500},
	    {"1789985051.1239", true, 1789985051123},
	    {"1789985051123", true, 1789985051123},
	    {"1789985051123.5", false, 0},
	    {"1970-01-01", true, 0},
	    {"2026-09-21T10:04:11.512Z", true, 1789985051512},
	    {"2026-09-21 10:04:11", true, 1789985051000},
	    {"2026-09-21t12:04:11+02:00", true, 1789985051000},
	    {"2026-09-21T08:34:11-0130", true, 1789985051000},
	    {"2026-09-21T10:04", true, 1789985040000},
	    {"2024-02-29", true, 1709164800000},
	    {"2025-02-29", false, 0},
	    {"2100-02-29", false, 0},
	    {"2026-13-01", false, 0},
	    {"2026-00-01", false, 0},
	    {"2026-04-31", false, 0},
	    {"2026-12-31T23:59:60Z", true, 1798761600000},
	    {"2026-09-21T24:00", false, 0},
	    {"2026-09-21T10:04:11Zx", false, 0},
	    {"2026-09-21T", false, 0},
	    {"1970-01-01T00:00+01:00", false, 0}, /* before the epoch */
	    {"26-09-21", false, 0},
	    {"now", false, 0},
	    {"", false, 0},
	};

	(void)state;
	CHECK(parse_time_ms, cases);
}

static void positions(void **state)
{
	struct position p = {0}, before;

	(void)state;
	assert_true(parse_position("17", &p));
	assert_true(p.set && !p.has_epoch && p.lsn == 17);
	assert_int_equal(position_cmp(9, 16, &p), -1);
	assert_int_equal(position_cmp(0, 17, &p), 0);
	assert_int_equal(position_cmp(0, 18, &p), 1);
	assert_true(parse_position("3:17", &p));
	assert_true(p.has_epoch && p.epoch == 3 && p.lsn == 17);
	assert_int_equal(position_cmp(2, 99, &p), -1);
	assert_int_equal(position_cmp(3, 17, &p), 0);
	assert_int_equal(position_cmp(4, 1, &p), 1);
	before = p;
	for (const char *const *bad =
		 (const char *const[]){"", ":", "1:", ":1", "1:2:3", "x", NULL};
	     *bad != NULL; bad++) {
		assert_false(parse_position(*bad, &p));
		assert_memory_equal(&p, &before, sizeof p);
	}
}

static void slots(void **state)
{
	struct slot_set s = {0};

	(void)state;
	assert_true(parse_slots("5-7,16383,6", &s));
	assert_int_equal(s.count, 4);
	assert_true(slot_set_has(&s, 5) && slot_set_has(&s, 7) && slot_set_has(&s, 16383));
	assert_false(slot_set_has(&s, 4) || slot_set_has(&s, 8));
	assert_true(parse_slots("0", &s));
	assert_int_equal(s.count, 5);
	for (const char *const *bad = (const char *const[]){"", ",", "1,", "16384", "7-5", "1-",
							    "-1", "1-2-3", "a", NULL};
	     *bad != NULL; bad++) {
		assert_false(parse_slots(*bad, &s));
		assert_int_equal(s.count, 5);
	}
}

static void globs(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool fits;
	} cases[] = {
	    {"*", "", true},
	    {"", "", true},
	    {"", "a", false},
	    {"?", "", false},
	    {"a*c", "abbc", true},
	    {"a*c", "abbcd", false},
	    {"[a-c]x", "bx", true},
	    {"[^a-c]x", "bx", false},
	    {"[^a-c]x", "dx", true},
	    {"[c-a]x", "bx", true},
	    {"\\*", "*", true},
	    {"\\*", "a", false},
	    {"[\\]]", "]", true},
	    {"[ab", "a", true},
	    {"*a*b*", "xxaxxbxx", true},
	    {"**", "anything", true},
	    {"a\\", "a\\", true},
	    {"h?llo", "hello", true},
	    {"h[^e]llo", "hello", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (glob_fits(slice_str(cases[i].pattern), slice_str(cases[i].text)) !=
		    cases[i].fits) {
			fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].text);
		}
	}
}

static void a_pattern_of_stars_takes_bounded_work(void **state)
{
	char text[20001], pattern[201];

	(void)state;
	memset(text, 'a', sizeof text);
	text[20000] = '\0';
	for (size_t i = 0; i < 200; i += 2) {
		memcpy(pattern + i, "*a", 2);
	}
	memcpy(pattern + 198, "*b", 3);
	/* Retried for each star this would not end. */
	assert_false(glob_fits(slice_str(pattern), slice_str(text)));
}

static void lists(void **state)
{
	(void)state;
	assert_true(list_has("set,DEL", slice_str("SET")));
	assert_true(list_has("set,DEL", slice_str("del")));
	assert_false(list_has("set,DEL", slice_str("se")));
	assert_false(list_has("set,DEL", slice_str("set,del")));
	assert_false(list_has("", slice_str("set")));
}

static void addresses(void **state)
{
	static const struct {
		const char *text, *host, *user, *password;
		uint16_t port;
	} good[] = {
	    {"redis://host:7000", "host", "", "", 7000},
	    {"redis://host", "host", "", "", 6379},
	    {"redis://host/0", "host", "", "", 6379},
	    {"redis://host/", "host", "", "", 6379},
	    {"redis://:secret@host:1", "host", "", "secret", 1},
	    {"redis://u:p%40%3a@h:65535", "h", "u", "p@:", 65535},
	    {"redis://[::1]:7000", "::1", "", "", 7000},
	    {"127.0.0.1:7000", "127.0.0.1", "", "", 7000},
	    {"host", "host", "", "", 6379},
	    {"/run/cairn.sock", "/run/cairn.sock", "", "", 0},
	};
	static const char *const bad[] = {"",
					  "redis://",
					  "redis://host:0",
					  "redis://host:65536",
					  "redis://host:1x",
					  "redis://host/1",
					  "redis://user@host",
					  "redis://:p%4@host",
					  "redis://:p%00@host",
					  "redis://[::1",
					  "http://host",
					  "host/0",
					  ":7000"};
	struct node_address a;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		assert_true(parse_node_address(good[i].text, &a));
		assert_string_equal(a.host, good[i].host);
		assert_string_equal(a.user, good[i].user);
		assert_string_equal(a.password, good[i].password);
		assert_int_equal(a.port, good[i].port);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (parse_node_address(bad[i], &a)) {
			fail_msg("'%s' is taken", bad[i]);
		}
	}
}

static void quoted_words(void **state)
{
	uint8_t out[32];
	size_t len;

	(void)state;
	assert_true(parse_quoted("plain\\x41", out, &len));
	assert_true(slice_eq(slice_of(out, len), slice_str("plain\\x41")));
	assert_true(parse_quoted("\"\\x00\\xfF\\n\\r\\t\\\\\\\"a\"", out, &len));
	assert_true(slice_eq(slice_of(out, len), slice_of("\0\xff\n\r\t\\\"a", 8)));
	assert_true(parse_quoted("\"\"", out, &len));
	assert_int_equal(len, 0);
	for (const char *const *bad =
		 (const char *const[]){"\"", "\"a", "\"a\"b", "\"\\\"", "\"\\q\"", "\"\\x4\"",
				       "\"\\xgg\"", NULL};
	     *bad != NULL; bad++) {
		assert_false(parse_quoted(*bad, out, &len));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers),	    cmocka_unit_test(sizes),
	    cmocka_unit_test(hexadecimal),  cmocka_unit_test(times),
	    cmocka_unit_test(positions),    cmocka_unit_test(slots),
	    cmocka_unit_test(globs),	    cmocka_unit_test(a_pattern_of_stars_takes_bounded_work),
	    cmocka_unit_test(lists),	    cmocka_unit_test(addresses),
	    cmocka_unit_test(quoted_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
