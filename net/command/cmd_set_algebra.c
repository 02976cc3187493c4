/* SINTER, SUNION, SDIFF, their STORE forms, SINTERCARD.
 *
 * A result is never gathered to be sent: each member is judged by looking it up in the other sets,
 * O(log n) each. What is to be stored is gathered first, since nothing may be written during the
 * walk. */
#include "engine/base/alloc.h"
#include "engine/base/byte_list.h"
#include "engine/types/type_build.h"
#include "net/command/cmd_set.h"
#include "net/command/notify.h"

#include <stdlib.h>

/* One of the sets. Reading one needs its key's slot alone. */
struct source {
	uint16_t slot;
	bool exists;
	uint64_t count;
	struct meta m;
};

struct algebra {
	struct command_ctx *ctx;
	struct source *sources;
	size_t sources_count;
	size_t missing;
	struct store_key key;	   /* the one that is being read, as far as needed */
	uint64_t found, found_max; /* members of the result; where to stop */
	struct byte_list *kept;	   /* NULL: they are sent, or only counted */
	bool counting;
};

/* --- sources --- */

/* Looks up count keys from argv[first] on. False: the error reply was sent. */
static bool open_sources(struct algebra *a, struct command_ctx *ctx, size_t first, size_t count)
{
	*a = (struct algebra){.ctx = ctx, .sources_count = count, .found_max = UINT64_MAX};
	a->sources = mem_calloc(count, sizeof *a->sources);
	if (a->sources == NULL) {
		command_reply_status(ctx, ST_NO_MEMORY);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		struct source *s = &a->sources[i];
		enum status st = command_lookup_counted(ctx, first + i, &a->key, &s->m);

		if (st == ST_NOT_FOUND) {
			a->missing++;
			continue;
		}
		if (st != ST_OK) {
			return false;
		}
		st = s->m.type == TYPE_SET ? named_count(&s->m, &s->count) : ST_WRONG_TYPE;
		if (st != ST_OK) {
			command_reply_status(ctx, st);
			return false;
		}
		s->slot = a->key.slot;
		s->exists = true;
	}
	return true;
}

static void close_sources(struct algebra *a)
{
	mem_free(a->sources);
}

static const struct store_key *key_of(struct algebra *a, const struct source *s)
{
	a->key.slot = s->slot;
	return &a->key;
}

/* ST_OK: one of the sources from first up to end has the member. ST_NOT_FOUND. */
static enum status in_any(struct algebra *a, size_t first, size_t end, struct slice member)
{
	enum status st = ST_NOT_FOUND;
	struct slice value;

	for (size_t i = first; st == ST_NOT_FOUND && i < end; i++) {
		const struct source *s = &a->sources[i];

		if (s->exists) {
			st = named_get(a->ctx->engine, key_of(a, s), &s->m, member, &value);
		}
	}
	return st;
}

/* ST_OK: all sources from first on have it. ST_NOT_FOUND. */
static enum status in_all(struct algebra *a, size_t first, struct slice member)
{
	enum status st = ST_OK;
	struct slice value;

	for (size_t i = first; st == ST_OK && i < a->sources_count; i++) {
		const struct source *s = &a->sources[i];

		st = named_get(a->ctx->engine, key_of(a, s), &s->m, member, &value);
	}
	return st;
}

/* --- results --- */

/* ST_END: that is enough. */
static enum status emit(struct algebra *a, struct slice member)
{
	a->found++;
	if (a->kept != NULL) {
		return byte_list_add(a->kept, member);
	}
	if (!a->counting) {
		resp_bulk(a->ctx->reply, member);
	}
	return a->found == a->found_max ? ST_END : ST_OK;
}

/* Emits the members of source i that judge says ST_OK to; it says ST_NOT_FOUND to the others. */
static enum status walk(struct algebra *a, size_t i,
			enum status (*judge)(struct algebra *a, size_t i, struct slice member))
{
	const struct source *s = &a->sources[i];
	struct type_set_walk w;
	struct slice member;
	enum status st = type_set_walk_open(a->ctx->engine, key_of(a, s), &s->m, &w);

	while (st == ST_OK) {
		st = type_set_walk_next(&w, &member);
		if (st == ST_OK) {
			st = judge(a, i, member);
			if (st == ST_OK) {
				st = emit(a, member);
			} else if (st == ST_NOT_FOUND) {
				st = ST_OK;
			}
		}
	}
	type_set_walk_close(&w);
	return st == ST_END ? ST_OK : st;
}

static int by_count(const void *x, const void *y)
{
	const struct source *a = x, *b = y;

	return (a->count > b->count) - (a->count < b->count);
}

static enum status judge_inter(struct algebra *a, size_t i, struct slice member)
{
	return in_all(a, i + 1, member);
}

/* The members of the smallest, if the others have them too. */
static enum status inter(struct algebra *a)
{
	if (a->missing > 0) {
		return ST_OK;
	}
	qsort(a->sources, a->sources_count, sizeof *a->sources, by_count);
	return walk(a, 0, judge_inter);
}

