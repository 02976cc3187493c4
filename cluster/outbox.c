/* The outbox: ops are queued while a step runs and encoded after it, from the state it left. */
#include "cluster/outbox.h"

#include "cluster/gossip.h"
#include "cluster/manual_failover.h"
#include "cluster/role.h"
#include "cluster/slot_map.h"

static struct cluster_op *push(struct cluster *c, enum cluster_op_kind kind, uint64_t link)
{
	struct cluster_op *op;

	if (c->up->ops_count == c->ops_cap) {
		/* A message is lost, as messages are: everything is said again. */
		MARK(c, OPS_FULL);
		return NULL;
	}
	op = &c->ops[c->up->ops_count++];
	memset(op, 0, sizeof *op);
	op->kind = kind;
	op->link = link;
	op->node = NONE;
	op->about = NONE;
	return op;
}

void outbox_connect(struct cluster *c, struct cnode *n)
{
	uint64_t link = (uint64_t)++c->serial << 16 | index_of(c, n);
	struct cluster_op *op = push(c, OP_CONNECT, link);

	if (op == NULL) {
		return;
	}
	op->addr = n->addr;
	op->node = index_of(c, n);
	n->link = link;
	n->link_state = LINK_CONNECTING;
	n->link_ms = c->now_ms;
	n->pings = 0;
}

void outbox_close_id(struct cluster *c, uint64_t link)
{
	(void)push(c, OP_CLOSE, link);
}

void outbox_close(struct cluster *c, struct cnode *n)
{
	if (n->link_state != LINK_NONE) {
		outbox_close_id(c, n->link);
		n->link_state = LINK_NONE;
		n->link = 0;
		n->pings = 0;
		n->retry_ms = c->now_ms;
	}
}

void outbox_close_links(struct cluster *c, struct cnode *n)
{
	outbox_close(c, n);
	if (n->inbound != 0) {
		outbox_close_id(c, n->inbound);
		n->inbound = 0;
	}
}

static struct cluster_op *push_send(struct cluster *c, enum bus_type type)
{
	/* A silent node answers nothing; late enough it asks now and then, in case it is not where
	 * it was, and votes: it lost its data, not its word, and where most lost theirs nobody else
	 * is left. */
	bool mute = c->silent && (type == BUS_PING	 ? role_rests(c)
				  : type == BUS_AUTH_ACK ? c->now_ms < c->silent_until_ms
							 : true);
	struct cluster_op *op = mute ? NULL : push(c, OP_SEND, 0);

	if (op != NULL) {
		op->type = type;
	}
	return op;
}

void outbox_send(struct cluster *c, struct cnode *n, enum bus_type type)
{
	struct cluster_op *op;

	if (n->link_state != LINK_UP || (op = push_send(c, type)) == NULL) {
		return;
	}
	op->link = n->link;
	op->node = index_of(c, n);
}

void outbox_ping(struct cluster *c, struct cnode *n)
{
	if (n->link_state != LINK_UP) {
		return;
	}
	outbox_send(c, n, has_flag(n, NODE_MEET) ? BUS_MEET : BUS_PING);
	n->ping_last_ms = c->now_ms;
	if (n->ping_ms == 0) {
		n->ping_ms = c->now_ms;
	}
	n->pings++;
}

void outbox_reply(struct cluster *c, uint64_t link, enum bus_type type, struct cnode *n)
{
	struct cluster_op *op = push_send(c, type);

	if (op != NULL) {
		op->link = link;
		op->node = n == NULL ? NONE : index_of(c, n);
	}
}

void outbox_broadcast(struct cluster *c, enum bus_type type, enum cluster_target target)
{
	struct cluster_op *op = push_send(c, type);

	if (op != NULL) {
		op->target = target;
	}
}

void outbox_fail(struct cluster *c, struct cnode *about)
{
	struct cluster_op *op = push_send(c, BUS_FAIL);

	if (op != NULL) {
		op->target = TO_ALL;
		op->about = index_of(c, about);
	}
}

void outbox_auth_request(struct cluster *c, bool force)
{
	struct cluster_op *op = push_send(c, BUS_AUTH_REQUEST);

	if (op != NULL) {
		op->target = TO_ALL;
		op->mflags = force ? BUS_FORCEACK : 0;
	}
}

void outbox_update_on(struct cluster *c, uint64_t link, struct cnode *n, struct cnode *about)
{
	struct cluster_op *op = push_send(c, BUS_UPDATE);

	if (op == NULL) {
		return;
	}
	MARK(c, UPDATE_SENT);
	op->link = link;
	op->node = index_of(c, n);
	op->about = index_of(c, about);
}

