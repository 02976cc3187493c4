/* MIGRATE against a target made of memory: what it is sent, what becomes of the keys whatever it
 * answers, and who waits meanwhile. */
#include "net/command/migrate_job.h"

#include "engine/types/type_string.h"
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { STEPS_MAX = 1000 };

/* The target. */
static struct {
	struct migrate_link link;
	bool open, refuses; /* refuses: open gives nothing */
	unsigned opened, fresh, kept, dropped;
	struct buf got; /* bytes of the present connection */
	unsigned due;	/* replies that are owed */
	bool answers;	/* owed replies come, OK each unless errors names its place */
	unsigned answered;
	const char *error; /* the reply number error_at of all */
	unsigned error_at;
	enum migrate_event failure;
	bool timed_out;
	unsigned failures; /* so often */
	size_t room;
} target;

static struct migrate_link *open_link(struct command_host *h, const char *host, int port,
				      bool fresh, uint64_t timeout_ms)
{
	(void)h;
	assert_string_equal(host, "there");
	assert_int_equal(port, 7000);
	assert_int_equal(timeout_ms, 1000);
	if (target.refuses) {
		return NULL;
	}
	assert_false(target.open);
	target.open = true;
	target.opened++;
	target.fresh += fresh;
	target.got.len = 0;
	target.due = 0;
	if (fresh || target.opened == 1) {
		target.link.db = -1;
	}
	return &target.link;
}

static size_t room(struct migrate_link *l)
{
	(void)l;
	return target.room;
}

static enum status send_bytes(struct migrate_link *l, struct slice bytes, unsigned replies)
{
	(void)l;
	assert_true(target.open);
	target.due += replies;
	return buf_append(&target.got, bytes.data, bytes.len);
}

static enum migrate_event next(struct migrate_link *l, struct buf *line, bool *timed_out)
{
	(void)l;
	line->len = 0;
	if (target.failures > 0) {
		target.failures--;
		*timed_out = target.timed_out;
		return target.failure;
	}
	if (!target.answers || target.due == 0) {
		return MIGRATE_NOTHING;
	}
	target.due--;
	target.answered++;
	if (target.error != NULL && target.answered == target.error_at) {
		assert_int_equal(buf_append(line, target.error, strlen(target.error)), ST_OK);
	} else {
		assert_int_equal(buf_append(line, "+OK", 3), ST_OK);
	}
	return MIGRATE_REPLY;
}

static void close_link(struct command_host *h, struct migrate_link *l, bool keep)
{
	(void)h;
	(void)l;
	assert_true(target.open);
	target.open = false;
	target.kept += keep;
	target.dropped += !keep;
}

static const struct migrate_link_ops target_ops = {
    .open = open_link, .room = room, .send = send_bytes, .next = next, .close = close_link};

/* A box whose host has that target, and a second client. */
struct box {
	struct command_box box;
	struct command_host_ops ops;
	struct session other;
};

static int setup(void **state)
{
	struct box *b = calloc(1, sizeof *b);

	assert_non_null(b);
	command_box_open(&b->box, 9);
	b->ops = *b->box.host.ops;
	b->ops.migrate = &target_ops;
	b->box.host.ops = &b->ops;
	session_init(&b->other, 2, b->box.engine.now_ms);
	b->other.authenticated = true;
	buf_deinit(&target.got);
	memset(&target, 0, sizeof target);
	target.answers = true;
	target.room = SIZE_MAX;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct box *b = *state;

	session_deinit(&b->other);
	command_box_close(&b->box);
	buf_deinit(&target.got);
	free(b);
	return 0;
}

/* Runs a line once. The reply, if there is one, is in b->box.out. */
static enum dispatch_result once(struct box *b, struct session *s, const char *line)
{
	struct slice argv[32];
	size_t argc = 0;
	enum dispatch_result r;

	for (const char *p = line; *p != 0; p += *p == ' ') {
		size_t n = strcspn(p, " ");

		argv[argc++] = n == 2 && p[0] == '\'' ? slice_of("", 0) : slice_of(p, n);
		p += n;
	}
	b->box.out.len = 0;
	r = dispatch_request(b->box.dispatch, s, argv, argc, &b->box.out, b->box.engine.now_ms,
			     true);
	(void)engine_turn_end(b->box.engine.e);
	return r;
}

static void expect_out(struct box *b, const char *want)
{
	if (!slice_eq(buf_slice(&b->box.out), slice_str(want))) {
		fail_msg("wanted %s got %.*s", want, (int)b->box.out.len,
			 (const char *)b->box.out.data);
	}
}

