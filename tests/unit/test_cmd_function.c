/* FUNCTION and FCALL within one process: what is kept and logged, what is undone, what may not be
 * done, payloads that are no payloads, and memory that runs out anywhere. Replies in general are
 * compared with redis-server's by the differential test. */
#include "tests/support/command_box.h"

#include "engine/base/alloc.h"
#include "engine/engine_library.h"
#include "net/command/dispatch_state.h"
#include "net/command/script_run.h"
#include "net/proto/rdb_library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define LIB(name, code) "#!lua name=" name "\n" code
#define ONE(function, body)                                                                        \
	"redis.register_function('" function "', function(keys, args) " body " end) "
#define FLAGGED(function, body, flags)                                                             \
	"redis.register_function{function_name='" function "', flags={" flags "}, callback="       \
	"function(keys, args) " body " end} "

/* Up to four words and a last argument of any bytes; the reply is valid until the next command. */
static const char *run_with(struct command_box *b, const char *words, struct slice last)
{
	struct slice argv[5];
	char copy[64], *save = NULL;
	size_t argc = 0;

	(void)snprintf(copy, sizeof copy, "%s", words);
	for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
		argv[argc++] = slice_str(w);
	}
	argv[argc++] = last;
	(void)command_box_run(b, argv, argc);
	assert_int_equal(buf_append(&b->out, "", 1), ST_OK);
	return (const char *)b->out.data;
}

static const char *load(struct command_box *b, const char *code)
{
	return run_with(b, "FUNCTION LOAD", slice_str(code));
}

