/* Whether users may run requests: commands by name, category and first argument, keys by what is
 * done to them, channels, selectors; and every command's categories are ones that there are. */
#include "net/command/acl.h"
#include "net/command/command_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ARGS_MAX = 16 };

struct box {
	struct command_table table;
	struct acl acl;
	struct acl_user *user;
};

static int setup(void **state)
{
	struct box *b = calloc(1, sizeof *b);

	assert_non_null(b);
	assert_int_equal(command_table_init(&b->table), ST_OK);
	assert_int_equal(acl_init(&b->acl, &b->table), ST_OK);
	assert_int_equal(acl_user_create(&b->acl, slice_str("u"), &b->user), ST_OK);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct box *b = *state;

	acl_user_destroy(b->user);
	acl_deinit(&b->acl);
	command_table_deinit(&b->table);
	free(b);
	return 0;
}

static size_t split(const char *text, char sep, struct slice *words)
{
	size_t count = 0;

	while (*text != 0) {
		const char *end = strchr(text, sep);
		size_t n = end == NULL ? strlen(text) : (size_t)(end - text);

		assert_true(count < ARGS_MAX);
		words[count++] = slice_of(text, n);
		text += n + (text[n] == sep);
	}
	return count;
}

/* A user by modifiers separated by ';', a request, what becomes of it, and the key or channel. */
struct check_case {
	const char *ops, *request;
	enum acl_denial denial;
	const char *object;
};

static void check(struct box *b, const struct check_case *c)
{
	struct slice words[ARGS_MAX], argv[ARGS_MAX], object;
	size_t ops = split(c->ops, ';', words), argc = split(c->request, ' ', argv);
	const struct command_entry *e = command_table_resolve(&b->table, argv, argc);
	const char *reason = NULL;
	enum acl_denial found;

	assert_non_null(e);
	assert_int_equal(acl_user_rule(&b->acl, b->user, slice_str("reset"), &reason), ST_OK);
	for (size_t i = 0; i < ops; i++) {
		assert_int_equal(acl_user_rule(&b->acl, b->user, words[i], &reason), ST_OK);
	}
	found = acl_check(&b->acl, b->user, e, argv, argc, &object);
	if (found != c->denial || (c->object != NULL && !slice_eq(object, slice_str(c->object)))) {
		print_error("%s: %s\n  wanted %d %s, got %d %.*s\n", c->ops, c->request,
			    (int)c->denial, c->object != NULL ? c->object : "", (int)found,
			    (int)object.len, object.len > 0 ? (const char *)object.data : "");
		fail();
	}
}

#define CHECK_ALL(b, cases)                                                                        \
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases)[0]; i++) {                            \
		check((b), &(cases)[i]);                                                           \
	}

static void commands_are_allowed_one_by_one(void **state)
{
	static const struct check_case cases[] = {
	    {"~*", "GET a", ACL_DENIED_COMMAND, NULL},
	    {"~*;+get", "GET a", ACL_ALLOWED, NULL},
	    {"~*;+get", "SET a b", ACL_DENIED_COMMAND, NULL},
	    {"~*;+@all;-get", "GET a", ACL_DENIED_COMMAND, NULL},
	    {"~*;+@read", "GET a", ACL_ALLOWED, NULL},
	    {"~*;+@read;-@string", "GET a", ACL_DENIED_COMMAND, NULL},
	    {"~*;+@read;-@string;+get", "GET a", ACL_ALLOWED, NULL},
	    {"+config|get", "CONFIG GET x", ACL_ALLOWED, NULL},
	    {"+config|get", "CONFIG SET x y", ACL_DENIED_COMMAND, NULL},
	    {"+config", "CONFIG SET x y", ACL_ALLOWED, NULL},
	    {"+config;-config|set", "CONFIG SET x y", ACL_DENIED_COMMAND, NULL},
	    {"+config;-config|set", "CONFIG GET x", ACL_ALLOWED, NULL},
	    {"+select|0", "SELECT 0", ACL_ALLOWED, NULL},
	    {"+select|0", "SELECT 1", ACL_DENIED_COMMAND, NULL},
	    {"+select|0;+select|1;+ping", "SELECT 1", ACL_ALLOWED, NULL},
	    {"+select|0;-select", "SELECT 0", ACL_DENIED_COMMAND, NULL},
	    {"+echo|A", "ECHO a", ACL_ALLOWED, NULL},
	    /* What lets a client become somebody else is never denied. */
	    {"-@all", "AUTH x", ACL_ALLOWED, NULL},
	    {"-@all", "HELLO", ACL_ALLOWED, NULL},
	    {"-@all", "RESET", ACL_ALLOWED, NULL},
	    {"-@all", "QUIT", ACL_ALLOWED, NULL},
	    {"-@all", "PING", ACL_DENIED_COMMAND, NULL},
	};

	CHECK_ALL(*state, cases);
}

