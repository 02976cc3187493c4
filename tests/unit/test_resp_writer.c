/* Replies as bytes, in both protocols; and what is left when memory runs out. */
#include "engine/base/alloc.h"
#include "net/proto/resp_writer.h"
#include "tests/support/reply.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void write_ok(struct resp_writer *w)
{
	resp_ok(w);
}

static void write_simple(struct resp_writer *w)
{
	resp_simple(w, "QUEUED");
}

static void write_error(struct resp_writer *w)
{
	resp_error(w, "ERR bad '%s'", "a\r\nb");
}

static void write_ints(struct resp_writer *w)
{
	resp_array(w, 5);
	resp_int(w, 0);
	resp_int(w, -7);
	resp_int(w, INT64_MAX);
	resp_int(w, INT64_MIN);
	resp_bulk_int(w, INT64_MIN);
}

static void write_bulks(struct resp_writer *w)
{
	resp_array(w, 3);
	resp_bulk(w, slice_of("a\0b", 3));
	resp_bulk_str(w, "");
	resp_bulk_begin(w, 6);
	resp_bulk_part(w, slice_str("abc"));
	resp_bulk_part(w, slice_str("def"));
	resp_bulk_end(w);
}

static void write_nulls(struct resp_writer *w)
{
	resp_array(w, 2);
	resp_null(w);
	resp_null_array(w);
}

static void write_collections(struct resp_writer *w)
{
	resp_map(w, 1);
	resp_set(w, 1);
	resp_int(w, 1);
	resp_push(w, 1);
	resp_bool(w, true);
}

static void write_false(struct resp_writer *w)
{
	resp_bool(w, false);
}

static void write_doubles(struct resp_writer *w)
{
	resp_array(w, 5);
	resp_double(w, 0.1);
	resp_double(w, 3);
	resp_double(w, -INFINITY);
	resp_double(w, INFINITY);
	resp_double(w, NAN);
}

static void write_long_double(struct resp_writer *w)
{
	resp_long_double(w, 10.5L);
}

static void write_verbatim(struct resp_writer *w)
{
	resp_verbatim(w, "txt", slice_str("some text"));
}

static void write_big_number(struct resp_writer *w)
{
	resp_big_number(w, slice_str("123456789012345678901234567890"));
}

static void write_deferred(struct resp_writer *w)
{
	size_t outer = resp_deferred_begin(w), inner;

	resp_int(w, 1);
	inner = resp_deferred_begin(w);
	resp_bulk_str(w, "k");
	resp_bulk_str(w, "v");
	resp_deferred_end(w, inner, '%', 1);
	resp_deferred_end(w, outer, '~', 2);
}

static const struct example {
	void (*write)(struct resp_writer *w);
	const char *resp2, *resp3;
	size_t len; /* 0: that of the text */
} examples[] = {
    {write_ok, "+OK\r\n", "+OK\r\n", 0},
    {write_simple, "+QUEUED\r\n", "+QUEUED\r\n", 0},
    {write_error, "-ERR bad 'a  b'\r\n", "-ERR bad 'a  b'\r\n", 0},
    {write_ints,
     "*5\r\n:0\r\n:-7\r\n:9223372036854775807\r\n:-9223372036854775808\r\n"
     "$20\r\n-9223372036854775808\r\n",
     "*5\r\n:0\r\n:-7\r\n:9223372036854775807\r\n:-9223372036854775808\r\n"
     "$20\r\n-9223372036854775808\r\n",
     0},
    {write_bulks, "*3\r\n$3\r\na\0b\r\n$0\r\n\r\n$6\r\nabcdef\r\n",
     "*3\r\n$3\r\na\0b\r\n$0\r\n\r\n$6\r\nabcdef\r\n", 31},
    {write_nulls, "*2\r\n$-1\r\n*-1\r\n", "*2\r\n_\r\n_\r\n", 0},
    {write_collections, "*2\r\n*1\r\n:1\r\n*1\r\n:1\r\n", "%1\r\n~1\r\n:1\r\n>1\r\n#t\r\n", 0},
    {write_false, ":0\r\n", "#f\r\n", 0},
    {write_doubles,
     "*5\r\n$19\r\n0.10000000000000001\r\n$1\r\n3\r\n$4\r\n-inf\r\n$3\r\ninf\r\n$3\r\nnan\r\n",
     "*5\r\n,0.10000000000000001\r\n,3\r\n,-inf\r\n,inf\r\n,nan\r\n", 0},
    {write_long_double, "$4\r\n10.5\r\n", "$4\r\n10.5\r\n", 0},
    {write_verbatim, "$9\r\nsome text\r\n", "=13\r\ntxt:some text\r\n", 0},
    {write_big_number, "$30\r\n123456789012345678901234567890\r\n",
     "(123456789012345678901234567890\r\n", 0},
    {write_deferred, "*2\r\n:1\r\n*2\r\n$1\r\nk\r\n$1\r\nv\r\n",
     "~2\r\n:1\r\n%1\r\n$1\r\nk\r\n$1\r\nv\r\n", 0},
};
enum { EXAMPLES = sizeof examples / sizeof examples[0] };

static void every_kind_of_reply_has_its_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < EXAMPLES; i++) {
		const struct example *x = &examples[i];

		for (int proto = 2; proto <= 3; proto++) {
			struct buf out = {0};
			struct resp_writer w = {.out = &out, .proto = proto};
			const char *want = proto == 2 ? x->resp2 : x->resp3;

			x->write(&w);
			assert_int_equal(out.len, x->len > 0 ? x->len : strlen(want));
			assert_memory_equal(out.data, want, out.len);
			assert_true(reply_whole(buf_slice(&out)));
			assert_false(w.failed);
			buf_deinit(&out);
		}
	}
}

/* It is no reply, but stands before one. */
static void an_attribute_is_a_map_of_its_own(void **state)
{
	static const char want[] = "|1\r\n:1\r\n_\r\n:2\r\n";
	struct buf out = {0};
	struct resp_writer w = {.out = &out, .proto = 3};

	(void)state;
	resp_attribute(&w, 1);
	resp_int(&w, 1);
	resp_null(&w);
	resp_int(&w, 2);
	assert_int_equal(out.len, sizeof want - 1);
	assert_memory_equal(out.data, want, out.len);
	buf_deinit(&out);
}

static void an_error_that_is_too_long_is_cut_not_broken(void **state)
{
	static char text[20000];
	struct buf out = {0};
	struct resp_writer w = {.out = &out, .proto = 2};

	(void)state;
	memset(text, 'x', sizeof text - 1);
	resp_error(&w, "ERR %s", text);
	assert_true(out.len > 100 && out.len < sizeof text);
	assert_true(reply_whole(buf_slice(&out)));
	buf_deinit(&out);
}

static void memory_that_runs_out_is_remembered(void **state)
{
	(void)state;
	for (size_t i = 0; i < EXAMPLES; i++) {
		for (int n = 0;; n++) {
			struct buf out = {0};
			struct resp_writer w = {.out = &out, .proto = 3};
			size_t len;

			mem_fail_nth(n);
			examples[i].write(&w);
			mem_fail_nth(-1);
			if (!w.failed) {
				buf_deinit(&out);
				break;
			}
			/* Nothing more is written behind the gap. */
			len = out.len;
			resp_ok(&w);
			assert_int_equal(out.len, len);
			buf_deinit(&out);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_kind_of_reply_has_its_bytes),
	    cmocka_unit_test(an_attribute_is_a_map_of_its_own),
	    cmocka_unit_test(an_error_that_is_too_long_is_cut_not_broken),
	    cmocka_unit_test(memory_that_runs_out_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
