/* Looks at an LMDB data file's bytes before LMDB maps it: LMDB 0.9 believes its meta pages, and a
 * file that is shorter than they say kills the process by SIGBUS at some later read. */
#ifndef CAIRN_ENGINE_STORE_FILE_H
#define CAIRN_ENGINE_STORE_FILE_H

#include "engine/base/buf.h"
#include "engine/base/io.h"
#include "engine/base/status.h"

#include <stdbool.h>

/* Checks both meta pages (magic, version, page size, transaction numbers), the list of tables and
 * their root pages, for a writer the list of free pages, and that the file holds every page of the
 * newest commit; pages at the end that are free need not be there, since LMDB does not write them.
 * With write false it is safe beside a running writer; with write true a commit that is damaged is
 * given up for the one before it, by writing its meta page anew, where that one is sound.
 * ST_NOT_FOUND: no such file (error untouched). ST_CORRUPT, ST_VERSION, ST_IO: error gets a line
 * for humans. */
MUST_CHECK enum status store_file_check(const struct io *io, const char *path, bool write,
					struct buf *error);

#endif
