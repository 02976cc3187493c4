/* The way of a request: lookup, what may forbid it, queueing in MULTI, the batch around it, and
 * what is counted. */
#include "net/command/dispatch.h"

#include "engine/base/invariant.h"
#include "engine/base/logger.h"
#include "engine/engine_shard.h"
#include "net/command/command_groups.h"
#include "net/command/dispatch_state.h"
#include "net/command/migrate_job.h"
#include "net/command/monitor.h"
#include "net/command/notify.h"
#include "net/command/txn_queue.h"

#include <stdarg.h>
#include <stdio.h>

enum {
	ARGS_SHOWN_MAX = 128, /* bytes of arguments that an error repeats */
	QUEUED_LEN = 9,	      /* of the reply */
	COUNT_SLICE = 2000,   /* blind writes resolved per turn */
};

/* --- rejections --- */

void dispatch_count_error(struct dispatch *d, const struct buf *out, size_t at)
{
	d->host->stats.error_replies++;
	command_stats_error(&d->stats, slice_of(out->data + at + 1, out->len - at - 1));
}

/* An error instead of running the command. A transaction that it belongs to is lost; EXEC itself
 * tells why it was. */
__attribute__((format(printf, 5, 6))) static void reject(struct dispatch *d, struct session *s,
							 const struct command_entry *entry,
							 struct resp_writer *w, const char *fmt,
							 ...)
{
	size_t at = w->out->len;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (entry != NULL) {
		d->stats.records[entry->index].rejected++;
	}
	if (entry != NULL && strcmp(entry->full_name, "exec") == 0) {
		txn_reset(s); /* also outside of MULTI: its watches go */
		resp_error(w, "EXECABORT Transaction discarded because of: %s",
			   strncmp(text, "ERR ", 4) == 0 ? text + 4 : text);
	} else {
		s->multi_failed |= s->in_multi;
		resp_error(w, "%s", text);
	}
	if (!w->failed) {
		dispatch_count_error(d, w->out, at);
	}
}

/* Arguments as text end at their first NUL, as everywhere in such messages. */
static int shown_len(struct slice arg, size_t max)
{
	return arg.len == 0 ? 0
			    : (int)strnlen((const char *)arg.data, arg.len < max ? arg.len : max);
}

static void reject_unknown(struct dispatch *d, struct session *s, const struct slice *argv,
			   size_t argc, struct resp_writer *w)
{
	const struct command_entry *container = command_table_find(&d->table, argv[0]);
	char args[ARGS_SHOWN_MAX + 8];
	size_t len = 0;

	if (word_is(argv[0], "post") || word_is(argv[0], "host:")) {
		/* A browser was made to talk to us: nothing after its headers may run. */
		logger(LOG_LVL_WARNING,
		       "an HTTP request came in place of a command, probably by a web page in a "
		       "browser near here; the connection from %s is closed",
		       s->addr);
		s->close_after_reply = true;
		return;
	}
	if (container != NULL) {
		char name[64];
		size_t n = 0;

		for (; container->full_name[n] != 0 && n < sizeof name - 1; n++) {
			uint8_t c = (uint8_t)container->full_name[n];

			name[n] = (char)(c >= 'a' && c <= 'z' ? c & ~0x20 : c);
		}
		name[n] = 0;
		reject(d, s, NULL, w, "ERR unknown subcommand '%.*s'. Try %s HELP.",
		       shown_len(argv[1], ARGS_SHOWN_MAX), (const char *)argv[1].data, name);
		return;
	}
	args[0] = 0;
	for (size_t i = 1; i < argc && len < ARGS_SHOWN_MAX; i++) {
		int n =
		    snprintf(args + len, sizeof args - len, "'%.*s' ",
			     shown_len(argv[i], ARGS_SHOWN_MAX - len), (const char *)argv[i].data);

		len += n > 0 ? (size_t)n : 0;
	}
	reject(d, s, NULL, w, "ERR unknown command '%.*s', with args beginning with: %s",
	       shown_len(argv[0], ARGS_SHOWN_MAX), (const char *)argv[0].data, args);
}

/* DEBUG and its kin run only where the configuration lets them. */
static bool protected_ok(struct dispatch *d, const struct session *s)
{
	const char *value = d->host->ops->config_value(d->host, "enable-debug-command");

	if (value == NULL || strcmp(value, "no") == 0) {
		return false;
	}
	return strcmp(value, "local") != 0 || s->local;
}

