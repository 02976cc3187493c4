/* INFO sections about the process and its clients: server, clients, memory, stats, cpu, commands,
 * errors, latencies. */
#include "engine/base/alloc.h"
#include "net/command/command_groups.h"
#include "net/command/dispatch_state.h"
#include "net/command/info_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define llu unsigned long long /* what printf calls uint64_t */

void info_add(struct info *in, const char *fmt, ...)
{
	va_list ap, again;
	int need;

	if (in->st != ST_OK) {
		return;
	}
	va_start(ap, fmt);
	va_copy(again, ap);
	need = vsnprintf(NULL, 0, fmt, ap);
	in->st = need < 0 ? ST_INVALID : buf_reserve(&in->text, (size_t)need + 1);
	if (in->st == ST_OK) {
		(void)vsnprintf((char *)in->text.data + in->text.len, (size_t)need + 1, fmt, again);
		in->text.len += (size_t)need;
	}
	va_end(again);
	va_end(ap);
}

struct human_bytes info_human(uint64_t bytes)
{
	static const char units[] = "KMGTP";
	struct human_bytes h;
	double v = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		(void)snprintf(h.text, sizeof h.text, "%lluB", (llu)bytes);
		return h;
	}
	while (v >= 1024 && unit + 1 < sizeof units - 1) {
		v /= 1024;
		unit++;
	}
	(void)snprintf(h.text, sizeof h.text, "%.2f%c", v, units[unit]);
	return h;
}