static void finish(struct box *b, const char *line, const char *want)
{
	enum dispatch_result r = DISPATCH_LATER;

	for (int n = 0; r == DISPATCH_LATER && n < STEPS_MAX; n++) {
		r = once(b, &b->box.session, line);
	}
	assert_int_equal(r, DISPATCH_DONE);
	expect_out(b, want);
	assert_null(b->box.session.migration);
	assert_false(target.open);
}

static void run_steps(struct box *b, const char *line, int steps)
{
	for (int n = 0; n < steps; n++) {
		assert_int_equal(once(b, &b->box.session, line), DISPATCH_LATER);
	}
}

static bool got(const char *text)
{
	return memmem(target.got.data, target.got.len, text, strlen(text)) != NULL;
}

#define ONE "MIGRATE there 7000 k 0 1000"

static void a_key_is_sent_and_deleted(void **state)
{
	struct box *b = *state;
	static const char request[] =
	    "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
	    "*4\r\n$7\r\nRESTORE\r\n$1\r\nk\r\n$1\r\n0\r\n"
	    "$14\r\n\x00\x02v1\x0a\x00\x5f\xe5\xb0\x5e\xcb\x50\x79\x5b\r\n";

	command_box_expect(&b->box, "SET k v1", "+OK\r\n");
	finish(b, ONE, "+OK\r\n");
	assert_true(slice_eq(buf_slice(&target.got), slice_of(request, sizeof request - 1)));
	command_box_expect(&b->box, "EXISTS k", ":0\r\n");
	assert_int_equal(target.kept, 1);
	/* The connection is used again, its database known. */
	command_box_expect(&b->box, "SET k v1 PX 5000", "+OK\r\n");
	finish(b, "MIGRATE there 7000 k 0 1000 COPY REPLACE AUTH2 me secret", "+OK\r\n");
	assert_true(got("*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$6\r\nsecret\r\n*5\r\n"));
	assert_true(got("$4\r\n5000\r\n"));
	assert_true(got("$7\r\nREPLACE\r\n"));
	assert_false(got("SELECT"));
	command_box_expect(&b->box, "EXISTS k", ":1\r\n");
}

static void many_keys_go_in_one_record(void **state)
{
	struct box *b = *state;
	struct engine_stats before, after;

	command_box_expect(&b->box, "MSET a 1 b 2 c 3", "+OK\r\n");
	engine_stats(b->box.engine.e, &before);
	finish(b, "MIGRATE there 7000 '' 0 1000 KEYS a b nosuch c a", "+OK\r\n");
	engine_stats(b->box.engine.e, &after);
	assert_int_equal(after.last_lsn, before.last_lsn + 1);
	command_box_expect(&b->box, "DBSIZE", ":0\r\n");
	assert_int_equal(target.answered, 4);
}

static void arguments_are_checked_as_in_redis(void **state)
{
	static const struct box_case cases[] = {
	    {"MIGRATE there 7000 nokey 0 1000", "+NOKEY\r\n"},
	    {"MIGRATE there 7000 '' 0 1000 KEYS", "+NOKEY\r\n"},
	    {"MIGRATE there 7000 k x 1000", "-ERR value is not an integer or out of range\r\n"},
	    {"MIGRATE there 7000 k 0 x", "-ERR value is not an integer or out of range\r\n"},
	    {"MIGRATE there 7000 k 0 1000 BAD", "-ERR syntax error\r\n"},
	    {"MIGRATE there 7000 k 0 1000 AUTH", "-ERR syntax error\r\n"},
	    {"MIGRATE there 7000 k 0 1000 AUTH2 me", "-ERR syntax error\r\n"},
	    {"MIGRATE there 7000 k 0 1000 KEYS k",
	     "-ERR When using MIGRATE KEYS option, the key argument must be set to the empty "
	     "string\r\n"},
	};
	struct box *b = *state;

	COMMAND_BOX_CHECK(&b->box, cases);
	assert_int_equal(target.opened, 0);
	command_box_expect(&b->box, "SET k v", "+OK\r\n");
	target.refuses = true;
	finish(b, ONE, "-IOERR error or timeout connecting to the client\r\n");
	command_box_expect(&b->box, "MULTI", "+OK\r\n");
	command_box_expect(&b->box, ONE, "+QUEUED\r\n");
	command_box_expect(&b->box, "EXEC",
			   "*1\r\n-ERR MIGRATE is not possible inside MULTI: a transaction can't "
			   "wait for another node\r\n");
}

