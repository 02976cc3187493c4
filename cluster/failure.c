/* Suspicion, reports, agreement. Reports live in a pool of fixed size; when it is full the oldest
 * one makes room, which can only delay an agreement. */
#include "cluster/failure.h"

#include "cluster/election.h"
#include "cluster/outbox.h"

#include <inttypes.h>

enum { REPORT_LIFE = 2, UNDO_AFTER = 2, CONTEST_LIFE = 10 }; /* times NODE_TIMEOUT */

enum { CONTEST_SLACK_MS = 1000 };

static uint64_t timeout_ms(const struct cluster *c)
{
	return c->settings.node_timeout_ms;
}

void failure_init(struct cluster *c)
{
	for (uint32_t i = 0; i < c->reports_max; i++) {
		c->reports[i].about = NONE;
		c->reports[i].next = i + 1 < c->reports_max ? i + 1 : NO_REPORT;
	}
	c->free_report = 0;
}

unsigned failure_quorum(const struct cluster *c)
{
	unsigned size = c->voters;

	if (PLANTED(110)) {
		/* The size of what looks alive instead of the voting set. */
		size = 0;
		FOR_EACH_NODE(c, n)
		{
			size += is_voter(n) && !has_flag(n, NODE_FAIL | NODE_PFAIL);
		}
	}
	return PLANTED(111) ? size / 2 : size / 2 + 1;
}

static void free_report(struct cluster *c, struct cnode *n, uint32_t *link)
{
	uint32_t at = *link;
	struct failure_report *r = &c->reports[at];

	*link = r->next;
	r->about = NONE;
	r->next = c->free_report;
	c->free_report = at;
	n->reports_count--;
}

static void drop_expired(struct cluster *c, struct cnode *n)
{
	uint32_t *link = &n->reports;

	while (*link != NO_REPORT) {
		struct failure_report *r = &c->reports[*link];

		if (c->now_ms - r->at_ms > timeout_ms(c) * REPORT_LIFE && !PLANTED(112)) {
			MARK(c, REPORT_EXPIRED);
			free_report(c, n, link);
		} else {
			link = &r->next;
		}
	}
}

static void drop_reports(struct cluster *c, struct cnode *n, uint16_t by)
{
	uint32_t *link = &n->reports;

	while (*link != NO_REPORT) {
		if (by == NONE || c->reports[*link].by == by) {
			free_report(c, n, link);
		} else {
			link = &c->reports[*link].next;
		}
	}
}

static void evict_oldest(struct cluster *c)
{
	struct failure_report *oldest = &c->reports[0];

	for (uint32_t i = 1; i < c->reports_max; i++) {
		if (c->reports[i].at_ms < oldest->at_ms) {
			oldest = &c->reports[i];
		}
	}
	drop_reports(c, &c->nodes[oldest->about], oldest->by);
}

static void add_report(struct cluster *c, struct cnode *n, struct cnode *by)
{
	uint32_t at;

	for (at = n->reports; at != NO_REPORT; at = c->reports[at].next) {
		if (c->reports[at].by == index_of(c, by)) {
			c->reports[at].at_ms = c->now_ms;
			return;
		}
	}
	if (c->free_report == NO_REPORT) {
		evict_oldest(c);
	}
	at = c->free_report;
	c->free_report = c->reports[at].next;
	c->reports[at] = (struct failure_report){
	    .at_ms = c->now_ms, .about = index_of(c, n), .by = index_of(c, by), .next = n->reports};
	n->reports = at;
	n->reports_count++;
}

unsigned failure_reports(struct cluster *c, struct cnode *n)
{
	drop_expired(c, n);
	return n->reports_count;
}

/* Reports by members of the voting set, and my own word if I am one. */
static unsigned witnesses(struct cluster *c, struct cnode *n)
{
	unsigned count = is_voter(self(c)) ? 1 : 0;

	drop_expired(c, n);
	for (uint32_t at = n->reports; at != NO_REPORT; at = c->reports[at].next) {
		count += is_voter(&c->nodes[c->reports[at].by]) || PLANTED(113);
	}
	return count;
}

static void set_fail(struct cluster *c, struct cnode *n)
{
	n->flags = (n->flags & ~(unsigned)NODE_PFAIL) | NODE_FAIL;
	n->fail_ms = c->now_ms;
	need_persist(c, PERSIST_SAVE);
	c->up->routes_changed = true;
}

static void try_agree(struct cluster *c, struct cnode *n)
{
	unsigned count;

	if (!has_flag(n, NODE_PFAIL) || has_flag(n, NODE_FAIL)) {
		return;
	}
	count = witnesses(c, n);
	if (count < (PLANTED(114) ? 1 : failure_quorum(c))) {
		return;
	}
	MARK(c, FAIL_BY_MAJORITY);
	NOTE(c, "%.*s has failed: %u of %u voters say so", SHORT(n), count, c->voters);
	set_fail(c, n);
	outbox_fail(c, n);
}

