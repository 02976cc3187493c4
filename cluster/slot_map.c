/* The slot map. Every change of an owner goes through slot_bind and slot_unbind, which keep the
 * owners' bitmaps and the size of the voting set in step. */
#include "cluster/slot_map.h"

#include "cluster/health.h"
#include "cluster/migration.h"
#include "cluster/node_table.h"
#include "cluster/outbox.h"
#include "cluster/role.h"

#include <inttypes.h>

enum { UPDATES_PER_MESSAGE = 32 };

void slot_map_init(struct cluster *c)
{
	memset(c->owner, 0xff, sizeof c->owner);
	memset(&c->abandoned, 0, sizeof c->abandoned);
	c->slots_assigned = 0;
	c->voters = 0;
}

struct cnode *slot_owner(const struct cluster *c, unsigned slot)
{
	return c->owner[slot] == NONE ? NULL : &c->nodes[c->owner[slot]];
}

struct cnode *slot_server(const struct cluster *c, unsigned slot)
{
	struct cnode *n = slot_owner(c, slot);

	return n != NULL && is_primary(n) ? n : NULL;
}

static bool some_primary_has_replicas(const struct cluster *c)
{
	FOR_EACH_NODE(c, n)
	{
		if (is_primary(n) && n->replicas_count > 0) {
			return true;
		}
	}
	return false;
}

void slot_unbind(struct cluster *c, unsigned slot)
{
	struct cnode *n = slot_owner(c, slot);

	if (n == NULL) {
		return;
	}
	c->owner[slot] = NONE;
	slot_bits_clear(&c->abandoned, slot);
	slot_bits_clear(&n->slots, slot);
	n->slots_count--;
	c->slots_assigned--;
	if (n->slots_count == 0) {
		c->voters--;
	}
	c->up->routes_changed = true;
}

void slot_bind(struct cluster *c, unsigned slot, struct cnode *n)
{
	if (c->owner[slot] == index_of(c, n)) {
		slot_bits_clear(&c->abandoned, slot);
		return;
	}
	slot_unbind(c, slot);
	c->owner[slot] = index_of(c, n);
	slot_bits_set(&n->slots, slot);
	n->slots_count++;
	c->slots_assigned++;
	if (n->slots_count == 1) {
		c->voters++;
		/* So that a new shard in a cluster with spare replicas gets one of them. */
		if (n->replicas_count == 0 && some_primary_has_replicas(c)) {
			n->flags |= NODE_MIGRATE_TO;
		}
	}
	c->up->routes_changed = true;
}

unsigned slot_map_unbind_all(struct cluster *c, struct cnode *n)
{
	unsigned count = 0;

	for (unsigned s = 0; s < SLOTS && n->slots_count > 0; s++) {
		if (slot_bits_get(&n->slots, s)) {
			slot_unbind(c, s);
			count++;
		}
	}
	return count;
}

void slot_map_move_all(struct cluster *c, struct cnode *from, struct cnode *to)
{
	for (unsigned s = 0; s < SLOTS && from->slots_count > 0; s++) {
		if (slot_bits_get(&from->slots, s)) {
			slot_bind(c, s, to);
		}
	}
}

void slot_map_abandon(struct cluster *c, struct cnode *n)
{
	if (n->slots_count == 0) {
		return;
	}
	MARK(c, SLOTS_ABANDONED);
	for (int i = 0; i < SLOT_BITS_LEN; i++) {
		c->abandoned.byte[i] = (uint8_t)(c->abandoned.byte[i] | n->slots.byte[i]);
	}
	c->up->routes_changed = true;
}

void slot_map_advertised(const struct cluster *c, const struct cnode *n, struct slot_bits *out)
{
	for (int i = 0; i < SLOT_BITS_LEN; i++) {
		out->byte[i] = (uint8_t)(n->slots.byte[i] & ~c->abandoned.byte[i]);
	}
}

static unsigned count_bits(const struct slot_bits *b)
{
	unsigned count = 0;

	for (int i = 0; i < SLOT_BITS_LEN; i += 8) {
		uint64_t word;

		memcpy(&word, b->byte + i, sizeof word);
		count += (unsigned)__builtin_popcountll(word);
	}
	return count;
}

struct claim {
	struct cnode *sender;
	struct cnode *mine; /* the node whose slots I serve or copy */
	struct cnode *from; /* an owner that lost its last slot to it */
	uint64_t epoch;
	unsigned taken;	     /* slots that changed hands */
	unsigned taken_mine; /* of them, slots of mine */
	unsigned dirty;	     /* of them, slots that I hold keys of */
};

