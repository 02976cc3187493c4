/* What is remembered of clients' reads, and the messages that end it. */
#include "net/command/tracking.h"

#include "engine/base/bytes.h"
#include "net/command/command_keys.h"
#include "net/command/dispatch_state.h"

#include <stdlib.h>

enum { CHANGED_HEAD = 8 + 4, KEPT = 64 * 1024, EVICTED_PER_TURN = 10000 };

void tracking_deinit(struct tracking *t)
{
	while (t->clients != NULL) {
		tracking_leave(t->clients);
	}
	pubsub_deinit(&t->table);
	buf_deinit(&t->changed);
}

/* --- on and off --- */

void tracking_begin(struct dispatch *d, struct session *s, unsigned flags, struct session *redirect)
{
	struct tracking *t = &d->tracking;

	if (s->tracker == NULL) {
		s->tracker = t;
		s->tracking_next = t->clients;
		s->tracking_link = &t->clients;
		if (s->tracking_next != NULL) {
			s->tracking_next->tracking_link = &s->tracking_next;
		}
		t->clients = s;
		t->clients_count++;
	}
	/* What CLIENT CACHING said holds whatever is switched meanwhile, as in Redis. */
	s->tracking = TRACKING_ON | flags | (s->tracking & (unsigned)TRACKING_CACHING);
	s->redirect = redirect;
	s->redirect_id = redirect == NULL ? 0 : redirect->id;
	if (redirect != NULL) {
		redirect->redirected_by = t;
	}
}

enum status tracking_prefix(struct dispatch *d, struct session *s, struct slice prefix)
{
	return pubsub_subscribe(&d->tracking.table, s, TRACKED_PREFIX, prefix);
}

static void end_all(struct session *s, enum subscription_kind kind)
{
	while (s->subscriptions[kind] != NULL) {
		pubsub_end(s->subscriptions[kind]);
	}
}

void tracking_leave(struct session *s)
{
	struct tracking *t = s->tracker;

	if (t == NULL) {
		return;
	}
	end_all(s, TRACKED_KEY);
	end_all(s, TRACKED_PREFIX);
	*s->tracking_link = s->tracking_next;
	if (s->tracking_next != NULL) {
		s->tracking_next->tracking_link = s->tracking_link;
	}
	t->clients_count--;
	s->tracker = NULL;
	s->tracking_next = s->redirect = NULL;
	s->tracking_link = NULL;
	s->tracking = 0;
	s->redirect_id = 0;
}

void tracking_forget_target(struct session *target)
{
	const struct tracking *t = target->redirected_by;

	for (struct session *s = t == NULL ? NULL : t->clients; s != NULL; s = s->tracking_next) {
		if (s->redirect == target) {
			s->redirect = NULL;
		}
	}
	target->redirected_by = NULL;
}

/* --- messages --- */

/* The keys of a message: encoded ones, or (len 0) that all are stale. */
static void put_keys(struct resp_writer *w, const struct session *s, struct slice keys)
{
	struct resp_writer null = {.out = w->out, .proto = s->proto};

	if (keys.len > 0) {
		resp_bulk_part(w, keys);
	} else {
		resp_null(&null);
		w->failed |= null.failed;
	}
}

/* Tells a client, or the one that it redirects to. */
static void send_stale(struct dispatch *d, struct session *s, struct slice keys)
{
	struct session *to = s->redirect_id == 0 ? s : s->redirect;
	struct resp_writer w = {.out = &d->message, .proto = 3};

	d->message.len = 0;
	if (to == NULL) {
		s->tracking |= TRACKING_BROKEN;
		if (s->proto < 3) {
			return;
		}
		to = s;
		resp_push(&w, 2);
		resp_bulk_str(&w, "tracking-redir-broken");
		resp_int(&w, (int64_t)s->redirect_id);
	} else if (to->proto > 2) {
		resp_push(&w, 2);
		resp_bulk_str(&w, "invalidate");
		put_keys(&w, s, keys);
	} else if (to != s && session_listens(to)) {
		resp_array(&w, 3);
		resp_bulk_str(&w, "message");
		resp_bulk_str(&w, "__redis__:invalidate");
		put_keys(&w, s, keys);
	} else {
		return; /* there is no way to tell it */
	}
	if (w.failed) {
		s->close_after_reply = to->close_after_reply = true;
	} else {
		dispatch_push(d, to, buf_slice(&d->message), 0);
	}
	d->message.len = 0;
	buf_shrink(&d->message, KEPT);
}

/* Encodes an array of one key into d->scratch, which is free for it. */
static bool encode_key(struct dispatch *d, struct slice key)
{
	struct resp_writer w = {.out = &d->scratch, .proto = 3};

	d->scratch.len = 0;
	resp_array(&w, 1);
	resp_bulk(&w, key);
	return !w.failed;
}

