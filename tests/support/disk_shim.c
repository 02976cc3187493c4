/* libc's disk calls, replaced: each does the real thing, and records it or fails in its place. */
#include "tests/support/disk_shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FDS = 1024, FILES_MAX = 65536, PATH_LEN = 512, SYNC_US = 300 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* What a descriptor below the watched folder stands for. */
struct watched {
	bool on, dir, dsync;
	uint32_t file;
	char path[PATH_LEN]; /* relative */
};

static struct {
	bool recording;
	char root[PATH_LEN];
	size_t root_len;
	struct disk_op *ops;
	size_t count, cap;
	uint32_t files;
	char *names[FILES_MAX]; /* path of each file while it has one */
} rec;

static struct {
	enum disk_fault_kind kind;
	char root[PATH_LEN], part[PATH_LEN];
	uint64_t nth, matched;
	int error;
	bool sticky, failed;
} fault;

static struct watched fds[FDS];

static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_posix_fallocate)(int, off_t, off_t);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);
static int (*real_rmdir)(const char *);
static int (*real_mkdir)(const char *, mode_t);

/* Finds libc's own functions behind these; cheap once done. */
static void resolve(void)
{
	if (real_mkdir != NULL) {
		return;
	}
	real_open = dlsym(RTLD_NEXT, "open");
	real_close = dlsym(RTLD_NEXT, "close");
	real_pwrite = dlsym(RTLD_NEXT, "pwrite");
	real_write = dlsym(RTLD_NEXT, "write");
	real_writev = dlsym(RTLD_NEXT, "writev");
	real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
	real_fsync = dlsym(RTLD_NEXT, "fsync");
	real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
	real_posix_fallocate = dlsym(RTLD_NEXT, "posix_fallocate");
	real_rename = dlsym(RTLD_NEXT, "rename");
	real_unlink = dlsym(RTLD_NEXT, "unlink");
	real_rmdir = dlsym(RTLD_NEXT, "rmdir");
	real_mkdir = dlsym(RTLD_NEXT, "mkdir");
}

#define REAL(name) (resolve(), real_##name)

/* --- recording --- */

static const char *below(const char *root, const char *path)
{
	size_t n = strlen(root);

	if (n == 0 || strncmp(path, root, n) != 0 || (path[n] != '/' && path[n] != 0)) {
		return NULL;
	}
	return path[n] == 0 ? "" : path + n + 1;
}

static const char *recorded_path(const char *path)
{
	const char *rel = rec.recording ? below(rec.root, path) : NULL;
	size_t n = rel == NULL ? 0 : strlen(rel);

	if (n >= 5 && strcmp(rel + n - 5, "-lock") == 0) {
		return NULL;
	}
	return rel;
}

/* Adds an operation; the lock is held. */
static struct disk_op *add(enum disk_op_kind kind, uint32_t file)
{
	if (rec.count == rec.cap) {
		rec.cap = rec.cap == 0 ? 4096 : rec.cap * 2;
		rec.ops = realloc(rec.ops, rec.cap * sizeof *rec.ops);
		if (rec.ops == NULL) {
			abort();
		}
	}
	rec.ops[rec.count] = (struct disk_op){.kind = kind, .file = file};
	return &rec.ops[rec.count++];
}

static uint32_t file_of(const char *rel)
{
	for (uint32_t i = 0; i < rec.files; i++) {
		if (rec.names[i] != NULL && strcmp(rec.names[i], rel) == 0) {
			return i;
		}
	}
	return UINT32_MAX;
}

static void forget_name(const char *rel)
{
	uint32_t file = file_of(rel);

	if (file != UINT32_MAX) {
		free(rec.names[file]);
		rec.names[file] = NULL;
	}
}

/* The files below a folder have other paths when it is renamed. */
static void rename_below(const char *from, const char *to)
{
	char path[2 * PATH_LEN];

	for (uint32_t i = 0; i < rec.files; i++) {
		const char *rest = rec.names[i] == NULL ? NULL : below(from, rec.names[i]);

		if (rest != NULL && rest[0] != '\0') {
			(void)snprintf(path, sizeof path, "%s/%s", to, rest);
			free(rec.names[i]);
			rec.names[i] = strdup(path);
		}
	}
}

