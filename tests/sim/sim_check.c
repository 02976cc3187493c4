/* The invariants, numbered as in the documentation of the cluster layer. None of them believes the
 * core where the world knows better: what was durable, what arrived, who suspected whom. */
#include "tests/sim/sim.h"

#include "cluster/cluster_view.h"

#include "engine/base/bytes.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

enum { COLLISION_US = 5 * 1000000, TICK_SLACK_MS = 110 };

void sim_broken(struct sim *s, const char *fmt, ...)
{
	va_list args;

	if (s->violations++ > 0) {
		return;
	}
	va_start(args, fmt);
	(void)vsnprintf(s->violation, sizeof s->violation, fmt, args);
	va_end(args);
	sim_say(s, "BROKEN: %s", s->violation);
}

static uint64_t timeout_us(const struct sim *s)
{
	return s->opts.timeout_ms * SIM_MS;
}

/* C2: no two nodes win one epoch by election. */
static void check_won(struct sim *s, const struct sim_node *n, uint64_t epoch)
{
	for (size_t i = 0; i < s->won_count; i++) {
		/* TAKEOVERs on both sides of a cut make two voting sets, and each its own winners.
		 */
		if (s->won[i].epoch == epoch && !s->opts.faults.equal_epochs) {
			sim_broken(s, "C2: nodes %u and %u both won epoch %" PRIu64, s->won[i].node,
				   n->index, epoch);
			return;
		}
	}
	if (s->won_count == s->won_cap) {
		s->won_cap = s->won_cap == 0 ? 64 : s->won_cap * 2;
		s->won = realloc(s->won, s->won_cap * sizeof *s->won);
		if (s->won == NULL) {
			abort();
		}
	}
	s->won[s->won_count++] = (struct sim_won){.epoch = epoch, .node = n->index};
}

/* C7: who is elected has a complete copy that is not too old; and a manual failover loses nothing.
 */
static void check_elected(struct sim *s, const struct sim_node *n, bool complete,
			  uint64_t last_io_us, bool manual, unsigned before, uint64_t lsn)
{
	const struct cluster_settings *cfg = &n->cfg.settings;
	uint64_t limit = (uint64_t)cfg->repl_ping_period_s * SIM_S +
			 timeout_us(s) * cfg->replica_validity_factor + timeout_us(s) + 2 * SIM_S;

	if (!complete) {
		sim_broken(s, "C7: node %u was elected without a complete copy", n->index);
	}
	if (!manual && (last_io_us == 0 || s->now_us - last_io_us > limit)) {
		sim_broken(s, "C7: node %u was elected with data that is too old", n->index);
	}
	if (manual && before < s->node_count) {
		const struct sim_node *old = &s->nodes[before];

		if (old->alive && old->engine.primary && old->engine.paused &&
		    old->engine.lsn != lsn) {
			sim_broken(s,
				   "manual failover from node %u to %u lost writes (%" PRIu64
				   ", %" PRIu64 ")",
				   before, n->index, old->engine.lsn, lsn);
		}
	}
}

/* C3 for this node's own epochs. */
static void check_epochs(struct sim *s, struct sim_node *n)
{
	const struct cluster *c = n->c;
	uint64_t config = self(c)->config_epoch;

	if (c->current_epoch < n->seen_current || config < n->seen_config) {
		sim_broken(s,
			   "C3: an epoch of node %u fell (%" PRIu64 " < %" PRIu64 ", %" PRIu64
			   " < %" PRIu64 ")",
			   n->index, c->current_epoch, n->seen_current, config, n->seen_config);
	}
	if (config > c->current_epoch || c->last_vote_epoch > c->current_epoch) {
		sim_broken(
		    s, "C3: node %u: config %" PRIu64 " or vote %" PRIu64 " above current %" PRIu64,
		    n->index, config, c->last_vote_epoch, c->current_epoch);
	}
	n->seen_current = c->current_epoch;
	n->seen_config = is_primary(self(c)) ? config : n->seen_config;
}

