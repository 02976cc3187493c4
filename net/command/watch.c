/* Watched keys in a hash by name, each also in its session's list. */
#include "net/command/watch.h"

#include "engine/base/alloc.h"
#include "engine/key_codec.h"

enum { WATCH_BUCKETS = 1024 };

void watch_table_deinit(struct watch_table *t)
{
	for (size_t i = 0; t->buckets != NULL && i <= t->buckets_mask; i++) {
		while (t->buckets[i] != NULL) {
			watch_clear(t->buckets[i]->session);
		}
	}
	mem_free(t->buckets);
	*t = (struct watch_table){0};
}

static void link_in(struct watch_table *t, struct watched_key *w)
{
	struct watched_key **head = &t->buckets[w->hash & t->buckets_mask];

	w->next = *head;
	w->link = head;
	if (w->next != NULL) {
		w->next->link = &w->next;
	}
	*head = w;
}

/* Keeps chains short; staying small for want of memory only costs time. */
static enum status make_room(struct watch_table *t)
{
	size_t size = t->buckets == NULL ? WATCH_BUCKETS : (t->buckets_mask + 1) * 2;
	struct watched_key **old = t->buckets;
	size_t old_size = old == NULL ? 0 : t->buckets_mask + 1;
	struct watched_key **buckets;

	if (old != NULL && t->count <= old_size) {
		return ST_OK;
	}
	buckets = mem_calloc(size, sizeof *buckets);
	if (buckets == NULL) {
		return old == NULL ? ST_NO_MEMORY : ST_OK;
	}
	t->buckets = buckets;
	t->buckets_mask = size - 1;
	for (size_t i = 0; i < old_size; i++) {
		for (struct watched_key *w = old[i], *next; w != NULL; w = next) {
			next = w->next;
			link_in(t, w);
		}
	}
	mem_free(old);
	return ST_OK;
}

static bool is_key(const struct watched_key *w, uint64_t hash, struct slice name)
{
	return w->hash == hash && slice_eq(slice_of(w->name, w->len), name);
}

enum status watch_add(struct watch_table *t, struct session *s, struct slice name, bool live)
{
	uint64_t hash = key_order(name);
	struct watched_key *w;

	if (make_room(t) != ST_OK) {
		return ST_NO_MEMORY;
	}
	for (w = t->buckets[hash & t->buckets_mask]; w != NULL; w = w->next) {
		if (w->session == s && is_key(w, hash, name)) {
			return ST_OK;
		}
	}
	w = mem_alloc(sizeof *w + name.len);
	if (w == NULL) {
		return ST_NO_MEMORY;
	}
	*w = (struct watched_key){.next_of_session = s->watches,
				  .table = t,
				  .session = s,
				  .hash = hash,
				  .live = live,
				  .len = name.len};
	if (name.len > 0) {
		memcpy(w->name, name.data, name.len);
	}
	s->watches = w;
	link_in(t, w);
	t->count++;
	return ST_OK;
}

void watch_clear(struct session *s)
{
	struct watched_key *w = s->watches;

	while (w != NULL) {
		struct watched_key *next = w->next_of_session;

		*w->link = w->next;
		if (w->next != NULL) {
			w->next->link = w->link;
		}
		w->table->count--;
		mem_free(w);
		w = next;
	}
	s->watches = NULL;
}

void watch_touched(struct watch_table *t, struct slice name, bool by_expiry)
{
	uint64_t hash;

	if (t->count == 0) {
		return;
	}
	hash = key_order(name);
	for (struct watched_key *w = t->buckets[hash & t->buckets_mask]; w != NULL; w = w->next) {
		if (!is_key(w, hash, name)) {
			continue;
		}
		/* A key that was not there for the client when it began to watch does not change
		 * for it when an expired record goes. */
		w->session->watch_broken |= w->live || !by_expiry;
	}
}

void watch_flushed(struct watch_table *t, bool (*exists)(void *arg, struct slice name), void *arg)
{
	for (size_t i = 0; t->count > 0 && i <= t->buckets_mask; i++) {
		for (struct watched_key *w = t->buckets[i]; w != NULL; w = w->next) {
			if (!w->session->watch_broken && exists(arg, slice_of(w->name, w->len))) {
				w->session->watch_broken = true;
			}
		}
	}
}
