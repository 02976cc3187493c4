/* EVAL and SCRIPT within one process: one record for all that a script writes, what it keeps when
 * it fails, what it may not do, and memory that runs out anywhere. Replies in general are compared
 * with redis-server's by the differential test. */
#include "tests/support/command_box.h"

#include "engine/base/alloc.h"
#include "net/command/dispatch_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* Runs EVAL of body with the keys k1, k2 and the argument a; the reply is valid until the next. */
static const char *eval_as(struct command_box *b, const char *command, const char *body)
{
	struct slice argv[] = {slice_str(command), slice_str(body), slice_str("2"),
			       slice_str("k1"),	   slice_str("k2"), slice_str("a")};

	(void)command_box_run(b, argv, 6);
	assert_int_equal(buf_append(&b->out, "", 1), ST_OK);
	return (const char *)b->out.data;
}

static const char *eval(struct command_box *b, const char *body)
{
	return eval_as(b, "EVAL", body);
}

static void all_that_a_script_writes_is_one_record(void **state)
{
	struct command_box *b = *state;
	uint64_t before = engine_last_lsn(b->engine.e);

	assert_string_equal(eval(b, "for i=1,100 do redis.call('set','k'..i,i) end return 1"),
			    ":1\r\n");
	assert_int_equal(engine_last_lsn(b->engine.e), before + 1);
	(void)eval(b, "return redis.call('get','k1')");
	assert_int_equal(engine_last_lsn(b->engine.e), before + 1);
	command_box_restart(b);
	command_box_expect(b, "GET k100", "$3\r\n100\r\n");
}

static void what_was_written_before_an_error_stays(void **state)
{
	struct command_box *b = *state;

	assert_true(strncmp(eval(b, "redis.call('set','k1','v') error('x')"),
			    "-ERR user_script:1: x", 21) == 0);
	command_box_expect(b, "GET k1", "$1\r\nv\r\n");
	assert_true(strncmp(eval(b, "redis.call('set','k2','w') redis.call('lpush','k1',1)"),
			    "-WRONGTYPE ", 11) == 0);
	command_box_expect(b, "GET k2", "$1\r\nw\r\n");
}

static void a_transaction_with_scripts_is_one_record_too(void **state)
{
	struct command_box *b = *state;
	uint64_t before = engine_last_lsn(b->engine.e);

	command_box_expect(b, "MULTI", "+OK\r\n");
	(void)eval(b, "return redis.call('incr',KEYS[1])");
	(void)eval(b, "return redis.call('incr',KEYS[1])");
	command_box_expect(b, "EXEC", "*2\r\n:1\r\n:2\r\n");
	assert_int_equal(engine_last_lsn(b->engine.e), before + 1);
}

static void scripts_wake_those_who_watch(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "WATCH k1", "+OK\r\n");
	(void)eval(b, "redis.call('set',KEYS[1],1)");
	command_box_expect(b, "MULTI", "+OK\r\n");
	command_box_expect(b, "EXEC", "*-1\r\n");
}

static void roles_forbid_writes_not_scripts(void **state)
{
	struct command_box *b = *state;

	b->host.is_replica = true;
	assert_true(strncmp(eval(b, "return redis.call('set','k1',1)"), "-READONLY ", 10) == 0);
	assert_string_equal(eval(b, "return redis.call('get','k1')"), "$-1\r\n");
	assert_string_equal(eval(b, "#!lua flags=no-writes\nreturn 1"), ":1\r\n");
	assert_true(strncmp(eval(b, "#!lua\nreturn 1"), "-READONLY ", 10) == 0);
	b->host.primary_down = true;
	assert_true(strncmp(eval(b, "return redis.call('get','k1')"),
			    "-ERR Can not execute the command on a stale replica script: ", 60) ==
		    0);
	assert_true(strncmp(eval(b, "#!lua flags=no-writes\nreturn 1"), "-MASTERDOWN ", 12) == 0);
	assert_string_equal(eval(b, "#!lua flags=no-writes,allow-stale\nreturn 1"), ":1\r\n");
	b->host.is_replica = b->host.primary_down = false;
	b->host.replicas_short = true;
	assert_true(strncmp(eval(b, "return redis.call('set','k1',1)"), "-NOREPLICAS ", 12) == 0);
	assert_true(strncmp(eval(b, "return redis.pcall('set','k1',1)"), "-NOREPLICAS ", 12) == 0);
	b->host.replicas_short = false;
	assert_true(strncmp(eval_as(b, "EVAL_RO", "return redis.call('set','k1',1)"),
			    "-ERR Write commands are not allowed from read-only scripts.",
			    59) == 0);
	command_box_expect(b, "GET k1", "$-1\r\n");
}

