/* cairn-wal replay: a fresh data directory that holds what the log held up to a position or a time.
 *
 * The log has to go back to LSN 1 (retained or archived segments), since what came before is in no
 * file that is given. The result begins a timeline of its own: from here on its history is another
 * one. */
#include "engine/base/rng.h"
#include "engine/wal/wal_writer.h"
#include "tools/env_writer.h"
#include "tools/tool_progress.h"
#include "tools/wal_filter.h"
#include "tools/wal_verbs.h"

#include <inttypes.h>

enum { SEGMENT_SIZE = 64 << 20 };

struct replay {
	struct tool *t;
	const char *to_env;
	struct position to_lsn;
	uint64_t to_time;
	struct env_writer *env;
	struct buf error;
	uint64_t applied, last_ms;
};

static enum status apply_record(struct replay *r, const struct wal_record *rec)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	enum status st;

	while ((st = wal_op_next(&ops, &op)) == ST_OK) {
		struct effect e;

		st = effect_of(&op, &e);
		if (st == ST_OK) {
			st = env_writer_apply(r->env, &e);
		}
		if (st != ST_OK) {
			return st;
		}
	}
	return st == ST_END ? ST_OK : st;
}

/* True when the record is beyond what is wanted. */
static bool beyond(const struct replay *r, const struct wal_record *rec,
		   const struct log_place *place)
{
	return (r->to_lsn.set && position_cmp(place->epoch, rec->lsn, &r->to_lsn) > 0) ||
	       rec->time_ms > r->to_time;
}

static int apply_log(struct replay *r, struct log_source *log)
{
	struct progress progress;
	struct log_place place;
	struct wal_record rec;
	enum status st;

	progress_start(&progress, r->t, "records", 0);
	while ((st = log_next(log, &rec, &place)) == ST_OK && !beyond(r, &rec, &place)) {
		st = apply_record(r, &rec);
		if (st != ST_OK) {
			progress_end(&progress);
			return tool_fail(r->t, tool_exit_of(st), "record %" PRIu64 ": %s", rec.lsn,
					 status_text(st));
		}
		r->applied = rec.lsn;
		r->last_ms = rec.time_ms;
		progress_at(&progress, rec.lsn);
	}
	progress_end(&progress);
	/* A torn tail never was acknowledged; damage stops the work. */
	return st == ST_OK || st == ST_END || st == ST_TORN ? EXIT_GO_ON : log_report(log, st);
}

/* The new directory's history: what was replayed, then a timeline of its own. */
static struct wal_history new_history(const struct replay *r, const struct wal_reader_end *end)
{
	struct wal_history h = end->history;
	struct rng rng;

	rng_seed(&rng, r->t->clock->wall_ms(r->t->clock->ctx) ^
			   r->t->clock->mono_us(r->t->clock->ctx) << 20);
	while (h.count > 0 && h.items[h.count - 1].first_lsn > r->applied) {
		h.count--;
	}
	if (h.count == WAL_HISTORY_MAX) {
		memmove(h.items, h.items + 1, (WAL_HISTORY_MAX - 1) * sizeof h.items[0]);
		h.count--;
	}
	h.items[h.count] = (struct wal_timeline){
	    .id = rng_next(&rng) | 1,
	    .epoch = h.count > 0 ? h.items[h.count - 1].epoch : 0,
	    .first_lsn = r->applied + 1,
	};
	h.count++;
	return h;
}

/* An empty, cleanly closed log that goes on after the last LSN: a node refuses a store without its
 * log. */
