/* Locking a data directory. */
#include "engine/dir_lock.h"

#include "engine/wal/wal_segment.h"

enum status dir_lock_take(const struct io *io, const char *dir, struct io_file **out,
			  struct buf *error)
{
	char path[WAL_PATH_MAX];
	struct io_file *file;
	int pid = 0;
	enum status st = wal_segment_path(dir, "cairn.lock", path);

	if (st != ST_OK) {
		buf_note(error, "%s: the path is too long", dir);
		return st;
	}
	st = io->ops->open(io->ctx, path, IO_READ | IO_WRITE | IO_CREATE, &file);
	if (st != ST_OK) {
		buf_note(error, "cannot open the lock file %s: %s", path, status_text(st));
		return st;
	}
	st = io->ops->lock(io->ctx, file, &pid);
	if (st == ST_OK) {
		*out = file;
		return ST_OK;
	}
	if (st == ST_LOCKED) {
		buf_note(error,
			 "data directory %s is in use by process %d: stop that node, or give this "
			 "one another dir",
			 dir, pid);
	} else {
		buf_note(error, "cannot lock %s: %s", path, status_text(st));
	}
	io->ops->close(io->ctx, file);
	return st;
}