void sim_check_arrival(struct sim *s, struct sim_node *n, unsigned from, const uint8_t *bytes,
		       size_t len)
{
	struct bus_msg m = {0};
	unsigned count = bytes_get_u16be(bytes + 14);

	if (n->told_us == NULL || bytes[13] > BUS_MEET) {
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		struct bus_gossip g;
		unsigned about;

		if (bytes[BUS_HEADER_LEN + i * BUS_GOSSIP_LEN + 99] % 16 < NODE_PFAIL) {
			continue;
		}
		if (m.gossip.data == NULL && bus_msg_decode(slice_of(bytes, len), &m) != ST_OK) {
			return;
		}
		if (!bus_msg_gossip(&m, i, &g)) {
			continue;
		}
		about = sim_find_id(s, &g.id);
		if (about < s->node_count) {
			n->told_us[from * s->node_count + about] = s->now_us;
		}
	}
}

/* sim_find_id for an entry of a node's table, which is mostly who it was the last time. */
static unsigned node_at(const struct sim *s, struct sim_node *n, const struct cnode *x)
{
	unsigned *known = &n->index_of[index_of(n->c, x)];

	if (*known >= s->node_count || s->nodes[*known].c == NULL ||
	    !node_id_eq(&self(s->nodes[*known].c)->id, &x->id)) {
		*known = sim_find_id(s, &x->id);
	}
	return *known;
}

/* FAIL takes a majority of the voting set that did suspect, not long ago. */
static void check_majority(struct sim *s, struct sim_node *n, bool agreed)
{
	const struct cluster *c = n->c;

	FOR_EACH_NODE(c, x)
	{
		unsigned at;
		unsigned witnesses = 0;

		uint16_t place = index_of(c, x);
		bool fresh = has_flag(x, NODE_FAIL) && !n->failed[place];

		n->failed[place] = has_flag(x, NODE_FAIL);
		if (!fresh || !agreed) {
			continue;
		}
		at = sim_find_id(s, &x->id);
		FOR_EACH_NODE(c, voter)
		{
			unsigned who = is_voter(voter) ? node_at(s, n, voter) : SIM_NODES_MAX;
			uint64_t told = who < s->node_count && at < s->node_count
					    ? n->told_us[who * s->node_count + at]
					    : 0;

			if (voter == self(c) ||
			    (told != 0 && s->now_us - told < 2 * timeout_us(s) + SIM_S)) {
				witnesses++;
			}
		}
		if (at < s->node_count && witnesses < c->voters / 2 + 1) {
			sim_broken(s, "node %u calls %u failed with %u witnesses of %u", n->index,
				   at, witnesses, c->voters);
		}
	}
}

void sim_check_step(struct sim *s, struct sim_node *n, const struct cluster_update *up)
{
	const struct cluster *c = n->c;
	uint64_t majority = cluster_mark_count(c, MARK_FAIL_BY_MAJORITY);
	uint64_t told = cluster_mark_count(c, MARK_FAIL_BY_MESSAGE);

	check_epochs(s, n);
	if (n->told_us != NULL && (majority != n->majority_marks || up->routes_changed)) {
		check_majority(s, n, majority != n->majority_marks && told == n->told_marks);
		n->majority_marks = majority;
		n->told_marks = told;
	}
	if (up->role_changed && up->role.reason == ROLE_ELECTED) {
		check_won(s, n, up->role.epoch);
		s->failovers++;
	}
	if (cluster_mark_count(c, MARK_OPS_FULL) > 0) {
		sim_broken(s, "the outbox of node %u ran full", n->index);
	}
}

/* The engine is asked before it learns of the new role. */
void sim_check_promotion(struct sim *s, struct sim_node *n, const struct cluster_update *up)
{
	if (up->role_changed && up->role.reason == ROLE_ELECTED) {
		const struct sim_engine *e = &n->engine;

		check_elected(s, n, e->complete, e->last_io_us, n->asked_by_force,
			      n->forced ? SIM_NODES_MAX : e->follows, e->lsn);
	}
}