static void what_the_target_refuses_stays(void **state)
{
	struct box *b = *state;

	command_box_expect(&b->box, "MSET a 1 b 2 c 3", "+OK\r\n");
	target.error = "-BUSYKEY Target key name already exists.";
	target.error_at = 3; /* SELECT, a, b */
	finish(b, "MIGRATE there 7000 '' 0 1000 KEYS a b c",
	       "-ERR Target instance replied with error: BUSYKEY Target key name already "
	       "exists.\r\n");
	command_box_expect(&b->box, "EXISTS a", ":0\r\n");
	command_box_expect(&b->box, "EXISTS b", ":1\r\n");
	command_box_expect(&b->box, "EXISTS c", ":0\r\n");
	/* Without a login nothing that follows counts. */
	target.error = "-WRONGPASS no";
	target.error_at = target.answered + 1;
	finish(b, "MIGRATE there 7000 b 0 1000 AUTH x",
	       "-ERR Target instance replied with error: WRONGPASS no\r\n");
	command_box_expect(&b->box, "EXISTS b", ":1\r\n");
}

static void a_broken_connection_is_tried_once_more(void **state)
{
	struct box *b = *state;

	command_box_expect(&b->box, "SET k v1", "+OK\r\n");
	target.failures = 1;
	target.failure = MIGRATE_FAILED_WRITE;
	finish(b, ONE, "+OK\r\n");
	assert_int_equal(target.fresh, 1);
	command_box_expect(&b->box, "SET k v1", "+OK\r\n");
	target.failures = 2;
	finish(b, ONE, "-IOERR error or timeout writing to target instance\r\n");
	assert_int_equal(target.fresh, 2);
	target.failures = 1;
	target.failure = MIGRATE_FAILED_READ;
	target.timed_out = true;
	finish(b, ONE, "-IOERR error or timeout reading to target instance\r\n");
	target.failures = 1;
	target.failure = MIGRATE_FAILED_CONNECT;
	finish(b, ONE, "-IOERR error or timeout connecting to the client\r\n");
	assert_int_equal(target.fresh, 2);
	command_box_expect(&b->box, "EXISTS k", ":1\r\n");
}

static void what_was_acknowledged_before_a_failure_is_deleted(void **state)
{
	struct box *b = *state;
	static const char line[] = "MIGRATE there 7000 '' 0 1000 KEYS a b";

	command_box_expect(&b->box, "MSET a 1 b 2", "+OK\r\n");
	target.answers = false;
	run_steps(b, line, 5);
	assert_int_equal(target.due, 3);
	target.answers = true;
	target.due = 2; /* SELECT's and a's */
	run_steps(b, line, 1);
	target.failures = 1;
	target.failure = MIGRATE_FAILED_READ;
	finish(b, line, "-IOERR error or timeout reading to target instance\r\n");
	command_box_expect(&b->box, "EXISTS a", ":0\r\n");
	command_box_expect(&b->box, "EXISTS b", ":1\r\n");
	assert_int_equal(target.opened, 1);
}

static void others_may_read_but_not_write(void **state)
{
	struct box *b = *state;
	struct command_box *box = &b->box;

	command_box_expect(box, "MSET k v1 n 1", "+OK\r\n");
	target.answers = false;
	run_steps(b, ONE, 5);
	assert_int_equal(once(b, &b->other, "GET k"), DISPATCH_DONE);
	expect_out(b, "$2\r\nv1\r\n");
	assert_int_equal(once(b, &b->other, "SET n 2"), DISPATCH_DONE);
	assert_int_equal(once(b, &b->other, "SET k v2"), DISPATCH_LATER);
	assert_int_equal(once(b, &b->other, "MSET n 1 k 1"), DISPATCH_LATER);
	assert_int_equal(once(b, &b->other, "RENAME n k"), DISPATCH_LATER);
	assert_int_equal(once(b, &b->other, "LMPOP 1 k LEFT"), DISPATCH_LATER);
	assert_int_equal(once(b, &b->other, ONE), DISPATCH_LATER);
	assert_int_equal(once(b, &b->other, "MULTI"), DISPATCH_DONE);
	assert_int_equal(once(b, &b->other, "APPEND k x"), DISPATCH_DONE); /* queued */
	assert_int_equal(once(b, &b->other, "EXEC"), DISPATCH_LATER);
	target.answers = true;
	finish(b, ONE, "+OK\r\n");
	assert_int_equal(once(b, &b->other, "EXEC"), DISPATCH_DONE);
	expect_out(b, "*1\r\n:1\r\n");
}

