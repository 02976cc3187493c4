/* Requests from bytes: multibulk and inline, limits, Redis's words for errors, memory that is given
 * back. That no cut of the bytes changes anything is tests/fuzz/fuzz_resp_reader.c's subject. */
#include "engine/base/alloc.h"
#include "engine/base/buf.h"
#include "net/proto/resp_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct resp_limits plain = {RESP_ARGS_MAX, 512 << 20, 0, 65536};
static const struct resp_limits before_auth = {10, 512 << 20, 16384, 65536};

/* Reads all requests of text, each as its words in brackets; an error as !text, the rest as ?. */
static void read_all(const char *text, size_t len, const struct resp_limits *limits,
		     struct buf *out)
{
	struct resp_reader r;
	size_t at = 0;
	enum status st = ST_OK;

	resp_reader_init(&r);
	out->len = 0;
	while (st == ST_OK && at < len) {
		const struct slice *argv;
		size_t argc, used;

		st = resp_reader_next(&r, slice_of(text + at, len - at), limits, &argv, &argc,
				      &used);
		for (size_t i = 0; st == ST_OK && i < argc; i++) {
			assert_int_equal(
			    buf_printf(out, "[%.*s]", (int)argv[i].len, (const char *)argv[i].data),
			    ST_OK);
		}
		at += used;
		assert_int_equal(buf_append(out, ";", st == ST_OK), ST_OK);
	}
	if (st == ST_INVALID) {
		assert_int_equal(buf_printf(out, "!%s", r.error), ST_OK);
	} else if (st == ST_NEED_MORE) {
		assert_int_equal(buf_append(out, "?", 1), ST_OK);
	}
	assert_int_equal(buf_append(out, "", 1), ST_OK);
	resp_reader_deinit(&r);
}

struct example {
	const char *text, *want;
};

static void check(const struct example *examples, size_t count, const struct resp_limits *limits)
{
	struct buf out = {0};

	for (size_t i = 0; i < count; i++) {
		read_all(examples[i].text, strlen(examples[i].text), limits, &out);
		assert_string_equal((const char *)out.data, examples[i].want);
	}
	buf_deinit(&out);
}

static void requests_are_read_one_after_the_other(void **state)
{
	static const struct example examples[] = {
	    {"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n", "[GET][k];[PING];"},
	    {"*1\r\n$0\r\n\r\n", "[];"},
	    {"*0\r\n*-1\r\n*1\r\n$1\r\na\r\n", ";;[a];"},
	    {"*1\r\n$3\r\na\rb\r\n", "[a\rb];"},
	    {"PING\r\n", "[PING];"},
	    {"  set  a\tb \nget a\n", "[set][a][b];[get][a];"},
	    {"set \"a b\\x41\\n\" 'c\\'d'\r\n", "[set][a bA\n][c'd];"},
	    {"\r\n\n PING\n", ";;[PING];"},
	    {"*2\r\n$3\r\nGET\r\n", "?"},
	    {"*2\r\n$3\r\nGET\r\n$", "?"},
	    {"*1\r\n$4\r\nPIN", "?"},
	    {"PING", "?"},
	    {"*", "?"},
	};

	(void)state;
	check(examples, sizeof examples / sizeof examples[0], &plain);
}

static void a_broken_request_is_refused_with_redis_words(void **state)
{
	static const struct example examples[] = {
	    {"*x\r\n", "!invalid multibulk length"},
	    {"*2147483648\r\n", "!invalid multibulk length"},
	    {"*99999999999999999999\r\n", "!invalid multibulk length"},
	    {"*123456789012345678901\r\n", "!invalid multibulk length"},
	    {"*01\r\n", "!invalid multibulk length"},
	    {"*\r\n", "!invalid multibulk length"},
	    {"*-\r\n", "!invalid multibulk length"},
	    {"*1\r\n:1\r\n", "!expected '$', got ':'"},
	    {"*1\r\n$-1\r\n", "!invalid bulk length"},
	    {"*1\r\n$536870913\r\n", "!invalid bulk length"},
	    {"*1\r\n$1x\r\n", "!invalid bulk length"},
	    {"*1\r\n$1\r\na\r\n*x\r\n", "[a];!invalid multibulk length"},
	    {"set 'a\r\n", "!unbalanced quotes in request"},
	    {"set \"a\"b\r\n", "!unbalanced quotes in request"},
	};

	(void)state;
	check(examples, sizeof examples / sizeof examples[0], &plain);
}

