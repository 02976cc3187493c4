/* The toy engine: an LSN that grows while this node may write, and replication that compares
 * histories as Cairn's does: go on from the fork point, or copy everything, which takes a while. */
#include "tests/sim/sim.h"

#include "cluster/cluster_view.h"

enum { TICK_US_MIN = 40000, TICK_US_MAX = 120000, LAG_STEPS = 3 };

/* The last LSN that two histories share. */
static uint64_t fork_point(const struct sim_engine *a, const struct sim_engine *b)
{
	uint64_t shared = 0;
	uint64_t lsn = a->lsn < b->lsn ? a->lsn : b->lsn;

	for (unsigned i = 0; i < a->history.count && i < b->history.count; i++) {
		uint64_t end_a =
		    i + 1 < a->history.count ? a->history.first_lsn[i + 1] - 1 : a->lsn;
		uint64_t end_b =
		    i + 1 < b->history.count ? b->history.first_lsn[i + 1] - 1 : b->lsn;

		if (a->history.epoch[i] != b->history.epoch[i] ||
		    a->history.first_lsn[i] != b->history.first_lsn[i]) {
			break;
		}
		shared = end_a < end_b ? end_a : end_b;
		if (end_a != end_b) {
			break;
		}
	}
	return shared < lsn ? shared : lsn;
}

static void begin_timeline(struct sim_engine *e, uint64_t epoch)
{
	struct sim_history *h = &e->history;

	if (h->count == SIM_HISTORY_MAX) {
		memmove(h->epoch, h->epoch + 1, sizeof h->epoch[0] * (SIM_HISTORY_MAX - 1));
		memmove(h->first_lsn, h->first_lsn + 1,
			sizeof h->first_lsn[0] * (SIM_HISTORY_MAX - 1));
		h->count--;
	}
	h->epoch[h->count] = epoch;
	h->first_lsn[h->count] = e->lsn + 1;
	h->count++;
}

void sim_engine_role(struct sim *s, struct sim_node *n, const struct cluster_update *up)
{
	struct sim_engine *e = &n->engine;

	if (up->flush_data) {
		e->lsn = 0;
		e->history.count = 0;
		e->complete = true;
	}
	e->linked = false;
	n->role_since_us = s->now_us;
	if (up->role.primary) {
		if (!e->primary || e->history.count == 0) {
			begin_timeline(e, up->role.epoch);
		}
		e->primary = true;
		e->complete = true;
		e->follows = SIM_NODES_MAX;
		return;
	}
	e->primary = false;
	e->follows = node_id_empty(&up->role.primary_id) ? SIM_NODES_MAX
							 : sim_find_id(s, &up->role.primary_id);
}

void sim_engine_report(struct sim *s, struct sim_node *n)
{
	const struct sim_engine *e = &n->engine;
	struct cluster_event ev = {.kind = CLUSTER_EV_ENGINE};
	uint64_t ago_ms = (s->now_us - e->last_io_us) / SIM_MS;
	uint64_t local = sim_local_ms(s, n);

	ev.engine.offset = e->lsn;
	ev.engine.history_epoch =
	    e->history.count == 0 ? 0 : e->history.epoch[e->history.count - 1];
	ev.engine.last_io_ms = e->last_io_us == 0 ? 0 : (local > ago_ms ? local - ago_ms : 1);
	ev.engine.link_up = e->linked;
	ev.engine.can_stand = e->complete;
	ev.engine.paused = e->paused;
	sim_step(s, n, &ev);
}

static void replicate(struct sim *s, struct sim_node *n)
{
	struct sim_engine *e = &n->engine;
	const struct sim_node *from = e->follows < s->node_count ? &s->nodes[e->follows] : NULL;
	uint64_t fork;

	if (from == NULL || !from->alive || from->blocked_until_us > s->now_us ||
	    !from->engine.complete || from == n || !sim_path_open(s, n->index, from->index)) {
		e->linked = false;
		e->copying_until_us = 0;
		return;
	}
	e->last_io_us = s->now_us;
	if (e->copying_until_us > s->now_us) {
		return;
	}
	if (!e->linked || e->copying_until_us != 0) {
		fork = fork_point(e, &from->engine);
		if (e->copying_until_us == 0 && fork < e->lsn && rng_below(&s->rng, 2) == 0) {
			/* Too much to be taken back: a full copy. */
			e->complete = false;
			e->lsn = 0;
			e->history.count = 0;
			e->copying_until_us = s->now_us + rng_below(&s->rng, 2 * SIM_S);
			return;
		}
		if (e->copying_until_us == 0 && fork < e->lsn) {
			s->lost_writes += e->lsn - fork;
		}
		e->copying_until_us = 0;
		e->linked = true;
		e->complete = true;
		e->lsn = e->history.count == 0 ? from->engine.lsn : fork;
	}
	e->history = from->engine.history;
	if (e->lsn < from->engine.lsn) {
		uint64_t behind = from->engine.lsn - e->lsn;

		e->lsn +=
		    rng_below(&s->rng, LAG_STEPS) == 0 ? rng_below(&s->rng, behind + 1) : behind;
	}
	if (e->lsn > from->engine.lsn) {
		e->lsn = from->engine.lsn;
	}
}

void sim_engine_tick(struct sim *s, struct sim_node *n)
{
	struct sim_engine *e = &n->engine;
	struct cluster_view_info info;

	if (e->primary) {
		cluster_view_info(n->c, sim_local_ms(s, n), &info);
		if (info.may_write && info.ok && !e->pause_asked && !e->paused) {
			uint64_t writes = rng_below(&s->rng, 4);

			e->lsn += writes;
			s->writes += writes;
		}
		e->paused = e->pause_asked;
	} else {
		replicate(s, n);
	}
	sim_engine_report(s, n);
	sim_push(s, s->now_us + TICK_US_MIN + rng_below(&s->rng, TICK_US_MAX - TICK_US_MIN),
		 SIM_EV_ENGINE, n->index, 0, n->boot);
}
