/* An archive of given-up records (engine/rewind.h) as keys: what each held at the fork, as far as
 * that was kept, and what it held at the end of the archive, the lost value. */
#ifndef CAIRN_TOOLS_DIVERGENCE_H
#define CAIRN_TOOLS_DIVERGENCE_H

#include "engine/export/op_facts.h"
#include "engine/export/overlay.h"
#include "tools/log_source.h"
#include "tools/told_value.h"

/* Archives in the order of their names' epochs and LSNs; the paths are owned. */
struct divergence_list {
	char **paths;
	size_t count, cap;
};

/* Adds an archive file, or those of a data directory, or of a folder of archives. Returns
 * EXIT_GO_ON, or an exit code after telling what is wrong; a folder without any is fine. */
int divergence_find(struct tool *t, const char *operand, struct divergence_list *list);
void divergence_list_deinit(struct divergence_list *list);

struct divergence {
	struct tool *tool;
	const char *path; /* borrowed */
	struct log_source *log;
	uint64_t epoch, timeline, first_lsn, last_lsn, records, bytes, first_ms, last_ms;
	uint64_t flushes;   /* records that emptied the keyspace */
	uint64_t libraries; /* operations on libraries of functions */
	uint64_t nameless;  /* operations on collections whose key is not known */
	bool fork_known;    /* there is a file with the values at the fork */

	struct id_map map;    /* of the fork at first, then of what was read last */
	struct overlay *fork; /* what the fork's file says */
	struct overlay *lost; /* the same with the archive's effects above */
	struct overlay *keys; /* keys that the archive names; the value is the name */
	struct view fork_view, lost_view;
};

/* Reads all of an archive. memory_max: bytes that each overlay may take. Returns EXIT_GO_ON, or an
 * exit code after telling what is wrong. */
int divergence_open(struct tool *t, const char *path, uint64_t memory_max, struct divergence *out);
void divergence_close(struct divergence *d); /* fine when zeroed */

/* Goes back to the first record, the map to the fork; for a second reading. Returns as above. */
int divergence_rewind(struct divergence *d);

/* The key at the fork and at the archive's end. What can't be known is TOLD_UNKNOWN. Errors of
 * told_of_view. */
MUST_CHECK enum status divergence_fork(const struct divergence *d, struct slice key,
				       struct told_value *out);
MUST_CHECK enum status divergence_lost(const struct divergence *d, struct slice key,
				       struct told_value *out);

#endif
