/* Candidacies and votes. */
#include "cluster/election.h"

#include "cluster/epoch.h"
#include "cluster/failure.h"
#include "cluster/health.h"
#include "cluster/node_table.h"
#include "cluster/outbox.h"
#include "cluster/role.h"
#include "cluster/slot_map.h"

#include <inttypes.h>

enum {
	FIRST_DELAY_MS = 10,
	FIRST_JITTER_MS = 20,
	STEP_MS_MIN = 50,
	STEP_MS_MAX = 1000,
	STEP_DIVISOR = 15, /* of NODE_TIMEOUT */
	WINDOW_MS_MIN = 1000,
	DOUBLINGS_MAX = 6,
};

/* Long enough for a vote to come back before the next one in rank starts. */
static uint64_t step_ms(const struct cluster *c)
{
	uint64_t step = c->settings.node_timeout_ms / STEP_DIVISOR;

	return step < STEP_MS_MIN ? STEP_MS_MIN : (step > STEP_MS_MAX ? STEP_MS_MAX : step);
}

static struct cnode *my_primary(const struct cluster *c)
{
	struct cnode *me = self(c);

	return is_replica(me) && me->primary != NONE ? &c->nodes[me->primary] : NULL;
}

static bool is_manual(const struct cluster *c)
{
	return c->manual.end_ms != 0 && c->manual.can_start;
}

static bool data_too_old(const struct cluster *c)
{
	uint64_t timeout = c->settings.node_timeout_ms;
	uint64_t factor = c->settings.replica_validity_factor;
	uint64_t limit = (uint64_t)c->settings.repl_ping_period_s * 1000 + timeout * factor;
	uint64_t age;

	if (factor == 0 || PLANTED(123)) {
		return false;
	}
	if (c->engine.last_io_ms == 0) {
		return true; /* never linked since the start: who knows how old it is */
	}
	age = c->now_ms > c->engine.last_io_ms ? c->now_ms - c->engine.last_io_ms : 0;
	/* The time that finding out about the failure takes is not the data's fault. */
	age = age > timeout ? age - timeout : 0;
	return age > limit;
}

const char *election_obstacle(const struct cluster *c, bool manual)
{
	if (!c->engine.can_stand && !PLANTED(124)) {
		return "its copy of the data is not complete";
	}
	if (manual) {
		return NULL;
	}
	if (c->settings.replica_no_failover) {
		return "cluster-replica-no-failover is set";
	}
	if (data_too_old(c)) {
		return "its data is too old";
	}
	return NULL;
}

/* True when a sibling is to be preferred: a newer history, more of it, else the smaller id. */
static bool goes_first(const struct cluster *c, const struct cnode *r)
{
	const struct cnode *me = self(c);

	if (r->cairn && r->history_epoch != c->engine.history_epoch) {
		return r->history_epoch > c->engine.history_epoch;
	}
	if (r->offset != c->engine.offset) {
		return r->offset > c->engine.offset;
	}
	return memcmp(r->id.text, me->id.text, NODE_ID_LEN) < 0;
}

static uint32_t rank_among_siblings(const struct cluster *c)
{
	const struct cnode *me = self(c);
	uint32_t rank = 0;

	FOR_EACH_NODE(c, r)
	{
		rank += r != me && is_replica(r) && r->primary == me->primary &&
			!has_flag(r, NODE_NOFAILOVER | NODE_FAIL | NODE_PFAIL) && goes_first(c, r);
	}
	return rank;
}

/* Failed primaries whose replicas go first, so that candidates of shards that failed together do
 * not split the votes of each epoch. */
static uint32_t rank_among_shards(const struct cluster *c, const struct cnode *p)
{
	uint32_t rank = 0;

	FOR_EACH_NODE(c, n)
	{
		rank += n != p && is_voter(n) && has_flag(n, NODE_FAIL) && n->replicas_count > 0 &&
			memcmp(n->id.text, p->id.text, NODE_ID_LEN) < 0;
	}
	return rank;
}

static void schedule(struct cluster *c, const struct cnode *p, bool manual)
{
	struct election *e = &c->election;
	uint32_t attempts = e->attempts;
	uint32_t doublings = attempts < DOUBLINGS_MAX ? attempts : DOUBLINGS_MAX;
	uint64_t back_off = attempts == 0 ? 0 : step_ms(c) << doublings;
	uint64_t delay;

	e->sent = false;
	e->votes = 0;
	e->rank = manual || PLANTED(117) ? 0 : rank_among_siblings(c);
	if (manual) {
		e->start_ms = c->now_ms;
		return;
	}
	if (back_off > (uint64_t)c->settings.node_timeout_ms * 2) {
		back_off = (uint64_t)c->settings.node_timeout_ms * 2;
	}
	delay = FIRST_DELAY_MS + rng_below(&c->rng, FIRST_JITTER_MS) + back_off / 2 +
		rng_below(&c->rng, back_off / 2 + 1) +
		step_ms(c) * (e->rank + rank_among_shards(c, p));
	e->start_ms = c->now_ms + delay;
	election_exchange_offsets(c);
	NOTE(c, "election for %.*s starts in %" PRIu64 " ms: rank %u, offset %" PRIu64, SHORT(p),
	     delay, e->rank, c->engine.offset);
}