void info_server(struct info *in)
{
	const struct command_host *h = in->ctx->host;
	uint64_t now = in->ctx->now_ms;
	const struct clock *clock = in->ctx->dispatch->clock;
	uint64_t up = (clock->mono_us(clock->ctx) - h->start_mono_us) / 1000000;
	const char *hz = h->ops->config_value(in->ctx->host, "hz");

	info_add(
	    in,
	    "# Server\r\nredis_version:%s\r\ncairn_version:%s\r\nredis_git_sha1:00000000\r\n"
	    "redis_git_dirty:0\r\nredis_build_id:0\r\nredis_mode:%s\r\nos:%s\r\n"
	    "arch_bits:%zu\r\nmonotonic_clock:POSIX clock_gettime\r\nmultiplexing_api:epoll\r\n"
	    "atomicvar_api:c11-builtin\r\ngcc_version:%d.%d.%d\r\n",
	    REDIS_COMPAT_VERSION, CAIRN_VERSION, h->cluster != NULL ? "cluster" : "standalone",
	    in->process.os, sizeof(void *) * 8, __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
	info_add(
	    in,
	    "process_id:%lld\r\nprocess_supervised:%s\r\nrun_id:%s\r\ntcp_port:%d\r\n"
	    "server_time_usec:%llu\r\nuptime_in_seconds:%llu\r\nuptime_in_days:%llu\r\n"
	    "hz:%s\r\nconfigured_hz:%s\r\nlru_clock:%llu\r\nexecutable:%s\r\nconfig_file:%s\r\n"
	    "io_threads_active:0\r\n",
	    (long long)h->pid, h->supervisor != NULL ? h->supervisor : "no", h->run_id, h->tcp_port,
	    (llu)now * 1000, (llu)up, (llu)up / 86400, hz != NULL ? hz : "10",
	    hz != NULL ? hz : "10", (llu)(now / 1000) & 0xffffff,
	    h->executable != NULL ? h->executable : "",
	    h->config_file != NULL ? h->config_file : "");
}

/* Clients whose wait for keys ends by itself. */
static size_t timed_waits(const struct dispatch *d)
{
	size_t n = 0;

	for (const struct blocked_client *c = d->blocked.clients; c != NULL; c = c->next) {
		n += c->session->wait.deadline_ms != 0;
	}
	return n;
}

void info_clients(struct info *in)
{
	const struct node_stats *s = &in->ctx->host->stats;

	info_add(
	    in,
	    "# Clients\r\nconnected_clients:%llu\r\ncluster_connections:%llu\r\nmaxclients:%llu\r\n"
	    "client_recent_max_input_buffer:%llu\r\nclient_recent_max_output_buffer:%llu\r\n"
	    "blocked_clients:%llu\r\ntracking_clients:%zu\r\nclients_in_timeout_table:%llu\r\n"
	    "total_blocking_keys:%llu\r\n",
	    (llu)s->clients, (llu)in->ctx->host->cluster_links, (llu)s->maxclients,
	    (llu)s->input_buffer_max, (llu)s->output_buffer_max, (llu)s->blocked_clients,
	    in->ctx->dispatch->tracking.clients_count, (llu)timed_waits(in->ctx->dispatch),
	    (llu)in->ctx->dispatch->blocked.keys.count);
}

static void memory_allocator(struct info *in, uint64_t used)
{
	uint64_t rss = in->process.rss_bytes;
	double ratio = used == 0 ? 0 : (double)rss / (double)used;
	long long extra = (long long)rss - (long long)used;

	info_add(
	    in,
	    "allocator_frag_ratio:1.00\r\nallocator_frag_bytes:0\r\n"
	    "allocator_rss_ratio:%.2f\r\nallocator_rss_bytes:%lld\r\n"
	    "rss_overhead_ratio:1.00\r\nrss_overhead_bytes:0\r\n"
	    "mem_fragmentation_ratio:%.2f\r\nmem_fragmentation_bytes:%lld\r\n"
	    "mem_not_counted_for_evict:0\r\nmem_replication_backlog:0\r\n"
	    "mem_total_replication_buffers:0\r\nmem_clients_slaves:0\r\nmem_clients_normal:0\r\n"
	    "mem_cluster_links:%llu\r\nmem_aof_buffer:%llu\r\nmem_allocator:libc\r\n"
	    "active_defrag_running:0\r\nlazyfree_pending_objects:0\r\nlazyfreed_objects:0\r\n",
	    ratio, extra, ratio, extra, (llu)in->ctx->host->cluster_link_bytes,
	    (llu)in->engine.wal.pending_bytes);
}

static void memory_scripts(struct info *in)
{
	struct script_stats s;
	uint64_t states, texts;

	dispatch_script_stats(in->ctx->dispatch, &s);
	states = s.eval_state + s.functions_state;
	texts = s.scripts_bytes + s.libraries_bytes;
	info_add(in,
		 "used_memory_lua:%llu\r\nused_memory_vm_eval:%llu\r\nused_memory_lua_human:%s\r\n"
		 "used_memory_scripts_eval:%llu\r\nnumber_of_cached_scripts:%llu\r\n"
		 "number_of_functions:%llu\r\nnumber_of_libraries:%llu\r\n"
		 "used_memory_vm_functions:%llu\r\nused_memory_vm_total:%llu\r\n"
		 "used_memory_vm_total_human:%s\r\nused_memory_functions:%llu\r\n"
		 "used_memory_scripts:%llu\r\nused_memory_scripts_human:%s\r\n",
		 (llu)s.eval_state, (llu)s.eval_state, info_human(s.eval_state).text,
		 (llu)s.scripts_bytes, (llu)s.scripts, (llu)s.functions, (llu)s.libraries,
		 (llu)s.functions_state, (llu)states, info_human(states).text,
		 (llu)s.libraries_bytes, (llu)texts, info_human(texts).text);
}

void info_memory(struct info *in)
{
	const char *policy = in->ctx->host->ops->config_value(in->ctx->host, "maxmemory-policy");
	uint64_t tables = in->engine.memtable_bytes + in->engine.memtable_frozen_bytes;
	uint64_t used = mem_used() + tables;
	uint64_t rss = in->process.rss_bytes, total = in->process.memory_total_bytes;
	struct dispatch *d = in->ctx->dispatch;

	d->memory_peak = used > d->memory_peak ? used : d->memory_peak;
	info_add(
	    in,
	    "# Memory\r\nused_memory:%llu\r\nused_memory_human:%s\r\nused_memory_rss:%llu\r\n"
	    "used_memory_rss_human:%s\r\nused_memory_peak:%llu\r\nused_memory_peak_human:%s\r\n"
	    "used_memory_peak_perc:%.2f%%\r\nused_memory_overhead:%llu\r\n"
	    "used_memory_startup:0\r\nused_memory_dataset:%llu\r\n"
	    "used_memory_dataset_perc:%.2f%%\r\n",
	    (llu)used, info_human(used).text, (llu)rss, info_human(rss).text, (llu)d->memory_peak,
	    info_human(d->memory_peak).text, (double)used * 100 / (double)d->memory_peak,
	    (llu)(used - tables), (llu)tables, (double)tables * 100 / (double)used);
	info_add(in,
		 "allocator_allocated:%llu\r\nallocator_active:%llu\r\nallocator_resident:%llu\r\n"
		 "total_system_memory:%llu\r\ntotal_system_memory_human:%s\r\n",
		 (llu)used, (llu)used, (llu)rss, (llu)total, info_human(total).text);
	memory_scripts(in);
	info_add(in,
		 "maxmemory:0\r\nmaxmemory_human:0B\r\n"
		 "maxmemory_policy:%s\r\n",
		 policy != NULL ? policy : "noeviction");
	memory_allocator(in, used);
}

void info_stats(struct info *in)
{
	const struct node_stats *s = &in->ctx->host->stats;
	const struct replication_view *v = &in->replication;
	const size_t *topics = in->ctx->dispatch->pubsub.counts;
	const uint64_t *denied = in->ctx->dispatch->acl_log.counts;
	struct tracking_stats tracked;

	tracking_stats(&in->ctx->dispatch->tracking, &tracked);
	info_add(in,
		 "# Stats\r\ntotal_connections_received:%llu\r\ntotal_commands_processed:%llu\r\n"
		 "instantaneous_ops_per_sec:%.0f\r\ntotal_net_input_bytes:%llu\r\n"
		 "total_net_output_bytes:%llu\r\ntotal_net_repl_input_bytes:%llu\r\n"
		 "total_net_repl_output_bytes:%llu\r\ninstantaneous_input_kbps:%.2f\r\n"
		 "instantaneous_output_kbps:%.2f\r\ninstantaneous_input_repl_kbps:0.00\r\n"
		 "instantaneous_output_repl_kbps:0.00\r\nrejected_connections:%llu\r\n"
		 "sync_full:%llu\r\nsync_partial_ok:%llu\r\nsync_partial_err:%llu\r\n",
		 (llu)s->connections_received, (llu)s->commands_processed, s->ops_per_sec,
		 (llu)s->net_input_bytes, (llu)s->net_output_bytes, (llu)v->input_bytes,
		 (llu)v->output_bytes, s->input_kbps, s->output_kbps, (llu)s->connections_rejected,
		 (llu)v->full_copies, (llu)v->continued, (llu)v->refused_to_continue);
	info_add(
	    in,
	    "expired_keys:%llu\r\nexpired_subkeys:%llu\r\nexpired_stale_perc:0.00\r\n"
	    "expired_time_cap_reached_count:0\r\nexpire_cycle_cpu_milliseconds:0\r\n"
	    "evicted_keys:0\r\nevicted_clients:0\r\ntotal_eviction_exceeded_time:0\r\n"
	    "current_eviction_exceeded_time:0\r\nkeyspace_hits:%llu\r\nkeyspace_misses:%llu\r\n"
	    "pubsub_channels:%zu\r\npubsub_patterns:%zu\r\npubsubshard_channels:%zu\r\n"
	    "latest_fork_usec:0\r\ntotal_forks:0\r\nmigrate_cached_sockets:%llu\r\n"
	    "slave_expires_tracked_keys:0\r\nactive_defrag_hits:0\r\nactive_defrag_misses:0\r\n"
	    "active_defrag_key_hits:0\r\nactive_defrag_key_misses:0\r\n"
	    "total_active_defrag_time:0\r\ncurrent_active_defrag_time:0\r\n"
	    "tracking_total_keys:%zu\r\ntracking_total_items:%zu\r\n"
	    "tracking_total_prefixes:%zu\r\n",
	    (llu)in->engine.expired_keys, (llu)in->engine.expired_fields, (llu)s->keyspace_hits,
	    (llu)s->keyspace_misses, topics[SUBSCRIBED_CHANNEL], topics[SUBSCRIBED_PATTERN],
	    topics[SUBSCRIBED_SHARD], (llu)s->migrate_kept, tracked.keys, tracked.items,
	    tracked.prefixes);
	info_add(in,
		 "unexpected_error_replies:0\r\ntotal_error_replies:%llu\r\n"
		 "dump_payload_sanitizations:0\r\ntotal_reads_processed:%llu\r\n"
		 "total_writes_processed:%llu\r\nio_threaded_reads_processed:0\r\n"
		 "io_threaded_writes_processed:0\r\nreply_buffer_shrinks:0\r\n"
		 "reply_buffer_expands:0\r\nclient_query_buffer_limit_disconnections:%llu\r\n"
		 "client_output_buffer_limit_disconnections:%llu\r\ncold_commands_parked:%llu\r\n"
		 "acl_access_denied_auth:%llu\r\nacl_access_denied_cmd:%llu\r\n"
		 "acl_access_denied_key:%llu\r\nacl_access_denied_channel:%llu\r\n",
		 (llu)s->error_replies, (llu)s->reads, (llu)s->writes,
		 (llu)s->query_buffer_limit_disconnections,
		 (llu)s->output_buffer_limit_disconnections, (llu)s->cold_parked,
		 (llu)denied[ACL_DENIED_AUTH], (llu)denied[ACL_DENIED_COMMAND],
		 (llu)denied[ACL_DENIED_KEY], (llu)denied[ACL_DENIED_CHANNEL]);
}

void info_cpu(struct info *in)
{
	const struct process_facts *p = &in->process;

	info_add(in,
		 "# CPU\r\nused_cpu_sys:%.6f\r\nused_cpu_user:%.6f\r\n"
		 "used_cpu_sys_children:%.6f\r\nused_cpu_user_children:%.6f\r\n"
		 "used_cpu_sys_main_thread:%.6f\r\nused_cpu_user_main_thread:%.6f\r\n",
		 p->cpu_sys, p->cpu_user, p->cpu_sys_children, p->cpu_user_children,
		 p->cpu_sys_main, p->cpu_user_main);
}

void info_modules(struct info *in)
{
	info_add(in, "# Modules\r\n");
}

static void commandstat(void *arg, const char *name, const struct command_stat *stat)
{
	double per_call = stat->calls == 0 ? 0 : (double)stat->usec / (double)stat->calls;

	info_add(arg,
		 "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
		 "failed_calls=%llu\r\n",
		 name, (llu)stat->calls, (llu)stat->usec, per_call, (llu)stat->rejected,
		 (llu)stat->failed);
}

void info_commandstats(struct info *in)
{
	info_add(in, "# Commandstats\r\n");
	dispatch_each_command_stat(in->ctx->dispatch, commandstat, in);
}

static void errorstat(void *arg, const char *code, uint64_t count)
{
	info_add(arg, "errorstat_%s:count=%llu\r\n", code, (llu)count);
}

void info_errorstats(struct info *in)
{
	info_add(in, "# Errorstats\r\n");
	dispatch_each_error_stat(in->ctx->dispatch, errorstat, in);
}

/* The percentiles of a list such as "50 99.9". */
static void percentiles(struct info *in, const struct command_record *r, const char *list)
{
	bool first = true;
	char *end;

	for (double p = strtod(list, &end); end != list; p = strtod(list, &end)) {
		info_add(in, "%sp%.6g=%.3f", first ? "" : ",", p,
			 command_record_percentile(&in->ctx->dispatch->stats, r, p / 100));
		first = false;
		list = end;
	}
}

void info_latencystats(struct info *in)
{
	const struct dispatch *d = in->ctx->dispatch;
	const struct command_host *h = in->ctx->host;
	const char *list = h->ops->config_value(in->ctx->host, "latency-tracking-info-percentiles");

	info_add(in, "# Latencystats\r\n");
	for (size_t i = 0; d->stats.histograms && i < d->table.count; i++) {
		const struct command_record *r = &d->stats.records[i];

		if (r->timed > 0) {
			info_add(in, "latency_percentiles_usec_%s:", d->table.entries[i].full_name);
			percentiles(in, r, list != NULL ? list : "50 99 99.9");
			info_add(in, "\r\n");
		}
	}
}
