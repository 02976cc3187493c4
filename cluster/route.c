/* The redirection rules, in the order in which they apply. */
#include "cluster/route.h"

#include "cluster/cluster_view.h"
#include "cluster/health.h"
#include "cluster/slot_map.h"

#include <stdio.h>

static bool same_slot(const struct route_query *q, uint16_t slot)
{
	for (size_t i = 1; i < q->keys_count; i++) {
		if (keyslot(q->keys[i]) != slot) {
			return false;
		}
	}
	return true;
}

/* How many keys are here, how many are not, and whether there is more than one different key. */
static void count_keys(const struct route_query *q, size_t *present, size_t *missing, bool *several)
{
	*present = 0;
	*missing = 0;
	*several = false;
	for (size_t i = 0; i < q->keys_count; i++) {
		if (i > 0 && !slice_eq(q->keys[i], q->keys[0])) {
			*several = true;
		}
		if (q->exists(q->ctx, q->keys[i])) {
			(*present)++;
		} else {
			(*missing)++;
		}
	}
}

static enum route_kind down(const struct cluster *c, unsigned flags)
{
	if (c->health.ok) {
		return ROUTE_SERVE;
	}
	if ((flags & ROUTE_SHARD_PUBSUB) != 0) {
		return c->settings.allow_pubsubshard_when_down ? ROUTE_SERVE : ROUTE_DOWN;
	}
	if (!c->settings.allow_reads_when_down) {
		return ROUTE_DOWN;
	}
	return (flags & ROUTE_WRITE) != 0 ? ROUTE_DOWN_WRITES : ROUTE_SERVE;
}

static void serve(const struct cluster *c, const struct route_query *q, struct route *out)
{
	/* Whoever may have lost its slots without knowing yet accepts nothing that it could lose.
	 */
	out->kind = (q->flags & ROUTE_WRITE) != 0 && !health_may_write(c, q->now_ms)
			? ROUTE_DOWN_WRITES
			: ROUTE_SERVE;
}

/* A slot that is being imported is still another node's. Who has no slots of its own has nothing
 * that could be taken from it by a vote, so it needs no answers of a majority: it could never get
 * its first slot otherwise. */
static void serve_import(const struct cluster *c, const struct route_query *q, struct route *out)
{
	if (is_primary(self(c)) && self(c)->slots_count == 0 && !c->silent) {
		out->kind = ROUTE_SERVE;
	} else {
		serve(c, q, out);
	}
}

/* Slots on the move. True when decided. */
static bool route_open_slot(const struct cluster *c, const struct route_query *q,
			    const struct cnode *owner, struct route *out)
{
	bool migrating = owner == self(c) && c->migrating_to[out->slot] != NONE;
	bool importing = !migrating && c->importing_from[out->slot] != NONE;
	size_t present;
	size_t missing;
	bool several;

	if (!migrating && !importing) {
		return false;
	}
	if ((q->flags & ROUTE_MIGRATE) != 0) {
		(importing ? serve_import : serve)(c, q, out);
		return true;
	}
	if ((q->flags & ROUTE_SHARD_PUBSUB) != 0) {
		return false;
	}
	if (migrating) {
		count_keys(q, &present, &missing, &several);
		if (missing == 0) {
			return false;
		}
		out->kind = present > 0 ? ROUTE_TRYAGAIN : ROUTE_ASK;
		out->node = c->migrating_to[out->slot];
		return true;
	}
	if ((q->flags & ROUTE_ASKING) == 0) {
		return false;
	}
	count_keys(q, &present, &missing, &several);
	if (several && missing > 0) {
		out->kind = ROUTE_TRYAGAIN;
	} else {
		serve_import(c, q, out);
	}
	return true;
}

static bool may_read_here(const struct cluster *c, unsigned flags, const struct cnode *owner)
{
	const struct cnode *me = self(c);

	return (flags & (ROUTE_READONLY | ROUTE_SHARD_PUBSUB)) != 0 && (flags & ROUTE_WRITE) == 0 &&
	       is_replica(me) && me->primary == index_of(c, owner);
}

void route_command(const struct cluster *c, const struct route_query *q, struct route *out)
{
	const struct cnode *owner;
	enum route_kind state;

	*out = (struct route){.kind = ROUTE_SERVE, .slot = SLOTS, .node = NONE};
	if (q->keys_count == 0) {
		return;
	}
	out->slot = keyslot(q->keys[0]);
	owner = slot_server(c, out->slot);
	if (owner == NULL) {
		out->kind = ROUTE_UNBOUND;
		return;
	}
	if (!same_slot(q, out->slot)) {
		out->kind = ROUTE_CROSSSLOT;
		return;
	}
	state = down(c, q->flags);
	if (state != ROUTE_SERVE) {
		out->kind = state;
		return;
	}
	if (route_open_slot(c, q, owner, out) || may_read_here(c, q->flags, owner)) {
		return;
	}
	if (owner == self(c)) {
		serve(c, q, out);
		return;
	}
	out->kind = ROUTE_MOVED;
	out->node = index_of(c, owner);
}

void route_blocked(const struct cluster *c, unsigned slot, unsigned flags, struct route *out)
{
	const struct cnode *owner = slot_server(c, slot);

	*out = (struct route){.kind = ROUTE_SERVE, .slot = (uint16_t)slot, .node = NONE};
	if (!c->health.ok) {
		out->kind = ROUTE_DOWN;
	} else if (owner == NULL) {
		out->kind = ROUTE_UNBOUND;
	} else if (owner != self(c) && c->importing_from[slot] == NONE &&
		   !may_read_here(c, flags, owner)) {
		out->kind = ROUTE_MOVED;
		out->node = index_of(c, owner);
	}
}

size_t route_error(const struct cluster *c, const struct route *r, bool tls, char *buf, size_t cap)
{
	const char *text = "ERR served here";
	char endpoint[NODE_HOSTNAME_CAP];
	int n;

	switch (r->kind) {
	case ROUTE_MOVED:
	case ROUTE_ASK:
		cluster_view_endpoint(c, r->node, endpoint);
		n = snprintf(buf, cap, "%s %u %s:%u", r->kind == ROUTE_MOVED ? "MOVED" : "ASK",
			     r->slot, endpoint, cluster_view_client_port(c, r->node, tls));
		return n < 0 ? 0 : (size_t)n;
	case ROUTE_TRYAGAIN:
		text = "TRYAGAIN Multiple keys request during rehashing of slot";
		break;
	case ROUTE_CROSSSLOT:
		text = "CROSSSLOT Keys in request don't hash to the same slot";
		break;
	case ROUTE_UNBOUND:
		text = "CLUSTERDOWN Hash slot not served";
		break;
	case ROUTE_DOWN:
		text = "CLUSTERDOWN The cluster is down";
		break;
	case ROUTE_DOWN_WRITES:
		text = "CLUSTERDOWN The cluster is down and only accepts read commands";
		break;
	case ROUTE_SERVE:
		break;
	}
	n = snprintf(buf, cap, "%s", text);
	return n < 0 ? 0 : (size_t)n;
}