static void give_up(struct cluster *c)
{
	uint32_t attempts = c->election.attempts + 1;

	memset(&c->election, 0, sizeof c->election);
	c->election.attempts = attempts;
	c->election.exchanged = true;
}

static void ask(struct cluster *c, struct cnode *p, bool manual)
{
	struct election *e = &c->election;
	uint64_t window = c->settings.node_timeout_ms;

	if (!epoch_advance(c)) {
		give_up(c);
		return;
	}
	MARK(c, ELECTION_STARTED);
	e->epoch = c->current_epoch;
	e->asked_ms = c->now_ms;
	e->end_ms = c->now_ms + (window > WINDOW_MS_MIN ? window : WINDOW_MS_MIN);
	e->sent = true;
	/* My own epoch counts as voted in. Else, once a primary, I could vote for another candidate
	 * of the same epoch, and both of us would win it. */
	if (!PLANTED(125)) {
		c->last_vote_epoch = c->current_epoch;
	}
	need_persist(c, PERSIST_SYNC);
	NOTE(c, "asking for votes in epoch %" PRIu64 " (%u needed)", e->epoch, failure_quorum(c));
	if (has_flag(p, NODE_FAIL)) {
		/* On the same links, ahead of the request: no voter refuses for not knowing it yet.
		 */
		outbox_fail(c, p);
	}
	outbox_auth_request(c, manual);
}

/* Progress of a candidacy that has asked for votes. */
static void follow_up(struct cluster *c)
{
	struct election *e = &c->election;

	if (e->votes >= failure_quorum(c)) {
		MARK(c, ELECTION_WON);
		if (is_manual(c)) {
			MARK(c, MANUAL_DONE);
		}
		NOTE(c, "elected in epoch %" PRIu64 " with %u votes", e->epoch, e->votes);
		role_promote(c, e->epoch, ROLE_ELECTED);
	} else if (c->now_ms >= e->end_ms) {
		MARK(c, ELECTION_LOST);
		NOTE(c, "no majority in epoch %" PRIu64 ": %u votes", e->epoch, e->votes);
		give_up(c);
	} else if (c->current_epoch > e->epoch && e->end_ms > c->now_ms + step_ms(c)) {
		/* Voters that have seen a newer epoch vote for no older one; those on their way
		 * still count. */
		MARK(c, ELECTION_SUPERSEDED);
		NOTE(c, "epoch %" PRIu64 " is superseded by %" PRIu64, e->epoch, c->current_epoch);
		e->end_ms = c->now_ms + step_ms(c);
	}
}

void election_tick(struct cluster *c)
{
	struct election *e = &c->election;
	struct cnode *p = my_primary(c);
	bool manual = is_manual(c);
	const char *obstacle;

	if (p == NULL || !is_voter(p) || (!has_flag(p, NODE_FAIL) && !manual)) {
		if (e->start_ms != 0) {
			memset(e, 0, sizeof *e);
		}
		if (p == NULL || !has_flag(p, NODE_PFAIL)) {
			e->exchanged = false;
		}
		return;
	}
	obstacle = election_obstacle(c, manual);
	if (e->sent && obstacle != NULL) {
		give_up(c);
	}
	if (e->sent) {
		follow_up(c);
		return;
	}
	if (obstacle != NULL) {
		if (!e->blocked) {
			MARK(c, MAY_NOT_STAND);
			NOTE(c, "not standing for %.*s: %s", SHORT(p), obstacle);
		}
		e->blocked = true;
		e->start_ms = 0;
		return;
	}
	e->blocked = false;
	if (e->start_ms == 0 || (manual && e->start_ms > c->now_ms)) {
		schedule(c, p, manual);
	}
	if (!manual && rank_among_siblings(c) > e->rank && !PLANTED(117)) {
		uint32_t rank = rank_among_siblings(c);

		e->start_ms += step_ms(c) * (rank - e->rank);
		e->rank = rank;
	}
	if (c->now_ms >= e->start_ms) {
		ask(c, p, manual);
	}
}

uint64_t election_deadline(const struct cluster *c)
{
	const struct election *e = &c->election;

	if (e->start_ms == 0) {
		return UINT64_MAX;
	}
	return e->sent ? e->end_ms : e->start_ms;
}

