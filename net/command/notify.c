/* Events wait in one buffer, as [name, key's length][key], until their batch is committed. */
#include "net/command/notify.h"

#include "net/command/dispatch_state.h"

struct noted {
	const char *name;
	size_t key_len;
};

static const char event_expired[] = "expired";

uint32_t notify_classes(const char *text)
{
	static const char letters[] = "g$lshzxetdKEmn";
	uint32_t classes = 0;

	for (; text != NULL && *text != 0; text++) {
		const char *at = strchr(letters, *text);

		if (*text == 'A') {
			classes |= EVENT_BY_KEY - 1;
		} else if (at != NULL) {
			classes |= UINT32_C(1) << (at - letters);
		}
	}
	return (classes & (EVENT_BY_KEY | EVENT_BY_NAME)) != 0 ? classes : 0;
}

void notify_add(struct dispatch *d, const char *name, struct slice key)
{
	struct noted e = {name, key.len};
	size_t mark = d->events.len;

	if (d->pubsub.counts[SUBSCRIBED_CHANNEL] + d->pubsub.counts[SUBSCRIBED_PATTERN] == 0) {
		return;
	}
	/* Without memory an event is lost, as a message is. */
	if (buf_append(&d->events, &e, sizeof e) != ST_OK ||
	    buf_append(&d->events, key.data, key.len) != ST_OK) {
		notify_forget(&d->events, mark);
	}
}

void command_event_gone(struct command_ctx *ctx, struct slice key)
{
	struct store_key k;
	struct meta m;

	if ((ctx->host->events & EVENT_GENERIC) != 0) {
		store_key_of_key(&k, key);
		if (ks_lookup(ctx->engine, &k, &m) == ST_NOT_FOUND) {
			notify_add(ctx->dispatch, "del", key);
		}
	}
}

enum status command_remove(struct command_ctx *ctx, const struct store_key *key)
{
	struct meta old;
	enum status st = ks_lookup(ctx->engine, key, &old);

	if (st == ST_OK) {
		st = ks_delete(ctx->engine, key, &old);
		command_event(ctx, EVENT_GENERIC, "del", key->name);
	}
	return st == ST_NOT_FOUND ? ST_OK : st;
}

/* Takes the first event off *rest. */
static struct noted next_event(struct slice *rest, struct slice *key)
{
	struct noted e;

	memcpy(&e, rest->data, sizeof e);
	*key = slice_of(rest->data + sizeof e, e.key_len);
	*rest = slice_skip(*rest, sizeof e + e.key_len);
	return e;
}

/* A command may meet the same key more than once before it goes. */
static bool told_already(const struct dispatch *d, struct slice key)
{
	struct slice rest = buf_slice(&d->events);

	while (rest.len > 0) {
		struct slice other;
		struct noted e = next_event(&rest, &other);

		if (e.name == event_expired && slice_eq(other, key)) {
			return true;
		}
	}
	return false;
}

void dispatch_expired(void *dispatch, struct slice key, enum expiry_news news)
{
	struct dispatch *d = dispatch;
	bool met = news == EXPIRY_MET;

	if (news == EXPIRY_FIELDS || news == EXPIRY_LAST_FIELDS) {
		if ((d->host->events & EVENT_HASH) != 0) {
			notify_add(d, "hexpired", key);
		}
		if (news == EXPIRY_LAST_FIELDS && (d->host->events & EVENT_GENERIC) != 0) {
			notify_add(d, "del", key);
		}
		return;
	}
	/* What is met otherwise than by a command goes with the expiry cycle. */
	if ((d->host->events & EVENT_EXPIRED) != 0 && (!met || d->in_command) &&
	    !told_already(d, key)) {
		notify_add(d, event_expired, key);
	}
}

void notify_before_write(struct dispatch *d, const struct store_key *key)
{
	struct meta m;

	/* A blind write looks at nothing, so this lookup is also what meets an expired key. */
	if (ks_lookup(d->engine, key, &m) == ST_NOT_FOUND && (d->host->events & EVENT_NEW) != 0) {
		notify_add(d, "new", key->name);
	}
}

static void send_event(struct dispatch *d, struct slice prefix, struct slice topic,
		       struct slice message, uint64_t lsn)
{
	size_t receivers;

	d->scratch.len = 0;
	if (buf_append(&d->scratch, prefix.data, prefix.len) != ST_OK ||
	    buf_append(&d->scratch, topic.data, topic.len) != ST_OK ||
	    dispatch_deliver(d, buf_slice(&d->scratch), message, false, lsn, &receivers) != ST_OK) {
		d->message.len = 0;
	}
}

void notify_deliver(struct dispatch *d, uint64_t lsn)
{
	enum { KEPT = 64 * 1024 };
	struct slice rest = buf_slice(&d->events);
	uint32_t classes = d->host->events;

	while (rest.len > 0) {
		struct slice key;
		struct noted e = next_event(&rest, &key);

		if ((classes & EVENT_BY_KEY) != 0) {
			send_event(d, slice_str("__keyspace@0__:"), key, slice_str(e.name), lsn);
		}
		if ((classes & EVENT_BY_NAME) != 0) {
			send_event(d, slice_str("__keyevent@0__:"), slice_str(e.name), key, lsn);
		}
	}
	d->events.len = 0;
	buf_shrink(&d->events, KEPT);
	buf_shrink(&d->scratch, KEPT);
}