static void little_is_believed_before_a_login(void **state)
{
	static const struct example examples[] = {
	    {"*10\r\n", "?"},
	    {"*11\r\n", "!unauthenticated multibulk length"},
	    {"*1\r\n$16384\r\n", "?"},
	    {"*1\r\n$16385\r\n", "!unauthenticated bulk length"},
	};

	(void)state;
	check(examples, sizeof examples / sizeof examples[0], &before_auth);
}

static void a_line_without_end_is_refused_once_it_is_too_long(void **state)
{
	static const struct resp_limits narrow = {RESP_ARGS_MAX, 100, 0, 16};
	static const struct example examples[] = {
	    {"0123456789abcdef", "?"},
	    {"0123456789abcdef\n", "[0123456789abcdef];"},
	    {"0123456789abcdefg", "!too big inline request"},
	    {"*000000000000000000", "!too big mbulk count string"},
	    {"*1\r\n$000000000000000000", "!too big bulk count string"},
	};

	(void)state;
	check(examples, sizeof examples / sizeof examples[0], &narrow);
}

static void a_nul_byte_ends_an_inline_request(void **state)
{
	struct buf out = {0};

	(void)state;
	read_all("get a\0b c\r\nPING\r\n", 17, &plain, &out);
	assert_string_equal((const char *)out.data, "[get][a];[PING];");
	buf_deinit(&out);
}

static void the_reader_says_how_much_a_large_argument_needs(void **state)
{
	static const char head[] = "*2\r\n$3\r\nSET\r\n$1000\r\nabc";
	struct resp_reader r;
	const struct slice *argv;
	size_t argc, used;

	(void)state;
	resp_reader_init(&r);
	assert_int_equal(resp_reader_want(&r), 0);
	assert_int_equal(resp_reader_next(&r, slice_str(head), &plain, &argv, &argc, &used),
			 ST_NEED_MORE);
	assert_int_equal(resp_reader_want(&r), sizeof head - 1 - 3 + 1000 + 2);
	resp_reader_deinit(&r);
}

/* A request of many one-byte arguments. */
static void many_arguments(struct buf *b, int count)
{
	b->len = 0;
	assert_int_equal(buf_printf(b, "*%d\r\n", count), ST_OK);
	for (int i = 0; i < count; i++) {
		assert_int_equal(buf_append(b, "$1\r\nx\r\n", 7), ST_OK);
	}
}

static void room_for_many_arguments_is_given_back(void **state)
{
	struct resp_reader r;
	struct buf b = {0};
	const struct slice *argv;
	size_t argc, used;

	(void)state;
	resp_reader_init(&r);
	many_arguments(&b, 5000);
	assert_int_equal(resp_reader_next(&r, buf_slice(&b), &plain, &argv, &argc, &used), ST_OK);
	assert_int_equal(argc, 5000);
	assert_int_equal(used, b.len);
	assert_int_equal(resp_reader_next(&r, slice_str("PING\r\n"), &plain, &argv, &argc, &used),
			 ST_OK);
	assert_true(r.spans_cap < 100 && r.argv_cap < 100);
	resp_reader_deinit(&r);
	buf_deinit(&b);
}

static void out_of_memory_loses_no_request(void **state)
{
	static const char *const requests[] = {"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "get 'k'\r\n"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		enum status st = ST_NO_MEMORY;

		for (int n = 0; st != ST_OK; n++) {
			struct resp_reader r;
			const struct slice *argv;
			size_t argc, used = 1;
			struct slice in = slice_str(requests[i]);

			resp_reader_init(&r);
			mem_fail_nth(n);
			st = resp_reader_next(&r, in, &plain, &argv, &argc, &used);
			mem_fail_nth(-1);
			if (st != ST_OK) {
				assert_int_equal(st, ST_NO_MEMORY);
				assert_int_equal(used, 0);
				/* The same bytes again, now with memory. */
				assert_int_equal(
				    resp_reader_next(&r, in, &plain, &argv, &argc, &used), ST_OK);
			}
			assert_int_equal(argc, 2);
			assert_true(slice_eq(argv[1], slice_str("k")));
			resp_reader_deinit(&r);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(requests_are_read_one_after_the_other),
	    cmocka_unit_test(a_broken_request_is_refused_with_redis_words),
	    cmocka_unit_test(little_is_believed_before_a_login),
	    cmocka_unit_test(a_line_without_end_is_refused_once_it_is_too_long),
	    cmocka_unit_test(a_nul_byte_ends_an_inline_request),
	    cmocka_unit_test(the_reader_says_how_much_a_large_argument_needs),
	    cmocka_unit_test(room_for_many_arguments_is_given_back),
	    cmocka_unit_test(out_of_memory_loses_no_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
