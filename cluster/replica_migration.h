/* Replica migration: a shard with replicas to spare gives one to a primary that has lost all. */
#ifndef CAIRN_CLUSTER_REPLICA_MIGRATION_H
#define CAIRN_CLUSTER_REPLICA_MIGRATION_H

#include "cluster/cluster_state.h"

/* Moves this replica to an orphaned primary when it is the one to go. */
void replica_migration_tick(struct cluster *c);

#endif
