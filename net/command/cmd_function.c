/* FUNCTION and FCALL: libraries of functions are data, loaded into a sandbox of their own. */
#include "net/command/cmd_function.h"

#include "engine/engine_library.h"
#include "net/command/command_groups.h"
#include "net/command/dispatch_state.h"
#include "net/command/function_restore.h"
#include "net/command/monitor.h"
#include "net/command/script_run.h"
#include "net/command/script_shebang.h"
#include "net/proto/rdb_library.h"

static struct functions *functions_of(const struct command_ctx *ctx)
{
	return &ctx->dispatch->scripts->functions;
}

/* False: the error reply was sent. */
static bool sync(struct command_ctx *ctx)
{
	if (functions_sync(ctx->dispatch) != ST_OK) {
		resp_error(ctx->reply, "OOM out of memory: the libraries were not loaded");
		return false;
	}
	return true;
}

/* --- calling --- */

void cmd_fcall(struct command_ctx *ctx)
{
	const struct function *f;
	size_t keys_count;

	(void)engine_libraries(ctx->engine); /* what there is shows in the reply */
	monitor_script(ctx);
	if (!sync(ctx)) {
		return;
	}
	f = function_table_function(&functions_of(ctx)->table, ctx->argv[1]);
	if (f == NULL) {
		resp_error(ctx->reply, "ERR Function not found");
		return;
	}
	if (script_keys_count(ctx, "ERR Bad number of keys provided", &keys_count)) {
		script_start(ctx, true, f->text, f->flags, f->ref, keys_count);
	}
}

unsigned function_flags(struct dispatch *d, struct slice name)
{
	const struct function *f;

	if (functions_sync(d) != ST_OK) {
		return SCRIPT_PLAIN;
	}
	f = function_table_function(&d->scripts->functions.table, name);
	return f != NULL ? f->flags : SCRIPT_PLAIN;
}

/* --- changing --- */

static void cmd_function_load(struct command_ctx *ctx)
{
	bool replace = ctx->argc > 3;

	for (size_t i = 2; i + 1 < ctx->argc; i++) {
		if (!command_arg_is(ctx, i, "replace")) {
			resp_error(ctx->reply, "ERR Unknown option given: %.*s",
				   (int)(ctx->argv[i].len < 128 ? ctx->argv[i].len : 128),
				   (const char *)ctx->argv[i].data);
			return;
		}
	}
	if (sync(ctx)) {
		function_load(ctx, ctx->argv[ctx->argc - 1], replace);
	}
}

static void cmd_function_delete(struct command_ctx *ctx)
{
	struct functions *f = functions_of(ctx);
	struct function_library *l;
	enum status st;

	if (!sync(ctx)) {
		return;
	}
	l = function_table_library(&f->table, ctx->argv[2]);
	if (l == NULL) {
		resp_error(ctx->reply, "ERR Library not found");
		return;
	}
	st = engine_library_del(ctx->engine, ctx->argv[2]);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	function_table_remove(&f->table, l);
	script_library_free(&f->box, l);
	f->version = engine_libraries_version(ctx->engine);
	resp_ok(ctx->reply);
}

