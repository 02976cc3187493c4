/* CLUSTER SLOTS, SHARDS and LINKS: who serves what, and where clients find it. */
#include "net/command/cmd_cluster.h"

/* --- SLOTS --- */

/* Where clients are to connect; nothing means: where they already are. */
static void reply_endpoint(struct resp_writer *w, const struct cluster *c, uint16_t place)
{
	char endpoint[NODE_HOSTNAME_CAP];

	if (cluster_view_settings(c)->endpoint == ENDPOINT_UNKNOWN) {
		resp_null(w);
		return;
	}
	cluster_view_endpoint(c, place, endpoint);
	resp_bulk_str(w, endpoint);
}

/* tls: the client is one of TLS, and wants the port for those. */
static void reply_slots_node(struct resp_writer *w, const struct cluster *c,
			     const struct cluster_view_node *n, bool tls)
{
	enum cluster_endpoint preferred = cluster_view_settings(c)->endpoint;
	bool ip = preferred != ENDPOINT_IP;
	bool hostname = preferred != ENDPOINT_HOSTNAME && n->hostname[0] != 0;

	resp_array(w, 4);
	reply_endpoint(w, c, n->place);
	resp_int(w, cluster_view_client_port(c, n->place, tls));
	resp_bulk_str(w, n->id);
	resp_map(w, (size_t)ip + (size_t)hostname);
	if (ip) {
		resp_bulk_str(w, "ip");
		resp_bulk_str(w, n->ip);
	}
	if (hostname) {
		resp_bulk_str(w, "hostname");
		resp_bulk_str(w, n->hostname);
	}
}

/* A replica that clients may read from: it lives and has data. */
static bool is_readable_replica(const struct cluster_view_node *n, uint16_t primary)
{
	return n->primary == primary && (n->flags & NODE_FAIL) == 0 && n->offset > 0;
}

static size_t count_replicas(const struct cluster *c, uint16_t primary)
{
	struct cluster_view_node n;
	size_t count = 0;

	for (uint16_t p = 0; p < cluster_view_places(c); p++) {
		count += cluster_view_node(c, p, &n) && is_readable_replica(&n, primary);
	}
	return count;
}

void cmd_cluster_slots(struct command_ctx *ctx)
{
	const struct cluster *c = cluster_of(ctx);
	unsigned slot = 0, first, last;
	struct cluster_view_node n;
	size_t mark, runs = 0;
	uint16_t owner;
	bool tls = ctx->session->tls;

	if (c == NULL) {
		return;
	}
	mark = resp_deferred_begin(ctx->reply);
	while (cluster_view_next_slots(c, &slot, &first, &last, &owner)) {
		runs++;
		resp_array(ctx->reply, 3 + count_replicas(c, owner));
		resp_int(ctx->reply, first);
		resp_int(ctx->reply, last);
		(void)cluster_view_node(c, owner, &n);
		reply_slots_node(ctx->reply, c, &n, tls);
		for (uint16_t p = 0; p < cluster_view_places(c); p++) {
			if (cluster_view_node(c, p, &n) && is_readable_replica(&n, owner)) {
				reply_slots_node(ctx->reply, c, &n, tls);
			}
		}
	}
	resp_deferred_end(ctx->reply, mark, '*', runs);
}

/* --- SHARDS --- */

/* What the nodes of one shard have in common. */
static const char *shard_of(const struct cluster *c, const struct cluster_view_node *n)
{
	struct cluster_view_node primary;

	if (n->shard[0] != 0) {
		return n->shard;
	}
	if (n->primary != VIEW_NO_NODE && cluster_view_node(c, n->primary, &primary)) {
		return primary.shard[0] != 0 ? primary.shard : primary.id;
	}
	return n->id;
}

/* The node at a place when it belongs to the shard (NULL: to any). */
static bool shard_node(const struct cluster *c, uint16_t place, const char *shard,
		       struct cluster_view_node *out)
{
	return cluster_view_node(c, place, out) && (out->flags & NODE_HANDSHAKE) == 0 &&
	       (shard == NULL || strcmp(shard_of(c, out), shard) == 0);
}

