/* The only door to the heap: counts what is in use and lets a test fail the n-th allocation. */
#ifndef CAIRN_ENGINE_BASE_ALLOC_H
#define CAIRN_ENGINE_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

/* Like malloc, calloc, realloc, free; NULL on failure. Any thread. */
void *mem_alloc(size_t size);
void *mem_calloc(size_t count, size_t size);
void *mem_realloc(void *ptr, size_t size);
void mem_free(void *ptr);

/* A copy of a C string, or NULL. Freed by mem_free. */
char *mem_strdup(const char *text);

/* Reserves size bytes of zeroed address space in one piece, backed by memory as it is touched, in
 * huge pages where the system has them. NULL on failure. Freed by mem_unmap with the same size. */
void *mem_map(size_t size);
/* Backs whole pages of a mem_map now instead of at their first touch; their content stays. Waits
 * for the kernel. */
void mem_map_back(void *ptr, size_t size);
void mem_unmap(void *ptr, size_t size);

/* Bytes that the allocator holds for us now (usable sizes). Any thread; approximate while others
 * allocate. */
size_t mem_used(void);

/* Gives free memory back to the system where the allocator can. Any thread. */
void mem_trim(void);

/* Test hook: the n-th allocation of the calling thread from now (0 = the next) fails once; a
 * negative n disarms. */
void mem_fail_nth(int64_t n);

#endif
