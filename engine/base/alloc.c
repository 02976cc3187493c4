/* Heap wrappers with a usage counter and a countdown fault of each thread for tests. */
#include "engine/base/alloc.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static _Thread_local int64_t fail_in = -1;

static bool must_fail(void)
{
	return fail_in >= 0 && fail_in-- == 0;
}

void *mem_alloc(size_t size)
{
	return must_fail() ? NULL : malloc(size == 0 ? 1 : size);
}

void *mem_calloc(size_t count, size_t size)
{
	return must_fail() ? NULL : calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);
}

void *mem_realloc(void *ptr, size_t size)
{
	return must_fail() ? NULL : realloc(ptr, size == 0 ? 1 : size);
}

void mem_free(void *ptr)
{
	free(ptr);
}

char *mem_strdup(const char *text)
{
	size_t len = strlen(text) + 1;
	char *copy = mem_alloc(len);

	if (copy != NULL) {
		memcpy(copy, text, len);
	}
	return copy;
}

void *mem_map(size_t size)
{
	void *ptr;

	if (must_fail()) {
		return NULL;
	}
	ptr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		   -1, 0);
	if (ptr == MAP_FAILED) {
		return NULL;
	}
	/* A fault costs the same for 4 KiB and for 2 MiB, within a factor of a few. */
	(void)madvise(ptr, size, MADV_HUGEPAGE);
	return ptr;
}

void mem_map_back(void *ptr, size_t size)
{
	/* A kernel that does not know the advice leaves it to the first touch. */
	(void)madvise(ptr, size, MADV_POPULATE_WRITE);
}

void mem_unmap(void *ptr, size_t size)
{
	if (ptr != NULL) {
		(void)munmap(ptr, size);
	}
}

size_t mem_used(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

void mem_trim(void)
{
	(void)malloc_trim(0);
}

void mem_fail_nth(int64_t n)
{
	fail_in = n;
}
