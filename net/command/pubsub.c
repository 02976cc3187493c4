/* Topics and subscriptions, each in a hash by chains; a topic and a session list their own. */
#include "net/command/pubsub.h"

#include "engine/base/alloc.h"
#include "engine/key_codec.h"

static uint64_t topic_hash(enum subscription_kind kind, struct slice name)
{
	return key_order(name) * SUBSCRIPTION_KINDS + (uint64_t)kind;
}

static uint64_t subscription_hash(const struct topic *t, const struct session *s)
{
	return t->chained.hash ^ s->id * UINT64_C(0x9e3779b97f4a7c15);
}

/* --- topics --- */

struct topic *pubsub_find(const struct pubsub *p, enum subscription_kind kind, struct slice name)
{
	uint64_t hash = topic_hash(kind, name);

	for (struct chained *c = chain_table_first(&p->topics, hash); c != NULL; c = c->next) {
		struct topic *t = (struct topic *)c;

		if (c->hash == hash && t->kind == kind && slice_eq(topic_name(t), name)) {
			return t;
		}
	}
	return NULL;
}

struct topic *pubsub_any(const struct pubsub *p, enum subscription_kind kind, uint64_t random)
{
	for (size_t i = 0; i <= p->topics.mask; i++) {
		for (struct chained *c = chain_table_first(&p->topics, random + i); c != NULL;
		     c = c->next) {
			if (((struct topic *)c)->kind == kind) {
				return (struct topic *)c;
			}
		}
	}
	return p->of_kind[kind];
}

static struct topic *topic_create(struct pubsub *p, enum subscription_kind kind, struct slice name)
{
	struct topic *t =
	    chain_table_room(&p->topics) == ST_OK ? mem_alloc(sizeof *t + name.len) : NULL;

	if (t == NULL) {
		return NULL;
	}
	*t = (struct topic){.chained = {.hash = topic_hash(kind, name)},
			    .next_of_kind = p->of_kind[kind],
			    .link_of_kind = &p->of_kind[kind],
			    .kind = kind,
			    .len = name.len};
	if (name.len > 0) {
		memcpy(t->name, name.data, name.len);
	}
	if (t->next_of_kind != NULL) {
		t->next_of_kind->link_of_kind = &t->next_of_kind;
	}
	p->of_kind[kind] = t;
	p->counts[kind]++;
	chain_table_add(&p->topics, &t->chained);
	return t;
}

static void topic_free(struct pubsub *p, struct topic *t)
{
	chain_table_remove(&p->topics, &t->chained);
	*t->link_of_kind = t->next_of_kind;
	if (t->next_of_kind != NULL) {
		t->next_of_kind->link_of_kind = t->link_of_kind;
	}
	p->counts[t->kind]--;
	mem_free(t);
}

/* --- subscriptions --- */

static struct subscription *find_subscription(const struct pubsub *p, const struct topic *t,
					      const struct session *s)
{
	uint64_t hash = subscription_hash(t, s);

	for (struct chained *c = chain_table_first(&p->subscriptions, hash); c != NULL;
	     c = c->next) {
		struct subscription *sub = (struct subscription *)c;

		if (sub->topic == t && sub->session == s) {
			return sub;
		}
	}
	return NULL;
}

static void link_in(struct subscription *sub)
{
	struct topic *t = sub->topic;
	struct session *s = sub->session;

	sub->next_of_topic = t->subscriptions;
	sub->link_of_topic = &t->subscriptions;
	if (t->subscriptions != NULL) {
		t->subscriptions->link_of_topic = &sub->next_of_topic;
	}
	t->subscriptions = sub;
	t->count++;
	sub->next_of_session = s->subscriptions[t->kind];
	sub->link_of_session = &s->subscriptions[t->kind];
	if (sub->next_of_session != NULL) {
		sub->next_of_session->link_of_session = &sub->next_of_session;
	}
	s->subscriptions[t->kind] = sub;
	s->subscribed[t->kind]++;
}

enum status pubsub_subscribe(struct pubsub *p, struct session *s, enum subscription_kind kind,
			     struct slice name)
{
	struct topic *t = pubsub_find(p, kind, name);
	struct subscription *sub;

	if (t != NULL && find_subscription(p, t, s) != NULL) {
		return ST_OK;
	}
	if (chain_table_room(&p->subscriptions) != ST_OK) {
		return ST_NO_MEMORY;
	}
	sub = mem_alloc(sizeof *sub);
	if (sub != NULL && t == NULL) {
		t = topic_create(p, kind, name);
	}
	if (sub == NULL || t == NULL) {
		mem_free(sub);
		return ST_NO_MEMORY;
	}
	*sub = (struct subscription){
	    .chained = {.hash = subscription_hash(t, s)}, .topic = t, .session = s, .pubsub = p};
	chain_table_add(&p->subscriptions, &sub->chained);
	link_in(sub);
	return ST_OK;
}

void pubsub_end(struct subscription *sub)
{
	struct topic *t = sub->topic;

	chain_table_remove(&sub->pubsub->subscriptions, &sub->chained);
	*sub->link_of_topic = sub->next_of_topic;
	if (sub->next_of_topic != NULL) {
		sub->next_of_topic->link_of_topic = sub->link_of_topic;
	}
	*sub->link_of_session = sub->next_of_session;
	if (sub->next_of_session != NULL) {
		sub->next_of_session->link_of_session = sub->link_of_session;
	}
	sub->session->subscribed[t->kind]--;
	if (--t->count == 0) {
		topic_free(sub->pubsub, t);
	}
	mem_free(sub);
}

bool pubsub_unsubscribe(struct pubsub *p, struct session *s, enum subscription_kind kind,
			struct slice name)
{
	struct topic *t = pubsub_find(p, kind, name);
	struct subscription *sub = t == NULL ? NULL : find_subscription(p, t, s);

	if (sub == NULL) {
		return false;
	}
	pubsub_end(sub);
	return true;
}

void pubsub_leave(struct session *s)
{
	for (size_t k = 0; k < SUBSCRIPTION_KINDS; k++) {
		while (s->subscriptions[k] != NULL) {
			pubsub_end(s->subscriptions[k]);
		}
	}
}

void pubsub_deinit(struct pubsub *p)
{
	for (size_t k = 0; k < SUBSCRIPTION_KINDS; k++) {
		while (p->of_kind[k] != NULL) {
			pubsub_end(p->of_kind[k]->subscriptions);
		}
	}
	chain_table_deinit(&p->topics);
	chain_table_deinit(&p->subscriptions);
	*p = (struct pubsub){.counts = {0}};
}
