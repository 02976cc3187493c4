/* cairn-wal repair: gives up the end of a log that cannot be read, or is not wanted.
 *
 * Nothing is destroyed: each file that loses something is kept whole under FILE.cut, readable by
 * the other verbs. Order of operations, so that a crash in between leaves the old log or one that
 * the same command goes on with:
 *   1. the shortened copy of the segment with the cut is written beside it and synced;
 *   2. the segments behind it are renamed to FILE.cut, the newest first, and the folder is synced:
 *      the log is still readable up to the cut at every step;
 *   3. the old segment gets the second name FILE.cut, and the copy takes its place by rename. */
#include "tools/segment_cut.h"
#include "tools/tool_store.h"
#include "tools/wal_verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

struct repair {
	struct tool *t;
	const char *dir;
	struct position cut_at;
	bool cut_torn, yes;
	uint64_t max_loss;
	int format;

	char wal_dir[WAL_PATH_MAX];
	struct io_file *lock;
	struct log_source *log;
	uint64_t floor; /* newest LSN that the store may hold */
	struct cut_plan plan;
	uint64_t cut_records; /* readable ones behind the cut */
	uint64_t cut_bytes;
	bool nothing; /* the log ends at the cut as it is */
	struct buf error;
};

/* --- what is there --- */

/* Held until the end, so that no node starts meanwhile. */
static int take_lock(struct repair *r)
{
	const struct io *io = r->t->io;
	char path[WAL_PATH_MAX];
	struct stat info;
	int pid = 0;
	enum status st;

	if (stat(r->dir, &info) != 0) {
		return tool_fail(r->t, EXIT_IO, "%s: %m", r->dir);
	}
	if (!S_ISDIR(info.st_mode) || wal_segment_path(r->dir, "wal", r->wal_dir) != ST_OK ||
	    stat(r->wal_dir, &info) != 0 || !S_ISDIR(info.st_mode)) {
		return tool_fail(r->t, EXIT_USAGE,
				 "%s is not a data directory: there is no folder wal in it",
				 r->dir);
	}
	if (wal_segment_path(r->dir, "cairn.lock", path) != ST_OK) {
		return tool_fail(r->t, EXIT_USAGE, "%s: the path is too long", r->dir);
	}
	st = io->ops->open(io->ctx, path, IO_READ | IO_WRITE | IO_CREATE, &r->lock);
	if (st != ST_OK) {
		r->lock = NULL;
		return tool_fail(r->t, EXIT_IO, "%s cannot be opened: %m", path);
	}
	st = io->ops->lock(io->ctx, r->lock, &pid);
	if (st == ST_LOCKED) {
		return tool_fail(r->t, EXIT_REFUSED,
				 "%s is in use by process %d: stop that node first", r->dir, pid);
	}
	return st == ST_OK ? EXIT_GO_ON : tool_fail(r->t, EXIT_IO, "%s cannot be locked: %m", path);
}

/* How far the store has gone: the log must reach there. */
static int read_floor(struct repair *r)
{
	char path[WAL_PATH_MAX];
	struct tool_store store = {0};
	const struct store_state *state = &store.state;
	struct stat info;
	int code;

	if (wal_segment_path(r->dir, "keyspace.mdb", path) != ST_OK) {
		return tool_fail(r->t, EXIT_USAGE, "%s: the path is too long", r->dir);
	}
	if (lstat(path, &info) != 0 && errno == ENOENT) {
		return EXIT_GO_ON; /* no checkpoint was ever made */
	}
	code = tool_store_open(r->t, path, &store);
	if (code != EXIT_GO_ON) {
		return tool_fail(r->t, code,
				 "without the store nobody can say how much of the log is needed");
	}
	r->floor =
	    state->drain_lsn > state->checkpoint_lsn ? state->drain_lsn : state->checkpoint_lsn;
	tool_store_close(&store);
	return EXIT_GO_ON;
}

/* --- where to cut --- */

/* Reads up to the cut, notes its place, and counts what lies behind it. */
static int read_log(struct repair *r, enum status *stop, uint64_t *last)
{
	struct log_place place;
	struct wal_record rec;
	int code = log_seek(r->log, 0, false);

	*last = 0;
	if (code != EXIT_GO_ON) {
		return code;
	}
	while ((*stop = log_next(r->log, &rec, &place)) == ST_OK) {
		bool behind = r->cut_at.set && position_cmp(place.epoch, rec.lsn, &r->cut_at) > 0;

		*last = rec.lsn;
		if (behind) {
			r->cut_records++;
		} else {
			r->plan.keep_lsn = rec.lsn;
		}
	}
	if (*stop == ST_IO || *stop == ST_NO_MEMORY) {
		return log_report(r->log, *stop);
	}
	return EXIT_GO_ON;
}

