/* HSCAN and HRANDFIELD through dispatch: replies, walks over a hash that changes, chance. */
#include "tests/support/command_box.h"
#include "tests/support/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct box_case replies[] = {
    {"HSET h a 1 b 2 aa 3", ":3\r\n"},
    {"HSCAN h 0",
     "*2\r\n$1\r\n0\r\n*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$2\r\naa\r\n$1\r\n3\r\n"},
    {"HSCAN h 0 MATCH a*", "*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$2\r\naa\r\n$1\r\n3\r\n"},
    {"HSCAN h 0 MATCH a* COUNT 1",
     "*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$2\r\naa\r\n$1\r\n3\r\n"},
    {"HSCAN h 0 COUNT 1",
     "*2\r\n$1\r\n0\r\n*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$2\r\naa\r\n$1\r\n3\r\n"},
    {"HSCAN h 17",
     "*2\r\n$1\r\n0\r\n*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$2\r\naa\r\n$1\r\n3\r\n"},
    {"HSCAN h 0 MATCH x", "*2\r\n$1\r\n0\r\n*0\r\n"},
    {"HSCAN nothing 0", "*2\r\n$1\r\n0\r\n*0\r\n"},
    {"HSCAN nothing 0 COUNT x", "*2\r\n$1\r\n0\r\n*0\r\n"},
    {"HSCAN nothing x", "-ERR invalid cursor\r\n"},
    {"HSCAN h x", "-ERR invalid cursor\r\n"},
    {"HSCAN h 1x", "-ERR invalid cursor\r\n"},
    {"HSCAN h ''",
     "*2\r\n$1\r\n0\r\n*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$2\r\naa\r\n$1\r\n3\r\n"},
    {"HSCAN h -1",
     "*2\r\n$1\r\n0\r\n*6\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$2\r\naa\r\n$1\r\n3\r\n"},
    {"HSCAN h 99999999999999999999999", "-ERR invalid cursor\r\n"},
    {"HSCAN h 0 COUNT 0", "-ERR syntax error\r\n"},
    {"HSCAN h 0 COUNT -1", "-ERR syntax error\r\n"},
    {"HSCAN h 0 COUNT x", "-ERR value is not an integer or out of range\r\n"},
    {"HSCAN h 0 COUNT", "-ERR syntax error\r\n"},
    {"HSCAN h 0 MATCH", "-ERR syntax error\r\n"},
    {"HSCAN h 0 TYPE hash", "-ERR syntax error\r\n"},
    {"HSCAN h 0 x y", "-ERR syntax error\r\n"},
    {"HSCAN h 0 MATCH a MATCH b", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n"},
    {"HSCAN h", "-ERR wrong number of arguments for 'hscan' command\r\n"},
    {"SET s v", "+OK\r\n"},
    {"HSCAN s 0", WRONG_TYPE},
    {"HSCAN s x", "-ERR invalid cursor\r\n"},
    {"HRANDFIELD nothing", "$-1\r\n"},
    {"HRANDFIELD nothing 5", "*0\r\n"},
    {"HRANDFIELD nothing -5", "*0\r\n"},
    {"HRANDFIELD nothing -5 WITHVALUES", "*0\r\n"},
    {"HRANDFIELD h 0", "*0\r\n"},
    {"HRANDFIELD h 0 WITHVALUES", "*0\r\n"},
    {"HRANDFIELD h x", "-ERR value is not an integer or out of range\r\n"},
    {"HRANDFIELD h 1.5", "-ERR value is not an integer or out of range\r\n"},
    {"HRANDFIELD h 1 x", "-ERR syntax error\r\n"},
    {"HRANDFIELD h 1 WITHVALUES x", "-ERR syntax error\r\n"},
    {"HRANDFIELD h -9223372036854775808", "-ERR value is out of range, value must between "
					  "-9223372036854775807 and 9223372036854775807\r\n"},
    {"HRANDFIELD h 9223372036854775807 WITHVALUES", "-ERR value is out of range\r\n"},
    {"HRANDFIELD h -9223372036854775807 WITHVALUES", "-ERR value is out of range\r\n"},
    {"HRANDFIELD s", WRONG_TYPE},
    {"HRANDFIELD s 1", WRONG_TYPE},
    {"HRANDFIELD", "-ERR wrong number of arguments for 'hrandfield' command\r\n"},
    {"HSET one f v", ":1\r\n"},
    {"HRANDFIELD one", "$1\r\nf\r\n"},
    {"HRANDFIELD one 7", "*1\r\n$1\r\nf\r\n"},
    {"HRANDFIELD one -3", "*3\r\n$1\r\nf\r\n$1\r\nf\r\n$1\r\nf\r\n"},
    {"HRANDFIELD one 2 WITHVALUES", "*2\r\n$1\r\nf\r\n$1\r\nv\r\n"},
    {"HRANDFIELD one -2 WITHVALUES", "*4\r\n$1\r\nf\r\n$1\r\nv\r\n$1\r\nf\r\n$1\r\nv\r\n"},
};

