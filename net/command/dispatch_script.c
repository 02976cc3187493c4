/* Commands that a script runs: what may forbid them, and their run within the script's batch. */
#include "engine/base/logger.h"
#include "engine/engine_library.h"
#include "net/command/cmd_script.h"
#include "net/command/command_keys.h"
#include "net/command/dispatch_state.h"
#include "net/command/migrate_job.h"
#include "net/command/script_run.h"

#include <stdio.h>

uint32_t dispatch_flags(struct dispatch *d, const struct command_entry *entry,
			const struct slice *argv, size_t argc)
{
	uint32_t flags = entry->cmd->flags;
	unsigned script;

	if ((flags & CMD_SCRIPT) == 0) {
		return flags;
	}
	script = script_flags_of_request(d, entry->cmd, argv, argc);
	if ((flags & CMD_READONLY) == 0) {
		flags |= CMD_MAY_WRITE;
	}
	if ((script & SCRIPT_PLAIN) != 0) {
		return flags;
	}
	if ((script & SCRIPT_NO_WRITES) != 0) {
		flags &= ~(uint32_t)CMD_MAY_WRITE;
	} else if ((flags & CMD_READONLY) == 0) {
		flags |= CMD_WRITE;
	}
	if ((script & SCRIPT_ALLOW_STALE) == 0) {
		flags &= ~(uint32_t)CMD_STALE;
	}
	return flags;
}

/* A key that is on its way to another node can't be written to, and the script can't wait. */
static bool any_key_moves(void *arg, struct slice key, struct slice flags)
{
	struct script_run *run = arg;

	(void)flags;
	return !migration_holds(run->ctx->dispatch, run->ctx->session, key);
}

static const char refused_read_only[] =
    "ERR Write commands are not allowed from read-only scripts.";

static const char *write_refused(struct script_run *run, const struct command_entry *entry,
				 size_t argc)
{
	const struct command_ctx *ctx = run->ctx;
	struct dispatch *d = ctx->dispatch;

	if (run->read_only) {
		return refused_read_only;
	}
	if (ctx->host->is_replica) {
		return "READONLY You can't write against a read only replica.";
	}
	if (ctx->host->replicas_short) {
		return "NOREPLICAS Not enough good replicas to write.";
	}
	if (d->migrations != NULL && command_has_keys(entry) &&
	    command_keys_each(entry, run->scripts->argv, argc, false, any_key_moves, run) ==
		ST_END) {
		return "TRYAGAIN A key that the script writes to is being migrated";
	}
	return dispatch_write_refused(d, ctx->session, entry);
}

/* The error that forbids the command, which may be in store; NULL: it may run. */
static const char *refused(struct script_run *run, const struct command_entry *entry, size_t argc,
			   char store[ACL_TEXT_MAX])
{
	static const char prefix[] = "ERR ACL failure in script: ";
	const struct command_ctx *ctx = run->ctx;
	const char *text;

	if (entry == NULL) {
		return "ERR Unknown Redis command called from script";
	}
	if (!command_arity_ok(entry->cmd, argc)) {
		return "ERR Wrong number of args calling Redis command from script";
	}
	if ((entry->cmd->flags & CMD_NOSCRIPT) != 0) {
		return "ERR This Redis command is not allowed from script";
	}
	if (dispatch_acl_check(ctx->dispatch, ctx->session, entry, run->scripts->argv, argc,
			       ACL_IN_SCRIPT, ctx->now_ms, store) != ACL_ALLOWED) {
		memmove(store + sizeof prefix - 1, store, ACL_TEXT_MAX - sizeof prefix);
		memcpy(store, prefix, sizeof prefix - 1);
		store[ACL_TEXT_MAX - 1] = 0;
		return store;
	}
	if (ctx->host->primary_down && (entry->cmd->flags & CMD_STALE) == 0) {
		return "ERR Can not execute the command on a stale replica";
	}
	if (run->read_only && (entry->cmd->flags & CMD_MAY_WRITE) != 0) {
		return refused_read_only;
	}
	if ((entry->cmd->flags & CMD_WRITE) != 0) {
		text = write_refused(run, entry, argc);
		if (text != NULL) {
			return text;
		}
	}
	return ctx->host->cluster == NULL
		   ? NULL
		   : dispatch_misplaced(
			 ctx->dispatch, ctx->session, entry, run->scripts->argv, argc,
			 (run->flags & (SCRIPT_ALLOW_CROSS_SLOTS | SCRIPT_PLAIN)) != 0, &run->slot);
}

/* --- while a script runs long --- */