void election_exchange_offsets(struct cluster *c)
{
	if (is_replica(self(c)) && !c->election.exchanged) {
		c->election.exchanged = true;
		outbox_broadcast(c, BUS_PONG, TO_SIBLINGS);
	}
}

void election_retry_soon(struct cluster *c)
{
	if (c->election.sent) {
		give_up(c);
		c->election.attempts = 0;
	}
}

static void refuse(struct cluster *c, const struct cnode *candidate, const char *why)
{
	MARK(c, VOTE_REFUSED);
	NOTE(c, "no vote for %.*s: %s", SHORT(candidate), why);
}

/* The first slot that the candidate claims under an older epoch than its owner's, as I know it. */
static struct cnode *newer_owner(struct cluster *c, const struct bus_header *h)
{
	for (unsigned s = 0; s < SLOTS; s++) {
		struct cnode *owner = slot_owner(c, s);

		if (owner != NULL && owner->config_epoch > h->config_epoch &&
		    slot_bits_get(h->slots, s) && !slot_bits_get(&c->abandoned, s)) {
			return owner;
		}
	}
	return NULL;
}

static bool has_voted(const struct cluster *c)
{
	if (PLANTED(100)) {
		return false;
	}
	return c->last_vote_epoch >= c->current_epoch;
}

/* Whether another candidate may sit in my place: only one that asks anew has not been elected. */
static bool may_be_replaced(const struct cluster *c, const struct cnode *candidate)
{
	return failure_contested(c, self(c)) && self(c)->contest_by != index_of(c, candidate);
}

void election_request(struct cluster *c, struct cnode *candidate, const struct bus_header *h)
{
	struct cnode *p = candidate->primary == NONE ? NULL : &c->nodes[candidate->primary];
	bool forced = (h->mflags & BUS_FORCEACK) != 0;
	struct cnode *owner;

	if (!is_voter(self(c)) || (c->silent && c->now_ms < c->silent_until_ms)) {
		return;
	}
	if (h->current_epoch < c->current_epoch) {
		MARK(c, VOTE_REFUSED_EPOCH);
		refuse(c, candidate, "its epoch is past");
		return;
	}
	if (has_voted(c)) {
		MARK(c, VOTE_REFUSED_EPOCH);
		refuse(c, candidate, "voted in this epoch already");
		return;
	}
	if (!is_replica(candidate) || p == NULL || !is_primary(p) ||
	    (!has_flag(p, NODE_FAIL) && !forced && !PLANTED(128))) {
		MARK(c, VOTE_REFUSED_HEALTHY);
		refuse(c, candidate, p == NULL ? "whose replica is it?" : "its primary is up");
		return;
	}
	if (!health_may_vote(c) || may_be_replaced(c, candidate)) {
		MARK(c, VOTE_REFUSED_CONTESTED);
		refuse(c, candidate, "somebody may have been elected in my stead");
		return;
	}
	if (!forced && health_owes(c, p)) {
		MARK(c, VOTE_REFUSED_SUPPORTED);
		refuse(c, candidate, "its primary may still write by my answer");
		return;
	}
	owner = newer_owner(c, h);
	if (owner != NULL && !PLANTED(130)) {
		MARK(c, VOTE_REFUSED_SLOTS);
		refuse(c, candidate, "a newer epoch owns a slot that it claims");
		/* It may just not know: with this its next candidacy can be granted. */
		outbox_update(c, candidate, owner);
		return;
	}
	MARK(c, VOTE_GRANTED);
	candidate->supported_ms = c->now_ms; /* it takes a vote for an answer */
	/* A primary that hands over does not know either whether it still sits there. */
	if (has_flag(p, NODE_FAIL) || (p == self(c) && !PLANTED(148))) {
		failure_contest(c, p, candidate);
	}
	c->last_vote_epoch = c->current_epoch;
	need_persist(c, PLANTED(101) ? PERSIST_NONE : PERSIST_SYNC);
	NOTE(c, "vote for %.*s in epoch %" PRIu64, SHORT(candidate), c->current_epoch);
	outbox_send(c, candidate, BUS_AUTH_ACK);
}

void election_ack(struct cluster *c, struct cnode *voter, const struct bus_header *h)
{
	struct election *e = &c->election;

	if (!e->sent || !is_voter(voter)) {
		return;
	}
	if (h->current_epoch != e->epoch && !PLANTED(118)) {
		MARK(c, ACK_STALE);
		NOTE(c, "a vote of %.*s for another epoch does not count", SHORT(voter));
		return;
	}
	if (voter->voted_epoch == e->epoch) {
		MARK(c, ACK_REPEATED);
		return;
	}
	voter->voted_epoch = e->epoch;
	e->votes++;
	if (e->asked_ms > voter->answered_ms) {
		voter->answered_ms = e->asked_ms; /* a vote answers as a pong does */
	}
}