static const struct box_case resp3[] = {
    {"HSET one f v", ":1\r\n"},
    {"HRANDFIELD one 1 WITHVALUES", "*1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"},
    {"HRANDFIELD one -2 WITHVALUES",
     "*2\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"},
    {"HRANDFIELD one 1", "*1\r\n$1\r\nf\r\n"},
    {"HRANDFIELD nothing", "_\r\n"},
    {"HRANDFIELD nothing 2", "*0\r\n"},
    {"HRANDFIELD nothing 2 WITHVALUES", "*0\r\n"},
    {"HSCAN one 0", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"},
};

enum { FIELDS_MAX = 1000 };

static void replies_are_those_of_redis(void **state)
{
	COMMAND_BOX_CHECK(*state, replies);
}

static void values_come_in_pairs_in_resp3(void **state)
{
	struct command_box *b = *state;

	b->session.proto = 3;
	COMMAND_BOX_CHECK(b, resp3);
}

/* Fields <word><from> ... <word><to - 1>, value v, on the key h. */
static void fill(struct command_box *b, const char *word, int from, int to)
{
	char line[64];

	for (int i = from; i < to; i++) {
		(void)snprintf(line, sizeof line, "HSET h %s%d v", word, i);
		assert_true(slice_eq(command_box_line(b, line), slice_str(":1\r\n")));
	}
}

/* Reads "$<len>\r\n<bytes>\r\n" or a header "*<n>\r\n" at *at and moves behind it; a header gives
 * no bytes. */
static struct slice item(struct slice reply, size_t *at)
{
	struct slice rest = slice_skip(reply, *at);
	struct reply_head head;

	assert_true(reply_next(&rest, &head));
	assert_true(head.kind == '$' || head.kind == '*');
	*at = reply.len - rest.len;
	return head.kind == '$' ? head.text : slice_of(NULL, 0);
}

/* Counts the fields f<number> of a reply from its header (or headers) on; step: fields alone, or
 * with values. Returns how many there were of any name. */
static int count_fields(struct slice reply, size_t at, int step, int hits[FIELDS_MAX])
{
	int total = 0;

	while (at < reply.len) {
		struct slice field = item(reply, &at);

		total++;
		if (field.data[0] == 'f') {
			char digits[16] = "";
			long n;

			assert_in_range(field.len, 2, sizeof digits - 1);
			memcpy(digits, field.data + 1, field.len - 1);
			n = strtol(digits, NULL, 10);
			assert_in_range(n, 0, FIELDS_MAX - 1);
			hits[n]++;
		}
		if (step == 2) {
			assert_true(slice_eq(item(reply, &at), slice_str("v")));
		}
	}
	return total;
}

/* Walks all of h by pages; between the pages other fields come and go. */
static void walk(struct command_box *b, const char *options, bool churn, int hits[FIELDS_MAX])
{
	char line[96], cursor[32] = "0";

	for (int page = 0; page < FIELDS_MAX * 2; page++) {
		struct slice reply, text;
		size_t at = 0;

		(void)snprintf(line, sizeof line, "HSCAN h %s%s", cursor, options);
		reply = command_box_line(b, line);
		(void)item(reply, &at);
		text = item(reply, &at);
		assert_true(text.len > 0 && text.len < sizeof cursor);
		memcpy(cursor, text.data, text.len);
		cursor[text.len] = 0;
		(void)item(reply, &at);
		(void)count_fields(reply, at, 2, hits);
		if (strcmp(cursor, "0") == 0) {
			return;
		}
		if (churn) {
			(void)snprintf(line, sizeof line, "HSET h x%d v", page);
			(void)command_box_line(b, line);
			(void)snprintf(line, sizeof line, "HDEL h x%d", page - 3);
			(void)command_box_line(b, line);
		}
	}
	fail_msg("the walk does not end");
}

static void a_walk_meets_what_stays_exactly_once(void **state)
{
	struct command_box *b = *state;
	static int hits[FIELDS_MAX];

	for (int round = 0; round < 3; round++) {
		memset(hits, 0, sizeof hits);
		fill(b, "f", round * 330, (round + 1) * 330);
		walk(b, round == 0 ? "" : " COUNT 7", round > 0, hits);
		for (int i = 0; i < (round + 1) * 330; i++) {
			assert_int_equal(hits[i], 1);
		}
		if (round == 1) {
			engine_box_checkpoint(&b->engine);
		}
	}
	memset(hits, 0, sizeof hits);
	walk(b, " MATCH f1?", false, hits);
	for (int i = 0; i < FIELDS_MAX; i++) {
		assert_int_equal(hits[i], i >= 10 && i < 20);
	}
}

static void a_hash_that_shrinks_during_a_walk_is_shown_whole(void **state)
{
	struct command_box *b = *state;
	static int hits[FIELDS_MAX];
	struct slice reply, text;
	char line[64];
	size_t at = 0;

	memset(hits, 0, sizeof hits);
	fill(b, "f", 0, 330);
	reply = command_box_line(b, "HSCAN h 0 COUNT 5");
	(void)item(reply, &at);
	text = item(reply, &at);
	(void)item(reply, &at);
	(void)count_fields(reply, at, 2, hits);
	(void)snprintf(line, sizeof line, "HSCAN h %.*s", (int)text.len, (const char *)text.data);
	for (int i = 3; i < 330; i++) {
		char del[32];

		(void)snprintf(del, sizeof del, "HDEL h f%d", i);
		assert_true(slice_eq(command_box_line(b, del), slice_str(":1\r\n")));
	}
	reply = command_box_line(b, line);
	at = 0;
	(void)item(reply, &at);
	assert_true(slice_eq(item(reply, &at), slice_str("0")));
	(void)item(reply, &at);
	(void)count_fields(reply, at, 2, hits);
	assert_true(hits[0] > 0 && hits[1] > 0 && hits[2] > 0);
}

static void random_fields_repeat_only_when_asked_to(void **state)
{
	static const int sizes[] = {20, 200, 900}; /* as a blob, few, and many records */
	struct command_box *b = *state;
	static int hits[FIELDS_MAX];
	int made = 0;

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		char line[64];
		size_t at = 0;
		struct slice reply;

		fill(b, "f", made, sizes[i]);
		made = sizes[i];
		for (int want = 1; want <= made; want += 1 + made / 9) {
			memset(hits, 0, sizeof hits);
			at = 0;
			(void)snprintf(line, sizeof line, "HRANDFIELD h %d WITHVALUES", want);
			reply = command_box_line(b, line);
			(void)item(reply, &at);
			assert_int_equal(count_fields(reply, at, 2, hits), want);
			for (int f = 0; f < FIELDS_MAX; f++) {
				assert_in_range(hits[f], 0, 1);
			}
		}
		memset(hits, 0, sizeof hits);
		at = 0;
		(void)snprintf(line, sizeof line, "HRANDFIELD h -%d", 60 * made);
		reply = command_box_line(b, line);
		(void)item(reply, &at);
		assert_int_equal(count_fields(reply, at, 1, hits), 60 * made);
		for (int f = 0; f < made; f++) {
			assert_true(hits[f] > 0);
		}
	}
}

