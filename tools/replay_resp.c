/* replay as commands: to a running node, or as RESP on standard output. */
#include "engine/export/effect.h"
#include "engine/export/translate.h"
#include "tools/live_sink.h"
#include "tools/replay.h"

#include "engine/base/alloc.h"

#include <inttypes.h>
#include <time.h>

enum { HOLD_MARGIN_MS = 3600 * 1000 };

struct resp_run {
	struct replay *r;
	struct live_sink *live; /* NULL: standard output, or nowhere */
	struct resp_sink sink;
	uint64_t started_us, bytes;
	struct buf error;
};

/* Waits until the bytes sent are not ahead of --rate. */
static void throttle(struct resp_run *run)
{
	const struct clock *clock = run->r->t->clock;
	uint64_t due_us, now_us = clock->mono_us(clock->ctx) - run->started_us;

	if (run->r->rate == 0) {
		return;
	}
	due_us = (uint64_t)((double)run->bytes / (double)run->r->rate * 1e6);
	if (due_us > now_us) {
		uint64_t wait_us = due_us - now_us;
		struct timespec pause = {.tv_sec = (time_t)(wait_us / 1000000),
					 .tv_nsec = (long)(wait_us % 1000000) * 1000};

		(void)nanosleep(&pause, NULL);
	}
}

static enum status take(void *arg, struct slice bytes, uint64_t commands)
{
	struct resp_run *run = arg;
	struct out *o = &run->r->t->out;
	enum status st = ST_OK;

	if (run->r->dry_run) {
		return ST_OK;
	}
	if (run->live != NULL) {
		st = live_sink_take(run->live, bytes, commands);
	} else {
		out_bytes(o, bytes);
		st = o->failed ? ST_IO : ST_OK;
	}
	run->bytes += bytes.len;
	throttle(run);
	return st;
}

static int sink_failed(struct resp_run *run, enum status st)
{
	struct replay *r = run->r;

	return tool_fail(r->t, tool_exit_of(st),
			 "%s; the commands up to LSN %" PRIu64 " were sent, some may not have been "
			 "carried out",
			 tool_text(&run->error, st), r->applied);
}

/* --- record by record --- */

static int stream(struct resp_run *run)
{
	struct replay *r = run->r;
	const struct log_segment *segments;
	struct translator translator;
	struct log_place place;
	struct wal_record rec;
	size_t count;
	enum status st;
	int code;

	segments = log_segments(r->log, &count);
	st = translate_init(&translator, wal_filter_choice(&r->filter),
			    count > 0 && segments[0].first_lsn == 1,
			    r->t->clock->wall_ms(r->t->clock->ctx) + HOLD_MARGIN_MS);
	code = st == ST_OK ? EXIT_GO_ON : tool_fail(r->t, EXIT_IO, "out of memory");
	while (code == EXIT_GO_ON && (code = replay_next(r, &rec, &place)) == EXIT_GO_ON) {
		if (replay_before(r, &rec, &place)) {
			st = translate_skip(&translator, &rec);
		} else {
			st = translate_record(&translator, &rec, &run->sink);
		}
		if (st != ST_OK) {
			code = st == ST_CORRUPT ? log_bad_record(r->log, st, &rec, &place)
						: sink_failed(run, st);
		} else if (!replay_before(r, &rec, &place)) {
			replay_took(r, &rec, &place);
		}
	}
	if (code == EXIT_CLEAN) {
		st = translate_finish(&translator, &run->sink);
		code = st == ST_OK ? EXIT_GO_ON : sink_failed(run, st);
	}
	r->left_out = translator.left_out;
	translate_deinit(&translator);
	return code;
}

/* --- whole keys as they are at the end --- */

struct fold {
	struct overlay *state;	 /* the keyspace as the log has it */
	struct overlay *touched; /* keys that changed from the start on; the value is the name */
	struct id_map map;
	bool flushed;
	/* Of functions: as the log has them, and those that it removed from the start on. */
	struct library_set libraries, removed;
	bool libraries_flushed;
};

static enum status touch(struct fold *f, const struct wal_filter *filter, struct slice key)
{
	struct effect e = {.kind = EFFECT_PUT};

	if (!wal_filter_key(filter, key, keyslot(key))) {
		return ST_OK;
	}
	store_key_of_key(&e.key, key);
	e.stored[0] = key;
	e.stored_count = 1;
	return overlay_apply(f->touched, &e);
}

/* An operation on libraries; before: it comes before the start. */
static enum status fold_library(struct fold *f, const struct wal_op *op, bool before)
{
	enum status st = library_set_apply(&f->libraries, op);

	if (st != ST_OK || before) {
		return st;
	}
	if (op->kind == WAL_OP_DEL_LIBRARY) {
		st = library_set_put(&f->removed, op->name, slice_of(NULL, 0));
	} else if (op->kind == WAL_OP_PUT_LIBRARY) {
		(void)library_set_del(&f->removed, op->name);
	} else {
		f->libraries_flushed = true;
		library_set_deinit(&f->removed);
	}
	return st;
}

static enum status emit_libraries(struct fold *f, struct resp_run *run)
{
	enum status st = ST_OK;

	if (wal_filter_has_ops(&run->r->filter)) {
		return ST_OK;
	}
	if (f->libraries_flushed) {
		st = emit_resp_library_flush(&run->sink);
	}
	for (size_t i = 0; st == ST_OK && !f->libraries_flushed && i < f->removed.count; i++) {
		st = emit_resp_library_del(&run->sink, library_name(f->removed.items[i]), false);
	}
	return st == ST_OK ? emit_resp_libraries(&run->sink, &f->libraries) : st;
}

