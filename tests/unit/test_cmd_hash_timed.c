/* HGETEX, HSETEX and HGETDEL: replies and what they leave, arguments that make no sense; what all
 * commands on fields that expire tell to listeners, WATCH and INFO; failing memory. */
#include "tests/support/command_box.h"

#include "net/command/dispatch_state.h"
#include "net/command/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define POSITION "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n"
#define MATCH	 "-ERR The `numfields` parameter must match the number of arguments\r\n"
#define POSITIVE "-ERR Number of fields must be a positive integer\r\n"
#define NEGATIVE "-ERR invalid expire time, must be >= 0\r\n"

static const struct box_case got[] = {
    {"HSET h a 1 b 2 c 3", ":3\r\n"},
    {"HGETEX h FIELDS 2 a x", "*2\r\n$1\r\n1\r\n$-1\r\n"},
    {"HTTL h FIELDS 1 a", "*1\r\n:-1\r\n"},
    {"HGETEX h EX 100 FIELDS 2 a x", "*2\r\n$1\r\n1\r\n$-1\r\n"},
    {"HTTL h FIELDS 2 a b", "*2\r\n:100\r\n:-1\r\n"},
    {"HGETEX h px 5000 fields 1 b", "*1\r\n$1\r\n2\r\n"},
    {"HPTTL h FIELDS 1 b", "*1\r\n:5000\r\n"},
    {"HGETEX h EXAT 20000000000 FIELDS 1 c", "*1\r\n$1\r\n3\r\n"},
    {"HEXPIRETIME h FIELDS 1 c", "*1\r\n:20000000000\r\n"},
    {"HGETEX h PXAT 20000000000001 FIELDS 1 c", "*1\r\n$1\r\n3\r\n"},
    {"HPEXPIRETIME h FIELDS 1 c", "*1\r\n:20000000000001\r\n"},
    {"HGETEX h PERSIST FIELDS 3 a c x", "*3\r\n$1\r\n1\r\n$1\r\n3\r\n$-1\r\n"},
    {"HTTL h FIELDS 3 a b c", "*3\r\n:-1\r\n:5\r\n:-1\r\n"},
    {"HGETEX h EXAT 1 FIELDS 2 a a", "*2\r\n$1\r\n1\r\n$-1\r\n"},
    {"HGETDEL h FIELDS 3 b x b", "*3\r\n$1\r\n2\r\n$-1\r\n$-1\r\n"},
    {"HGETALL h", "*2\r\n$1\r\nc\r\n$1\r\n3\r\n"},
    {"HGETDEL h FIELDS 1 c", "*1\r\n$1\r\n3\r\n"},
    {"EXISTS h", ":0\r\n"},
    {"HGETDEL h FIELDS 2 a b", "*2\r\n$-1\r\n$-1\r\n"},
    {"HGETEX h EX 10 FIELDS 1 a", "*1\r\n$-1\r\n"},
    {"EXISTS h", ":0\r\n"},
};