static bool auth_missing(const struct dispatch *d, struct session *s)
{
	if (!s->authenticated && dispatch_open_to_all(d)) {
		s->authenticated = true; /* no password is asked for any more */
	}
	return !s->authenticated;
}

/* True when the client's user may run the command; otherwise the reply has been sent. */
static bool permitted(struct dispatch *d, struct session *s, const struct command_entry *entry,
		      const struct slice *argv, size_t argc, uint64_t now_ms, struct resp_writer *w)
{
	char text[ACL_TEXT_MAX];

	if (dispatch_acl_check(d, s, entry, argv, argc, s->in_multi ? ACL_IN_MULTI : ACL_AT_TOP,
			       now_ms, text) == ACL_ALLOWED) {
		return true;
	}
	reject(d, s, entry, w, "NOPERM %s", text);
	return false;
}

/* True when the command may be tried; otherwise the reply has been sent. */
static bool allowed(struct dispatch *d, struct session *s, const struct command_entry *entry,
		    const struct slice *argv, size_t argc, uint64_t now_ms, struct resp_writer *w)
{
	const struct command *cmd = entry->cmd;

	if (!command_arity_ok(cmd, argc)) {
		reject(d, s, entry, w, "ERR wrong number of arguments for '%s' command",
		       entry->full_name);
		return false;
	}
	if (auth_missing(d, s) && (cmd->flags & CMD_NO_AUTH) == 0) {
		reject(d, s, entry, w, "NOAUTH Authentication required.");
		return false;
	}
	if ((cmd->flags & CMD_PROTECTED) != 0 && !protected_ok(d, s)) {
		reject(d, s, entry, w,
		       "ERR DEBUG command not allowed. If the enable-debug-command option is set "
		       "to \"local\", you can run it from a local connection, otherwise you need "
		       "to set this option in the configuration file, and then restart the "
		       "server.");
		return false;
	}
	if (s->in_multi && (cmd->flags & CMD_NO_MULTI) != 0) {
		reject(d, s, entry, w, "ERR Command not allowed inside a transaction");
		return false;
	}
	return s->user->unrestricted || permitted(d, s, entry, argv, argc, now_ms, w);
}

/* Whether this node runs the command: its keys' place in the cluster first, then its role. True:
 * yes. False: *result says what became of the request. */
static bool runs_here(struct dispatch *d, struct session *s, const struct command_entry *entry,
		      uint32_t flags, const struct slice *argv, size_t argc, uint64_t now_ms,
		      struct resp_writer *w, enum dispatch_result *result)
{
	const char *forbidden;

	*result = DISPATCH_DONE;
	if (d->host->cluster != NULL) {
		enum dispatch_routed routed =
		    dispatch_route(d, s, entry, flags, argv, argc, now_ms, w);

		if (routed != ROUTED_HERE) {
			*result = routed == ROUTED_COLD ? DISPATCH_COLD : DISPATCH_DONE;
			return false;
		}
	}
	forbidden = dispatch_forbidden_by_role(d, s, entry, flags);
	if (forbidden != NULL) {
		reject(d, s, entry, w, "%s", forbidden);
		return false;
	}
	if (s->monitor_link != NULL &&
	    (flags & (CMD_WRITE | CMD_READONLY | CMD_MAY_WRITE | CMD_PUBSUB)) != 0) {
		reject(d, s, entry, w, "ERR Replica can't interact with the keyspace");
		return false;
	}
	if (s->proto == 2 && session_listens(s) && !pubsub_command_allowed(entry->cmd)) {
		reject(d, s, entry, w,
		       "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
		       "QUIT / RESET are allowed in this context",
		       entry->full_name);
		return false;
	}
	return true;
}

/* --- running --- */

