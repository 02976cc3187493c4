/* CLUSTER LSN: where a client's last write is, and what has become of a write. CLUSTER DIVERGENT:
 * the archives of writes that this node had to give up. Both work without a cluster too. */
#include "net/command/archive_reading.h"
#include "net/command/cmd_cluster.h"
#include "net/command/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ERR_NO_ARCHIVE "ERR no such archive; see CLUSTER DIVERGENT LIST"

enum { RECORDS_DEFAULT = 100, RECORDS_MAX = 10000, TEXT_SIZE = 80 };

/* --- positions --- */

static void reply_position(struct resp_writer *w, const struct write_position *p)
{
	char text[TEXT_SIZE];

	(void)snprintf(text, sizeof text, "%" PRIu64 ":%" PRIu64 ":%016" PRIx64, p->epoch, p->lsn,
		       p->timeline);
	resp_bulk_str(w, text);
}

/* EPOCH:LSN:TIMELINE, as reply_position writes it. */
static bool parse_position(struct slice arg, struct write_position *out)
{
	char text[TEXT_SIZE], again[TEXT_SIZE];
	char *at = text;

	if (arg.len == 0 || arg.len >= sizeof text) {
		return false;
	}
	memcpy(text, arg.data, arg.len);
	text[arg.len] = 0;
	out->epoch = strtoull(at, &at, 10);
	at += *at == ':';
	out->lsn = strtoull(at, &at, 10);
	at += *at == ':';
	out->timeline = strtoull(at, &at, 16);
	(void)snprintf(again, sizeof again, "%" PRIu64 ":%" PRIu64 ":%016" PRIx64, out->epoch,
		       out->lsn, out->timeline);
	return strcmp(text, again) == 0;
}

static void reply_fate(struct command_ctx *ctx, const struct write_position *p)
{
	static const char *const words[] = {"durable", "pending", "not-here", "divergent",
					    "unknown"};
	struct write_fate fate = {.what = FATE_UNKNOWN};
	struct resp_writer *w = ctx->reply;

	if (ctx->host->ops->fate != NULL) {
		ctx->host->ops->fate(ctx->host, p, &fate);
	}
	resp_map(w, 6);
	resp_bulk_str(w, "fate");
	resp_bulk_str(w, words[fate.what]);
	resp_bulk_str(w, "role");
	resp_bulk_str(w, ctx->host->is_replica ? "slave" : "master");
	resp_bulk_str(w, "replicas");
	resp_int(w, fate.replicas);
	resp_bulk_str(w, "replicas-durable");
	resp_int(w, fate.replicas_durable);
	resp_bulk_str(w, "fork-lsn");
	if (fate.what == FATE_DIVERGENT && fate.fork_lsn != 0) {
		resp_int(w, (int64_t)fate.fork_lsn);
	} else {
		resp_null(w);
	}
	resp_bulk_str(w, "file");
	if (fate.file[0] != 0) {
		resp_bulk_str(w, fate.file);
	} else {
		resp_null(w);
	}
}

void cmd_cluster_lsn(struct command_ctx *ctx)
{
	const struct session *s = ctx->session;
	struct write_position p = {s->write_epoch, s->write_lsn, s->write_timeline};

	if (ctx->argc > 3) {
		resp_error(ctx->reply, ERR_SYNTAX);
	} else if (ctx->argc == 3 && !parse_position(ctx->argv[2], &p)) {
		resp_error(ctx->reply, "ERR a position is EPOCH:LSN:TIMELINE, as CLUSTER LSN "
				       "gives it after a write");
	} else if (ctx->argc == 3) {
		reply_fate(ctx, &p);
	} else if (p.lsn == 0) {
		resp_null(ctx->reply);
	} else {
		reply_position(ctx->reply, &p);
	}
}

/* --- archives --- */

struct listing {
	struct resp_writer *w;
	size_t count;
};

static void list_one(void *arg, const struct divergent_archive *a)
{
	struct listing *l = arg;
	struct resp_writer *w = l->w;
	char text[DIVERGENT_NAME_SIZE];

	l->count++;
	resp_map(w, 9);
	divergent_name_format(&a->name, text);
	resp_bulk_str(w, "file");
	resp_bulk_str(w, text);
	resp_bulk_str(w, "epoch");
	resp_int(w, (int64_t)a->name.epoch);
	(void)snprintf(text, sizeof text, "%016" PRIx64, a->name.timeline);
	resp_bulk_str(w, "timeline");
	resp_bulk_str(w, text);
	resp_bulk_str(w, "first-lsn");
	resp_int(w, (int64_t)a->name.first_lsn);
	resp_bulk_str(w, "last-lsn");
	resp_int(w, (int64_t)a->last_lsn);
	resp_bulk_str(w, "records");
	resp_int(w, (int64_t)(a->last_lsn + 1 - a->name.first_lsn));
	resp_bulk_str(w, "bytes");
	resp_int(w, (int64_t)a->bytes);
	resp_bulk_str(w, "first-time");
	resp_int(w, (int64_t)a->first_ms);
	resp_bulk_str(w, "fork-values");
	resp_bool(w, a->fork_values);
}

static void list_all(struct command_ctx *ctx)
{
	struct listing l = {.w = ctx->reply};
	size_t mark = resp_deferred_begin(ctx->reply);

	ctx->host->ops->divergent_each(ctx->host, list_one, &l);
	resp_deferred_end(ctx->reply, mark, '*', l.count);
}