static const struct box_case set[] = {
    {"HSETEX h FIELDS 2 a 1 b 2", ":1\r\n"},
    {"HTTL h FIELDS 2 a b", "*2\r\n:-1\r\n:-1\r\n"},
    {"HSETEX h EX 100 FIELDS 1 a 3", ":1\r\n"},
    {"HTTL h FIELDS 2 a b", "*2\r\n:100\r\n:-1\r\n"},
    {"HSETEX h KEEPTTL FIELDS 2 a 4 c 5", ":1\r\n"},
    {"HTTL h FIELDS 2 a c", "*2\r\n:100\r\n:-1\r\n"},
    {"HMGET h a b c", "*3\r\n$1\r\n4\r\n$1\r\n2\r\n$1\r\n5\r\n"},
    {"HSETEX h FIELDS 1 a 6", ":1\r\n"},
    {"HTTL h FIELDS 1 a", "*1\r\n:-1\r\n"},
    {"HSETEX h FNX PX 7000 FIELDS 2 d 1 a 1", ":0\r\n"},
    {"HSETEX h FXX PX 7000 FIELDS 2 d 1 a 1", ":0\r\n"},
    {"HEXISTS h d", ":0\r\n"},
    {"HSETEX h px 7000 fnx FIELDS 2 d 1 e 1", ":1\r\n"},
    {"HSETEX h FXX PXAT 20000000000001 FIELDS 2 d 2 e 3", ":1\r\n"},
    {"HPEXPIRETIME h FIELDS 2 d e", "*2\r\n:20000000000001\r\n:20000000000001\r\n"},
    {"HSETEX h EXAT 20000000000 FIELDS 2 d 7 d 8", ":1\r\n"},
    {"HGET h d", "$1\r\n8\r\n"},
    {"HEXPIRETIME h FIELDS 1 d", "*1\r\n:20000000000\r\n"},
    {"HSETEX none FXX FIELDS 1 a 1", ":0\r\n"},
    {"EXISTS none", ":0\r\n"},
    {"HSETEX none EX 0 FIELDS 2 a 1 a 2", ":1\r\n"},
    {"EXISTS none", ":0\r\n"},
    {"HSETEX h PX 0 FIELDS 2 a 1 z 2", ":1\r\n"},
    {"HMGET h a z b", "*3\r\n$-1\r\n$-1\r\n$1\r\n2\r\n"},
    {"HLEN h", ":4\r\n"},
};

static const struct box_case refused[] = {
    {"HSET h a 1", ":1\r\n"},
    {"SET k v", "+OK\r\n"},
    {"HGETEX k FIELDS 1 a", WRONG_TYPE},
    {"HGETDEL k FIELDS 1 a", WRONG_TYPE},
    {"HSETEX k FIELDS 1 a 1", WRONG_TYPE},
    {"HGETEX h FIELDS 1", "-ERR wrong number of arguments for 'hgetex' command\r\n"},
    {"HGETEX h x 1 a", POSITION},
    {"HGETEX h EX 1 a b", POSITION},
    {"HGETEX h EX 10 FIELDS", POSITION},
    {"HGETEX h KEEPTTL FIELDS 1 a", POSITION},
    {"HGETEX h EX 1 PX 1 FIELDS 1 a", POSITION},
    {"HGETEX h EX x FIELDS 1 a", "-ERR value is not an integer or out of range\r\n"},
    {"HGETEX h EX -1 FIELDS 1 a", NEGATIVE},
    {"HGETEX h EX 9223372036854775807 FIELDS 1 a",
     "-ERR invalid expire time in 'hgetex' command\r\n"},
    {"HGETEX h FIELDS 0 a", POSITIVE},
    {"HGETEX h FIELDS x a", POSITIVE},
    {"HGETEX h FIELDS 2 a", MATCH},
    {"HGETDEL h FIELDS 1", "-ERR wrong number of arguments for 'hgetdel' command\r\n"},
    {"HGETDEL h x 1 a", POSITION},
    {"HGETDEL h FIELDS 0 a", POSITIVE},
    {"HGETDEL h FIELDS 2 a", MATCH},
    {"HSETEX h FIELDS 1 a", "-ERR wrong number of arguments for 'hsetex' command\r\n"},
    {"HSETEX h FIELDS 1 a 1 b", "-ERR wrong number of arguments for 'hsetex' command\r\n"},
    {"HSETEX h FIELDS 2 a 1 b", "-ERR wrong number of arguments for 'hsetex' command\r\n"},
    {"HSETEX h EX 1 FIELDS 2", "-ERR wrong number of arguments for 'hsetex' command\r\n"},
    {"HSETEX h FIELDS 0 a 1", "-ERR invalid number of fields\r\n"},
    {"HSETEX h FIELDS x a 1", "-ERR invalid number of fields\r\n"},
    {"HSETEX h EX 1 KEEPTTL FIELDS 1 a 1",
     "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified\r\n"},
    {"HSETEX h KEEPTTL PXAT 1 FIELDS 1 a 1",
     "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified\r\n"},
    {"HSETEX h FNX FXX FIELDS 1 a 1", "-ERR Only one of FXX or FNX arguments can be specified\r\n"},
    {"HSETEX h EX -1 FIELDS 1 a 1", NEGATIVE},
    {"HSETEX h PX x FIELDS 1 a 1", "-ERR value is not an integer or out of range\r\n"},
    {"HSETEX h NX FIELDS 1 a 1", "-ERR unknown argument: NX\r\n"},
    {"HSETEX h FNX KEEPTTL a 1 b", "-ERR unknown argument: a\r\n"},
    {"HGETALL h", "*2\r\n$1\r\na\r\n$1\r\n1\r\n"},
};