/* Every script that changes something which another one would see is refused. */
static void no_script_changes_what_another_sees(void **state)
{
	static const char *const tries[] = {
	    "x=1",
	    "_G.x=1",
	    "rawset(_G,'x',1)",
	    "setmetatable(_G,{})",
	    "getmetatable(_G).__index=nil",
	    "getmetatable(_G).__newindex=function() end",
	    "rawset(getmetatable(_G),'__index',nil)",
	    "setmetatable(getmetatable(_G),nil)",
	    "string.x=1",
	    "string.format=nil",
	    "getmetatable('').__index=nil",
	    "getmetatable('').__add=function() end",
	    "getmetatable('').__index.format=nil",
	    "rawset(getmetatable('').__index,'format',nil)",
	    "redis.call=print",
	    "rawset(redis,'call',nil)",
	    "table.insert(redis,1)",
	    "table.insert(_G,1)",
	    "table.remove(_G)",
	    "table.sort(string)",
	    "table.setn(table,1)",
	    "setmetatable(redis,{__index=function() end})",
	    "math.random=nil",
	    "coroutine.wrap=nil",
	    "bit.band=nil",
	    "loadstring('x=1')()",
	    "load(function() return nil end)() x=1",
	    "coroutine.wrap(function() x=1 end)()",
	    "pcall=nil",
	    "KEYS=nil",
	    "getmetatable(getmetatable('')).x=1",
	    "for k,v in pairs(getmetatable('')) do getmetatable('')[k]=nil end",
	};
	struct command_box *b = *state;

	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		const char *reply = eval(b, tries[i]);

		if (reply[0] != '-') {
			print_error("%s\n  %s", tries[i], reply);
			fail();
		}
	}
	assert_string_equal(eval(b, "return {rawget(_G,'x')==nil,('%d'):format(5),type(redis.call),"
				    "#table,math.random~=nil,getmetatable(_G).__newindex==nil}"),
			    "*6\r\n:1\r\n$1\r\n5\r\n$8\r\nfunction\r\n:0\r\n:1\r\n:1\r\n");
}

/* What would reach files, processes or the machine's code is not there at all. */
static void nothing_leads_out_of_the_sandbox(void **state)
{
	static const char *const tries[] = {
	    "return os",
	    "return io",
	    "return debug",
	    "return package",
	    "return require",
	    "return module",
	    "return dofile",
	    "return loadfile",
	    "return print",
	    "return getfenv",
	    "return setfenv",
	    "return newproxy",
	    "return loadstring(string.dump(function() end))()",
	    "local d=string.dump(function() end) local n=0 "
	    "return load(function() n=n+1 return n<2 and d or nil end)()",
	    "local d=string.dump(function() end) local n=0 "
	    "return load(function() n=n+1 return ({'',d:sub(1,1),d:sub(2)})[n] end)()",
	    "\x1bLuaQ",
	};
	struct command_box *b = *state;

	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		const char *reply = eval(b, tries[i]);

		if (reply[0] != '-') {
			print_error("%s\n  %s", tries[i], reply);
			fail();
		}
	}
}

static void endless_and_deep_values_are_errors(void **state)
{
	struct command_box *b = *state;
	const char *reply = eval(b, "local t={} t[1]=t return t");

	assert_int_equal(reply[0], '*');
	assert_non_null(strstr(reply, "-ERR reached lua stack limit\r\n"));
	assert_int_equal(eval(b, "local function f() return f()+1 end return f()")[0], '-');
	assert_int_equal(
	    eval(b, "return string.rep('(',300)..string.find('x',string.rep('(',300))")[0], '-');
	assert_int_equal(eval(b, "return loadstring('return '..string.rep('(',1000)..'1'.."
				 "string.rep(')',1000))()")[0],
			 '-');
	assert_true(strncmp(eval(b, "error({})"), "-ERR unknown error", 18) == 0);
}

