/* A folder for tests that make thousands of files. */
#include "tests/support/quick_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool quick_dir(char *out, size_t size, const char *name)
{
	const char *parent = getenv("TMPDIR");
	int n;

	if (parent == NULL) {
		parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	}
	n = snprintf(out, size, "%s/cairn-%s-XXXXXX", parent, name);
	if (n < 0 || (size_t)n >= size) {
		errno = ENAMETOOLONG;
		return false;
	}
	return mkdtemp(out) != NULL;
}
