/* replay into a fresh data directory: point-in-time recovery.
 *
 * The log has to go back to LSN 1, or to the checkpoint of a base directory (a backup), since what
 * came before is in no file that is given. The result begins a timeline of its own: from here on
 * its history is another one. */
#include "engine/base/rng.h"
#include "engine/export/effect.h"
#include "engine/wal/wal_history.h"
#include "engine/wal/wal_writer.h"
#include "tools/env_writer.h"
#include "tools/replay.h"
#include "tools/tool_store.h"

#include <inttypes.h>
#include <unistd.h>

enum { SEGMENT_SIZE = 64 << 20 };

struct env_run {
	struct replay *r;
	struct env_writer *env;
	struct id_map map;	       /* whose elements belong to which key, for the filter */
	struct store_state base_state; /* zeros without a base */
	struct buf error;
};

static int failed(struct env_run *run, enum status st)
{
	return tool_fail(run->r->t, tool_exit_of(st), "%s", tool_text(&run->error, st));
}

static enum status apply_record(struct env_run *run, const struct wal_record *rec)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	struct op_facts facts;
	bool filtered = wal_filter_has_ops(&run->r->filter);
	enum status st = filtered ? id_map_learn(&run->map, rec) : ST_OK;

	while (st == ST_OK && (st = wal_op_next(&ops, &op)) == ST_OK) {
		struct effect e;

		if (filtered) {
			st = op_facts_of(&run->map, &op, &facts);
			if (st != ST_OK || !wal_filter_op(&run->r->filter, &facts)) {
				continue;
			}
		}
		st = effect_of(&op, &e);
		if (st == ST_OK && run->env != NULL) {
			st = env_writer_apply(run->env, &e);
		}
	}
	if (filtered) {
		id_map_settle(&run->map, rec);
	}
	return st == ST_END ? ST_OK : st;
}

static int apply_log(struct env_run *run)
{
	struct replay *r = run->r;
	struct log_place place;
	struct wal_record rec;
	int code;

	while ((code = replay_next(r, &rec, &place)) == EXIT_GO_ON) {
		enum status st = apply_record(run, &rec);

		if (st == ST_CORRUPT) {
			return log_bad_record(r->log, st, &rec, &place);
		}
		if (st != ST_OK) {
			return tool_fail(r->t, tool_exit_of(st), "%s: %s", r->to_env,
					 status_text(st));
		}
		replay_took(r, &rec, &place);
	}
	return code == EXIT_CLEAN ? replay_check_end(r) : code;
}

/* The base's content, and where the log has to go on. */
static int copy_base(struct env_run *run)
{
	struct replay *r = run->r;
	char file[WAL_PATH_MAX];
	struct tool_store store = {0};
	enum status st;
	int code;

	if (wal_segment_path(r->base, "keyspace.mdb", file) != ST_OK) {
		return tool_fail(r->t, EXIT_USAGE, "%s: the path is too long", r->base);
	}
	code = tool_store_open(r->t, file, &store);
	if (code != EXIT_GO_ON) {
		return code;
	}
	run->base_state = store.state;
	st = run->env == NULL ? ST_OK : env_writer_copy(run->env, store.reader);
	if (st == ST_CORRUPT) {
		buf_note(&run->error, "%s: a record in it is damaged; see cairn-slot check", file);
	}
	tool_store_close(&store);
	return st == ST_OK ? EXIT_GO_ON : failed(run, st);
}

/* The new directory's history: what was replayed, then a timeline of its own. */
static struct wal_history new_history(const struct env_run *run, const struct wal_reader_end *end)
{
	const struct replay *r = run->r;
	struct wal_history h = end->history;
	struct rng rng;

	if (h.count == 0) {
		h = run->base_state.history;
	}
	rng_seed(&rng, r->t->clock->wall_ms(r->t->clock->ctx) ^
			   r->t->clock->mono_us(r->t->clock->ctx) << 20 ^ (uint64_t)getpid() << 44);
	while (h.count > 0 && h.items[h.count - 1].first_lsn > r->applied) {
		h.count--;
	}
	wal_history_begin(&h, (struct wal_timeline){
				  .id = rng_next(&rng) | 1,
				  .epoch = h.count > 0 ? h.items[h.count - 1].epoch : 0,
				  .first_lsn = r->applied + 1,
			      });
	return h;
}