/* C1 and C6: what leaves is durable, and nobody votes twice in an epoch. */
void sim_check_send(struct sim *s, struct sim_node *n, const uint8_t *bytes, size_t len)
{
	unsigned type = bytes[13];
	uint64_t current = bytes_get_u64be(bytes + 16);
	uint64_t config = bytes_get_u64be(bytes + 24);

	if (bytes[2128] == 0 && config > n->durable_config) {
		sim_broken(s, "C6: node %u tells config epoch %" PRIu64 ", durable is %" PRIu64,
			   n->index, config, n->durable_config);
	}
	if (type == BUS_AUTH_ACK) {
		if (n->durable_vote < current) {
			sim_broken(s, "C6: node %u votes in epoch %" PRIu64 ", durable is %" PRIu64,
				   n->index, current, n->durable_vote);
		}
		if (n->voted_epoch >= current) {
			sim_broken(s, "C1: node %u votes again in epoch %" PRIu64, n->index,
				   current);
		}
		n->voted_epoch = current;
	}
	if (type == BUS_AUTH_REQUEST) {
		n->asked_by_force = (bytes[2253] & BUS_FORCEACK) != 0;
		if (n->durable_vote < current || n->durable_current < current) {
			sim_broken(s,
				   "C6: node %u asks for votes in epoch %" PRIu64
				   " that is not durable",
				   n->index, current);
		}
	}
	(void)len;
}

/* C3 over restarts. */
void sim_check_boot(struct sim *s, struct sim_node *n)
{
	if (n->c->last_vote_epoch < n->voted_epoch) {
		sim_broken(s, "C1: node %u forgot its vote in epoch %" PRIu64, n->index,
			   n->voted_epoch);
	}
	if (is_primary(self(n->c)) && self(n->c)->config_epoch < n->seen_config) {
		sim_broken(s, "C3: node %u forgot its config epoch %" PRIu64, n->index,
			   n->seen_config);
	}
	if (!is_primary(self(n->c))) {
		n->seen_config = 0; /* a replica's own one is not kept */
	}
	memset(n->failed, 0, n->cfg.nodes_max * sizeof *n->failed);
	memset(n->epoch_serial, 0, n->cfg.nodes_max * sizeof *n->epoch_serial);
}

static bool reaches(const struct sim *s, unsigned a, unsigned b)
{
	const struct sim_node *x = &s->nodes[a];
	const struct sim_node *y = &s->nodes[b];

	return x->alive && y->alive && x->blocked_until_us <= s->now_us &&
	       y->blocked_until_us <= s->now_us && sim_path_open(s, a, b);
}

static bool know_each_other(const struct sim *s, unsigned a, unsigned b)
{
	const struct cluster *x = s->nodes[a].c;
	const struct cluster *y = s->nodes[b].c;

	for (uint16_t i = 0; i < cluster_view_places(x); i++) {
		if (x->nodes[i].used && node_id_eq(&x->nodes[i].id, &self(y)->id)) {
			return x->nodes[i].link_state == LINK_UP;
		}
	}
	return false;
}

/* C4: two that hear each other do not keep one config epoch. */
static void check_equal_epochs(struct sim *s, unsigned a, unsigned b)
{
	const struct cnode *x = self(s->nodes[a].c);
	const struct cnode *y = self(s->nodes[b].c);
	uint64_t *since = &s->equal_since_us[a * s->node_count + b];
	uint64_t limit =
	    COLLISION_US > timeout_us(s) + SIM_S ? COLLISION_US : timeout_us(s) + SIM_S;

	if (!is_primary(x) || !is_primary(y) || x->slots_count == 0 || y->slots_count == 0 ||
	    x->config_epoch != y->config_epoch || !reaches(s, a, b) || !know_each_other(s, a, b) ||
	    !know_each_other(s, b, a)) {
		*since = 0;
		return;
	}
	if (*since == 0) {
		*since = s->now_us;
	} else if (s->now_us - *since > limit) {
		sim_broken(s, "C4: nodes %u and %u keep config epoch %" PRIu64 "%s", a, b,
			   x->config_epoch,
			   slot_bits_meet(&x->slots, &y->slots) ? " and claim the same slots" : "");
	}
}