/* Ends the batch. True: the reply stands. */
static bool end_batch(struct dispatch *d, struct command_ctx *ctx)
{
	struct session *s = ctx->session;
	struct engine *e = d->engine;
	uint64_t seen, lsn;

	if (ctx->failed || ctx->reply->failed) {
		bool wrote = engine_batch_ops(e) > 0;

		seen = engine_seen_lsn(e);
		engine_rollback(e);
		if (wrote) {
			/* What was seen includes the LSN that the undone batch would have got,
			 * which may never come. */
			struct engine_stats stats;

			engine_stats(e, &stats);
			seen = seen < stats.last_lsn ? seen : stats.last_lsn;
		}
		lsn = 0;
	} else {
		seen = engine_seen_lsn(e);
		lsn = engine_commit(e);
	}
	if (lsn == 0 && seen > engine_ack_lsn(e) && engine_writable(e) == ST_READ_ONLY) {
		return false; /* and the error tells nothing that the client would have to wait for
			       */
	}
	if (seen > s->gate_lsn) {
		s->gate_lsn = seen;
	}
	if (lsn != 0) {
		session_wrote(s, lsn, engine_history(e));
	}
	return true;
}

static void reply_out_of_memory(struct resp_writer *w, struct session *s, size_t at)
{
	/* The client can't be told everything that was promised to it, so it is let go. */
	w->out->len = at;
	w->failed = false;
	resp_error(w, "OOM out of memory: the reply does not fit");
	s->close_after_reply = true;
}

/* Everything that is counted about a command that has run. */
static void count_run(struct dispatch *d, const struct command_ctx *ctx,
		      const struct command_entry *entry, uint64_t began)
{
	const struct buf *out = ctx->reply->out;
	uint64_t now = clock_ticks();
	bool error = out->len > ctx->reply_at && out->data[ctx->reply_at] == '-';
	uint64_t ticks = now > began ? now - began : 0;

	command_stats_count(&d->stats, entry->index, ticks, error);
	if (!d->in_exec) { /* what is run within another one is part of that */
		slot_loads_count(&d->slot_loads, d->route_slot, ctx->argv, ctx->argc, ticks,
				 out->len > ctx->reply_at ? out->len - ctx->reply_at : 0);
	}
	if (ticks >= d->slow_ticks) {
		dispatch_note_slow(d, ctx, ticks);
	}
	d->host->stats.commands_processed++;
	if (error && !ctx->error_counted) {
		dispatch_count_error(d, out, ctx->reply_at);
	}
}

/* A command has run, and its batch is committed: events, monitors, what it read. first_time: it was
 * not blocked. */
static void tell_others(struct dispatch *d, const struct command_ctx *ctx,
			const struct command_entry *entry, bool first_time)
{
	if (d->events.len > 0) {
		notify_deliver(d, ctx->session->gate_lsn);
	}
	if (first_time) {
		monitor_ran(d, ctx);
	}
	if (ctx->session->tracking != 0) {
		tracking_ran(d, ctx, entry);
	}
}

static enum dispatch_result run(struct dispatch *d, struct session *s,
				const struct command_entry *entry, const struct slice *argv,
				size_t argc, struct resp_writer *w, uint64_t now_ms)
{
	uint64_t began = clock_ticks();
	struct command_ctx ctx = {.engine = d->engine,
				  .session = s,
				  .host = d->host,
				  .reply = w,
				  .cmd = entry->cmd,
				  .argv = argv,
				  .argc = argc,
				  .now_ms = now_ms,
				  .full_name = entry->full_name,
				  .dispatch = d,
				  .reply_at = w->out->len};
	size_t events = d->events.len;
	bool first_time = s->blocked == NULL;

	engine_begin(d->engine, slice_of(entry->full_name, entry->full_name_len), now_ms, s->id);
	d->in_command = true;
	entry->cmd->run(&ctx);
	d->in_command = false;
	if (ctx.later && s->blocked == NULL) {
		engine_rollback(d->engine);
		notify_forget(&d->events, events);
		w->out->len = ctx.reply_at;
		return DISPATCH_LATER;
	}
	if (!end_batch(d, &ctx)) {
		notify_forget(&d->events, events);
		w->out->len = ctx.reply_at;
		resp_error(w, "%s", dispatch_writes_failed);
	} else if (ctx.failed || w->failed) {
		notify_forget(&d->events, events);
	}
	tell_others(d, &ctx, entry, first_time);
	if (ctx.later && !w->failed) {
		w->out->len = ctx.reply_at;
		return DISPATCH_BLOCKED;
	}
	if (w->failed) {
		reply_out_of_memory(w, s, ctx.reply_at);
	} else if (ctx.failed && w->out->len == ctx.reply_at) {
		resp_error(w, "ERR the command failed");
	}
	count_run(d, &ctx, entry, began);
	return DISPATCH_DONE;
}

