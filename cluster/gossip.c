/* Pings and hearsay. */
#include "cluster/gossip.h"

#include "cluster/failure.h"
#include "cluster/handshake.h"
#include "cluster/health.h"
#include "cluster/node_table.h"
#include "cluster/outbox.h"
#include "cluster/role.h"

enum {
	RANDOM_PING_EVERY_MS = 1000,
	RANDOM_PING_SAMPLE = 5,
	ENTRIES_MIN = 3,
	WITNESSES_ENOUGH = 16,
	FUTURE_MS_MAX = 500,
	MEET_EVERY_MS_MIN = 1000,
};

/* Flags that may be told to others, and believed of a node not seen yet. */
#define FLAGS_TOLD                                                                                 \
	(NODE_PRIMARY | NODE_REPLICA | NODE_PFAIL | NODE_FAIL | NODE_NOADDR | NODE_MIGRATE_TO |    \
	 NODE_NOFAILOVER)
#define FLAGS_BELIEVED (NODE_PRIMARY | NODE_REPLICA | NODE_MIGRATE_TO | NODE_NOFAILOVER)

static uint64_t ping_interval_ms(const struct cluster *c)
{
	const struct cluster_settings *s = &c->settings;

	return s->ping_interval_ms != 0 ? s->ping_interval_ms : s->node_timeout_ms / 2;
}

/* An operator introduced this node, it answers me, but it never speaks to me: it lost its half of
 * the introduction. A node that was forgotten on purpose looks the same, so this ends soon. */
static bool meet_is_due(const struct cluster *c, const struct cnode *n)
{
	uint64_t every = c->settings.node_timeout_ms > MEET_EVERY_MS_MIN
			     ? c->settings.node_timeout_ms
			     : MEET_EVERY_MS_MIN;

	return !n->heard && c->now_ms < n->meet_until_ms && c->now_ms - n->meet_ms > every &&
	       !has_flag(n, NODE_HANDSHAKE);
}

static void reconnect(struct cluster *c, struct cnode *n)
{
	if (n->link_state != LINK_NONE || c->now_ms < n->retry_ms) {
		return;
	}
	outbox_connect(c, n);
}

static void tick_node(struct cluster *c, struct cnode *n)
{
	uint64_t timeout = c->settings.node_timeout_ms;
	uint64_t half = timeout / 2;
	const struct cnode *me = self(c);

	reconnect(c, n);
	if (has_flag(n, NODE_HANDSHAKE)) {
		return;
	}
	if (n->link_state != LINK_NONE && c->now_ms - n->link_ms > timeout && n->ping_ms != 0 &&
	    c->now_ms - n->ping_ms > half && c->now_ms - n->data_ms > half) {
		/* Perhaps only the connection is dead. */
		outbox_close(c, n);
		reconnect(c, n);
		return;
	}
	if (n->link_state != LINK_UP) {
		if (n->ping_ms == 0 && c->now_ms - n->pong_ms > ping_interval_ms(c)) {
			/* A ping would be due: silence counts from now on. */
			n->ping_ms = c->now_ms;
		}
		return;
	}
	if (meet_is_due(c, n)) {
		MARK(c, MEET_REPEATED);
		n->flags |= NODE_MEET;
		n->meet_ms = c->now_ms;
		outbox_ping(c, n);
		n->flags &= ~(unsigned)NODE_MEET;
		return;
	}
	if (n->ping_ms == 0 &&
	    (c->now_ms - n->pong_ms > ping_interval_ms(c) ||
	     (is_voter(me) && is_voter(n) && c->now_ms - n->answered_ms > half))) {
		/* A voter's own answer is what lets me write; hearsay of it is not enough. */
		outbox_ping(c, n);
	} else if (c->manual.end_ms != 0 && c->manual.replica == index_of(c, n)) {
		outbox_ping(c, n);
	}
}

static void ping_a_random_node(struct cluster *c)
{
	struct cnode *oldest = NULL;

	for (int i = 0; i < RANDOM_PING_SAMPLE; i++) {
		struct cnode *n = &c->nodes[rng_below(&c->rng, c->nodes_high)];

		if (n->used && n != self(c) && n->link_state == LINK_UP && n->ping_ms == 0 &&
		    !has_flag(n, NODE_HANDSHAKE) &&
		    (oldest == NULL || n->pong_ms < oldest->pong_ms)) {
			oldest = n;
		}
	}
	if (oldest != NULL) {
		outbox_ping(c, oldest);
	}
}

void gossip_tick(struct cluster *c)
{
	if (role_rests(c)) {
		return;
	}
	FOR_EACH_NODE(c, n)
	{
		if (n != self(c) && !has_flag(n, NODE_NOADDR) && n->addr.ip[0] != '\0') {
			tick_node(c, n);
		}
	}
	if (c->now_ms >= c->next_random_ping_ms) {
		c->next_random_ping_ms = c->now_ms + RANDOM_PING_EVERY_MS;
		ping_a_random_node(c);
	}
}

