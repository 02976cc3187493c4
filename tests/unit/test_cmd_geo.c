/* Geo commands: replies in both protocols, searches against every member's distance, stored
 * results, arguments, failing memory. */
#include "tests/support/command_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SICILY "GEOADD s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania"

static const struct box_case replies[] = {
    {SICILY, ":2\r\n"},
    {"GEOADD s NX CH 1 2 Palermo", ":0\r\n"},
    {"GEOADD s XX 1 2 nobody", ":0\r\n"},
    {"ZSCORE s Palermo", "$16\r\n3479099956230698\r\n"},
    {"GEOHASH s Palermo x", "*2\r\n$11\r\nsqc8b49rny0\r\n$-1\r\n"},
    {"GEOPOS s Palermo x", "*2\r\n*2\r\n$20\r\n13.36138933897018433\r\n$20\r\n"
			   "38.11555639549629859\r\n*-1\r\n"},
    {"GEODIST s Palermo Catania", "$11\r\n166274.1516\r\n"},
    {"GEODIST s Palermo Catania km", "$8\r\n166.2742\r\n"},
    {"GEODIST s Palermo x", "$-1\r\n"},
    {"GEODIST none Palermo x", "$-1\r\n"},
    {"GEOSEARCH s FROMMEMBER Palermo BYRADIUS 100 KM WITHDIST WITHHASH",
     "*1\r\n*3\r\n$7\r\nPalermo\r\n$6\r\n0.0000\r\n:3479099956230698\r\n"},
    {"GEOSEARCH s FROMLONLAT 15 37 BYBOX 400 400 km DESC",
     "*2\r\n$7\r\nPalermo\r\n$7\r\nCatania\r\n"},
    {"GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 400 km COUNT 1", "*1\r\n$7\r\nCatania\r\n"},
    {"GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 400 km COUNT 1 ANY", "*1\r\n$7\r\nPalermo\r\n"},
    {"GEOSEARCH none FROMMEMBER x BYRADIUS 1 m", "*0\r\n"},
    {"GEORADIUS s 15 37 200 km ASC", "*2\r\n$7\r\nCatania\r\n$7\r\nPalermo\r\n"},
    {"GEORADIUS_RO s 15 37 100 km", "*1\r\n$7\r\nCatania\r\n"},
    {"GEORADIUSBYMEMBER s Palermo 200 km ASC", "*2\r\n$7\r\nPalermo\r\n$7\r\nCatania\r\n"},
    {"GEORADIUSBYMEMBER_RO s Palermo 1 m", "*1\r\n$7\r\nPalermo\r\n"},
    {"GEORADIUSBYMEMBER none x y z", "*0\r\n"},
    {"SET to v EX 100", "+OK\r\n"},
    {"GEOSEARCHSTORE to s FROMLONLAT 15 37 BYRADIUS 400 km", ":2\r\n"},
    {"ZRANGE to 0 -1", "*2\r\n$7\r\nPalermo\r\n$7\r\nCatania\r\n"},
    {"TTL to", ":-1\r\n"},
    {"GEORADIUS s 15 37 400 km COUNT 1 STOREDIST to", ":1\r\n"},
    {"ZRANGE to 0 -1 WITHSCORES", "*2\r\n$7\r\nCatania\r\n$18\r\n56.441257870158204\r\n"},
    {"GEORADIUS s 0 0 1 m STORE to", ":0\r\n"},
    {"EXISTS to", ":0\r\n"},
    {"GEOSEARCHSTORE s s FROMLONLAT 15 37 BYRADIUS 100 km", ":1\r\n"},
    {"ZCARD s", ":1\r\n"},
    {"GEOSEARCHSTORE s none FROMMEMBER x BYRADIUS 1 m", ":0\r\n"},
    {"EXISTS s", ":0\r\n"},
};