static void keys_are_allowed_by_what_is_done_to_them(void **state)
{
	static const struct check_case cases[] = {
	    {"+@all;~a*", "GET abc", ACL_ALLOWED, NULL},
	    {"+@all;~a*", "GET b", ACL_DENIED_KEY, "b"},
	    {"+@all;~a*", "MSET a 1 ab 2 c 3", ACL_DENIED_KEY, "c"},
	    {"+@all;~a*", "MSET a c ab c", ACL_ALLOWED, NULL},
	    {"+@all;%R~a", "GET a", ACL_ALLOWED, NULL},
	    {"+@all;%R~a", "SET a x", ACL_DENIED_KEY, "a"},
	    {"+@all;%R~a", "GETDEL a", ACL_DENIED_KEY, "a"},
	    {"+@all;%W~a", "SET a x", ACL_ALLOWED, NULL},
	    {"+@all;%W~a", "SET a x GET", ACL_DENIED_KEY, "a"},
	    {"+@all;%W~a", "GET a", ACL_DENIED_KEY, "a"},
	    {"+@all;%W~a", "APPEND a x", ACL_ALLOWED, NULL},
	    {"+@all;%W~a", "INCR a", ACL_DENIED_KEY, "a"},
	    {"+@all;%R~a;%W~b", "COPY a b", ACL_ALLOWED, NULL},
	    {"+@all;%R~a;%W~b", "COPY b a", ACL_DENIED_KEY, "b"},
	    {"+@all;%R~a;%W~b", "BITFIELD a GET u8 0", ACL_ALLOWED, NULL},
	    {"+@all;%R~a;%W~b", "BITFIELD a SET u8 0 1", ACL_DENIED_KEY, "a"},
	    {"+@all;%R~a;%W~b", "ZUNIONSTORE b 1 a", ACL_ALLOWED, NULL},
	    {"+@all;%R~a;%W~b", "ZUNIONSTORE a 1 b", ACL_DENIED_KEY, "a"},
	    {"+@all;%R~a;%W~b", "SDIFFSTORE b a c", ACL_DENIED_KEY, "c"},
	    /* Two patterns are not one that lets both be done. */
	    {"+@all;%R~a;%W~[a]", "INCR a", ACL_DENIED_KEY, "a"},
	    {"+@all;%W~a", "EXISTS a", ACL_ALLOWED, NULL}, /* it tells no content */
	    {"+@all;~a", "EVAL x 2 a b", ACL_DENIED_KEY, "b"},
	    {"+@all;%R~a", "EVAL_RO x 1 a", ACL_ALLOWED, NULL},
	    {"+@all;%R~a", "EVAL x 1 a", ACL_DENIED_KEY, "a"},
	    {"+@all", "PING", ACL_ALLOWED, NULL},
	    {"+@all", "DBSIZE", ACL_ALLOWED, NULL},
	    {"+@all;~a", "MIGRATE h 1 b 0 1", ACL_DENIED_KEY, "b"},
	};

	CHECK_ALL(*state, cases);
}

static void channels_are_allowed_by_patterns(void **state)
{
	static const struct check_case cases[] = {
	    {"+@all;&news*", "PUBLISH news1 x", ACL_ALLOWED, NULL},
	    {"+@all;&news*", "PUBLISH new x", ACL_DENIED_CHANNEL, "new"},
	    {"+@all;&news*", "SUBSCRIBE news1 other", ACL_DENIED_CHANNEL, "other"},
	    {"+@all;&news*", "PSUBSCRIBE news*", ACL_ALLOWED, NULL},
	    {"+@all;&news*", "PSUBSCRIBE news1*", ACL_DENIED_CHANNEL, "news1*"},
	    {"+@all;&news*", "SSUBSCRIBE x", ACL_DENIED_CHANNEL, "x"},
	    {"+@all;&news*", "SPUBLISH x y", ACL_DENIED_CHANNEL, "x"},
	    {"+@all;&*", "SPUBLISH x y", ACL_ALLOWED, NULL}, /* no key */
	    {"+@all", "UNSUBSCRIBE x", ACL_ALLOWED, NULL},
	    {"+@all", "PUNSUBSCRIBE x", ACL_ALLOWED, NULL},
	    {"+@all", "SUNSUBSCRIBE x", ACL_ALLOWED, NULL},
	};

	CHECK_ALL(*state, cases);
}