static void what_is_read_may_get_a_time_or_go(void **state)
{
	COMMAND_BOX_CHECK(*state, got);
}

static void what_is_set_gets_a_time(void **state)
{
	COMMAND_BOX_CHECK(*state, set);
}

static void what_makes_no_sense_is_refused(void **state)
{
	COMMAND_BOX_CHECK(*state, refused);
}

/* --- telling others --- */

/* Names of the events since the last time, joined. */
static void expect_events(struct command_box *b, const char *expected)
{
	static const char prefix[] = "__keyspace@0__:h\r\n$";
	struct buf names = {0};
	const char *at, *text;

	assert_int_equal(buf_append(&b->pushed, "", 1), ST_OK);
	for (text = (const char *)b->pushed.data; (at = strstr(text, prefix)) != NULL;) {
		at = strstr(at + sizeof prefix - 1, "\r\n") + 2;
		text = strstr(at, "\r\n");
		assert_int_equal(buf_printf(&names, "%.*s,", (int)(text - at), at), ST_OK);
	}
	assert_int_equal(buf_append(&names, "", 1), ST_OK);
	b->pushed.len = 0;
	assert_string_equal((const char *)names.data, expected);
	buf_deinit(&names);
}

static void listen(struct command_box *b, struct session *s)
{
	session_init(s, 2, b->engine.now_ms);
	assert_int_equal(pubsub_subscribe(&b->dispatch->pubsub, s, SUBSCRIBED_CHANNEL,
					  slice_str("__keyspace@0__:h")),
			 ST_OK);
	command_box_expect(b, "PING", "+PONG\r\n"); /* settings are read with the first request */
	b->host.events = notify_classes("KA");
}

static void turn(struct command_box *b, uint64_t ms)
{
	b->engine.now_ms += ms;
	(void)engine_expire_cycle(b->engine.e, b->engine.now_ms, 1000);
	dispatch_turn_end(b->dispatch);
}

static void events_are_those_of_redis(void **state)
{
	struct command_box *b = *state;
	struct session s;
	static const struct {
		const char *line, *events;
	} told[] = {
	    {"HSET h a 1 b 2 c 3 d 4", "hset,"},
	    {"HEXPIRE h 10 FIELDS 2 a x", "hexpire,"},
	    {"HEXPIRE h 5 GT FIELDS 1 a", ""},
	    {"HEXPIRE h 5 FIELDS 1 x", ""},
	    {"HPERSIST h FIELDS 2 a b", "hpersist,"},
	    {"HPERSIST h FIELDS 1 a", ""},
	    {"HEXPIRE h 0 FIELDS 1 a", "hdel,"},
	    {"HGETEX h FIELDS 1 b", ""},
	    {"HGETEX h EX 10 FIELDS 2 b x", "hexpire,"},
	    {"HGETEX h PERSIST FIELDS 1 b", "hpersist,"},
	    {"HGETEX h PERSIST FIELDS 1 b", ""},
	    {"HGETEX h EX 0 FIELDS 1 b", "hdel,"},
	    {"HSETEX h EX 10 FIELDS 1 b 2", "hset,hexpire,"},
	    {"HSETEX h FNX EX 10 FIELDS 1 b 2", ""},
	    {"HSETEX h KEEPTTL FIELDS 1 b 2", "hset,"},
	    {"HSETEX h EX 0 FIELDS 1 b 2", "hset,hdel,"},
	    {"HGETDEL h FIELDS 2 c x", "hdel,"},
	    {"HGETDEL h FIELDS 1 c", ""},
	    {"HGETDEL h FIELDS 1 d", "hdel,del,"},
	    {"HSET h a 1", "hset,"},
	    {"HPEXPIREAT h 1 FIELDS 1 a", "hdel,del,"},
	    {"HSET h a 1", "hset,"},
	    {"HGETEX h PX 0 FIELDS 1 a", "hdel,del,"},
	    {"HSETEX h PX 0 FIELDS 1 a 1", "hset,hdel,del,"},
	    {"HSETEX h PX 100 FIELDS 2 a 1 b 2", "hset,hexpire,"},
	    {"HPEXPIRE h 50 FIELDS 1 a", "hexpire,"},
	};

	listen(b, &s);
	for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
		(void)command_box_line(b, told[i].line);
		expect_events(b, told[i].events);
	}
	turn(b, 50);
	expect_events(b, "hexpired,");
	turn(b, 50);
	expect_events(b, "hexpired,del,");
	turn(b, 50);
	expect_events(b, "");
	session_deinit(&s);
}