static void cmd_function_flush(struct command_ctx *ctx)
{
	enum status st;

	if (ctx->argc > 3) {
		command_reply_bad_subcommand(ctx);
		return;
	}
	if (ctx->argc == 3 && !command_arg_is(ctx, 2, "sync") && !command_arg_is(ctx, 2, "async")) {
		resp_error(ctx->reply, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
		return;
	}
	st = engine_libraries(ctx->engine)->count > 0 ? engine_libraries_flush(ctx->engine) : ST_OK;
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	if (sync(ctx)) {
		resp_ok(ctx->reply);
	}
}

/* --- telling --- */

static void reply_function(struct resp_writer *w, const struct function *f)
{
	size_t flags = 0;

	for (unsigned i = 0; script_flag_names[i] != NULL; i++) {
		flags += f->flags >> i & 1;
	}
	resp_map(w, 3);
	resp_bulk_str(w, "name");
	resp_bulk(w, function_name(f));
	resp_bulk_str(w, "description");
	if (f->described) {
		resp_bulk(w, function_description(f));
	} else {
		resp_null(w);
	}
	resp_bulk_str(w, "flags");
	resp_set(w, flags);
	for (unsigned i = 0; script_flag_names[i] != NULL; i++) {
		if ((f->flags >> i & 1) != 0) {
			resp_simple(w, script_flag_names[i]);
		}
	}
}

static void reply_library(struct resp_writer *w, const struct function_library *l, bool code)
{
	resp_map(w, code ? 4 : 3);
	resp_bulk_str(w, "library_name");
	resp_bulk(w, library_name(l->source));
	resp_bulk_str(w, "engine");
	resp_bulk_str(w, "LUA");
	resp_bulk_str(w, "functions");
	resp_array(w, l->count);
	for (size_t i = 0; i < l->count; i++) {
		reply_function(w, l->functions[i]);
	}
	if (code) {
		resp_bulk_str(w, "library_code");
		resp_bulk(w, library_code(l->source));
	}
}

static void cmd_function_list(struct command_ctx *ctx)
{
	const struct function_table *t = &functions_of(ctx)->table;
	struct slice pattern = slice_str("*");
	bool named = false, code = false;
	size_t mark, count = 0;

	for (size_t i = 2; i < ctx->argc; i++) {
		if (!code && command_arg_is(ctx, i, "withcode")) {
			code = true;
		} else if (!named && command_arg_is(ctx, i, "libraryname")) {
			named = true;
			if (++i == ctx->argc) {
				resp_error(ctx->reply, "ERR library name argument was not given");
				return;
			}
			pattern = ctx->argv[i];
		} else {
			resp_error(ctx->reply, "ERR Unknown argument %.*s",
				   (int)(ctx->argv[i].len < 128 ? ctx->argv[i].len : 128),
				   (const char *)ctx->argv[i].data);
			return;
		}
	}
	(void)engine_libraries(ctx->engine);
	if (!sync(ctx)) {
		return;
	}
	mark = resp_deferred_begin(ctx->reply);
	for (size_t i = 0; i < t->count; i++) {
		if (glob_match(pattern, t->names[i], true)) {
			reply_library(ctx->reply, t->libraries[i], code);
			count++;
		}
	}
	resp_deferred_end(ctx->reply, mark, '*', count);
}

static void cmd_function_stats(struct command_ctx *ctx)
{
	const struct function_table *t = &functions_of(ctx)->table;
	const struct dispatch *d = ctx->dispatch;
	const struct script_run *run = d->scripts->run;
	struct resp_writer *w = ctx->reply;

	if (run != NULL && !run->function) {
		resp_error(w, "%s", script_busy_text(run));
		return;
	}
	if (run == NULL) {
		(void)engine_libraries(ctx->engine);
		if (!sync(ctx)) {
			return;
		}
	}
	resp_map(w, 2);
	resp_bulk_str(w, "running_script");
	if (run == NULL) {
		resp_null(w);
	} else {
		resp_map(w, 3);
		resp_bulk_str(w, "name");
		resp_bulk_str(w, run->name);
		resp_bulk_str(w, "command");
		resp_array(w, run->ctx->argc);
		for (size_t i = 0; i < run->ctx->argc; i++) {
			resp_bulk(w, run->ctx->argv[i]);
		}
		resp_bulk_str(w, "duration_ms");
		resp_int(w, (int64_t)((d->clock->mono_us(d->clock->ctx) - run->began_us) / 1000));
	}
	resp_bulk_str(w, "engines");
	resp_map(w, 1);
	resp_bulk_str(w, "LUA");
	resp_map(w, 2);
	resp_bulk_str(w, "libraries_count");
	resp_int(w, (int64_t)t->count);
	resp_bulk_str(w, "functions_count");
	resp_int(w, (int64_t)t->functions_count);
}

static void cmd_function_kill(struct command_ctx *ctx)
{
	script_kill(ctx, true);
}

static void cmd_function_dump(struct command_ctx *ctx)
{
	const struct library_set *set = engine_libraries(ctx->engine);
	struct buf payload = {0};
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < set->count; i++) {
		st = rdb_library_put(&payload, library_code(set->items[i]));
	}
	if (st == ST_OK) {
		st = rdb_library_seal(&payload);
	}
	if (st == ST_OK) {
		resp_bulk(ctx->reply, buf_slice(&payload));
	} else {
		command_reply_status(ctx, st);
	}
	buf_deinit(&payload);
}

static void cmd_function_restore(struct command_ctx *ctx)
{
	enum restore_policy policy = RESTORE_APPEND;

	if (ctx->argc > 4) {
		command_reply_bad_subcommand(ctx);
		return;
	}
	if (ctx->argc == 4 && command_arg_is(ctx, 3, "flush")) {
		policy = RESTORE_FLUSH;
	} else if (ctx->argc == 4 && command_arg_is(ctx, 3, "replace")) {
		policy = RESTORE_REPLACE;
	} else if (ctx->argc == 4 && !command_arg_is(ctx, 3, "append")) {
		resp_error(ctx->reply, "ERR Wrong restore policy given, value should be either "
				       "FLUSH, APPEND or REPLACE.");
		return;
	}
	if (sync(ctx)) {
		function_restore(ctx, ctx->argv[2], policy);
	}
}

static void cmd_function_help(struct command_ctx *ctx)
{
	static const char *const lines[] = {
	    "DELETE <library name>",
	    "    Removes a library and its functions.",
	    "DUMP",
	    "    All libraries as a payload for FUNCTION RESTORE.",
	    "FLUSH [ASYNC|SYNC]",
	    "    Removes all libraries.",
	    "KILL",
	    "    Ends the function that runs, if it has written nothing.",
	    "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
	    "    The libraries and their functions.",
	    "LOAD [REPLACE] <code>",
	    "    Adds a library, whose first line is #!lua name=<library name>.",
	    "RESTORE <payload> [FLUSH|APPEND|REPLACE]",
	    "    Adds the libraries of a payload: instead of all that there are; only if none is",
	    "    there already (the default); or in place of those of the same names.",
	    "STATS",
	    "    The function that runs, and how many there are.",
	    NULL};

	command_reply_help(ctx, lines);
}

#define CHANGES CMD_WRITE | CMD_NOSCRIPT

const struct command subcommands_function[] = {
    {"delete", 3, CHANGES, NO_KEYS, cmd_function_delete, NULL},
    {"dump", 2, CMD_NOSCRIPT, NO_KEYS, cmd_function_dump, NULL},
    {"flush", -2, CHANGES, NO_KEYS, cmd_function_flush, NULL},
    {"help", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_function_help, NULL},
    {"kill", 2, CMD_NOSCRIPT | CMD_ALLOW_BUSY, NO_KEYS, cmd_function_kill, NULL},
    {"list", -2, CMD_NOSCRIPT, NO_KEYS, cmd_function_list, NULL},
    {"load", -3, CHANGES | CMD_DENYOOM, NO_KEYS, cmd_function_load, NULL},
    {"restore", -3, CHANGES | CMD_DENYOOM, NO_KEYS, cmd_function_restore, NULL},
    {"stats", 2, CMD_NOSCRIPT | CMD_ALLOW_BUSY, NO_KEYS, cmd_function_stats, NULL},
    {.name = NULL},
};
