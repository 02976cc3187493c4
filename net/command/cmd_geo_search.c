/* GEOSEARCH, GEORADIUS and their kin: the members within a circle or box. All that lie in it are
 * held in memory before they are ordered and sent or stored. */
#include "engine/base/alloc.h"
#include "engine/base/byte_list.h"
#include "net/command/cmd_geo.h"

#include <stdlib.h>

enum from { FROM_OPTIONS, FROM_POINT, FROM_MEMBER };

struct place {
	struct slice member;
	struct geo_point point;
	double distance, score; /* metres */
	size_t index;
};

struct search {
	struct command_ctx *ctx;
	enum from from;	   /* GEORADIUS's forms, or GEOSEARCH's options */
	bool may_store;	   /* STORE and STOREDIST */
	size_t source_arg; /* of the sorted set */
	size_t store_arg;  /* 0: the result is sent */
	struct store_key key;
	struct meta m;
	uint64_t count; /* elements of the set; 0: there is none */
	struct geo_shape shape;
	bool has_center, by_member, has_radius, has_box;
	bool with_distance, with_hash, with_point, store_distance, any, sorted, descending;
	int64_t limit; /* 0: none */
	struct byte_list members;
	struct buf places; /* struct place */
};

/* --- arguments --- */

static bool center_on_member(struct search *s, size_t arg)
{
	struct command_ctx *ctx = s->ctx;
	enum status st =
	    geo_member(ctx, &s->key, &s->m, s->count, ctx->argv[arg], &s->shape.center);

	if (st == ST_NOT_FOUND) {
		resp_error(ctx->reply, "ERR could not decode requested zset member");
	} else if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
	return st == ST_OK;
}

static bool parse_radius(struct search *s, size_t arg)
{
	struct geo_shape *shape = &s->shape;

	if (!command_arg_float(s->ctx, arg, &shape->radius, "ERR need numeric radius")) {
		return false;
	}
	if (shape->radius < 0) {
		resp_error(s->ctx->reply, "ERR radius cannot be negative");
		return false;
	}
	return geo_arg_unit(s->ctx, arg + 1, &shape->unit);
}

static bool parse_box(struct search *s, size_t arg)
{
	struct geo_shape *shape = &s->shape;

	if (!command_arg_float(s->ctx, arg, &shape->width, "ERR need numeric width") ||
	    !command_arg_float(s->ctx, arg + 1, &shape->height, "ERR need numeric height")) {
		return false;
	}
	if (shape->width < 0 || shape->height < 0) {
		resp_error(s->ctx->reply, "ERR height or width cannot be negative");
		return false;
	}
	shape->box = true;
	return geo_arg_unit(s->ctx, arg + 2, &shape->unit);
}

static bool parse_count(struct search *s, size_t arg)
{
	if (!command_arg_int(s->ctx, arg, &s->limit, NULL)) {
		return false;
	}
	if (s->limit <= 0) {
		resp_error(s->ctx->reply, "ERR COUNT must be > 0");
		return false;
	}
	return true;
}

/* A word that stands alone. */
static bool parse_flag(struct search *s, size_t at)
{
	const struct {
		const char *word;
		bool *flag;
	} flags[] = {{"withdist", &s->with_distance},
		     {"withhash", &s->with_hash},
		     {"withcoord", &s->with_point},
		     {"any", &s->any}};

	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
		if (command_arg_is(s->ctx, at, flags[i].word)) {
			*flags[i].flag = true;
			return true;
		}
	}
	if (command_arg_is(s->ctx, at, "asc") || command_arg_is(s->ctx, at, "desc")) {
		s->sorted = true;
		s->descending = command_arg_is(s->ctx, at, "desc");
		return true;
	}
	return false;
}

/* GEORADIUS's STORE or STOREDIST with its key. */
static bool parse_store(struct search *s, size_t at)
{
	bool distance = command_arg_is(s->ctx, at, "storedist");

	if (!s->may_store || (!distance && !command_arg_is(s->ctx, at, "store"))) {
		return false;
	}
	s->store_arg = at + 1;
	s->store_distance = distance;
	return true;
}

/* GEOSEARCH's options, which say where: *took is how many arguments belong to it; 0: it is none of
 * them. False: the error reply was sent. */