static int make_log(struct replay *r, const struct wal_history *history)
{
	struct wal_writer *w;
	struct wal_writer_options opts = {
	    .io = r->t->io,
	    .clock = r->t->clock,
	    .segment_size = SEGMENT_SIZE,
	    .keep_size = UINT64_MAX,
	    .compression_level = 1,
	    .fsync = WAL_FSYNC_ALWAYS,
	    .history = *history,
	    .at = {.next_lsn = r->applied + 1},
	};
	char dir[WAL_PATH_MAX];
	enum status st = wal_segment_path(r->to_env, "wal", dir);

	opts.dir = dir;
	if (st == ST_OK) {
		st = r->t->io->ops->mkdir(r->t->io->ctx, dir);
	}
	if (st == ST_OK) {
		st = wal_writer_open(&opts, &w);
	}
	if (st == ST_OK) {
		st = wal_writer_close(w);
	}
	return st == ST_OK ? EXIT_GO_ON
			   : tool_fail(r->t, tool_exit_of(st), "%s: the new log cannot be made: %s",
				       dir, status_text(st));
}

static int finish(struct replay *r, struct log_source *log)
{
	struct wal_reader_end end;
	struct store_state state = {0};
	enum status st;
	int code;

	log_end(log, &end);
	state.checkpoint_lsn = state.previous_checkpoint_lsn = state.drain_lsn = r->applied;
	state.next_id = env_writer_next_id(r->env);
	state.history = new_history(r, &end);
	st = env_writer_finish(r->env, &state, &r->error);
	if (st != ST_OK) {
		return tool_fail(r->t, tool_exit_of(st), "%.*s", (int)r->error.len,
				 r->error.len > 0 ? (const char *)r->error.data : "cannot finish");
	}
	code = make_log(r, &state.history);
	if (code == EXIT_GO_ON) {
		out_printf(&r->t->out, "replayed_to=%" PRIu64 " time=", r->applied);
		out_time(&r->t->out, r->last_ms);
		out_printf(&r->t->out, " env=%s\n", r->to_env);
		code = EXIT_CLEAN;
	}
	return code;
}

static int run(struct replay *r, struct log_source *log)
{
	const struct log_segment *segments;
	size_t count;
	enum status st;
	int code = log_seek(log, 0, false);

	segments = log_segments(log, &count);
	if (code != EXIT_GO_ON) {
		return code;
	}
	if (count == 0 || segments[0].first_lsn != 1) {
		return tool_fail(r->t, EXIT_REFUSED,
				 "the log begins at LSN %" PRIu64
				 ", not at 1: give the archived segments as well",
				 count == 0 ? 0 : segments[0].first_lsn);
	}
	st = env_writer_create(r->t->io, r->to_env, &r->env, &r->error);
	if (st != ST_OK) {
		return tool_fail(r->t, st == ST_EXISTS ? EXIT_REFUSED : tool_exit_of(st), "%.*s",
				 (int)r->error.len,
				 r->error.len > 0 ? (const char *)r->error.data : "cannot begin");
	}
	code = apply_log(r, log);
	return code == EXIT_GO_ON ? finish(r, log) : code;
}

int wal_replay(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "DIR|FILE... --to-env NEWDIR",
	    "Builds NEWDIR, a data directory that cairn-server starts on, from a log that goes "
	    "back to\n"
	    "LSN 1: all of it, or up to a position or a time (point-in-time recovery).",
	    1, 1024};
	struct replay r = {.t = t, .to_time = UINT64_MAX};
	const struct option_row rows[] = {
	    {"to-env", 0, OPT_TEXT, &r.to_env, "NEWDIR", "the directory to make", NULL},
	    {"to-lsn", 0, OPT_POSITION, &r.to_lsn, "POS", "last position wanted", NULL},
	    {"to-time", 0, OPT_TIME, &r.to_time, "TIME", "last moment wanted", NULL},
	    {0}};
	struct log_source *log = NULL;
	size_t operands;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON && r.to_env == NULL) {
		code = tool_fail(t, EXIT_USAGE, "--to-env is needed");
	}
	if (code == EXIT_GO_ON) {
		code = log_open(t, argv + 1, operands, &log);
	}
	if (code == EXIT_GO_ON) {
		code = run(&r, log);
	}
	env_writer_destroy(r.env);
	buf_deinit(&r.error);
	log_close(log);
	return code;
}