void gossip_ping_voters(struct cluster *c)
{
	FOR_EACH_NODE(c, n)
	{
		if (n != self(c) && is_voter(n)) {
			outbox_ping(c, n);
		}
	}
}

void gossip_ping_primaries(struct cluster *c)
{
	FOR_EACH_NODE(c, n)
	{
		if (n != self(c) && is_primary(n) && (is_voter(n) || !PLANTED(153))) {
			outbox_ping(c, n);
		}
	}
}

static unsigned entries_wanted(const struct cluster *c)
{
	unsigned wanted = c->nodes_count / 10;
	unsigned others = c->nodes_count > 2 ? c->nodes_count - 2 : 0;

	wanted = wanted < ENTRIES_MIN ? ENTRIES_MIN : wanted;
	return wanted < others ? wanted : others;
}

size_t gossip_message_max(const struct cluster *c)
{
	return BUS_HEADER_LEN + (size_t)c->nodes_max * BUS_GOSSIP_LEN + BUS_EXT_HEAD_LEN +
	       NODE_HOSTNAME_CAP + 8 + BUS_EXT_HEAD_LEN + NODE_NAME_CAP + 8 +
	       (size_t)FORGOTTEN_MAX * BUS_FORGOTTEN_LEN + BUS_SHARD_LEN;
}

static void tell(struct cluster *c, struct cnode *n, unsigned more, uint8_t *buf, unsigned *count)
{
	struct bus_gossip g;

	n->stamp = c->stamp;
	g.id = n->id;
	g.ping_sent_s = (uint32_t)(wall_of(c, n->ping_ms) / 1000);
	g.pong_s = (uint32_t)(wall_of(c, n->pong_ms) / 1000);
	g.addr = n->addr;
	g.flags = (uint16_t)((n->flags & FLAGS_TOLD) | more);
	bus_put_gossip(buf + BUS_HEADER_LEN + (size_t)*count * BUS_GOSSIP_LEN, &g);
	(*count)++;
}

static size_t put_extensions(struct cluster *c, const struct cnode *to, uint8_t *at,
			     unsigned *count)
{
	uint8_t *start = at;

	if (c->settings.hostname[0] != '\0') {
		at += bus_put_hostname(at, c->settings.hostname);
		(*count)++;
	}
	if (to == NULL || !to->ext) {
		/* Redis 7.0 knows no others, and logs a line for each. */
		return (size_t)(at - start);
	}
	if (c->settings.name[0] != '\0') {
		at += bus_put_nodename(at, c->settings.name);
		(*count)++;
	}
	for (uint32_t i = 0; i < c->forgotten_count; i++) {
		if (c->forgotten[i].commanded && c->forgotten[i].until_ms > c->now_ms) {
			at += bus_put_forgotten(at, &c->forgotten[i].id,
						(c->forgotten[i].until_ms - c->now_ms) / 1000);
			(*count)++;
		}
	}
	if (!node_id_empty(&self(c)->shard)) {
		at += bus_put_shard(at, &self(c)->shard);
		(*count)++;
	}
	return (size_t)(at - start);
}

size_t gossip_fill(struct cluster *c, struct cnode *to, uint8_t *buf)
{
	unsigned wanted = entries_wanted(c);
	unsigned count = 0;
	unsigned exts = 0;
	size_t len;

	c->stamp++;
	self(c)->stamp = c->stamp;
	if (to != NULL) {
		to->stamp = c->stamp;
		bool disputed = failure_contested(c, to) || health_unsure(c, to);

		if ((has_flag(to, NODE_PFAIL | NODE_FAIL) || disputed) &&
		    !has_flag(to, NODE_HANDSHAKE)) {
			/* Who doubts a node says so to its face: it must not take the answer for
			 * support. (A Redis passes over entries about itself.) */
			tell(c, to, disputed ? NODE_CONTESTED : 0, buf, &count);
		}
	}
	for (unsigned tries = wanted * 3; tries > 0 && count < wanted; tries--) {
		struct cnode *n = &c->nodes[rng_below(&c->rng, c->nodes_high)];

		if (!n->used || n->doomed || n->stamp == c->stamp ||
		    has_flag(n, NODE_PFAIL | NODE_HANDSHAKE | NODE_NOADDR) ||
		    (n->link_state == LINK_NONE && n->slots_count == 0)) {
			continue;
		}
		tell(c, n, 0, buf, &count);
	}
	FOR_EACH_NODE(c, n)
	{
		if (has_flag(n, NODE_PFAIL) && !has_flag(n, NODE_HANDSHAKE | NODE_NOADDR) &&
		    n->stamp != c->stamp) {
			tell(c, n, 0, buf, &count);
		}
	}
	len = BUS_HEADER_LEN + (size_t)count * BUS_GOSSIP_LEN;
	len += put_extensions(c, to, buf + len, &exts);
	bus_msg_seal(buf, len, count, exts);
	return len;
}

