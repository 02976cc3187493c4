/* Modifiers of ACL SETUSER, one after the other, and the user that they make. */
#include "engine/base/alloc.h"
#include "net/command/acl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define HASH_OF_A "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"

struct box {
	struct command_table table;
	struct acl acl;
};

static int setup(void **state)
{
	struct box *b = calloc(1, sizeof *b);

	assert_non_null(b);
	assert_int_equal(command_table_init(&b->table), ST_OK);
	assert_int_equal(acl_init(&b->acl, &b->table), ST_OK);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct box *b = *state;

	acl_deinit(&b->acl);
	command_table_deinit(&b->table);
	free(b);
	return 0;
}

/* Applies modifiers separated by '|' outside of names: by ';'. NULL, or why one is refused. */
static const char *apply(struct box *b, struct acl_user *u, const char *ops)
{
	const char *reason = NULL;

	while (*ops != 0 && reason == NULL) {
		size_t n = strcspn(ops, ";");
		enum status st = acl_user_rule(&b->acl, u, slice_of(ops, n), &reason);

		assert_true((st == ST_OK) == (reason == NULL));
		ops += n + (ops[n] == ';');
	}
	return reason;
}

static void check(struct box *b, const char *ops, const char *text)
{
	struct buf out = {0};
	struct acl_user *u;
	const char *reason;

	assert_int_equal(acl_user_create(&b->acl, slice_str("u"), &u), ST_OK);
	reason = apply(b, u, ops);
	if (reason == NULL) {
		assert_int_equal(acl_describe(u, &out), ST_OK);
	}
	if (!(reason != NULL ? strncmp(reason, text, strlen(text)) == 0
			     : slice_eq(buf_slice(&out), slice_str(text)))) {
		print_error("%s\n  wanted %s\n  got    %.*s%s\n", ops, text, (int)out.len,
			    out.len > 0 ? (const char *)out.data : "",
			    reason != NULL ? reason : "");
		fail();
	}
	buf_deinit(&out);
	acl_user_destroy(u);
}

