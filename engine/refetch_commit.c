/* Taking what was fetched: checks, marks and files. */
#include "engine/dir_lock.h"
#include "engine/key_codec.h"
#include "engine/refetch_impl.h"
#include "engine/rewind_impl.h"
#include "engine/store.h"
#include "engine/wal/wal_reader.h"
#include "engine/wal/wal_tail.h"

#include <inttypes.h>
#include <xxhash.h>

enum { SUM_LEN = 8 };

struct places {
	const struct io *io;
	const char *dir;
	uint64_t map_size_max;
	char folder[WAL_PATH_MAX], patch[WAL_PATH_MAX], log[WAL_PATH_MAX];
	char tmp[WAL_PATH_MAX], ready[WAL_PATH_MAX], move[WAL_PATH_MAX];
	char own_log[WAL_PATH_MAX], store[WAL_PATH_MAX];
	struct buf *error;
};

static enum status find_places(struct places *p, const struct io *io, const char *dir,
			       uint64_t map_size_max, struct buf *error)
{
	enum status st = wal_segment_path(dir, REFETCH_FOLDER, p->folder);
	const struct {
		const char *folder, *name;
		char *out;
	} paths[] = {
	    {p->folder, "patch", p->patch},  {p->folder, "wal", p->log},
	    {p->folder, "tmp", p->tmp},	     {p->folder, "READY", p->ready},
	    {p->folder, "MOVE", p->move},    {dir, "wal", p->own_log},
	    {dir, "keyspace.mdb", p->store},
	};

	p->io = io;
	p->dir = dir;
	p->map_size_max = map_size_max;
	p->error = error;
	for (size_t i = 0; st == ST_OK && i < sizeof paths / sizeof *paths; i++) {
		st = wal_segment_path(paths[i].folder, paths[i].name, paths[i].out);
	}
	if (st != ST_OK) {
		buf_note(error, "%s: the path is too long", dir);
	}
	return st;
}

static enum status failed(const struct places *p, enum status st, const char *what,
			  const char *path)
{
	buf_note(p->error, "refetching: cannot %s %s: %s; mend that and start again", what, path,
		 status_text(st));
	return st;
}

static enum status look(const struct places *p, const char *path, bool *there)
{
	struct io_file *file;
	enum status st = p->io->ops->open(p->io->ctx, path, IO_READ, &file);

	if (st == ST_OK) {
		p->io->ops->close(p->io->ctx, file);
	}
	*there = st == ST_OK;
	return st == ST_OK || st == ST_NOT_FOUND ? ST_OK : failed(p, st, "look at", path);
}

/* --- the folder --- */

struct removal {
	const struct places *p;
	const char *folder;
	enum status st;
};

static void remove_one(void *arg, const char *name)
{
	struct removal *r = arg;
	char path[WAL_PATH_MAX];
	enum status st = wal_segment_path(r->folder, name, path);

	/* The log's folder has been emptied and removed before. */
	if (st == ST_OK && strcmp(path, r->p->move) != 0) {
		st = r->p->io->ops->unlink(r->p->io->ctx, path);
	}
	if (st != ST_OK && st != ST_NOT_FOUND && r->st == ST_OK) {
		r->st = failed(r->p, st, "remove", path);
	}
}

static enum status empty_folder(const struct places *p, const char *folder)
{
	struct removal r = {p, folder, ST_OK};
	enum status st = p->io->ops->list(p->io->ctx, folder, remove_one, &r);

	return st == ST_OK || st == ST_NOT_FOUND ? r.st : failed(p, st, "list", folder);
}

/* Removes the folder and all in it, the mark last. */
static enum status remove_all(const struct places *p)
{
	const struct io *io = p->io;
	enum status st = empty_folder(p, p->log);

	if (st == ST_OK) {
		st = io->ops->rmdir(io->ctx, p->log);
	}
	if (st == ST_OK || st == ST_NOT_FOUND) {
		st = empty_folder(p, p->folder);
	}
	if (st == ST_OK) {
		st = io->ops->unlink(io->ctx, p->move);
	}
	if (st == ST_OK || st == ST_NOT_FOUND) {
		st = io->ops->rmdir(io->ctx, p->folder);
	}
	if (st == ST_OK) {
		st = io->ops->sync_dir(io->ctx, p->dir);
	}
	return st == ST_OK || st == ST_NOT_FOUND ? ST_OK : failed(p, st, "remove", p->folder);
}

