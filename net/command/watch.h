/* WATCH: which sessions want to know about changes of which keys. */
#ifndef CAIRN_NET_COMMAND_WATCH_H
#define CAIRN_NET_COMMAND_WATCH_H

#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "net/command/chain_table.h"
#include "net/command/session.h"

/* A key that a session watches; in two lists. */
struct watched_key {
	struct chained chained; /* by name */
	struct watched_key *next_of_session;
	struct watch_table *table;
	struct session *session;
	bool live; /* it was there when it was watched */
	size_t len;
	uint8_t name[];
};

struct watch_table {
	struct chain_table keys; /* watched_key */
};

void watch_table_deinit(struct watch_table *t);

/* Watches a key; again is fine and does nothing. ST_NO_MEMORY. */
MUST_CHECK enum status watch_add(struct watch_table *t, struct session *s, struct slice name,
				 bool live);

/* Forgets all of a session's watches. */
void watch_clear(struct session *s);

/* A key changes. by_expiry: its record goes only because its time had come. */
void watch_touched(struct watch_table *t, struct slice name, bool by_expiry);

/* Everything goes: breaks the watches of keys for which exists says true. */
void watch_flushed(struct watch_table *t, bool (*exists)(void *arg, struct slice name), void *arg);

#endif