static const char *reload(struct command_box *b, const char *code)
{
	return run_with(b, "FUNCTION LOAD REPLACE", slice_str(code));
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static struct script_stats stats_of(struct command_box *b)
{
	struct script_stats stats;

	dispatch_script_stats(b->dispatch, &stats);
	return stats;
}

static void a_library_is_one_record_and_survives(void **state)
{
	struct command_box *b = *state;
	uint64_t before = engine_last_lsn(b->engine.e);

	assert_string_equal(load(b, LIB("lib", ONE("f", "return {keys[1], args[1]}"))),
			    "$3\r\nlib\r\n");
	assert_int_equal(engine_last_lsn(b->engine.e), before + 1);
	command_box_expect(b, "FCALL f 1 k a", "*2\r\n$1\r\nk\r\n$1\r\na\r\n");
	command_box_expect(b, "FCALL F 1 k a", "*2\r\n$1\r\nk\r\n$1\r\na\r\n");
	command_box_restart(b);
	command_box_expect(b, "FCALL f 1 k a", "*2\r\n$1\r\nk\r\n$1\r\na\r\n");
	engine_box_checkpoint(&b->engine);
	command_box_expect(b, "FLUSHALL", "+OK\r\n");
	command_box_restart(b);
	command_box_expect(b, "FCALL f 1 k a", "*2\r\n$1\r\nk\r\n$1\r\na\r\n");
	assert_int_equal(stats_of(b).libraries, 1);
	assert_int_equal(stats_of(b).functions, 1);
	assert_true(stats_of(b).functions_state > 10000);
	command_box_expect(b, "FUNCTION DELETE lib", "+OK\r\n");
	command_box_restart(b);
	command_box_expect(b, "FCALL f 0", "-ERR Function not found\r\n");
	assert_int_equal(stats_of(b).functions, 0);
}

static void what_a_function_writes_is_one_record(void **state)
{
	struct command_box *b = *state;
	uint64_t before;

	(void)load(b, LIB("lib", ONE("f", "for i=1,50 do redis.call('set','k'..i,i) end")));
	before = engine_last_lsn(b->engine.e);
	command_box_expect(b, "FCALL f 0", "$-1\r\n");
	assert_int_equal(engine_last_lsn(b->engine.e), before + 1);
	command_box_expect(b, "GET k50", "$2\r\n50\r\n");
}

static void a_library_keeps_its_own_variables(void **state)
{
	struct command_box *b = *state;

	(void)load(b, LIB("lib", "local n = 0 " ONE("f", "n = n + 1 return n")));
	command_box_expect(b, "FCALL f 0", ":1\r\n");
	command_box_expect(b, "FCALL f 0", ":2\r\n");
	/* Other changes do not load it anew. */
	(void)load(b, LIB("other", ONE("g", "return 1")));
	command_box_expect(b, "FCALL f 0", ":3\r\n");
	command_box_expect(b, "FUNCTION DELETE other", "+OK\r\n");
	command_box_expect(b, "FCALL f 0", ":4\r\n");
	(void)reload(b, LIB("lib", "local n = 0 " ONE("f", "n = n + 1 return n")));
	command_box_expect(b, "FCALL f 0", ":1\r\n");
}

static void a_load_that_fails_changes_nothing(void **state)
{
	struct command_box *b = *state;
	uint64_t lsn;

	(void)load(b, LIB("lib", ONE("f", "return 1")));
	lsn = engine_last_lsn(b->engine.e);
	assert_string_equal(load(b, LIB("lib", ONE("g", "return 1"))),
			    "-ERR Library 'lib' already exists\r\n");
	assert_string_equal(load(b, LIB("other", ONE("F", "return 1"))),
			    "-ERR Function F already exists\r\n");
	assert_string_equal(load(b, LIB("other", ONE("g", "") ONE("G", ""))),
			    "-ERR Error registering functions: ERR Function already exists in the "
			    "library\r\n");
	assert_true(begins(reload(b, LIB("lib", "(")), "-ERR Error compiling function: "));
	assert_true(begins(reload(b, LIB("lib", "x = 1")), "-ERR Error registering functions: "));
	assert_string_equal(reload(b, LIB("lib", "")), "-ERR No functions registered\r\n");
	assert_true(begins(reload(b, LIB("lib", "while true do end")),
			   "-ERR Error registering functions: ERR FUNCTION LOAD timeout"));
	assert_int_equal(engine_last_lsn(b->engine.e), lsn);
	command_box_expect(b, "FCALL f 0", ":1\r\n");
	command_box_expect(b, "FCALL g 0", "-ERR Function not found\r\n");
}

/* The state in which libraries are loaded shows nothing but what loading needs. */
static void nothing_but_registering_is_there_while_loading(void **state)
{
	static const char *const tries[] = {
	    "redis.call('set','x','1')",
	    "redis.pcall('set','x','1')",
	    "redis.setresp(3)",
	    "math.random()",
	    "tostring(1)",
	    "local x = _G",
	    "setmetatable(redis, {})",
	    "redis.x = 1",
	    "x = 1",
	    "local r = redis.register_function r.x = 1",
	    "loadstring('return 1')()",
	    "error('x')",
	    "('x').y()",
	    "local x = KEYS",
	    "os.exit(1)",
	    "\x1bLuaQ",
	};
	struct command_box *b = *state;
	char code[256];

	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		const char *reply;

		(void)snprintf(code, sizeof code, LIB("lib", "%s\n") ONE("f", "return 1"),
			       tries[i]);
		reply = load(b, code);
		if (reply[0] != '-') {
			print_error("%s\n  %s", tries[i], reply);
			fail();
		}
	}
	/* And nothing of it stays. */
	(void)load(b, LIB("lib", "local s = redis.log " ONE("f", "return type(redis.call) .. "
								 "type(tostring) .. type(_G)")));
	command_box_expect(b, "FCALL f 0", "$21\r\nfunctionfunctiontable\r\n");
}

static void functions_can_not_change_what_others_see(void **state)
{
	static const char *const tries[] = {
	    "x=1",
	    "_G.x=1",
	    "rawset(_G,'x',1)",
	    "setmetatable(_G,{})",
	    "getmetatable(_G).__index=nil",
	    "rawset(getmetatable(_G),'__index',nil)",
	    "redis.call=print",
	    "rawset(redis,'call',nil)",
	    "table.insert(redis,1)",
	    "string.format=nil",
	    "getmetatable('').__index=nil",
	    "register('g', function() end)",
	    "loading.x=1",
	    "rawset(loading,'log',1)",
	    "setmetatable(loading,{})",
	    "return KEYS",
	    "return ARGV",
	    "return __redis__err__handler",
	    "return os",
	    "return debug",
	};
	struct command_box *b = *state;
	char code[512];

	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		struct slice reply;

		(void)snprintf(code, sizeof code,
			       LIB("lib", "local loading, register = redis, "
					  "redis.register_function\n") ONE("f", "%s"),
			       tries[i]);
		assert_string_equal(reload(b, code), "$3\r\nlib\r\n");
		reply = command_box_line(b, "FCALL f 0");
		if (reply.data[0] != '-') {
			print_error("%s\n  %.*s", tries[i], (int)reply.len,
				    (const char *)reply.data);
			fail();
		}
	}
	command_box_expect(b, "FCALL g 0", "-ERR Function not found\r\n");
}