void script_look_around(struct script_run *run)
{
	enum { LOOK_US = 20000, BUS_US = 100000 };
	struct dispatch *d = run->ctx->dispatch;
	struct command_host *h = d->host;
	uint64_t now = d->clock->mono_us(d->clock->ctx);
	struct session *running = d->running;
	bool may_wait = d->may_wait, probes = d->probes;
	uint16_t slot = d->route_slot;

	if (h->cluster != NULL && h->ops->serve_bus != NULL && now - run->bus_us >= BUS_US) {
		run->bus_us = now;
		h->ops->serve_bus(h);
	}
	if (h->ops->serve_busy == NULL || d->busy_ms == 0 ||
	    now - run->began_us < d->busy_ms * 1000 ||
	    (run->served_us != 0 && now - run->served_us < LOOK_US)) {
		return;
	}
	if (run->served_us == 0) {
		logger(LOG_LVL_WARNING,
		       "Slow script detected: still in execution after %llu milliseconds. You can "
		       "try killing the script using the %s command. Script name is: %s.",
		       (unsigned long long)(now - run->began_us) / 1000,
		       run->function ? "FUNCTION KILL" : "SCRIPT KILL", run->name);
	}
	run->served_us = now;
	h->ops->serve_busy(h, run->ctx->session);
	d->running = running;
	d->may_wait = may_wait;
	d->probes = probes;
	d->route_slot = slot;
}

bool dispatch_is_busy(const struct dispatch *d)
{
	return d->scripts->run != NULL;
}

/* What the script has not committed yet is lost with SHUTDOWN NOSAVE; any other form waits. */
static bool may_shut_down(const struct slice *argv, size_t argc)
{
	for (size_t i = 1; i < argc; i++) {
		if (word_is(argv[i], "nosave")) {
			return true;
		}
	}
	return false;
}

const char *dispatch_run_busy(struct dispatch *d, struct session *s,
			      const struct command_entry *entry, const struct slice *argv,
			      size_t argc, struct resp_writer *w, uint64_t now_ms)
{
	struct command_ctx ctx = *d->scripts->run->ctx;
	bool shutdown = strcmp(entry->full_name, "shutdown") == 0;

	if ((entry->cmd->flags & CMD_ALLOW_BUSY) == 0 || (shutdown && !may_shut_down(argv, argc))) {
		return script_busy_text(d->scripts->run);
	}
	ctx.session = s;
	ctx.reply = w;
	ctx.cmd = entry->cmd;
	ctx.argv = argv;
	ctx.argc = argc;
	ctx.now_ms = now_ms;
	ctx.full_name = entry->full_name;
	ctx.reply_at = w->out->len;
	entry->cmd->run(&ctx);
	if (shutdown && s->close_after_reply) {
		(void)snprintf(d->scripts->run->doom, sizeof d->scripts->run->doom,
			       "ERR the node is being shut down");
	}
	return NULL;
}

/* --- a command of a script --- */

/* The error line in reply becomes that of the whole script. */
static void doom(struct script_run *run, const struct buf *reply)
{
	size_t len = 0;

	while (len + 1 < reply->len && len + 1 < sizeof run->doom && reply->data[len + 1] >= ' ') {
		run->doom[len] = (char)reply->data[len + 1];
		len++;
	}
	run->doom[len] = 0;
}

void script_call(struct script_run *run, size_t argc)
{
	struct command_ctx inner = *run->ctx;
	struct dispatch *d = inner.dispatch;
	struct buf *out = &run->scripts->reply;
	struct resp_writer w = {.out = out, .proto = run->resp};
	const struct command_entry *entry;
	char text[ACL_TEXT_MAX];
	const char *error;

	out->len = 0;
	if (run->doom[0] != 0) {
		return;
	}
	entry = command_table_resolve(&d->table, run->scripts->argv, argc);
	error = refused(run, entry, argc, text);
	if (error != NULL) {
		resp_error(&w, "%s", error);
		if (entry != NULL) {
			d->stats.records[entry->index].rejected++;
		}
		if (!w.failed) {
			dispatch_count_error(d, out, 0);
		}
		goto out;
	}
	run->wrote |= (entry->cmd->flags & CMD_WRITE) != 0;
	inner.reply = &w;
	if (!dispatch_run_queued(&inner, entry, run->scripts->argv, argc) && !w.failed) {
		doom(run, out);
	}
	inner.session->last_cmd = run->ctx->full_name;
out:
	if (w.failed) {
		/* What the command did is not known to the script: it can't go on. */
		(void)snprintf(run->doom, sizeof run->doom,
			       "OOM out of memory: a reply within the script does not fit");
	}
}

void dispatch_script_stats(struct dispatch *d, struct script_stats *out)
{
	const struct scripts *s = d->scripts;
	const struct library_set *libraries = engine_libraries(d->engine);

	(void)!functions_sync(d); /* short of memory, it counts what there was */
	*out = (struct script_stats){
	    .eval_state = s->box.used,
	    .functions_state = s->functions.box.used,
	    .scripts = s->cache.count,
	    .scripts_bytes = s->cache.bytes + s->cache.count * sizeof(struct cached_script) +
			     s->cache.cap * sizeof(struct cached_script *),
	    .libraries = libraries->count,
	    .functions = s->functions.table.functions_count,
	    .libraries_bytes = libraries->bytes,
	};
}
