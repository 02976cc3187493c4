/* Rules of epochs. */
#include "cluster/epoch.h"

#include <inttypes.h>

/* Elections raise the epoch by one. A peer whose epoch is this much further is damaged or lies, and
 * believing it would leave no epochs for the honest. */
#define JUMP_MAX (UINT64_C(1) << 32)

enum { WARN_EVERY_MS = 60000 };

/* A node without slots and without a primary has nothing to lose and may come to any cluster. */
static bool is_settled(const struct cluster *c)
{
	const struct cnode *me = self(c);

	return me->slots_count > 0 || (is_replica(me) && me->primary != NONE);
}

bool epoch_credible(struct cluster *c, const struct cnode *sender, uint64_t newest)
{
	if (!is_settled(c) || newest <= c->current_epoch || newest - c->current_epoch <= JUMP_MAX ||
	    PLANTED(107)) {
		return true;
	}
	MARK(c, EPOCH_IMPLAUSIBLE);
	if (c->epoch_warned_ms == 0 || c->now_ms - c->epoch_warned_ms > WARN_EVERY_MS) {
		c->epoch_warned_ms = c->now_ms;
		WARN(c,
		     "epoch %" PRIu64 " of %.*s is not credible (mine is %" PRIu64
		     "): its messages are ignored",
		     newest, SHORT(sender), c->current_epoch);
	}
	return false;
}

bool epoch_learn(struct cluster *c, struct cnode *sender, const struct bus_header *h)
{
	uint64_t newest = h->current_epoch > h->config_epoch ? h->current_epoch : h->config_epoch;

	if (!epoch_credible(c, sender, newest)) {
		return false;
	}
	if (newest > c->current_epoch) {
		c->current_epoch = newest;
	}
	if (!node_id_empty(&h->primary)) {
		/* A replica tells the epoch of its primary, but not all of the slots that go with
		 * it may be known here yet: only the primary, or an UPDATE, tells both at once. */
		return true;
	}
	if (h->config_epoch > sender->config_epoch) {
		sender->config_epoch = h->config_epoch;
		need_persist(c, PERSIST_SYNC);
	} else if (PLANTED(108)) {
		sender->config_epoch = h->config_epoch;
	}
	return true;
}

bool epoch_advance(struct cluster *c)
{
	if (c->current_epoch == UINT64_MAX) {
		WARN(c, "the last epoch is used up");
		return false;
	}
	c->current_epoch++;
	return true;
}

static uint64_t newest_epoch(const struct cluster *c)
{
	uint64_t newest = c->current_epoch;

	FOR_EACH_NODE(c, n)
	{
		if (n->config_epoch > newest) {
			newest = n->config_epoch;
		}
	}
	return newest;
}

static bool take_next(struct cluster *c, const char *why)
{
	if (!epoch_advance(c)) {
		return false;
	}
	self(c)->config_epoch = c->current_epoch;
	/* A replica does so on its way to TAKEOVER. Nodes without slots have nothing to disagree
	 * about, and a hundred new ones sort their epochs out at once. */
	c->epoch_untold = (is_voter(self(c)) || is_replica(self(c))) && !PLANTED(151);
	need_persist(c, PERSIST_SYNC);
	NOTE(c, "config epoch is now %" PRIu64 ": %s", c->current_epoch, why);
	return true;
}

bool epoch_bump(struct cluster *c)
{
	struct cnode *me = self(c);
	uint64_t newest = newest_epoch(c);

	if (me->config_epoch != 0 && me->config_epoch == newest) {
		return false;
	}
	MARK(c, EPOCH_BUMPED);
	c->current_epoch = newest;
	return take_next(c, "bumped without a vote");
}

void epoch_resolve_collision(struct cluster *c, const struct cnode *sender)
{
	struct cnode *me = self(c);

	if (!is_primary(me) || !is_primary(sender) || sender->config_epoch != me->config_epoch ||
	    memcmp(sender->id.text, me->id.text, NODE_ID_LEN) <= 0 || PLANTED(109)) {
		return;
	}
	MARK(c, EPOCH_COLLISION);
	(void)take_next(c, "another primary has the same one");
}
