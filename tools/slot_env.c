/* Opening store and log tail together. */
#include "tools/slot_env.h"

#include "engine/base/alloc.h"
#include "tools/log_source.h"
#include "tools/tool_progress.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the log's tail ends for a view. */
struct moment {
	bool checkpoint;
	struct position end;
	uint64_t until_ms; /* records of this time are in, later ones are not */
};

static bool parse_moment(const char *text, struct moment *out)
{
	*out = (struct moment){.until_ms = UINT64_MAX};
	if (text == NULL || strcmp(text, "end") == 0) {
		return true;
	}
	if (strcmp(text, "checkpoint") == 0) {
		out->checkpoint = true;
		return true;
	}
	if (text[0] == '@') {
		return parse_time_ms(text + 1, &out->until_ms);
	}
	/* A bare number is an LSN: times need their mark. */
	return parse_position(text, &out->end) ||
	       (strchr(text, '-') != NULL && parse_time_ms(text, &out->until_ms));
}

int lock_holder(const char *dir)
{
	struct flock probe = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[WAL_PATH_MAX];
	int fd, pid = 0;

	if (wal_segment_path(dir, "cairn.lock", path) != ST_OK) {
		return 0;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* whatever has that name */
	if (fd < 0) {
		return 0;
	}
	if (fcntl(fd, F_GETLK, &probe) == 0 && probe.l_type != F_UNLCK) {
		pid = (int)probe.l_pid;
	}
	(void)close(fd);
	return pid;
}

/* Splits the operand into the store's file and its folder. */
static bool find_paths(const char *path, char file[WAL_PATH_MAX], char dir[WAL_PATH_MAX])
{
	struct stat info;
	const char *slash = strrchr(path, '/');
	int n;

	if (stat(path, &info) != 0 || S_ISDIR(info.st_mode)) {
		n = snprintf(dir, WAL_PATH_MAX, "%s", path);
		return n > 0 && n < WAL_PATH_MAX &&
		       wal_segment_path(path, "keyspace.mdb", file) == ST_OK;
	}
	n = snprintf(file, WAL_PATH_MAX, "%s", path);
	if (n <= 0 || n >= WAL_PATH_MAX) {
		return false;
	}
	if (slash == NULL) {
		memcpy(dir, ".", 2);
	} else {
		size_t len = slash == path ? 1 : (size_t)(slash - path);

		memcpy(dir, path, len);
		dir[len] = '\0';
	}
	return true;
}

/* Takes one record into the overlay. */
static enum status take(struct slot_env *env, const struct wal_record *rec)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	struct effect effect;
	enum status st = ST_OK;

	while (st == ST_OK) {
		st = wal_op_next(&ops, &op);
		if (st == ST_OK) {
			st = effect_of(&op, &effect);
		}
		if (st == ST_OK) {
			st = overlay_apply(env->view.over, &effect);
		}
		if (st == ST_OK) {
			st = library_set_apply(&env->libraries, &op);
		}
	}
	if (st == ST_END) {
		env->last_lsn = rec->lsn;
		env->last_time_ms = rec->time_ms;
		env->records++;
		return ST_OK;
	}
	return st;
}

static int take_failed(struct tool *t, const struct wal_record *rec, const struct log_place *place,
		       enum status st)
{
	if (st == ST_LIMIT) {
		return tool_fail(t, EXIT_REFUSED,
				 "the log's tail does not fit into --memory-max at LSN %" PRIu64
				 "; raise it, or use --at checkpoint",
				 rec->lsn);
	}
	return tool_fail(t, tool_exit_of(st), "LSN %" PRIu64 " at %s offset %" PRIu64 ": %s",
			 rec->lsn, place->file, place->off, status_text(st));
}

static int fill_overlay(struct tool *t, struct slot_env *env, struct log_source *log,
			const struct moment *moment)
{
	struct wal_reader_end end;
	struct progress progress;
	struct wal_record rec;
	struct log_place place;
	enum status st;
	uint64_t checkpoint = env->store.state.checkpoint_lsn;
	/* The time of the store's newest record tells whether a moment is before it. */
	bool by_time = moment->until_ms != UINT64_MAX && checkpoint > 0;
	int code = log_seek(log, by_time ? checkpoint : checkpoint + 1, true);

	if (code != EXIT_GO_ON) {
		return code;
	}
	progress_start(&progress, t, "records of the log's tail", 0);
	while ((st = log_next(log, &rec, &place)) == ST_OK) {
		if ((moment->end.set && position_cmp(place.epoch, rec.lsn, &moment->end) > 0) ||
		    rec.time_ms > moment->until_ms) {
			env->before_store = rec.lsn <= checkpoint;
			break;
		}
		if (rec.lsn <= checkpoint) {
			continue;
		}
		st = take(env, &rec);
		if (st != ST_OK) {
			progress_end(&progress);
			return take_failed(t, &rec, &place, st);
		}
		progress_at(&progress, env->records);
	}
	progress_end(&progress);
	if (st != ST_OK && st != ST_END && st != ST_TORN) {
		return log_report(log, st);
	}
	/* A store without a checkpoint does not know its shard yet. */
	log_end(log, &end);
	if (end.history.count > 0) {
		env->history = end.history;
	}
	env->torn = st == ST_TORN && env->holder_pid == 0;
	if (env->torn) {
		tool_warn(t, "%s; showing the state before it", log_error(log));
	}
	return EXIT_GO_ON;
}