/* Tells who has read the key, but not one that wants to hear nothing of its own writes, and forgets
 * it. */
static void end_key(struct dispatch *d, struct topic *t, const struct session *writer)
{
	bool encoded = encode_key(d, topic_name(t));
	size_t left = t->count;

	while (left-- > 0) {
		struct subscription *sub = t->subscriptions;
		struct session *s = sub->session;

		pubsub_end(sub); /* the last one frees the topic */
		if (!encoded) {
			s->close_after_reply = true;
		} else if (s != writer || (s->tracking & TRACKING_NOLOOP) == 0) {
			send_stale(d, s, buf_slice(&d->scratch));
		}
	}
	d->scratch.len = 0;
}

/* --- reads --- */

struct remembering {
	struct dispatch *d;
	struct session *s;
};

static bool remember_key(void *arg, struct slice key, struct slice flags)
{
	const struct remembering *r = arg;

	(void)flags;
	if (pubsub_subscribe(&r->d->tracking.table, r->s, TRACKED_KEY, key) != ST_OK) {
		r->s->close_after_reply = true; /* it would keep what it has read for ever */
	}
	return true;
}

void tracking_ran(struct dispatch *d, const struct command_ctx *ctx,
		  const struct command_entry *entry)
{
	struct remembering r = {d, ctx->session};
	unsigned flags = ctx->session->tracking;
	bool said = (flags & TRACKING_CACHING) != 0;

	if ((flags & TRACKING_BCAST) != 0 || (ctx->cmd->flags & CMD_READONLY) == 0 ||
	    ((flags & TRACKING_OPTIN) != 0 && !said) || ((flags & TRACKING_OPTOUT) != 0 && said)) {
		return;
	}
	(void)command_keys_each(entry, ctx->argv, ctx->argc, false, remember_key, &r);
}

/* --- changes --- */

/* Everything that was remembered is stale. */
static void forget_keys(struct tracking *t)
{
	while (t->table.of_kind[TRACKED_KEY] != NULL) {
		pubsub_end(t->table.of_kind[TRACKED_KEY]->subscriptions);
	}
}

/* only_readers: those who have nothing cached need not know. */
static void tell_all(struct dispatch *d, bool only_readers)
{
	struct tracking *t = &d->tracking;

	for (struct session *s = t->clients; s != NULL; s = s->tracking_next) {
		if (!only_readers || (s->tracking & TRACKING_BCAST) != 0 ||
		    s->subscribed[TRACKED_KEY] > 0) {
			send_stale(d, s, slice_of(NULL, 0));
		}
	}
	forget_keys(t);
	t->changed.len = 0;
}

static void note_changed(struct dispatch *d, struct slice key)
{
	struct tracking *t = &d->tracking;
	uint8_t head[CHANGED_HEAD];
	size_t mark = t->changed.len;

	bytes_put_u64le(head, d->in_command && d->running != NULL ? d->running->id : 0);
	bytes_put_u32le(head + 8, (uint32_t)key.len);
	if (buf_append(&t->changed, head, sizeof head) != ST_OK ||
	    buf_append(&t->changed, key.data, key.len) != ST_OK) {
		t->changed.len = mark;
		t->all_changed = true; /* too much rather than too little */
	}
}

void tracking_touched(struct dispatch *d, const struct store_key *key)
{
	struct tracking *t = &d->tracking;
	struct topic *topic;

	if (key == NULL) {
		if (d->in_command) {
			tell_all(d, false);
		} else {
			t->all_changed = true;
		}
		return;
	}
	topic = pubsub_find(&t->table, TRACKED_KEY, key->name);
	if (topic != NULL) {
		end_key(d, topic, d->in_command ? d->running : NULL);
	}
	if (t->table.counts[TRACKED_PREFIX] > 0) {
		note_changed(d, key->name);
	}
}

/* --- BCAST --- */

struct changed_key {
	struct slice name;
	uint64_t client; /* who changed it first in this turn; 0: nobody */
};

static int compare_names(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n == 0 ? 0 : memcmp(a.data, b.data, n);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* By name; of one name, in the order of the list, where the slices lie. */
static int by_name(const void *a, const void *b)
{
	const struct changed_key *x = a, *y = b;
	int order = compare_names(x->name, y->name);

	return order != 0 ? order : (x->name.data > y->name.data) - (x->name.data < y->name.data);
}

static int by_topic_name(const void *a, const void *b)
{
	struct topic *const *x = a, *const *y = b;

	return compare_names(topic_name(*x), topic_name(*y));
}

/* Sorts what has changed into out, each key once. */
static enum status sort_changed(const struct tracking *t, struct buf *out)
{
	struct slice rest = buf_slice(&t->changed);
	struct changed_key *list;
	size_t n, kept = 0;
	enum status st = ST_OK;

	while (st == ST_OK && rest.len > 0) {
		size_t len = bytes_get_u32le(rest.data + 8);
		struct changed_key k = {slice_of(rest.data + CHANGED_HEAD, len),
					bytes_get_u64le(rest.data)};

		st = buf_append(out, &k, sizeof k);
		rest = slice_skip(rest, CHANGED_HEAD + len);
	}
	if (st != ST_OK) {
		return st;
	}
	list = (struct changed_key *)(void *)out->data;
	n = out->len / sizeof *list;
	qsort(list, n, sizeof *list, by_name);
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || !slice_eq(list[kept - 1].name, list[i].name)) {
			list[kept++] = list[i];
		}
	}
	out->len = kept * sizeof *list;
	return ST_OK;
}

