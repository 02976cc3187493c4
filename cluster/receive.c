/* Messages and links: from bytes to the module whose subject they are.
 *
 * A message is decoded whole before any of it is believed. No node is freed while a message is
 * handled: removed ones keep their place until the end of the step. */
#include "cluster/receive.h"

#include "cluster/election.h"
#include "cluster/epoch.h"
#include "cluster/failure.h"
#include "cluster/gossip.h"
#include "cluster/handshake.h"
#include "cluster/health.h"
#include "cluster/manual_failover.h"
#include "cluster/migration.h"
#include "cluster/node_table.h"
#include "cluster/outbox.h"
#include "cluster/role.h"
#include "cluster/slot_map.h"

#include <inttypes.h>

enum { BACKOFF_MS = 100, BACKOFF_DOUBLINGS = 5, NEWS_MAX = 64 };

struct incoming {
	const struct cluster_event *ev;
	struct bus_msg m;
	struct cnode *sender;	/* NULL: not known */
	struct cnode *outbound; /* not NULL: came on my link to that node */
};

static bool carries_gossip(const struct incoming *in)
{
	return in->m.h.type == BUS_PING || in->m.h.type == BUS_PONG || in->m.h.type == BUS_MEET;
}

static void sender_address(const struct incoming *in, struct node_addr *out)
{
	const char *peer = in->ev->message.peer_ip;
	size_t len = peer == NULL ? 0 : strlen(peer);

	*out = in->m.h.addr;
	if (out->ip[0] == '\0' && len > 0 && len < NODE_IP_CAP && node_text_safe(peer, len + 1)) {
		/* What stands behind an empty text is anything. */
		memset(out->ip, 0, sizeof out->ip);
		memcpy(out->ip, peer, len);
	}
}

/* Binds the link to the node that speaks on it; an older one of its links is closed. */
static void bind_inbound(struct cluster *c, struct incoming *in)
{
	struct cnode *n = in->sender;
	uint64_t link = in->ev->message.link;

	if (n->inbound == link) {
		return;
	}
	if (n->inbound != 0) {
		outbox_close_id(c, n->inbound);
	}
	n->inbound = link;
}

/* Finds out who speaks. False: the message is not to be looked at further. */
static bool resolve(struct cluster *c, struct incoming *in)
{
	uint64_t link = in->ev->message.link;

	if ((link & CLUSTER_LINK_INBOUND) == 0) {
		in->outbound = node_by_link(c, link);
		if (in->outbound == NULL) {
			return false; /* closed by me while this was on its way */
		}
		if (has_flag(in->outbound, NODE_HANDSHAKE)) {
			return true;
		}
		if (!node_id_eq(&in->outbound->id, &in->m.h.sender)) {
			if (carries_gossip(in)) {
				handshake_mismatch(c, in->outbound);
			}
			return false;
		}
		in->sender = in->outbound;
	} else {
		in->sender = node_find(c, &in->m.h.sender);
		if (in->sender != NULL && has_flag(in->sender, NODE_HANDSHAKE)) {
			in->sender = NULL; /* a made-up id that somebody guessed */
		}
		if (in->sender != NULL && in->sender != self(c)) {
			bind_inbound(c, in);
		}
	}
	return true;
}

/* What every message of a known node says. False: it is not credible. */
static bool learn_header(struct cluster *c, struct incoming *in)
{
	const struct bus_header *h = &in->m.h;
	struct cnode *n = in->sender;

	n->data_ms = c->now_ms;
	if (!epoch_learn(c, n, h)) {
		return false;
	}
	n->offset = h->offset;
	n->offset_ms = c->now_ms;
	n->cairn = h->cairn;
	n->history_epoch = h->history_epoch;
	n->paused = (h->mflags & BUS_PAUSED) != 0;
	manual_failover_saw_header(c, n);
	return true;
}

/* What was won since the sender's newest epoch, on the link of the answer and ahead of it. Else it
 * takes the answers of those whose seats were taken for a majority's, together with mine. */
static void tell_news(struct cluster *c, struct incoming *in)
{
	unsigned told = 0;

	if (!in->sender->cairn || !is_voter(in->sender) || !is_voter(self(c)) || PLANTED(144)) {
		return;
	}
	FOR_EACH_NODE(c, n)
	{
		if (told < NEWS_MAX && n != in->sender && n != self(c) && is_voter(n) && n->heir &&
		    n->config_epoch > in->m.h.current_epoch) {
			outbox_update_on(c, in->ev->message.link, in->sender, n);
			told++;
		}
	}
}

