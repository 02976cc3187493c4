/* INFO sections about the data: persistence, cluster, WAL, storage, keyspace. */
#include "net/command/info_text.h"

#define llu unsigned long long /* what printf calls uint64_t */

static const char *ok_or_err(bool ok)
{
	return ok ? "ok" : "err";
}

void info_persistence(struct info *in)
{
	const struct engine_stats *e = &in->engine;
	uint64_t saved =
	    e->checkpoint_time_ms != 0 ? e->checkpoint_time_ms : in->ctx->host->start_wall_ms;

	info_add(in,
		 "# Persistence\r\nloading:0\r\nasync_loading:0\r\ncurrent_cow_peak:0\r\n"
		 "current_cow_size:0\r\ncurrent_cow_size_age:0\r\ncurrent_fork_perc:0.00\r\n"
		 "current_save_keys_processed:0\r\ncurrent_save_keys_total:0\r\n"
		 "rdb_changes_since_last_save:%llu\r\nrdb_bgsave_in_progress:%d\r\n"
		 "rdb_last_save_time:%llu\r\nrdb_last_bgsave_status:%s\r\n"
		 "rdb_last_bgsave_time_sec:%lld\r\nrdb_current_bgsave_time_sec:-1\r\n"
		 "rdb_saves:%llu\r\nrdb_last_cow_size:0\r\nrdb_last_load_keys_expired:0\r\n"
		 "rdb_last_load_keys_loaded:0\r\n",
		 (llu)e->writes_since_checkpoint, e->checkpoint_running, (llu)saved / 1000,
		 ok_or_err(e->checkpoint.last_error == ST_OK),
		 e->checkpoint.drains == 0 ? -1LL
					   : (long long)(e->checkpoint.drain_us_last / 1000000),
		 (llu)e->checkpoint.drains);
	info_add(in,
		 "aof_enabled:1\r\naof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0\r\n"
		 "aof_last_rewrite_time_sec:-1\r\naof_current_rewrite_time_sec:-1\r\n"
		 "aof_last_bgrewrite_status:ok\r\naof_rewrites:0\r\n"
		 "aof_rewrites_consecutive_failures:0\r\naof_last_write_status:%s\r\n"
		 "aof_last_cow_size:0\r\nmodule_fork_in_progress:0\r\n"
		 "module_fork_last_cow_size:0\r\naof_current_size:%llu\r\naof_base_size:0\r\n"
		 "aof_pending_rewrite:0\r\naof_buffer_length:%llu\r\naof_pending_bio_fsync:0\r\n"
		 "aof_delayed_fsync:0\r\n",
		 ok_or_err(e->wal.state == WAL_RUNNING), (llu)e->wal.segments_bytes,
		 (llu)e->wal.pending_bytes);
}

void info_cluster(struct info *in)
{
	info_add(in, "# Cluster\r\ncluster_enabled:%d\r\n", in->ctx->host->cluster != NULL);
}

static const char *wal_state_text(enum wal_state state)
{
	switch (state) {
	case WAL_RUNNING:
		return "running";
	case WAL_STALLED:
		return "stalled";
	case WAL_FAILED:
		return "failed";
	}
	return "unknown";
}

