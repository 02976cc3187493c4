/* A disk that stops: io_posix behind a countdown. */
#include "tests/support/stopping_io.h"

#include <errno.h>
#include <stdbool.h>

static bool stopped(void *ctx)
{
	struct stopping_io *s = ctx;

	s->changes++;
	if (s->left > 0) {
		s->left--;
		return false;
	}
	errno = EIO;
	return true;
}

static const struct io_ops *real(void)
{
	return io_posix()->ops;
}

static enum status stopping_open(void *ctx, const char *path, unsigned flags, struct io_file **out)
{
	if ((flags & (IO_CREATE | IO_TRUNC)) != 0 && stopped(ctx)) {
		return ST_IO;
	}
	return real()->open(NULL, path, flags, out);
}

static enum status stopping_pwrite(void *ctx, struct io_file *f, const void *src, size_t len,
				   uint64_t off)
{
	return stopped(ctx) ? ST_IO : real()->pwrite(NULL, f, src, len, off);
}

static enum status stopping_datasync(void *ctx, struct io_file *f)
{
	return stopped(ctx) ? ST_IO : real()->datasync(NULL, f);
}

static enum status stopping_truncate(void *ctx, struct io_file *f, uint64_t len)
{
	return stopped(ctx) ? ST_IO : real()->truncate(NULL, f, len);
}

static enum status stopping_allocate(void *ctx, struct io_file *f, uint64_t len)
{
	return stopped(ctx) ? ST_IO : real()->allocate(NULL, f, len);
}

static enum status stopping_rename(void *ctx, const char *from, const char *to)
{
	return stopped(ctx) ? ST_IO : real()->rename(NULL, from, to);
}

static enum status stopping_unlink(void *ctx, const char *path)
{
	return stopped(ctx) ? ST_IO : real()->unlink(NULL, path);
}

static enum status stopping_mkdir(void *ctx, const char *path)
{
	return stopped(ctx) ? ST_IO : real()->mkdir(NULL, path);
}

static enum status stopping_rmdir(void *ctx, const char *path)
{
	return stopped(ctx) ? ST_IO : real()->rmdir(NULL, path);
}

static enum status stopping_sync_dir(void *ctx, const char *path)
{
	return stopped(ctx) ? ST_IO : real()->sync_dir(NULL, path);
}

void stopping_io_init(struct stopping_io *s, uint64_t left)
{
	s->ops = *real();
	s->ops.open = stopping_open;
	s->ops.pwrite = stopping_pwrite;
	s->ops.datasync = stopping_datasync;
	s->ops.truncate = stopping_truncate;
	s->ops.allocate = stopping_allocate;
	s->ops.rename = stopping_rename;
	s->ops.unlink = stopping_unlink;
	s->ops.mkdir = stopping_mkdir;
	s->ops.rmdir = stopping_rmdir;
	s->ops.sync_dir = stopping_sync_dir;
	s->io = (struct io){&s->ops, s};
	s->left = left;
	s->changes = 0;
}