/* An empty, cleanly closed log that goes on after the last LSN: a node refuses a store without its
 * log. */
static int make_log(struct env_run *run, const struct wal_history *history)
{
	struct replay *r = run->r;
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
	enum status st = wal_segment_path(env_writer_dir(run->env), "wal", dir);

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

static int finish(struct env_run *run)
{
	struct replay *r = run->r;
	struct wal_reader_end end;
	struct store_state state = {0};
	enum status st;
	int code;

	log_end(r->log, &end);
	state.checkpoint_lsn = state.previous_checkpoint_lsn = state.drain_lsn = r->applied;
	state.next_id = env_writer_next_id(run->env);
	if (state.next_id < run->base_state.next_id) {
		state.next_id = run->base_state.next_id;
	}
	state.history = new_history(run, &end);
	st = env_writer_seal(run->env, &state);
	if (st != ST_OK) {
		return failed(run, st);
	}
	code = make_log(run, &state.history);
	if (code == EXIT_GO_ON) {
		st = env_writer_publish(run->env, &run->error);
		code = st == ST_OK ? EXIT_GO_ON : failed(run, st);
	}
	return code;
}

/* Where the log must begin, and that it is the base's. */
static int seek(struct env_run *run)
{
	struct replay *r = run->r;
	uint64_t from = run->base_state.checkpoint_lsn + 1;
	const struct log_segment *segments;
	struct wal_segment header;
	struct buf storage = {0};
	size_t count;
	bool foreign;

	segments = log_segments(r->log, &count);
	if (count == 0 || segments[0].first_lsn > from) {
		return tool_fail(r->t, EXIT_REFUSED,
				 "the log begins at LSN %" PRIu64 ", but LSN %" PRIu64
				 " is needed: give the archived segments as well%s",
				 count == 0 ? 0 : segments[0].first_lsn, from,
				 r->base == NULL ? ", or a backup as --base" : "");
	}
	foreign = r->base != NULL && log_segment_header(r->log, 0, &storage, &header) == ST_OK &&
		  header.history.shard_id != run->base_state.history.shard_id;
	buf_deinit(&storage);
	if (foreign) {
		return tool_fail(r->t, EXIT_REFUSED, "the log belongs to another shard than %s",
				 r->base);
	}
	r->applied = from - 1;
	r->epoch = run->base_state.history.count == 0
		       ? 0
		       : run->base_state.history.items[run->base_state.history.count - 1].epoch;
	return log_seek(r->log, from, true);
}

static int build(struct env_run *run)
{
	struct replay *r = run->r;
	int code = r->base == NULL ? EXIT_GO_ON : copy_base(run);

	if (code == EXIT_GO_ON) {
		code = seek(run);
	}
	if (code == EXIT_GO_ON) {
		code = apply_log(run);
	}
	/* Of the moment between the backup and the next record nobody can say on which side it is.
	 */
	if (code == EXIT_GO_ON && r->base != NULL &&
	    (r->applied < run->base_state.drain_lsn ||
	     (r->to_lsn.set && r->to_lsn.lsn < run->base_state.drain_lsn) ||
	     (r->to_time != UINT64_MAX && r->reached && r->records == 0))) {
		code = tool_fail(r->t, EXIT_REFUSED,
				 "%s may hold changes up to LSN %" PRIu64
				 ", so nothing before that can be made from it",
				 r->base, run->base_state.drain_lsn);
	}
	return code == EXIT_GO_ON && run->env != NULL ? finish(run) : code;
}

int replay_to_env(struct replay *r)
{
	struct env_run run = {.r = r};
	int code = EXIT_GO_ON;

	if (!r->dry_run) {
		enum status st = env_writer_create(r->t->io, r->to_env, &run.env, &run.error);

		code = st == ST_OK ? EXIT_GO_ON : failed(&run, st);
	}
	if (code == EXIT_GO_ON) {
		code = build(&run);
	}
	env_writer_destroy(run.env);
	id_map_deinit(&run.map);
	buf_deinit(&run.error);
	return code;
}