static uint64_t pair_hash(const struct cnode *a, const struct cnode *b)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (int i = 0; i < NODE_ID_LEN; i++) {
		h = (h ^ (uint8_t)a->id.text[i]) * 0x100000001b3u;
		h = (h ^ (uint8_t)b->id.text[i]) * 0x100000001b3u;
	}
	return h ^ h >> 29;
}

bool gossip_hears_suspicion(const struct cluster *c, const struct cnode *n)
{
	if (is_voter(n) && c->voters <= WITNESSES_ENOUGH) {
		return true;
	}
	FOR_EACH_NODE(c, suspect)
	{
		if (!has_flag(suspect, NODE_PFAIL)) {
			continue;
		}
		if (n->primary == index_of(c, suspect) ||
		    (is_voter(n) && pair_hash(suspect, n) % c->voters < WITNESSES_ENOUGH)) {
			return true;
		}
	}
	return false;
}

/* Hearsay of a pong spares a ping of mine, unless anybody has doubts. */
static void believe_pong(struct cluster *c, struct cnode *n, const struct bus_gossip *g)
{
	uint64_t wall = (uint64_t)g->pong_s * 1000;
	uint64_t at;

	if (n->ping_ms != 0 || failure_reports(c, n) > 0 || wall > c->wall_ms + FUTURE_MS_MAX) {
		return;
	}
	at = wall >= c->wall_ms ? c->now_ms : c->now_ms - (c->wall_ms - wall);
	if (at <= c->now_ms && at > n->pong_ms && !PLANTED(129)) {
		n->pong_ms = at;
	}
}

/* In a large cluster two nodes may live on hearsay of each other for minutes. It spares a ping only
 * as long as it says what I know; not that its word for a role is taken. */
static void ask_for_role(struct cluster *c, struct cnode *n, const struct bus_gossip *g)
{
	bool replica = (g->flags & NODE_REPLICA) != 0;

	if (replica != is_replica(n) && n->link_state == LINK_UP && n->ping_ms == 0 &&
	    c->now_ms - n->data_ms > 2 * (uint64_t)c->settings.node_timeout_ms &&
	    !has_flag(n, NODE_HANDSHAKE) && !role_rests(c) && !PLANTED(155)) {
		outbox_ping(c, n);
	}
}

static void merge_known(struct cluster *c, struct cnode *n, const struct bus_gossip *g,
			struct cnode *sender)
{
	bool fails = (g->flags & (NODE_PFAIL | NODE_FAIL)) != 0;

	if (sender != NULL && is_primary(sender) && sender != n) {
		failure_report(c, n, sender, fails);
	}
	if (!fails && !has_flag(n, NODE_PFAIL | NODE_FAIL)) {
		ask_for_role(c, n, g);
		believe_pong(c, n, g);
	}
	if (!fails && has_flag(n, NODE_PFAIL | NODE_FAIL) && (g->flags & NODE_NOADDR) == 0 &&
	    sender != NULL) {
		struct node_addr addr = g->addr;

		handshake_address(c, n, &addr);
	}
}

static void merge_stranger(struct cluster *c, const struct bus_gossip *g)
{
	unsigned flags = g->flags & FLAGS_BELIEVED;
	struct cnode *n;

	if ((g->flags & NODE_NOADDR) != 0 || g->addr.ip[0] == '\0' || g->addr.bus_port == 0 ||
	    (g->flags & NODE_HANDSHAKE) != 0) {
		return;
	}
	if (node_is_forgotten(c, &g->id)) {
		MARK(c, BLACKLISTED);
		return;
	}
	if ((flags & NODE_REPLICA) != 0) {
		flags &= ~(unsigned)(NODE_PRIMARY | NODE_MIGRATE_TO);
	} else {
		flags |= NODE_PRIMARY;
	}
	n = node_add(c, &g->id, flags);
	if (n != NULL) {
		n->addr = g->addr;
		NOTE(c, "%.*s at %s:%u heard of", SHORT(n), n->addr.ip, n->addr.port);
		need_persist(c, PERSIST_SAVE);
	}
}

unsigned gossip_merge(struct cluster *c, const struct bus_msg *m, struct cnode *sender)
{
	unsigned of_me = 0;

	for (unsigned i = 0; i < m->h.gossip_count; i++) {
		struct bus_gossip g;
		struct cnode *n;

		if (!bus_msg_gossip(m, i, &g)) {
			continue;
		}
		n = node_find(c, &g.id);
		if (n == self(c)) {
			of_me = g.flags & (NODE_PFAIL | NODE_FAIL | NODE_CONTESTED);
		} else if (n != NULL) {
			merge_known(c, n, &g, sender);
		} else if (sender != NULL) {
			merge_stranger(c, &g);
		}
	}
	return of_me;
}
