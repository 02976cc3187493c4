/* Marks of slots on the move. */
#include "cluster/migration.h"

#include "cluster/epoch.h"
#include "cluster/node_table.h"
#include "cluster/outbox.h"
#include "cluster/slot_map.h"

void migration_init(struct cluster *c)
{
	memset(c->migrating_to, 0xff, sizeof c->migrating_to);
	memset(c->importing_from, 0xff, sizeof c->importing_from);
}

void migration_drop(struct cluster *c, struct cnode *n)
{
	uint16_t who = n == NULL ? NONE : index_of(c, n);

	if (!migration_any(c)) {
		return;
	}
	for (unsigned s = 0; s < SLOTS; s++) {
		if (n == NULL || c->migrating_to[s] == who) {
			c->migrating_to[s] = NONE;
		}
		if (n == NULL || c->importing_from[s] == who) {
			c->importing_from[s] = NONE;
		}
	}
}

static bool all_none(const uint16_t marks[SLOTS])
{
	/* Each equals the next: one comparison of the array with itself, shifted. */
	return marks[0] == NONE && memcmp(marks, marks + 1, (SLOTS - 1) * sizeof marks[0]) == 0;
}

bool migration_any(const struct cluster *c)
{
	return !all_none(c->migrating_to) || !all_none(c->importing_from);
}

void migration_follow(struct cluster *c, struct cnode *from, struct cnode *to)
{
	uint16_t was = index_of(c, from);
	unsigned moved = 0;

	if (!migration_any(c)) {
		return;
	}
	for (unsigned s = 0; s < SLOTS; s++) {
		if (c->migrating_to[s] == was) {
			c->migrating_to[s] = to == self(c) ? NONE : index_of(c, to);
			moved++;
		}
		if (c->importing_from[s] == was) {
			c->importing_from[s] = to == self(c) ? NONE : index_of(c, to);
			slot_bind(c, s, to);
			moved++;
		}
	}
	if (moved > 0) {
		NOTE(c, "%u marks of slots on the move follow from %.*s to %.*s", moved,
		     SHORT(from), SHORT(to));
	}
}

void migration_import_done(struct cluster *c, unsigned slot)
{
	c->importing_from[slot] = NONE;
	if (!PLANTED(106)) {
		(void)epoch_bump(c);
	}
	need_persist(c, PERSIST_SYNC);
	outbox_broadcast(c, BUS_PONG, TO_ALL);
}

void migration_slot_given_up(struct cluster *c, unsigned slot)
{
	struct cnode *source = slot_owner(c, slot);

	if (is_primary(self(c)) && source != NULL && c->importing_from[slot] == c->owner[slot]) {
		NOTE(c, "slot %u was let go by %.*s while it is imported: taken", slot,
		     SHORT(source));
		slot_bind(c, slot, self(c));
		migration_import_done(c, slot);
	}
}

static uint16_t place_of(const struct cluster *c, const struct node_id *id)
{
	const struct cnode *n = node_id_empty(id) ? NULL : node_find(c, id);

	return n == NULL || n == self(c) ? (uint16_t)NONE : index_of(c, n);
}

void migration_learn(struct cluster *c, const struct cluster_marks *marks)
{
	if (marks->slot >= SLOTS || !is_replica(self(c))) {
		return;
	}
	c->migrating_to[marks->slot] = place_of(c, &marks->migrating_to);
	c->importing_from[marks->slot] = place_of(c, &marks->importing_from);
	need_persist(c, PERSIST_SAVE);
}
