/* Queues of cold keys, and the threads that touch them in read transactions of their own.
 *
 * Clients that ask for nothing but cold keys keep their queue as long as there are such clients.
 * The few cold keys of one whose requests are mostly warm (its pages were given up a moment ago,
 * say) would wait as long as theirs, and that is all that its slowest requests consist of; so such
 * jobs have a queue of their own. The two are served in turn, so that neither starves the other. */
#include "net/prefetch.h"

#include "engine/base/alloc.h"
#include "engine/base/thread.h"

#include <pthread.h>
#include <sys/resource.h>

enum { GIVE_WAY = 10 /* nice value: a weight of 110 beside 1024 */ };

struct job {
	struct job *next;
	uint64_t client_id;
	size_t count;
	struct cold_key keys[];
};

struct queue {
	struct job *first, *last;
};

struct prefetch {
	struct engine *engine;
	void (*done_hook)(void *arg);
	void *done_arg;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct queue often, seldom, done;
	bool seldom_next; /* whose turn it is when both have jobs */
	bool stop;
	unsigned count;
	pthread_t threads[];
};

/* --- queues; the lock is held --- */

static void append(struct queue *q, struct job *job)
{
	job->next = NULL;
	if (q->first == NULL) {
		q->first = job;
	} else {
		q->last->next = job;
	}
	q->last = job;
}

/* The first job, taken out; NULL: none. */
static struct job *take(struct queue *q)
{
	struct job *job = q->first;

	if (job != NULL) {
		q->first = job->next;
	}
	return job;
}

/* The next job to do, or NULL. */
static struct job *take_next(struct prefetch *p)
{
	bool seldom = p->seldom.first != NULL && (p->seldom_next || p->often.first == NULL);

	p->seldom_next = !seldom;
	return take(seldom ? &p->seldom : &p->often);
}

/* --- threads --- */

static void *run(void *arg)
{
	struct prefetch *p = arg;
	struct store_reader *reader;

	if (engine_reader_open(p->engine, &reader) != ST_OK) {
		reader = NULL;
	}
	/* Waiting for the disk costs CPU too, some 100 us a page; who need not wait goes first.
	 * Priorities are those of threads on Linux, 0 is the calling one; refused, it goes on. */
	(void)setpriority(PRIO_PROCESS, 0, GIVE_WAY);
	(void)pthread_mutex_lock(&p->lock);
	while (!p->stop) {
		struct job *job = take_next(p);
		bool alone;

		if (job == NULL) {
			(void)pthread_cond_wait(&p->wake, &p->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&p->lock);
		/* Without a reader the executor bears the faults: slow, but right. */
		for (size_t i = 0; reader != NULL && i < job->count; i++) {
			engine_touch(reader, store_key_slice(&job->keys[i].key),
				     job->keys[i].elements_max);
		}
		(void)pthread_mutex_lock(&p->lock);
		alone = p->done.first == NULL;
		append(&p->done, job);
		if (alone) {
			/* Whoever is woken wants the lock. */
			(void)pthread_mutex_unlock(&p->lock);
			p->done_hook(p->done_arg);
			(void)pthread_mutex_lock(&p->lock);
		}
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
	p->seldom_next = true;
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
	free_jobs(p->often.first);
	free_jobs(p->seldom.first);
	free_jobs(p->done.first);
	(void)pthread_cond_destroy(&p->wake);
	(void)pthread_mutex_destroy(&p->lock);
	mem_free(p);
}

/* --- the executor's side --- */

enum status prefetch_submit(struct prefetch *p, uint64_t client_id, bool seldom,
			    const struct cold_key *keys, size_t count)
{
	struct job *job = mem_alloc(sizeof *job + count * sizeof *keys);

	if (job == NULL) {
		return ST_NO_MEMORY;
	}
	job->client_id = client_id;
	job->count = count;
	memcpy(job->keys, keys, count * sizeof *keys);
	(void)pthread_mutex_lock(&p->lock);
	append(seldom ? &p->seldom : &p->often, job);
	(void)pthread_cond_signal(&p->wake);
	(void)pthread_mutex_unlock(&p->lock);
	return ST_OK;
}

size_t prefetch_take(struct prefetch *p, uint64_t client_ids[PREFETCH_TAKE_MAX])
{
	struct job *jobs[PREFETCH_TAKE_MAX];
	size_t n = 0;

	(void)pthread_mutex_lock(&p->lock);
	while (n < PREFETCH_TAKE_MAX && p->done.first != NULL) {
		jobs[n++] = take(&p->done);
	}
	if (p->done.first != NULL) {
		p->done_hook(p->done_arg);
	}
	(void)pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < n; i++) {
		client_ids[i] = jobs[i]->client_id;
		mem_free(jobs[i]);
	}
	return n;
}
