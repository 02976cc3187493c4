/* Write beside, sync, rename, sync the folder. */
#include "net/file_replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_all(int fd, struct slice text)
{
	bool ok = true;

	for (size_t at = 0; ok && at < text.len;) {
		ssize_t n = write(fd, text.data + at, text.len - at);

		ok = n > 0 || (n < 0 && errno == EINTR);
		at += n > 0 ? (size_t)n : 0;
	}
	return ok;
}

static bool sync_folder_of(const char *path)
{
	char dir[PATH_MAX];
	char *slash;
	int fd;
	bool ok;

	(void)snprintf(dir, sizeof dir, "%s", path);
	slash = strrchr(dir, '/');
	slash[slash == dir ? 1 : 0] = 0; /* the path is absolute */
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0) {
		(void)close(fd);
	}
	return ok;
}

enum status file_replace(const char *path, const char *suffix, struct slice text, mode_t mode,
			 int *locked_fd, struct buf *error)
{
	char tmp[PATH_MAX];
	int fd, cause = 0;
	bool ok;

	if (snprintf(tmp, sizeof tmp, "%s%s", path, suffix) >= (int)sizeof tmp) {
		buf_note(error, "the path is too long");
		return ST_LIMIT;
	}
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		cause = errno;
		buf_note(error, "%s: %m", tmp);
		return cause == ENOSPC || cause == EDQUOT ? ST_NO_SPACE : ST_IO;
	}
	ok = locked_fd == NULL || flock(fd, LOCK_EX | LOCK_NB) == 0;
	ok = ok && write_all(fd, text) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
	ok = ok && rename(tmp, path) == 0;
	if (!ok) {
		cause = errno;
		(void)unlink(tmp);
	} else if (!sync_folder_of(path)) {
		cause = errno;
		ok = false;
	}
	if (ok && locked_fd != NULL) {
		*locked_fd = fd;
	} else {
		(void)close(fd);
	}
	if (ok) {
		return ST_OK;
	}
	errno = cause;
	buf_note(error, "%m");
	return cause == ENOSPC || cause == EDQUOT ? ST_NO_SPACE : ST_IO;
}
