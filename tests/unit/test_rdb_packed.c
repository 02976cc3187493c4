/* Packed collections that are almost right: each has one thing wrong with it. */
#include "net/proto/rdb_packed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct wrong {
	const char *what;
	enum packed_form form;
	const char *bytes;
	size_t len;
};

#define BLOB(text) text, sizeof(text) - 1

static enum status walk(const struct wrong *w)
{
	struct packed_cursor c;
	uint8_t digits[PACKED_DIGITS];
	struct slice entry;
	enum status st = packed_open(&c, w->form, slice_of(w->bytes, w->len));

	while (st == ST_OK) {
		st = packed_next(&c, digits, &entry);
	}
	return st;
}

static void sound_blobs_end_well(void **state)
{
	static const struct wrong cases[] = {
	    {"a listpack", PACKED_LISTPACK,
	     BLOB("\x0c\0\0\0\2\0\x81"
		  "a\x02\x05\x01\xff")},
	    {"a listpack that does not count", PACKED_LISTPACK,
	     BLOB("\x09\0\0\0\xff\xff\x05\x01\xff")},
	    {"a ziplist", PACKED_ZIPLIST,
	     BLOB("\x10\0\0\0\x0d\0\0\0\2\0\0\1"
		  "a\3\xf2\xff")},
	    {"an intset", PACKED_INTSET, BLOB("\2\0\0\0\2\0\0\0\xff\xff\1\0")},
	    {"a zipmap", PACKED_ZIPMAP,
	     BLOB("\1\1"
		  "f\1\2"
		  "v..\xff")},
	    {"a zipmap that does not count", PACKED_ZIPMAP,
	     BLOB("\xfe\1"
		  "f\1\0"
		  "v\xff")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (walk(&cases[i]) != ST_END) {
			fail_msg("%s: %s", cases[i].what, status_text(walk(&cases[i])));
		}
	}
}

static void what_is_wrong_is_found(void **state)
{
	static const struct wrong cases[] = {
	    {"listpack: another length", PACKED_LISTPACK, BLOB("\x0a\0\0\0\1\0\x05\x01\xff")},
	    {"listpack: another count", PACKED_LISTPACK, BLOB("\x09\0\0\0\2\0\x05\x01\xff")},
	    {"listpack: no end", PACKED_LISTPACK, BLOB("\x09\0\0\0\1\0\x05\x01\xfe")},
	    {"listpack: a wrong length behind", PACKED_LISTPACK,
	     BLOB("\x09\0\0\0\1\0\x05\x02\xff")},
	    {"listpack: a string too long", PACKED_LISTPACK, BLOB("\x09\0\0\0\1\0\x85\x02\xff")},
	    {"listpack: an encoding that there is not", PACKED_LISTPACK,
	     BLOB("\x09\0\0\0\1\0\xf7\x01\xff")},
	    {"listpack: a number cut short", PACKED_LISTPACK, BLOB("\x09\0\0\0\1\0\xf4\x01\xff")},
	    {"listpack: a long string's length cut short", PACKED_LISTPACK,
	     BLOB("\x09\0\0\0\1\0\xf0\x01\xff")},
	    {"listpack: a string of 2^32 bytes", PACKED_LISTPACK,
	     BLOB("\x0d\0\0\0\1\0\xf0\xff\xff\xff\xff\x05\xff")},
	    {"listpack: too short", PACKED_LISTPACK, BLOB("\x06\0\0\0\0\0")},
	    {"ziplist: another length", PACKED_ZIPLIST,
	     BLOB("\x0f\0\0\0\x0d\0\0\0\2\0\0\1"
		  "a\3\xf2\xff")},
	    {"ziplist: another last entry", PACKED_ZIPLIST,
	     BLOB("\x10\0\0\0\x0a\0\0\0\2\0\0\1"
		  "a\3\xf2\xff")},
	    {"ziplist: another count", PACKED_ZIPLIST,
	     BLOB("\x10\0\0\0\x0d\0\0\0\3\0\0\1"
		  "a\3\xf2\xff")},
	    {"ziplist: a wrong length before", PACKED_ZIPLIST,
	     BLOB("\x10\0\0\0\x0d\0\0\0\2\0\0\1"
		  "a\2\xf2\xff")},
	    {"ziplist: no end", PACKED_ZIPLIST,
	     BLOB("\x10\0\0\0\x0d\0\0\0\2\0\0\1"
		  "a\3\xf2\xfe")},
	    {"ziplist: a string too long", PACKED_ZIPLIST,
	     BLOB("\x10\0\0\0\x0d\0\0\0\2\0\0\x0f"
		  "a\3\xf2\xff")},
	    {"ziplist: nothing behind a length", PACKED_ZIPLIST,
	     BLOB("\x0c\0\0\0\x0a\0\0\0\1\0\0\xff")},
	    {"ziplist: an encoding that there is not", PACKED_ZIPLIST,
	     BLOB("\x10\0\0\0\x0d\0\0\0\2\0\0\1"
		  "a\3\xc1\xff")},
	    {"intset: numbers of three bytes", PACKED_INTSET, BLOB("\3\0\0\0\1\0\0\0\1\0\0")},
	    {"intset: another count", PACKED_INTSET, BLOB("\2\0\0\0\3\0\0\0\xff\xff\1\0")},
	    {"intset: a count that overflows", PACKED_INTSET, BLOB("\4\0\0\0\0\0\0\x40")},
	    {"intset: not in order", PACKED_INTSET, BLOB("\2\0\0\0\2\0\0\0\1\0\xff\xff")},
	    {"intset: twice the same", PACKED_INTSET, BLOB("\2\0\0\0\2\0\0\0\1\0\1\0")},
	    {"intset: too short", PACKED_INTSET, BLOB("\2\0\0\0\0\0\0")},
	    {"zipmap: a field without a value", PACKED_ZIPMAP,
	     BLOB("\xfe\1"
		  "f\xff")},
	    {"zipmap: another count", PACKED_ZIPMAP,
	     BLOB("\2\1"
		  "f\1\0"
		  "v\xff")},
	    {"zipmap: more unused bytes than there are", PACKED_ZIPMAP,
	     BLOB("\1\1"
		  "f\1\1"
		  "v\xff")},
	    {"zipmap: a long length cut short", PACKED_ZIPMAP, BLOB("\1\xfe\1\0\0\xff")},
	    {"zipmap: no end", PACKED_ZIPMAP,
	     BLOB("\1\1"
		  "f\1\0"
		  "v")},
	    {"nothing at all", PACKED_ZIPMAP, BLOB("")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (walk(&cases[i]) != ST_CORRUPT) {
			fail_msg("%s: %s", cases[i].what, status_text(walk(&cases[i])));
		}
	}
}

static void numbers_are_told_from_strings(void **state)
{
	struct packed_cursor c;
	bool is_int;
	int64_t v;

	(void)state;
	assert_int_equal(packed_open(&c, PACKED_LISTPACK,
				     slice_of("\x0f\0\0\0\3\0\x05\x01\x81"
					      "5\x02\xdf\xff\x02\xff",
					      15)),
			 ST_OK);
	assert_int_equal(packed_next_int(&c, &is_int, &v), ST_OK);
	assert_true(is_int && v == 5);
	assert_int_equal(packed_next_int(&c, &is_int, &v), ST_OK);
	assert_false(is_int);
	assert_int_equal(packed_next_int(&c, &is_int, &v), ST_OK);
	assert_true(is_int && v == -1);
	assert_int_equal(packed_next_int(&c, &is_int, &v), ST_END);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sound_blobs_end_well),
	    cmocka_unit_test(what_is_wrong_is_found),
	    cmocka_unit_test(numbers_are_told_from_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
