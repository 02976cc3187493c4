/* A sampling thread for the page cache, and a two-generation set of recently read keys. */
#include "engine/residency.h"

#include "engine/base/alloc.h"
#include "engine/base/thread.h"
#include "engine/base/waiting.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	LOOK_MS = 500,
	FETCH_MAX = 1024,	 /* pages that one look may fetch */
	FETCH_AT_START = 128,	 /* by the first one, which the start waits for */
	SET_BITS = 1 << 21,	 /* per generation: 256 KiB */
	SET_MARKS_MAX = 1 << 18, /* marks before the older generation is dropped: few false hits */
};

struct residency {
	struct store *store;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake, ready;
	bool stop, first_done;
	_Atomic bool all, asked;
	/* Executor only. */
	uint64_t *young, *old;
	uint32_t marks;
};

static void look_now(struct residency *r)
{
	bool all = store_resident(r->store, FETCH_MAX);

	if (all) {
		store_map_resident(r->store);
	}
	atomic_store(&r->all, all);
}

static void *look(void *arg)
{
	struct residency *r = arg;

	atomic_store(&r->all, store_resident(r->store, FETCH_AT_START));
	(void)pthread_mutex_lock(&r->lock);
	r->first_done = true;
	(void)pthread_cond_broadcast(&r->ready);
	while (!r->stop) {
		waiting_cond_us(&r->wake, &r->lock, LOOK_MS * 1000);
		/* An idle node does not walk its page tables. */
		if (!r->stop && atomic_exchange(&r->asked, false)) {
			(void)pthread_mutex_unlock(&r->lock);
			look_now(r);
			(void)pthread_mutex_lock(&r->lock);
		}
	}
	(void)pthread_mutex_unlock(&r->lock);
	return NULL;
}

enum status residency_start(struct store *store, struct residency **out)
{
	struct residency *r = mem_calloc(1, sizeof *r);

	if (r == NULL) {
		return ST_NO_MEMORY;
	}
	r->store = store;
	r->young = mem_calloc(SET_BITS / 64, sizeof *r->young);
	r->old = mem_calloc(SET_BITS / 64, sizeof *r->old);
	if (r->young == NULL || r->old == NULL) {
		goto fail;
	}
	(void)pthread_mutex_init(&r->lock, NULL);
	waiting_cond_init(&r->wake);
	(void)pthread_cond_init(&r->ready, NULL);
	if (!thread_start(&r->thread, "residency", look, r)) {
		(void)pthread_mutex_destroy(&r->lock);
		(void)pthread_cond_destroy(&r->wake);
		(void)pthread_cond_destroy(&r->ready);
		goto fail;
	}
	*out = r;
	return ST_OK;
fail:
	mem_free(r->young);
	mem_free(r->old);
	mem_free(r);
	return ST_NO_MEMORY;
}

void residency_stop(struct residency *r)
{
	if (r == NULL) {
		return;
	}
	(void)pthread_mutex_lock(&r->lock);
	r->stop = true;
	(void)pthread_cond_signal(&r->wake);
	(void)pthread_mutex_unlock(&r->lock);
	(void)pthread_join(r->thread, NULL);
	(void)pthread_mutex_destroy(&r->lock);
	(void)pthread_cond_destroy(&r->wake);
	(void)pthread_cond_destroy(&r->ready);
	mem_free(r->young);
	mem_free(r->old);
	mem_free(r);
}

void residency_ready(struct residency *r)
{
	(void)pthread_mutex_lock(&r->lock);
	while (!r->first_done) {
		(void)pthread_cond_wait(&r->ready, &r->lock);
	}
	(void)pthread_mutex_unlock(&r->lock);
}

void residency_look(struct residency *r)
{
	(void)pthread_mutex_lock(&r->lock);
	atomic_store(&r->asked, true);
	(void)pthread_cond_signal(&r->wake);
	(void)pthread_mutex_unlock(&r->lock);
}

static bool has(const uint64_t *set, uint64_t bit)
{
	return (set[bit / 64] >> (bit % 64) & 1) != 0;
}

bool residency_warm(struct residency *r, uint64_t hash)
{
	uint64_t bit = hash % SET_BITS;

	if (!atomic_load_explicit(&r->asked, memory_order_relaxed)) {
		atomic_store_explicit(&r->asked, true, memory_order_relaxed);
	}
	if (atomic_load_explicit(&r->all, memory_order_relaxed)) {
		return true;
	}
	return has(r->young, bit) || has(r->old, bit);
}

void residency_mark(struct residency *r, uint64_t hash)
{
	uint64_t bit = hash % SET_BITS;

	if (atomic_load_explicit(&r->all, memory_order_relaxed) || has(r->young, bit)) {
		return;
	}
	if (r->marks++ == SET_MARKS_MAX) {
		uint64_t *swap = r->old;

		r->old = r->young;
		r->young = swap;
		memset(r->young, 0, SET_BITS / 8);
		r->marks = 1;
	}
	r->young[bit / 64] |= (uint64_t)1 << (bit % 64);
}

bool residency_all(const struct residency *r)
{
	return atomic_load(&r->all);
}