/* On the thread that reads. */
static void write_op(struct resp_writer *w, const struct divergent_op *op)
{
	char id[TEXT_SIZE];

	resp_map(w, 8);
	resp_bulk_str(w, "lsn");
	resp_int(w, (int64_t)op->lsn);
	resp_bulk_str(w, "time");
	resp_int(w, (int64_t)op->time_ms);
	resp_bulk_str(w, "command");
	resp_bulk(w, op->cmd);
	resp_bulk_str(w, "op");
	resp_bulk_str(w, op->op);
	resp_bulk_str(w, op->has_key ? "key" : op->has_library ? "library" : "element");
	resp_bulk(w, op->key);
	resp_bulk_str(w, "type");
	if (op->type != NULL) {
		resp_bulk_str(w, op->type);
	} else {
		resp_null(w);
	}
	resp_bulk_str(w, "collection");
	if (op->has_slot && op->id != 0) {
		(void)snprintf(id, sizeof id, "%u:%" PRIu64, op->slot, op->id);
		resp_bulk_str(w, id);
	} else {
		resp_null(w);
	}
	resp_bulk_str(w, "value");
	resp_bulk(w, op->value);
}

/* GET file [FROM lsn] [COUNT n]. False: the error reply was sent. */
static bool parse_get(struct command_ctx *ctx, struct archive_request *r)
{
	char text[DIVERGENT_NAME_SIZE] = "";
	int64_t from = 0, count = RECORDS_DEFAULT;

	for (size_t i = 4; i < ctx->argc; i += 2) {
		bool is_from = command_arg_is(ctx, i, "from");

		if (i + 1 == ctx->argc || (!is_from && !command_arg_is(ctx, i, "count"))) {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
		if (!command_arg_not_negative(ctx, i + 1, is_from ? &from : &count,
					      ERR_OUT_OF_RANGE)) {
			return false;
		}
	}
	r->from_lsn = (uint64_t)from;
	r->count = (uint64_t)(count < RECORDS_MAX ? count : RECORDS_MAX);
	if (ctx->argv[3].len < sizeof text) {
		memcpy(text, ctx->argv[3].data, ctx->argv[3].len);
	}
	if (!divergent_name_parse(text, &r->name)) {
		resp_error(ctx->reply, ERR_NO_ARCHIVE);
		return false;
	}
	return true;
}

/* A thread reads; the command is run again when it is through. */
static void get_records(struct command_ctx *ctx)
{
	const struct archive_reading_ops *ops = ctx->host->ops->archive_reading;
	struct archive_request request = {.proto = ctx->reply->proto, .write = write_op};
	struct session *s = ctx->session;
	enum status st = ST_OK;

	if (s->reading == NULL) {
		if (!parse_get(ctx, &request)) {
			return;
		}
		st = ops->begin(ctx->host, &request, &s->reading);
	}
	if (st == ST_OK) {
		st = ops->take(s->reading, ctx->reply->out);
		s->reading = st == ST_AGAIN ? s->reading : NULL;
	}
	if (st == ST_AGAIN && command_later(ctx)) {
		s->wait.announced = true;
		s->wait.deadline_ms = 0;
	} else if (st == ST_AGAIN) {
		session_abandon(s);
		resp_error(ctx->reply, "ERR CLUSTER DIVERGENT GET is not possible inside MULTI: a "
				       "transaction can't wait for the disk");
	} else if (st == ST_NOT_FOUND) {
		resp_error(ctx->reply, ERR_NO_ARCHIVE);
	} else if (st == ST_NO_MEMORY) {
		command_reply_status(ctx, st);
	} else if (st != ST_OK) {
		resp_error(ctx->reply, "ERR the archive can't be read: see cairn-wal verify");
	}
}

/* DROP file ... */
static void drop_archives(struct command_ctx *ctx)
{
	int64_t dropped = 0;

	for (size_t i = 3; i < ctx->argc; i++) {
		struct divergent_name name;
		char text[DIVERGENT_NAME_SIZE] = "";
		enum status st = ST_NOT_FOUND;

		if (ctx->argv[i].len < sizeof text) {
			memcpy(text, ctx->argv[i].data, ctx->argv[i].len);
		}
		if (divergent_name_parse(text, &name)) {
			st = ctx->host->ops->divergent_drop(ctx->host, &name);
		}
		if (st != ST_OK && st != ST_NOT_FOUND) {
			resp_error(ctx->reply, "ERR %s can't be removed: %s", text,
				   status_text(st));
			return;
		}
		dropped += st == ST_OK;
	}
	resp_int(ctx->reply, dropped);
}

void cmd_cluster_divergent(struct command_ctx *ctx)
{
	if (ctx->host->ops->divergent_each == NULL) {
		resp_error(ctx->reply, "ERR this node keeps no archives");
	} else if (command_arg_is(ctx, 2, "list") && ctx->argc == 3) {
		list_all(ctx);
	} else if (command_arg_is(ctx, 2, "get") && ctx->argc >= 4) {
		get_records(ctx);
	} else if (command_arg_is(ctx, 2, "drop") && ctx->argc >= 4) {
		drop_archives(ctx);
	} else {
		resp_error(ctx->reply, ERR_SYNTAX);
	}
}
