/* DUMP and RESTORE through dispatch. */
#include "net/proto/crc64.h"
#include "tests/support/command_box.h"
#include "tests/support/rdb_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Runs RESTORE key ttl payload, and up to two options. */
static struct slice restore(struct command_box *b, const char *key, const char *ttl,
			    struct slice payload, const char *option, const char *value)
{
	struct slice argv[6] = {slice_str("RESTORE"), slice_str(key), slice_str(ttl), payload};
	size_t argc = 4;

	if (option != NULL) {
		argv[argc++] = slice_str(option);
	}
	if (value != NULL) {
		argv[argc++] = slice_str(value);
	}
	return command_box_run(b, argv, argc);
}

static void expect(struct slice reply, const char *want)
{
	if (!slice_eq(reply, slice_str(want))) {
		fail_msg("wanted %s got %.*s", want, (int)reply.len, (const char *)reply.data);
	}
}

/* What DUMP answers, to be freed. */
static struct buf dump(struct command_box *b, const char *key)
{
	struct slice argv[2] = {slice_str("DUMP"), slice_str(key)};
	struct slice reply = command_box_run(b, argv, 2);
	const uint8_t *text = memchr(reply.data, '\n', reply.len);
	struct buf out = {0};
	size_t len = strtoul((const char *)reply.data + 1, NULL, 10);

	assert_true(reply.data[0] == '$' && text != NULL);
	assert_int_equal(reply.len, (size_t)(text + 1 - reply.data) + len + 2);
	assert_int_equal(buf_append(&out, text + 1, len), ST_OK);
	return out;
}

static const char payload_v1[] = "\x00\x02v1\x0a\x00\x5f\xe5\xb0\x5e\xcb\x50\x79\x5b";
#define V1 slice_of(payload_v1, sizeof payload_v1 - 1)

static void options_and_errors_are_those_of_redis(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "DUMP nokey", "$-1\r\n");
	expect(restore(b, "k", "0", V1, NULL, NULL), "+OK\r\n");
	command_box_expect(b, "GET k", "$2\r\nv1\r\n");
	command_box_expect(b, "TTL k", ":-1\r\n");
	expect(restore(b, "k", "0", V1, NULL, NULL),
	       "-BUSYKEY Target key name already exists.\r\n");
	expect(restore(b, "k", "x", V1, NULL, NULL),
	       "-BUSYKEY Target key name already exists.\r\n");
	expect(restore(b, "k", "5000", V1, "replace", NULL), "+OK\r\n");
	command_box_expect(b, "PTTL k", ":5000\r\n");
	expect(restore(b, "k", "1700000009000", V1, "REPLACE", "ABSTTL"), "+OK\r\n");
	command_box_expect(b, "PTTL k", ":9000\r\n");
	expect(restore(b, "k", "x", V1, "REPLACE", NULL),
	       "-ERR value is not an integer or out of range\r\n");
	expect(restore(b, "k", "-1", V1, "REPLACE", NULL),
	       "-ERR Invalid TTL value, must be >= 0\r\n");
	expect(restore(b, "k", "9223372036854775807", V1, "REPLACE", NULL),
	       "-ERR Invalid TTL value, must be >= 0\r\n");
	expect(restore(b, "n", "0", V1, "IDLETIME", "7"), "+OK\r\n");
	expect(restore(b, "m", "0", V1, "FREQ", "255"), "+OK\r\n");
	expect(restore(b, "o", "0", V1, "IDLETIME", "-1"),
	       "-ERR Invalid IDLETIME value, must be >= 0\r\n");
	expect(restore(b, "o", "0", V1, "FREQ", "256"),
	       "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n");
	expect(restore(b, "o", "0", V1, "FREQ", NULL), "-ERR syntax error\r\n");
	expect(restore(b, "o", "0", V1, "OFTEN", NULL), "-ERR syntax error\r\n");
	expect(restore(b, "o", "0", slice_str("no payload at all"), NULL, NULL),
	       "-ERR DUMP payload version or checksum are wrong\r\n");
	command_box_expect(b, "EXISTS o", ":0\r\n");
}

static void what_has_expired_is_not_restored_but_replaces(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "SET k old", "+OK\r\n");
	expect(restore(b, "k", "1699999999999", V1, "REPLACE", "ABSTTL"), "+OK\r\n");
	command_box_expect(b, "EXISTS k", ":0\r\n");
	expect(restore(b, "k", "1700000000000", V1, "ABSTTL", NULL), "+OK\r\n");
	command_box_expect(b, "EXISTS k", ":0\r\n");
}

/* The same elements, '|' between them, in whatever order. */
static bool same_elements(struct slice a, struct slice b)
{
	size_t start = 0;

	for (size_t i = 0; i <= a.len; i++) {
		struct slice word = slice_of(a.data + start, i - start);

		if (i < a.len && a.data[i] != '|') {
			continue;
		}
		if (memmem(b.data, b.len, word.data, word.len) == NULL) {
			return false;
		}
		start = i + 1;
	}
	return a.len == b.len;
}