static bool parse_where(struct search *s, size_t at, size_t left, size_t *took)
{
	struct command_ctx *ctx = s->ctx;

	*took = 0;
	if (left >= 1 && !(s->has_center && !s->by_member) &&
	    command_arg_is(ctx, at, "frommember")) {
		*took = 2;
		s->has_center = s->by_member = true;
		return s->count == 0 || center_on_member(s, at + 1);
	}
	if (left >= 2 && !s->by_member && command_arg_is(ctx, at, "fromlonlat")) {
		*took = 3;
		s->has_center = true;
		return geo_arg_point(ctx, at + 1, &s->shape.center);
	}
	if (left >= 2 && !s->has_box && command_arg_is(ctx, at, "byradius")) {
		*took = 3;
		s->has_radius = true;
		return parse_radius(s, at + 1);
	}
	if (left >= 3 && !s->has_radius && command_arg_is(ctx, at, "bybox")) {
		*took = 4;
		s->has_box = true;
		return parse_box(s, at + 1);
	}
	if (s->store_arg != 0 && command_arg_is(ctx, at, "storedist")) {
		*took = 1;
		s->store_distance = true;
	}
	return true;
}

/* Reads what follows the fixed arguments. False: the error reply was sent. */
static bool parse_options(struct search *s, size_t at)
{
	struct command_ctx *ctx = s->ctx;

	while (at < ctx->argc) {
		size_t left = ctx->argc - at - 1, took = 1;

		if (parse_flag(s, at)) {
			at++;
			continue;
		}
		if (left >= 1 && command_arg_is(ctx, at, "count")) {
			if (!parse_count(s, at + 1)) {
				return false;
			}
			took = 2;
		} else if (s->from == FROM_OPTIONS) {
			if (!parse_where(s, at, left, &took)) {
				return false;
			}
		} else {
			took = left >= 1 && parse_store(s, at) ? 2 : 0;
		}
		if (took == 0) {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
		at += took;
	}
	return true;
}

/* Whether the options go together. False: the error reply was sent. */
static bool check_options(struct search *s)
{
	struct command_ctx *ctx = s->ctx;
	bool options = s->from == FROM_OPTIONS;
	int len = (int)ctx->argv[0].len;
	const char *name = (const char *)ctx->argv[0].data;

	if (s->store_arg != 0 && (s->with_distance || s->with_hash || s->with_point)) {
		resp_error(ctx->reply,
			   "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
			   options ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
	} else if (options && !s->has_center) {
		resp_error(ctx->reply,
			   "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s",
			   len, name);
	} else if (options && !s->has_radius && !s->has_box) {
		resp_error(ctx->reply,
			   "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s", len,
			   name);
	} else if (s->any && s->limit == 0) {
		resp_error(ctx->reply, "ERR the ANY argument requires COUNT argument");
	} else {
		return true;
	}
	return false;
}

/* --- the search --- */

static enum status add_place(struct search *s, const struct zset_element *element)
{
	struct place p = {.score = element->score, .index = byte_list_count(&s->members)};
	enum status st = ST_OK;

	if (geo_within(&s->shape, element->score, &p.point, &p.distance)) {
		st = byte_list_add(&s->members, element->member);
		if (st == ST_OK) {
			st = buf_append(&s->places, &p, sizeof p);
		}
	}
	return st;
}

static bool is_enough(const struct search *s)
{
	return s->any && byte_list_count(&s->members) >= (uint64_t)s->limit;
}

/* Adds what lies in the shape of the elements with scores in a range. */
static enum status search_range(struct search *s, const struct geo_range *range)
{
	struct zset_bound from = {.kind = ZSET_BOUND_SCORE, .score = range->from};
	struct type_zset_iter it;
	struct zset_element element;
	uint64_t rank;
	enum status st = type_zset_position(s->ctx->engine, &s->key, &s->m, &from, &rank);

	if (st != ST_OK || rank >= s->count) {
		return st;
	}
	st = type_zset_iter_open(s->ctx->engine, &s->key, &s->m, rank, false, &it);
	while (st == ST_OK && !is_enough(s)) {
		st = type_zset_iter_next(&it, &element);
		if (st == ST_OK && element.score >= range->to) {
			break;
		}
		if (st == ST_OK) {
			st = add_place(s, &element);
		}
	}
	return st == ST_END ? ST_OK : st;
}

static int nearer(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->distance != y->distance) {
		return x->distance < y->distance ? -1 : 1;
	}
	return x->index < y->index ? -1 : 1;
}

static int farther(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->distance != y->distance) {
		return x->distance > y->distance ? -1 : 1;
	}
	return x->index < y->index ? -1 : 1;
}

/* Finds the places, in the order wanted. */
static enum status find(struct search *s)
{
	struct geo_range ranges[GEO_RANGES_MAX];
	unsigned n = geo_ranges(&s->shape, ranges);
	struct place *places;
	size_t count;
	enum status st = ST_OK;

