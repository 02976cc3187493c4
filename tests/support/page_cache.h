/* A file whose content is not in memory, for tests of what waits for the disk. */
#ifndef CAIRN_TESTS_SUPPORT_PAGE_CACHE_H
#define CAIRN_TESTS_SUPPORT_PAGE_CACHE_H

#include <stdbool.h>

/* Has a file's pages leave the page cache, but for those that some process has mapped. False: most
 * of them stay, as file systems in memory keep theirs. */
bool page_cache_drop(const char *path);

#endif
