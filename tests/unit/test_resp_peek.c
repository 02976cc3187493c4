/* The look at a request to come agrees with the reader. */
#include "net/proto/resp_peek.h"

#include "engine/base/rng.h"
#include "net/proto/resp_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void a_whole_request_shows_its_name_its_key_and_its_length(void **state)
{
	const char *text = "*3\r\n$3\r\nSET\r\n$5\r\nk\r\n12\r\n$0\r\n\r\nrest";
	struct resp_peek p;

	(void)state;
	assert_true(resp_peek(slice_str(text), &p));
	assert_true(slice_eq(p.name, slice_str("SET")));
	assert_true(slice_eq(p.key, slice_str("k\r\n12")));
	assert_int_equal(p.used, strlen(text) - strlen("rest"));
	assert_true(p.rest[0].data != NULL && p.rest[0].len == 0);
	assert_null(p.rest[1].data);
}

static void every_cut_of_it_shows_nothing(void **state)
{
	const char *text = "*3\r\n$3\r\nSET\r\n$2\r\nab\r\n$1\r\n1\r\n";
	struct resp_peek p;

	(void)state;
	for (size_t len = 0; len < strlen(text); len++) {
		assert_false(resp_peek(slice_of(text, len), &p));
	}
	assert_true(resp_peek(slice_str(text), &p));
}

static void anything_unusual_shows_nothing(void **state)
{
	static const char *const texts[] = {
	    "PING\r\n",
	    "*1\r\n$4\r\nPING\r\n",
	    "*0\r\n",
	    "*-1\r\n",
	    "*2\r\n$-1\r\n$1\r\na\r\n",
	    "*2\r\n+GET\r\n$1\r\na\r\n",
	    "*x\r\n$3\r\nGET\r\n$1\r\na\r\n",
	    "*2\n$3\nGET\n$1\na\n",
	    "*9999999999999\r\n$3\r\nGET\r\n$1\r\na\r\n",
	    "*2\r\n$3\r\nGET\r\n$18446744073709551615\r\na\r\n",
	    "*2\r\n$3\r\nGET\r\n$999999999\r\na\r\n",
	    "*33\r\n$3\r\nDEL\r\n$1\r\na\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct resp_peek p;

		assert_false(resp_peek(slice_str(texts[i]), &p));
	}
}

/* Bytes that are nearly a request: each is right most of the time. */
static size_t make_bytes(struct rng *rng, char *dst, size_t size)
{
	size_t args = 1 + rng_below(rng, 4), len;

	len = (size_t)snprintf(dst, size, "*%zu\r\n", args + (rng_below(rng, 20) == 0));
	for (size_t i = 0; i < args; i++) {
		size_t n = rng_below(rng, 12);

		len += (size_t)snprintf(dst + len, size - len, "$%zu\r\n%.*s\r\n", n,
					(int)(n + (rng_below(rng, 20) == 0)), "abcdefghijklmn");
	}
	if (rng_below(rng, 10) == 0) {
		dst[rng_below(rng, len)] = (char)rng_below(rng, 256);
	}
	return len - (rng_below(rng, 10) == 0 ? rng_below(rng, len) : 0);
}

static void what_it_shows_is_what_the_reader_reads(void **state)
{
	const struct resp_limits limits = {RESP_ARGS_MAX, 1 << 29, 0, 65536};
	struct rng rng;
	unsigned shown = 0;

	(void)state;
	rng_seed(&rng, 11);
	for (int round = 0; round < 20000; round++) {
		char bytes[256];
		struct slice in = slice_of(bytes, make_bytes(&rng, bytes, sizeof bytes));
		struct resp_reader reader;
		struct resp_peek p;
		const struct slice *argv;
		size_t argc, used;

		if (!resp_peek(in, &p)) {
			continue;
		}
		shown++;
		resp_reader_init(&reader);
		assert_int_equal(resp_reader_next(&reader, in, &limits, &argv, &argc, &used),
				 ST_OK);
		assert_int_equal(used, p.used);
		assert_true(argc >= 2 && slice_eq(argv[0], p.name) && slice_eq(argv[1], p.key));
		resp_reader_deinit(&reader);
	}
	assert_in_range(shown, 5000, 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_whole_request_shows_its_name_its_key_and_its_length),
	    cmocka_unit_test(every_cut_of_it_shows_nothing),
	    cmocka_unit_test(anything_unusual_shows_nothing),
	    cmocka_unit_test(what_it_shows_is_what_the_reader_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