/* Fields that a command meets go right behind it, whatever the cycle does. */
static void what_is_met_goes_at_once(void **state)
{
	struct command_box *b = *state;
	struct session s;

	listen(b, &s);
	command_box_expect(b, "HSETEX h PX 10 FIELDS 2 a 1 b 2", ":1\r\n");
	command_box_expect(b, "HSET h c 3", ":1\r\n");
	b->pushed.len = 0;
	b->engine.now_ms += 10;
	command_box_expect(b, "HGET h c", "$1\r\n3\r\n");
	expect_events(b, "hexpired,");
	command_box_expect(b, "HPEXPIRE h 10 FIELDS 1 c", "*1\r\n:1\r\n");
	b->pushed.len = 0;
	b->engine.now_ms += 10;
	command_box_expect(b, "HGET h c", "$-1\r\n");
	expect_events(b, "hexpired,del,");
	command_box_expect(b, "EXISTS h", ":0\r\n");
	/* Not on a replica, which waits for its primary. */
	command_box_expect(b, "HSETEX h PX 10 FIELDS 2 a 1 b 2", ":1\r\n");
	session_deinit(&s);
}

static void watch_and_info_know_of_expired_fields(void **state)
{
	struct command_box *b = *state;
	struct engine_stats stats;

	command_box_expect(b, "HSETEX h PX 10 FIELDS 3 a 1 b 2 c 3", ":1\r\n");
	command_box_expect(b, "HSET h d 4", ":1\r\n");
	command_box_expect(b, "WATCH h", "+OK\r\n");
	turn(b, 9);
	command_box_expect(b, "MULTI", "+OK\r\n");
	command_box_expect(b, "HLEN h", "+QUEUED\r\n");
	command_box_expect(b, "EXEC", "*1\r\n:4\r\n");
	command_box_expect(b, "WATCH h", "+OK\r\n");
	turn(b, 1);
	command_box_expect(b, "MULTI", "+OK\r\n");
	command_box_expect(b, "HLEN h", "+QUEUED\r\n");
	command_box_expect(b, "EXEC", "*-1\r\n");
	engine_stats(b->engine.e, &stats);
	assert_int_equal(stats.expired_fields, 3);
	assert_int_equal(stats.expired_keys, 0);
}

static void a_lack_of_memory_is_told(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, "HSET h a 1 b 2", ":2\r\n");
	command_box_walk_memory(b, "HGETEX h EX 10 FIELDS 1 a", "HTTL h FIELDS 2 a b");
	command_box_walk_memory(b, "HSETEX h EX 20 FIELDS 2 b 4 c 5", "HTTL h FIELDS 3 a b c");
	command_box_walk_memory(b, "HGETDEL h FIELDS 2 a b", "HGETALL h");
	command_box_expect(b, "HGETALL h", "*2\r\n$1\r\nc\r\n$1\r\n5\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(what_is_read_may_get_a_time_or_go),
	    COMMAND_BOX_TEST(what_is_set_gets_a_time),
	    COMMAND_BOX_TEST(what_makes_no_sense_is_refused),
	    COMMAND_BOX_TEST(events_are_those_of_redis),
	    COMMAND_BOX_TEST(what_is_met_goes_at_once),
	    COMMAND_BOX_TEST(watch_and_info_know_of_expired_fields),
	    COMMAND_BOX_TEST(a_lack_of_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