static void modifiers_make_users(void **state)
{
	static const struct {
		const char *ops, *user;
	} cases[] = {
	    {"", "user u off sanitize-payload resetchannels -@all"},
	    {"on;;ON", "user u on sanitize-payload resetchannels -@all"},
	    {"on;off;skip-sanitize-payload",
	     "user u off skip-sanitize-payload resetchannels -@all"},
	    {">a;#" HASH_OF_A, "user u off sanitize-payload #" HASH_OF_A " resetchannels -@all"},
	    {">a;nopass", "user u off nopass sanitize-payload resetchannels -@all"},
	    {"nopass;>a;!" HASH_OF_A, "user u off sanitize-payload resetchannels -@all"},
	    {"nopass;resetpass", "user u off sanitize-payload resetchannels -@all"},
	    {"~a;%R~b;%w~c;%WR~d;%R~a", "user u off sanitize-payload ~a %R~b %W~c ~d "
					"resetchannels -@all"},
	    {"%R~a;%W~a", "user u off sanitize-payload ~a resetchannels -@all"},
	    {"~a;allkeys", "user u off sanitize-payload ~* resetchannels -@all"},
	    {"~*;resetkeys;~b", "user u off sanitize-payload ~b resetchannels -@all"},
	    {"&a;&b;&a", "user u off sanitize-payload resetchannels &a &b -@all"},
	    {"&a;allchannels", "user u off sanitize-payload &* -@all"},
	    {"&*;resetchannels", "user u off sanitize-payload resetchannels -@all"},
	    {"+GET;-set;+get", "user u off sanitize-payload resetchannels -@all -set +get"},
	    {"+@read;-@dangerous;+@Read",
	     "user u off sanitize-payload resetchannels -@all -@dangerous +@read"},
	    {"+config|get;+config|set;-config",
	     "user u off sanitize-payload resetchannels -@all -config"},
	    {"+select|0;+select|1;+select",
	     "user u off sanitize-payload resetchannels -@all +select"},
	    {"+get;+@all;-del", "user u off sanitize-payload resetchannels +@all -del"},
	    {"+@all;-del;nocommands", "user u off sanitize-payload resetchannels -@all"},
	    {"(+get ~a);(  %R~b  &c );()",
	     "user u off sanitize-payload resetchannels -@all (~a resetchannels -@all +get) (%R~b "
	     "resetchannels &c -@all) (resetchannels -@all)"},
	    {"(+get);clearselectors", "user u off sanitize-payload resetchannels -@all"},
	    {"on;>a;~a;&a;+@all;(+get);skip-sanitize-payload;reset",
	     "user u off sanitize-payload resetchannels -@all"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		check(*state, cases[i].ops, cases[i].user);
	}
}

static void what_makes_no_sense_is_refused_in_redis_words(void **state)
{
	static const struct {
		const char *ops, *reason;
	} cases[] = {
	    {"foo", "Syntax error"},
	    {"(on)", "Syntax error"},
	    {"(foo)", "Syntax error"},
	    {"((+get))", "Syntax error"},
	    {"(+get ~a) ~b)", "Syntax error"},
	    {"%~a", "Syntax error"},
	    {"%RR~a", "Syntax error"},
	    {"%X~a", "Syntax error"},
	    {"%R", "Syntax error"},
	    {"~a b", "Syntax error"},
	    {"&a\tb", "Syntax error"},
	    {"+get|", "Syntax error"},
	    {"+select|0 1", "Syntax error"},
	    {"+", "Unknown command or category name in ACL"},
	    {"+nosuch", "Unknown command"},
	    {"-nosuch", "Unknown command"},
	    {"+nosuch|x", "Unknown command"},
	    {"+config|nosuch", "Unknown command"},
	    {"-select|0", "Unknown command"},
	    {"+@", "Unknown command"},
	    {"-@nosuch", "Unknown command"},
	    {"+config|get|x", "Allowing first-arg of a subcommand is not supported"},
	    {"~*;~a", "Adding a pattern after the * pattern (or the 'allkeys' flag)"},
	    {"&*;&a", "Adding a pattern after the * pattern (or the 'allchannels' flag)"},
	    {"<a", "The password you are trying to remove from the user does not exist"},
	    {"!" HASH_OF_A, "The password you are trying"},
	    {"#abc", "The password hash must be exactly 64 characters"},
	    {"#CA978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
	     "The password hash must be"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		check(*state, cases[i].ops, cases[i].reason);
	}
}

static void only_all_of_everything_is_unrestricted(void **state)
{
	static const struct {
		const char *ops;
		bool unrestricted;
	} cases[] = {
	    {"+@all;~*;&*", true},
	    {"+@all;~*", false},
	    {"~*;&*", false},
	    {"+@all;~*;&*;-get", false},
	    {"+@all;~*;&*;-@geo", false},
	    {"+@all;~*;&*;-config|get", false},
	    {"+@all;~*;&*;+get", true},
	    {"(+@all ~* &*)", true},
	    {"+@all;~*;(&*)", false},
	    {"+@all;~*;&*;reset", false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct box *b = *state;
		struct acl_user *u;

		assert_int_equal(acl_user_create(&b->acl, slice_str("u"), &u), ST_OK);
		assert_null(apply(b, u, cases[i].ops));
		assert_int_equal(u->unrestricted, cases[i].unrestricted);
		acl_user_destroy(u);
	}
}

static void new_users_hear_what_acl_pubsub_default_says(void **state)
{
	struct box *b = *state;

	b->acl.channels_open = true;
	check(b, "", "user u off sanitize-payload &* -@all");
	check(b, "resetchannels;reset", "user u off sanitize-payload &* -@all");
	check(b, "(+get)", "user u off sanitize-payload &* -@all (&* -@all +get)");
}

static void selectors_may_come_in_several_words(void **state)
{
	struct slice in[] = {slice_str("on"),  slice_str("(+get"), slice_str("~a"), slice_str(")"),
			     slice_str("(x)"), slice_str("(y"),	   slice_str("z)"), slice_str("")};
	static const char *const out[] = {"on", "(+get ~a )", "(x)", "(y z)", ""};
	struct byte_list store = {0};
	struct slice words[8];
	size_t count;

	(void)state;
	assert_int_equal(acl_join_selectors(in, 8, words, &count, &store), ST_OK);
	assert_int_equal(count, 5);
	for (size_t i = 0; i < count; i++) {
		assert_true(slice_eq(words[i], slice_str(out[i])));
	}
	byte_list_deinit(&store);
	assert_int_equal(acl_join_selectors(in, 6, words, &count, &store), ST_INVALID);
	assert_int_equal(count, 5);
	byte_list_deinit(&store);
	assert_int_equal(acl_join_selectors(in, 3, words, &count, &store), ST_INVALID);
	assert_int_equal(count, 1);
	byte_list_deinit(&store);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(modifiers_make_users, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_makes_no_sense_is_refused_in_redis_words, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(only_all_of_everything_is_unrestricted, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(new_users_hear_what_acl_pubsub_default_says, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(selectors_may_come_in_several_words, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