bool dispatch_run_queued(struct command_ctx *exec, const struct command_entry *entry,
			 const struct slice *argv, size_t argc)
{
	struct dispatch *d = exec->dispatch;
	uint64_t began = clock_ticks();
	uint32_t ops = engine_batch_ops(d->engine);
	size_t events = d->events.len;
	struct command_ctx ctx = *exec;

	ctx.cmd = entry->cmd;
	ctx.argv = argv;
	ctx.argc = argc;
	ctx.full_name = entry->full_name;
	ctx.reply_at = exec->reply->out->len;
	ctx.failed = ctx.undo_exec = ctx.error_counted = false;
	if ((entry->cmd->flags & CMD_COUNTS) != 0) {
		(void)engine_count_resolve(d->engine, UINT32_MAX);
	}
	entry->cmd->run(&ctx);
	exec->session->last_cmd = entry->full_name;
	if (exec->reply->failed) {
		return false;
	}
	if (ctx.failed) {
		notify_forget(&d->events, events);
	}
	monitor_ran(d, &ctx);
	if (ctx.session->tracking != 0) {
		tracking_ran(d, &ctx, entry);
	}
	if (ctx.failed && exec->reply->out->len == ctx.reply_at) {
		resp_error(exec->reply, "ERR the command failed");
	}
	count_run(d, &ctx, entry, began);
	return !ctx.undo_exec && (!ctx.failed || engine_batch_ops(d->engine) == ops);
}

/* --- what a request waits for --- */

static bool wants_counts(const struct session *s, const struct command_entry *entry, bool exec)
{
	for (size_t i = 0; exec && i < s->queue_len; i++) {
		if ((s->queue[i].entry->cmd->flags & CMD_COUNTS) != 0) {
			return true;
		}
	}
	return (entry->cmd->flags & CMD_COUNTS) != 0;
}

/* Whether all that was written before the request came is counted. */
static bool counts_ready(struct dispatch *d, struct session *s)
{
	uint64_t left = engine_count_resolve(d->engine, d->may_wait ? COUNT_SLICE : UINT32_MAX);
	uint64_t listed = engine_count_listed(d->engine);

	if (left > 0 && d->may_wait) {
		if (s->counts_wanted == 0) {
			s->counts_wanted = listed;
		}
		if (listed - left < s->counts_wanted) {
			return false;
		}
	}
	s->counts_wanted = 0;
	return true;
}

/* --- the request --- */

static void enqueue(struct dispatch *d, struct session *s, const struct command_entry *entry,
		    const struct slice *argv, size_t argc, struct resp_writer *w)
{
	enum status st = ST_OK;

	/* What will never run need not be remembered. */
	if (!s->multi_failed && !s->watch_broken) {
		st = txn_queue_add(s, entry, argv, argc, d->queue_bytes_max);
	}
	if (st == ST_OK) {
		resp_simple(w, "QUEUED");
		slot_loads_count(&d->slot_loads, d->route_slot, argv, argc, 0, QUEUED_LEN);
	} else if (st == ST_LIMIT) {
		reject(d, s, entry, w, "ERR transaction is larger than client-query-buffer-limit");
	} else {
		reject(d, s, entry, w, "OOM out of memory: the command was not queued");
	}
}

/* Everything between the checks and the run of a command that is not queued. DISPATCH_DONE with
 * *ready false: the reply has been sent. */
static enum dispatch_result prepare(struct dispatch *d, struct session *s,
				    const struct command_entry *entry, uint32_t flags,
				    const struct slice *argv, size_t argc, struct resp_writer *w,
				    bool *ready)
{
	bool exec = s->in_multi && s->queue_len > 0 && strcmp(entry->full_name, "exec") == 0;

	*ready = false;
	if (d->migrations != NULL && migration_blocks(d, s, entry, argv, argc)) {
		return DISPATCH_LATER;
	}
	/* A message is written nowhere: it waits for no room. */
	if (((flags & (CMD_WRITE | CMD_MAY_WRITE)) != 0 && (flags & CMD_PUBSUB) == 0) ||
	    (exec && s->queue_writes)) {
		enum status st = engine_writable(d->engine);
		const char *stopped = NULL;

		if (st == ST_AGAIN && d->may_wait) {
			return DISPATCH_LATER;
		}
		if ((flags & CMD_MAY_WRITE) == 0 || (flags & CMD_WRITE) != 0) {
			stopped = dispatch_writes_stopped(d, s, entry, st);
		}
		if (stopped != NULL) {
			reject(d, s, entry, w, "%s", stopped);
			return DISPATCH_DONE;
		}
	}
	if (wants_counts(s, entry, exec) && !counts_ready(d, s)) {
		return DISPATCH_LATER;
	}
	if ((exec || entry->cmd->keys.first > 0 || (flags & CMD_MOVABLE_KEYS) != 0) &&
	    dispatch_is_cold(d, s, entry, argv, argc, exec)) {
		return DISPATCH_COLD;
	}
	*ready = true;
	return DISPATCH_DONE;
}

