/* Replacing a small file so that a crash leaves the old one or the new one, whole. */
#ifndef CAIRN_NET_FILE_REPLACE_H
#define CAIRN_NET_FILE_REPLACE_H

#include "engine/base/buf.h"

#include <sys/types.h>

/* Writes text beside path (absolute) under path + suffix, syncs it, renames it to path and syncs
 * the folder. locked_fd not NULL: the new file is locked (flock) before it takes the name, and its
 * descriptor, which holds the lock, is given. ST_LIMIT: the path is too long; ST_NO_SPACE, ST_IO:
 * errno and error say why, and the old file is in place unless only the folder's sync failed. */
MUST_CHECK enum status file_replace(const char *path, const char *suffix, struct slice text,
				    mode_t mode, int *locked_fd, struct buf *error);

#endif
