/* Adding libraries. They are loaded before anything changes: what can't be loaded, or has names
 * that are taken, is refused. */
#include "net/command/function_restore.h"

#include "engine/base/alloc.h"
#include "engine/engine_library.h"
#include "net/command/dispatch_state.h"
#include "net/command/script_run.h"
#include "net/command/script_shebang.h"
#include "net/proto/rdb_library.h"
#include "net/script/lua_values.h"

enum { LOAD_MS_MAX = 500, CAP_MIN = 8 };

/* A library that is loaded but not yet in the engine. */
struct arrival {
	struct library_head head;
	struct slice code; /* borrows packed, or what came */
	struct buf packed;
	struct function_library *made;
};

static struct slice name_of(const struct arrival *a)
{
	return buf_slice(&a->head.name);
}

static void arrival_deinit(struct functions *f, struct arrival *a)
{
	script_library_free(&f->box, a->made);
	buf_deinit(&a->head.name);
	buf_deinit(&a->packed);
}

/* What went wrong, or the engine's status, becomes the reply. */
static void reply_failure(struct command_ctx *ctx, enum status st, const struct buf *error)
{
	if (error->len > 0) {
		lua_write_line(ctx->reply, '-', buf_slice(error));
	} else if (st == ST_LIMIT) {
		command_failed(ctx);
		resp_error(ctx->reply, "ERR all libraries together may have at most %d MB of code",
			   LIBRARY_SET_BYTES_MAX >> 20);
	} else {
		command_reply_status(ctx, st);
	}
}

/* Reads the first line of a->code, sees that its names are free in t, but for a library that it
 * replaces, and loads it. */
static enum status load(struct command_ctx *ctx, const struct function_table *t, bool replace,
			struct arrival *a, struct buf *error)
{
	struct dispatch *d = ctx->dispatch;
	const struct function_library *old;
	const struct function *clash;
	enum status st = functions_open(d);

	if (st != ST_OK) {
		return st;
	}
	st = script_library_head(a->code, &a->head, error);
	if (st != ST_OK) {
		return st;
	}
	old = function_table_library(t, name_of(a));
	if (old != NULL && !replace) {
		buf_note(error, "ERR Library '%.*s' already exists", (int)a->head.name.len,
			 (const char *)a->head.name.data);
		return ST_INVALID;
	}
	st = script_library_load(&d->scripts->functions.box, a->head.body, d->clock, LOAD_MS_MAX,
				 &a->made, error);
	clash = st == ST_OK ? function_table_clash(t, a->made, old) : NULL;
	if (clash != NULL) {
		buf_note(error, "ERR Function %s already exists", clash->text);
		st = ST_INVALID;
	}
	return st;
}

/* Gives loaded libraries to the engine: until it has all, nothing else has changed. flush: it
 * forgets what it had. */
static enum status give(struct command_ctx *ctx, const struct arrival *items, size_t count,
			bool flush)
{
	struct functions *f = &ctx->dispatch->scripts->functions;
	size_t functions = 0;
	enum status st;

	for (size_t i = 0; i < count; i++) {
		functions += items[i].made->count;
	}
	st = function_table_reserve(&f->table, count, functions);
	if (st == ST_OK && flush && f->table.count > 0) {
		st = engine_libraries_flush(ctx->engine);
	}
	for (size_t i = 0; st == ST_OK && i < count; i++) {
		st = engine_library_put(ctx->engine, name_of(&items[i]), items[i].code);
	}
	return st;
}

/* Has the table be what the engine has now. All that is replaced goes before anything comes: names
 * of functions may have changed places. */
static void take_over(struct command_ctx *ctx, struct arrival *items, size_t count, bool flush)
{
	struct functions *f = &ctx->dispatch->scripts->functions;
	const struct library_set *set = engine_libraries(ctx->engine);

	if (flush) {
		functions_forget(f);
	}
	for (size_t i = 0; i < count; i++) {
		struct function_library *old =
		    function_table_library(&f->table, name_of(&items[i]));

		if (old != NULL) {
			function_table_remove(&f->table, old);
			script_library_free(&f->box, old);
		}
	}
	for (size_t i = 0; i < count; i++) {
		struct function_library *l = items[i].made;

		l->source = library_hold(library_set_find(set, name_of(&items[i])));
		function_table_add(&f->table, library_name(l->source), l);
		items[i].made = NULL;
	}
	f->version = engine_libraries_version(ctx->engine);
}