static enum status write_file(const struct places *p, const char *path, const struct slice *parts,
			      size_t count)
{
	const struct io *io = p->io;
	struct io_file *file;
	uint64_t off = 0;
	enum status st = io->ops->open(io->ctx, p->tmp, IO_WRITE | IO_CREATE | IO_TRUNC, &file);

	if (st != ST_OK) {
		return failed(p, st, "create", p->tmp);
	}
	for (size_t i = 0; st == ST_OK && i < count; i++) {
		st = io->ops->pwrite(io->ctx, file, parts[i].data, parts[i].len, off);
		off += parts[i].len;
	}
	if (st == ST_OK) {
		st = io->ops->datasync(io->ctx, file);
	}
	io->ops->close(io->ctx, file);
	if (st == ST_OK) {
		st = io->ops->rename(io->ctx, p->tmp, path);
	}
	if (st == ST_OK) {
		st = io->ops->sync_dir(io->ctx, p->folder);
	}
	return st == ST_OK ? ST_OK : failed(p, st, "write", path);
}

enum status refetch_begin(const struct io *io, const char *dir, struct slice patch,
			  struct buf *error)
{
	uint64_t sum = XXH3_64bits(patch.data, patch.len);
	uint8_t bytes[SUM_LEN];
	struct slice parts[2] = {patch, slice_of(bytes, sizeof bytes)};
	struct places p;
	enum status st = find_places(&p, io, dir, 0, error);

	for (size_t i = 0; i < sizeof bytes; i++) {
		bytes[i] = (uint8_t)(sum >> (8 * i));
	}
	if (st == ST_OK) {
		st = remove_all(&p);
	}
	if (st == ST_OK) {
		st = io->ops->mkdir(io->ctx, p.folder);
		st = st == ST_OK ? ST_OK : failed(&p, st, "create the folder", p.folder);
	}
	return st == ST_OK ? write_file(&p, p.patch, parts, 2) : st;
}

/* Reads the patch into bytes, which it borrows. */
static enum status load(const struct places *p, struct buf *bytes, struct refetch *out)
{
	const struct io *io = p->io;
	struct io_file *file;
	uint64_t size = 0, sum = 0;
	size_t got = 0;
	enum status st = io->ops->open(io->ctx, p->patch, IO_READ, &file);

	if (st != ST_OK) {
		return failed(p, st, "open", p->patch);
	}
	st = io->ops->size(io->ctx, file, &size);
	if (st == ST_OK) {
		st = size < SUM_LEN ? ST_CORRUPT : buf_reserve(bytes, (size_t)size);
	}
	if (st == ST_OK) {
		st = io->ops->pread(io->ctx, file, bytes->data, (size_t)size, 0, &got);
	}
	io->ops->close(io->ctx, file);
	if (st == ST_OK && got != size) {
		st = ST_CORRUPT;
	}
	for (size_t i = 0; st == ST_OK && i < SUM_LEN; i++) {
		sum |= (uint64_t)bytes->data[got - SUM_LEN + i] << (8 * i);
	}
	if (st == ST_OK && XXH3_64bits(bytes->data, got - SUM_LEN) != sum) {
		st = ST_CORRUPT;
	}
	if (st == ST_OK) {
		st = refetch_decode(slice_of(bytes->data, got - SUM_LEN), out);
	}
	return st == ST_OK ? ST_OK : failed(p, st, "read", p->patch);
}

/* --- checks --- */

static enum status not_this_way(const struct places *p, const char *why)
{
	buf_note(p->error, "%s", why);
	return ST_AGAIN;
}

static enum status chain_at(const struct places *p, const char *log, uint64_t lsn, uint64_t *chain)
{
	struct wal_tail_options opts = {.io = p->io, .dir = log, .lsn = lsn};
	struct wal_tail *tail = NULL;
	struct buf ignored = {0};
	enum status st = wal_tail_open(&opts, &tail, &ignored);

	if (st == ST_OK) {
		st = wal_tail_lsn(tail) == lsn ? ST_OK : ST_NOT_FOUND;
		*chain = wal_tail_chain(tail);
	}
	wal_tail_close(tail);
	buf_deinit(&ignored);
	return st;
}

