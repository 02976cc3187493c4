/* Slots on the move: the marks "migrating to" and "importing from" of single slots, as redis-cli
 * sets them. Marks follow a failover of the node they name, and a slot whose source has let go of
 * it does not stay nobody's. */
#ifndef CAIRN_CLUSTER_MIGRATION_H
#define CAIRN_CLUSTER_MIGRATION_H

#include "cluster/cluster_state.h"

/* No slot has a mark. */
void migration_init(struct cluster *c);

/* Removes the marks that name n, or (n NULL) all of them. */
void migration_drop(struct cluster *c, struct cnode *n);

/* True when any slot has a mark. */
bool migration_any(const struct cluster *c);

/* The marks that name a node name its successor from now on. */
void migration_follow(struct cluster *c, struct cnode *from, struct cnode *to);

/* The owner of a slot stopped claiming it. If this node imports the slot from that owner, the move
 * was finished there and the end of it got lost here (with the target that this node replaces, or
 * in the wrong order): this node takes the slot. */
void migration_slot_given_up(struct cluster *c, unsigned slot);

/* A replica learns a mark of its primary from the log, so that it has it when it takes over. */
void migration_learn(struct cluster *c, const struct cluster_marks *marks);

/* Finishes the import of a slot that is bound to this node by now: a newer epoch, told to all. */
void migration_import_done(struct cluster *c, unsigned slot);

#endif