static const struct box_case refused[] = {
    {SICILY, ":2\r\n"},
    {"SET k v", "+OK\r\n"},
    {"GEOPOS k a", WRONG_TYPE},
    {"GEORADIUS k x y z m", WRONG_TYPE},
    {"GEOADD s 181 0 a", "-ERR invalid longitude,latitude pair 181.000000,0.000000\r\n"},
    {"GEOADD s x 0 a", "-ERR value is not a valid float\r\n"},
    {"GEOADD s 1 2 a 3", "-ERR syntax error\r\n"},
    {"GEOADD s NX XX 1 2 a", "-ERR syntax error\r\n"},
    {"ZCARD s", ":2\r\n"},
    {"GEODIST s a b x", "-ERR unsupported unit provided. please use M, KM, FT, MI\r\n"},
    {"GEOSEARCH s FROMMEMBER x BYRADIUS 1 m", "-ERR could not decode requested zset member\r\n"},
    {"GEOSEARCH s FROMLONLAT 1 1 BYRADIUS -1 m", "-ERR radius cannot be negative\r\n"},
    {"GEOSEARCH s FROMLONLAT 1 1 BYBOX 1 -1 m", "-ERR height or width cannot be negative\r\n"},
    {"GEOSEARCH s FROMLONLAT 1 1 ASC COUNT 3",
     "-ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH\r\n"},
    {"geosearch s BYRADIUS 1 m ASC DESC",
     "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for geosearch\r\n"},
    {"GEOSEARCH s FROMLONLAT 1 1 BYRADIUS 1 m ANY",
     "-ERR the ANY argument requires COUNT argument\r\n"},
    {"GEOSEARCH s FROMLONLAT 1 1 BYRADIUS 1 m COUNT 0", "-ERR COUNT must be > 0\r\n"},
    {"GEOSEARCH s FROMLONLAT 1 1 BYRADIUS 1 m STOREDIST", "-ERR syntax error\r\n"},
    {"GEORADIUS_RO s 1 1 1 m STORE a", "-ERR syntax error\r\n"},
    {"GEORADIUS s 1 1 1 m STORE a WITHDIST",
     "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD "
     "options\r\n"},
};

static void replies_are_those_of_redis(void **state)
{
	COMMAND_BOX_CHECK(*state, replies);
}

static void what_makes_no_sense_is_refused(void **state)
{
	COMMAND_BOX_CHECK(*state, refused);
}

static void coordinates_are_numbers_in_resp3(void **state)
{
	struct command_box *b = *state;

	command_box_expect(b, SICILY, ":2\r\n");
	b->session.proto = 3;
	command_box_expect(b, "GEOPOS s Palermo x",
			   "*2\r\n*2\r\n,13.36138933897018433\r\n,38.11555639549629859\r\n_\r\n");
	command_box_expect(b, "GEODIST s Palermo x", "_\r\n");
	command_box_expect(b, "GEORADIUS s 15 37 100 km WITHCOORD",
			   "*1\r\n*2\r\n$7\r\nCatania\r\n*2\r\n,15.08726745843887329\r\n"
			   ",37.50266842333162032\r\n");
}

/* In a set of thousands a search finds as many as there are members within its distance. */
static void a_large_set_is_searched_by_ranges(void **state)
{
	enum { MEMBERS = 3000 };
	struct command_box *b = *state;
	struct geo_point {
		double x, y;
	} at;
	char line[128], reply[64];

	for (int i = 0; i < MEMBERS; i++) {
		at.x = (double)rng_below(&b->engine.rng, 2000000) / 1000000 + 10;
		at.y = (double)rng_below(&b->engine.rng, 2000000) / 1000000 + 40;
		(void)snprintf(line, sizeof line, "GEOADD big %f %f m%d", at.x, at.y, i);
		command_box_expect(b, line, ":1\r\n");
	}
	for (int i = 0; i < 40; i++) {
		char *end, *reply_end;
		double metres;
		long found = 0, expected = 0;

		metres = (double)(100 << i / 3);
		for (int k = 0; k < MEMBERS; k++) {
			struct slice out;

			(void)snprintf(line, sizeof line, "GEODIST big m%d m%d", i, k);
			out = command_box_line(b, line);
			assert_true(out.len < sizeof reply);
			memcpy(reply, out.data, out.len);
			reply[out.len] = 0;
			end = strchr(reply, '\n');
			assert_non_null(end);
			expected += strtod(end + 1, &reply_end) <= metres;
		}
		(void)snprintf(line, sizeof line,
			       "GEOSEARCHSTORE to big FROMMEMBER m%d BYRADIUS %f m", i, metres);
		found = (long)command_box_line(b, line).len;
		(void)snprintf(reply, sizeof reply, ":%ld\r\n", expected);
		assert_true(found > 0);
		command_box_expect(b, "ZCARD to", reply);
	}
}

static void a_lack_of_memory_is_told(void **state)
{
	struct command_box *b = *state;

	command_box_walk_memory(b, SICILY, "EXISTS s");
	command_box_walk_memory(b, "GEOSEARCHSTORE to s FROMLONLAT 15 37 BYRADIUS 400 km",
				"EXISTS to");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    COMMAND_BOX_TEST(replies_are_those_of_redis),
	    COMMAND_BOX_TEST(what_makes_no_sense_is_refused),
	    COMMAND_BOX_TEST(coordinates_are_numbers_in_resp3),
	    COMMAND_BOX_TEST(a_large_set_is_searched_by_ranges),
	    COMMAND_BOX_TEST(a_lack_of_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
