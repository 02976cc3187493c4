/* Watched keys in a hash by name, each also in its session's list. */
#include "net/command/watch.h"

#include "engine/base/alloc.h"
#include "engine/key_codec.h"

/* The watches in a chain. */
static struct watched_key *watch_of(struct chained *c)
{
	return (struct watched_key *)c;
}

void watch_table_deinit(struct watch_table *t)
{
	for (size_t i = 0; t->keys.buckets != NULL && i <= t->keys.mask; i++) {
		while (t->keys.buckets[i] != NULL) {
			watch_clear(watch_of(t->keys.buckets[i])->session);
		}
	}
	chain_table_deinit(&t->keys);
}

static bool is_key(const struct watched_key *w, uint64_t hash, struct slice name)
{
	return w->chained.hash == hash && slice_eq(slice_of(w->name, w->len), name);
}

enum status watch_add(struct watch_table *t, struct session *s, struct slice name, bool live)
{
	uint64_t hash = key_order(name);
	struct watched_key *w;

	if (chain_table_room(&t->keys) != ST_OK) {
		return ST_NO_MEMORY;
	}
	for (struct chained *c = chain_table_first(&t->keys, hash); c != NULL; c = c->next) {
		if (watch_of(c)->session == s && is_key(watch_of(c), hash, name)) {
			return ST_OK;
		}
	}
	w = mem_alloc(sizeof *w + name.len);
	if (w == NULL) {
		return ST_NO_MEMORY;
	}
	*w = (struct watched_key){.chained = {.hash = hash},
				  .next_of_session = s->watches,
				  .table = t,
				  .session = s,
				  .live = live,
				  .len = name.len};
	if (name.len > 0) {
		memcpy(w->name, name.data, name.len);
	}
	s->watches = w;
	chain_table_add(&t->keys, &w->chained);
	return ST_OK;
}

void watch_clear(struct session *s)
{
	struct watched_key *w = s->watches;

	while (w != NULL) {
		struct watched_key *next = w->next_of_session;

		chain_table_remove(&w->table->keys, &w->chained);
		mem_free(w);
		w = next;
	}
	s->watches = NULL;
}

void watch_touched(struct watch_table *t, struct slice name, bool by_expiry)
{
	uint64_t hash;

	if (t->keys.count == 0) {
		return;
	}
	hash = key_order(name);
	for (struct chained *c = chain_table_first(&t->keys, hash); c != NULL; c = c->next) {
		struct watched_key *w = watch_of(c);

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
	for (size_t i = 0; t->keys.count > 0 && i <= t->keys.mask; i++) {
		for (struct chained *c = t->keys.buckets[i]; c != NULL; c = c->next) {
			struct watched_key *w = watch_of(c);

			if (!w->session->watch_broken && exists(arg, slice_of(w->name, w->len))) {
				w->session->watch_broken = true;
			}
		}
	}
}
