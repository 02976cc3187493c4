/* Commands on keys of any type, through dispatch: expiry, renaming and copying in every form of
 * storage, scans. */
#include "engine/base/keyslot.h"
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BIG = 3000, SCAN_KEYS = 2000 };

static void deleting_and_asking_answer_as_redis(void **state)
{
	static const struct box_case cases[] = {
	    {"SET a 1", "+OK\r\n"},
	    {"RPUSH l x", ":1\r\n"},
	    {"HSET h f v", ":1\r\n"},
	    {"EXISTS a a l nokey", ":3\r\n"},
	    {"TOUCH a nokey", ":1\r\n"},
	    {"TYPE a", "+string\r\n"},
	    {"TYPE l", "+list\r\n"},
	    {"TYPE h", "+hash\r\n"},
	    {"TYPE nokey", "+none\r\n"},
	    {"DBSIZE", ":3\r\n"},
	    {"DEL a a nokey", ":1\r\n"},
	    {"UNLINK l h", ":2\r\n"},
	    {"DBSIZE", ":0\r\n"},
	    {"RANDOMKEY", "$-1\r\n"},
	    {"SET only 1", "+OK\r\n"},
	    {"RANDOMKEY", "$4\r\nonly\r\n"},
	    {"OBJECT ENCODING only", "$3\r\nint\r\n"},
	    {"OBJECT REFCOUNT only", ":2147483647\r\n"},
	    {"OBJECT ENCODING nokey", "$-1\r\n"},
	    {"OBJECT FREQ nokey", "$-1\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void expiry_follows_its_options(void **state)
{
	struct command_box *b = *state;
	static const struct box_case cases[] = {
	    {"SET k v", "+OK\r\n"},
	    {"TTL k", ":-1\r\n"},
	    {"TTL nokey", ":-2\r\n"},
	    {"EXPIRE nokey 1", ":0\r\n"},
	    {"EXPIRE k 100 XX", ":0\r\n"},
	    {"EXPIRE k 100 GT", ":0\r\n"},
	    {"EXPIRE k 100 NX", ":1\r\n"},
	    {"EXPIRE k 200 NX", ":0\r\n"},
	    {"EXPIRE k 50 GT", ":0\r\n"},
	    {"EXPIRE k 200 GT", ":1\r\n"},
	    {"EXPIRE k 300 LT", ":0\r\n"},
	    {"EXPIRE k 100 LT", ":1\r\n"},
	    {"TTL k", ":100\r\n"},
	    {"PTTL k", ":100000\r\n"},
	    {"EXPIRETIME k", ":1700000100\r\n"},
	    {"PEXPIRETIME k", ":1700000100000\r\n"},
	    {"PEXPIREAT k 1700000001500", ":1\r\n"},
	    {"TTL k", ":2\r\n"},
	    {"PTTL k", ":1500\r\n"},
	    {"PERSIST k", ":1\r\n"},
	    {"PERSIST k", ":0\r\n"},
	    {"PEXPIRE k 50", ":1\r\n"},
	    {"EXPIRE k 1 NX XX",
	     "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"},
	    {"EXPIRE k 1 GT LT", "-ERR GT and LT options at the same time are not compatible\r\n"},
	    {"EXPIRE k 1 FOO", "-ERR Unsupported option FOO\r\n"},
	    {"EXPIRE k x", "-ERR value is not an integer or out of range\r\n"},
	    {"EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"},
	    {"PEXPIRE k 9223372036854775807", "-ERR invalid expire time in 'pexpire' command\r\n"},
	    {"GET k", "$1\r\nv\r\n"},
	};
	static const struct box_case later[] = {
	    {"GET k", "$-1\r\n"},   {"TTL k", ":-2\r\n"},	{"EXISTS k", ":0\r\n"},
	    {"SET k v", "+OK\r\n"}, {"EXPIRE k -1", ":1\r\n"},	{"EXISTS k", ":0\r\n"},
	    {"SET k v", "+OK\r\n"}, {"EXPIREAT k 1", ":1\r\n"}, {"EXISTS k", ":0\r\n"},
	    {"DBSIZE", ":0\r\n"},
	};

	COMMAND_BOX_CHECK(b, cases);
	b->engine.now_ms += 50;
	COMMAND_BOX_CHECK(b, later);
}

/* Fills key with a value of BIG elements or so. */
static void make_large(struct command_box *b, const char *type, const char *key)
{
	char line[128];

	for (int i = 0; i < BIG; i++) {
		if (strcmp(type, "hash") == 0) {
			(void)snprintf(line, sizeof line, "HSET %s field%d value%d", key, i, i);
		} else if (strcmp(type, "list") == 0) {
			(void)snprintf(line, sizeof line, "RPUSH %s element%d", key, i);
		} else {
			(void)snprintf(line, sizeof line, "SETRANGE %s %d chunk%d", key, i * 100,
				       i);
		}
		assert_int_equal(command_box_line(b, line).data[0], ':');
	}
}

/* The reply that shows a whole value, kept. */
static struct buf look(struct command_box *b, const char *type, const char *key)
{
	char line[128];
	struct buf copy = {0};
	struct slice reply;

	(void)snprintf(line, sizeof line,
		       strcmp(type, "hash") == 0   ? "HGETALL %s"
		       : strcmp(type, "list") == 0 ? "LRANGE %s 0 -1"
						   : "GET %s",
		       key);
	reply = command_box_line(b, line);
	assert_int_equal(buf_append(&copy, reply.data, reply.len), ST_OK);
	return copy;
}

static void large_values_move_and_copy_whole(void **state)
{
	static const char *const types[] = {"hash", "list", "string"};
	/* The same slot, and another one. */
	static const char *const targets[] = {"{k}other", "elsewhere"};
	struct command_box *b = *state;

	assert_true(keyslot(slice_str("{k}other")) == keyslot(slice_str("k")));
	assert_true(keyslot(slice_str("elsewhere")) != keyslot(slice_str("k")));
	for (size_t i = 0; i < 6; i++) {
		const char *type = types[i % 3], *to = targets[i / 3];
		struct buf want, got;
		char line[128];

		(void)command_box_line(b, "FLUSHALL");
		make_large(b, type, "k");
		if (i % 2 == 0) {
			engine_box_checkpoint(&b->engine);
		}
		(void)command_box_line(b, "EXPIRE k 1000");
		want = look(b, type, "k");
		assert_true(want.len > BIG);
		(void)snprintf(line, sizeof line, "COPY k %s", to);
		assert_true(slice_eq(command_box_line(b, line), slice_str(":1\r\n")));
		assert_true(slice_eq(command_box_line(b, "DEL k"), slice_str(":1\r\n")));
		got = look(b, type, to);
		assert_true(slice_eq(buf_slice(&want), buf_slice(&got)));
		buf_deinit(&got);
		(void)snprintf(line, sizeof line, "RENAME %s k", to);
		assert_true(slice_eq(command_box_line(b, line), slice_str("+OK\r\n")));
		engine_box_checkpoint(&b->engine);
		got = look(b, type, "k");
		assert_true(slice_eq(buf_slice(&want), buf_slice(&got)));
		assert_true(slice_eq(command_box_line(b, "TTL k"), slice_str(":1000\r\n")));
		assert_true(slice_eq(command_box_line(b, "DBSIZE"), slice_str(":1\r\n")));
		buf_deinit(&got);
		buf_deinit(&want);
	}
}

static void renaming_and_copying_answer_as_redis(void **state)
{
	static const struct box_case cases[] = {
	    {"RENAME nokey a", "-ERR no such key\r\n"},
	    {"RENAMENX nokey a", "-ERR no such key\r\n"},
	    {"RENAME nokey nokey", "-ERR no such key\r\n"},
	    {"SET a 1", "+OK\r\n"},
	    {"RENAME a a", "+OK\r\n"},
	    {"RENAMENX a a", ":0\r\n"},
	    {"SET b 2", "+OK\r\n"},
	    {"RENAMENX a b", ":0\r\n"},
	    {"RENAMENX a c", ":1\r\n"},
	    {"RENAME c b", "+OK\r\n"},
	    {"GET b", "$1\r\n1\r\n"},
	    {"DBSIZE", ":1\r\n"},
	    {"COPY b b", "-ERR source and destination objects are the same\r\n"},
	    {"COPY nokey x", ":0\r\n"},
	    {"COPY b x", ":1\r\n"},
	    {"SET b 9", "+OK\r\n"},
	    {"COPY b x", ":0\r\n"},
	    {"COPY b x REPLACE", ":1\r\n"},
	    {"GET x", "$1\r\n9\r\n"},
	    {"COPY b x DB 0 REPLACE", ":1\r\n"},
	    {"COPY b x DB 1", "-ERR DB index is out of range\r\n"},
	    {"COPY b x FOO", "-ERR syntax error\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void rename_with_failing_memory_changes_nothing(void **state)
{
	struct command_box *b = *state;

	make_large(b, "hash", "k");
	command_box_walk_memory(b, "RENAME k elsewhere", "HLEN k");
	assert_true(slice_eq(command_box_line(b, "HLEN elsewhere"), slice_str(":3000\r\n")));
}

/* Counts how often a whole scan meets each key "key:N", N below SCAN_KEYS; returns the calls. */
static size_t scan_all(struct command_box *b, const char *options, uint8_t *seen,
		       void (*between)(struct command_box *b, size_t call))
{
	char cursor[32] = "0";
	size_t calls = 0;

	do {
		char line[128];
		struct slice reply;
		const char *p, *end;

		(void)snprintf(line, sizeof line, "SCAN %s%s", cursor, options);
		reply = command_box_line(b, line);
		assert_true(buf_append(&b->out, "", 1) == ST_OK);
		p = (const char *)b->out.data;
		end = p + reply.len;
		assert_int_equal(sscanf(p, "*2\r\n$%*d\r\n%31[0-9]", cursor), 1);
		for (; p < end; p++) {
			unsigned n;

			if (strncmp(p, "\r\nkey:", 6) == 0 && sscanf(p + 6, "%u", &n) == 1 &&
			    n < SCAN_KEYS) {
				seen[n]++;
			}
		}
		if (between != NULL) {
			between(b, calls);
		}
		assert_true(++calls < SCAN_KEYS * 4);
	} while (strcmp(cursor, "0") != 0);
	return calls;
}

static void make_keys(struct command_box *b)
{
	for (int i = 0; i < SCAN_KEYS; i++) {
		char line[64];

		(void)snprintf(line, sizeof line, "SET key:%d %d", i, i);
		(void)command_box_line(b, line);
		if (i == SCAN_KEYS / 2) {
			engine_box_checkpoint(&b->engine);
		}
	}
}

/* Adds and removes other keys, moves the data between layers. */
static void disturb(struct command_box *b, size_t call)
{
	char line[64];

	(void)snprintf(line, sizeof line, "SET other:%zu x", call);
	(void)command_box_line(b, line);
	(void)snprintf(line, sizeof line, "DEL other:%zu", call / 2);
	(void)command_box_line(b, line);
	if (call % 50 == 0) {
		engine_box_checkpoint(&b->engine);
	}
}

static void a_scan_meets_every_lasting_key_exactly_once(void **state)
{
	static const char *const options[] = {"", " COUNT 1", " COUNT 7", " COUNT 100",
					      " COUNT 100000"};
	static uint8_t seen[SCAN_KEYS];
	struct command_box *b = *state;

	make_keys(b);
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		memset(seen, 0, sizeof seen);
		(void)scan_all(b, options[i], seen, disturb);
		for (size_t k = 0; k < SCAN_KEYS; k++) {
			assert_int_equal(seen[k], 1);
		}
	}
}

static void a_scan_filters_by_pattern_and_type(void **state)
{
	static uint8_t seen[SCAN_KEYS];
	struct command_box *b = *state;
	size_t found = 0;

	make_keys(b);
	(void)command_box_line(b, "DEL key:5");
	(void)command_box_line(b, "RPUSH key:5 x");
	(void)scan_all(b, " MATCH key:1?", seen, NULL);
	for (size_t k = 0; k < SCAN_KEYS; k++) {
		assert_int_equal(seen[k], k >= 10 && k < 20);
	}
	memset(seen, 0, sizeof seen);
	(void)scan_all(b, " TYPE list COUNT 500", seen, NULL);
	for (size_t k = 0; k < SCAN_KEYS; k++) {
		found += seen[k];
	}
	assert_int_equal(found, 1);
	assert_int_equal(seen[5], 1);
}

static void scans_refuse_bad_arguments(void **state)
{
	static const struct box_case cases[] = {
	    {"SCAN x", "-ERR invalid cursor\r\n"},
	    {"SCAN 1x", "-ERR invalid cursor\r\n"},
	    {"SCAN 99999999999999999999", "-ERR invalid cursor\r\n"},
	    {"SCAN 0 COUNT 0", "-ERR syntax error\r\n"},
	    {"SCAN 0 COUNT x", "-ERR value is not an integer or out of range\r\n"},
	    {"SCAN 0 MATCH", "-ERR syntax error\r\n"},
	    {"SCAN 0 FOO bar", "-ERR syntax error\r\n"},
	    {"SCAN 18446744073709551615", "*2\r\n$1\r\n0\r\n*0\r\n"},
	    {"SCAN 0", "*2\r\n$1\r\n0\r\n*0\r\n"},
	    {"KEYS *", "*0\r\n"},
	    {"SET a 1", "+OK\r\n"},
	    {"KEYS *", "*1\r\n$1\r\na\r\n"},
	    {"KEYS b*", "*0\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void waiting_for_the_log_answers_how_far_it_is(void **state)
{
	static const struct box_case cases[] = {
	    {"WAIT 0 0", ":0\r\n"},
	    {"WAIT 0 -1", "-ERR timeout is negative\r\n"},
	    {"WAIT x 0", "-ERR value is not an integer or out of range\r\n"},
	    {"WAITAOF 2 0 0", "-ERR value is out of range, value must between 0 and 1\r\n"},
	    {"WAITAOF 0 -1 0", "-ERR value is out of range, must be positive\r\n"},
	    {"WAITAOF 0 0 -1", "-ERR timeout is negative\r\n"},
	    {"WAITAOF 1 0 0", "*2\r\n:1\r\n:0\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) COMMAND_BOX_TEST(name)
	    TEST(deleting_and_asking_answer_as_redis),
	    TEST(expiry_follows_its_options),
	    TEST(large_values_move_and_copy_whole),
	    TEST(renaming_and_copying_answer_as_redis),
	    TEST(rename_with_failing_memory_changes_nothing),
	    TEST(a_scan_meets_every_lasting_key_exactly_once),
	    TEST(a_scan_filters_by_pattern_and_type),
	    TEST(scans_refuse_bad_arguments),
	    TEST(waiting_for_the_log_answers_how_far_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
