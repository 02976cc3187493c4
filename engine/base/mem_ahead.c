/* A short queue of address ranges, backed piece by piece. */
#include "engine/base/mem_ahead.h"

#include "engine/base/alloc.h"
#include "engine/base/thread.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	WANTED_MAX = 32,
	PIECE = 2 << 20, /* backed between two looks at the queue */
	PAGE = 4096,
};

struct range {
	uintptr_t at, end;
};

struct mem_ahead {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake, idle;
	struct range wanted[WANTED_MAX]; /* a ring */
	unsigned first, count;
	bool busy, stop;
};

/* Takes the next piece off the queue; the lock is held. */
static struct range take_piece(struct mem_ahead *m)
{
	struct range *r = &m->wanted[m->first];
	struct range piece = *r;

	if (piece.end - piece.at > PIECE) {
		piece.end = piece.at + PIECE;
	}
	r->at = piece.end;
	if (r->at == r->end) {
		m->first = (m->first + 1) % WANTED_MAX;
		m->count--;
	}
	return piece;
}

static void *run(void *arg)
{
	struct mem_ahead *m = arg;

	(void)pthread_mutex_lock(&m->lock);
	while (!m->stop) {
		struct range piece;

		if (m->count == 0) {
			(void)pthread_cond_wait(&m->wake, &m->lock);
			continue;
		}
		piece = take_piece(m);
		m->busy = true;
		(void)pthread_mutex_unlock(&m->lock);
		mem_map_back((void *)piece.at, piece.end - piece.at);
		(void)pthread_mutex_lock(&m->lock);
		m->busy = false;
		(void)pthread_cond_broadcast(&m->idle);
	}
	(void)pthread_mutex_unlock(&m->lock);
	return NULL;
}

enum status mem_ahead_start(struct mem_ahead **out)
{
	struct mem_ahead *m = mem_calloc(1, sizeof *m);

	if (m == NULL) {
		return ST_NO_MEMORY;
	}
	(void)pthread_mutex_init(&m->lock, NULL);
	(void)pthread_cond_init(&m->wake, NULL);
	(void)pthread_cond_init(&m->idle, NULL);
	if (!thread_start(&m->thread, "memory", run, m)) {
		(void)pthread_cond_destroy(&m->idle);
		(void)pthread_cond_destroy(&m->wake);
		(void)pthread_mutex_destroy(&m->lock);
		mem_free(m);
		return ST_NO_MEMORY;
	}
	*out = m;
	return ST_OK;
}

void mem_ahead_stop(struct mem_ahead *m)
{
	if (m == NULL) {
		return;
	}
	(void)pthread_mutex_lock(&m->lock);
	m->stop = true;
	(void)pthread_cond_signal(&m->wake);
	(void)pthread_mutex_unlock(&m->lock);
	(void)pthread_join(m->thread, NULL);
	(void)pthread_cond_destroy(&m->idle);
	(void)pthread_cond_destroy(&m->wake);
	(void)pthread_mutex_destroy(&m->lock);
	mem_free(m);
}

void mem_ahead_want(struct mem_ahead *m, void *at, size_t size)
{
	/* Whole pages that lie within. */
	uintptr_t from = ((uintptr_t)at + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	uintptr_t end = ((uintptr_t)at + size) & ~(uintptr_t)(PAGE - 1);

	if (from >= end) {
		return;
	}
	(void)pthread_mutex_lock(&m->lock);
	if (m->count < WANTED_MAX) {
		m->wanted[(m->first + m->count++) % WANTED_MAX] = (struct range){from, end};
		(void)pthread_cond_signal(&m->wake);
	}
	(void)pthread_mutex_unlock(&m->lock);
}

void mem_ahead_settle(struct mem_ahead *m)
{
	(void)pthread_mutex_lock(&m->lock);
	m->count = 0;
	while (m->busy) {
		(void)pthread_cond_wait(&m->idle, &m->lock);
	}
	(void)pthread_mutex_unlock(&m->lock);
}