/* A key was renamed that was written blindly here: what it held may be gone from this store, and
 * only the new name tells the primary's. */
static enum status check_renames(const struct wal_record *rec, const struct divergent_names *lost)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	bool gone = false, large = false;
	struct meta m;
	enum status st;

	while ((st = wal_op_next(&ops, &op)) == ST_OK) {
		if (op.kind == WAL_OP_DEL_KEY && divergent_names_blind(lost, op.slot) &&
		    divergent_names_has_key(lost, op.name)) {
			gone = true;
		}
		if (op.kind == WAL_OP_PUT_KEY && meta_decode(op.value, &m) == ST_OK) {
			large |= m.form == FORM_LARGE;
		}
	}
	return st != ST_END ? ST_CORRUPT : gone && large ? ST_AGAIN : ST_OK;
}

/* The fetched log leads from the fork to where the store may have been written to. */
static enum status check_log(const struct places *p, const struct refetch *patch,
			     const struct divergent_names *lost)
{
	struct wal_reader_options opts = {.from_lsn = patch->fork_lsn + 1};
	struct wal_reader *r = NULL;
	struct wal_record rec;
	uint64_t own = 0, theirs = 0, last = patch->fork_lsn;
	enum status st;

	if (patch->drain_lsn <= patch->fork_lsn) {
		return ST_OK; /* there is nothing after the fork yet */
	}
	st = chain_at(p, p->own_log, patch->fork_lsn + 1, &own);
	if (st != ST_OK) {
		return not_this_way(p, "no frame of this node's log ends at the fork");
	}
	st = chain_at(p, p->log, patch->fork_lsn + 1, &theirs);
	if (st != ST_OK || own != theirs) {
		return not_this_way(p, "the fetched log does not follow this node's");
	}
	st = wal_reader_open(p->io, p->log, &opts, &r);
	while (st == ST_OK && (st = wal_reader_next(r, &rec)) == ST_OK) {
		last = rec.lsn;
		st = check_renames(&rec, lost);
	}
	wal_reader_close(r);
	if (st == ST_AGAIN) {
		return not_this_way(p, "a key was renamed that was written on both sides");
	}
	if ((st != ST_END && st != ST_TORN) || last < patch->drain_lsn) {
		buf_note(p->error, "the fetched log does not lead to LSN %" PRIu64,
			 patch->drain_lsn);
		return ST_CORRUPT;
	}
	return ST_OK;
}

/* This node's own log is there from the older checkpoint on. */
static enum status check_reach(const struct places *p, const struct refetch *patch)
{
	struct wal_segment_list list = {0};
	struct store_state state;
	uint64_t from =
	    patch->checkpoint_lsn < patch->fork_lsn ? patch->checkpoint_lsn : patch->fork_lsn;
	enum status st = store_peek_state(p->io, p->store, &state, p->error);

	if (st == ST_OK) {
		st = wal_segment_list_read(p->io, p->own_log, &list);
	}
	if (st == ST_OK) {
		from = state.checkpoint_lsn < from ? state.checkpoint_lsn : from;
		if (list.count == 0 || list.first_lsn[0] > from + 1) {
			st = not_this_way(p, "this node's log does not reach back far enough");
		}
	}
	wal_segment_list_deinit(&list);
	return st;
}

/* --- the change --- */

static enum status move_segments(const struct places *p)
{
	const struct io *io = p->io;
	struct wal_segment_list list = {0};
	enum status st = wal_segment_list_read(io, p->log, &list);

	if (st == ST_NOT_FOUND) {
		return ST_OK;
	}
	for (size_t i = 0; st == ST_OK && i < list.count; i++) {
		char name[WAL_SEGMENT_NAME_SIZE], from[WAL_PATH_MAX], to[WAL_PATH_MAX];

		wal_segment_name(list.first_lsn[i], name);
		st = wal_segment_path(p->log, name, from);
		if (st == ST_OK) {
			st = wal_segment_path(p->own_log, name, to);
		}
		/* In order, each durable before the next: the log never has a hole. */
		if (st == ST_OK) {
			st = io->ops->rename(io->ctx, from, to);
		}
		if (st == ST_OK) {
			st = io->ops->sync_dir(io->ctx, p->own_log);
		}
	}
	wal_segment_list_deinit(&list);
	return st == ST_OK ? ST_OK : failed(p, st, "move the segments of", p->log);
}