/* What lua-cjson would end the process for. */
static void json_beyond_all_bounds_is_an_error(void **state)
{
	static const char *const tries[] = {
	    "cjson.encode_sparse_array(false,0) return cjson.encode({[2^31-1]=1})",
	    "cjson.encode_sparse_array(false,0) return cjson.encode({[1e300]=1})",
	    "local t={} for i=1,28 do t={t,t} end return cjson.encode(t)",
	    "local s=string.rep('x',2^20) local t={} for i=1,4000 do t[i]=s end "
	    "return cjson.encode(t)",
	    "local c=cjson.new() c.encode_sparse_array(false,0) return c.encode({[2^31-1]=1})",
	    "local t={} t[1]=t return cjson.encode(t)",
	    "cjson.encode_max_depth(5000) local s=string.rep('x',2^20) local t={} "
	    "for i=1,4000 do t[i]=s end for i=1,1500 do t={t} end return cjson.encode(t)",
	    "cjson.encode_max_depth(2^31-1) local t={} t[1]=t return cjson.encode(t)",
	    "cjson.decode_max_depth(2^31-1) return cjson.decode(string.rep('[',100000))",
	};
	struct command_box *b = *state;

	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		const char *reply = eval(b, tries[i]);

		if (reply[0] != '-') {
			print_error("%s\n  %s", tries[i], reply);
			fail();
		}
	}
	assert_string_equal(eval(b, "return cjson.encode({1,{a='b'}})"),
			    "$13\r\n[1,{\"a\":\"b\"}]\r\n");
}

static void a_flush_forgets_scripts(void **state)
{
	struct command_box *b = *state;
	struct script_stats stats;

	command_box_expect(b, "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0",
			   "-NOSCRIPT No matching script. Please use EVAL.\r\n");
	assert_string_equal(eval(b, "return 1"), ":1\r\n");
	command_box_expect(b, "EVALSHA E0E1F9FABFC9D4800C877A703B823AC0578FF8DB 0", ":1\r\n");
	dispatch_script_stats(b->dispatch, &stats);
	assert_int_equal(stats.scripts, 1);
	assert_true(stats.eval_state > 10000);
	command_box_expect(b, "SCRIPT FLUSH", "+OK\r\n");
	dispatch_script_stats(b->dispatch, &stats);
	assert_int_equal(stats.scripts, 0);
	assert_int_equal(stats.eval_state, 0);
	command_box_expect(b, "SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db",
			   "*1\r\n:0\r\n");
}

static void memory_may_run_out_anywhere(void **state)
{
	struct command_box *b = *state;

	/* The state itself is made on the way. */
	command_box_walk_memory(
	    b, "EVAL local\tt={}\tfor\ti=1,50\tdo\tt[i]={i,tostring(i)}\tend\treturn\tt 0",
	    "EXISTS k1");
	command_box_walk_memory(
	    b, "EVAL redis.call('set','k1',string.rep('x',5000))\treturn\tredis.call('get','k1') 0",
	    "SCRIPT KILL");
	command_box_expect(b, "STRLEN k1", ":5000\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(all_that_a_script_writes_is_one_record),
	    COMMAND_BOX_TEST(what_was_written_before_an_error_stays),
	    COMMAND_BOX_TEST(a_transaction_with_scripts_is_one_record_too),
	    COMMAND_BOX_TEST(scripts_wake_those_who_watch),
	    COMMAND_BOX_TEST(roles_forbid_writes_not_scripts),
	    COMMAND_BOX_TEST(no_script_changes_what_another_sees),
	    COMMAND_BOX_TEST(nothing_leads_out_of_the_sandbox),
	    COMMAND_BOX_TEST(endless_and_deep_values_are_errors),
	    COMMAND_BOX_TEST(json_beyond_all_bounds_is_an_error),
	    COMMAND_BOX_TEST(a_flush_forgets_scripts),
	    COMMAND_BOX_TEST(memory_may_run_out_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
