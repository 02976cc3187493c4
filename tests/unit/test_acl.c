/* The list of users: order, copies, sessions, passwords, failing memory. */
#include "engine/base/alloc.h"
#include "net/command/acl.h"
#include "net/command/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

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

static struct acl_user *add(struct box *b, const char *name)
{
	struct acl_user *u;

	assert_int_equal(acl_user_create(&b->acl, slice_str(name), &u), ST_OK);
	assert_int_equal(acl_add(&b->acl, u), ST_OK);
	return u;
}

static void rule(struct box *b, struct acl_user *u, const char *op)
{
	const char *reason = NULL;

	assert_int_equal(acl_user_rule(&b->acl, u, slice_str(op), &reason), ST_OK);
}

static void at_first_there_is_the_default_user_who_may_do_anything(void **state)
{
	struct box *b = *state;
	const struct acl_user *u = acl_find(&b->acl, slice_str("default"));

	assert_int_equal(b->acl.users_count, 1);
	assert_ptr_equal(u, b->acl.standard);
	assert_true(u->enabled && u->nopass && u->unrestricted);
	assert_null(acl_find(&b->acl, slice_str("defaul")));
}

static void users_are_found_by_name_and_kept_in_order(void **state)
{
	struct box *b = *state;
	char name[16];

	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof name, "u%02d", i * 37 % 100);
		(void)add(b, name);
	}
	assert_int_equal(b->acl.users_count, 101);
	for (size_t i = 1; i < b->acl.users_count; i++) {
		assert_true(strcmp(b->acl.users[i - 1]->name, b->acl.users[i]->name) < 0);
	}
	for (int i = 0; i < 100; i += 2) {
		struct acl_user *u;

		(void)snprintf(name, sizeof name, "u%02d", i);
		u = acl_find(&b->acl, slice_str(name));
		assert_string_equal(u->name, name);
		acl_remove(&b->acl, u);
		acl_user_destroy(u);
		assert_null(acl_find(&b->acl, slice_str(name)));
	}
	assert_int_equal(b->acl.users_count, 51);
}

static void a_session_is_of_one_user_at_a_time(void **state)
{
	struct box *b = *state;
	struct acl_user *u = add(b, "u"), *v = add(b, "v");
	struct session s[3];

	for (size_t i = 0; i < 3; i++) {
		session_init(&s[i], i + 1, 0);
		acl_enter(u, &s[i]);
	}
	acl_enter(u, &s[1]); /* again is fine */
	acl_enter(v, &s[1]);
	assert_ptr_equal(v->sessions, &s[1]);
	assert_null(s[1].user_next);
	assert_ptr_equal(u->sessions, &s[2]);
	assert_ptr_equal(s[2].user_next, &s[0]);
	session_deinit(&s[2]);
	assert_ptr_equal(u->sessions, &s[0]);
	session_deinit(&s[0]);
	assert_null(u->sessions);
	session_deinit(&s[1]);
	assert_null(v->sessions);
}

static void any_of_the_passwords_lets_in_and_nothing_else(void **state)
{
	struct box *b = *state;
	struct acl_user *u = add(b, "u");

	assert_false(acl_password_ok(u, slice_str("")));
	rule(b, u, ">one");
	rule(b, u, ">two");
	assert_true(acl_password_ok(u, slice_str("one")));
	assert_true(acl_password_ok(u, slice_str("two")));
	assert_false(acl_password_ok(u, slice_str("three")));
	assert_false(acl_password_ok(u, slice_str("")));
	rule(b, u, "<one");
	assert_false(acl_password_ok(u, slice_str("one")));
	rule(b, u, "nopass");
	assert_true(acl_password_ok(u, slice_str("whatever")));
	assert_int_equal(acl_set_password(u, slice_str("four")), ST_OK);
	assert_true(acl_password_ok(u, slice_str("four")));
	assert_false(acl_password_ok(u, slice_str("two")));
	assert_int_equal(acl_set_password(u, slice_str("")), ST_OK);
	assert_true(u->nopass);
}

static void swapping_gives_the_rights_but_neither_name_nor_sessions(void **state)
{
	struct box *b = *state;
	struct acl_user *u = add(b, "u"), *other;
	struct session s;

	session_init(&s, 1, 0);
	acl_enter(u, &s);
	assert_int_equal(acl_user_copy(&b->acl, u, &other), ST_OK);
	rule(b, other, "on");
	rule(b, other, "+get");
	acl_user_swap(u, other);
	assert_string_equal(u->name, "u");
	assert_true(u->enabled);
	assert_ptr_equal(u->sessions, &s);
	assert_false(other->enabled);
	assert_null(other->sessions);
	acl_user_destroy(other);
	session_deinit(&s);
}

static void a_copy_without_memory_leaves_nothing_behind(void **state)
{
	struct box *b = *state;
	struct acl_user *u = add(b, "u"), *copy = NULL;
	struct buf first = {0}, second = {0};
	enum status st = ST_NO_MEMORY;

	rule(b, u, ">pass");
	rule(b, u, "~key*");
	rule(b, u, "&channel");
	rule(b, u, "+select|0");
	rule(b, u, "(+get %R~x)");
	for (int n = 0; st != ST_OK; n++) {
		mem_fail_nth(n);
		st = acl_user_copy(&b->acl, u, &copy);
		mem_fail_nth(-1);
		if (st != ST_OK) {
			assert_int_equal(st, ST_NO_MEMORY);
		}
		assert_true(n < 100);
	}
	assert_int_equal(acl_describe(u, &first), ST_OK);
	assert_int_equal(acl_describe(copy, &second), ST_OK);
	assert_true(slice_eq(buf_slice(&first), buf_slice(&second)));
	buf_deinit(&first);
	buf_deinit(&second);
	acl_user_destroy(copy);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(at_first_there_is_the_default_user_who_may_do_anything,
					    setup, teardown),
	    cmocka_unit_test_setup_teardown(users_are_found_by_name_and_kept_in_order, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_session_is_of_one_user_at_a_time, setup, teardown),
	    cmocka_unit_test_setup_teardown(any_of_the_passwords_lets_in_and_nothing_else, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(swapping_gives_the_rights_but_neither_name_nor_sessions,
					    setup, teardown),
	    cmocka_unit_test_setup_teardown(a_copy_without_memory_leaves_nothing_behind, setup,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