void info_wal(struct info *in)
{
	const struct wal_stats *w = &in->engine.wal;
	double ratio = w->stored_bytes == 0 ? 0 : (double)w->raw_bytes / (double)w->stored_bytes;
	const char *fsync = in->ctx->host->ops->config_value(in->ctx->host, "appendfsync");

	info_add(in,
		 "# WAL\r\nwal_state:%s\r\nwal_last_errno:%d\r\nwal_appendfsync:%s\r\n"
		 "wal_last_lsn:%llu\r\nwal_written_lsn:%llu\r\nwal_durable_lsn:%llu\r\n"
		 "wal_acknowledged_lsn:%llu\r\nwal_first_lsn:%llu\r\n",
		 wal_state_text(w->state), w->last_errno, fsync != NULL ? fsync : "",
		 (llu)in->engine.last_lsn, (llu)w->written_lsn, (llu)w->durable_lsn,
		 (llu)engine_ack_lsn(in->ctx->engine), (llu)w->first_lsn);
	info_add(in,
		 "wal_timeline:%016llx\r\nwal_epoch:%llu\r\nwal_shard_id:%016llx\r\n"
		 "wal_records:%llu\r\nwal_frames:%llu\r\nwal_raw_bytes:%llu\r\n"
		 "wal_stored_bytes:%llu\r\nwal_compression_ratio:%.2f\r\nwal_disk_bytes:%llu\r\n"
		 "wal_pending_bytes:%llu\r\nwal_fsyncs:%llu\r\nwal_fsync_usec_avg:%llu\r\n"
		 "wal_fsync_usec_max:%llu\r\nwal_segments:%llu\r\nwal_segments_bytes:%llu\r\n",
		 (llu)in->engine.timeline, (llu)in->engine.epoch, (llu)in->engine.shard_id,
		 (llu)w->records, (llu)w->frames, (llu)w->raw_bytes, (llu)w->stored_bytes, ratio,
		 (llu)w->disk_bytes, (llu)w->pending_bytes, (llu)w->fsyncs,
		 w->fsyncs == 0 ? 0 : (llu)(w->fsync_us_total / w->fsyncs), (llu)w->fsync_us_max,
		 (llu)w->segments, (llu)w->segments_bytes);
}

void info_storage(struct info *in)
{
	const struct engine_stats *e = &in->engine;

	info_add(in,
		 "# Storage\r\nstorage_writes:%s\r\nmemtable_bytes:%llu\r\n"
		 "memtable_frozen_bytes:%llu\r\nmemtable_max:%llu\r\nmemtable_entries:%llu\r\n"
		 "backpressure_usec:%u\r\nthrottled_commands:%llu\r\n",
		 status_text(e->write_state), (llu)e->memtable_bytes, (llu)e->memtable_frozen_bytes,
		 (llu)e->memtable_max, (llu)e->memtable_entries,
		 engine_backpressure_us(in->ctx->engine), (llu)e->throttled);
	info_add(in,
		 "checkpoint_lsn:%llu\r\ncheckpoint_running:%d\r\ncheckpoint_last_time:%llu\r\n"
		 "checkpoint_drains:%llu\r\ncheckpoint_chunks:%llu\r\ncheckpoint_entries:%llu\r\n"
		 "checkpoint_bytes:%llu\r\ncheckpoint_last_usec:%llu\r\n"
		 "checkpoint_total_usec:%llu\r\ncheckpoint_last_error:%s\r\n"
		 "reclaimed_elements:%llu\r\nreclaim_pending:%llu\r\n",
		 (llu)e->checkpoint_lsn, e->checkpoint_running, (llu)e->checkpoint_time_ms / 1000,
		 (llu)e->checkpoint.drains, (llu)e->checkpoint.chunks, (llu)e->checkpoint.entries,
		 (llu)e->checkpoint.bytes, (llu)e->checkpoint.drain_us_last,
		 (llu)e->checkpoint.drain_us_total, status_text(e->checkpoint.last_error),
		 (llu)e->checkpoint.reclaimed, (llu)e->checkpoint.reclaim_pending);
	info_add(in,
		 "store_map_size:%llu\r\nstore_file_bytes:%llu\r\nstore_page_size:%llu\r\n"
		 "store_pages_used:%llu\r\nstore_pages_free:%llu\r\nstore_entries:%llu\r\n"
		 "store_depth:%llu\r\nstore_readers:%llu\r\nrecovery_usec:%llu\r\n"
		 "recovery_records:%llu\r\nrecovery_torn_bytes:%llu\r\nrecovery_cut_lsn:%llu\r\n",
		 (llu)e->store.map_size, (llu)e->store.file_bytes, (llu)e->store.page_size,
		 (llu)e->store.pages_used, (llu)e->store.pages_free, (llu)e->store.entries,
		 (llu)e->store.depth, (llu)e->store.readers, (llu)e->recovery_us,
		 (llu)e->recovery_records, (llu)e->recovery_torn_bytes, (llu)e->recovery_cut_lsn);
}

void info_keyspace(struct info *in)
{
	uint64_t keys = engine_keys(in->ctx->engine);

	info_add(in, "# Keyspace\r\n");
	if (keys > 0) {
		info_add(in, "db0:keys=%llu,expires=%llu,avg_ttl=0\r\n", (llu)keys,
			 (llu)engine_expires(in->ctx->engine));
	}
}
