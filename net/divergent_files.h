/* The archives of given-up records (engine/divergent.h) that this node has: known from the start
 * on, counted, told to commands, and removed when they are older than divergent-keep-time.
 * Executor. */
#ifndef CAIRN_NET_DIVERGENT_FILES_H
#define CAIRN_NET_DIVERGENT_FILES_H

#include "engine/divergent.h"
#include "net/command/archive_reading.h"
#include "net/command/command_host.h"

/* A zeroed one knows of none. */
struct divergent_files {
	struct divergent_archive *items; /* ascending by epoch, then LSN */
	size_t count, cap;
	uint64_t records, bytes; /* of all */
	uint64_t looked_ms;	 /* monotonic, when ages were looked at last */
};

/* Looks at what is in dir, the data directory. Archives that can't be read are logged and passed
 * over. ST_NO_MEMORY, ST_IO. */
MUST_CHECK enum status divergent_files_load(struct divergent_files *f, const char *dir);
void divergent_files_deinit(struct divergent_files *f);

/* An archive has been written, perhaps in the place of a shorter one. */
void divergent_files_add(struct divergent_files *f, const char *dir,
			 const struct divergent_name *name);

/* Once a minute by the monotonic clock: removes at most one archive that was written more than
 * keep_s seconds before now_ms (wall clock), and logs it. keep_s 0: all are kept. */
void divergent_files_trim(struct divergent_files *f, const char *dir, uint64_t keep_s,
			  uint64_t now_ms, uint64_t mono_ms);

/* The archive that has the record lsn of that timeline, NULL: none. */
const struct divergent_archive *divergent_files_find(const struct divergent_files *f, uint64_t lsn,
						     uint64_t timeline);

/* What command_host_ops promises; h is the server's host. */
void divergent_files_each(struct command_host *h,
			  void (*each)(void *arg, const struct divergent_archive *a), void *arg);
enum status divergent_files_drop(struct command_host *h, const struct divergent_name *name);
extern const struct archive_reading_ops divergent_files_reading;

#endif
