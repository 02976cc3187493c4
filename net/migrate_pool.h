/* The connections of MIGRATE: those in use, and those kept for ten seconds for the next one.
 * Executor thread. */
#ifndef CAIRN_NET_MIGRATE_POOL_H
#define CAIRN_NET_MIGRATE_POOL_H

#include "net/command/migrate_link.h"

struct migrate_pool;
struct server;

/* ST_NO_MEMORY. */
MUST_CHECK enum status migrate_pool_create(struct server *s, struct migrate_pool **out);

/* Ends all connections and waits for their threads. NULL is fine. */
void migrate_pool_destroy(struct migrate_pool *p);

/* Lets go what was not used for a while; about ten times a second. */
void migrate_pool_cron(struct migrate_pool *p);

/* For struct command_host_ops, of a host that is a server. */
extern const struct migrate_link_ops migrate_pool_ops;

#endif
