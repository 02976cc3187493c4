/* Role changes of this node. */
#include "cluster/role.h"

#include "cluster/epoch.h"
#include "cluster/gossip.h"
#include "cluster/manual_failover.h"
#include "cluster/migration.h"
#include "cluster/node_table.h"
#include "cluster/outbox.h"
#include "cluster/slot_map.h"

#include <inttypes.h>

enum { RING_TIMEOUTS = 2 };

void role_reset_contests(struct cluster *c)
{
	if (!PLANTED(104)) {
		memset(&c->election, 0, sizeof c->election);
	}
	manual_failover_reset(c);
}

bool role_rests(const struct cluster *c)
{
	uint64_t timeout = c->settings.node_timeout_ms;

	return c->silent &&
	       (c->now_ms < c->silent_until_ms ||
		((c->now_ms - c->silent_until_ms) % (4 * timeout) >= timeout && !PLANTED(147)));
}

void role_end_silence(struct cluster *c)
{
	if (!c->silent) {
		return;
	}
	MARK(c, SILENT_END);
	c->silent = false;
	c->up->routes_changed = true;
	FOR_EACH_NODE(c, n)
	{
		if (n != self(c)) {
			outbox_close_links(c, n);
		}
	}
}

void role_report(struct cluster *c, enum cluster_role_reason reason)
{
	struct cnode *me = self(c);
	struct cluster_role *role = &c->up->role;

	memset(role, 0, sizeof *role);
	role->reason = reason;
	role->primary = is_primary(me);
	role->epoch = claimant(c)->config_epoch;
	if (!role->primary && me->primary != NONE) {
		role->primary_id = c->nodes[me->primary].id;
		role->addr = c->nodes[me->primary].addr;
	}
	c->up->role_changed = true;
	c->up->routes_changed = true;
}

void role_promote(struct cluster *c, uint64_t epoch, enum cluster_role_reason reason)
{
	struct cnode *me = self(c);
	struct cnode *old = me->primary == NONE ? NULL : &c->nodes[me->primary];

	INVARIANT(is_replica(me));
	if (epoch > me->config_epoch) {
		me->config_epoch = epoch;
	}
	node_set_primary_role(c, me);
	me->flags &= ~(unsigned)(NODE_PFAIL | NODE_FAIL);
	c->health.doubted_ms = 0; /* of an earlier reign */
	c->health.contested_ms = 0;
	c->health.seated_ms = c->now_ms;
	if (old != NULL) {
		slot_map_move_all(c, old, me);
	}
	NOTE(c, "now primary of %u slots with config epoch %" PRIu64 ", after %.*s",
	     me->slots_count, me->config_epoch, SHORT(old == NULL ? me : old));
	role_reset_contests(c);
	need_persist(c, PLANTED(105) ? PERSIST_SAVE : PERSIST_SYNC);
	role_report(c, reason);
	outbox_broadcast(c, BUS_PONG, TO_ALL);
	gossip_ping_voters(c);
}

void role_follow(struct cluster *c, struct cnode *primary, enum cluster_role_reason reason)
{
	struct cnode *me = self(c);
	bool was_primary = is_primary(me);

	INVARIANT(primary != me);
	INVARIANT(me->slots_count == 0);
	if (!was_primary && me->primary == index_of(c, primary)) {
		return;
	}
	NOTE(c, "now replica of %.*s (epoch %" PRIu64 ")", SHORT(primary), primary->config_epoch);
	if (was_primary) {
		migration_drop(c, NULL);
	}
	node_set_replica_role(c, me, primary);
	role_end_silence(c);
	if (c->manual.handover) {
		c->up->handover = HANDOVER_DONE;
	}
	role_reset_contests(c);
	c->engine.link_up = false;
	need_persist(c, PERSIST_SYNC);
	role_report(c, reason);
}

void role_empty_primary(struct cluster *c)
{
	struct cnode *me = self(c);

	node_set_primary_role(c, me);
	me->flags &= ~(unsigned)NODE_MIGRATE_TO;
	role_reset_contests(c);
	need_persist(c, PERSIST_SYNC);
	role_report(c, ROLE_COMMANDED);
}

void role_follow_grand_primary(struct cluster *c)
{
	struct cnode *me = self(c);
	struct cnode *primary;

	if (!is_replica(me) || me->primary == NONE) {
		return;
	}
	primary = &c->nodes[me->primary];
	if (is_replica(primary) && primary->primary != NONE && primary->primary != SELF &&
	    is_primary(&c->nodes[primary->primary])) {
		role_follow(c, &c->nodes[primary->primary], ROLE_FOLLOWS);
	}
}

/* Whether each follows the next until this node, and none has a slot. Sets whether this node has
 * the smallest id of them, and when that one was heard that was heard least. */
static bool in_ring(const struct cluster *c, bool *smallest, uint64_t *heard_ms)
{
	const struct cnode *me = self(c);
	uint16_t at = me->primary;

	*smallest = true;
	*heard_ms = UINT64_MAX;
	for (uint32_t steps = 0; steps < c->nodes_count && at != NONE && at != SELF; steps++) {
		const struct cnode *n = &c->nodes[at];

		if (!is_replica(n) || n->slots_count > 0) {
			return false;
		}
		*smallest = *smallest && memcmp(me->id.text, n->id.text, NODE_ID_LEN) < 0;
		*heard_ms = n->data_ms < *heard_ms ? n->data_ms : *heard_ms;
		at = n->primary;
	}
	return at == SELF;
}

void role_leave_ring(struct cluster *c)
{
	uint64_t timeout = c->settings.node_timeout_ms;
	uint64_t heard_ms;
	bool smallest;

	if (!is_replica(self(c)) || self(c)->slots_count > 0 || !in_ring(c, &smallest, &heard_ms) ||
	    PLANTED(154)) {
		c->ring_ms = 0;
		return;
	}
	if (c->ring_ms == 0) {
		c->ring_ms = c->now_ms;
	}
	/* One leaves, and the next follows it. A member that knows no such rule may have the
	 * smallest id, so the others do not wait for it for ever. What is known of the others must
	 * be news: a message that was overtaken may have made them replicas. */
	if (c->now_ms - c->ring_ms < (smallest ? RING_TIMEOUTS : 2 * RING_TIMEOUTS) * timeout ||
	    heard_ms < c->ring_ms + timeout) {
		return;
	}
	NOTE(c, "a ring of replicas without a primary: leaving it");
	c->ring_ms = 0;
	/* A takeover of no slots: nobody loses anything by it, and no vote changes hands. */
	(void)epoch_bump(c);
	role_promote(c, self(c)->config_epoch, ROLE_TAKEOVER);
}

void role_primary_moved(struct cluster *c)
{
	role_report(c, ROLE_NEW_ADDRESS);
}