static void note_write(int fd, const void *data, size_t len, uint64_t off, uint32_t *index)
{
	struct disk_op *op;

	*index = UINT32_MAX;
	(void)pthread_mutex_lock(&lock);
	if (rec.recording && fd >= 0 && fd < FDS && fds[fd].on && !fds[fd].dir) {
		op = add(DISK_WRITE, fds[fd].file);
		op->off = off;
		op->len = len;
		op->data = malloc(len == 0 ? 1 : len);
		memcpy(op->data, data, len);
		*index = (uint32_t)(rec.count - 1);
	}
	(void)pthread_mutex_unlock(&lock);
}

static void note_written(int fd, uint32_t index)
{
	(void)pthread_mutex_lock(&lock);
	if (rec.recording && index != UINT32_MAX && fds[fd].dsync) {
		add(DISK_DSYNC, fds[fd].file)->ref = index;
	}
	(void)pthread_mutex_unlock(&lock);
}

static void note_file(int fd, enum disk_op_kind kind, uint64_t off)
{
	(void)pthread_mutex_lock(&lock);
	if (rec.recording && fd >= 0 && fd < FDS && fds[fd].on) {
		if (kind == DISK_SYNC && fds[fd].dir) {
			add(DISK_SYNC_DIR, 0)->path = strdup(fds[fd].path);
		} else {
			add(kind, fds[fd].file)->off = off;
		}
	}
	(void)pthread_mutex_unlock(&lock);
}

static void note_open(int fd, const char *path, int flags, bool existed)
{
	const char *rel;
	struct stat info;

	(void)pthread_mutex_lock(&lock);
	rel = recorded_path(path);
	if (fd >= 0 && fd < FDS) {
		memset(&fds[fd], 0, sizeof fds[fd]);
	}
	if (rel != NULL && fd >= 0 && fd < FDS && fstat(fd, &info) == 0) {
		struct watched *w = &fds[fd];

		w->on = true;
		w->dir = S_ISDIR(info.st_mode);
		w->dsync = (flags & O_DSYNC) != 0;
		(void)snprintf(w->path, sizeof w->path, "%s", rel);
		if (!w->dir) {
			w->file = file_of(rel);
			if (w->file == UINT32_MAX && rec.files < FILES_MAX) {
				w->file = rec.files++;
				rec.names[w->file] = strdup(rel);
				if (!existed) {
					add(DISK_CREATE, w->file)->path = strdup(rel);
				}
			}
			if ((flags & O_TRUNC) != 0 && existed) {
				add(DISK_TRUNCATE, w->file)->off = 0;
			}
		}
	}
	(void)pthread_mutex_unlock(&lock);
}

void disk_shim_start(const char *root)
{
	(void)pthread_mutex_lock(&lock);
	memset(&rec, 0, sizeof rec);
	(void)snprintf(rec.root, sizeof rec.root, "%s", root);
	rec.root_len = strlen(root);
	rec.recording = true;
	(void)pthread_mutex_unlock(&lock);
}

struct disk_op *disk_shim_stop(size_t *count)
{
	struct disk_op *ops;

	(void)pthread_mutex_lock(&lock);
	rec.recording = false;
	ops = rec.ops;
	*count = rec.count;
	for (uint32_t i = 0; i < rec.files; i++) {
		free(rec.names[i]);
	}
	memset(&rec, 0, sizeof rec);
	memset(fds, 0, sizeof fds);
	(void)pthread_mutex_unlock(&lock);
	return ops;
}

void disk_shim_free(struct disk_op *ops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(ops[i].data);
		free(ops[i].path);
		free(ops[i].path2);
	}
	free(ops);
}

void disk_shim_ack(uint64_t lsn)
{
	(void)pthread_mutex_lock(&lock);
	if (rec.recording) {
		add(DISK_ACK, 0)->off = lsn;
	}
	(void)pthread_mutex_unlock(&lock);
}