static void flags_say_where_a_function_may_run(void **state)
{
	struct command_box *b = *state;

	(void)load(b, LIB("lib", ONE("w", "return redis.call('set','k','v')")
				     FLAGGED("r", "return redis.call('get','k')", "'no-writes'")
					 FLAGGED("s", "return 1", "'no-writes','allow-stale'")
					     FLAGGED("liar", "return redis.call('set','k','v')",
						     "'no-writes'")));
	command_box_expect(b, "FCALL w 0", "+OK\r\n");
	command_box_expect(b, "FCALL_RO r 0", "$1\r\nv\r\n");
	command_box_expect(b, "FCALL_RO w 0",
			   "-ERR Can not execute a script with write flag using *_ro command.\r\n");
	command_box_expect_error(b, "FCALL liar 0", "ERR Write commands are not allowed");
	b->host.is_replica = true;
	command_box_expect_error(b, "FCALL w 0", "READONLY");
	command_box_expect(b, "FCALL r 0", "$1\r\nv\r\n");
	command_box_expect_error(b, "FUNCTION DELETE lib", "READONLY");
	assert_true(begins(load(b, LIB("other", ONE("x", ""))), "-READONLY "));
	b->host.primary_down = true;
	command_box_expect_error(b, "FCALL r 0", "MASTERDOWN");
	command_box_expect(b, "FCALL s 0", ":1\r\n");
}

static void a_transaction_that_is_undone_takes_libraries_along(void **state)
{
	struct command_box *b = *state;

	(void)load(b, LIB("lib", ONE("f", "return 1")));
	engine_box_begin(&b->engine);
	assert_int_equal(engine_libraries_flush(b->engine.e), ST_OK);
	assert_int_equal(functions_sync(b->dispatch), ST_OK);
	assert_int_equal(stats_of(b).functions, 0);
	engine_box_rollback(&b->engine);
	command_box_expect(b, "FCALL f 0", ":1\r\n");
	/* And one that is not has them at once. */
	command_box_expect(b, "MULTI", "+OK\r\n");
	(void)reload(b, LIB("lib", ONE("f", "return 2")));
	command_box_expect(b, "FCALL f 0", "+QUEUED\r\n");
	command_box_expect(b, "FUNCTION FLUSH", "+QUEUED\r\n");
	command_box_expect(b, "FCALL f 0", "+QUEUED\r\n");
	command_box_expect(b, "EXEC",
			   "*4\r\n$3\r\nlib\r\n:2\r\n+OK\r\n-ERR Function not found\r\n");
}

static void what_can_not_be_loaded_is_kept(void **state)
{
	struct command_box *b = *state;

	(void)load(b, LIB("good", ONE("f", "return 1")));
	/* As another version's primary might log it. */
	engine_box_begin(&b->engine);
	assert_int_equal(
	    engine_library_put(b->engine.e, slice_str("bad"), slice_str(LIB("bad", "nonsense("))),
	    ST_OK);
	assert_int_equal(engine_library_put(b->engine.e, slice_str("clash"),
					    slice_str(LIB("clash", ONE("f", "return 2")))),
			 ST_OK);
	engine_box_commit(&b->engine);
	command_box_expect(b, "FCALL f 0", ":1\r\n");
	command_box_restart(b);
	assert_int_equal(stats_of(b).libraries, 3);
	command_box_expect(b, "FUNCTION LIST LIBRARYNAME b*",
			   "*1\r\n*6\r\n$12\r\nlibrary_name\r\n$3\r\nbad\r\n$6\r\nengine\r\n$3\r\n"
			   "LUA\r\n$9\r\nfunctions\r\n*0\r\n");
	command_box_expect(b, "FUNCTION DELETE bad", "+OK\r\n");
	assert_string_equal(reload(b, LIB("clash", ONE("g", "return 2"))), "$5\r\nclash\r\n");
	command_box_expect(b, "FCALL g 0", ":2\r\n");
}

/* --- payloads --- */

/* The payload of FUNCTION DUMP; to be freed. */
static struct buf dump(struct command_box *b)
{
	struct slice reply = command_box_line(b, "FUNCTION DUMP");
	const uint8_t *at = memchr(reply.data, '\n', reply.len);
	struct buf copy = {0};

