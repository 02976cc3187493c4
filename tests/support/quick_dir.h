/* A folder for tests that make thousands of files. */
#ifndef CAIRN_TESTS_SUPPORT_QUICK_DIR_H
#define CAIRN_TESTS_SUPPORT_QUICK_DIR_H

#include <stdbool.h>
#include <stddef.h>

/* Makes a new folder called after name: in TMPDIR when that is set, else in memory (/dev/shm), else
 * in /tmp. Its path goes to out; the caller removes it. False: it can't be made, errno says why. */
bool quick_dir(char *out, size_t size, const char *name);

#endif
