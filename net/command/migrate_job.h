/* A MIGRATE under way: its keys, what has become of each, and the payloads on their way.
 *
 * The command is run again and again until it is through; each run does a bounded piece of the
 * work. From the time a key is sent until it is deleted, writes of other clients to it wait
 * (migration_blocks), reads go on. What changes a key all the same (it expires, everything is
 * flushed) is noticed: the key is looked at again, and what is gone is left alone. A key is deleted
 * when the target has said that it has it, all of them in one record; until then it exists on both
 * sides, never on none. Executor thread. */
#ifndef CAIRN_NET_COMMAND_MIGRATE_JOB_H
#define CAIRN_NET_COMMAND_MIGRATE_JOB_H

#include "net/command/dispatch_state.h"
#include "net/command/migrate_link.h"

struct migration;

struct migrate_request {
	struct slice host;
	int port;
	int64_t db, timeout_ms;
	bool copy, replace;
	struct slice user, password; /* data NULL: none */
};

/* Begins to move those of the names (borrowed until this returns) that exist, each once; found: how
 * many. With none nothing is begun. On success the session has a migration. ST_AGAIN: one of the
 * keys is being moved by another client. ST_LIMIT: the host's name is too long. ST_NO_MEMORY, or an
 * error of ks_lookup. */
MUST_CHECK enum status migration_begin(struct command_ctx *ctx, const struct migrate_request *r,
				       const struct slice *names, size_t count, size_t *found);

/* Does a piece of the work. ST_AGAIN: there is more (*idle: but not before the connection has news,
 * which wakes the node); ST_OK: the reply has been sent, what has been moved is deleted, the
 * session has no migration any more. */
MUST_CHECK enum status migration_step(struct command_ctx *ctx, bool *idle);

/* Gives a session's migration up: nothing more is deleted. NULL is fine. */
void migration_abandon(struct migration *m);

/* --- migrate_guard.c --- */

/* True when another session than this one is moving the key. */
bool migration_holds(const struct dispatch *d, const struct session *but, struct slice name);

/* True when the request writes to a key that another session is moving. */
bool migration_blocks(const struct dispatch *d, const struct session *s,
		      const struct command_entry *entry, const struct slice *argv, size_t argc);

/* A key changes (NULL: all do). */
void migration_touched(struct dispatch *d, const struct store_key *key);

#endif
