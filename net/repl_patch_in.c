/* Receiving a patch and its log. */
#include "net/repl_patch_in.h"

#include "engine/base/alloc.h"
#include "engine/base/logger.h"
#include "engine/refetch.h"
#include "engine/snapshot_log.h"

#include <inttypes.h>

struct repl_patch_in {
	char folder[WAL_PATH_MAX];
	uint64_t segment_size, fork_lsn, drain_lsn;
	struct snapshot_log *log; /* NULL: no frame has come yet */
	struct wal_history history;
};

static enum status begin(struct repl_patch_in *p, const char *dir, struct slice patch,
			 struct buf *error)
{
	struct refetch what;
	enum status st = wal_segment_path(dir, REFETCH_FOLDER, p->folder);

	if (st == ST_OK) {
		st = refetch_decode(patch, &what);
	}
	if (st == ST_OK && what.fork_lsn != p->fork_lsn) {
		divergent_names_deinit(&what.names);
		st = ST_CORRUPT;
	}
	if (st != ST_OK) {
		buf_note(error, "the patch does not decode: %s", status_text(st));
		return st;
	}
	p->drain_lsn = what.drain_lsn;
	p->history = what.history;
	logger(LOG_LVL_NOTICE,
	       "MASTER <-> REPLICA sync: received %zu bytes for %zu keys and %zu collections; the "
	       "log is needed up to LSN %" PRIu64,
	       patch.len, byte_list_count(&what.names.keys), what.names.ids_count, p->drain_lsn);
	divergent_names_deinit(&what.names);
	return refetch_begin(io_posix(), dir, patch, error);
}

enum status repl_patch_in_begin(const char *dir, uint64_t wal_segment_size, uint64_t fork_lsn,
				struct slice patch, struct repl_patch_in **out, struct buf *error)
{
	struct repl_patch_in *p = mem_calloc(1, sizeof *p);
	enum status st;

	if (p == NULL) {
		return ST_NO_MEMORY;
	}
	p->segment_size = wal_segment_size;
	p->fork_lsn = fork_lsn;
	st = begin(p, dir, patch, error);
	if (st != ST_OK) {
		mem_free(p);
		return st;
	}
	*out = p;
	return p->drain_lsn > fork_lsn ? ST_OK : ST_END;
}

/* The patch may hold effects of records up to the drain mark, so the log must be the history that
 * they belong to. */
static enum status complete(struct repl_patch_in *p, struct buf *error)
{
	const struct wal_history *have = snapshot_log_history(p->log);
	uint64_t fork = 0;
	enum status st;

	if (wal_history_fork(&p->history, UINT64_MAX, have, UINT64_MAX, &fork) != ST_OK ||
	    fork < p->drain_lsn) {
		buf_note(error, "the primary's history has taken another turn meanwhile");
		return ST_CORRUPT;
	}
	st = snapshot_log_finish(p->log);
	p->log = NULL;
	if (st != ST_OK) {
		buf_note(error, "the fetched log can't be written: %s", status_text(st));
		return st;
	}
	return ST_END;
}

enum status repl_patch_in_frame(struct repl_patch_in *p, const struct wal_segment *segment,
				const struct wal_frame *f, struct slice stored, struct buf *error)
{
	enum status st = ST_OK;

	if (p->log == NULL && f->first_lsn != p->fork_lsn + 1) {
		buf_note(error, "the frame at LSN %" PRIu64 " does not follow the fork",
			 f->first_lsn);
		return ST_CORRUPT;
	}
	if (p->log == NULL) {
		st = snapshot_log_open(io_posix(), clock_system(), p->folder, p->segment_size,
				       segment, f->first_lsn, f->chain, &p->log);
	}
	if (st == ST_OK) {
		st = snapshot_log_frame(p->log, segment, f, stored);
	}
	if (st != ST_OK) {
		buf_note(error, "the frame at LSN %" PRIu64 " can't be logged: %s", f->first_lsn,
			 status_text(st));
		return st;
	}
	return snapshot_log_next_lsn(p->log) > p->drain_lsn ? complete(p, error) : ST_OK;
}

void repl_patch_in_close(struct repl_patch_in *p)
{
	if (p != NULL) {
		snapshot_log_close(p->log);
		mem_free(p);
	}
}
