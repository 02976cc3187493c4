/* Dropping pages, and a look at what is left. */
#include "tests/support/page_cache.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAGE = 4096 };

bool page_cache_drop(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t pages, there = 0;
	unsigned char *vec;
	struct stat st;
	void *map;

	assert_true(fd >= 0);
	assert_int_equal(fdatasync(fd), 0);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	assert_int_equal(fstat(fd, &st), 0);
	pages = (size_t)st.st_size / PAGE;
	vec = calloc(1, pages);
	map = mmap(NULL, pages * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(vec != NULL && map != MAP_FAILED);
	assert_int_equal(mincore(map, pages * PAGE, vec), 0);
	for (size_t i = 0; i < pages; i++) {
		there += vec[i] & 1;
	}
	assert_int_equal(munmap(map, pages * PAGE), 0);
	free(vec);
	assert_int_equal(close(fd), 0);
	return there < pages / 4;
}
