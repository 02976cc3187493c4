/* Which replica goes to which orphan. Every replica decides for itself, by rules that make one
 * candidate: the smallest id among the replicas of the best covered primaries. */
#include "cluster/replica_migration.h"

#include "cluster/node_table.h"
#include "cluster/role.h"

enum { ORPHAN_MS = 5000 };

static bool is_orphan(const struct cnode *n)
{
	return is_voter(n) && !has_flag(n, NODE_FAIL) && has_flag(n, NODE_MIGRATE_TO) &&
	       n->replicas_good == 0;
}

/* All at once: a count for each primary would be quadratic in a large cluster. */
static void count_good(struct cluster *c)
{
	FOR_EACH_NODE(c, n)
	{
		n->replicas_good = 0;
	}
	FOR_EACH_NODE(c, r)
	{
		if (is_replica(r) && r->primary != NONE && !has_flag(r, NODE_FAIL)) {
			c->nodes[r->primary].replicas_good++;
		}
	}
}

/* True when no replica of a primary with that many good replicas has a smaller id than mine. */
static bool is_first(const struct cluster *c, unsigned best)
{
	const struct cnode *me = self(c);

	FOR_EACH_NODE(c, r)
	{
		if (r != me && is_replica(r) && r->primary != NONE && !has_flag(r, NODE_FAIL) &&
		    c->nodes[r->primary].replicas_good == best &&
		    memcmp(r->id.text, me->id.text, NODE_ID_LEN) < 0) {
			return false;
		}
	}
	return true;
}

void replica_migration_tick(struct cluster *c)
{
	const struct cnode *me = self(c);
	struct cnode *target = NULL;
	unsigned best = 0;

	if (!c->settings.allow_replica_migration || !is_replica(me) || me->primary == NONE) {
		return;
	}
	count_good(c);
	FOR_EACH_NODE(c, n)
	{
		if (!is_primary(n) || has_flag(n, NODE_HANDSHAKE)) {
			continue;
		}
		best = n->replicas_good > best ? n->replicas_good : best;
		if (!is_orphan(n)) {
			n->orphaned_ms = 0;
			continue;
		}
		if (n->orphaned_ms == 0) {
			n->orphaned_ms = c->now_ms;
		}
		if (target == NULL && c->now_ms - n->orphaned_ms > ORPHAN_MS) {
			target = n;
		}
	}
	if (target == NULL || best < 2 || !c->health.ok) {
		return;
	}
	if (c->nodes[me->primary].replicas_good != best ||
	    node_good_replicas(c, &c->nodes[me->primary], true) <= c->settings.migration_barrier ||
	    !is_first(c, best)) {
		return;
	}
	MARK(c, REPLICA_MIGRATED);
	NOTE(c, "%.*s has no replica left: moving there", SHORT(target));
	role_follow(c, target, ROLE_MIGRATED);
}
