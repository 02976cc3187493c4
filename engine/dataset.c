/* The change of dataset, step by step; every step may be repeated. */
#include "engine/dataset.h"

#include "engine/base/invariant.h"
#include "engine/dir_lock.h"
#include "engine/rewind.h"
#include "engine/store.h"
#include "engine/wal/wal_reader.h"
#include "engine/wal/wal_segment.h"

#include <inttypes.h>
#include <stdio.h>

static const char store_name[] = "keyspace.mdb", lock_name[] = "keyspace.mdb-lock",
		  log_name[] = "wal", ready_name[] = "READY", ready_tmp[] = "READY.tmp";

/* The folders that take part; each path fits. */
struct places {
	const struct io *io;
	const char *dir;
	char copy[WAL_PATH_MAX], old[WAL_PATH_MAX];
	struct buf *error;
};

static enum status find_places(struct places *p, const struct io *io, const char *dir,
			       struct buf *error)
{
	enum status st;

	p->io = io;
	p->dir = dir;
	p->error = error;
	st = wal_segment_path(dir, DATASET_COPY, p->copy);
	if (st == ST_OK) {
		st = wal_segment_path(dir, "old", p->old);
	}
	/* Names below them need room as well. */
	if (st != ST_OK || strlen(p->copy) + 64 > WAL_PATH_MAX) {
		buf_note(error, "%s: the path is too long", dir);
		return ST_LIMIT;
	}
	return ST_OK;
}

static enum status failed(const struct places *p, enum status st, const char *what,
			  const char *path)
{
	buf_note(p->error, "cannot %s %s: %s; mend that and start again", what, path,
		 status_text(st));
	return st;
}

static void name_in(const char *folder, const char *name, char out[WAL_PATH_MAX])
{
	/* find_places has seen to it that the longest of them fits. */
	int n = snprintf(out, WAL_PATH_MAX, "%s/%s", folder, name);

	INVARIANT(n > 0 && n < WAL_PATH_MAX);
}

static void ignore(void *arg, const char *name)
{
	(void)arg;
	(void)name;
}

/* Whether a file, or else a folder, of this name is there. */
static enum status look(const struct places *p, const char *folder, const char *name, bool is_dir,
			bool *there)
{
	const struct io *io = p->io;
	char path[WAL_PATH_MAX];
	struct io_file *file;
	enum status st;

	name_in(folder, name, path);
	if (is_dir) {
		st = io->ops->list(io->ctx, path, ignore, NULL);
	} else {
		st = io->ops->open(io->ctx, path, IO_READ, &file);
		if (st == ST_OK) {
			io->ops->close(io->ctx, file);
		}
	}
	*there = st == ST_OK;
	return st == ST_OK || st == ST_NOT_FOUND ? ST_OK : failed(p, st, "look at", path);
}

static enum status sync_folder(const struct places *p, const char *path)
{
	enum status st = p->io->ops->sync_dir(p->io->ctx, path);

	return st == ST_OK ? ST_OK : failed(p, st, "sync the folder", path);
}

/* --- removing --- */

struct removal {
	const struct places *p;
	const char *folder;
	const char *keep; /* NULL: nothing */
	enum status st;
};

static void remove_one(void *arg, const char *name)
{
	struct removal *r = arg;
	char path[WAL_PATH_MAX];
	enum status st;

	/* A folder inside has been removed before, or is gone with its name after a crash. */
	if (r->st != ST_OK || (r->keep != NULL && strcmp(name, r->keep) == 0)) {
		return;
	}
	name_in(r->folder, name, path);
	st = r->p->io->ops->unlink(r->p->io->ctx, path);
	if (st != ST_OK && st != ST_NOT_FOUND) {
		r->st = failed(r->p, st, "remove", path);
	}
}

/* Removes every file of a folder but keep. ST_NOT_FOUND: there is no such folder. */
static enum status remove_files(const struct places *p, const char *folder, const char *keep)
{
	struct removal r = {.p = p, .folder = folder, .keep = keep, .st = ST_OK};
	enum status st = p->io->ops->list(p->io->ctx, folder, remove_one, &r);

	if (st != ST_OK) {
		return st == ST_NOT_FOUND ? st : failed(p, st, "list", folder);
	}
	return r.st;
}

static enum status remove_folder(const struct places *p, const char *path)
{
	enum status st = p->io->ops->rmdir(p->io->ctx, path);

	return st == ST_OK || st == ST_NOT_FOUND ? ST_OK : failed(p, st, "remove the folder", path);
}

/* Removes folder/wal and what is in it. */
static enum status remove_log(const struct places *p, const char *folder)
{
	char log[WAL_PATH_MAX];
	enum status st;

	name_in(folder, log_name, log);
	st = remove_files(p, log, NULL);
	if (st == ST_NOT_FOUND) {
		return ST_OK;
	}
	return st == ST_OK ? remove_folder(p, log) : st;
}

