/* By nftw, which takes no argument: hence the static ones. The calls of the C library's own that
 * remove and copy_file_range end in are not seen by the recorder of tests/support/disk_shim.h. */
#include "tests/support/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_FOLDERS = 16 };

static void die(const char *what, const char *path)
{
	(void)fprintf(stderr, "%s %s: %m\n", what, path);
	abort();
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

void remove_tree(const char *path)
{
	if (nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT) {
		die("remove", path);
	}
}

static size_t from_len;
static const char *to_base;

static void copy_file(const char *from, const char *to, off_t size)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	off_t at = 0;

	if (in < 0 || out < 0 || ftruncate(out, size) != 0) {
		die("copy", from);
	}
	while (at < size) {
		off_t data = lseek(in, at, SEEK_DATA), hole, to_at;

		if (data < 0) {
			break; /* a hole up to the end */
		}
		hole = lseek(in, data, SEEK_HOLE);
		for (to_at = data; data < hole;) {
			if (copy_file_range(in, &data, out, &to_at, (size_t)(hole - data), 0) <=
			    0) {
				die("copy", from);
			}
		}
		at = hole;
	}
	if (close(in) != 0 || close(out) != 0) {
		die("copy", from);
	}
}

static int copy_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	char to[PATH_MAX];

	(void)at;
	(void)snprintf(to, sizeof to, "%s%s", to_base, path + from_len);
	if (kind == FTW_D) {
		if (mkdir(to, 0755) != 0 && errno != EEXIST) {
			die("make", to);
		}
	} else {
		copy_file(path, to, st->st_size);
	}
	return 0;
}

void copy_tree(const char *from, const char *to)
{
	from_len = strlen(from);
	to_base = to;
	if (nftw(from, copy_one, OPEN_FOLDERS, FTW_PHYS) != 0) {
		die("copy", from);
	}
}