static void one_selector_must_allow_all_of_a_request(void **state)
{
	static const struct check_case cases[] = {
	    {"+get;~a;(+set ~b)", "GET a", ACL_ALLOWED, NULL},
	    {"+get;~a;(+set ~b)", "SET b x", ACL_ALLOWED, NULL},
	    {"+get;~a;(+set ~b)", "SET a x", ACL_DENIED_KEY, "a"},
	    {"+get;~a;(+set ~b)", "GET b", ACL_DENIED_KEY, "b"},
	    {"+get;~a;(+set ~b)", "DEL b", ACL_DENIED_COMMAND, NULL},
	    {"+mget;~a;(+mget ~b)", "MGET a b", ACL_DENIED_KEY, "b"}, /* the farther one */
	    {"+mget;~c;(+mget ~a)", "MGET a b", ACL_DENIED_KEY, "b"},
	};

	CHECK_ALL(*state, cases);
}

static void all_keys_are_read_by_a_selector_that_lets_the_request_run(void **state)
{
	static const struct {
		const char *ops;
		bool all;
	} cases[] = {
	    {"+@all;~*", true},	 {"+@all;%R~*", true},		{"+@all;%W~*", false},
	    {"+@all;~a", false}, {"+@all;~a;(+set ~*)", false}, {"+set;~a;(+@all %R~*)", true},
	};
	struct slice argv[] = {slice_str("GET"), slice_str("a")};
	struct box *b = *state;
	const struct command_entry *e = command_table_find(&b->table, argv[0]);

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct slice words[ARGS_MAX];
		size_t ops = split(cases[i].ops, ';', words);
		const char *reason;

		assert_int_equal(acl_user_rule(&b->acl, b->user, slice_str("reset"), &reason),
				 ST_OK);
		for (size_t k = 0; k < ops; k++) {
			assert_int_equal(acl_user_rule(&b->acl, b->user, words[k], &reason), ST_OK);
		}
		assert_int_equal(acl_reads_all_keys(&b->acl, b->user, e, argv, 2), cases[i].all);
	}
}

static void every_command_has_categories_that_there_are(void **state)
{
	struct box *b = *state;
	const uint32_t speed = UINT32_C(1) << acl_category_find(slice_str("fast")) |
			       UINT32_C(1) << acl_category_find(slice_str("slow"));

	for (size_t i = 0; i < b->table.count; i++) {
		const struct acl_command *c = acl_command_of(&b->acl, &b->table.entries[i]);
		struct slice words, word;

		if (c->facts == NULL || (c->categories & speed) == 0 ||
		    (c->categories & speed) == speed) {
			print_error("%s\n", b->table.entries[i].full_name);
			fail();
		}
		words = slice_str(c->facts->acl);
		while (facts_word(&words, ' ', &word)) {
			assert_true(acl_category_find(word) < ACL_CATEGORIES);
		}
	}
	for (size_t i = 0; i < ACL_CATEGORIES; i++) {
		assert_int_equal(acl_category_find(slice_str(acl_category_name(i))), i);
	}
	assert_int_equal(acl_category_find(slice_str("all")), ACL_CATEGORIES);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(commands_are_allowed_one_by_one, setup, teardown),
	    cmocka_unit_test_setup_teardown(keys_are_allowed_by_what_is_done_to_them, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(channels_are_allowed_by_patterns, setup, teardown),
	    cmocka_unit_test_setup_teardown(one_selector_must_allow_all_of_a_request, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(
		all_keys_are_read_by_a_selector_that_lets_the_request_run, setup, teardown),
	    cmocka_unit_test_setup_teardown(every_command_has_categories_that_there_are, setup,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
