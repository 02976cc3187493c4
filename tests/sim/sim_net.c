/* The simulated network: connections are ordered pipes, as TCP's are. Nothing is lost or reordered
 * within one; it can be slow, stuck, cut in one direction, or break. What was on its way when a
 * connection was closed still arrives, so a node may hear an old message after a newer one that
 * came on its other link. */
#include "tests/sim/sim.h"

#include <stdlib.h>

enum { LATENCY_US_MIN = 100, LATENCY_US_MAX = 1500, RETRY_US = 150000 };

static uint64_t latency(struct sim *s)
{
	uint64_t r = rng_next(&s->rng);
	uint64_t us = LATENCY_US_MIN + r % (LATENCY_US_MAX - LATENCY_US_MIN);

	/* Now and then a segment is lost and sent again. */
	if (s->opts.faults.delays && (r >> 40) % 512 == 0) {
		us += 200 * SIM_MS;
	}
	return us;
}

static bool passes(const struct sim *s, unsigned from, unsigned to)
{
	return s->cut[from * s->node_count + to] == 0;
}

static uint64_t held(const struct sim *s, unsigned from, unsigned to)
{
	return s->hold_until_us[from * s->node_count + to];
}

bool sim_path_open(const struct sim *s, unsigned a, unsigned b)
{
	return passes(s, a, b) && passes(s, b, a) && held(s, a, b) <= s->now_us &&
	       held(s, b, a) <= s->now_us;
}

static struct sim_message *take_message(struct sim *s, size_t len)
{
	unsigned size_class = len <= 2560 ? 0 : len <= 4608 ? 1 : len <= 16384 ? 2 : 3;
	static const size_t caps[3] = {2560, 4608, 16384};
	struct sim_message *m = size_class < 3 ? s->spare[size_class] : NULL;
	size_t cap = size_class < 3 ? caps[size_class] : len;

	if (m != NULL) {
		s->spare[size_class] = m->next;
	} else {
		m = malloc(sizeof *m + cap);
		if (m == NULL) {
			abort();
		}
		m->cap = cap;
	}
	m->next = NULL;
	m->len = len;
	return m;
}

static void give_message(struct sim *s, struct sim_message *m)
{
	unsigned size_class = m->cap == 2560 ? 0 : m->cap == 4608 ? 1 : m->cap == 16384 ? 2 : 3;

	if (size_class == 3) {
		free(m);
		return;
	}
	m->next = s->spare[size_class];
	s->spare[size_class] = m;
}

static unsigned new_link(struct sim *s)
{
	unsigned at;

	if (s->free_count > 0) {
		at = s->free_links[--s->free_count];
	} else {
		if (s->link_count == s->link_cap) {
			s->link_cap = s->link_cap == 0 ? 256 : s->link_cap * 2;
			s->links = realloc(s->links, s->link_cap * sizeof *s->links);
			s->free_links = realloc(s->free_links, s->link_cap * sizeof *s->free_links);
			if (s->links == NULL || s->free_links == NULL) {
				abort();
			}
		}
		at = s->link_count++;
	}
	memset(&s->links[at], 0, sizeof s->links[at]);
	s->links[at].used = true;
	s->links[at].serial = ++s->link_serial;
	return at;
}

static void release_if_dead(struct sim *s, unsigned at)
{
	struct sim_link *l = &s->links[at];

	if (!l->used || !l->closed[0] || !l->closed[1]) {
		return;
	}
	for (int side = 0; side < 2; side++) {
		while (l->first[side] != NULL) {
			struct sim_message *m = l->first[side];

			l->first[side] = m->next;
			give_message(s, m);
		}
	}
	l->used = false;
	s->free_links[s->free_count++] = at;
}

static unsigned find_link(const struct sim *s, const struct sim_node *n, uint64_t id, int *side)
{
	unsigned at;

	if ((id & CLUSTER_LINK_INBOUND) != 0) {
		at = (unsigned)(id & 0xffffff);
		*side = 1;
	} else {
		unsigned place = (unsigned)(id & 0xffff);

		if (place >= SIM_NODES_MAX || n->out_link[place] == 0) {
			return UINT32_MAX;
		}
		at = n->out_link[place] - 1;
		*side = 0;
	}
	if (at >= s->link_count || !s->links[at].used || s->links[at].id[*side] != id ||
	    s->links[at].node[*side] != n->index || s->links[at].boot[*side] != n->boot ||
	    s->links[at].closed[*side]) {
		return UINT32_MAX;
	}
	return at;
}

