/* Intersections, unions and differences: against bit sets over random sets in both forms; results
 * that take the place of a source or of something else; arguments and failing memory. */
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct box_case replies[] = {
    {"SADD a 1 2 3 4", ":4\r\n"},
    {"SADD b 3 4 5", ":3\r\n"},
    {"SINTER a b", "*2\r\n$1\r\n3\r\n$1\r\n4\r\n"},
    {"SINTER a", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"},
    {"SINTER a nothing", "*0\r\n"},
    {"SUNION b a nothing", "*5\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n1\r\n$1\r\n2\r\n"},
    {"SUNION nothing", "*0\r\n"},
    {"SDIFF a b", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"},
    {"SDIFF a nothing b", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"},
    {"SDIFF a a", "*0\r\n"},
    {"SDIFF nothing a", "*0\r\n"},
    {"SINTERCARD 2 a b", ":2\r\n"},
    {"SINTERCARD 2 a b LIMIT 1", ":1\r\n"},
    {"SINTERCARD 2 a b limit 0", ":2\r\n"},
    {"SINTERCARD 2 a nothing", ":0\r\n"},
    {"SINTERCARD 0 a", "-ERR numkeys should be greater than 0\r\n"},
    {"SINTERCARD x a", "-ERR numkeys should be greater than 0\r\n"},
    {"SINTERCARD 2 a", "-ERR Number of keys can't be greater than number of args\r\n"},
    {"SINTERCARD 1 a LIMIT -1", "-ERR LIMIT can't be negative\r\n"},
    {"SINTERCARD 1 a LIMIT x", "-ERR LIMIT can't be negative\r\n"},
    {"SINTERCARD 1 a LIMIT", "-ERR syntax error\r\n"},
    {"SINTERCARD 1 a b", "-ERR syntax error\r\n"},
    {"SINTERSTORE r a b", ":2\r\n"},
    {"SMEMBERS r", "*2\r\n$1\r\n3\r\n$1\r\n4\r\n"},
    {"OBJECT ENCODING r", "$6\r\nintset\r\n"},
    {"SUNIONSTORE a a b", ":5\r\n"},
    {"SCARD a", ":5\r\n"},
    {"SDIFFSTORE b b a", ":0\r\n"},
    {"EXISTS b", ":0\r\n"},
    {"SET string v", "+OK\r\n"},
    {"SUNIONSTORE string nothing", ":0\r\n"},
    {"EXISTS string", ":0\r\n"},
    {"SET string v EX 100", "+OK\r\n"},
    {"SUNIONSTORE string a", ":5\r\n"},
    {"TTL string", ":-1\r\n"},
    {"TYPE string", "+set\r\n"},
    {"SET string v", "+OK\r\n"},
    {"SINTER nothing string", WRONG_TYPE},
    {"SUNION a string", WRONG_TYPE},
    {"SDIFF a string", WRONG_TYPE},
    {"SINTERCARD 2 nothing string", WRONG_TYPE},
    {"SINTERSTORE a nothing string", WRONG_TYPE},
    {"SCARD a", ":5\r\n"},
};

static void replies_are_those_of_redis(void **state)
{
	COMMAND_BOX_CHECK(*state, replies);
}

enum { UNIVERSE = 900, SETS = 4 };

struct model {
	bool has[SETS][UNIVERSE];
};

/* Fills set<n> with about one member in so many, as integers or words. */
static void fill(struct command_box *b, struct model *m, int n, uint64_t one_in, bool words)
{
	struct slice argv[2 + UNIVERSE];
	static char names[UNIVERSE][16];
	char key[16];
	size_t argc = 2;

	(void)snprintf(key, sizeof key, "set%d", n);
	argv[0] = slice_str("SADD");
	argv[1] = slice_str(key);
	for (int i = 0; i < UNIVERSE; i++) {
		m->has[n][i] = rng_below(&b->engine.rng, one_in) == 0;
		if (m->has[n][i]) {
			(void)snprintf(names[i], sizeof names[i], words ? "w%d" : "%d", i);
			argv[argc++] = slice_str(names[i]);
		}
	}
	if (argc > 2) {
		(void)command_box_run(b, argv, argc);
	}
}

/* The numbers in a reply of words or integers, as a bit set. */
static uint64_t members_of(struct slice reply, bool found[UNIVERSE])
{
	uint64_t count = 0;
	const char *p = (const char *)reply.data, *end = p + reply.len;
	bool is_member = false;

	memset(found, 0, UNIVERSE * sizeof *found);
	while (p < end) {
		const char *line = p;

		p = memchr(p, '\n', (size_t)(end - p));
		assert_non_null(p);
		p++;
		if (is_member) {
			char text[16] = "";
			long at;

			assert_true((size_t)(p - line) < sizeof text);
			memcpy(text, line, (size_t)(p - line));
			at = strtol(text + (text[0] == 'w'), NULL, 10);
			assert_true(at >= 0 && at < UNIVERSE && !found[at]);
			found[at] = true;
			count++;
		}
		is_member = line[0] == '$';
	}
	return count;
}

static void compare(struct command_box *b, const struct model *m, const char *op)
{
	bool want[UNIVERSE], got[UNIVERSE];
	uint64_t count = 0;
	char line[64];

	for (int i = 0; i < UNIVERSE; i++) {
		bool all = true, any = false, others = false;

		for (int n = 0; n < SETS; n++) {
			all &= m->has[n][i];
			any |= m->has[n][i];
			others |= n > 0 && m->has[n][i];
		}
		want[i] = strcmp(op, "SINTER") == 0   ? all
			  : strcmp(op, "SUNION") == 0 ? any
						      : m->has[0][i] && !others;
		count += want[i];
	}
	(void)snprintf(line, sizeof line, "%s set0 set1 set2 set3", op);
	assert_int_equal(members_of(command_box_line(b, line), got), count);
	assert_memory_equal(got, want, sizeof want);
	(void)snprintf(line, sizeof line, "%sSTORE result set0 set1 set2 set3", op);
	(void)command_box_line(b, line);
	assert_int_equal(members_of(command_box_line(b, "SMEMBERS result"), got), count);
	assert_memory_equal(got, want, sizeof want);
}

static void random_sets_in_both_forms(void **state)
{
	static const uint64_t rarity[] = {1, 2, 20, 300};
	struct command_box *b = *state;
	struct model m;

	for (int round = 0; round < 60; round++) {
		bool words = round % 2 == 0;

		(void)command_box_line(b, "DEL set0 set1 set2 set3");
		for (int n = 0; n < SETS; n++) {
			fill(b, &m, n, rarity[rng_below(&b->engine.rng, round % 3 == 0 ? 2 : 4)],
			     words);
		}
		if (round % 5 == 0) {
			engine_box_checkpoint(&b->engine);
		}
		compare(b, &m, "SINTER");
		compare(b, &m, "SUNION");
		compare(b, &m, "SDIFF");
	}
}

static void failing_memory_leaves_the_destination_as_it_was(void **state)
{
	struct command_box *b = *state;
	struct model m;

	fill(b, &m, 0, 1, true);
	fill(b, &m, 1, 2, true);
	command_box_expect(b, "SADD r old", ":1\r\n");
	command_box_expect(b, "SADD q old", ":1\r\n");
	command_box_walk_memory(b, "SINTERSTORE r set0 set1", "SISMEMBER r old");
	command_box_walk_memory(b, "SDIFFSTORE q set0 set1", "SISMEMBER q old");
	command_box_walk_memory(b, "SINTER set0 set1", "SCARD set0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(replies_are_those_of_redis),
	    COMMAND_BOX_TEST(random_sets_in_both_forms),
	    COMMAND_BOX_TEST(failing_memory_leaves_the_destination_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
