/* Messages on their way to subscribers of this node.
 *
 * A message goes into the output of each subscriber, encoded once. It leaves no earlier than what
 * its publisher wrote before it is durable, so nobody hears of a write that may be lost. What the
 * running client itself is to hear comes behind its reply, as in Redis 7.2: never inside it. */
#include "cluster/route.h"
#include "net/command/dispatch_state.h"

/* Whom a message comes from, and its two encodings, which differ in their first byte. */
struct delivery {
	struct dispatch *d;
	uint64_t lsn;
	size_t receivers;
};

void dispatch_push(struct dispatch *d, struct session *s, struct slice message, uint64_t lsn)
{
	if (s != d->running) {
		d->host->ops->push(d->host, s, message, lsn);
	} else if (buf_append(&d->behind_reply, message.data, message.len) != ST_OK) {
		s->close_after_reply = true; /* it would miss a message without knowing */
	}
}

static void push_to(struct dispatch *d, struct session *s, struct buf *message, uint64_t lsn)
{
	message->data[0] = s->proto > 2 ? '>' : '*';
	dispatch_push(d, s, buf_slice(message), lsn);
}

/* Sends to everybody who listens to the topic. ST_NO_MEMORY: nobody was sent anything. */
static enum status deliver(struct delivery *v, const struct topic *t, const char *kind,
			   bool with_pattern, struct slice channel, struct slice payload)
{
	struct buf *message = &v->d->message;
	struct resp_writer w = {.out = message, .proto = 3};

	message->len = 0;
	resp_push(&w, with_pattern ? 4 : 3);
	resp_bulk_str(&w, kind);
	if (with_pattern) {
		resp_bulk(&w, topic_name(t));
	}
	resp_bulk(&w, channel);
	resp_bulk(&w, payload);
	if (w.failed) {
		return ST_NO_MEMORY;
	}
	for (struct subscription *s = t->subscriptions; s != NULL; s = s->next_of_topic) {
		push_to(v->d, s->session, message, v->lsn);
		v->receivers++;
	}
	return ST_OK;
}

enum status dispatch_deliver(struct dispatch *d, struct slice channel, struct slice payload,
			     bool sharded, uint64_t lsn, size_t *receivers)
{
	enum { KEPT = 64 * 1024 };
	struct delivery v = {.d = d, .lsn = lsn};
	const struct topic *t =
	    pubsub_find(&d->pubsub, sharded ? SUBSCRIBED_SHARD : SUBSCRIBED_CHANNEL, channel);
	enum status st = ST_OK;

	if (t != NULL) {
		st = deliver(&v, t, sharded ? "smessage" : "message", false, channel, payload);
	}
	for (t = sharded ? NULL : d->pubsub.of_kind[SUBSCRIBED_PATTERN]; t != NULL && st == ST_OK;
	     t = t->next_of_kind) {
		if (glob_match(topic_name(t), channel, false)) {
			st = deliver(&v, t, "pmessage", true, channel, payload);
		}
	}
	buf_shrink(&d->message, KEPT);
	*receivers = v.receivers;
	return st;
}

void dispatch_publish(struct dispatch *d, struct slice channel, struct slice payload, bool sharded)
{
	size_t receivers;

	/* Without memory a message is lost to those who were not reached yet, as one is that is
	 * lost on the way here. */
	if (dispatch_deliver(d, channel, payload, sharded, 0, &receivers) != ST_OK) {
		d->message.len = 0;
	}
}

/* Tells everybody on a shard channel that it is no more served here. */
static void drop_topic(struct dispatch *d, struct topic *t)
{
	size_t left = t->count;

	while (left-- > 0) {
		struct subscription *sub = t->subscriptions;
		struct session *s = sub->session;
		struct resp_writer w = {.out = &d->message, .proto = 3};

		d->message.len = 0;
		resp_push(&w, 3);
		resp_bulk_str(&w, "sunsubscribe");
		resp_bulk(&w, topic_name(t));
		resp_int(&w, (int64_t)s->subscribed[SUBSCRIBED_SHARD] - 1);
		if (!w.failed) {
			push_to(d, s, &d->message, 0);
		} else {
			s->close_after_reply = true;
		}
		pubsub_end(sub); /* the last one frees the topic */
	}
}

void dispatch_routes_changed(struct dispatch *d)
{
	struct topic *next;

	if (d->host->cluster == NULL) {
		return;
	}
	dispatch_reroute_blocked(d);
	for (struct topic *t = d->pubsub.of_kind[SUBSCRIBED_SHARD]; t != NULL; t = next) {
		struct slice name = topic_name(t);
		struct route_query q = {
		    .keys = &name, .keys_count = 1, .flags = ROUTE_SHARD_PUBSUB};
		struct route route;

		next = t->next_of_kind;
		route_command(d->host->cluster, &q, &route);
		if (route.kind == ROUTE_MOVED || route.kind == ROUTE_UNBOUND) {
			drop_topic(d, t);
		}
	}
}
