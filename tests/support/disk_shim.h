/* Records, or makes fail, every disk operation of this process below one folder, LMDB's included:
 * it stands in for libc's open, pwrite, fdatasync, rename and so on in the test program that links
 * it.
 *
 * From a recording any state that a power loss may leave behind can be written out: a prefix of the
 * operations in which all that was synced is there, and each write since is there, missing or torn.
 */
#ifndef CAIRN_TESTS_SUPPORT_DISK_SHIM_H
#define CAIRN_TESTS_SUPPORT_DISK_SHIM_H

#include "engine/base/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum disk_op_kind {
	DISK_WRITE,    /* data at off; begun */
	DISK_DSYNC,    /* the write at index ref, to an O_DSYNC file, has completed */
	DISK_TRUNCATE, /* off = new length */
	DISK_ALLOCATE, /* off = least length */
	DISK_SYNC,     /* completed: earlier writes to the file are durable */
	DISK_CREATE,   /* path names the file */
	DISK_RENAME,   /* path to path2 */
	DISK_UNLINK,
	DISK_MKDIR,
	DISK_RMDIR,
	DISK_SYNC_DIR, /* completed: earlier changes of names in path are durable */
	DISK_ACK,      /* the test was told that all up to LSN off is safe */
};

struct disk_op {
	enum disk_op_kind kind;
	uint32_t file;
	uint32_t ref;
	uint64_t off;
	size_t len;
	uint8_t *data;
	char *path, *path2; /* relative to the watched folder */
};

/* Starts recording below root (an absolute path; LMDB lock files are left out). One recording at a
 * time. */
void disk_shim_start(const char *root);
/* Stops recording and gives the operations; disk_shim_free frees them. */
struct disk_op *disk_shim_stop(size_t *count);
void disk_shim_free(struct disk_op *ops, size_t count);
/* Notes an acknowledgement in the recording. */
void disk_shim_ack(uint64_t lsn);

/* Index of this acknowledgement in a recording. Aborts when it is not there. */
size_t disk_find_ack(const struct disk_op *ops, size_t count, uint64_t lsn);
/* Index behind the operation that made the first rename to this path durable (the target's folder
 * synced). Aborts when there is none. */
size_t disk_find_renamed(const struct disk_op *ops, size_t count, const char *path);

enum disk_image {
	DISK_ALL,	/* every write of the prefix reached the disk */
	DISK_SYNCED,	/* only what was synced */
	DISK_RANDOM,	/* each write since the last sync: there, missing, or torn */
	DISK_REORDERED, /* likewise, and each change of a name since is there or not */
};

/* How many random states to try at each operation: as many as given, or CAIRN_SHUFFLES where that
 * is set (a sanitized run is slow, and the plain one has them all). */
int disk_shuffles(int plain);

/* Writes the state after the first n operations into root (an existing, empty folder). Returns the
 * newest LSN acknowledged by then. */
uint64_t disk_image_write(const struct disk_op *ops, size_t n, enum disk_image how, struct rng *rng,
			  const char *root);

/* Which calls disk_shim_fail counts. */
enum disk_fault_kind {
	FAULT_NONE,
	FAULT_WRITE,	/* pwrite, write, writev */
	FAULT_SYNC,	/* fdatasync, fsync of files */
	FAULT_SYNC_DIR, /* fsync of a folder */
	FAULT_RENAME,
	FAULT_ALLOCATE, /* posix_fallocate, ftruncate */
	FAULT_OPEN,	/* open with O_CREAT */
	FAULT_KINDS
};

/* The nth (0: next) call of this kind below root whose path contains part fails with error; with
 * sticky all after it too. FAULT_NONE ends it. */
void disk_shim_fail(const char *root, enum disk_fault_kind kind, const char *part, uint64_t nth,
		    int error, bool sticky);
/* Calls that would have matched since disk_shim_fail, and whether one failed. */
uint64_t disk_shim_matched(void);
bool disk_shim_failed(void);

#endif
