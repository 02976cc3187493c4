/* What replication tells INFO, ROLE, CLIENT LIST and CLUSTER LSN. */
#include "net/cluster_node.h"
#include "net/replication_impl.h"
#include "net/server.h"

static const char *link_state(const struct replication *r)
{
	struct repl_receiver_info info;

	if (r->receiver == NULL) {
		return "connect";
	}
	repl_receiver_info(r->receiver, &info);
	switch (info.state) {
	case REPL_RECEIVER_CONNECT:
		return "connecting";
	case REPL_RECEIVER_HANDSHAKE:
		return "handshake";
	case REPL_RECEIVER_COPY:
		return "sync";
	case REPL_RECEIVER_ONLINE:
		return r->link_up ? "connected" : "sync";
	case REPL_RECEIVER_ENDED:
		break;
	}
	return "connect";
}

static const char *failover_word(const struct replication *r)
{
	switch (r->failover) {
	case FAILOVER_WAITING:
		return "waiting-for-sync";
	case FAILOVER_IN_PROGRESS:
		return "failover-in-progress";
	case FAILOVER_NONE:
		break;
	}
	return "no-failover";
}

static void view_link(const struct replication *r, struct replication_view *out)
{
	struct repl_receiver_info info = {0};
	uint64_t now = r->server->mono_ms;

	out->primary_host = r->host == NULL ? "" : r->host;
	out->primary_port = r->port;
	out->state = link_state(r);
	out->link_up = r->link_up;
	out->copying = r->copying;
	if (!r->link_up && r->link_down_since_ms != 0 && now > r->link_down_since_ms) {
		out->link_down_s = (now - r->link_down_since_ms) / 1000;
	}
	if (r->receiver != NULL) {
		repl_receiver_info(r->receiver, &info);
	}
	out->io_age_s = info.io_age_ms / 1000;
	out->copy_total = info.copy_total;
	out->copy_bytes = info.copy_bytes;
	out->copy_age_s = info.copy_age_ms / 1000;
	out->input_bytes = r->input_bytes + info.bytes;
}

void replication_view(struct command_host *h, struct replication_view *out)
{
	const struct replication *r = server_of_host(h)->replication;
	const struct wal_history *history = engine_history(r->server->engine);
	const struct wal_timeline *last = &history->items[history->count - 1];

	*out = (struct replication_view){
	    .replica = r->replica,
	    .replicas = r->replicas_count,
	    .full_copies = r->full_copies,
	    .continued = r->continued,
	    .refused_to_continue = r->refused_to_continue,
	    .output_bytes = r->output_bytes,
	    .failover_state = failover_word(r),
	    .lsn = engine_last_lsn(r->server->engine),
	    .shard_id = history->shard_id,
	    .timeline = last->id,
	    .previous_timeline = history->count > 1 ? last[-1].id : 0,
	    .timeline_lsn = last->first_lsn,
	    .divergent_records = r->divergent.records,
	    .divergent_files = r->divergent.count,
	    .divergent_bytes = r->divergent.bytes,
	    .rejoined_by_log = r->rejoined_by_log,
	    .rejoined_by_keys = r->rejoined_by_keys,
	    .rejoined_by_copy = r->rejoined_by_copy,
	    .digest_checks = r->digests.checks,
	    .digest_differ = r->digests.differ,
	    .digest_mismatches = r->digests.mismatches,
	    .digest_lsn = r->digests.checked_lsn,
	};
	view_link(r, out);
	for (const struct replica *p = r->replicas; p != NULL; p = p->next) {
		struct repl_sender_info info;

		replica_info(p, &info);
		out->output_bytes += info.bytes_sent;
	}
}

/* --- what has become of a write --- */

/* The timeline goes on elsewhere, but not as far as the write. */
static bool was_left_behind(const struct wal_history *h, const struct write_position *p,
			    uint64_t *fork_lsn)
{
	for (uint32_t i = 0; i + 1 < h->count; i++) {
		if (h->items[i].id == p->timeline && p->lsn >= h->items[i + 1].first_lsn) {
			*fork_lsn = h->items[i + 1].first_lsn - 1;
			return true;
		}
	}
	return false;
}

/* Whether the shard's history may go on elsewhere without the end of this log: a primary that no
 * majority has answered in time, or one that was deposed and has not met its successor yet. */
static bool may_be_left_behind(const struct server *s)
{
	const struct replication *r = s->replication;

	return r->replica ? !r->joined : cluster_node_is_doubted(s->cluster);
}

void replication_fate(struct command_host *h, const struct write_position *p,
		      struct write_fate *out)
{
	const struct server *s = server_of_host(h);
	const struct wal_history *history = engine_history(s->engine);
	const struct wal_timeline *line = wal_history_at(history, p->lsn);
	const struct divergent_archive *a =
	    divergent_files_find(&s->replication->divergent, p->lsn, p->timeline);

	*out = (struct write_fate){.what = FATE_UNKNOWN};
	if (line != NULL && line->id == p->timeline) {
		if (p->lsn > engine_last_lsn(s->engine)) {
			out->what = FATE_NOT_HERE;
			return;
		}
		if (!may_be_left_behind(s)) {
			out->what =
			    p->lsn <= engine_durable_lsn(s->engine) ? FATE_DURABLE : FATE_PENDING;
		}
		out->replicas = replication_acked(h, p->lsn, false);
		out->replicas_durable = replication_acked(h, p->lsn, true);
		return;
	}
	if (was_left_behind(history, p, &out->fork_lsn)) {
		out->what = FATE_DIVERGENT;
	}
	if (a != NULL) {
		out->what = FATE_DIVERGENT;
		divergent_name_format(&a->name, out->file);
	}
}

void replication_each_replica(struct command_host *h,
			      void (*each)(void *arg, const struct replica_view *v), void *arg)
{
	static const char *const states[] = {"wait_bgsave", "send_bulk", "online", "online"};
	const struct server *s = server_of_host(h);

	for (const struct replica *p = s->replication->replicas; p != NULL; p = p->next) {
		struct repl_sender_info info;
		struct replica_view v;

		replica_info(p, &info);
		v = (struct replica_view){
		    .ip = p->ip,
		    .port = p->port,
		    .state = states[info.state],
		    .lsn = info.received_lsn,
		    .durable_lsn = info.durable_lsn,
		    .lag_s = info.ack_age_ms / 1000,
		};
		each(arg, &v);
	}
}

void replication_each_client(struct replication *r,
			     void (*each)(void *arg, const struct client_info *c), void *arg)
{
	for (struct replica *p = r->replicas; p != NULL; p = p->next) {
		struct client_info info = {.session = &p->session, .fd = p->fd, .flags = "S"};

		each(arg, &info);
	}
}