static int choose_cut(struct repair *r)
{
	const struct log_segment *segments;
	size_t count;
	enum status stop;
	uint64_t last;
	int code;

	segments = log_segments(r->log, &count);
	r->plan.keep_lsn = segments[0].first_lsn - 1;
	code = read_log(r, &stop, &last);
	if (code != EXIT_GO_ON) {
		return code;
	}
	segments = log_segments(r->log, &count);
	if (r->cut_torn && stop != ST_TORN) {
		if (stop == ST_END) {
			r->nothing = true;
			return EXIT_GO_ON;
		}
		return tool_fail(r->t, EXIT_DAMAGE,
				 "%s. This is no torn tail but damage; --cut-at %" PRIu64
				 " would give up everything from there on",
				 log_error(r->log), r->plan.keep_lsn);
	}
	if (r->cut_at.set && r->plan.keep_lsn < r->cut_at.lsn) {
		return tool_fail(r->t, stop == ST_END ? EXIT_USAGE : EXIT_DAMAGE,
				 "the log is readable up to LSN %" PRIu64
				 " only: --cut-at must not be above that%s%s",
				 r->plan.keep_lsn, stop == ST_END ? "" : ". ", log_error(r->log));
	}
	if (r->cut_at.set && r->cut_at.lsn + 1 < segments[0].first_lsn) {
		return tool_fail(r->t, EXIT_REFUSED, "the log begins at LSN %" PRIu64,
				 segments[0].first_lsn);
	}
	if (r->plan.keep_lsn < r->floor) {
		return tool_fail(
		    r->t, EXIT_REFUSED,
		    "the store holds changes up to LSN %" PRIu64
		    " (its checkpoint), so the log cannot be cut at LSN %" PRIu64
		    ". To go back further, build a new directory with cairn-wal replay "
		    "--to-env",
		    r->floor, r->plan.keep_lsn);
	}
	r->nothing = stop == ST_END && r->cut_records == 0;
	return EXIT_GO_ON;
}

/* Which file is shortened, which ones go as a whole, and how much that is. */
static int plan_files(struct repair *r)
{
	const struct log_segment *segments;
	size_t count, at = 0;
	enum status st;

	segments = log_segments(r->log, &count);
	while (at + 1 < count && segments[at + 1].first_lsn <= r->plan.keep_lsn + 1) {
		at++;
	}
	r->plan.path = segments[at].path;
	st = segment_cut_plan(r->t->io, &r->plan);
	/* A segment of which nothing stays may have a damaged header: it goes as a whole. */
	if (st == ST_CORRUPT && at > 0 && segments[at].first_lsn > r->plan.keep_lsn) {
		r->plan.path = segments[--at].path;
		st = segment_cut_plan(r->t->io, &r->plan);
	}
	if (st == ST_CORRUPT) {
		return tool_fail(r->t, EXIT_DAMAGE, "%s: the segment header is damaged",
				 r->plan.path);
	}
	r->cut_bytes = r->plan.cut_bytes;
	for (size_t i = at + 1; st == ST_OK && i < count; i++) {
		struct cut_plan whole = {.path = segments[i].path,
					 .keep_lsn = segments[i].first_lsn - 1};

		st = segment_cut_plan(r->t->io, &whole);
		if (st == ST_CORRUPT || st == ST_VERSION) {
			whole.cut_bytes = segments[i].file_bytes;
			st = ST_OK;
		}
		r->cut_bytes += whole.cut_bytes;
	}
	return st == ST_OK
		   ? EXIT_GO_ON
		   : tool_fail(r->t, tool_exit_of(st), "%s: %s", r->plan.path, status_text(st));
}

/* --- doing it --- */