/* --- faults --- */

void disk_shim_fail(const char *root, enum disk_fault_kind kind, const char *part, uint64_t nth,
		    int error, bool sticky)
{
	(void)pthread_mutex_lock(&lock);
	memset(&fault, 0, sizeof fault);
	fault.kind = kind;
	(void)snprintf(fault.root, sizeof fault.root, "%s", root);
	(void)snprintf(fault.part, sizeof fault.part, "%s", part);
	fault.nth = nth;
	fault.error = error;
	fault.sticky = sticky;
	(void)pthread_mutex_unlock(&lock);
}

uint64_t disk_shim_matched(void)
{
	uint64_t n;

	(void)pthread_mutex_lock(&lock);
	n = fault.matched;
	(void)pthread_mutex_unlock(&lock);
	return n;
}

bool disk_shim_failed(void)
{
	bool failed;

	(void)pthread_mutex_lock(&lock);
	failed = fault.failed;
	(void)pthread_mutex_unlock(&lock);
	return failed;
}

/* True, with errno set, when this call has to fail. */
static bool must_fail(enum disk_fault_kind kind, const char *path)
{
	const char *rel;
	bool fail = false;

	(void)pthread_mutex_lock(&lock);
	rel = fault.kind == kind ? below(fault.root, path) : NULL;
	if (rel != NULL && strstr(rel, fault.part) != NULL && strstr(rel, "-lock") == NULL) {
		fail = fault.matched == fault.nth || (fault.sticky && fault.matched > fault.nth);
		fault.matched++;
		fault.failed |= fail;
	}
	(void)pthread_mutex_unlock(&lock);
	if (fail) {
		errno = fault.error;
	}
	return fail;
}

/* The path of an open file, for faults: asked of the kernel, since faults need no recording. */
static const char *fd_path(int fd, char dst[PATH_LEN])
{
	char link[64];
	ssize_t n;

	if (fault.kind == FAULT_NONE) {
		return "";
	}
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, dst, PATH_LEN - 1);
	dst[n > 0 ? n : 0] = 0;
	return dst;
}

/* --- libc's names --- */

int open(const char *path, int flags, ...)
{
	bool existed = access(path, F_OK) == 0;
	mode_t mode = 0;
	va_list ap;
	int fd;

	if ((flags & O_CREAT) != 0) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
		if (must_fail(FAULT_OPEN, path)) {
			return -1;
		}
	}
	fd = REAL(open)(path, flags, mode);
	if (fd >= 0) {
		note_open(fd, path, flags, existed);
	}
	return fd;
}

int close(int fd)
{
	(void)pthread_mutex_lock(&lock);
	if (fd >= 0 && fd < FDS) {
		fds[fd].on = false;
	}
	(void)pthread_mutex_unlock(&lock);
	return REAL(close)(fd);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t off)
{
	char path[PATH_LEN];
	uint32_t index;
	ssize_t n;

	if (must_fail(FAULT_WRITE, fd_path(fd, path))) {
		return -1;
	}
	note_write(fd, data, len, (uint64_t)off, &index);
	n = REAL(pwrite)(fd, data, len, off);
	note_written(fd, index);
	return n;
}

ssize_t write(int fd, const void *data, size_t len)
{
	char path[PATH_LEN];
	uint32_t index = UINT32_MAX;
	ssize_t n;

	if (must_fail(FAULT_WRITE, fd_path(fd, path))) {
		return -1;
	}
	if (fd >= 0 && fd < FDS && fds[fd].on) {
		note_write(fd, data, len, (uint64_t)lseek(fd, 0, SEEK_CUR), &index);
	}
	n = REAL(write)(fd, data, len);
	if (index != UINT32_MAX) {
		note_written(fd, index);
	}
	return n;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	char path[PATH_LEN];
	uint32_t last = UINT32_MAX;
	ssize_t n;

	if (must_fail(FAULT_WRITE, fd_path(fd, path))) {
		return -1;
	}
	if (fd >= 0 && fd < FDS && fds[fd].on) {
		uint64_t off = (uint64_t)lseek(fd, 0, SEEK_CUR);

		for (int i = 0; i < count; i++) {
			note_write(fd, parts[i].iov_base, parts[i].iov_len, off, &last);
			off += parts[i].iov_len;
		}
	}
	n = REAL(writev)(fd, parts, count);
	if (last != UINT32_MAX) {
		note_written(fd, last);
	}
	return n;
}

