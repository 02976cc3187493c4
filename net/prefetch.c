/* A queue of cold keys, and the threads that touch them in read transactions of their own. */
#include "net/prefetch.h"

#include "engine/base/alloc.h"
#include "engine/base/thread.h"

#include <pthread.h>

struct job {
	struct job *next;
	uint64_t client_id;
	size_t count;
	struct cold_key keys[];
};

struct prefetch {
	struct engine *engine;
	void (*done_hook)(void *arg);
	void *done_arg;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *todo, *todo_last, *done;
	bool stop;
	unsigned count;
	pthread_t threads[];
};

static void *run(void *arg)
{
	struct prefetch *p = arg;
	struct store_reader *reader;

	if (engine_reader_open(p->engine, &reader) != ST_OK) {
		reader = NULL;
	}
	(void)pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		struct job *job = p->todo;

		if (job == NULL) {
			(void)pthread_cond_wait(&p->wake, &p->lock);
			continue;
		}
		p->todo = job->next;
		(void)pthread_mutex_unlock(&p->lock);
		/* Without a reader the executor bears the faults: slow, but right. */
		for (size_t i = 0; reader != NULL && i < job->count; i++) {
			engine_touch(reader, store_key_slice(&job->keys[i].key),
				     job->keys[i].elements_max);
		}
		(void)pthread_mutex_lock(&p->lock);
		job->next = p->done;
		p->done = job;
		p->done_hook(p->done_arg);
	}
	(void)pthread_mutex_unlock(&p->lock);
	engine_reader_close(reader);
	return NULL;
}

enum status prefetch_start(struct engine *e, unsigned threads, void (*done_hook)(void *arg),
			   void *arg, struct prefetch **out)
{
	struct prefetch *p = mem_calloc(1, sizeof *p + threads * sizeof(pthread_t));

	if (p == NULL) {
		return ST_NO_MEMORY;
	}
	p->engine = e;
	p->done_hook = done_hook;
	p->done_arg = arg;
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->wake, NULL);
	for (; p->count < threads; p->count++) {
		if (!thread_start(&p->threads[p->count], "cold-read", run, p)) {
			break;
		}
	}
	if (p->count == 0) {
		prefetch_stop(p);
		return ST_NO_MEMORY;
	}
	*out = p;
	return ST_OK;
}

static void free_jobs(struct job *job)
{
	while (job != NULL) {
		struct job *next = job->next;

		mem_free(job);
		job = next;
	}
}

void prefetch_stop(struct prefetch *p)
{
	if (p == NULL) {
		return;
	}
	(void)pthread_mutex_lock(&p->lock);
	p->stop = true;
	(void)pthread_cond_broadcast(&p->wake);
	(void)pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->count; i++) {
		(void)pthread_join(p->threads[i], NULL);
	}
	free_jobs(p->todo);
	free_jobs(p->done);
	(void)pthread_cond_destroy(&p->wake);
	(void)pthread_mutex_destroy(&p->lock);
	mem_free(p);
}

enum status prefetch_submit(struct prefetch *p, uint64_t client_id, const struct cold_key *keys,
			    size_t count)
{
	struct job *job = mem_alloc(sizeof *job + count * sizeof *keys);

	if (job == NULL) {
		return ST_NO_MEMORY;
	}
	job->next = NULL;
	job->client_id = client_id;
	job->count = count;
	memcpy(job->keys, keys, count * sizeof *keys);
	(void)pthread_mutex_lock(&p->lock);
	if (p->todo == NULL) {
		p->todo = job;
	} else {
		p->todo_last->next = job;
	}
	p->todo_last = job;
	(void)pthread_cond_signal(&p->wake);
	(void)pthread_mutex_unlock(&p->lock);
	return ST_OK;
}

bool prefetch_take(struct prefetch *p, uint64_t *client_id)
{
	struct job *job;

	(void)pthread_mutex_lock(&p->lock);
	job = p->done;
	if (job != NULL) {
		p->done = job->next;
	}
	(void)pthread_mutex_unlock(&p->lock);
	if (job == NULL) {
		return false;
	}
	*client_id = job->client_id;
	mem_free(job);
	return true;
}