static void reply_shard_node(struct resp_writer *w, const struct cluster *c,
			     const struct cluster_view_node *n)
{
	char endpoint[NODE_HOSTNAME_CAP];

	resp_map(w, 6 + (size_t)(n->port > 0) + (size_t)(n->tls_port > 0) +
			(size_t)(n->hostname[0] != 0));
	resp_bulk_str(w, "id");
	resp_bulk_str(w, n->id);
	if (n->port > 0) {
		resp_bulk_str(w, "port");
		resp_int(w, n->port);
	}
	if (n->tls_port > 0) {
		resp_bulk_str(w, "tls-port");
		resp_int(w, n->tls_port);
	}
	resp_bulk_str(w, "ip");
	resp_bulk_str(w, n->ip);
	resp_bulk_str(w, "endpoint");
	cluster_view_endpoint(c, n->place, endpoint);
	resp_bulk_str(w, endpoint);
	if (n->hostname[0] != 0) {
		resp_bulk_str(w, "hostname");
		resp_bulk_str(w, n->hostname);
	}
	resp_bulk_str(w, "role");
	resp_bulk_str(w, n->primary == VIEW_NO_NODE ? "master" : "replica");
	resp_bulk_str(w, "replication-offset");
	resp_int(w, (int64_t)n->offset);
	resp_bulk_str(w, "health");
	resp_bulk_str(w, cluster_view_health(c, n->place));
}

static void reply_slots_of(struct resp_writer *w, const struct cluster *c, uint16_t place)
{
	unsigned slot = 0, first, last;
	size_t mark = resp_deferred_begin(w), n = 0;

	while (cluster_view_next_slots_of(c, place, &slot, &first, &last)) {
		resp_int(w, first);
		resp_int(w, last);
		n += 2;
	}
	resp_deferred_end(w, mark, '*', n);
}

/* One shard, its primary first; leader is the first of its nodes in the table. */
static void reply_shard(struct resp_writer *w, const struct cluster *c,
			const struct cluster_view_node *leader)
{
	const char *shard = shard_of(c, leader);
	struct cluster_view_node n, first = *leader;
	size_t nodes = 0;

	for (uint16_t p = leader->place; p < cluster_view_places(c); p++) {
		if (shard_node(c, p, shard, &n)) {
			nodes++;
			if (n.slots_count > 0 ||
			    (first.primary != VIEW_NO_NODE && n.primary == VIEW_NO_NODE)) {
				first = n;
			}
		}
	}
	resp_map(w, 2);
	resp_bulk_str(w, "slots");
	reply_slots_of(w, c, first.place);
	resp_bulk_str(w, "nodes");
	resp_array(w, nodes);
	reply_shard_node(w, c, &first);
	for (uint16_t p = leader->place; p < cluster_view_places(c); p++) {
		if (p != first.place && shard_node(c, p, shard, &n)) {
			reply_shard_node(w, c, &n);
		}
	}
}

static bool is_leader(const struct cluster *c, const struct cluster_view_node *n)
{
	const char *shard = shard_of(c, n);
	struct cluster_view_node earlier;

	for (uint16_t p = 0; p < n->place; p++) {
		if (shard_node(c, p, shard, &earlier)) {
			return false;
		}
	}
	return true;
}

void cmd_cluster_shards(struct command_ctx *ctx)
{
	const struct cluster *c = cluster_of(ctx);
	struct cluster_view_node n;
	size_t mark, shards = 0;

	if (c == NULL) {
		return;
	}
	mark = resp_deferred_begin(ctx->reply);
	for (uint16_t p = 0; p < cluster_view_places(c); p++) {
		if (shard_node(c, p, NULL, &n) && is_leader(c, &n)) {
			reply_shard(ctx->reply, c, &n);
			shards++;
		}
	}
	resp_deferred_end(ctx->reply, mark, '*', shards);
}

/* --- LINKS --- */

struct links_reply {
	struct resp_writer *w;
	size_t count;
};

static void reply_link(void *arg, const struct cluster_link_view *l)
{
	struct links_reply *r = arg;

	r->count++;
	resp_map(r->w, 6);
	resp_bulk_str(r->w, "direction");
	resp_bulk_str(r->w, l->inbound ? "from" : "to");
	resp_bulk_str(r->w, "node");
	resp_bulk_str(r->w, l->node_id);
	resp_bulk_str(r->w, "create-time");
	resp_int(r->w, (int64_t)l->created_wall_ms);
	resp_bulk_str(r->w, "events");
	resp_bulk_str(r->w, l->writing ? "rw" : "r");
	resp_bulk_str(r->w, "send-buffer-allocated");
	resp_int(r->w, (int64_t)l->buffer_allocated);
	resp_bulk_str(r->w, "send-buffer-used");
	resp_int(r->w, (int64_t)l->buffer_used);
}

void cmd_cluster_links(struct command_ctx *ctx)
{
	struct links_reply r = {.w = ctx->reply};
	size_t mark;

	if (cluster_of(ctx) == NULL) {
		return;
	}
	mark = resp_deferred_begin(ctx->reply);
	ctx->host->ops->each_cluster_link(ctx->host, reply_link, &r);
	resp_deferred_end(ctx->reply, mark, '*', r.count);
}