static void answer_ping(struct cluster *c, struct incoming *in)
{
	struct node_addr addr;

	handshake_learn_my_ip(c, in->ev->message.local_ip, in->m.h.type == BUS_MEET);
	if (in->sender == NULL && in->m.h.type == BUS_MEET && in->outbound == NULL) {
		sender_address(in, &addr);
		if (addr.ip[0] != '\0' && addr.bus_port != 0) {
			handshake_start(c, &addr, false);
			(void)gossip_merge(c, &in->m, NULL);
		}
	}
	if (in->sender != NULL && in->sender != self(c) &&
	    in->m.h.current_epoch < c->current_epoch) {
		tell_news(c, in);
	}
	/* Strangers get an answer too: that is how they find out who is here. */
	outbox_reply(c, in->ev->message.link, BUS_PONG, in->sender);
	if (in->sender != NULL && in->outbound == NULL && in->sender != self(c)) {
		in->sender->heard = true;
	}
}

/* A message that was overtaken by a newer one of its sender, on its other link: what it says of
 * role and slots is history. Not for ever, since a node may be reset. Who owns slots and becomes a
 * replica was replaced in a newer epoch, and says so: an older one is that of the primary that it
 * followed before it was elected. */
static bool is_overtaken(const struct cluster *c, const struct incoming *in)
{
	const struct cnode *n = in->sender;

	return (node_id_empty(&in->m.h.primary) || (n->slots_count > 0 && !PLANTED(146))) &&
	       in->m.h.config_epoch < n->config_epoch && n->epoch_ms != 0 &&
	       c->now_ms - n->epoch_ms < c->settings.node_timeout_ms;
}

static void learn_primary(struct cluster *c, struct incoming *in)
{
	struct cnode *n = in->sender;

	n->epoch_ms = c->now_ms;
	if (is_replica(n) || !is_primary(n)) {
		NOTE(c, "%.*s is a primary now (epoch %" PRIu64 ")", SHORT(n),
		     in->m.h.config_epoch);
		node_set_primary_role(c, n);
		failure_outlived(c, n);
		need_persist(c, PERSIST_SAVE);
		c->up->routes_changed = true;
	}
}

static void learn_replica(struct cluster *c, struct incoming *in)
{
	struct cnode *n = in->sender;
	struct cnode *p = node_find(c, &in->m.h.primary);

	if (p == n) {
		return;
	}
	if (!is_replica(n)) {
		NOTE(c, "%.*s is a replica now, of %.*s", SHORT(n), 8, in->m.h.primary.text);
		/* Who copies has lost its slots; until their new owner speaks nobody serves them.
		 */
		if (PLANTED(116)) {
			(void)slot_map_unbind_all(c, n);
		} else {
			slot_map_abandon(c, n);
		}
		node_set_replica_role(c, n, p);
		need_persist(c, PERSIST_SAVE);
		c->up->routes_changed = true;
	} else if (p != NULL && n->primary != index_of(c, p)) {
		node_set_replica_role(c, n, p);
		need_persist(c, PERSIST_SAVE);
		c->up->routes_changed = true;
	}
}

/* Somebody was told to forget a node. What comes late, or from who has not heard that the node was
 * introduced again since, must not undo that. */
static void learn_forgotten(struct cluster *c, struct cnode *by, const struct node_id *id,
			    uint64_t ttl_s)
{
	struct cnode *gone = node_find(c, id);

	if (gone == NULL || gone == self(c) || gone == by || gone == claimant(c) ||
	    has_flag(gone, NODE_HANDSHAKE) || ttl_s == 0 ||
	    (gone->met_ms != 0 && c->now_ms - gone->met_ms < FORGET_TTL_MS)) {
		return;
	}
	NOTE(c, "%.*s forgotten, as %.*s was told", SHORT(gone), SHORT(by));
	node_forget(c, id, ttl_s < FORGET_TTL_MS / 1000 ? ttl_s * 1000 : FORGET_TTL_MS, false);
	node_remove(c, gone);
	need_persist(c, PERSIST_SAVE);
}

static void learn_extensions(struct cluster *c, struct incoming *in)
{
	struct slice rest = in->m.exts;
	struct cnode *n = in->sender;
	char hostname[NODE_HOSTNAME_CAP] = {0};
	char name[NODE_NAME_CAP] = {0};
	struct node_id id;
	struct bus_ext e;
	uint64_t ttl_s;
	bool shard = false;

	n->ext = (in->m.h.mflags & BUS_EXT_DATA) != 0;
	while (bus_ext_next(&rest, &e)) {
		if (e.type == BUS_EXT_HOSTNAME) {
			(void)bus_ext_hostname(&e, hostname);
		} else if (e.type == BUS_EXT_NODENAME) {
			(void)bus_ext_nodename(&e, name);
		} else if (e.type == BUS_EXT_SHARD_ID && bus_ext_shard(&e, &id)) {
			shard = true;
			if (!node_id_eq(&n->shard, &id)) {
				n->shard = id;
				need_persist(c, PERSIST_SAVE);
			}
			if (is_replica(self(c)) && n == claimant(c)) {
				self(c)->shard = id;
			}
		} else if (e.type == BUS_EXT_FORGOTTEN && bus_ext_forgotten(&e, &id, &ttl_s)) {
			learn_forgotten(c, n, &id, ttl_s);
		}
	}
	if (!shard && is_replica(n) && n->primary != NONE) {
		n->shard = c->nodes[n->primary].shard;
	}
	if (strcmp(n->hostname, hostname) != 0) {
		memcpy(n->hostname, hostname, sizeof hostname);
		need_persist(c, PERSIST_SAVE);
		c->up->routes_changed = true;
	}
	if (strcmp(n->name, name) != 0) {
		memcpy(n->name, name, sizeof name);
		need_persist(c, PERSIST_SAVE);
	}
}