static void suspect(struct cluster *c, struct cnode *n)
{
	MARK(c, PFAIL_SET);
	NOTE(c, "%.*s is suspected: silent for %" PRIu64 " ms", SHORT(n), c->now_ms - n->ping_ms);
	n->flags |= NODE_PFAIL;
	c->up->routes_changed = true;
	/* The voters hear of it with this very step, not with the next ping. */
	c->spread_suspicion = true;
	if (n == claimant(c)) {
		election_exchange_offsets(c);
	}
	try_agree(c, n);
}

void failure_check(struct cluster *c)
{
	c->next_due_ms = UINT64_MAX;
	FOR_EACH_NODE(c, n)
	{
		uint64_t since;
		uint64_t due;

		if (n == self(c) || n->ping_ms == 0 ||
		    has_flag(n, NODE_HANDSHAKE | NODE_PFAIL | NODE_FAIL)) {
			continue;
		}
		since = n->data_ms > n->ping_ms ? n->data_ms : n->ping_ms;
		due = since + timeout_ms(c) + 1;
		if (due <= c->now_ms) {
			suspect(c, n);
		} else if (due < c->next_due_ms) {
			c->next_due_ms = due;
		}
	}
}

void failure_report(struct cluster *c, struct cnode *n, struct cnode *by, bool fails)
{
	if (!fails) {
		if (n->reports_count > 0 && !PLANTED(115)) {
			drop_reports(c, n, index_of(c, by));
		}
		return;
	}
	add_report(c, n, by);
	try_agree(c, n);
}

bool failure_contested(const struct cluster *c, const struct cnode *n)
{
	return n->contest_epoch > n->config_epoch && is_voter(n) && !PLANTED(141) &&
	       c->now_ms - n->contest_ms <= timeout_ms(c) * CONTEST_LIFE;
}

void failure_contest(struct cluster *c, struct cnode *p, const struct cnode *candidate)
{
	uint16_t by = index_of(c, candidate);

	/* Of two candidates none can speak for both. */
	p->contest_by = !failure_contested(c, p) || p->contest_by == by ? by : NONE;
	p->contest_epoch = c->current_epoch;
	p->contest_ms = c->now_ms;
}

void failure_contest_lost(struct cluster *c, struct cnode *n)
{
	struct cnode *p = n->primary == NONE ? NULL : &c->nodes[n->primary];

	/* It counts votes for NODE_TIMEOUT, a second at least. */
	if (p != NULL && p->contest_epoch != 0 && p->contest_by == index_of(c, n) &&
	    c->now_ms - p->contest_ms > timeout_ms(c) + CONTEST_SLACK_MS) {
		p->contest_epoch = 0;
	}
}

void failure_answered(struct cluster *c, struct cnode *n)
{
	if (has_flag(n, NODE_PFAIL)) {
		MARK(c, PFAIL_CLEARED);
		NOTE(c, "%.*s answers again", SHORT(n));
		n->flags &= ~(unsigned)NODE_PFAIL;
		c->up->routes_changed = true;
	}
	if (has_flag(n, NODE_FAIL) &&
	    (!is_voter(n) || c->now_ms - n->fail_ms > timeout_ms(c) * UNDO_AFTER) &&
	    !failure_contested(c, n)) {
		MARK(c, FAIL_CLEARED);
		NOTE(c, "%.*s is no longer failed: it answers%s", SHORT(n),
		     is_voter(n) ? " and nobody took its slots" : "");
		n->flags &= ~(unsigned)NODE_FAIL;
		need_persist(c, PERSIST_SAVE);
		c->up->routes_changed = true;
	}
}

void failure_outlived(struct cluster *c, struct cnode *n)
{
	if (!has_flag(n, NODE_FAIL) || failure_contested(c, n)) {
		return;
	}
	/* As a primary with slots it would stay failed for long, and lose them to its own replica.
	 * When it can't be reached after all, its silence tells, and the voters agree anew. */
	MARK(c, FAIL_CLEARED);
	NOTE(c, "%.*s is no longer failed: it has taken over", SHORT(n));
	n->flags &= ~(unsigned)NODE_FAIL;
	drop_reports(c, n, NONE);
}

void failure_told(struct cluster *c, struct cnode *n, struct cnode *by)
{
	if (has_flag(n, NODE_FAIL)) {
		return;
	}
	MARK(c, FAIL_BY_MESSAGE);
	NOTE(c, "%.*s has failed, says %.*s", SHORT(n), SHORT(by));
	set_fail(c, n);
	if (n == claimant(c)) {
		election_exchange_offsets(c);
	}
}

void failure_forget(struct cluster *c, struct cnode *n)
{
	drop_reports(c, n, NONE);
	FOR_EACH_NODE(c, other)
	{
		if (other->reports_count > 0) {
			drop_reports(c, other, index_of(c, n));
		}
	}
}