/* A request in the midst of another client's script. */
static void run_busy(struct dispatch *d, struct session *s, const struct command_entry *entry,
		     const struct slice *argv, size_t argc, struct resp_writer *w, uint64_t now_ms)
{
	const char *busy;

	if (s->in_multi && (entry->cmd->flags & CMD_ALLOW_BUSY) != 0 &&
	    (entry->cmd->flags & CMD_RUN_IN_MULTI) == 0) {
		enqueue(d, s, entry, argv, argc, w);
		return;
	}
	busy = dispatch_run_busy(d, s, entry, argv, argc, w, now_ms);
	if (busy != NULL) {
		reject(d, s, entry, w, "%s", busy);
	}
}

/* A wait is over without its command being run again; it counts as one call. */
static void answer_unblocked(struct dispatch *d, struct session *s,
			     const struct command_entry *entry, struct resp_writer *w)
{
	size_t at = w->out->len;
	bool error;

	dispatch_reply_unblocked(s, w);
	error = !w->failed && w->out->data[at] == '-';
	command_stats_count(&d->stats, entry->index, 0, error);
	d->host->stats.commands_processed++;
	if (error) {
		dispatch_count_error(d, w->out, at);
	}
}

enum dispatch_result dispatch_request(struct dispatch *d, struct session *s,
				      const struct slice *argv, size_t argc, struct buf *out,
				      uint64_t now_ms, bool may_wait)
{
	struct resp_writer w = {.out = out, .proto = s->proto};
	size_t at = out->len;
	const struct command_entry *entry;
	enum dispatch_result result = DISPATCH_DONE;
	bool ready = true;
	uint32_t flags;

	INVARIANT(argc > 0);
	dispatch_begin(d, s, now_ms, may_wait);
	s->mute_from = (s->reply_mode & (REPLY_OFF | REPLY_SKIP)) != 0 ? at : SIZE_MAX;
	entry = command_table_resolve(&d->table, argv, argc);
	if (entry == NULL) {
		reject_unknown(d, s, argv, argc, &w);
		goto out;
	}
	s->last_cmd = entry->full_name; /* CLIENT LIST shows itself */
	if (s->wait.verdict != UNBLOCKED_NOT) {
		answer_unblocked(d, s, entry, &w);
		goto out;
	}
	flags = dispatch_flags(d, entry, argv, argc);
	if (!allowed(d, s, entry, argv, argc, now_ms, &w)) {
		goto out;
	}
	if (dispatch_is_busy(d)) {
		run_busy(d, s, entry, argv, argc, &w, now_ms);
		goto out;
	}
	if (!runs_here(d, s, entry, flags, argv, argc, now_ms, &w, &result)) {
		goto out;
	}
	if (s->in_multi && (entry->cmd->flags & CMD_RUN_IN_MULTI) == 0) {
		enqueue(d, s, entry, argv, argc, &w);
		goto out;
	}
	result = prepare(d, s, entry, flags, argv, argc, &w, &ready);
	if (ready) {
		result = run(d, s, entry, argv, argc, &w, now_ms);
	}
out:
	if (result == DISPATCH_DONE) {
		session_abandon(s); /* something forbade it to go on */
		s->wait.active = s->wait.announced = false;
		blocked_forget(s);
		s->last_ms = now_ms;
		s->commands++;
		if (w.failed) {
			reply_out_of_memory(&w, s, at);
		}
	}
	dispatch_end_request(d, s, entry, out, result == DISPATCH_DONE);
	d->running = NULL;
	if (d->blocked.ready != NULL && !d->serving && !dispatch_is_busy(d)) {
		(void)dispatch_serve_blocked(d, now_ms);
	}
	return result;
}