/* From READY on, as far as MOVE. */
static enum status cut_log(const struct places *p, const struct refetch *patch)
{
	enum status st = rewind_cut(p->io, p->dir, patch->fork_lsn, p->error);

	if (st == ST_OK) {
		st = p->io->ops->rename(p->io->ctx, p->ready, p->move);
		if (st == ST_OK) {
			st = p->io->ops->sync_dir(p->io->ctx, p->folder);
		}
		st = st == ST_OK ? ST_OK : failed(p, st, "rename", p->ready);
	}
	return st;
}

static enum status finish(const struct places *p)
{
	enum status st = move_segments(p);

	return st == ST_OK ? remove_all(p) : st;
}

enum status refetch_recover(const struct io *io, const char *dir, uint64_t map_size_max,
			    struct buf *error)
{
	struct buf bytes = {0};
	struct refetch patch;
	struct places p;
	bool ready = false, move = false;
	enum status st = find_places(&p, io, dir, map_size_max, error);

	if (st == ST_OK) {
		st = look(&p, p.ready, &ready);
	}
	if (st == ST_OK) {
		st = look(&p, p.move, &move);
	}
	if (st == ST_OK && ready) {
		st = load(&p, &bytes, &patch);
		if (st == ST_OK) {
			st = refetch_apply(io, p.store, map_size_max, &patch, error);
			if (st == ST_OK) {
				st = cut_log(&p, &patch);
			}
			divergent_names_deinit(&patch.names);
		}
		buf_deinit(&bytes);
	}
	if (st == ST_OK && (ready || move)) {
		return finish(&p);
	}
	return st == ST_OK ? remove_all(&p) : st;
}

/* Nothing has changed yet, and nothing will. */
static enum status give_up(const struct places *p, enum status st)
{
	struct buf ignored = {0};
	struct places quiet = *p;
	enum status gone;

	quiet.error = &ignored;
	gone = p->io->ops->unlink(p->io->ctx, p->ready);
	if (gone == ST_OK) {
		gone = p->io->ops->sync_dir(p->io->ctx, p->folder);
	}
	if (gone == ST_OK || gone == ST_NOT_FOUND) {
		gone = remove_all(&quiet);
	}
	buf_deinit(&ignored);
	return gone == ST_OK ? st : gone;
}

static enum status commit(const struct places *p, const struct refetch *patch,
			  const struct divergent_names *lost)
{
	struct slice text = slice_str("What was fetched is complete. The next start takes it.\n");
	enum status st = check_reach(p, patch);

	if (st == ST_OK) {
		st = check_log(p, patch, lost);
	}
	if (st == ST_OK && patch->drain_lsn > patch->fork_lsn) {
		st = p->io->ops->sync_dir(p->io->ctx, p->log);
	}
	if (st == ST_OK) {
		st = write_file(p, p->ready, &text, 1);
	}
	if (st == ST_OK) {
		st = p->io->ops->sync_dir(p->io->ctx, p->dir);
	}
	if (st == ST_OK) {
		st = refetch_apply(p->io, p->store, p->map_size_max, patch, p->error);
	}
	if (st != ST_OK) {
		return give_up(p, st == ST_LIMIT || st == ST_MAP_FULL ? ST_AGAIN : st);
	}
	st = cut_log(p, patch);
	return st == ST_OK ? finish(p) : st;
}

enum status refetch_commit(const struct io *io, const char *dir, uint64_t map_size_max,
			   const struct divergent_name *archive, struct buf *error)
{
	struct divergent_names lost = {0};
	struct buf bytes = {0};
	struct refetch patch = {0};
	struct io_file *lock = NULL;
	struct places p;
	enum status st = find_places(&p, io, dir, map_size_max, error);

	if (st == ST_OK) {
		st = dir_lock_take(io, dir, &lock, error);
	}
	if (st != ST_OK) {
		return st;
	}
	st = divergent_names_read(io, dir, archive, REFETCH_NAMES_MAX, &lost);
	if (st == ST_OK) {
		st = load(&p, &bytes, &patch);
	}
	if (st == ST_OK) {
		st = commit(&p, &patch, &lost);
	}
	divergent_names_deinit(&patch.names);
	divergent_names_deinit(&lost);
	buf_deinit(&bytes);
	io->ops->close(io->ctx, lock);
	return st;
}
