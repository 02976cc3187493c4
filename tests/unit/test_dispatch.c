/* The way of a request: errors before the run, MULTI, WATCH, rollback, reply modes, cold keys,
 * waiting, statistics. */
#include "engine/base/alloc.h"
#include "net/command/dispatch_state.h"
#include "tests/support/command_box.h"
#include "tests/support/page_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void what_cannot_run_is_refused_with_redis_words(void **state)
{
	static const struct box_case cases[] = {
	    {"NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"},
	    {"NOSUCH a b", "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' \r\n"},
	    {"get", "-ERR wrong number of arguments for 'get' command\r\n"},
	    {"GET a b", "-ERR wrong number of arguments for 'get' command\r\n"},
	    {"client", "-ERR wrong number of arguments for 'client' command\r\n"},
	    {"EXEC x", "-EXECABORT Transaction discarded because of: wrong number of arguments for "
		       "'exec' command\r\n"},
	    {"CLIENT FOO", "-ERR unknown subcommand 'FOO'. Try CLIENT HELP.\r\n"},
	    {"client setname", "-ERR wrong number of arguments for 'client|setname' command\r\n"},
	    {"DEBUG SLEEP 0",
	     "-ERR DEBUG command not allowed. If the enable-debug-command option is set to "
	     "\"local\", you can run it from a local connection, otherwise you need to set this "
	     "option in the configuration file, and then restart the server.\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void a_long_unknown_command_is_repeated_only_in_part(void **state)
{
	struct command_box *b = *state;
	static char name[5000];
	struct slice argv[20], reply;

	memset(name, 'x', sizeof name);
	for (size_t i = 0; i < 20; i++) {
		argv[i] = slice_of(name, sizeof name);
	}
	reply = command_box_run(b, argv, 20);
	assert_true(slice_has_prefix(reply, slice_str("-ERR unknown command 'xxx")));
	assert_true(reply.len < 400);
}

static void without_a_login_only_a_few_commands_run(void **state)
{
	struct command_box *b = *state;
	static const struct box_case before[] = {
	    {"GET a", "-NOAUTH Authentication required.\r\n"},
	    {"PING", "-NOAUTH Authentication required.\r\n"},
	    {"NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"},
	    {"AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
	    {"AUTH secre", "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
	    {"AUTH secretsecret",
	     "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
	    {"AUTH someone secret",
	     "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
	    {"AUTH default secret", "+OK\r\n"},
	    {"PING", "+PONG\r\n"},
	    {"RESET", "+RESET\r\n"},
	    {"PING", "-NOAUTH Authentication required.\r\n"},
	    {"AUTH secret", "+OK\r\n"},
	    {"PING", "+PONG\r\n"},
	};

	assert_int_equal(dispatch_set_password(b->dispatch, "secret"), ST_OK);
	b->session.authenticated = false;
	COMMAND_BOX_CHECK(b, before);
	b->session.authenticated = false;
	assert_true(slice_has_prefix(command_box_line(b, "HELLO 3"), slice_str("-NOAUTH HELLO")));
	assert_int_equal(b->session.proto, 2);
	assert_true(slice_has_prefix(command_box_line(b, "HELLO 3 AUTH default secret"),
				     slice_str("%7\r\n")));
	assert_int_equal(b->session.proto, 3);
}

static void a_transaction_runs_as_one(void **state)
{
	static const struct box_case cases[] = {
	    {"EXEC", "-ERR EXEC without MULTI\r\n"},
	    {"DISCARD", "-ERR DISCARD without MULTI\r\n"},
	    {"MULTI", "+OK\r\n"},
	    {"MULTI", "-ERR MULTI calls can not be nested\r\n"},
	    {"SET a 1", "+QUEUED\r\n"},
	    {"LPUSH a x", "+QUEUED\r\n"},
	    {"INCR a", "+QUEUED\r\n"},
	    {"EXEC", "*3\r\n+OK\r\n-WRONGTYPE Operation against a key holding the wrong kind of "
		     "value\r\n:2\r\n"},
	    {"GET a", "$1\r\n2\r\n"},
	    {"MULTI", "+OK\r\n"},
	    {"SET a 9", "+QUEUED\r\n"},
	    {"DISCARD", "+OK\r\n"},
	    {"GET a", "$1\r\n2\r\n"},
	    {"MULTI", "+OK\r\n"},
	    {"SET a 9", "+QUEUED\r\n"},
	    {"NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"},
	    {"SET a 10", "+QUEUED\r\n"},
	    {"EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n"},
	    {"GET a", "$1\r\n2\r\n"},
	    {"MULTI", "+OK\r\n"},
	    {"WATCH a", "-ERR WATCH inside MULTI is not allowed\r\n"},
	    {"SAVE", "-ERR Command not allowed inside a transaction\r\n"},
	    {"EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n"},
	    {"MULTI", "+OK\r\n"},
	    {"EXEC", "*0\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static void exec_with_failing_memory_does_everything_or_nothing(void **state)
{
	struct command_box *b = *state;
	static const char *const queue[] = {"MULTI", "SET a new", "RPUSH l 1 2 3", "HSET h f v"};

	assert_true(slice_eq(command_box_line(b, "SET a old"), slice_str("+OK\r\n")));
	for (int n = 0;; n++) {
		struct slice reply;

		for (size_t i = 0; i < sizeof queue / sizeof queue[0]; i++) {
			assert_int_equal(command_box_line(b, queue[i]).data[0], '+');
		}
		mem_fail_nth(n);
		reply = command_box_line(b, "EXEC");
		mem_fail_nth(-1);
		if (reply.data[0] == '*') {
			break;
		}
		assert_int_equal(reply.data[0], '-');
		assert_true(n < 1000);
		assert_true(slice_eq(command_box_line(b, "GET a"), slice_str("$3\r\nold\r\n")));
		assert_true(slice_eq(command_box_line(b, "EXISTS l h"), slice_str(":0\r\n")));
		assert_false(b->session.in_multi);
		b->session.close_after_reply = false;
	}
	assert_true(slice_eq(command_box_line(b, "GET a"), slice_str("$3\r\nnew\r\n")));
	assert_true(slice_eq(command_box_line(b, "EXISTS l h"), slice_str(":2\r\n")));
}

static void a_queue_beyond_its_limit_aborts_the_transaction(void **state)
{
	struct command_box *b = *state;
	static const struct box_case cases[] = {
	    {"MULTI", "+OK\r\n"},
	    {"SET a 1", "+QUEUED\r\n"},
	    {"SET a 12345678901234567890123456789012345678901234567890123456789012345678901234567",
	     "-ERR transaction is larger than client-query-buffer-limit\r\n"},
	    {"EXEC", "-EXECABORT Transaction discarded because of previous errors.\r\n"},
	    {"EXISTS a", ":0\r\n"},
	};

	(void)command_box_line(b, "PING"); /* reads the settings */
	b->dispatch->queue_bytes_max = 200;
	COMMAND_BOX_CHECK(b, cases);
	assert_int_equal(b->session.queue_bytes, 0);
}

/* Runs a command of words without spaces as another client. */
static void by_another(struct command_box *b, const char *line)
{
	struct session other;
	struct slice argv[8];
	size_t argc = 0;

	for (const char *p = line; *p != 0; p += *p == ' ') {
		size_t n = strcspn(p, " ");

		assert_true(argc < 8);
		argv[argc++] = slice_of(p, n);
		p += n;
	}
	session_init(&other, 2, b->engine.now_ms);
	b->out.len = 0;
	assert_int_equal(
	    dispatch_request(b->dispatch, &other, argv, argc, &b->out, b->engine.now_ms, false),
	    DISPATCH_DONE);
	assert_true(b->out.data[0] != '-');
	session_deinit(&other);
}

/* WATCH the key, let another client do something, and see whether EXEC still runs. */
static bool watch_survives(struct command_box *b, const char *before, const char *change,
			   uint64_t pass_ms)
{
	bool ran;

	assert_true(slice_eq(command_box_line(b, "FLUSHALL"), slice_str("+OK\r\n")));
	(void)command_box_line(b, before);
	assert_true(slice_eq(command_box_line(b, "WATCH k"), slice_str("+OK\r\n")));
	if (change != NULL) {
		by_another(b, change);
	}
	b->engine.now_ms += pass_ms;
	(void)engine_expire_cycle(b->engine.e, b->engine.now_ms, 100);
	assert_true(slice_eq(command_box_line(b, "MULTI"), slice_str("+OK\r\n")));
	(void)command_box_line(b, "PING");
	ran = slice_eq(command_box_line(b, "EXEC"), slice_str("*1\r\n+PONG\r\n"));
	assert_null(b->session.watches);
	return ran;
}

static void watch_breaks_on_changes_of_its_keys_alone(void **state)
{
	static const struct {
		const char *before, *change;
		uint64_t pass_ms;
		bool survives;
	} cases[] = {
	    {"SET k 1", NULL, 0, true},
	    {"SET k 1", "GET k", 0, true},
	    {"SET k 1", "SET other 2", 0, true},
	    {"SET k 1", "SET k 1", 0, false},
	    {"SET k 1", "DEL k", 0, false},
	    {"SET k 1", "APPEND k x", 0, false},
	    {"SET k 1", "EXPIRE k 100", 0, false},
	    {"SET k 1", "FLUSHALL", 0, false},
	    {"SET k 1", "RENAME k l", 0, false},
	    {"SET l 1", "RENAME l k", 0, false},
	    {"PING", "FLUSHALL", 0, true},
	    {"PING", "SET k 1", 0, false},
	    {"PING", "DEL k", 0, true},
	    {"HSET k a 1", "HSET k a 2", 0, false},
	    {"RPUSH k a", "LSET k 0 b", 0, false},
	    {"PING", "SET k 1 PXAT 1", 0, false},
	    {"SET k ab", "SETBIT k 1 1", 0, true},
	    {"SET k ab", "SETBIT k 0 1", 0, false},
	    {"SET k ab", "BITFIELD k SET u8 0 97", 0, true},
	    {"SET k ab", "BITFIELD k INCRBY i8 0 0", 0, true},
	    {"SET k ab", "BITFIELD k SET u8 0 98", 0, false},
	    {"SET k ab", "BITFIELD k SET u8 16 0", 0, false},
	    {"SET k 1 PXAT 1800000000000", "GETEX k PXAT 1800000000000", 0, false},
	    {"SET k 1", "GETEX k PERSIST", 0, true},
	    {"SET k 1", "GETEX k", 0, true},
	    {"SET k 1 PX 100", NULL, 50, true},
	    {"SET k 1 PX 100", NULL, 200, false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (watch_survives(*state, cases[i].before, cases[i].change, cases[i].pass_ms) !=
		    cases[i].survives) {
			print_error("case %zu: %s\n", i, cases[i].change);
			fail();
		}
	}
}

static void a_key_that_had_expired_when_watched_may_be_removed(void **state)
{
	struct command_box *b = *state;

	(void)command_box_line(b, "SET k 1 PX 100");
	b->engine.now_ms += 200;
	assert_true(slice_eq(command_box_line(b, "WATCH k"), slice_str("+OK\r\n")));
	(void)engine_expire_cycle(b->engine.e, b->engine.now_ms, 100);
	(void)command_box_line(b, "MULTI");
	assert_true(slice_eq(command_box_line(b, "EXEC"), slice_str("*0\r\n")));
}

static void unwatch_discard_and_exec_forget_the_watches(void **state)
{
	struct command_box *b = *state;

	(void)command_box_line(b, "WATCH k l");
	assert_int_equal(b->dispatch->watches.keys.count, 2);
	(void)command_box_line(b, "WATCH k");
	assert_int_equal(b->dispatch->watches.keys.count, 2);
	by_another(b, "SET k 1");
	(void)command_box_line(b, "UNWATCH");
	assert_int_equal(b->dispatch->watches.keys.count, 0);
	assert_false(b->session.watch_broken);
	(void)command_box_line(b, "WATCH k");
	(void)command_box_line(b, "MULTI");
	(void)command_box_line(b, "DISCARD");
	assert_int_equal(b->dispatch->watches.keys.count, 0);
}

static void replies_are_left_out_when_the_client_says_so(void **state)
{
	static const struct box_case cases[] = {
	    {"CLIENT REPLY SKIP", ""},
	    {"PING", ""},
	    {"PING", "+PONG\r\n"},
	    {"CLIENT REPLY OFF", ""},
	    {"PING", ""},
	    {"SET a 1", ""},
	    {"CLIENT REPLY SKIP", ""},
	    {"NOSUCH", ""},
	    {"CLIENT REPLY ON", "+OK\r\n"},
	    {"GET a", "$1\r\n1\r\n"},
	    /* Within a transaction they stop and go on where they are told to. */
	    {"MULTI", "+OK\r\n"},
	    {"GET a", "+QUEUED\r\n"},
	    {"CLIENT REPLY OFF", "+QUEUED\r\n"},
	    {"INCR a", "+QUEUED\r\n"},
	    {"EXEC", "*3\r\n$1\r\n1\r\n"},
	    {"MULTI", ""},
	    {"INCR a", ""},
	    {"CLIENT REPLY ON", ""},
	    {"GET a", ""},
	    {"EXEC", "+OK\r\n$1\r\n3\r\n"},
	    {"CLIENT REPLY OFF", ""},
	    {"RESET", "+RESET\r\n"},
	    {"CLIENT REPLY SKIP", ""},
	    {"RESET", ""},
	    {"PING", "+PONG\r\n"},
	};

	COMMAND_BOX_CHECK(*state, cases);
}

static enum dispatch_result try(struct command_box *b, const char *const *words, size_t n)
{
	struct slice argv[8];

	for (size_t i = 0; i < n; i++) {
		argv[i] = slice_str(words[i]);
	}
	b->out.len = 0;
	return dispatch_request(b->dispatch, &b->session, argv, n, &b->out, b->engine.now_ms, true);
}

static void waiting_commands_answer_when_their_time_has_come(void **state)
{
	struct command_box *b = *state;
	const char *wait[] = {"WAIT", "1", "600000"};
	const char *save[] = {"SAVE"};
	int turns = 0;

	assert_int_equal(try(b, wait, 3), DISPATCH_LATER);
	assert_int_equal(b->out.len, 0);
	assert_false(b->session.wait.announced); /* an ack may just have come unannounced */
	/* Whatever the wall clock does meanwhile. */
	b->engine.now_ms += 3600000;
	b->skip_us += 300000000;
	assert_int_equal(try(b, wait, 3), DISPATCH_LATER);
	assert_true(b->session.wait.announced);
	b->skip_us += 300000000;
	assert_int_equal(try(b, wait, 3), DISPATCH_DONE);
	assert_true(slice_eq(buf_slice(&b->out), slice_str(":0\r\n")));
	assert_false(b->session.wait.active);
	assert_false(b->session.wait.announced);

	(void)command_box_line(b, "SET a 1");
	while (try(b, save, 1) == DISPATCH_LATER) {
		(void)engine_turn_end(b->engine.e);
		assert_true(++turns < 10000000);
	}
	assert_true(slice_eq(buf_slice(&b->out), slice_str("+OK\r\n")));
	assert_true(turns > 0);
	(void)command_box_line(b, "SET a 2");
	assert_true(slice_eq(command_box_line(b, "BGREWRITEAOF"),
			     slice_str("+Background append only file rewriting started\r\n")));
	assert_true(
	    slice_eq(command_box_line(b, "BGSAVE"), slice_str("+Background saving scheduled\r\n")));
	/* In a transaction nothing waits. */
	(void)command_box_line(b, "MULTI");
	(void)command_box_line(b, "WAIT 1 0");
	assert_true(slice_eq(command_box_line(b, "EXEC"), slice_str("*1\r\n:0\r\n")));
}

static void a_reply_waits_for_what_it_wrote_or_saw(void **state)
{
	struct command_box *b = *state;
	uint64_t lsn;

	(void)command_box_line(b, "PING");
	assert_int_equal(b->session.gate_lsn, 0);
	(void)command_box_line(b, "SET a 1");
	lsn = b->session.gate_lsn;
	assert_true(lsn > 0);
	b->session.gate_lsn = 0;
	(void)command_box_line(b, "PING");
	assert_int_equal(b->session.gate_lsn, 0);
	(void)command_box_line(b, "GET a");
	assert_int_equal(b->session.gate_lsn, lsn);
	/* Also an error tells something of the value. */
	b->session.gate_lsn = 0;
	(void)command_box_line(b, "LPUSH a x");
	assert_int_equal(b->session.gate_lsn, lsn);
}

static void commands_and_errors_are_counted(void **state)
{
	struct command_box *b = *state;
	const struct command_table *t = &b->dispatch->table;
	const struct command_record *get =
	    &b->dispatch->stats.records[command_table_find(t, slice_str("get"))->index];

	(void)command_box_line(b, "GET a");
	(void)command_box_line(b, "LPUSH l x");
	(void)command_box_line(b, "GET l");
	(void)command_box_line(b, "GET");
	(void)command_box_line(b, "NOSUCH");
	assert_int_equal(get->calls, 2);
	assert_int_equal(get->failed, 1);
	assert_int_equal(get->rejected, 1);
	assert_int_equal(get->timed, 2);
	assert_int_equal(b->host.stats.error_replies, 3);
	assert_int_equal(b->dispatch->stats.errors_len, 2);
	assert_string_equal(b->dispatch->stats.errors[0].code, "WRONGTYPE");
	assert_string_equal(b->dispatch->stats.errors[1].code, "ERR");
	assert_int_equal(b->dispatch->stats.errors[1].count, 2);
	assert_int_equal(b->host.stats.keyspace_misses, 1);
	/* One word is no code, as in Redis. */
	(void)command_box_line(b, "EVAL return{err='alone'} 0");
	assert_int_equal(b->dispatch->stats.errors_len, 2);
	assert_int_equal(b->dispatch->stats.errors[1].count, 3);
	dispatch_stats_reset(b->dispatch);
	assert_int_equal(get->calls, 0);
	assert_int_equal(b->dispatch->stats.errors_len, 0);
}

static void a_request_that_may_write_is_known_beforehand(void **state)
{
	struct command_box *b = *state;
	const struct slice get[] = {slice_str("get"), slice_str("a")};
	const struct slice set[] = {slice_str("SET"), slice_str("a"), slice_str("1")};
	const struct slice exec[] = {slice_str("exec")};
	const struct slice nosuch[] = {slice_str("nosuch")};

	assert_false(dispatch_may_write(b->dispatch, &b->session, get, 2));
	assert_true(dispatch_may_write(b->dispatch, &b->session, set, 3));
	assert_false(dispatch_may_write(b->dispatch, &b->session, nosuch, 1));
	(void)command_box_line(b, "MULTI");
	(void)command_box_line(b, "GET a");
	assert_false(dispatch_may_write(b->dispatch, &b->session, exec, 1));
	(void)command_box_line(b, "SET a 1");
	assert_true(dispatch_may_write(b->dispatch, &b->session, exec, 1));
	(void)command_box_line(b, "DISCARD");
	assert_false(dispatch_may_write(b->dispatch, &b->session, exec, 1));
}

enum { FILLERS = 3000, FILLER_LEN = 8000 };

/* Restarts with a data file most of which is not in the page cache. False: it stays there. */
static bool restart_cold(struct command_box *b)
{
	static char line[FILLER_LEN + 32];
	char path[128];
	struct stat st;

	memset(line, 'v', sizeof line - 1);
	for (int i = 0; i < FILLERS; i++) {
		line[snprintf(line, 32, "SET filler:%d ", i)] = 'v';
		(void)command_box_line(b, line);
		(void)engine_turn_end(b->engine.e);
	}
	engine_box_checkpoint(&b->engine);
	(void)snprintf(path, sizeof path, "%s/keyspace.mdb", b->engine.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size + ((off_t)64 << 20)), 0);
	command_box_restart(b);
	return page_cache_drop(path);
}

/* What dispatch says to a request of words without spaces that may wait. */
static enum dispatch_result may_wait(struct command_box *b, const char *line)
{
	struct slice argv[8];
	size_t argc = 0;

	for (const char *p = line; *p != 0; p += *p == ' ') {
		size_t n = strcspn(p, " ");

		assert_true(argc < 8);
		argv[argc++] = slice_of(p, n);
		p += n;
	}
	return dispatch_request(b->dispatch, &b->session, argv, argc, &b->out, b->engine.now_ms,
				true);
}

static void only_what_looks_at_a_cold_key_has_it_prefetched(void **state)
{
	static char long_name[800], long_value[20000];
	struct command_box *b = *state;
	char line[sizeof long_name + sizeof long_value + 16];
	size_t count;

	(void)command_box_line(b, "SET a 1");
	/* What the start has mapped, and what lies around it, stays. */
	for (int i = 0; i < 10 && may_wait(b, "GET a") != DISPATCH_COLD; i++) {
		if (!restart_cold(b)) {
			skip();
		}
	}
	memset(long_name, 'n', sizeof long_name - 1);
	memset(long_value, 'v', sizeof long_value - 1);
	assert_int_equal(may_wait(b, "GET a"), DISPATCH_COLD);
	(void)dispatch_cold_keys(b->dispatch, &count);
	assert_int_equal(count, 1);
	assert_int_equal(may_wait(b, "SET a 2 XX"), DISPATCH_COLD);
	assert_int_equal(may_wait(b, "SETNX a 2"), DISPATCH_COLD);
	/* A cut name is compared, a long value replaces chunks. */
	(void)snprintf(line, sizeof line, "SET %s 1", long_name);
	assert_int_equal(may_wait(b, line), DISPATCH_COLD);
	(void)snprintf(line, sizeof line, "SET a %s", long_value);
	assert_int_equal(may_wait(b, line), DISPATCH_COLD);
	assert_int_equal(may_wait(b, "SET b 1"), DISPATCH_DONE);
	assert_int_equal(may_wait(b, "MSET c 1 d 2"), DISPATCH_DONE);
	assert_int_equal(may_wait(b, "SETEX e 100 1"), DISPATCH_DONE);
	/* What was written is in memory now. */
	assert_int_equal(may_wait(b, "GET b"), DISPATCH_DONE);
}

/* Keys that a number counts, or that options name, are fetched like others; not an argument that
 * looks like one. */
static void keys_of_every_form_are_prefetched(void **state)
{
	static const struct {
		const char *line;
		size_t keys;
	} cases[] = {
	    {"SINTERCARD 2 x y", 2},   {"LMPOP 3 x y x LEFT", 3},    {"BLMPOP 0 2 x y LEFT", 2},
	    {"ZMPOP 2 x y MIN", 2},    {"ZUNION 1 x WITHSCORES", 1}, {"ZUNIONSTORE d 2 x y", 3},
	    {"ZINTERCARD 2 x y", 2},   {"XREAD STREAMS x y 0 0", 2}, {"EVAL return 2 x y z", 2},
	    {"FCALL nosuch 1 x y", 1}, {"SORT x STORE d", 2},	     {"SORT_RO x", 1},
	    {"SINTERCARD 2 x", 0},     {"LMPOP nonsense x LEFT", 0}, {"ZUNION 99999999999999 x", 0},
	};
	struct command_box *b = *state;
	size_t count;

	if (!restart_cold(b)) {
		skip();
	}
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(may_wait(b, cases[i].line),
				 cases[i].keys > 0 ? DISPATCH_COLD : DISPATCH_DONE);
		(void)dispatch_cold_keys(b->dispatch, &count);
		if (count != cases[i].keys) {
			print_error("%s: %zu keys\n", cases[i].line, count);
		}
		assert_int_equal(count, cases[i].keys);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) COMMAND_BOX_TEST(name)
	    TEST(what_cannot_run_is_refused_with_redis_words),
	    TEST(a_long_unknown_command_is_repeated_only_in_part),
	    TEST(without_a_login_only_a_few_commands_run),
	    TEST(a_transaction_runs_as_one),
	    TEST(exec_with_failing_memory_does_everything_or_nothing),
	    TEST(a_queue_beyond_its_limit_aborts_the_transaction),
	    TEST(watch_breaks_on_changes_of_its_keys_alone),
	    TEST(a_key_that_had_expired_when_watched_may_be_removed),
	    TEST(unwatch_discard_and_exec_forget_the_watches),
	    TEST(replies_are_left_out_when_the_client_says_so),
	    TEST(waiting_commands_answer_when_their_time_has_come),
	    TEST(a_reply_waits_for_what_it_wrote_or_saw),
	    TEST(commands_and_errors_are_counted),
	    TEST(a_request_that_may_write_is_known_beforehand),
	    TEST(only_what_looks_at_a_cold_key_has_it_prefetched),
	    COMMAND_BOX_TEST(keys_of_every_form_are_prefetched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