/* Effects of records up to the drain mark may be in the store already: states before it are gone.
 */
static int check_moment(struct tool *t, const struct slot_env *env, const struct moment *moment,
			const char *text)
{
	const struct store_state *s = &env->store.state;

	if (moment->end.set && moment->end.lsn < s->drain_lsn) {
		return tool_fail(
		    t, EXIT_REFUSED,
		    "--at %s is before LSN %" PRIu64
		    ", up to which the store may hold changes; rebuild that state with "
		    "cairn-wal replay --to-env",
		    text, s->drain_lsn);
	}
	if (env->before_store || (moment->until_ms != UINT64_MAX && env->last_lsn < s->drain_lsn)) {
		return tool_fail(t, EXIT_REFUSED,
				 "--at %s is before the checkpoint at LSN %" PRIu64
				 "; rebuild that state with cairn-wal replay --to-env",
				 text, s->drain_lsn);
	}
	if (moment->end.set && moment->end.lsn > env->last_lsn) {
		return tool_fail(t, EXIT_FINDINGS, "--at %s is after the log's end at LSN %" PRIu64,
				 text, env->last_lsn);
	}
	return EXIT_GO_ON;
}

static int open_tail(struct tool *t, const char *dir, const struct slot_env_options *options,
		     const struct moment *moment, struct slot_env *env)
{
	char wal_dir[WAL_PATH_MAX];
	char *operand = wal_dir;
	struct log_source *log = NULL;
	struct stat info;
	int code = EXIT_GO_ON;

	if (wal_segment_path(dir, "wal", wal_dir) != ST_OK || stat(wal_dir, &info) != 0) {
		if (options->at == NULL) {
			tool_warn(t, "%s has no log beside it: showing the store alone", dir);
			return EXIT_GO_ON;
		}
		return tool_fail(t, EXIT_FINDINGS, "%s: no log there for --at %s", dir,
				 options->at);
	}
	if (overlay_create(options->memory_max, &env->view.over) != ST_OK) {
		return tool_fail(t, EXIT_IO, "out of memory");
	}
	code = log_open(t, &operand, 1, &log);
	if (code == EXIT_GO_ON) {
		code = fill_overlay(t, env, log, moment);
	}
	if (code == EXIT_GO_ON && overlay_finish(env->view.over) != ST_OK) {
		code = tool_fail(t, EXIT_IO, "out of memory");
	}
	if (code == EXIT_GO_ON) {
		code = check_moment(t, env, moment, options->at);
	}
	log_close(log);
	return code;
}

int slot_env_open(struct tool *t, const char *path, const struct slot_env_options *options,
		  struct slot_env *out)
{
	char file[WAL_PATH_MAX], dir[WAL_PATH_MAX];
	const struct store_state *state;
	struct moment moment;
	int code = EXIT_GO_ON;
	enum status st;

	*out = (struct slot_env){0};
	if (!parse_moment(options->at, &moment)) {
		return tool_fail(t, EXIT_USAGE,
				 "option --at: '%s' is not end, checkpoint, LSN, EPOCH:LSN, a time "
				 "like 2026-01-31T12:00:00Z, or @UNIX-SECONDS",
				 options->at);
	}
	if (!find_paths(path, file, dir)) {
		return tool_fail(t, EXIT_USAGE, "%s: the path is too long", path);
	}
	out->holder_pid = lock_holder(dir);
	code = tool_store_open(t, file, &out->store);
	if (code != EXIT_GO_ON) {
		return code;
	}
	out->view.base = out->store.reader;
	state = &out->store.state;
	out->last_lsn = state->checkpoint_lsn;
	out->history = state->history;
	if (moment.checkpoint && state->drain_lsn > state->checkpoint_lsn) {
		tool_warn(
		    t,
		    "a checkpoint was being written: the store also holds part of LSN %" PRIu64
		    " to %" PRIu64,
		    state->checkpoint_lsn + 1, state->drain_lsn);
	}
	st = library_set_load(out->store.reader, &out->libraries);
	if (st != ST_OK) {
		code = tool_fail(t, tool_exit_of(st),
				 "%s: the libraries of functions cannot be read: %s", file,
				 status_text(st));
	}
	if (code == EXIT_GO_ON && !moment.checkpoint) {
		code = open_tail(t, dir, options, &moment, out);
	}
	if (code != EXIT_GO_ON) {
		slot_env_close(out);
	}
	return code;
}

void slot_env_close(struct slot_env *env)
{
	overlay_destroy(env->view.over);
	library_set_deinit(&env->libraries);
	tool_store_close(&env->store);
	*env = (struct slot_env){0};
}

int slot_report(const struct tool *t, enum status st, struct slice store_key)
{
	struct out o;

	if (st == ST_OK || st == ST_END) {
		return EXIT_CLEAN;
	}
	out_init(&o, t->err);
	out_printf(&o, "%s: %s: ", t->name, t->verb);
	if (store_key.len >= KEY_PREFIX_LEN) {
		out_printf(&o, "slot %u, store key ", store_key_slot(store_key));
		out_quoted(&o, slice_skip(store_key, KEY_PREFIX_LEN - 1), 80);
		out_text(&o, ": ");
	}
	out_printf(&o, "%s%s\n", status_text(st),
		   st == ST_CORRUPT ? "; run cairn-slot check, and restore from a backup or replica"
				    : "");
	(void)out_deinit(&o);
	return tool_exit_of(st);
}
