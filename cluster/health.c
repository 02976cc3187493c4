/* Cluster state and the lease to write. */
#include "cluster/health.h"

#include "cluster/failure.h"
#include "cluster/gossip.h"
#include "cluster/node_table.h"

#include <inttypes.h>

enum { WRITABLE_DELAY_MS = 2000, REJOIN_MS_MIN = 500, REJOIN_MS_MAX = 5000 };

static uint64_t timeout_ms(const struct cluster *c)
{
	return c->settings.node_timeout_ms;
}

void health_answered(struct cluster *c, struct cnode *n, uint64_t sent_ms, unsigned of_me)
{
	if (of_me != 0 && !PLANTED(133)) {
		return; /* it answers, and yet helps to depose me */
	}
	if (PLANTED(134)) {
		sent_ms = c->now_ms + timeout_ms(c);
	}
	if (sent_ms > n->answered_ms) {
		n->answered_ms = sent_ms;
	}
}

void health_doubted(struct cluster *c, struct cnode *n, unsigned of_me)
{
	if (!is_voter(n)) {
		return;
	}
	n->answered_ms = 0;
	c->health.lease_ms = 0;
	if ((of_me & NODE_CONTESTED) != 0) {
		c->health.contested_ms = c->now_ms;
	}
	/* Called failed by a majority, my replicas may be elected at any moment. */
	if ((of_me & NODE_FAIL) != 0 && is_primary(self(c)) &&
	    node_good_replicas(c, self(c), false) > 0) {
		c->health.doubted_ms = c->now_ms;
	}
}

void health_deposed(struct cluster *c)
{
	if (c->health.doubted_ms == 0 || c->now_ms - c->health.doubted_ms >= timeout_ms(c)) {
		WARN(c, "my slots were given to a node that I do not know: no writes");
	}
	c->health.lease_ms = 0;
	c->health.doubted_ms = c->now_ms;
	c->up->routes_changed = true;
}

bool health_may_vote(const struct cluster *c)
{
	const struct health *h = &c->health;

	return h->contested_ms == 0 || c->now_ms - h->contested_ms >= timeout_ms(c) || PLANTED(142);
}

bool health_owes(const struct cluster *c, const struct cnode *p)
{
	const struct health *h = &c->health;
	uint64_t timeout = timeout_ms(c);

	/* What was answered before a start or a promotion nobody remembers. */
	return (p->supported_ms != 0 && c->now_ms - p->supported_ms < timeout && !PLANTED(143)) ||
	       (h->seated_ms != 0 && c->now_ms - h->seated_ms < timeout && !PLANTED(145));
}

void health_succeeded(struct cluster *c, const struct cnode *old, struct cnode *heir,
		      uint64_t epoch)
{
	/* Who wins now has the votes of a majority that owes nothing, or a primary that hands over.
	 * Silence, or an election since, is how one looks that won before and comes back. */
	bool silent = heir->ping_ms != 0 && c->now_ms - heir->ping_ms > timeout_ms(c);
	bool late = silent || epoch < c->current_epoch;

	if (!late || !is_voter(self(c)) || !health_owes(c, old) || PLANTED(152)) {
		return;
	}
	NOTE(c, "%.*s may still write by my answer: none for %.*s yet", SHORT(old), SHORT(heir));
	heir->unsure_ms = c->now_ms;
}

bool health_unsure(const struct cluster *c, const struct cnode *heir)
{
	return heir->unsure_ms != 0 && c->now_ms - heir->unsure_ms < timeout_ms(c);
}

void health_stalled(struct cluster *c, uint64_t gap_ms)
{
	MARK(c, STALL);
	WARN(c, "this process stood still for %" PRIu64 " ms: no writes until a majority answers",
	     gap_ms);
	if (!PLANTED(135)) {
		c->health.floor_ms = c->now_ms;
		c->health.lease_ms = 0;
	}
	/* I did not listen, so nobody's silence is proven. */
	FOR_EACH_NODE(c, n)
	{
		if (n->ping_ms != 0) {
			n->ping_ms = c->now_ms;
		}
	}
	gossip_ping_voters(c);
}

/* How many voters, I among them, answered a ping that was sent at or after since. */
static unsigned answered_since(const struct cluster *c, uint64_t since)
{
	unsigned count = is_voter(self(c)) ? 1 : 0;

	FOR_EACH_NODE(c, n)
	{
		count += n != self(c) && is_voter(n) && n->answered_ms >= since &&
			 !failure_contested(c, n);
	}
	return count;
}