	assert_int_equal(reply.data[0], '$');
	assert_int_equal(buf_append(&copy, at + 1, reply.len - (size_t)(at + 1 - reply.data) - 2),
			 ST_OK);
	return copy;
}

static void a_payload_brings_libraries_back(void **state)
{
	struct command_box *b = *state;
	uint64_t lsn;
	struct buf both;

	(void)load(b, LIB("a", ONE("f", "return 1")));
	(void)load(b, LIB("b", ONE("g", "return 2")));
	both = dump(b);
	assert_string_equal(run_with(b, "FUNCTION RESTORE", buf_slice(&both)),
			    "-ERR Library a already exists\r\n");
	command_box_expect(b, "FUNCTION DELETE a", "+OK\r\n");
	assert_string_equal(run_with(b, "FUNCTION RESTORE", buf_slice(&both)),
			    "-ERR Library b already exists\r\n");
	/* Functions that changed places. */
	command_box_expect(b, "FUNCTION FLUSH", "+OK\r\n");
	(void)load(b, LIB("a", ONE("g", "return 3")));
	(void)load(b, LIB("b", ONE("f", "return 4")));
	(void)load(b, LIB("c", ONE("h", "return 5")));
	lsn = engine_last_lsn(b->engine.e);
	{
		struct slice argv[] = {slice_str("FUNCTION"), slice_str("RESTORE"),
				       buf_slice(&both), slice_str("REPLACE")};

		assert_true(slice_eq(command_box_run(b, argv, 4), slice_str("+OK\r\n")));
		command_box_expect(b, "FCALL f 0", ":1\r\n");
		command_box_expect(b, "FCALL h 0", ":5\r\n");
		(void)reload(b, LIB("c", ONE("h", "return 6") ONE("i", "return 7")));
		(void)reload(b, LIB("b", ONE("j", "return 8")));
		argv[3] = slice_str("FLUSH");
		assert_true(slice_eq(command_box_run(b, argv, 4), slice_str("+OK\r\n")));
	}
	assert_int_equal(engine_last_lsn(b->engine.e), lsn + 4); /* one record each */
	command_box_expect(b, "FCALL g 0", ":2\r\n");
	command_box_expect(b, "FCALL h 0", "-ERR Function not found\r\n");
	command_box_restart(b);
	command_box_expect(b, "FCALL g 0", ":2\r\n");
	assert_int_equal(stats_of(b).functions, 2);
	buf_deinit(&both);
}

static void a_payload_is_taken_whole_or_not_at_all(void **state)
{
	struct command_box *b = *state;
	static const struct {
		const char *codes[2], *reply;
	} cases[] = {
	    {{LIB("x", ONE("y", "")), LIB("x", ONE("z", ""))},
	     "-ERR Library 'x' already exists\r\n"},
	    {{LIB("x", ONE("y", "")), LIB("z", ONE("y", ""))},
	     "-ERR Function y already exists\r\n"},
	    {{LIB("x", ONE("y", "")), LIB("z", ONE("f", ""))},
	     "-ERR Function f already exists\r\n"},
	    {{LIB("x", ONE("y", "")), LIB("z", "")}, "-ERR No functions registered\r\n"},
	    {{LIB("x", ONE("y", "")), "7"}, "-ERR Missing library metadata\r\n"},
	};
	struct buf payload = {0};

	(void)load(b, LIB("a", ONE("f", "return 1")));
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		payload.len = 0;
		assert_int_equal(rdb_library_put(&payload, slice_str(cases[i].codes[0])), ST_OK);
		assert_int_equal(rdb_library_put(&payload, slice_str(cases[i].codes[1])), ST_OK);
		assert_int_equal(rdb_library_seal(&payload), ST_OK);
		assert_string_equal(run_with(b, "FUNCTION RESTORE", buf_slice(&payload)),
				    cases[i].reply);
		assert_int_equal(stats_of(b).functions, 1);
		command_box_expect(b, "FCALL f 0", ":1\r\n");
	}
	buf_deinit(&payload);
}