static void a_client_that_goes_lets_its_keys_go(void **state)
{
	struct box *b = *state;

	command_box_expect(&b->box, "SET k v1", "+OK\r\n");
	target.answers = false;
	assert_int_equal(once(b, &b->other, ONE), DISPATCH_LATER);
	assert_int_equal(once(b, &b->other, ONE), DISPATCH_LATER);
	assert_int_equal(once(b, &b->box.session, "SET k v2"), DISPATCH_LATER);
	session_deinit(&b->other);
	assert_int_equal(target.dropped, 1);
	assert_int_equal(once(b, &b->box.session, "SET k v2"), DISPATCH_DONE);
	session_init(&b->other, 3, b->box.engine.now_ms);
}

static void what_is_gone_meanwhile_is_left_alone(void **state)
{
	struct box *b = *state;

	command_box_expect(&b->box, "SET k v1", "+OK\r\n");
	target.answers = false;
	run_steps(b, ONE, 5);
	assert_int_equal(once(b, &b->other, "FLUSHALL"), DISPATCH_DONE);
	assert_int_equal(once(b, &b->other, "SET other 1"), DISPATCH_DONE);
	target.answers = true;
	finish(b, ONE, "+OK\r\n");
	command_box_expect(&b->box, "DBSIZE", ":1\r\n");
}

/* Past the commands' guard, as nothing should. */
static void change(struct box *b, const char *value)
{
	struct store_key key;

	store_key_of_key(&key, slice_str("k"));
	engine_box_begin(&b->box.engine);
	assert_int_equal(string_set(b->box.engine.e, &key, slice_str(value), 0, 0), ST_OK);
	engine_box_commit(&b->box.engine);
}

static void what_is_changed_all_the_same_is_sent_again(void **state)
{
	struct box *b = *state;

	command_box_expect(&b->box, "SET k v1", "+OK\r\n");
	target.answers = false;
	run_steps(b, ONE, 5);
	change(b, "changed");
	target.answers = true;
	finish(b, ONE, "+OK\r\n");
	assert_true(got("changed"));
	assert_true(got("$7\r\nREPLACE\r\n"));
	assert_int_equal(target.answered, 3);
	command_box_expect(&b->box, "EXISTS k", ":0\r\n");
}

static void a_change_amid_a_payload_costs_the_connection(void **state)
{
	struct box *b = *state;

	command_box_expect(&b->box, "SETRANGE k 1000000 end", ":1000003\r\n");
	run_steps(b, ONE, 2);
	assert_true(target.got.len > 1000);
	change(b, "small");
	finish(b, ONE, "+OK\r\n");
	assert_int_equal(target.opened, 2);
	assert_int_equal(target.fresh, 1);
	assert_true(got("small"));
	assert_false(got("REPLACE"));
	command_box_expect(&b->box, "EXISTS k", ":0\r\n");
}

static void large_values_go_in_pieces_as_there_is_room(void **state)
{
	struct box *b = *state;
	size_t before;
	char line[64];

	for (int i = 0; i < 20000; i++) {
		(void)snprintf(line, sizeof line, "RPUSH k element-number-%d", i);
		(void)command_box_line(&b->box, line);
	}
	target.room = 0;
	run_steps(b, ONE, 20);
	assert_true(target.got.len < 100);
	target.room = SIZE_MAX;
	run_steps(b, ONE, 1);
	before = target.got.len;
	assert_true(before > 100000 && before < 400000);
	finish(b, ONE, "+OK\r\n");
	assert_true(target.got.len > 400000);
	command_box_expect(&b->box, "EXISTS k", ":0\r\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_key_is_sent_and_deleted),
	    TEST(many_keys_go_in_one_record),
	    TEST(arguments_are_checked_as_in_redis),
	    TEST(what_the_target_refuses_stays),
	    TEST(a_broken_connection_is_tried_once_more),
	    TEST(what_was_acknowledged_before_a_failure_is_deleted),
	    TEST(others_may_read_but_not_write),
	    TEST(a_client_that_goes_lets_its_keys_go),
	    TEST(what_is_gone_meanwhile_is_left_alone),
	    TEST(what_is_changed_all_the_same_is_sent_again),
	    TEST(a_change_amid_a_payload_costs_the_connection),
	    TEST(large_values_go_in_pieces_as_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