void outbox_update(struct cluster *c, struct cnode *n, struct cnode *about)
{
	if (n->link_state == LINK_UP) {
		outbox_update_on(c, n->link, n, about);
	}
}

static bool is_target(const struct cluster *c, const struct cnode *n, enum cluster_target target)
{
	const struct cnode *me = self(c);

	if (!n->used || n->doomed || n == me || n->link_state != LINK_UP ||
	    has_flag(n, NODE_HANDSHAKE)) {
		return false;
	}
	switch (target) {
	case TO_ALL:
		return true;
	case TO_SHARD:
		return n == claimant(c) || n->primary == index_of(c, claimant(c));
	case TO_SIBLINGS:
		return me->primary != NONE && n->primary == me->primary;
	case TO_VOTERS:
		return gossip_hears_suspicion(c, n);
	case TO_LINK:
		break;
	}
	return false;
}

/* What every message says of this node. */
static void fill_header(const struct cluster *c, const struct cluster_op *op, struct bus_header *h)
{
	const struct cluster_settings *s = &c->settings;
	const struct cnode *me = self(c);
	const struct cnode *p = claimant(c);

	memset(h, 0, sizeof *h);
	h->type = (uint16_t)op->type;
	h->flags = (uint16_t)me->flags;
	h->mflags = op->mflags;
	if (manual_failover_shows_pause(c)) {
		h->mflags |= BUS_PAUSED;
	}
	h->state_fail = !c->health.ok;
	h->cairn = true;
	h->history_epoch = c->engine.history_epoch;
	h->current_epoch = c->current_epoch;
	h->config_epoch = p->config_epoch;
	h->offset = c->engine.offset;
	h->sender = me->id;
	if (is_replica(me) && me->primary != NONE) {
		h->primary = c->nodes[me->primary].id;
	}
	h->slots = &p->slots;
	memcpy(h->addr.ip, s->announce.ip, sizeof h->addr.ip);
	h->addr.port = s->announce.port != 0 ? s->announce.port : s->addr.port;
	h->addr.other_port =
	    s->announce.other_port != 0 ? s->announce.other_port : s->addr.other_port;
	h->addr.bus_port = s->announce.bus_port != 0 ? s->announce.bus_port : s->addr.bus_port;
}

static size_t encode(struct cluster *c, const struct cluster_op *op, struct cnode *to, uint8_t *buf)
{
	struct bus_header h;
	struct slot_bits slots;

	fill_header(c, op, &h);
	if (op->type == BUS_PING || op->type == BUS_PONG || op->type == BUS_MEET) {
		/* Extensions follow only if they are asked for, but that they could is always said.
		 */
		h.mflags |= BUS_EXT_DATA;
	}
	bus_put_header(buf, &h);
	c->sent[op->type]++;
	switch (op->type) {
	case BUS_PING:
	case BUS_PONG:
	case BUS_MEET:
		return gossip_fill(c, to, buf);
	case BUS_FAIL:
		return bus_put_fail(buf, &c->nodes[op->about].id);
	case BUS_UPDATE:
		slot_map_advertised(c, &c->nodes[op->about], &slots);
		return bus_put_update(buf, c->nodes[op->about].config_epoch,
				      &c->nodes[op->about].id, &slots);
	case BUS_PUBLISH:
	case BUS_PUBLISHSHARD:
		return bus_put_publish(buf, c->publish_channel, c->publish_payload);
	case BUS_AUTH_REQUEST:
	case BUS_AUTH_ACK:
	case BUS_MFSTART:
	case BUS_MODULE:
	case BUS_TYPES:
		break;
	}
	return BUS_HEADER_LEN;
}

bool cluster_send_next(struct cluster *c, const struct cluster_op *op,
		       struct cluster_send_cursor *cursor, uint8_t *buf, size_t cap, uint64_t *link,
		       size_t *len)
{
	INVARIANT(op->kind == OP_SEND);
	INVARIANT(cap >= cluster_message_max(c) || op->type == BUS_PUBLISH ||
		  op->type == BUS_PUBLISHSHARD);
	if (op->target == TO_LINK) {
		struct cnode *to = op->node == NONE ? NULL : &c->nodes[op->node];

		if (cursor->next++ > 0) {
			return false;
		}
		*link = op->link;
		*len = encode(c, op, to, buf);
		return true;
	}
	while (cursor->next < c->nodes_high) {
		struct cnode *to = &c->nodes[cursor->next++];

		if (is_target(c, to, op->target)) {
			*link = to->link;
			*len = encode(c, op, to, buf);
			return true;
		}
	}
	return false;
}