static void fields_that_are_lost_are_reported(void **state)
{
	struct command_box *b = *state;
	struct store_key key;
	struct meta m;

	fill(b, "f", 0, 330);
	engine_box_begin(&b->engine);
	store_key_of_key(&key, slice_str("h"));
	assert_int_equal(ks_lookup(b->engine.e, &key, &m), ST_OK);
	for (int i = 0; i < 330; i++) {
		char name[16];

		(void)snprintf(name, sizeof name, "f%d", i);
		assert_int_equal(ks_field_del(b->engine.e, key.slot, m.id, slice_str(name)), ST_OK);
	}
	engine_box_commit(&b->engine);
	command_box_expect_error(b, "HRANDFIELD h", "CORRUPT");
	command_box_expect_error(b, "HRANDFIELD h 5 WITHVALUES", "CORRUPT");
	command_box_expect_error(b, "HRANDFIELD h -5", "CORRUPT");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(replies_are_those_of_redis),
	    COMMAND_BOX_TEST(values_come_in_pairs_in_resp3),
	    COMMAND_BOX_TEST(a_walk_meets_what_stays_exactly_once),
	    COMMAND_BOX_TEST(a_hash_that_shrinks_during_a_walk_is_shown_whole),
	    COMMAND_BOX_TEST(random_fields_repeat_only_when_asked_to),
	    COMMAND_BOX_TEST(fields_that_are_lost_are_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
