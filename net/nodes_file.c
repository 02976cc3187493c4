/* The file of the cluster's state: lock, load, replace. */
#include "net/nodes_file.h"

#include "engine/base/alloc.h"
#include "net/file_replace.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MAX = 64 << 20, OPEN_ATTEMPTS = 100, READ_STEP = 64 * 1024 };

/* True when the name still leads to this file: its owner may have replaced it since it was opened.
 */
static bool is_current(const char *path, int fd)
{
	struct stat named, held;

	return stat(path, &named) == 0 && fstat(fd, &held) == 0 && named.st_dev == held.st_dev &&
	       named.st_ino == held.st_ino;
}

static enum status lock(const char *path, int *out, struct buf *error)
{
	for (int i = 0; i < OPEN_ATTEMPTS; i++) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		if (fd < 0) {
			enum status st = errno == ENOSPC || errno == EDQUOT ? ST_NO_SPACE : ST_IO;

			buf_note(error, "Can't open %s in order to acquire a lock: %m", path);
			return st;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			bool taken = errno == EWOULDBLOCK;

			if (taken) {
				buf_note(error,
					 "Sorry, the cluster configuration file %s is already used "
					 "by a different node. Please make sure that different "
					 "nodes use different cluster configuration files.",
					 path);
			} else {
				buf_note(error, "Impossible to lock %s: %m", path);
			}
			(void)close(fd);
			return taken ? ST_LOCKED : ST_IO;
		}
		if (is_current(path, fd)) {
			*out = fd;
			return ST_OK;
		}
		(void)close(fd);
	}
	buf_note(error, "%s is being replaced all the time by another process", path);
	return ST_LOCKED;
}

static enum status read_all(int fd, const char *path, struct buf *text, struct buf *error)
{
	for (;;) {
		enum status st = buf_reserve(text, READ_STEP);
		ssize_t n;

		if (st != ST_OK) {
			buf_note(error, "out of memory for %s", path);
			return st;
		}
		n = read(fd, text->data + text->len, READ_STEP);
		if (n == 0) {
			return ST_OK;
		}
		if (n < 0 && errno != EINTR) {
			buf_note(error, "Can't read %s: %m", path);
			return ST_IO;
		}
		text->len += n > 0 ? (size_t)n : 0;
		if (text->len > TEXT_MAX) {
			buf_note(error, "%s is over 64 MiB: no cluster has so many nodes", path);
			return ST_LIMIT;
		}
	}
}

enum status nodes_file_open(struct nodes_file *f, const char *path, struct buf *text, bool *created,
			    struct buf *error)
{
	size_t before = text->len;
	enum status st;

	*f = (struct nodes_file){.path = mem_strdup(path), .fd = -1};
	if (f->path == NULL) {
		return ST_NO_MEMORY;
	}
	st = lock(path, &f->fd, error);
	if (st == ST_OK) {
		st = read_all(f->fd, path, text, error);
	}
	if (st != ST_OK) {
		nodes_file_close(f);
		return st;
	}
	*created = text->len == before;
	return ST_OK;
}

enum status nodes_file_save(struct nodes_file *f, struct slice text, struct buf *error)
{
	int fd = -1;
	enum status st = file_replace(f->path, ".tmp", text, 0644, &fd, error);

	if (st == ST_OK) {
		/* The name leads to the new file, which is locked. */
		(void)close(f->fd);
		f->fd = fd;
	}
	return st;
}

void nodes_file_close(struct nodes_file *f)
{
	if (f->fd >= 0) {
		(void)close(f->fd);
	}
	mem_free(f->path);
	*f = (struct nodes_file){.fd = -1};
}