static void pong_came(struct cluster *c, struct incoming *in, unsigned of_me)
{
	struct cnode *n = in->outbound;

	n->pong_ms = c->now_ms;
	if (n->pings > 0) {
		n->pings--;
	}
	if (n->pings == 0 && n->ping_ms != 0) {
		/* Pongs come in the order of the pings: this one answers the newest. */
		health_answered(c, n, n->ping_last_ms, of_me);
	}
	n->ping_ms = n->pings == 0 ? 0 : n->ping_last_ms;
	n->failures = 0;
	failure_answered(c, n);
}

static void learn_state(struct cluster *c, struct incoming *in)
{
	const struct bus_header *h = &in->m.h;
	struct cnode *n = in->sender;
	unsigned nofailover = h->flags & NODE_NOFAILOVER;
	struct node_addr addr;
	unsigned of_me;

	n->flags = (n->flags & ~(unsigned)NODE_NOFAILOVER) | nofailover;
	if (h->type == BUS_PING && in->outbound == NULL) {
		sender_address(in, &addr);
		handshake_address(c, n, &addr);
	}
	if (is_overtaken(c, in)) {
		MARK(c, ROLE_CLAIM_STALE);
	} else if (node_id_empty(&h->primary)) {
		learn_primary(c, in);
		slot_map_claim(c, n, h->config_epoch, h->slots);
	} else {
		learn_replica(c, in);
		failure_contest_lost(c, n);
	}
	role_follow_grand_primary(c);
	if (!PLANTED(121)) {
		slot_map_advise(c, n, h->config_epoch, h->slots);
	}
	epoch_resolve_collision(c, n);
	of_me = gossip_merge(c, &in->m, n);
	if (of_me != 0) {
		health_doubted(c, n, of_me);
	}
	learn_extensions(c, in);
	if (h->type == BUS_PONG && in->outbound != NULL) {
		pong_came(c, in, of_me);
	}
}

static void receive_gossip(struct cluster *c, struct incoming *in)
{
	if (in->m.h.type != BUS_PONG) {
		answer_ping(c, in);
	}
	if (in->outbound != NULL && has_flag(in->outbound, NODE_HANDSHAKE)) {
		in->sender = handshake_complete(c, in->outbound, &in->m.h);
		if (in->sender == NULL || !learn_header(c, in)) {
			return;
		}
	}
	if (in->sender != NULL && in->sender != self(c)) {
		learn_state(c, in);
		if (in->m.h.type != BUS_PONG && !has_flag(in->sender, NODE_PFAIL | NODE_FAIL)) {
			in->sender->supported_ms = c->now_ms;
		}
	}
}

/* My slots went to a node that I was told to forget: I cannot follow it, but the cluster does, so
 * two would take writes for one slot until I may know it again. */
static void lost_to_unknown(struct cluster *c, const struct incoming *in)
{
	const struct cnode *me = self(c);

	if (is_voter(me) && in->m.epoch > me->config_epoch &&
	    slot_bits_meet(&me->slots, in->m.slots) && epoch_credible(c, in->sender, in->m.epoch) &&
	    !PLANTED(150)) {
		health_deposed(c);
	}
}

static void receive_update(struct cluster *c, struct incoming *in)
{
	struct cnode *n = node_find(c, &in->m.id);

	if (n == NULL) {
		lost_to_unknown(c, in);
		return;
	}
	if (n == self(c) || has_flag(n, NODE_HANDSHAKE) || in->m.epoch <= n->config_epoch ||
	    !epoch_credible(c, in->sender, in->m.epoch)) {
		return;
	}
	MARK(c, UPDATE_APPLIED);
	NOTE(c, "%.*s tells that %.*s has epoch %" PRIu64, SHORT(in->sender), SHORT(n),
	     in->m.epoch);
	if (is_replica(n)) {
		node_set_primary_role(c, n);
	}
	n->config_epoch = in->m.epoch;
	if (!PLANTED(149)) {
		n->epoch_ms = c->now_ms; /* what it said of itself before is overtaken too */
	}
	if (n->config_epoch > c->current_epoch) {
		c->current_epoch = n->config_epoch;
	}
	need_persist(c, PERSIST_SYNC);
	slot_map_claim(c, n, in->m.epoch, in->m.slots);
	if (n == claimant(c)) {
		/* What refused this replica's candidacy is known now. */
		election_retry_soon(c);
	}
}