static enum status fold_record(struct fold *f, const struct replay *r, const struct wal_record *rec,
			       bool before, uint64_t *left_out)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	enum status st = id_map_learn(&f->map, rec);

	while (st == ST_OK && (st = wal_op_next(&ops, &op)) == ST_OK) {
		struct op_facts facts;
		struct effect e;

		st = effect_of(&op, &e);
		if (st == ST_OK) {
			st = overlay_apply(f->state, &e);
		}
		if (st == ST_OK && library_set_concerns(&op)) {
			st = fold_library(f, &op, before);
		} else if (st == ST_OK && !before && op.kind == WAL_OP_FLUSH) {
			f->flushed = true;
			st = overlay_reset(f->touched);
		} else if (st == ST_OK && !before && op.kind != WAL_OP_DROP) {
			st = op_facts_of(&f->map, &op, &facts);
			if (st == ST_OK && facts.has_key) {
				st = touch(f, &r->filter, facts.key);
			} else if (st == ST_OK) {
				++*left_out;
			}
		}
	}
	id_map_settle(&f->map, rec);
	return st == ST_END ? ST_OK : st;
}

static enum status emit_touched(struct fold *f, struct resp_run *run)
{
	struct view view = {.over = f->state};
	struct slice flushall = slice_str("FLUSHALL");
	enum status st = overlay_finish(f->state);

	if (st == ST_OK) {
		st = overlay_finish(f->touched);
	}
	if (st == ST_OK && f->flushed && !wal_filter_has_ops(&run->r->filter)) {
		st = resp_command(&run->sink, &flushall, 1);
	} else if (f->flushed) {
		run->r->left_out++;
	}
	for (size_t i = 0; st == ST_OK && i < overlay_count(f->touched); i++) {
		struct key_record record;
		struct slice key, name;

		(void)overlay_at(f->touched, i, &key, &name);
		st = key_record_get(&view, name, &record);
		if (st == ST_OK) {
			st = emit_resp(&run->sink, &view, &record);
		} else if (st == ST_NOT_FOUND) {
			st = emit_resp_del(&run->sink, name);
		}
		if (st == ST_CORRUPT || st == ST_WRONG_TYPE) {
			/* Its elements lie before the log's beginning. */
			run->r->left_out++;
			st = ST_OK;
		}
	}
	return st;
}

static int fold_log(struct resp_run *run, struct fold *f)
{
	struct replay *r = run->r;
	struct log_place place;
	struct wal_record rec;
	int code;

	while ((code = replay_next(r, &rec, &place)) == EXIT_GO_ON) {
		bool before = replay_before(r, &rec, &place);
		enum status st = fold_record(f, r, &rec, before, &r->left_out);

		if (st == ST_LIMIT) {
			return tool_fail(r->t, EXIT_REFUSED,
					 "what the log holds does not fit into --memory-max at LSN "
					 "%" PRIu64,
					 rec.lsn);
		}
		if (st != ST_OK) {
			return log_bad_record(r->log, st, &rec, &place);
		}
		if (!before) {
			replay_took(r, &rec, &place);
		}
	}
	return code;
}

static int whole_keys(struct resp_run *run)
{
	struct replay *r = run->r;
	struct fold f = {0};
	enum status st = overlay_create(r->memory_max, &f.state);
	int code;

	if (st == ST_OK) {
		st = overlay_create(r->memory_max, &f.touched);
	}
	code = st == ST_OK ? fold_log(run, &f) : tool_fail(r->t, EXIT_IO, "out of memory");
	if (code == EXIT_CLEAN) {
		st = emit_libraries(&f, run);
		st = st == ST_OK ? emit_touched(&f, run) : st;
		code = st == ST_OK ? EXIT_GO_ON : sink_failed(run, st);
	}
	overlay_destroy(f.state);
	overlay_destroy(f.touched);
	id_map_deinit(&f.map);
	library_set_deinit(&f.libraries);
	library_set_deinit(&f.removed);
	return code;
}

/* --- both --- */

static int open_target(struct resp_run *run)
{
	struct replay *r = run->r;
	struct node_address address;
	enum status st;

	if (r->to == NULL || r->dry_run) {
		return EXIT_GO_ON;
	}
	if (!parse_node_address(r->to, &address)) {
		return tool_fail(r->t, EXIT_USAGE,
				 "option --to: '%s' is not redis://[user:password@]host:port, "
				 "host:port or the path of a socket",
				 r->to);
	}
	st = live_sink_open(&address, &run->live, &run->error);
	return st == ST_OK ? EXIT_GO_ON
			   : tool_fail(r->t, tool_exit_of(st), "%s", tool_text(&run->error, st));
}

int replay_to_commands(struct replay *r)
{
	struct resp_run run = {.r = r};
	enum status st;
	int code = open_target(&run);

	run.sink = (struct resp_sink){.take = take, .arg = &run};
	run.started_us = r->t->clock->mono_us(r->t->clock->ctx);
	if (code == EXIT_GO_ON) {
		code = log_seek(r->log, 0, false);
	}
	if (code == EXIT_GO_ON) {
		code = r->idempotent ? whole_keys(&run) : stream(&run);
	}
	if (code == EXIT_GO_ON) {
		st = resp_flush(&run.sink);
		if (st == ST_OK && run.live != NULL) {
			st = live_sink_finish(run.live);
		}
		code = st == ST_OK ? replay_check_end(r) : sink_failed(&run, st);
	}
	r->commands = run.sink.commands;
	live_sink_close(run.live);
	resp_sink_deinit(&run.sink);
	buf_deinit(&run.error);
	return code;
}