void function_load(struct command_ctx *ctx, struct slice code, bool replace)
{
	struct functions *f = &ctx->dispatch->scripts->functions;
	struct arrival a = {.code = code};
	struct buf error = {0};
	enum status st = load(ctx, &f->table, replace, &a, &error);

	if (st == ST_OK) {
		st = give(ctx, &a, 1, false);
	}
	if (st == ST_OK) {
		take_over(ctx, &a, 1, false);
		resp_bulk(ctx->reply, name_of(&a));
	} else {
		reply_failure(ctx, st, &error);
	}
	arrival_deinit(f, &a);
	buf_deinit(&error);
}

/* --- payloads --- */

struct restore {
	struct command_ctx *ctx;
	struct arrival *items;
	size_t count, cap;
	struct function_table table; /* of these */
	struct buf error;
};

static void restore_deinit(struct restore *r)
{
	function_table_deinit(&r->table);
	for (size_t i = 0; i < r->count; i++) {
		arrival_deinit(&r->ctx->dispatch->scripts->functions, &r->items[i]);
	}
	mem_free(r->items);
	buf_deinit(&r->error);
}

static enum status add_arrival(struct restore *r, struct arrival **out)
{
	if (r->count == r->cap) {
		size_t cap = r->cap == 0 ? CAP_MIN : r->cap * 2;
		struct arrival *grown = mem_realloc(r->items, cap * sizeof *grown);

		if (grown == NULL) {
			return ST_NO_MEMORY;
		}
		r->items = grown;
		r->cap = cap;
	}
	*out = &r->items[r->count++];
	**out = (struct arrival){0};
	return ST_OK;
}

/* The next library of the payload, loaded. ST_END. */
static enum status read_one(struct restore *r, struct rdb_reader *reader)
{
	struct arrival *a;
	enum status st = reader->left.len == 0 ? ST_END : add_arrival(r, &a);

	if (st != ST_OK) {
		return st;
	}
	st = rdb_library_next(reader, &a->packed, &a->code);
	if (st == ST_WRONG_TYPE) {
		buf_note(&r->error, "ERR given type is not a function");
	} else if (st == ST_CORRUPT) {
		buf_note(&r->error, "ERR Failed loading library payload");
	}
	if (st == ST_OK) {
		st = load(r->ctx, &r->table, false, a, &r->error);
	}
	if (st == ST_OK) {
		st = function_table_reserve(&r->table, 1, a->made->count);
	}
	if (st == ST_OK) {
		function_table_add(&r->table, name_of(a), a->made);
	}
	return st;
}

/* Whether the names are free where they are to come. */
static enum status check_names(struct restore *r, bool replace)
{
	const struct function_table *t = &r->ctx->dispatch->scripts->functions.table;

	for (size_t i = 0; !replace && i < r->table.count; i++) {
		if (function_table_library(t, r->table.names[i]) != NULL) {
			buf_note(&r->error, "ERR Library %.*s already exists",
				 (int)r->table.names[i].len, (const char *)r->table.names[i].data);
			return ST_INVALID;
		}
	}
	for (size_t i = 0; i < r->table.functions_count; i++) {
		struct slice name = function_name(r->table.functions[i]);
		const struct function *f = function_table_function(t, name);

		if (f != NULL &&
		    function_table_library(&r->table, library_name(f->library->source)) == NULL) {
			buf_note(&r->error, "ERR Function %s already exists",
				 r->table.functions[i]->text);
			return ST_INVALID;
		}
	}
	return ST_OK;
}

void function_restore(struct command_ctx *ctx, struct slice payload, enum restore_policy policy)
{
	struct restore r = {.ctx = ctx};
	bool flush = policy == RESTORE_FLUSH;
	struct rdb_reader reader;
	enum status st = rdb_library_open(payload, &reader);

	if (st != ST_OK) {
		resp_error(ctx->reply, "ERR DUMP payload version or checksum are wrong");
		return;
	}
	while (st == ST_OK) {
		st = read_one(&r, &reader);
	}
	st = st == ST_END ? ST_OK : st;
	if (st == ST_OK && !flush) {
		st = check_names(&r, policy == RESTORE_REPLACE);
	}
	if (st == ST_OK) {
		st = give(ctx, r.items, r.count, flush);
	}
	if (st == ST_OK) {
		take_over(ctx, r.items, r.count, flush);
		resp_ok(ctx->reply);
	} else {
		reply_failure(ctx, st, &r.error);
	}
	restore_deinit(&r);
}
