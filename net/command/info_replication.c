/* INFO's section about replication, with Redis's field names: offsets are LSNs, replication ids are
 * made of shard and timeline. */
#include "net/command/info_text.h"

typedef unsigned long long llu;

static void replica_line(void *arg, const struct replica_view *v)
{
	struct info *in = arg;

	info_add(in, "slave%u:ip=%s,port=%d,state=%s,offset=%llu,lag=%llu\r\n", in->replicas++,
		 v->ip, v->port, v->state, (llu)v->lsn, (llu)v->lag_s);
}

static void as_replica(struct info *in, const struct replication_view *v)
{
	struct command_host *h = in->ctx->host;
	const char *priority = h->ops->config_value(h, "replica-priority");
	const char *announced = h->ops->config_value(h, "replica-announced");

	info_add(in,
		 "master_host:%s\r\nmaster_port:%d\r\nmaster_link_status:%s\r\n"
		 "master_last_io_seconds_ago:%lld\r\nmaster_sync_in_progress:%d\r\n"
		 "slave_read_repl_offset:%llu\r\nslave_repl_offset:%llu\r\n",
		 v->primary_host, v->primary_port, v->link_up ? "up" : "down",
		 v->link_up ? (long long)v->io_age_s : -1LL, v->copying, (llu)v->lsn, (llu)v->lsn);
	if (v->copying) {
		double part =
		    v->copy_total == 0 ? 0 : (double)v->copy_bytes * 100 / (double)v->copy_total;

		info_add(in,
			 "master_sync_total_bytes:%llu\r\nmaster_sync_read_bytes:%llu\r\n"
			 "master_sync_left_bytes:%llu\r\nmaster_sync_perc:%.2f\r\n"
			 "master_sync_last_io_seconds_ago:%llu\r\n",
			 (llu)v->copy_total, (llu)v->copy_bytes,
			 (llu)(v->copy_total > v->copy_bytes ? v->copy_total - v->copy_bytes : 0),
			 part > 100 ? 100 : part, (llu)v->copy_age_s);
	}
	if (!v->link_up) {
		info_add(in, "master_link_down_since_seconds:%llu\r\n", (llu)v->link_down_s);
	}
	info_add(in, "slave_priority:%s\r\nslave_read_only:1\r\nreplica_announced:%d\r\n",
		 priority != NULL ? priority : "100",
		 announced == NULL || strcmp(announced, "no") != 0);
}

void info_replication(struct info *in)
{
	const struct engine_stats *e = &in->engine;
	struct command_host *h = in->ctx->host;
	const struct replication_view *v = &in->replication;

	info_add(in, "# Replication\r\nrole:%s\r\n", v->replica ? "slave" : "master");
	if (v->replica) {
		as_replica(in, v);
	}
	info_add(in, "connected_slaves:%llu\r\n", (llu)v->replicas);
	if (h->ops->each_replica != NULL) {
		in->replicas = 0;
		h->ops->each_replica(h, replica_line, in);
	}
	info_add(in, "master_failover_state:%s\r\nmaster_replid:%016llx%016llx%08x\r\n",
		 v->failover_state, (llu)v->shard_id, (llu)v->timeline, 0u);
	if (v->previous_timeline != 0) {
		info_add(in, "master_replid2:%016llx%016llx%08x\r\n", (llu)v->shard_id,
			 (llu)v->previous_timeline, 0u);
	} else {
		info_add(in, "master_replid2:%040d\r\n", 0);
	}
	info_add(in,
		 "master_repl_offset:%llu\r\nsecond_repl_offset:%lld\r\nrepl_backlog_active:1\r\n"
		 "repl_backlog_size:%llu\r\nrepl_backlog_first_byte_offset:%llu\r\n"
		 "repl_backlog_histlen:%llu\r\ndivergent_records:%llu\r\ndivergent_files:%llu\r\n"
		 "divergent_bytes:%llu\r\nrejoined_by_log:%llu\r\nrejoined_by_keys:%llu\r\n"
		 "rejoined_by_copy:%llu\r\ndigest_checks:%llu\r\ndigest_last_lsn:%llu\r\n"
		 "digest_slots_differ:%llu\r\ndigest_mismatches:%llu\r\n",
		 (llu)v->lsn, v->previous_timeline != 0 ? (long long)v->timeline_lsn : -1LL,
		 (llu)e->wal.segments_bytes, (llu)e->wal.first_lsn,
		 (llu)(v->lsn >= e->wal.first_lsn ? v->lsn + 1 - e->wal.first_lsn : 0),
		 (llu)v->divergent_records, (llu)v->divergent_files, (llu)v->divergent_bytes,
		 (llu)v->rejoined_by_log, (llu)v->rejoined_by_keys, (llu)v->rejoined_by_copy,
		 (llu)v->digest_checks, (llu)v->digest_lsn, (llu)v->digest_differ,
		 (llu)v->digest_mismatches);
}