static void receive_fail(struct cluster *c, struct incoming *in)
{
	struct cnode *n = node_find(c, &in->m.id);

	if (n == self(c)) {
		health_doubted(c, in->sender, NODE_FAIL);
	} else if (n != NULL && !has_flag(n, NODE_HANDSHAKE)) {
		failure_told(c, n, in->sender);
	}
}

static void dispatch(struct cluster *c, struct incoming *in)
{
	switch ((enum bus_type)in->m.h.type) {
	case BUS_PING:
	case BUS_PONG:
	case BUS_MEET:
		receive_gossip(c, in);
		return;
	case BUS_FAIL:
		receive_fail(c, in);
		return;
	case BUS_AUTH_REQUEST:
		election_request(c, in->sender, &in->m.h);
		return;
	case BUS_AUTH_ACK:
		election_ack(c, in->sender, &in->m.h);
		return;
	case BUS_UPDATE:
		receive_update(c, in);
		return;
	case BUS_MFSTART:
		manual_failover_asked(c, in->sender);
		return;
	case BUS_PUBLISH:
	case BUS_PUBLISHSHARD:
		c->up->publish = true;
		c->up->publish_sharded = in->m.h.type == BUS_PUBLISHSHARD;
		c->up->publish_channel = in->m.channel;
		c->up->publish_payload = in->m.payload;
		return;
	case BUS_MODULE: /* Cairn has no modules */
	case BUS_TYPES:
		return;
	}
}

void receive_message(struct cluster *c, const struct cluster_event *ev)
{
	struct incoming in = {.ev = ev};
	enum status st = bus_msg_decode(ev->message.bytes, &in.m);

	if (st != ST_OK) {
		MARK(c, BAD_MESSAGE);
		if (st == ST_CORRUPT) {
			struct cnode *n = node_by_link(c, ev->message.link);

			DEBUG(c, "a damaged message: its link is closed");
			if (n != NULL && (ev->message.link & CLUSTER_LINK_INBOUND) == 0) {
				outbox_close(c, n);
			} else {
				receive_link_down(c, ev->message.link);
				outbox_close_id(c, ev->message.link);
			}
		}
		return;
	}
	c->received[in.m.h.type]++;
	if (!resolve(c, &in)) {
		return;
	}
	if (in.sender != NULL && in.sender != self(c) && !learn_header(c, &in)) {
		return;
	}
	if (carries_gossip(&in)) {
		receive_gossip(c, &in);
	} else if (in.sender != NULL && in.sender != self(c)) {
		dispatch(c, &in);
	}
}

void receive_link_up(struct cluster *c, uint64_t link)
{
	struct cnode *n = node_by_link(c, link);

	if (n == NULL || n->link_state != LINK_CONNECTING) {
		return;
	}
	n->link_state = LINK_UP;
	n->link_ms = c->now_ms;
	/* A ping that is pending stays so with its time: reconnecting is no sign of life. */
	if (PLANTED(122)) {
		n->ping_ms = 0;
	}
	outbox_ping(c, n);
}

void receive_link_down(struct cluster *c, uint64_t link)
{
	struct cnode *n;
	uint64_t wait = 0;

	if ((link & CLUSTER_LINK_INBOUND) != 0) {
		n = node_by_inbound(c, link);
		if (n != NULL) {
			n->inbound = 0;
		}
		return;
	}
	n = node_by_link(c, link);
	if (n == NULL) {
		return;
	}
	if (n->link_state == LINK_CONNECTING) {
		/* Ever longer pauses, a different one for each, or all knock on a dead door at
		 * once. */
		unsigned doublings =
		    n->failures < BACKOFF_DOUBLINGS ? n->failures : BACKOFF_DOUBLINGS;

		wait = (uint64_t)BACKOFF_MS << doublings;
		if (wait > c->settings.node_timeout_ms / 4) {
			wait = c->settings.node_timeout_ms / 4;
		}
		wait = wait / 2 + rng_below(&c->rng, wait / 2 + 1);
		n->failures++;
	}
	n->link_state = LINK_NONE;
	n->link = 0;
	n->pings = 0;
	n->retry_ms = c->now_ms + wait;
	if (n->ping_ms == 0 && !has_flag(n, NODE_HANDSHAKE)) {
		/* Whether it still lives is asked at once, and the time counts from now. */
		n->ping_ms = c->now_ms;
	}
	if (wait == 0 && !c->silent && !has_flag(n, NODE_NOADDR)) {
		outbox_connect(c, n);
	}
}