static enum status remove_old(const struct places *p)
{
	enum status st = remove_log(p, p->old);

	if (st == ST_OK) {
		st = remove_files(p, p->old, NULL);
	}
	if (st == ST_NOT_FOUND) {
		return ST_OK;
	}
	if (st == ST_OK) {
		st = remove_folder(p, p->old);
	}
	return st == ST_OK ? sync_folder(p, p->dir) : st;
}

/* --- changing places --- */

/* Renames across two of the folders, durably in both. */
static enum status move(const struct places *p, const char *from, const char *to, const char *name)
{
	char source[WAL_PATH_MAX], target[WAL_PATH_MAX];
	enum status st;

	name_in(from, name, source);
	name_in(to, name, target);
	st = p->io->ops->rename(p->io->ctx, source, target);
	if (st != ST_OK) {
		return failed(p, st, "rename", source);
	}
	st = sync_folder(p, to);
	return st == ST_OK ? sync_folder(p, from) : st;
}

/* Puts the copy's file in the place of the dataset's. */
static enum status change(const struct places *p, const char *name, bool is_dir)
{
	bool fresh, present;
	enum status st = look(p, p->copy, name, is_dir, &fresh);

	if (st != ST_OK || !fresh) {
		return st; /* it has changed places before */
	}
	st = look(p, p->dir, name, is_dir, &present);
	if (st == ST_OK && present) {
		st = move(p, p->dir, p->old, name);
	}
	return st == ST_OK ? move(p, p->copy, p->dir, name) : st;
}

/* LMDB's lock file speaks of readers of the old file, a mark of engine/rewind.h of the old log. */
static enum status remove_marks(const struct places *p)
{
	static const char *const names[] = {lock_name, REWIND_MARK};
	enum status st = ST_OK;

	for (int i = 0; st == ST_OK && i < 2; i++) {
		char path[WAL_PATH_MAX];

		name_in(p->dir, names[i], path);
		st = p->io->ops->unlink(p->io->ctx, path);
		st = st == ST_OK || st == ST_NOT_FOUND ? ST_OK : failed(p, st, "remove", path);
	}
	return st == ST_OK ? sync_folder(p, p->dir) : st;
}

/* Everything from the mark on. */
static enum status change_all(const struct places *p)
{
	enum status st = p->io->ops->mkdir(p->io->ctx, p->old);
	bool fresh;

	if (st != ST_OK) {
		return failed(p, st, "create the folder", p->old);
	}
	st = sync_folder(p, p->dir);
	if (st == ST_OK) {
		st = look(p, p->copy, store_name, false, &fresh);
	}
	if (st == ST_OK && fresh) {
		st = remove_marks(p);
	}
	if (st == ST_OK) {
		st = change(p, store_name, false);
	}
	if (st == ST_OK) {
		st = change(p, log_name, true);
	}
	if (st == ST_OK) {
		st = remove_old(p);
	}
	if (st == ST_OK) {
		st = remove_files(p, p->copy, ready_name);
	}
	if (st == ST_OK) {
		st = sync_folder(p, p->copy);
	}
	if (st == ST_OK) {
		st = remove_files(p, p->copy, NULL);
	}
	if (st == ST_OK) {
		st = remove_folder(p, p->copy);
	}
	return st == ST_OK ? sync_folder(p, p->dir) : st;
}

enum status dataset_recover(const struct io *io, const char *dir, struct buf *error)
{
	struct places p;
	bool ready, begun = true;
	enum status st = find_places(&p, io, dir, error);

	if (st == ST_OK) {
		st = look(&p, p.copy, ready_name, false, &ready);
	}
	if (st != ST_OK) {
		return st;
	}
	if (ready) {
		return change_all(&p);
	}
	/* Without the mark what is in old/ has been replaced, wholly. */
	st = remove_old(&p);
	if (st == ST_OK) {
		st = look(&p, p.copy, store_name, false, &begun);
	}
	/* Without a store copy/ is what was left of one that was dropped or has taken its place. */
	return st == ST_OK && !begun ? dataset_drop_copy(io, dir, error) : st;
}

enum status dataset_drop_copy(const struct io *io, const char *dir, struct buf *error)
{
	char path[WAL_PATH_MAX];
	struct places p;
	bool ready;
	enum status st = find_places(&p, io, dir, error);

	if (st == ST_OK) {
		st = look(&p, p.copy, ready_name, false, &ready);
	}
	if (st == ST_OK && ready) {
		buf_note(error, "the copy in %s is complete: start the node to take it over",
			 p.copy);
		return ST_INVALID;
	}
	if (st != ST_OK) {
		return st;
	}
	name_in(p.copy, store_name, path);
	st = io->ops->unlink(io->ctx, path);
	if (st == ST_OK) {
		st = sync_folder(&p, p.copy);
	} else if (st != ST_NOT_FOUND) {
		return failed(&p, st, "remove", path);
	} else {
		st = ST_OK;
	}
	if (st == ST_OK) {
		st = remove_log(&p, p.copy);
	}
	if (st == ST_OK) {
		st = remove_files(&p, p.copy, NULL);
	}
	if (st == ST_NOT_FOUND) {
		return ST_OK;
	}
	if (st == ST_OK) {
		st = remove_folder(&p, p.copy);
	}
	return st == ST_OK ? sync_folder(&p, dir) : st;
}

