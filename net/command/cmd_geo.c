/* Geo commands on members by name; positions are scores of a sorted set (engine/types/geohash.h).
 * Searches are in cmd_geo_search.c. */
#include "net/command/cmd_geo.h"

#include "engine/base/alloc.h"
#include "net/command/command_host.h"

#include <inttypes.h>
#include <stdio.h>

enum { SCORE_TEXT_MAX = 24 };

/* --- arguments and replies --- */

bool geo_arg_point(struct command_ctx *ctx, size_t arg, struct geo_point *out)
{
	if (!command_arg_float(ctx, arg, &out->longitude, NULL) ||
	    !command_arg_float(ctx, arg + 1, &out->latitude, NULL)) {
		return false;
	}
	if (!geo_valid(*out)) {
		resp_error(ctx->reply, "ERR invalid longitude,latitude pair %f,%f", out->longitude,
			   out->latitude);
		return false;
	}
	return true;
}

bool geo_arg_unit(struct command_ctx *ctx, size_t arg, double *out)
{
	static const struct {
		const char *name;
		double metres;
	} units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};

	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (command_arg_is(ctx, arg, units[i].name)) {
			*out = units[i].metres;
			return true;
		}
	}
	resp_error(ctx->reply, "ERR unsupported unit provided. please use M, KM, FT, MI");
	return false;
}

bool geo_lookup(struct command_ctx *ctx, size_t arg, struct store_key *key, struct meta *m,
		uint64_t *count)
{
	enum status st = command_lookup_counted(ctx, arg, key, m);

	*count = 0;
	if (st == ST_OK) {
		st = m->type == TYPE_ZSET ? type_zset_count(m, count) : ST_WRONG_TYPE;
		if (st != ST_OK) {
			command_reply_status(ctx, st);
		}
	}
	return st == ST_OK || st == ST_NOT_FOUND;
}

enum status geo_member(struct command_ctx *ctx, const struct store_key *key, const struct meta *m,
		       uint64_t count, struct slice member, struct geo_point *out)
{
	double score;
	enum status st =
	    count == 0 ? ST_NOT_FOUND : type_zset_score(ctx->engine, key, m, member, &score);

	if (st == ST_OK) {
		*out = geo_decode(score);
	}
	return st;
}

void geo_reply_distance(struct command_ctx *ctx, double distance)
{
	char text[400]; /* the longest double has 309 digits in front of the point */

	(void)snprintf(text, sizeof text, "%.4f", distance);
	resp_bulk_str(ctx->reply, text);
}

void geo_reply_point(struct command_ctx *ctx, struct geo_point p)
{
	resp_array(ctx->reply, 2);
	resp_plain_double(ctx->reply, p.longitude);
	resp_plain_double(ctx->reply, p.latitude);
}

/* --- members --- */

/* What ZADD would be called with: the words up to the positions, then scores, whose texts are put
 * in texts, and members. False: the error reply was sent. */
static bool as_zadd(struct command_ctx *ctx, size_t first, struct slice *argv,
		    char (*texts)[SCORE_TEXT_MAX])
{
	size_t at = first;

	memcpy(argv, ctx->argv, first * sizeof *argv);
	for (size_t i = first; i < ctx->argc; i += 3) {
		struct geo_point p;

		if (!geo_arg_point(ctx, i, &p)) {
			return false;
		}
		(void)snprintf(*texts, SCORE_TEXT_MAX, "%" PRIu64, geo_encode(p));
		argv[at++] = slice_str(*texts++);
		argv[at++] = ctx->argv[i + 2];
	}
	return true;
}

static void cmd_geoadd(struct command_ctx *ctx)
{
	struct command_ctx zadd = *ctx;
	struct slice *argv;
	char(*texts)[SCORE_TEXT_MAX];
	size_t first = 2, members;
	bool nx = false, xx = false;

	for (; first < ctx->argc; first++) {
		bool is_nx = command_arg_is(ctx, first, "nx"),
		     is_xx = command_arg_is(ctx, first, "xx");

		if (!is_nx && !is_xx && !command_arg_is(ctx, first, "ch")) {
			break;
		}
		nx |= is_nx;
		xx |= is_xx;
	}
	members = (ctx->argc - first) / 3;
	if ((ctx->argc - first) % 3 != 0 || members == 0 || (nx && xx)) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	argv = mem_alloc(ctx->argc * sizeof *argv);
	texts = mem_alloc(members * sizeof *texts);
	if (argv == NULL || texts == NULL) {
		command_reply_status(ctx, ST_NO_MEMORY);
	} else if (as_zadd(ctx, first, argv, texts)) {
		zadd.argv = argv;
		zadd.argc = first + 2 * members;
		cmd_zadd(&zadd);
		zadd.argv = ctx->argv;
		zadd.argc = ctx->argc;
		*ctx = zadd;
	}
	mem_free(argv);
	mem_free(texts);
}