static int cut_files(struct repair *r)
{
	const struct io *io = r->t->io;
	const struct log_segment *segments;
	size_t count;
	struct buf kept = {0};
	enum status st = segment_cut_write(io, &r->plan, &r->error);

	segments = log_segments(r->log, &count);
	for (size_t i = count; st == ST_OK && i > 0; i--) {
		if (segments[i - 1].path == r->plan.path) {
			break;
		}
		st = segment_keep_name(segments[i - 1].path, &kept);
		if (st == ST_OK) {
			st =
			    io->ops->rename(io->ctx, segments[i - 1].path, (const char *)kept.data);
		}
	}
	if (st == ST_OK) {
		st = io->ops->sync_dir(io->ctx, r->wal_dir);
	}
	if (st == ST_OK) {
		st = segment_cut_replace(io, &r->plan, r->wal_dir, &r->error);
	}
	buf_deinit(&kept);
	return st == ST_OK ? EXIT_GO_ON
			   : tool_fail(r->t, EXIT_IO, "%s; the repair can be run again",
				       tool_text(&r->error, st));
}

static void print(struct repair *r, bool done)
{
	struct out *o = &r->t->out;
	const char *what = r->nothing ? "nothing" : done ? "cut" : "plan";

	if (r->format == 1) {
		json_begin(o);
		json_text(o, "result", what);
		json_u64(o, "ends_at", r->plan.keep_lsn);
		json_u64(o, "checkpoint_lsn", r->floor);
		json_u64(o, "cut_records", r->cut_records);
		json_u64(o, "cut_bytes", r->cut_bytes);
		if (!r->nothing) {
			json_text(o, "file", r->plan.path);
			json_u64(o, "off", r->plan.keep_off);
		}
		json_end(o);
		return;
	}
	out_printf(o,
		   "result=%s ends_at=%" PRIu64 " checkpoint_lsn=%" PRIu64 " cut_records=%" PRIu64
		   " cut_bytes=%" PRIu64,
		   what, r->plan.keep_lsn, r->floor, r->cut_records, r->cut_bytes);
	if (!r->nothing) {
		out_printf(o, " off=%" PRIu64 " file=%s", r->plan.keep_off, r->plan.path);
	}
	out_text(o, "\n");
}

static int run(struct repair *r)
{
	int code = take_lock(r);
	char *operand = r->wal_dir;

	if (code == EXIT_GO_ON) {
		code = read_floor(r);
	}
	if (code == EXIT_GO_ON) {
		code = log_open(r->t, &operand, 1, &r->log);
	}
	if (code == EXIT_GO_ON) {
		code = choose_cut(r);
	}
	if (code == EXIT_GO_ON && r->nothing) {
		print(r, false);
		return EXIT_CLEAN;
	}
	if (code == EXIT_GO_ON) {
		code = plan_files(r);
	}
	if (code != EXIT_GO_ON) {
		return code;
	}
	if (r->cut_bytes > r->max_loss) {
		print(r, false);
		return tool_fail(r->t, EXIT_REFUSED,
				 "this would cut %" PRIu64 " bytes, more than --max-loss",
				 r->cut_bytes);
	}
	if (!r->yes) {
		print(r, false);
		return tool_fail(r->t, EXIT_REFUSED, "nothing was changed: add --yes to do it");
	}
	code = cut_files(r);
	if (code == EXIT_GO_ON) {
		print(r, true);
		code = EXIT_CLEAN;
	}
	return code;
}

int wal_repair(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "DIR",
	    "Cuts the end off the log of the data directory DIR, whose node must not be running. "
	    "What\n"
	    "is cut stays beside it as FILE.cut, readable by the other verbs. Without --yes the "
	    "plan is\n"
	    "printed and nothing is changed.",
	    1, 1};
	struct repair r = {.t = t, .max_loss = UINT64_MAX};
	const struct option_row rows[] = {
	    {"cut-at", 0, OPT_POSITION, &r.cut_at, "POS",
	     "last position to keep: ok_up_to of verify, say", NULL},
	    {"cut-torn-tail", 0, OPT_FLAG, &r.cut_torn, NULL,
	     "cut an unfinished last write, nothing else", NULL},
	    {"max-loss", 0, OPT_SIZE, &r.max_loss, "SIZE", "refuse to cut more than that", NULL},
	    {"yes", 0, OPT_FLAG, &r.yes, NULL, "do it", NULL},
	    {"format", 0, OPT_CHOICE, &r.format, "FORMAT", "text or json", "text,json"},
	    {0}};
	size_t operands;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON && r.cut_torn == r.cut_at.set) {
		code = tool_fail(t, EXIT_USAGE, "either --cut-at or --cut-torn-tail is needed");
	}
	if (code == EXIT_GO_ON) {
		r.dir = argv[1];
		code = run(&r);
	}
	log_close(r.log);
	if (r.lock != NULL) {
		t->io->ops->close(t->io->ctx, r.lock);
	}
	buf_deinit(&r.error);
	return code;
}