/* --- the mark --- */

/* The log must lead from the checkpoint to where the store may have been written to. */
static enum status check_log(const struct places *p, const struct store_state *state)
{
	struct wal_reader_options opts = {.from_lsn = state->checkpoint_lsn + 1,
					  .safe_lsn = state->drain_lsn};
	uint64_t first = 0;
	char log[WAL_PATH_MAX];
	struct wal_reader *reader = NULL;
	struct wal_reader_end end;
	struct wal_record record;
	enum status st;

	name_in(p->copy, log_name, log);
	st = wal_reader_open(p->io, log, &opts, &reader);
	if (st != ST_OK) {
		buf_note(p->error, "the copy's log %s cannot be opened: %s", log, status_text(st));
		return st;
	}
	while ((st = wal_reader_next(reader, &record)) == ST_OK) {
		first = first == 0 ? record.lsn : first;
	}
	wal_reader_end(reader, &end);
	if (st != ST_END && st != ST_TORN) {
		buf_note(p->error, "the copy's log: %s", wal_reader_error(reader));
	} else if (end.empty || end.at.next_lsn <= state->drain_lsn ||
		   end.at.next_lsn <= state->checkpoint_lsn ||
		   (first == 0 ? end.first_lsn : first) > opts.from_lsn) {
		buf_note(p->error,
			 "the copy's log %s does not lead from LSN %" PRIu64 " to LSN %" PRIu64
			 ": the copy is not complete",
			 log, opts.from_lsn, state->drain_lsn);
		st = ST_CORRUPT;
	} else {
		st = ST_OK;
	}
	wal_reader_close(reader);
	return st;
}

static enum status check_copy(const struct places *p)
{
	const char *names[] = {store_name, log_name};
	struct store_state state;
	enum status st = ST_OK;

	for (int i = 0; st == ST_OK && i < 2; i++) {
		bool there;

		st = look(p, p->copy, names[i], i == 1, &there);
		if (st == ST_OK && !there) {
			buf_note(p->error, "%s/%s is missing: there is no complete copy", p->copy,
				 names[i]);
			st = ST_NOT_FOUND;
		}
	}
	if (st == ST_OK) {
		char path[WAL_PATH_MAX];

		name_in(p->copy, store_name, path);
		st = store_peek_state(p->io, path, &state, p->error);
	}
	return st == ST_OK ? check_log(p, &state) : st;
}

static enum status write_mark(const struct places *p)
{
	static const char text[] = "This copy is complete. The next start makes it the dataset.\n";
	const struct io *io = p->io;
	char tmp[WAL_PATH_MAX], path[WAL_PATH_MAX];
	struct io_file *file;
	enum status st;

	name_in(p->copy, ready_tmp, tmp);
	name_in(p->copy, ready_name, path);
	st = io->ops->open(io->ctx, tmp, IO_WRITE | IO_CREATE | IO_TRUNC, &file);
	if (st == ST_OK) {
		st = io->ops->pwrite(io->ctx, file, text, sizeof text - 1, 0);
		if (st == ST_OK) {
			st = io->ops->datasync(io->ctx, file);
		}
		io->ops->close(io->ctx, file);
	}
	if (st == ST_OK) {
		st = io->ops->rename(io->ctx, tmp, path);
	}
	if (st != ST_OK) {
		return failed(p, st, "write", path);
	}
	return sync_folder(p, p->copy);
}

/* The names of the copy's parts must be durable before the mark is. */
static enum status sync_names(const struct places *p)
{
	char log[WAL_PATH_MAX];
	enum status st;

	name_in(p->copy, log_name, log);
	st = sync_folder(p, log);
	if (st == ST_OK) {
		st = sync_folder(p, p->copy);
	}
	return st == ST_OK ? sync_folder(p, p->dir) : st;
}

enum status dataset_commit_copy(const struct io *io, const char *dir, struct buf *error)
{
	struct io_file *lock = NULL;
	struct places p;
	enum status st = find_places(&p, io, dir, error);

	if (st == ST_OK) {
		st = dir_lock_take(io, dir, &lock, error);
	}
	if (st != ST_OK) {
		return st;
	}
	st = check_copy(&p);
	if (st == ST_OK) {
		st = remove_old(&p);
	}
	if (st == ST_OK) {
		st = sync_names(&p);
	}
	if (st == ST_OK) {
		st = write_mark(&p);
	}
	if (st == ST_OK) {
		st = change_all(&p);
	}
	io->ops->close(io->ctx, lock);
	return st;
}