static void cmd_geodist(struct command_ctx *ctx)
{
	struct geo_point a, b;
	struct store_key key;
	struct meta m;
	uint64_t count;
	double unit = 1;
	enum status st;

	if (ctx->argc == 5 && !geo_arg_unit(ctx, 4, &unit)) {
		return;
	}
	if (ctx->argc > 5) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return;
	}
	if (!geo_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	st = geo_member(ctx, &key, &m, count, ctx->argv[2], &a);
	if (st == ST_OK) {
		st = geo_member(ctx, &key, &m, count, ctx->argv[3], &b);
	}
	if (st == ST_OK) {
		geo_reply_distance(ctx, geo_distance(a, b) / unit);
	} else if (st == ST_NOT_FOUND) {
		resp_null(ctx->reply);
	} else {
		command_reply_status(ctx, st);
	}
}

static void reply_text(struct command_ctx *ctx, struct geo_point p)
{
	char text[GEO_TEXT_LEN];

	geo_text(p, text);
	resp_bulk(ctx->reply, slice_of(text, sizeof text));
}

/* Replies for each member with its position in a form, or as nothing. */
static void reply_members(struct command_ctx *ctx,
			  void (*reply)(struct command_ctx *ctx, struct geo_point p),
			  void (*nothing)(struct resp_writer *w))
{
	struct geo_point p;
	struct store_key key;
	struct meta m;
	uint64_t count;

	if (!geo_lookup(ctx, 1, &key, &m, &count)) {
		return;
	}
	resp_array(ctx->reply, ctx->argc - 2);
	for (size_t i = 2; i < ctx->argc; i++) {
		enum status st = geo_member(ctx, &key, &m, count, ctx->argv[i], &p);

		if (st == ST_OK) {
			reply(ctx, p);
		} else if (st == ST_NOT_FOUND) {
			nothing(ctx->reply);
		} else {
			command_reply_status(ctx, st);
			return;
		}
	}
}

static void cmd_geohash(struct command_ctx *ctx)
{
	reply_members(ctx, reply_text, resp_null);
}

static void cmd_geopos(struct command_ctx *ctx)
{
	reply_members(ctx, geo_reply_point, resp_null_array);
}

/* --- the table --- */

enum {
	READ = CMD_READONLY,
	READ_RANGE = CMD_READONLY | CMD_TOUCH_RANGE,
	STORE = CMD_WRITE | CMD_DENYOOM | CMD_TOUCH_RANGE,
};

const struct command commands_geo[] = {
    {"geoadd", -5, CMD_WRITE | CMD_DENYOOM, KEYS(1, 1, 1), cmd_geoadd, NULL},
    {"geodist", -4, READ, KEYS(1, 1, 1), cmd_geodist, NULL},
    {"geohash", -2, READ | CMD_TOUCH_ARGS, KEYS(1, 1, 1), cmd_geohash, NULL},
    {"geopos", -2, READ | CMD_TOUCH_ARGS, KEYS(1, 1, 1), cmd_geopos, NULL},
    {"georadius", -6, STORE | CMD_MOVABLE_KEYS, KEYS(1, 1, 1), cmd_georadius, NULL},
    {"georadius_ro", -6, READ_RANGE, KEYS(1, 1, 1), cmd_georadius_ro, NULL},
    {"georadiusbymember", -5, STORE | CMD_MOVABLE_KEYS, KEYS(1, 1, 1), cmd_georadiusbymember, NULL},
    {"georadiusbymember_ro", -5, READ_RANGE, KEYS(1, 1, 1), cmd_georadiusbymember_ro, NULL},
    {"geosearch", -7, READ_RANGE, KEYS(1, 1, 1), cmd_geosearch, NULL},
    {"geosearchstore", -8, STORE, KEYS(1, 2, 1), cmd_geosearchstore, NULL},
    {NULL, 0, 0, NO_KEYS, NULL, NULL},
};