void sim_net_connect(struct sim *s, struct sim_node *n, uint64_t id, const char *ip)
{
	unsigned to = sim_find_address(s, ip);
	unsigned at = new_link(s);
	struct sim_link *l = &s->links[at];

	l->node[0] = n->index;
	l->node[1] = to;
	l->boot[0] = n->boot;
	l->id[0] = id;
	l->closed[1] = true; /* until it accepts */
	n->out_link[id & 0xffff] = at + 1;
	sim_push(s, s->now_us + 2 * latency(s), SIM_EV_CONNECT, at, 0, l->serial);
}

void sim_net_close(struct sim *s, struct sim_node *n, uint64_t id)
{
	int side;
	unsigned at = find_link(s, n, id, &side);
	struct sim_link *l;
	uint64_t when;

	if (at == UINT32_MAX) {
		return;
	}
	l = &s->links[at];
	l->closed[side] = true;
	if (!l->closed[!side] && !l->broken) {
		/* The end arrives after what was sent before it. */
		when = s->now_us + latency(s);
		if (when < l->last_us[!side]) {
			when = l->last_us[!side];
		}
		sim_push(s, when, SIM_EV_DOWN, at, (unsigned)!side, l->serial);
	}
	release_if_dead(s, at);
}

void sim_net_send(struct sim *s, struct sim_node *n, uint64_t id, const uint8_t *bytes, size_t len)
{
	int side;
	unsigned at = find_link(s, n, id, &side);
	struct sim_link *l;
	struct sim_message *m;
	uint64_t when;
	int to;

	s->messages++;
	s->bytes += len;
	if (at == UINT32_MAX || !s->links[at].open || s->links[at].broken ||
	    s->links[at].closed[!side]) {
		return;
	}
	l = &s->links[at];
	to = !side;
	when = s->now_us + latency(s);
	if (when < held(s, n->index, l->node[to])) {
		when = held(s, n->index, l->node[to]);
	}
	if (side == 1 && when < s->slow_until_us[n->index * s->node_count + l->node[to]]) {
		when = s->slow_until_us[n->index * s->node_count + l->node[to]];
	}
	if (when <= l->last_us[to]) {
		when = l->last_us[to] + 1;
	}
	m = take_message(s, len);
	memcpy(m->bytes, bytes, len);
	m->arrive_us = when;
	l->last_us[to] = when;
	if (l->first[to] == NULL) {
		l->first[to] = m;
	} else {
		l->last[to]->next = m;
	}
	l->last[to] = m;
	sim_push(s, when, SIM_EV_ARRIVE, at, (unsigned)to, l->serial);
}

/* Tells one side that its connection is over. */
static void tell_down(struct sim *s, unsigned at, unsigned side)
{
	struct sim_link *l = &s->links[at];
	struct sim_node *n = &s->nodes[l->node[side]];
	uint64_t id = l->id[side];
	bool lives = n->alive && n->boot == l->boot[side] && !l->closed[side];

	l->closed[side] = true;
	release_if_dead(s, at);
	if (lives) {
		struct cluster_event ev = {.kind = CLUSTER_EV_LINK_DOWN, .link = id};

		sim_step(s, n, &ev);
	}
}

static void connected(struct sim *s, unsigned at)
{
	struct sim_link *l = &s->links[at];
	struct sim_node *from = &s->nodes[l->node[0]];
	struct sim_node *to = l->node[1] < s->node_count ? &s->nodes[l->node[1]] : NULL;
	struct cluster_event ev = {.kind = CLUSTER_EV_LINK_UP, .link = l->id[0]};

	if (l->closed[0] || !from->alive || from->boot != l->boot[0]) {
		l->closed[0] = true;
		release_if_dead(s, at);
		return;
	}
	if (to == NULL || (!to->alive && to->host_up && passes(s, from->index, to->index) &&
			   passes(s, to->index, from->index))) {
		tell_down(s, at, 0); /* refused */
		return;
	}
	if (!to->alive || !passes(s, from->index, to->index) ||
	    !passes(s, to->index, from->index)) {
		sim_push(s, s->now_us + RETRY_US, SIM_EV_CONNECT, at, 0, l->serial);
		return;
	}
	l->open = true;
	l->closed[1] = false;
	l->boot[1] = to->boot;
	l->id[1] = CLUSTER_LINK_INBOUND | (uint64_t)l->serial << 24 | at;
	sim_step(s, from, &ev);
}