static void claim_slot(struct cluster *c, struct claim *k, unsigned slot)
{
	struct cnode *owner = slot_owner(c, slot);
	bool newer;

	if (owner == k->sender) {
		slot_bits_clear(&c->abandoned, slot);
		return;
	}
	if (c->importing_from[slot] != NONE && !PLANTED(126)) {
		/* The operator moves this slot here; only a command may change its owner. */
		MARK(c, CLAIM_WHILE_IMPORTING);
		return;
	}
	newer = owner == NULL || slot_bits_get(&c->abandoned, slot) ||
		(PLANTED(102) ? owner->config_epoch <= k->epoch : owner->config_epoch < k->epoch);
	if (!newer && !PLANTED(103)) {
		MARK(c, CLAIM_STALE);
		return;
	}
	k->taken++;
	if (owner != NULL && owner == k->mine) {
		k->taken_mine++;
	}
	if (owner == self(c) && c->keys.in_slot(c->keys.ctx, slot) > 0) {
		slot_bits_set(&c->lost_slots, slot);
		k->dirty++;
	}
	slot_bind(c, slot, k->sender);
	if (owner != NULL && owner->slots_count == 0) {
		k->from = owner;
	}
}

static void abandon_slot(struct cluster *c, unsigned slot)
{
	if (slot_bits_get(&c->abandoned, slot)) {
		return;
	}
	MARK(c, SLOTS_ABANDONED);
	slot_bits_set(&c->abandoned, slot);
	migration_slot_given_up(c, slot);
}

static void after_claim(struct cluster *c, const struct claim *k, unsigned claimed)
{
	struct cnode *me = self(c);

	MARK(c, SLOTS_TAKEN);
	NOTE(c, "%u slots are now %.*s's (epoch %" PRIu64 "), %u of them were mine or my primary's",
	     k->taken, SHORT(k->sender), k->epoch, k->taken_mine);
	/* The owner has it on disk and claims it again; so only what is deleted on the strength of
	 * it must be durable here first. (A new epoch, and a change of role, are anyhow.) Each slot
	 * of a reshard would else cost every node a write. */
	need_persist(c, k->dirty > 0 ? PERSIST_SYNC : PERSIST_SAVE);
	if (k->from != NULL && k->from != me) {
		migration_follow(c, k->from, k->sender);
		health_succeeded(c, k->from, k->sender, k->epoch);
	}
	if (k->taken_mine > 0 && k->mine->slots_count == 0 && k->sender != me &&
	    (c->settings.allow_replica_migration || claimed == k->taken_mine)) {
		MARK(c, DEPOSED);
		memset(&c->lost_slots, 0, sizeof c->lost_slots);
		role_follow(c, k->sender, ROLE_DEPOSED);
		return;
	}
	if (k->dirty > 0 && is_primary(me)) {
		MARK(c, DIRTY_SLOTS);
		WARN(c, "%u slots with keys were lost to %.*s: their keys are deleted", k->dirty,
		     SHORT(k->sender));
		c->up->lost_slots = &c->lost_slots;
	}
}

void slot_map_claim(struct cluster *c, struct cnode *sender, uint64_t epoch,
		    const struct slot_bits *bits)
{
	struct claim k = {.sender = sender, .mine = claimant(c), .epoch = epoch};

	if (sender == self(c)) {
		return;
	}
	if (memcmp(sender->slots.byte, bits->byte, SLOT_BITS_LEN) == 0 &&
	    !slot_bits_meet(&c->abandoned, &sender->slots)) {
		return;
	}
	for (unsigned s = 0; s < SLOTS; s++) {
		if (slot_bits_get(bits, s)) {
			claim_slot(c, &k, s);
		} else if (c->owner[s] == index_of(c, sender)) {
			abandon_slot(c, s);
		}
	}
	if (k.taken > 0) {
		after_claim(c, &k, count_bits(bits));
	}
}

void slot_map_advise(struct cluster *c, struct cnode *sender, uint64_t epoch,
		     const struct slot_bits *bits)
{
	struct cnode *known =
	    is_replica(sender) && sender->primary != NONE ? &c->nodes[sender->primary] : sender;
	unsigned told = 0;

	if (known != sender && is_voter(known) && known != self(c) && known->config_epoch > epoch) {
		/* Its primary has a newer epoch than it knows: without it no voter believes it. */
		outbox_update(c, sender, known);
		told++;
	}
	if (memcmp(known->slots.byte, bits->byte, SLOT_BITS_LEN) == 0) {
		return;
	}
	c->stamp++;
	for (unsigned s = 0; s < SLOTS && told < UPDATES_PER_MESSAGE; s++) {
		struct cnode *owner = slot_server(c, s);

		if (owner == NULL || owner == known || !slot_bits_get(bits, s) ||
		    owner->config_epoch <= epoch || slot_bits_get(&c->abandoned, s) ||
		    owner->stamp == c->stamp) {
			continue;
		}
		owner->stamp = c->stamp;
		outbox_update(c, sender, owner);
		told++;
	}
}
