/* Who waits for which key: keys in a hash by name, each with the queue of its clients; clients in
 * the order in which they came. */
#include "net/command/blocked.h"

#include "engine/base/alloc.h"
#include "net/command/session.h"

/* --- keys --- */

static struct blocked_key *find(const struct blocked_table *t, struct slice name, uint64_t hash)
{
	for (struct chained *c = chain_table_first(&t->keys, hash); c != NULL; c = c->next) {
		struct blocked_key *k = (struct blocked_key *)c;

		if (c->hash == hash && slice_eq(blocked_key_name(k), name)) {
			return k;
		}
	}
	return NULL;
}

/* Finds or makes the key. NULL: no memory. */
static struct blocked_key *key_of(struct blocked_table *t, struct slice name)
{
	uint64_t hash = key_order(name);
	struct blocked_key *k = find(t, name, hash);

	if (k != NULL || chain_table_room(&t->keys) != ST_OK) {
		return k;
	}
	k = mem_alloc(sizeof *k + name.len);
	if (k == NULL) {
		return NULL;
	}
	*k = (struct blocked_key){.chained = {.hash = hash}, .len = name.len};
	if (name.len > 0) {
		memcpy(k->name, name.data, name.len);
	}
	chain_table_add(&t->keys, &k->chained);
	return k;
}

/* Frees a key that nobody waits for and no list or caller holds. */
static void release(struct blocked_table *t, struct blocked_key *k)
{
	if (k->first != NULL || k->ready || k->pinned) {
		return;
	}
	chain_table_remove(&t->keys, &k->chained);
	mem_free(k);
}

/* --- clients --- */

static void leave_queue(struct blocked_table *t, struct blocked_wait *w)
{
	struct blocked_key *k = w->key;

	if (k == NULL) {
		return;
	}
	if (t->cursor == w) {
		t->cursor = w->next;
	}
	*(w->prev != NULL ? &w->prev->next : &k->first) = w->next;
	*(w->next != NULL ? &w->next->prev : &k->last) = w->prev;
	w->key = NULL;
	release(t, k);
}

static void join_queue(struct blocked_table *t, struct blocked_key *k, struct blocked_wait *w)
{
	w->key = k;
	w->number = ++t->number;
	w->prev = k->last;
	*(k->last != NULL ? &k->last->next : &k->first) = w;
	k->last = w;
}

void blocked_forget(struct session *s)
{
	struct blocked_client *c = s->blocked;
	struct blocked_table *t;

	if (c == NULL) {
		return;
	}
	t = c->table;
	for (size_t i = 0; i < c->waits_count; i++) {
		leave_queue(t, &c->waits[i]);
	}
	*(c->prev != NULL ? &c->prev->next : &t->clients) = c->next;
	*(c->next != NULL ? &c->next->prev : &t->clients_last) = c->prev;
	t->clients_count--;
	s->blocked = NULL;
	mem_free(c);
}

enum status blocked_add(struct blocked_table *t, struct session *s, const struct blocking *b,
			bool writes)
{
	size_t size = sizeof(struct blocked_client) + b->keys_count * sizeof(struct blocked_wait);
	struct blocked_client *c = mem_calloc(1, size + b->memo.len);

	if (c == NULL) {
		return ST_NO_MEMORY;
	}
	if (b->memo.len > 0) {
		uint8_t *memo = (uint8_t *)c + size;

		memcpy(memo, b->memo.data, b->memo.len);
		c->memo = slice_of(memo, b->memo.len);
	}
	c->table = t;
	c->session = s;
	c->type = b->type;
	c->any_change = b->any_change;
	c->writes = writes;
	c->waits_count = b->keys_count;
	c->prev = t->clients_last;
	*(t->clients_last != NULL ? &t->clients_last->next : &t->clients) = c;
	t->clients_last = c;
	t->clients_count++;
	s->blocked = c;
	for (size_t i = 0; i < b->keys_count; i++) {
		struct blocked_key *k = key_of(t, b->keys[i]);

		if (k == NULL) {
			blocked_forget(s);
			return ST_NO_MEMORY;
		}
		c->waits[i].client = c;
		/* The last to join a queue: a key that is named twice. */
		if (k->last == NULL || k->last->client != c) {
			join_queue(t, k, &c->waits[i]);
		}
	}
	return ST_OK;
}

/* --- changes --- */

static void make_ready(struct blocked_table *t, struct blocked_key *k)
{
	if (k->ready) {
		return;
	}
	k->ready = true;
	k->ready_next = NULL;
	*(t->ready != NULL ? &t->ready_last->ready_next : &t->ready) = k;
	t->ready_last = k;
}

void blocked_touched(struct blocked_table *t, struct slice name)
{
	struct blocked_key *k = find(t, name, key_order(name));

	if (k != NULL) {
		make_ready(t, k);
	}
}

void blocked_touched_all(struct blocked_table *t)
{
	for (const struct blocked_client *c = t->clients; c != NULL; c = c->next) {
		for (size_t i = 0; i < c->waits_count; i++) {
			if (c->waits[i].key != NULL) {
				make_ready(t, c->waits[i].key);
			}
		}
	}
}

struct blocked_key *blocked_take_ready(struct blocked_table *t)
{
	struct blocked_key *k = t->ready;

	if (k != NULL) {
		t->ready = k->ready_next;
		k->ready = false;
		k->pinned = true;
	}
	return k;
}

void blocked_give_back(struct blocked_table *t, struct blocked_key *k, bool again)
{
	k->pinned = false;
	if (again && !k->ready) {
		k->ready = true;
		k->ready_next = t->ready;
		t->ready_last = t->ready == NULL ? k : t->ready_last;
		t->ready = k;
	}
	release(t, k);
}

void blocked_table_deinit(struct blocked_table *t)
{
	while (t->clients != NULL) {
		blocked_forget(t->clients->session);
	}
	for (struct blocked_key *k; (k = blocked_take_ready(t)) != NULL;) {
		blocked_give_back(t, k, false);
	}
	chain_table_deinit(&t->keys);
	*t = (struct blocked_table){0};
}