/* C5: two that accept writes for one slot: never after a clean cut, else not for long. */
static void check_writers(struct sim *s, unsigned a, unsigned b, const bool *writes)
{
	uint64_t *since = &s->writer_since_us[a * s->node_count + b];

	if (!writes[a] || !writes[b] || s->opts.faults.equal_epochs ||
	    !slot_bits_meet(&self(s->nodes[a].c)->slots, &self(s->nodes[b].c)->slots)) {
		*since = 0;
		return;
	}
	if (*since == 0) {
		*since = s->now_us;
	}
	if (!s->unclean) {
		sim_broken(s, "C5: nodes %u and %u both accept writes for one slot", a, b);
	} else if (s->now_us - *since > 2 * timeout_us(s) + 2 * SIM_S) {
		sim_broken(s, "C5: nodes %u and %u both accept writes since %" PRIu64 " ms", a, b,
			   (s->now_us - *since) / SIM_MS);
	}
}

/* C5: whoever accepts writes heard from a majority of its voting set within NODE_TIMEOUT. */
static bool check_lease(struct sim *s, struct sim_node *n)
{
	const struct cluster *c = n->c;
	struct cluster_view_info info;
	unsigned heard = 1;
	uint64_t limit = timeout_us(s) + TICK_SLACK_MS * SIM_MS;

	cluster_view_info(c, sim_local_ms(s, n), &info);
	if (!info.may_write || !info.ok) {
		return false;
	}
	FOR_EACH_NODE(c, v)
	{
		unsigned at = is_voter(v) && v != self(c) ? node_at(s, n, v) : SIM_NODES_MAX;

		heard += at < s->node_count && n->answer_us[at] != 0 &&
			 s->now_us - n->answer_us[at] <= limit;
	}
	if (heard < info.size / 2 + 1) {
		sim_broken(s, "C5: node %u accepts writes having heard %u of %u voters", n->index,
			   heard, info.size);
	}
	return !n->engine.pause_asked;
}

/* C3 for what a node knows of others. */
static void check_known_epochs(struct sim *s, struct sim_node *n)
{
	FOR_EACH_NODE(n->c, x)
	{
		uint16_t at = index_of(n->c, x);

		if (n->epoch_serial[at] == x->serial && x->config_epoch < n->epoch_of[at] &&
		    x != self(n->c)) {
			sim_broken(s,
				   "C3: node %u lets the epoch of %.8s fall from %" PRIu64
				   " to %" PRIu64,
				   n->index, x->id.text, n->epoch_of[at], x->config_epoch);
		}
		n->epoch_serial[at] = x->serial;
		n->epoch_of[at] = x->config_epoch;
	}
}

/* Whether any two of those who accept writes claim one slot: mostly not, and then no pair needs to
 * be looked at. */
static bool writers_meet(const struct sim *s, const bool *writes)
{
	struct slot_bits all = {0};

	for (unsigned i = 0; i < s->node_count; i++) {
		const struct slot_bits *bits = writes[i] ? &self(s->nodes[i].c)->slots : NULL;

		if (bits == NULL) {
			continue;
		}
		if (slot_bits_meet(&all, bits)) {
			return true;
		}
		for (int at = 0; at < SLOT_BITS_LEN; at++) {
			all.byte[at] = (uint8_t)(all.byte[at] | bits->byte[at]);
		}
	}
	return false;
}

void sim_check_periodic(struct sim *s)
{
	static bool writes[SIM_NODES_MAX];
	bool meet;

	if (s->node_count > 64 && s->now_us / (100 * SIM_MS) % 50 != 0) {
		return;
	}
	for (unsigned i = 0; i < s->node_count; i++) {
		struct sim_node *n = &s->nodes[i];

		writes[i] = false;
		if (n->alive && n->blocked_until_us <= s->now_us) {
			check_known_epochs(s, n);
			writes[i] = check_lease(s, n);
		}
	}
	meet = writers_meet(s, writes);
	for (unsigned a = 0; a < s->node_count; a++) {
		for (unsigned b = a + 1; b < s->node_count; b++) {
			check_equal_epochs(s, a, b);
			if (meet) {
				check_writers(s, a, b, writes);
			} else {
				s->writer_since_us[a * s->node_count + b] = 0;
			}
		}
	}
}

