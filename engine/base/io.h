/* The disk as a small interface: the WAL and the files around the store reach the file system only
 * through it, so a recorder, a fault injector or a simulated disk can stand in its place.
 * Every call returns ST_OK, ST_NO_SPACE (ENOSPC, EDQUOT), ST_NOT_FOUND, ST_EXISTS, ST_LOCKED or
 * ST_IO (anything else), and leaves the cause in errno. Calls may come from any thread; one file is
 * used by one thread at a time. */
#ifndef CAIRN_ENGINE_BASE_IO_H
#define CAIRN_ENGINE_BASE_IO_H

#include "engine/base/slice.h"
#include "engine/base/status.h"

enum io_open_flags {
	IO_READ = 1,
	IO_WRITE = 2,
	IO_CREATE = 4, /* create when missing, mode 0600 */
	IO_EXCL = 8,   /* with IO_CREATE: ST_EXISTS when it is there */
	IO_TRUNC = 16,
};

struct io_file; /* an open file of one implementation */

struct io_ops {
	enum status (*open)(void *ctx, const char *path, unsigned flags, struct io_file **out);
	void (*close)(void *ctx, struct io_file *f);
	/* Reads up to len bytes; *got is short only at the end of the file. */
	enum status (*pread)(void *ctx, struct io_file *f, void *dst, size_t len, uint64_t off,
			     size_t *got);
	/* Writes all of it, or fails; after a failure any part may have been written. */
	enum status (*pwrite)(void *ctx, struct io_file *f, const void *src, size_t len,
			      uint64_t off);
	enum status (*datasync)(void *ctx, struct io_file *f); /* fdatasync */
	enum status (*size)(void *ctx, struct io_file *f, uint64_t *out);
	enum status (*truncate)(void *ctx, struct io_file *f, uint64_t len);
	enum status (*allocate)(void *ctx, struct io_file *f,
				uint64_t len); /* reserve blocks, grow to len */
	enum status (*rename)(void *ctx, const char *from, const char *to);
	enum status (*unlink)(void *ctx, const char *path);
	enum status (*mkdir)(
	    void *ctx, const char *path); /* mode 0700; ST_OK when it is a directory already */
	enum status (*rmdir)(void *ctx, const char *path); /* an empty directory */
	enum status (*sync_dir)(void *ctx,
				const char *path); /* makes renames and creations in it durable */
	/* Calls each(arg, name) for every entry but "." and ".."; order unspecified. */
	enum status (*list)(void *ctx, const char *path, void (*each)(void *arg, const char *name),
			    void *arg);
	/* Takes an exclusive lock that dies with the process. ST_LOCKED: *holder_pid (0 when
	 * unknown) has it. */
	enum status (*lock)(void *ctx, struct io_file *f, int *holder_pid);
};

struct io {
	const struct io_ops *ops;
	void *ctx;
};

/* The real file system. A static value; nothing to free. */
const struct io *io_posix(void);

#endif
