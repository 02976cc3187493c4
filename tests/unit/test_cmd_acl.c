/* Users by commands: SETUSER and what it leads to for clients, within MULTI and scripts too. */
#include "engine/base/alloc.h"
#include "net/command/dispatch_state.h"
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOPERM_KEY "-NOPERM No permissions to access a key\r\n"

static void log_in(struct command_box *b, struct session *s, const char *line)
{
	session_init(s, 7, b->engine.now_ms);
	dispatch_welcome(b->dispatch, s);
	assert_true(slice_eq(command_box_line_as(b, s, line), slice_str("+OK\r\n")));
}

static void expect(struct command_box *b, struct session *s, const char *line, const char *reply)
{
	struct slice got = command_box_line_as(b, s, line);

	if (!slice_eq(got, slice_str(reply))) {
		print_error("%s\n  wanted %s  got    %.*s", line, reply, (int)got.len,
			    (const char *)got.data);
		fail();
	}
}

static void what_a_user_may_not_is_refused(void **state)
{
	struct command_box *b = *state;
	struct session s;

	command_box_expect(b, "ACL SETUSER bob on >pw ~a* %R~r +@read +set +publish &news*",
			   "+OK\r\n");
	log_in(b, &s, "AUTH bob pw");
	expect(b, &s, "SET a1 x", "+OK\r\n");
	expect(b, &s, "GET a1", "$1\r\nx\r\n");
	expect(b, &s, "GET b", NOPERM_KEY);
	expect(b, &s, "MGET a1 b", NOPERM_KEY);
	expect(b, &s, "GET r", "$-1\r\n");
	expect(b, &s, "SET r x", NOPERM_KEY);
	expect(b, &s, "SET a1 y GET", "$1\r\nx\r\n");
	expect(b, &s, "DEL a1", "-NOPERM User bob has no permissions to run the 'del' command\r\n");
	expect(b, &s, "ACL WHOAMI",
	       "-NOPERM User bob has no permissions to run the 'acl|whoami' command\r\n");
	expect(b, &s, "PUBLISH news1 x", ":0\r\n");
	expect(b, &s, "PUBLISH other x", "-NOPERM No permissions to access a channel\r\n");
	expect(b, &s, "NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: \r\n");
	expect(b, &s, "AUTH bob wrong",
	       "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
	expect(b, &s, "GET a1", "$1\r\ny\r\n"); /* still bob */
	assert_int_equal(b->dispatch->acl_log.counts[ACL_DENIED_KEY], 3);
	assert_int_equal(b->dispatch->acl_log.counts[ACL_DENIED_COMMAND], 2);
	assert_int_equal(b->dispatch->acl_log.counts[ACL_DENIED_CHANNEL], 1);
	assert_int_equal(b->dispatch->acl_log.counts[ACL_DENIED_AUTH], 1);
	session_deinit(&s);
}

static void a_transaction_asks_when_it_is_queued_and_when_it_runs(void **state)
{
	struct command_box *b = *state;
	struct session s;

	command_box_expect(b, "ACL SETUSER bob on nopass ~* +@all -flushall", "+OK\r\n");
	log_in(b, &s, "AUTH bob x");
	expect(b, &s, "MULTI", "+OK\r\n");
	expect(b, &s, "FLUSHALL",
	       "-NOPERM User bob has no permissions to run the 'flushall' command\r\n");
	expect(b, &s, "EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n");
	expect(b, &s, "MULTI", "+OK\r\n");
	expect(b, &s, "SET a 1", "+QUEUED\r\n");
	expect(b, &s, "SET b 1", "+QUEUED\r\n");
	command_box_expect(b, "ACL SETUSER bob resetkeys ~a", "+OK\r\n");
	expect(b, &s, "EXEC",
	       "*2\r\n+OK\r\n-NOPERM ACLs rules changed between the moment the transaction was "
	       "accumulated and the EXEC call. This command is no longer allowed for the following "
	       "reason: no permission to touch the specified keys\r\n");
	command_box_expect(b, "EXISTS a b", ":1\r\n");
	session_deinit(&s);
}

static void a_script_may_no_more_than_who_runs_it(void **state)
{
	struct command_box *b = *state;
	struct slice argv[] = {slice_str("EVAL"), slice_str("return redis.call('set', 'b', 1)"),
			       slice_str("0")};
	struct slice ask[] = {
	    slice_str("EVAL"),
	    slice_str("return {redis.acl_check_cmd('get', 'a'), redis.acl_check_cmd('get', 'b')}"),
	    slice_str("0")};
	struct slice reply;

	command_box_expect(b, "ACL SETUSER bob on nopass ~a +@all -del", "+OK\r\n");
	command_box_expect(b, "AUTH bob x", "+OK\r\n");
	reply = command_box_run(b, argv, 3);
	assert_true(slice_has_prefix(
	    reply, slice_str("-ERR ACL failure in script: No permissions to access a key")));
	argv[1] = slice_str("return redis.pcall('del', 'a')");
	reply = command_box_run(b, argv, 3);
	assert_true(slice_has_prefix(reply, slice_str("-ERR ACL failure in script: User bob has no "
						      "permissions to run the 'del' command")));
	reply = command_box_run(b, ask, 3);
	assert_true(slice_eq(reply, slice_str("*2\r\n:1\r\n$-1\r\n")));
	command_box_expect(b, "EVAL x 1 b", NOPERM_KEY);
	command_box_expect(b, "AUTH default x", "+OK\r\n");
	command_box_expect(b, "EXISTS a b", ":0\r\n");
}

static void sort_by_and_get_ask_for_all_keys(void **state)
{
	static const struct box_case cases[] = {
	    {"RPUSH list 2 1", ":2\r\n"},
	    {"ACL SETUSER bob on nopass ~list ~d %R~w* +@all", "+OK\r\n"},
	    {"AUTH bob x", "+OK\r\n"},
	    {"SORT list", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"},
	    {"SORT list BY nosort", "*2\r\n$1\r\n2\r\n$1\r\n1\r\n"},
	    {"SORT list BY w_*",
	     "-ERR BY option of SORT denied due to insufficient ACL permissions.\r\n"},
	    {"SORT list GET #",
	     "-ERR GET option of SORT denied due to insufficient ACL permissions.\r\n"},
	    {"SORT list STORE d", ":2\r\n"},
	    {"SORT list STORE e", NOPERM_KEY},
	    {"SORT list STORE wx", NOPERM_KEY},
	    {"ACL SETUSER bob %R~*", "+OK\r\n"},
	    {"SORT list BY w_* GET #", "*2\r\n$1\r\n1\r\n$1\r\n2\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void the_clients_of_a_deleted_user_are_let_go(void **state)
{
	struct command_box *b = *state;
	struct session s;

	command_box_expect(b, "ACL SETUSER bob on nopass +@all ~*", "+OK\r\n");
	log_in(b, &s, "AUTH bob x");
	command_box_expect(b, "ACL DELUSER nobody bob", ":1\r\n");
	assert_true(s.close_after_reply);
	assert_false(s.authenticated);
	assert_string_equal(s.user->name, "default");
	command_box_expect(b, "ACL DELUSER default",
			   "-ERR The 'default' user cannot be removed\r\n");
	session_deinit(&s);
}

static void who_listens_to_what_it_may_no_more_is_let_go(void **state)
{
	struct command_box *b = *state;
	struct session s[3];

	command_box_expect(b, "ACL SETUSER bob on nopass +@all allchannels", "+OK\r\n");
	for (size_t i = 0; i < 3; i++) {
		static const char *const lines[] = {"SUBSCRIBE news", "PSUBSCRIBE n*",
						    "SSUBSCRIBE x"};

		log_in(b, &s[i], "AUTH bob x");
		(void)command_box_line_as(b, &s[i], lines[i]);
	}
	command_box_expect(b, "ACL SETUSER bob resetchannels &news &n*", "+OK\r\n");
	assert_false(s[0].close_after_reply);
	assert_false(s[1].close_after_reply);
	assert_true(s[2].close_after_reply);
	/* A pattern is allowed by itself alone, not by one that covers it. */
	command_box_expect(b, "ACL SETUSER bob resetchannels &ne* &x", "+OK\r\n");
	assert_false(s[0].close_after_reply);
	assert_true(s[1].close_after_reply);
	for (size_t i = 0; i < 3; i++) {
		session_deinit(&s[i]);
	}
}

static void the_default_user_decides_who_needs_no_password(void **state)
{
	static const struct box_case cases[] = {
	    {"AUTH x", "-ERR AUTH <password> called without any password configured for the "
		       "default user. Are you sure your configuration is correct?\r\n"},
	    {"ACL SETUSER default >pw", "+OK\r\n"},
	    {"PING", "+PONG\r\n"}, /* came before */
	    {"RESET", "+RESET\r\n"},
	    {"PING", "-NOAUTH Authentication required.\r\n"},
	    {"AUTH pw", "+OK\r\n"},
	    {"ACL SETUSER default off nopass", "+OK\r\n"},
	    {"PING", "+PONG\r\n"},
	    {"ACL SETUSER admin on >root +@all", "+OK\r\n"},
	    {"RESET", "+RESET\r\n"},
	    {"PING", "-NOAUTH Authentication required.\r\n"},
	    {"AUTH default x",
	     "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
	    {"AUTH admin root", "+OK\r\n"},
	    {"ACL WHOAMI", "$5\r\nadmin\r\n"},
	    {"ACL SETUSER default on", "+OK\r\n"},
	    {"RESET", "+RESET\r\n"},
	    {"PING", "+PONG\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void the_log_tells_what_was_denied(void **state)
{
	struct command_box *b = *state;
	struct session s;
	struct slice reply;

	command_box_expect(b, "ACL LOG", "*0\r\n");
	command_box_expect(b, "ACL SETUSER bob on nopass +get ~a", "+OK\r\n");
	log_in(b, &s, "AUTH bob x");
	for (int i = 0; i < 3; i++) {
		expect(b, &s, "GET b", NOPERM_KEY);
	}
	reply = command_box_line(b, "ACL LOG");
	assert_true(slice_has_prefix(
	    reply, slice_str("*1\r\n*20\r\n$5\r\ncount\r\n:3\r\n$6\r\nreason\r\n$3\r\nkey\r\n$7\r\n"
			     "context\r\n$8\r\ntoplevel\r\n$6\r\nobject\r\n$1\r\nb\r\n$8\r\n"
			     "username\r\n$3\r\nbob\r\n$11\r\nage-seconds\r\n")));
	expect(b, &s, "SET a x",
	       "-NOPERM User bob has no permissions to run the 'set' command\r\n");
	assert_true(slice_has_prefix(command_box_line(b, "ACL LOG 1"), slice_str("*1\r\n")));
	assert_true(slice_has_prefix(command_box_line(b, "ACL LOG 5"), slice_str("*2\r\n")));
	command_box_expect(b, "ACL LOG -1", "*0\r\n");
	command_box_expect(b, "ACL LOG RESET", "+OK\r\n");
	command_box_expect(b, "ACL LOG", "*0\r\n");
	session_deinit(&s);
}

static void setuser_does_all_or_nothing(void **state)
{
	static const struct box_case cases[] = {
	    {"ACL SETUSER bob on +get ~a nonsense",
	     "-ERR Error in ACL SETUSER modifier 'nonsense': Syntax error\r\n"},
	    {"ACL GETUSER bob", "$-1\r\n"},
	    {"ACL SETUSER bob on +get", "+OK\r\n"},
	    {"ACL SETUSER bob off +set (+del ~b (",
	     "-ERR Unmatched parenthesis in acl selector starting at '(+del'.\r\n"},
	    {"ACL SETUSER bob off +set +nosuch",
	     "-ERR Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in "
	     "ACL\r\n"},
	    {"ACL LIST", "*2\r\n$53\r\nuser bob on sanitize-payload resetchannels -@all +get"
			 "\r\n$51\r\nuser default on nopass sanitize-payload ~* &* +@all\r\n"},
	    {"ACL USERS", "*2\r\n$3\r\nbob\r\n$7\r\ndefault\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
	command_box_walk_memory(*state, "ACL SETUSER bob >x ~key* &c +@write (+get ~a)",
				"ACL LIST");
	command_box_walk_memory(*state, "ACL SETUSER fresh on >x ~key* +select|0", "ACL USERS");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(what_a_user_may_not_is_refused),
	    COMMAND_BOX_TEST(a_transaction_asks_when_it_is_queued_and_when_it_runs),
	    COMMAND_BOX_TEST(a_script_may_no_more_than_who_runs_it),
	    COMMAND_BOX_TEST(sort_by_and_get_ask_for_all_keys),
	    COMMAND_BOX_TEST(the_clients_of_a_deleted_user_are_let_go),
	    COMMAND_BOX_TEST(who_listens_to_what_it_may_no_more_is_let_go),
	    COMMAND_BOX_TEST(the_default_user_decides_who_needs_no_password),
	    COMMAND_BOX_TEST(the_log_tells_what_was_denied),
	    COMMAND_BOX_TEST(setuser_does_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