static void every_sample_is_restored_or_refused_by_name(void **state)
{
	struct command_box *b = *state;

	for (size_t i = 0; i < rdb_samples_count; i++) {
		const struct rdb_sample *s = &rdb_samples[i];
		struct buf value = rdb_sample_bytes(s), sealed = rdb_sealed(buf_slice(&value)),
			   text = {0};
		struct slice reply = restore(b, "k", "0", buf_slice(&sealed), "REPLACE", NULL), in;
		char refused[128];

		if (s->kind != RDB_KIND_MODULE) {
			struct buf again;

			expect(reply, "+OK\r\n");
			again = dump(b, "k");
			assert_int_equal(rdb_payload_open(buf_slice(&again), &in), ST_OK);
			assert_int_equal(rdb_value_decode(in, 1 << 20, rdb_take_text, &text),
					 ST_OK);
			if (s->kind == RDB_KIND_ZSET
				? !same_elements(slice_str(s->elements), buf_slice(&text))
				: !slice_eq(buf_slice(&text), slice_str(s->elements))) {
				fail_msg("%s: %.*s", s->what, (int)text.len,
					 (const char *)text.data);
			}
			buf_deinit(&again);
		} else {
			(void)snprintf(refused, sizeof refused,
				       "-ERR the payload holds a %s, a type that this node does "
				       "not have\r\n",
				       rdb_kind_text(s->kind));
			expect(reply, refused);
		}
		buf_deinit(&value);
		buf_deinit(&sealed);
		buf_deinit(&text);
	}
}

static void bad_values_leave_what_was_there(void **state)
{
	static const struct {
		const char *what, *value;
		size_t len;
	} cases[] = {
	    {"a field twice",
	     "\x04\x02\x01"
	     "a\x01"
	     "b\x01"
	     "a\x01"
	     "c",
	     10},
	    {"a list cut short",
	     "\x01\x02\x01"
	     "a",
	     4},
	    {"a set cut short",
	     "\x02\x02\x01"
	     "a",
	     4},
	    {"an unknown type", "\x63\x01", 2},
	    {"bytes behind it",
	     "\x00\x01"
	     "ab",
	     4},
	    {"an empty hash", "\x04\x00", 2},
	};
	struct command_box *b = *state;

	command_box_expect(b, "SET k old", "+OK\r\n");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf sealed = rdb_sealed(slice_of(cases[i].value, cases[i].len));

		expect(restore(b, "k", "0", buf_slice(&sealed), "REPLACE", NULL),
		       "-ERR Bad data format\r\n");
		command_box_expect(b, "GET k", "$3\r\nold\r\n");
		buf_deinit(&sealed);
	}
	b->bulk_len_max = "10";
	{
		struct buf sealed = rdb_sealed(slice_of("\x00\x0b"
							"aaaaaaaaaaa",
							13));

		expect(restore(b, "k", "0", buf_slice(&sealed), "REPLACE", NULL),
		       "-ERR the payload holds a string longer than proto-max-bulk-len\r\n");
		buf_deinit(&sealed);
	}
	command_box_expect(b, "GET k", "$3\r\nold\r\n");
}

static void in_a_transaction_only_the_bad_one_fails(void **state)
{
	struct command_box *b = *state;
	struct buf bad = rdb_sealed(slice_of("\x01\x02\x01"
					     "a",
					     4));

	command_box_expect(b, "MULTI", "+OK\r\n");
	command_box_expect(b, "SET a 1", "+QUEUED\r\n");
	expect(restore(b, "k", "0", buf_slice(&bad), NULL, NULL), "+QUEUED\r\n");
	expect(restore(b, "k", "0", V1, NULL, NULL), "+QUEUED\r\n");
	command_box_expect(b, "EXEC", "*3\r\n+OK\r\n-ERR Bad data format\r\n+OK\r\n");
	command_box_expect(b, "MGET a k", "*2\r\n$1\r\n1\r\n$2\r\nv1\r\n");
	buf_deinit(&bad);
}

static void large_values_go_there_and_back(void **state)
{
	struct command_box *b = *state;
	char line[64];
	struct buf first, second;
	static const char *const keys[] = {"h", "l", "s"};

	for (int i = 0; i < 3000; i++) {
		(void)snprintf(line, sizeof line, "HSET h field%d value%d", i, i);
		command_box_expect(b, line, ":1\r\n");
		(void)snprintf(line, sizeof line, "RPUSH l element%d", i);
		(void)command_box_line(b, line);
	}
	command_box_expect(b, "SETRANGE s 100000 end", ":100003\r\n");
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		first = dump(b, keys[i]);
		expect(restore(b, "copy", "0", buf_slice(&first), "REPLACE", NULL), "+OK\r\n");
		command_box_restart(b);
		second = dump(b, "copy");
		assert_true(slice_eq(buf_slice(&first), buf_slice(&second)));
		buf_deinit(&first);
		buf_deinit(&second);
	}
	command_box_expect(b, "STRLEN copy", ":100003\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(options_and_errors_are_those_of_redis),
	    COMMAND_BOX_TEST(what_has_expired_is_not_restored_but_replaces),
	    COMMAND_BOX_TEST(every_sample_is_restored_or_refused_by_name),
	    COMMAND_BOX_TEST(bad_values_leave_what_was_there),
	    COMMAND_BOX_TEST(in_a_transaction_only_the_bad_one_fails),
	    COMMAND_BOX_TEST(large_values_go_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