/* Encodes the keys with that prefix, without those that the client (0: none) has changed itself.
 * False: there are none, or no memory (*failed). */
static bool encode_changed(struct dispatch *d, const struct buf *changed, struct slice prefix,
			   uint64_t without, bool *failed)
{
	const struct changed_key *list = (const struct changed_key *)(const void *)changed->data;
	struct resp_writer w = {.out = &d->scratch, .proto = 3};
	size_t n = changed->len / sizeof *list, count = 0, mark;

	d->scratch.len = 0;
	mark = resp_deferred_begin(&w);
	for (size_t i = 0; i < n; i++) {
		if (slice_has_prefix(list[i].name, prefix) &&
		    (without == 0 || list[i].client != without)) {
			resp_bulk(&w, list[i].name);
			count++;
		}
	}
	resp_deferred_end(&w, mark, '*', count);
	*failed = w.failed;
	return count > 0 && !w.failed;
}

/* Tells the clients of one prefix. */
static enum status tell_prefix(struct dispatch *d, const struct buf *changed, const struct topic *t)
{
	bool noloop = false, failed, any = encode_changed(d, changed, topic_name(t), 0, &failed);

	for (struct subscription *sub = t->subscriptions; any && sub != NULL;
	     sub = sub->next_of_topic) {
		if ((sub->session->tracking & TRACKING_NOLOOP) == 0) {
			send_stale(d, sub->session, buf_slice(&d->scratch));
		} else {
			noloop = true;
		}
	}
	for (struct subscription *sub = t->subscriptions; noloop && !failed && sub != NULL;
	     sub = sub->next_of_topic) {
		struct session *s = sub->session;

		if ((s->tracking & TRACKING_NOLOOP) != 0 &&
		    encode_changed(d, changed, topic_name(t), s->id, &failed)) {
			send_stale(d, s, buf_slice(&d->scratch));
		}
	}
	return failed ? ST_NO_MEMORY : ST_OK;
}

/* Prefix by prefix, in their order. */
static enum status tell_prefixes(struct dispatch *d)
{
	struct tracking *t = &d->tracking;
	struct buf changed = {0}, topics = {0};
	enum status st = sort_changed(t, &changed);

	for (struct topic *p = t->table.of_kind[TRACKED_PREFIX]; p != NULL && st == ST_OK;
	     p = p->next_of_kind) {
		st = buf_append(&topics, &p, sizeof p);
	}
	if (st == ST_OK && topics.len > 0) {
		struct topic **list = (struct topic **)(void *)topics.data;
		size_t n = topics.len / sizeof *list;

		qsort(list, n, sizeof *list, by_topic_name);
		for (size_t i = 0; i < n && st == ST_OK; i++) {
			st = tell_prefix(d, &changed, list[i]);
		}
	}
	buf_deinit(&changed);
	buf_deinit(&topics);
	return st;
}

void tracking_turn_end(struct dispatch *d)
{
	struct tracking *t = &d->tracking;
	uint64_t most = d->host->tracked_max;

	if (t->changed.len > 0 && !t->all_changed && tell_prefixes(d) != ST_OK) {
		t->all_changed = true;
	}
	if (t->all_changed) {
		t->all_changed = false;
		tell_all(d, true);
	}
	t->changed.len = 0;
	buf_shrink(&t->changed, KEPT);
	d->scratch.len = 0;
	buf_shrink(&d->scratch, KEPT);
	for (size_t i = 0; most > 0 && t->table.counts[TRACKED_KEY] > most && i < EVICTED_PER_TURN;
	     i++) {
		end_key(d, pubsub_any(&t->table, TRACKED_KEY, rng_next(&d->rng)), NULL);
	}
}

void tracking_stats(const struct tracking *t, struct tracking_stats *out)
{
	*out = (struct tracking_stats){.keys = t->table.counts[TRACKED_KEY],
				       .items = t->table.subscriptions.count,
				       .prefixes = t->table.counts[TRACKED_PREFIX]};
	for (const struct topic *p = t->table.of_kind[TRACKED_PREFIX]; p != NULL;
	     p = p->next_of_kind) {
		out->items -= p->count;
	}
}
