/* Views of the state. */
#include "cluster/cluster_view.h"

#include "cluster/conf_file.h"
#include "cluster/election.h"
#include "cluster/failure.h"
#include "cluster/health.h"
#include "cluster/node_table.h"
#include "cluster/slot_map.h"

uint16_t cluster_view_places(const struct cluster *c)
{
	return (uint16_t)c->nodes_high;
}

static uint16_t port_of(const struct cluster *c, const struct cnode *n, bool tls)
{
	return tls == c->settings.tls_cluster ? n->addr.port : n->addr.other_port;
}

bool cluster_view_node(const struct cluster *c, uint16_t place, struct cluster_view_node *out)
{
	const struct cnode *n = &c->nodes[place];

	if (place >= c->nodes_high || !n->used) {
		return false;
	}
	*out = (struct cluster_view_node){
	    .id = n->id.text,
	    .shard = n->shard.text,
	    .ip = n->addr.ip,
	    .hostname = n->hostname,
	    .place = place,
	    .primary = is_replica(n) ? n->primary : (uint16_t)NONE,
	    .port = port_of(c, n, false),
	    .tls_port = port_of(c, n, true),
	    .bus_port = n->addr.bus_port,
	    .flags = n->flags,
	    .offset = n == self(c) ? c->engine.offset : n->offset,
	    .config_epoch = is_replica(n) && n->primary != NONE ? c->nodes[n->primary].config_epoch
								: n->config_epoch,
	    .slots_count = is_primary(n) ? n->slots_count : 0,
	    .link_up = n == self(c) || n->link_state == LINK_UP,
	    .link = n->link_state == LINK_UP ? n->link : 0,
	    .link_wall_ms = wall_of(c, n->link_ms),
	    .inbound = n->inbound,
	};
	return true;
}

uint16_t cluster_view_find(const struct cluster *c, struct slice id)
{
	struct node_id parsed;
	const struct cnode *n =
	    id.len == NODE_ID_LEN && node_id_read(id.data, &parsed) ? node_find(c, &parsed) : NULL;

	return n == NULL ? (uint16_t)VIEW_NO_NODE : index_of(c, n);
}

bool cluster_view_next_slots(const struct cluster *c, unsigned *slot, unsigned *first,
			     unsigned *last, uint16_t *owner)
{
	unsigned s = *slot;

	while (s < SLOTS && slot_server(c, s) == NULL) {
		s++;
	}
	if (s == SLOTS) {
		return false;
	}
	*first = s;
	*owner = c->owner[s];
	while (s + 1 < SLOTS && c->owner[s + 1] == *owner) {
		s++;
	}
	*last = s;
	*slot = s + 1;
	return true;
}

bool cluster_view_next_slots_of(const struct cluster *c, uint16_t place, unsigned *slot,
				unsigned *first, unsigned *last)
{
	uint16_t owner;

	while (cluster_view_next_slots(c, slot, first, last, &owner)) {
		if (owner == place) {
			return true;
		}
	}
	return false;
}

void cluster_view_endpoint(const struct cluster *c, uint16_t place, char out[NODE_HOSTNAME_CAP])
{
	const struct cnode *n = &c->nodes[place];

	memset(out, 0, NODE_HOSTNAME_CAP);
	switch (c->settings.endpoint) {
	case ENDPOINT_IP:
		memcpy(out, n->addr.ip, sizeof n->addr.ip);
		break;
	case ENDPOINT_HOSTNAME:
		if (n->hostname[0] == '\0') {
			out[0] = '?';
		} else {
			memcpy(out, n->hostname, sizeof n->hostname);
		}
		break;
	case ENDPOINT_UNKNOWN:
		break;
	}
}

uint16_t cluster_view_client_port(const struct cluster *c, uint16_t place, bool tls)
{
	uint16_t port = port_of(c, &c->nodes[place], tls);

	return port != 0 ? port : port_of(c, &c->nodes[place], !tls);
}

const char *cluster_view_health(const struct cluster *c, uint16_t place)
{
	const struct cnode *n = &c->nodes[place];
	uint64_t offset = n == self(c) ? c->engine.offset : n->offset;

	if (has_flag(n, NODE_FAIL)) {
		return "fail";
	}
	return is_replica(n) && offset == 0 ? "loading" : "online";
}

void cluster_view_marks(const struct cluster *c, unsigned slot, uint16_t *migrating_to,
			uint16_t *importing_from)
{
	*migrating_to = c->migrating_to[slot];
	*importing_from = c->importing_from[slot];
}

unsigned cluster_view_failure_reports(struct cluster *c, uint16_t place)
{
	return failure_reports(c, &c->nodes[place]);
}

size_t cluster_view_nodes_text(const struct cluster *c, uint16_t replicas_of, bool tls, char *buf,
			       size_t cap)
{
	enum conf_use use = tls ? CONF_SHOWN_TLS : CONF_SHOWN_PLAIN;
	struct conf_text t = {.data = buf, .cap = cap};

	FOR_EACH_NODE(c, n)
	{
		if (replicas_of == VIEW_NO_NODE || (is_replica(n) && n->primary == replicas_of)) {
			conf_file_put_node(c, n, use, &t);
			conf_printf(&t, "\n");
		}
	}
	return t.len;
}

void cluster_view_info(const struct cluster *c, uint64_t now_ms, struct cluster_view_info *out)
{
	memset(out, 0, sizeof *out);
	FOR_EACH_NODE(c, n)
	{
		unsigned *count = has_flag(n, NODE_FAIL)    ? &out->slots_fail
				  : has_flag(n, NODE_PFAIL) ? &out->slots_pfail
							    : &out->slots_ok;

		if (is_primary(n)) {
			*count += n->slots_count;
			out->slots_assigned += n->slots_count;
		}
	}
	out->may_write = is_voter(self(c)) && health_may_write(c, now_ms);
	out->ok = c->health.ok && (out->may_write || !is_voter(self(c)));
	out->known_nodes = c->nodes_count;
	out->size = c->voters;
	out->current_epoch = c->current_epoch;
	out->my_epoch = claimant(c)->config_epoch;
	out->last_vote_epoch = c->last_vote_epoch;
	out->paused = c->paused;
	out->silent = c->silent;
	out->not_standing = is_replica(self(c)) ? election_obstacle(c, false) : NULL;
	memcpy(out->sent, c->sent, sizeof out->sent);
	memcpy(out->received, c->received, sizeof out->received);
}

const struct cluster_settings *cluster_view_settings(const struct cluster *c)
{
	return &c->settings;
}
