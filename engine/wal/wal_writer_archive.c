/* The archiver: finished segments are copied away before they may be recycled or deleted. */
#include "engine/base/logger.h"
#include "engine/base/waiting.h"
#include "engine/wal/wal_writer_impl.h"

void *wal_archiver(void *arg)
{
	struct wal_writer *w = arg;

	(void)pthread_mutex_lock(&w->lock);
	while (!w->stop || w->archived_below < w->finished_below) {
		struct wal_segment_list list = {0};
		uint64_t from = w->archived_below, below = w->finished_below;
		enum status st = ST_OK;

		if (from >= below) {
			(void)pthread_cond_wait(&w->archive_wake, &w->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&w->lock);
		st = wal_segment_list_read(w->opts.io, w->dir, &list);
		for (size_t i = 0; st == ST_OK && i < list.count; i++) {
			if (list.first_lsn[i] >= from && list.first_lsn[i] < below) {
				st = wal_archive_copy(w->opts.io, w->dir, w->archive_dir,
						      list.first_lsn[i]);
			}
		}
		wal_segment_list_deinit(&list);
		(void)pthread_mutex_lock(&w->lock);
		if (st == ST_OK) {
			w->archived_below = below;
			w->trim = true;
			continue;
		}
		logger(LOG_LVL_WARNING,
		       "WAL: cannot archive to %s (%s): segments are kept until it works",
		       w->archive_dir, status_text(st));
		if (w->stop) {
			break;
		}
		waiting_cond_us(&w->archive_wake, &w->lock, EVERYSEC_US);
	}
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}
