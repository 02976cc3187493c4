/* Loaded before the C library (LD_PRELOAD): fails or delays disk calls of a running process, kills
 * it before one of them, and sets its wall clock, as a small file says. CAIRN_FAULTS names it; each
 * line is
 *   CALL errno N | CALL delay MILLISECONDS     CALL: fdatasync pwrite
 *   change kill N                              before the N-th call from the process's start that
 *                                              changes a file, as SIGKILL does
 *   clock SECONDS                              added to the wall clock
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void read_faults(char *text, size_t size)
{
	const char *path = getenv("CAIRN_FAULTS");
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = 0;
	if (fd >= 0) {
		(void)close(fd);
	}
}

/* True when the call is to fail, with errno set. */
static int fails(const char *call)
{
	char text[256], name[32], what[32], *save = NULL;
	int number;

	read_faults(text, sizeof text);
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%31s %31s %d", name, what, &number) != 3 ||
		    strcmp(name, call) != 0) {
			continue;
		}
		if (strcmp(what, "errno") == 0) {
			errno = number;
			return 1;
		}
		(void)usleep((useconds_t)number * 1000);
	}
	return 0;
}

/* The file is about to be changed. */
static void changes(void)
{
	static atomic_int count;
	int before = atomic_fetch_add(&count, 1) + 1, number;
	char text[256];

	read_faults(text, sizeof text);
	if (sscanf(text, "change kill %d", &number) == 1 && number == before) {
		(void)kill(getpid(), SIGKILL);
	}
}

int fdatasync(int fd)
{
	changes();
	return fails("fdatasync") ? -1 : REAL(fdatasync)(fd);
}

int fsync(int fd)
{
	changes();
	return REAL(fsync)(fd);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	changes();
	return fails("pwrite") ? -1 : REAL(pwrite)(fd, data, len, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	changes();
	return fails("pwrite") ? -1 : REAL(pwrite64)(fd, data, len, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	struct stat s;

	/* LMDB's way to write pages; to sockets it is no matter. */
	if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode)) {
		changes();
	}
	return REAL(writev)(fd, parts, count);
}

int ftruncate(int fd, off_t len)
{
	changes();
	return REAL(ftruncate)(fd, len);
}

int rename(const char *from, const char *to)
{
	changes();
	return REAL(rename)(from, to);
}

int unlink(const char *path)
{
	changes();
	return REAL(unlink)(path);
}

int mkdir(const char *path, mode_t mode)
{
	changes();
	return REAL(mkdir)(path, mode);
}

int rmdir(const char *path)
{
	changes();
	return REAL(rmdir)(path);
}

int posix_fallocate(int fd, off_t at, off_t len)
{
	changes();
	return REAL(posix_fallocate)(fd, at, len);
}

/* One that is there is not changed by opening it. */
int open(const char *path, int flags, ...)
{
	mode_t mode = 0;

	if ((flags & O_CREAT) != 0) {
		va_list more;

		va_start(more, flags);
		mode = va_arg(more, mode_t);
		va_end(more);
		if (access(path, F_OK) != 0) {
			changes();
		}
	}
	return REAL(open)(path, flags, mode);
}

static long ahead(void)
{
	char text[256];
	long seconds = 0;

	read_faults(text, sizeof text);
	(void)sscanf(text, "clock %ld", &seconds);
	return seconds;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
	int rc = REAL(clock_gettime)(id, now);

	if (rc == 0 && id == CLOCK_REALTIME) {
		now->tv_sec += ahead();
	}
	return rc;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	int rc = REAL(gettimeofday)(now, zone);

	if (rc == 0) {
		now->tv_sec += ahead();
	}
	return rc;
}