static void what_is_no_payload_is_refused(void **state)
{
	/* As redis-server 7.0.15 dumps when it has no functions. */
	static const uint8_t none[] = {0x0a, 0x00, 0x5d, 0x9b, 0x5c, 0x40, 0x0f, 0x7f, 0xa2, 0xda};
	struct command_box *b = *state;
	struct buf payload = dump(b);

	assert_true(slice_eq(buf_slice(&payload), slice_of(none, sizeof none)));
	assert_string_equal(run_with(b, "FUNCTION RESTORE", buf_slice(&payload)), "+OK\r\n");
	payload.data[3] ^= 1;
	assert_string_equal(run_with(b, "FUNCTION RESTORE", buf_slice(&payload)),
			    "-ERR DUMP payload version or checksum are wrong\r\n");
	payload.len = 0;
	assert_int_equal(buf_append(&payload, "\x00", 1), ST_OK);
	assert_int_equal(rdb_library_seal(&payload), ST_OK);
	assert_string_equal(run_with(b, "FUNCTION RESTORE", buf_slice(&payload)),
			    "-ERR given type is not a function\r\n");
	payload.len = 0;
	assert_int_equal(buf_append(&payload, "\xf5\x20", 2), ST_OK);
	assert_int_equal(rdb_library_seal(&payload), ST_OK);
	assert_string_equal(run_with(b, "FUNCTION RESTORE", buf_slice(&payload)),
			    "-ERR Failed loading library payload\r\n");
	command_box_expect(b, "FUNCTION RESTORE x SOMEHOW",
			   "-ERR Wrong restore policy given, value should be either FLUSH, "
			   "APPEND or REPLACE.\r\n");
	buf_deinit(&payload);
}

static void memory_may_run_out_anywhere(void **state)
{
	struct command_box *b = *state;
	struct buf payload;
	int failures = 0;

	(void)load(b, LIB("lib", ONE("f", "return 1")));
	(void)load(b, LIB("more", ONE("g", "return 2")));
	payload = dump(b);
	for (int nth = 0;; nth += 1 + nth / 40) {
		const char *reply;

		mem_fail_nth(nth);
		reply = reload(b, LIB("lib", ONE("f", "return 2") ONE("h", "return 3")));
		mem_fail_nth(-1);
		if (begins(reply, "$3")) {
			break;
		}
		failures++;
		assert_true(begins(reply, "-OOM ") || strstr(reply, "not enough memory") != NULL);
		command_box_expect(b, "FCALL f 0", ":1\r\n");
		command_box_expect(b, "FCALL h 0", "-ERR Function not found\r\n");
	}
	assert_true(failures > 20);
	for (int nth = 0;; nth += 1 + nth / 40) {
		struct slice argv[] = {slice_str("FUNCTION"), slice_str("RESTORE"),
				       buf_slice(&payload), slice_str("FLUSH")};
		struct slice reply;

		mem_fail_nth(nth);
		reply = command_box_run(b, argv, 4);
		mem_fail_nth(-1);
		if (slice_eq(reply, slice_str("+OK\r\n"))) {
			break;
		}
		command_box_expect(b, "FCALL f 0", ":2\r\n");
		command_box_expect(b, "FCALL h 0", ":3\r\n");
		command_box_expect(b, "FCALL g 0", ":2\r\n");
	}
	command_box_expect(b, "FCALL f 0", ":1\r\n");
	command_box_expect(b, "FCALL h 0", "-ERR Function not found\r\n");
	/* What a start loads is loaded later then. */
	for (int nth = 0; nth < 400; nth += 7) {
		functions_forget(&b->dispatch->scripts->functions);
		mem_fail_nth(nth);
		(void)!functions_sync(b->dispatch);
		mem_fail_nth(-1);
		command_box_expect(b, "FCALL f 0", ":1\r\n");
	}
	buf_deinit(&payload);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(a_library_is_one_record_and_survives),
	    COMMAND_BOX_TEST(what_a_function_writes_is_one_record),
	    COMMAND_BOX_TEST(a_library_keeps_its_own_variables),
	    COMMAND_BOX_TEST(a_load_that_fails_changes_nothing),
	    COMMAND_BOX_TEST(nothing_but_registering_is_there_while_loading),
	    COMMAND_BOX_TEST(functions_can_not_change_what_others_see),
	    COMMAND_BOX_TEST(flags_say_where_a_function_may_run),
	    COMMAND_BOX_TEST(a_transaction_that_is_undone_takes_libraries_along),
	    COMMAND_BOX_TEST(what_can_not_be_loaded_is_kept),
	    COMMAND_BOX_TEST(a_payload_brings_libraries_back),
	    COMMAND_BOX_TEST(a_payload_is_taken_whole_or_not_at_all),
	    COMMAND_BOX_TEST(what_is_no_payload_is_refused),
	    COMMAND_BOX_TEST(memory_may_run_out_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
