/* The real file system behind struct io. */
#include "engine/base/io.h"

#include "engine/base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct io_file {
	int fd;
};

static enum status from_errno(void)
{
	switch (errno) {
	case ENOSPC:
	case EDQUOT:
		return ST_NO_SPACE;
	case ENOENT:
		return ST_NOT_FOUND;
	case EEXIST:
		return ST_EXISTS;
	case ENOMEM:
		return ST_NO_MEMORY;
	default:
		return ST_IO;
	}
}

static enum status check(int rc)
{
	return rc == 0 ? ST_OK : from_errno();
}

static enum status posix_open(void *ctx, const char *path, unsigned flags, struct io_file **out)
{
	int how = O_CLOEXEC | O_NOFOLLOW;
	struct io_file *f = mem_alloc(sizeof *f);

	(void)ctx;
	if (f == NULL) {
		return ST_NO_MEMORY;
	}
	how |= (flags & IO_WRITE) == 0 ? O_RDONLY : (flags & IO_READ) != 0 ? O_RDWR : O_WRONLY;
	how |= (flags & IO_CREATE) != 0 ? O_CREAT : 0;
	how |= (flags & IO_EXCL) != 0 ? O_EXCL : 0;
	how |= (flags & IO_TRUNC) != 0 ? O_TRUNC : 0;
	f->fd = open(path, how, 0600);
	if (f->fd < 0) {
		enum status st = from_errno();
		int saved = errno;

		mem_free(f);
		errno = saved;
		return st;
	}
	*out = f;
	return ST_OK;
}

static void posix_close(void *ctx, struct io_file *f)
{
	(void)ctx;
	(void)close(f->fd);
	mem_free(f);
}

static enum status posix_pread(void *ctx, struct io_file *f, void *dst, size_t len, uint64_t off,
			       size_t *got)
{
	size_t done = 0;

	(void)ctx;
	while (done < len) {
		ssize_t n = pread(f->fd, (uint8_t *)dst + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return from_errno();
		}
		if (n == 0) {
			break;
		}
		done += (size_t)n;
	}
	*got = done;
	return ST_OK;
}

static enum status posix_pwrite(void *ctx, struct io_file *f, const void *src, size_t len,
				uint64_t off)
{
	size_t done = 0;

	(void)ctx;
	while (done < len) {
		ssize_t n =
		    pwrite(f->fd, (const uint8_t *)src + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n == 0 ? ST_IO : from_errno();
		}
		done += (size_t)n;
	}
	return ST_OK;
}

static enum status posix_datasync(void *ctx, struct io_file *f)
{
	(void)ctx;
	return check(fdatasync(f->fd));
}

static enum status posix_size(void *ctx, struct io_file *f, uint64_t *out)
{
	struct stat info;

	(void)ctx;
	if (fstat(f->fd, &info) != 0) {
		return from_errno();
	}
	*out = (uint64_t)info.st_size;
	return ST_OK;
}

static enum status posix_truncate(void *ctx, struct io_file *f, uint64_t len)
{
	(void)ctx;
	return check(ftruncate(f->fd, (off_t)len));
}

static enum status posix_allocate(void *ctx, struct io_file *f, uint64_t len)
{
	(void)ctx;
	errno = posix_fallocate(f->fd, 0, (off_t)len);
	return check(errno == 0 ? 0 : -1);
}

static enum status posix_rename(void *ctx, const char *from, const char *to)
{
	(void)ctx;
	return check(rename(from, to));
}

static enum status posix_unlink(void *ctx, const char *path)
{
	(void)ctx;
	return check(unlink(path));
}

static enum status posix_mkdir(void *ctx, const char *path)
{
	struct stat info;

	(void)ctx;
	if (mkdir(path, 0700) == 0) {
		return ST_OK;
	}
	if (errno == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
		return ST_OK;
	}
	return from_errno();
}

static enum status posix_rmdir(void *ctx, const char *path)
{
	(void)ctx;
	return check(rmdir(path));
}

static enum status posix_sync_dir(void *ctx, const char *path)
{
	enum status st;
	int saved;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)ctx;
	if (fd < 0) {
		return from_errno();
	}
	st = check(fsync(fd));
	saved = errno;
	(void)close(fd);
	errno = saved;
	return st;
}

static enum status posix_list(void *ctx, const char *path,
			      void (*each)(void *arg, const char *name), void *arg)
{
	DIR *dir = opendir(path);

	(void)ctx;
	if (dir == NULL) {
		return from_errno();
	}
	for (;;) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (entry == NULL) {
			break;
		}
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			each(arg, entry->d_name);
		}
	}
	enum status st = errno == 0 ? ST_OK : from_errno();

	(void)closedir(dir);
	return st;
}

static enum status posix_lock(void *ctx, struct io_file *f, int *holder_pid)
{
	struct flock want = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	(void)ctx;
	*holder_pid = 0;
	if (fcntl(f->fd, F_SETLK, &want) == 0) {
		return ST_OK;
	}
	if (errno != EACCES && errno != EAGAIN) {
		return from_errno();
	}
	if (fcntl(f->fd, F_GETLK, &want) == 0 && want.l_type != F_UNLCK) {
		*holder_pid = (int)want.l_pid;
	}
	return ST_LOCKED;
}

static const struct io_ops posix_ops = {
    .open = posix_open,
    .close = posix_close,
    .pread = posix_pread,
    .pwrite = posix_pwrite,
    .datasync = posix_datasync,
    .size = posix_size,
    .truncate = posix_truncate,
    .allocate = posix_allocate,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .mkdir = posix_mkdir,
    .rmdir = posix_rmdir,
    .sync_dir = posix_sync_dir,
    .list = posix_list,
    .lock = posix_lock,
};

const struct io *io_posix(void)
{
	static const struct io posix = {&posix_ops, NULL};

	return &posix;
}