static void arrive(struct sim *s, unsigned at, unsigned side)
{
	struct sim_link *l = &s->links[at];
	struct sim_node *n = &s->nodes[l->node[side]];
	struct sim_node *peer = &s->nodes[l->node[!side]];
	struct sim_message *m = l->first[side];
	char peer_ip[NODE_IP_CAP];
	char local_ip[NODE_IP_CAP];
	struct cluster_event ev = {.kind = CLUSTER_EV_MESSAGE};

	if (m == NULL) {
		return;
	}
	if (!passes(s, peer->index, n->index)) {
		sim_push(s, s->now_us + RETRY_US, SIM_EV_ARRIVE, at, side, l->serial);
		return;
	}
	l->first[side] = m->next;
	if (n->alive && n->boot == l->boot[side] && !l->closed[side]) {
		(void)snprintf(peer_ip, sizeof peer_ip, "10.0.%u.%u", peer->address >> 8,
			       peer->address & 255);
		(void)snprintf(local_ip, sizeof local_ip, "10.0.%u.%u", n->address >> 8,
			       n->address & 255);
		ev.message.link = l->id[side];
		ev.message.bytes = slice_of(m->bytes, m->len);
		ev.message.peer_ip = peer_ip;
		ev.message.local_ip = local_ip;
		if ((side == 0 && m->bytes[13] == BUS_PONG) || m->bytes[13] == BUS_AUTH_ACK) {
			n->answer_us[peer->index] = s->now_us;
		}
		sim_check_arrival(s, n, peer->index, m->bytes, m->len);
		sim_step(s, n, &ev);
	}
	give_message(s, m);
}

void sim_net_event(struct sim *s, const struct sim_event *ev)
{
	struct sim_link *l = &s->links[ev->a];

	if (!l->used || l->serial != ev->id) {
		return;
	}
	if (ev->kind == SIM_EV_CONNECT) {
		connected(s, ev->a);
	} else if (ev->kind == SIM_EV_ARRIVE) {
		arrive(s, ev->a, ev->b);
	} else if (!passes(s, l->node[!ev->b], l->node[ev->b]) || l->first[ev->b] != NULL) {
		/* The end comes after everything that was sent before it. */
		sim_push(s, s->now_us + RETRY_US, SIM_EV_DOWN, ev->a, ev->b, ev->id);
	} else {
		tell_down(s, ev->a, ev->b);
	}
}

/* A process ends: its peers are told, or (silent) hear nothing until it is back. */
void sim_net_drop_node(struct sim *s, unsigned node, bool silent)
{
	for (unsigned at = 0; at < s->link_count; at++) {
		struct sim_link *l = &s->links[at];

		for (unsigned side = 0; l->used && side < 2; side++) {
			if (l->node[side] != node || l->boot[side] != s->nodes[node].boot ||
			    l->closed[side]) {
				continue;
			}
			l->closed[side] = true;
			if (!l->closed[!side]) {
				uint64_t when = s->now_us + latency(s);

				l->broken = true;
				if (when < l->last_us[!side]) {
					when = l->last_us[!side];
				}
				/* A host that is gone answers nothing; its peers' kernels find out
				 * much later. */
				when += silent ? 60 * SIM_S : 0;
				sim_push(s, when, SIM_EV_DOWN, at, !side, l->serial);
			}
			release_if_dead(s, at);
		}
	}
}

void sim_net_free(struct sim *s)
{
	for (unsigned at = 0; at < s->link_count; at++) {
		s->links[at].closed[0] = s->links[at].closed[1] = true;
		release_if_dead(s, at);
	}
	for (int i = 0; i < 3; i++) {
		while (s->spare[i] != NULL) {
			struct sim_message *m = s->spare[i];

			s->spare[i] = m->next;
			free(m);
		}
	}
	free(s->links);
	free(s->free_links);
}