/* Until when a quorum's answers are fresh: the newest time that enough of them reach, by halving.
 */
static uint64_t lease_end(const struct cluster *c)
{
	uint64_t timeout = timeout_ms(c);
	uint64_t low = c->now_ms > timeout ? c->now_ms - timeout + 1 : 1;
	uint64_t high = c->now_ms;
	unsigned quorum = failure_quorum(c);

	if (low < c->health.floor_ms) {
		low = c->health.floor_ms;
	}
	if (low == 0 || answered_since(c, low) < quorum) {
		return 0;
	}
	while (low < high) {
		uint64_t middle = low + (high - low + 1) / 2;

		if (answered_since(c, middle) >= quorum) {
			low = middle;
		} else {
			high = middle - 1;
		}
	}
	return low + timeout;
}

static void update_lease(struct cluster *c)
{
	struct health *h = &c->health;
	bool has;

	if (!is_voter(self(c))) {
		h->lease_ms = 0;
		h->had_lease = false;
		return;
	}
	/* Computing it costs a walk over the nodes: not while it lasts anyhow, unless the voting
	 * set may be another one now. */
	if (c->up->routes_changed || h->lease_ms < c->now_ms + timeout_ms(c) / 2) {
		h->lease_ms = lease_end(c);
	}
	has = h->lease_ms > c->now_ms;
	if (has != h->had_lease) {
		h->had_lease = has;
		c->up->routes_changed = true;
		if (has) {
			MARK(c, LEASE_REGAINED);
			NOTE(c, "a majority answers: writes are accepted");
		} else {
			MARK(c, LEASE_LOST);
			NOTE(c, "no majority answers: no writes");
		}
	}
}

bool health_may_write(const struct cluster *c, uint64_t now_ms)
{
	const struct health *h = &c->health;

	if (c->silent) {
		return false;
	}
	if (PLANTED(136)) {
		return h->ok;
	}
	if (now_ms - c->last_step_ms > timeout_ms(c) / 2 && !PLANTED(135)) {
		return false; /* stood still; the next step will ask the others */
	}
	if (h->doubted_ms != 0 && now_ms - h->doubted_ms < timeout_ms(c) && !PLANTED(133)) {
		return false;
	}
	return now_ms < h->lease_ms;
}

static bool covered(const struct cluster *c)
{
	unsigned served = 0;

	FOR_EACH_NODE(c, n)
	{
		served += is_primary(n) && !has_flag(n, NODE_FAIL) ? n->slots_count : 0;
	}
	return served == SLOTS || !c->settings.require_full_coverage;
}

static bool majority_reachable(const struct cluster *c)
{
	unsigned reachable = 0;

	FOR_EACH_NODE(c, n)
	{
		reachable += is_voter(n) && !has_flag(n, NODE_PFAIL | NODE_FAIL);
	}
	return reachable >= failure_quorum(c);
}

static uint64_t rejoin_ms(const struct cluster *c)
{
	uint64_t t = timeout_ms(c);

	return t < REJOIN_MS_MIN ? REJOIN_MS_MIN : (t > REJOIN_MS_MAX ? REJOIN_MS_MAX : t);
}

static void update_state(struct cluster *c)
{
	struct health *h = &c->health;
	bool primary = is_primary(self(c));
	bool ok;

	if (!h->evaluated) {
		h->evaluated = true;
		h->first_ms = c->now_ms;
		h->seated_ms = c->now_ms;
	}
	if (primary && !h->ok && c->now_ms - h->first_ms < WRITABLE_DELAY_MS) {
		/* Just started: who knows what happened meanwhile. */
		return;
	}
	ok = covered(c);
	if (!majority_reachable(c)) {
		ok = false;
		h->minority_ms = c->now_ms;
	}
	if (ok && !h->ok && is_voter(self(c)) && !h->had_lease) {
		return; /* whoever is told "ok" writes at once */
	}
	if (ok == h->ok ||
	    (ok && primary && h->minority_ms != 0 && c->now_ms - h->minority_ms < rejoin_ms(c))) {
		return;
	}
	h->ok = ok;
	c->up->routes_changed = true;
	if (ok) {
		MARK(c, STATE_OK);
	} else {
		MARK(c, STATE_FAIL);
	}
	NOTE(c, "cluster state changed: %s", ok ? "ok" : "fail");
}

void health_update(struct cluster *c, bool tick)
{
	update_lease(c);
	/* While all is well nothing but a change of routes can end it. */
	if (c->up->routes_changed || (tick && !c->health.ok)) {
		update_state(c);
	}
}