/* Each member is given where it is met first. */
static enum status judge_union(struct algebra *a, size_t i, struct slice member)
{
	enum status st = in_any(a, 0, i, member);

	return st == ST_OK ? ST_NOT_FOUND : st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status unite(struct algebra *a)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < a->sources_count; i++) {
		if (a->sources[i].exists) {
			st = walk(a, i, judge_union);
		}
	}
	return st;
}

static enum status judge_diff(struct algebra *a, size_t i, struct slice member)
{
	enum status st = in_any(a, i + 1, a->sources_count, member);

	return st == ST_OK ? ST_NOT_FOUND : st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status diff(struct algebra *a)
{
	return a->sources[0].exists ? walk(a, 0, judge_diff) : ST_OK;
}

/* --- commands --- */

typedef enum status algebra_fn(struct algebra *a);

/* Sends the result of the sets from argv[1] on. */
static void reply_result(struct command_ctx *ctx, algebra_fn *run)
{
	struct algebra a;
	size_t mark;
	enum status st;

	if (open_sources(&a, ctx, 1, ctx->argc - 1)) {
		mark = resp_deferred_begin(ctx->reply);
		st = run(&a);
		if (st == ST_OK) {
			resp_deferred_end(ctx->reply, mark, '~', (size_t)a.found);
		} else {
			command_reply_status(ctx, st);
		}
	}
	close_sources(&a);
}

/* Puts the result in the place of whatever argv[1] holds; an empty one removes it. */
static enum status store(struct command_ctx *ctx, const struct byte_list *members)
{
	struct set_limits limits = set_limits_of(ctx);
	struct type_build build;
	struct store_key key;
	enum status st = ST_OK;

	store_key_of_key(&key, ctx->argv[1]);
	if (byte_list_count(members) == 0) {
		return command_remove(ctx, &key);
	}
	type_build_set(&build, ctx->engine, &key, &limits);
	for (size_t i = 0; st == ST_OK && i < byte_list_count(members); i++) {
		st = type_build_member(&build, byte_list_at(members, i));
	}
	st = st == ST_OK ? type_build_end(&build, 0) : st;
	command_event(ctx, EVENT_SET, ctx->cmd->name, key.name);
	return st;
}

/* Stores the result of the sets from argv[2] on. */
static void store_result(struct command_ctx *ctx, algebra_fn *run)
{
	struct byte_list members = {0};
	struct algebra a;

	if (open_sources(&a, ctx, 2, ctx->argc - 2)) {
		enum status st;

		a.kept = &members;
		st = run(&a);
		if (st == ST_OK) {
			st = store(ctx, &members);
		}
		if (st == ST_OK) {
			resp_int(ctx->reply, (int64_t)a.found);
		} else {
			command_reply_status(ctx, st);
		}
	}
	close_sources(&a);
	byte_list_deinit(&members);
}

void cmd_sinter(struct command_ctx *ctx)
{
	reply_result(ctx, inter);
}

void cmd_sinterstore(struct command_ctx *ctx)
{
	store_result(ctx, inter);
}

void cmd_sunion(struct command_ctx *ctx)
{
	reply_result(ctx, unite);
}

void cmd_sunionstore(struct command_ctx *ctx)
{
	store_result(ctx, unite);
}

void cmd_sdiff(struct command_ctx *ctx)
{
	reply_result(ctx, diff);
}

void cmd_sdiffstore(struct command_ctx *ctx)
{
	store_result(ctx, diff);
}

/* SINTERCARD's number of keys and its limit, 0: none. False: the error reply was sent. */
static bool card_arguments(struct command_ctx *ctx, int64_t *keys, int64_t *limit)
{
	if (!command_arg_int(ctx, 1, keys, "ERR numkeys should be greater than 0")) {
		return false;
	}
	if (*keys < 1) {
		resp_error(ctx->reply, "ERR numkeys should be greater than 0");
		return false;
	}
	if (*keys > (int64_t)ctx->argc - 2) {
		resp_error(ctx->reply, "ERR Number of keys can't be greater than number of args");
		return false;
	}
	for (size_t i = 2 + (size_t)*keys; i < ctx->argc; i += 2) {
		if (i + 1 >= ctx->argc || !command_arg_is(ctx, i, "limit")) {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
		if (!command_arg_not_negative(ctx, i + 1, limit, "ERR LIMIT can't be negative")) {
			return false;
		}
	}
	return true;
}

void cmd_sintercard(struct command_ctx *ctx)
{
	struct algebra a;
	int64_t keys, limit = 0;

	if (!card_arguments(ctx, &keys, &limit)) {
		return;
	}
	if (open_sources(&a, ctx, 2, (size_t)keys)) {
		enum status st;

		a.counting = true;
		a.found_max = limit > 0 ? (uint64_t)limit : UINT64_MAX;
		st = inter(&a);
		if (st == ST_OK) {
			resp_int(ctx->reply, (int64_t)a.found);
		} else {
			command_reply_status(ctx, st);
		}
	}
	close_sources(&a);
}
