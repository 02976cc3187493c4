/* The keys that a MIGRATE moves, by place and by name, and what has become of each. Memory only. */
#ifndef CAIRN_NET_COMMAND_MIGRATE_KEYS_H
#define CAIRN_NET_COMMAND_MIGRATE_KEYS_H

#include "engine/base/buf.h"
#include "engine/base/status.h"

enum key_state {
	KEY_WAITING, /* to be sent */
	KEY_SENDING,
	KEY_SENT,    /* its reply is due */
	KEY_THERE,   /* the target has it */
	KEY_REFUSED, /* the target said no */
	KEY_GONE,    /* it is not here any more */
};

struct moving_key {
	struct slice name; /* within migrate_keys.names */
	enum key_state state;
	bool touched; /* since it was looked at */
	bool resend;  /* the target has, or may have, an older value of it from us */
};

struct migrate_keys {
	struct moving_key *list;
	size_t count;
	struct buf names;
	uint32_t *index; /* open addressing by hash: place in list + 1 */
	size_t index_mask;
};

/* Makes room for at most count keys whose names have so many bytes together. ST_NO_MEMORY. */
MUST_CHECK enum status migrate_keys_init(struct migrate_keys *k, size_t count, size_t bytes);
void migrate_keys_deinit(struct migrate_keys *k);

/* Adds a key (its name is copied) that is not there yet. */
MUST_CHECK enum status migrate_keys_add(struct migrate_keys *k, struct slice name);

/* The key of that name, or NULL. */
struct moving_key *migrate_keys_find(const struct migrate_keys *k, struct slice name);

#endif