static void check_view(struct sim *s, unsigned i)
{
	const struct cluster *c = s->nodes[i].c;
	struct cluster_view_info info;

	cluster_view_info(c, s->nodes[i].local_ms, &info);
	if (!info.ok || info.slots_ok != SLOTS) {
		unsigned slot = 0;

		while (slot < SLOTS - 1 && c->owner[slot] != NONE &&
		       is_primary(&c->nodes[c->owner[slot]]) &&
		       !has_flag(&c->nodes[c->owner[slot]], NODE_FAIL)) {
			slot++;
		}
		sim_broken(s, "C8: node %u: state %s, %u slots ok, %u assigned; slot %u is of %.8s",
			   i, info.ok ? "ok" : "fail", info.slots_ok, info.slots_assigned, slot,
			   c->owner[slot] == NONE ? "nobody" : c->nodes[c->owner[slot]].id.text);
	}
	if (info.known_nodes != s->node_count) {
		sim_broken(s, "C8: node %u knows %u of %u nodes", i, info.known_nodes,
			   s->node_count);
	}
	if (is_voter(self(c)) && !info.may_write) {
		sim_broken(s, "C8: node %u may not write", i);
	}
	FOR_EACH_NODE(c, n)
	{
		unsigned at = sim_find_id(s, &n->id);
		const struct cnode *truth;

		if (at == SIM_NODES_MAX) {
			sim_broken(s, "C8: node %u knows %.8s, which is nobody", i, n->id.text);
			return;
		}
		truth = self(s->nodes[at].c);
		if (has_flag(n, NODE_PFAIL | NODE_FAIL | NODE_HANDSHAKE | NODE_NOADDR)) {
			sim_broken(s,
				   "C8: node %u holds %u for failed (flags %u, link %d for %" PRIu64
				   " ms, ping pending %" PRIu64 " ms, data %" PRIu64 " ms ago)",
				   i, at, n->flags, (int)n->link_state, c->now_ms - n->link_ms,
				   n->ping_ms == 0 ? 0 : c->now_ms - n->ping_ms,
				   c->now_ms - n->data_ms);
		}
		if (memcmp(&n->slots, &truth->slots, sizeof n->slots) != 0) {
			sim_broken(s, "C8: nodes %u and %u differ about the slots of %u", i, at,
				   at);
		}
		if (is_primary(n) != is_primary(truth)) {
			sim_broken(s, "C8: node %u is mistaken about the role of %u", i, at);
		}
	}
}

/* C12: a replica follows a primary. C8: and has its data. */
static void check_replica(struct sim *s, unsigned i)
{
	const struct sim_node *n = &s->nodes[i];
	const struct cnode *me = self(n->c);
	unsigned at;

	if (is_primary(me)) {
		return;
	}
	at = me->primary == NONE ? SIM_NODES_MAX : sim_find_id(s, &n->c->nodes[me->primary].id);
	if (at == SIM_NODES_MAX || !is_primary(self(s->nodes[at].c))) {
		sim_broken(s, "C12: node %u replicates %u, which is no primary", i, at);
	} else if (!n->engine.linked || n->engine.follows != at) {
		sim_broken(s, "C8: node %u does not get data from %u", i, at);
	}
}

void sim_check_converged(struct sim *s)
{
	for (unsigned i = 0; i < s->node_count && s->violations == 0; i++) {
		if (!s->nodes[i].alive) {
			sim_broken(s, "C8: node %u is down", i);
			return;
		}
		check_view(s, i);
		check_replica(s, i);
	}
	for (unsigned a = 0; a < s->node_count && s->violations == 0; a++) {
		for (unsigned b = a + 1; b < s->node_count; b++) {
			const struct cnode *x = self(s->nodes[a].c);
			const struct cnode *y = self(s->nodes[b].c);

			if (is_primary(x) && is_primary(y) && x->config_epoch == y->config_epoch) {
				sim_broken(s, "C8: primaries %u and %u have one config epoch", a,
					   b);
			}
		}
	}
}