	for (unsigned i = 0; st == ST_OK && i < n && !is_enough(s); i++) {
		st = search_range(s, &ranges[i]);
	}
	count = byte_list_count(&s->members);
	if (st != ST_OK || count == 0) {
		return st;
	}
	places = (struct place *)(void *)s->places.data;
	for (size_t i = 0; i < count; i++) {
		places[i].member = byte_list_at(&s->members, i);
	}
	/* Of those within reach the nearest are wanted, unless any will do. */
	if (s->sorted || (s->limit != 0 && !s->any)) {
		qsort(places, count, sizeof *places, s->descending ? farther : nearer);
	}
	return ST_OK;
}

/* --- results --- */

static void reply_place(const struct search *s, const struct place *p)
{
	struct command_ctx *ctx = s->ctx;
	size_t more = (size_t)s->with_distance + s->with_hash + s->with_point;

	if (more > 0) {
		resp_array(ctx->reply, more + 1);
	}
	resp_bulk(ctx->reply, p->member);
	if (s->with_distance) {
		geo_reply_distance(ctx, p->distance / s->shape.unit);
	}
	if (s->with_hash) {
		resp_int(ctx->reply, geo_score_int(p->score));
	}
	if (s->with_point) {
		geo_reply_point(ctx, p->point);
	}
}

static enum status store(struct search *s, const struct place *places, size_t n)
{
	struct zset_gather g = {.count = 0};
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < n; i++) {
		double score =
		    s->store_distance ? places[i].distance / s->shape.unit : places[i].score;

		st = zset_gather_add(&g, places[i].member, score);
	}
	if (st == ST_OK) {
		zset_store_gathered(s->ctx, s->store_arg, &g);
	}
	zset_gather_deinit(&g);
	return st;
}

static void run(struct search *s)
{
	const struct place *places;
	size_t n;
	enum status st = s->count > 0 ? find(s) : ST_OK;

	n = byte_list_count(&s->members);
	n = s->limit != 0 && (uint64_t)s->limit < n ? (size_t)s->limit : n;
	places = (const struct place *)(void *)s->places.data;
	if (st == ST_OK && s->store_arg != 0) {
		st = store(s, places, n);
	} else if (st == ST_OK) {
		resp_array(s->ctx->reply, n);
		for (size_t i = 0; i < n; i++) {
			reply_place(s, &places[i]);
		}
	}
	if (st != ST_OK) {
		command_reply_status(s->ctx, st);
	}
	byte_list_deinit(&s->members);
	buf_deinit(&s->places);
}

/* Reads the arguments that have places of their own. False: the error reply was sent. */
static bool parse_fixed(struct search *s, size_t *next)
{
	switch (s->from) {
	case FROM_POINT:
		*next = 6;
		return geo_arg_point(s->ctx, 2, &s->shape.center) && parse_radius(s, 4);
	case FROM_MEMBER:
		*next = 5;
		/* Without a set nothing is found, whatever they say. */
		return s->count == 0 || (center_on_member(s, 2) && parse_radius(s, 3));
	default:
		*next = s->source_arg + 1;
		return true;
	}
}

static void search_command(struct search *s)
{
	size_t next;

	if (geo_lookup(s->ctx, s->source_arg, &s->key, &s->m, &s->count) && parse_fixed(s, &next) &&
	    parse_options(s, next) && check_options(s)) {
		run(s);
	}
}

void cmd_geosearch(struct command_ctx *ctx)
{
	struct search s = {.ctx = ctx, .from = FROM_OPTIONS, .source_arg = 1};

	search_command(&s);
}

void cmd_geosearchstore(struct command_ctx *ctx)
{
	struct search s = {.ctx = ctx, .from = FROM_OPTIONS, .source_arg = 2, .store_arg = 1};

	search_command(&s);
}

void cmd_georadius(struct command_ctx *ctx)
{
	struct search s = {.ctx = ctx, .from = FROM_POINT, .source_arg = 1, .may_store = true};

	search_command(&s);
}

void cmd_georadius_ro(struct command_ctx *ctx)
{
	struct search s = {.ctx = ctx, .from = FROM_POINT, .source_arg = 1};

	search_command(&s);
}

void cmd_georadiusbymember(struct command_ctx *ctx)
{
	struct search s = {.ctx = ctx, .from = FROM_MEMBER, .source_arg = 1, .may_store = true};

	search_command(&s);
}

void cmd_georadiusbymember_ro(struct command_ctx *ctx)
{
	struct search s = {.ctx = ctx, .from = FROM_MEMBER, .source_arg = 1};

	search_command(&s);
}