static bool is_dir(int fd)
{
	struct stat info;

	return fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
}

/* A disk in memory syncs at once; on a real one there is time in between for an acknowledgement
 * that comes too early to be noticed. */
static void take_time(void)
{
	if (rec.recording) {
		(void)usleep(SYNC_US);
	}
}

int fdatasync(int fd)
{
	char path[PATH_LEN];
	int rc;

	if (must_fail(FAULT_SYNC, fd_path(fd, path))) {
		return -1;
	}
	rc = REAL(fdatasync)(fd);
	take_time();
	if (rc == 0) {
		note_file(fd, DISK_SYNC, 0);
	}
	return rc;
}

int fsync(int fd)
{
	char path[PATH_LEN];
	int rc;

	if (must_fail(is_dir(fd) ? FAULT_SYNC_DIR : FAULT_SYNC, fd_path(fd, path))) {
		return -1;
	}
	rc = REAL(fsync)(fd);
	take_time();
	if (rc == 0) {
		note_file(fd, DISK_SYNC, 0);
	}
	return rc;
}

int ftruncate(int fd, off_t len)
{
	char path[PATH_LEN];

	if (must_fail(FAULT_ALLOCATE, fd_path(fd, path))) {
		return -1;
	}
	note_file(fd, DISK_TRUNCATE, (uint64_t)len);
	return REAL(ftruncate)(fd, len);
}

int posix_fallocate(int fd, off_t off, off_t len)
{
	char path[PATH_LEN];

	if (must_fail(FAULT_ALLOCATE, fd_path(fd, path))) {
		return errno;
	}
	note_file(fd, DISK_ALLOCATE, (uint64_t)(off + len));
	return REAL(posix_fallocate)(fd, off, len);
}

int rename(const char *from, const char *to)
{
	int rc;

	if (must_fail(FAULT_RENAME, to)) {
		return -1;
	}
	(void)pthread_mutex_lock(&lock);
	rc = REAL(rename)(from, to);
	if (rc == 0 && recorded_path(from) != NULL && recorded_path(to) != NULL) {
		uint32_t file = file_of(recorded_path(from));
		struct disk_op *op = add(DISK_RENAME, file);

		op->path = strdup(recorded_path(from));
		op->path2 = strdup(recorded_path(to));
		forget_name(recorded_path(to));
		if (file != UINT32_MAX) {
			free(rec.names[file]);
			rec.names[file] = strdup(recorded_path(to));
		}
		rename_below(recorded_path(from), recorded_path(to));
	}
	(void)pthread_mutex_unlock(&lock);
	return rc;
}

int unlink(const char *path)
{
	int rc;

	(void)pthread_mutex_lock(&lock);
	rc = REAL(unlink)(path);
	if (rc == 0 && recorded_path(path) != NULL) {
		add(DISK_UNLINK, 0)->path = strdup(recorded_path(path));
		forget_name(recorded_path(path));
	}
	(void)pthread_mutex_unlock(&lock);
	return rc;
}

int rmdir(const char *path)
{
	int rc = REAL(rmdir)(path);

	(void)pthread_mutex_lock(&lock);
	if (rc == 0 && recorded_path(path) != NULL) {
		add(DISK_RMDIR, 0)->path = strdup(recorded_path(path));
	}
	(void)pthread_mutex_unlock(&lock);
	return rc;
}

int mkdir(const char *path, mode_t mode)
{
	int rc = REAL(mkdir)(path, mode);

	(void)pthread_mutex_lock(&lock);
	if (rc == 0 && recorded_path(path) != NULL) {
		add(DISK_MKDIR, 0)->path = strdup(recorded_path(path));
	}
	(void)pthread_mutex_unlock(&lock);
	return rc;
}
