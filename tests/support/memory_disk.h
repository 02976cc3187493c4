/* A disk in memory behind struct io, for tests of what writes files: calls can be counted, made to
 * fail, or held until the test lets them go, and the power can be lost at any moment: then only
 * what was synced is there, contents and names apart.
 *
 * Any thread may use the io; the rest is the test's. */
#ifndef CAIRN_TESTS_SUPPORT_MEMORY_DISK_H
#define CAIRN_TESTS_SUPPORT_MEMORY_DISK_H

#include "engine/base/io.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_disk;

enum memory_disk_call {
	MEMORY_DISK_OPEN,
	MEMORY_DISK_READ,
	MEMORY_DISK_WRITE,
	MEMORY_DISK_SYNC,
	MEMORY_DISK_SIZE,
	MEMORY_DISK_ALLOCATE, /* truncate too */
	MEMORY_DISK_RENAME,
	MEMORY_DISK_UNLINK,
	MEMORY_DISK_SYNC_DIR,
	MEMORY_DISK_LIST,
	MEMORY_DISK_CALLS,
	MEMORY_DISK_ANY = MEMORY_DISK_CALLS, /* for memory_disk_fail: whatever comes */
};

/* Both abort the test when memory is short. A folder exists as soon as mkdir was called on it. */
struct memory_disk *memory_disk_create(void);
void memory_disk_destroy(struct memory_disk *d); /* all files must be closed */

/* The disk as the code under test sees it; lives as long as the disk. */
const struct io *memory_disk_io(struct memory_disk *d);

/* Of the calls of this kind from now on, skip work, then times fail with st (ST_IO or ST_NO_SPACE;
 * errno is set). A failing write leaves half of its bytes. times 0 ends it. */
void memory_disk_fail(struct memory_disk *d, enum memory_disk_call call, uint64_t skip,
		      uint64_t times, enum status st);

/* Calls of this kind so far, failed ones included. */
uint64_t memory_disk_count(struct memory_disk *d, enum memory_disk_call call);

/* From now on calls of this kind wait before they do anything, until memory_disk_let_go. */
void memory_disk_hold(struct memory_disk *d, enum memory_disk_call call);
/* Waits until a call is held; aborts the test when none comes for long. */
void memory_disk_await_held(struct memory_disk *d);
void memory_disk_let_go(struct memory_disk *d);

/* What was not synced is gone: contents, and names whose folder was not. No call may be under
 * way; open files stay usable. */
void memory_disk_lose_power(struct memory_disk *d);

/* The bytes of a file, valid until the next write to it; NULL data and length SIZE_MAX: none. */
struct slice memory_disk_bytes(struct memory_disk *d, const char *path);
/* Makes, or replaces, a file; durable. */
void memory_disk_put(struct memory_disk *d, const char *path, struct slice bytes);
bool memory_disk_exists(struct memory_disk *d, const char *path);

#endif
