/* Loaded before the C library (LD_PRELOAD): fails or delays disk calls of a running node, and sets
 * its wall clock, as a small file says. CAIRN_FAULTS names it; each line is
 *   CALL errno N | CALL delay MILLISECONDS     CALL: fdatasync pwrite
 *   clock SECONDS                              added to the wall clock
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int fdatasync(int fd)
{
	return fails("fdatasync") ? -1 : REAL(fdatasync)(fd);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	return fails("pwrite") ? -1 : REAL(pwrite)(fd, data, len, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	return fails("pwrite") ? -1 : REAL(pwrite64)(fd, data, len, at);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
	int rc = REAL(clock_gettime)(id, now);

	if (rc == 0 && id == CLOCK_REALTIME) {
		char text[256];
		long ahead;

		read_faults(text, sizeof text);
		if (sscanf(text, "clock %ld", &ahead) == 1) {
			now->tv_sec += ahead;
		}
	}
	return rc;
}
