/* Manual failover, both sides. */
#include "cluster/manual_failover.h"

#include "cluster/outbox.h"

#include <inttypes.h>

static void pause_writes(struct cluster *c, bool paused)
{
	if (c->paused != paused) {
		c->paused = paused;
		c->engine.paused = false; /* until the engine says so */
		c->up->pause_changed = true;
		c->up->paused = paused;
		c->up->routes_changed = true;
	}
}

void manual_failover_reset(struct cluster *c)
{
	pause_writes(c, false);
	memset(&c->manual, 0, sizeof c->manual);
	c->manual.replica = NONE;
}

bool manual_failover_shows_pause(const struct cluster *c)
{
	return is_primary(self(c)) && c->paused && (c->engine.paused || PLANTED(131));
}

static void begin(struct cluster *c)
{
	manual_failover_reset(c);
	c->manual.end_ms = c->now_ms + MANUAL_TIMEOUT_MS;
	MARK(c, MANUAL_STARTED);
}

void manual_failover_start(struct cluster *c, bool force)
{
	struct cnode *p = claimant(c);

	begin(c);
	/* An attempt that is under way was made under other rules. */
	if (!PLANTED(104)) {
		memset(&c->election, 0, sizeof c->election);
	}
	if (force) {
		NOTE(c, "forced failover of %.*s", SHORT(p));
		c->manual.can_start = true;
	} else {
		NOTE(c, "manual failover of %.*s asked for", SHORT(p));
		outbox_send(c, p, BUS_MFSTART);
	}
}

static struct cnode *best_replica(const struct cluster *c)
{
	struct cnode *best = NULL;

	FOR_EACH_NODE(c, r)
	{
		if (!is_replica(r) || r->primary != SELF || !r->cairn || r->link_state != LINK_UP ||
		    has_flag(r, NODE_PFAIL | NODE_FAIL | NODE_NOFAILOVER)) {
			continue;
		}
		if (best == NULL || r->offset > best->offset ||
		    (r->offset == best->offset &&
		     memcmp(r->id.text, best->id.text, NODE_ID_LEN) < 0)) {
			best = r;
		}
	}
	return best;
}

void manual_failover_hand_over(struct cluster *c)
{
	struct cnode *best =
	    is_primary(self(c)) && self(c)->slots_count > 0 ? best_replica(c) : NULL;

	if (best == NULL) {
		NOTE(c, "nobody to hand over to");
		c->up->handover = HANDOVER_FAILED;
		return;
	}
	begin(c);
	MARK(c, HANDOVER_STARTED);
	NOTE(c, "handing over to %.*s", SHORT(best));
	c->manual.handover = true;
	c->manual.replica = index_of(c, best);
	pause_writes(c, true);
	outbox_send(c, best, BUS_MFSTART);
}

void manual_failover_asked(struct cluster *c, struct cnode *by)
{
	const struct cnode *me = self(c);
	bool handover = c->manual.handover;

	if (is_replica(me) && me->primary == index_of(c, by)) {
		if (by->cairn && c->manual.end_ms == 0) {
			NOTE(c, "%.*s wants to hand over to me", SHORT(by));
			manual_failover_start(c, false);
		}
		return;
	}
	if (!is_primary(me) || by->primary != SELF) {
		return;
	}
	NOTE(c, "manual failover asked for by %.*s: writes are paused", SHORT(by));
	if (!handover) {
		begin(c);
	}
	c->manual.end_ms = c->now_ms + MANUAL_TIMEOUT_MS;
	c->manual.replica = index_of(c, by);
	pause_writes(c, true);
	outbox_ping(c, by);
}

void manual_failover_saw_header(struct cluster *c, const struct cnode *n)
{
	if (c->manual.end_ms == 0 || c->manual.can_start || !is_replica(self(c)) ||
	    n != claimant(c) || !n->paused) {
		return;
	}
	if (!c->manual.offset_known) {
		NOTE(c, "%.*s is paused at offset %" PRIu64 ", I have %" PRIu64, SHORT(n),
		     n->offset, c->engine.offset);
	}
	c->manual.offset_known = true;
	c->manual.offset = n->offset;
}

void manual_failover_tick(struct cluster *c)
{
	struct manual_failover *m = &c->manual;

	if (m->end_ms == 0) {
		return;
	}
	if (c->now_ms >= m->end_ms) {
		MARK(c, MANUAL_TIMEOUT);
		NOTE(c, "manual failover timed out");
		if (m->handover) {
			c->up->handover = HANDOVER_FAILED;
		}
		manual_failover_reset(c);
		return;
	}
	if (is_replica(self(c)) && m->offset_known && !m->can_start &&
	    (c->engine.offset == m->offset || PLANTED(132))) {
		NOTE(c, "all of the primary's data is here: standing for election");
		m->can_start = true;
	}
}
