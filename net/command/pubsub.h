/* Who listens to what: channels, patterns and shard channels, and the sessions that subscribed to
 * them. Executor thread. */
#ifndef CAIRN_NET_COMMAND_PUBSUB_H
#define CAIRN_NET_COMMAND_PUBSUB_H

#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "net/command/chain_table.h"
#include "net/command/session.h"

/* A name that somebody listens to; it is freed with its last subscription. */
struct topic {
	struct chained chained; /* by kind and name */
	struct topic *next_of_kind, **link_of_kind;
	struct subscription *subscriptions;
	size_t count; /* of them */
	enum subscription_kind kind;
	size_t len;
	uint8_t name[];
};

/* One session's to one topic. */
struct subscription {
	struct chained chained; /* by topic and session */
	struct topic *topic;
	struct session *session;
	struct pubsub *pubsub;
	struct subscription *next_of_topic, **link_of_topic;
	struct subscription *next_of_session, **link_of_session;
};

struct pubsub {
	struct chain_table topics, subscriptions;
	struct topic *of_kind[SUBSCRIPTION_KINDS];
	size_t counts[SUBSCRIPTION_KINDS]; /* topics */
};

/* Ends all subscriptions and frees the tables; it may be used again. */
void pubsub_deinit(struct pubsub *p);

/* Subscribes; again is fine and does nothing. ST_NO_MEMORY: nothing has changed. */
MUST_CHECK enum status pubsub_subscribe(struct pubsub *p, struct session *s,
					enum subscription_kind kind, struct slice name);

/* Ends one subscription. False: there was none. */
bool pubsub_unsubscribe(struct pubsub *p, struct session *s, enum subscription_kind kind,
			struct slice name);

/* Ends one; it and, with the last, its topic are freed. */
void pubsub_end(struct subscription *sub);

/* Ends all of a session, which hears nothing of it. */
void pubsub_leave(struct session *s);

/* The topic of that name, or NULL. */
struct topic *pubsub_find(const struct pubsub *p, enum subscription_kind kind, struct slice name);

/* Some topic of a kind of which there is one, about at random. */
struct topic *pubsub_any(const struct pubsub *p, enum subscription_kind kind, uint64_t random);

/* A topic's name. */
static inline struct slice topic_name(const struct topic *t)
{
	return slice_of(t->name, t->len);
}

#endif
