/* The queue of readings and the thread that does them. */
#include "net/archive_reader.h"

#include "engine/base/alloc.h"
#include "engine/base/thread.h"

#include <pthread.h>

struct reading {
	struct archive_reading base;
	struct archive_reader *reader;
	struct reading *next; /* in the queue */
	struct archive_request request;
	struct buf reply; /* the thread's until it is through */
	enum status st;	  /* ST_AGAIN: not through */
};

struct archive_reader {
	const char *dir;
	void (*notify)(void *arg);
	void *notify_arg;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct reading *first, **last; /* those that have not begun */
	struct reading *current;       /* has begun, and was not taken */
	bool given_up;		       /* current: whoever wanted it is gone */
	bool running, stop;
	pthread_t thread;
};

static void free_reading(struct reading *j)
{
	buf_deinit(&j->reply);
	mem_free(j);
}

/* --- the thread --- */

struct answer {
	struct resp_writer w;
	const struct archive_request *request;
	size_t count;
};

static void write_one(void *arg, const struct divergent_op *op)
{
	struct answer *a = arg;

	a->count++;
	a->request->write(&a->w, op);
}

static enum status read_archive(const char *dir, struct reading *j)
{
	struct answer a = {{.out = &j->reply, .proto = j->request.proto}, &j->request, 0};
	size_t mark = resp_deferred_begin(&a.w);
	enum status st = divergent_read(io_posix(), dir, &j->request.name, j->request.from_lsn,
					j->request.count, write_one, &a);

	if (st == ST_OK) {
		resp_deferred_end(&a.w, mark, '*', a.count);
	}
	return st == ST_OK && a.w.failed ? ST_NO_MEMORY : st;
}

static void *run(void *arg)
{
	struct archive_reader *r = arg;

	(void)pthread_mutex_lock(&r->lock);
	while (!r->stop) {
		struct reading *j = r->first;
		enum status st;

		if (j == NULL || r->current != NULL) {
			(void)pthread_cond_wait(&r->wake, &r->lock);
			continue;
		}
		r->first = j->next;
		r->last = r->first == NULL ? &r->first : r->last;
		r->current = j;
		r->given_up = false;
		(void)pthread_mutex_unlock(&r->lock);
		st = read_archive(r->dir, j);
		(void)pthread_mutex_lock(&r->lock);
		if (r->given_up) {
			r->current = NULL;
			free_reading(j);
			continue;
		}
		j->st = st;
		r->notify(r->notify_arg);
	}
	(void)pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* --- the executor --- */

enum status archive_reader_create(const char *dir, void (*notify)(void *arg), void *arg,
				  struct archive_reader **out)
{
	struct archive_reader *r = mem_calloc(1, sizeof *r);

	if (r == NULL) {
		return ST_NO_MEMORY;
	}
	r->dir = dir;
	r->notify = notify;
	r->notify_arg = arg;
	r->last = &r->first;
	(void)pthread_mutex_init(&r->lock, NULL);
	(void)pthread_cond_init(&r->wake, NULL);
	*out = r;
	return ST_OK;
}

void archive_reader_destroy(struct archive_reader *r)
{
	if (r == NULL) {
		return;
	}
	(void)pthread_mutex_lock(&r->lock);
	r->stop = true;
	(void)pthread_cond_signal(&r->wake);
	(void)pthread_mutex_unlock(&r->lock);
	if (r->running) {
		(void)pthread_join(r->thread, NULL);
	}
	(void)pthread_cond_destroy(&r->wake);
	(void)pthread_mutex_destroy(&r->lock);
	mem_free(r);
}

/* The lock is held. */
static void unqueue(struct archive_reader *r, struct reading *j)
{
	struct reading **at = &r->first;

	while (*at != j) {
		at = &(*at)->next;
	}
	*at = j->next;
	if (r->last == &j->next) {
		r->last = at;
	}
}

static void abandon(struct archive_reading *reading)
{
	struct reading *j = (struct reading *)(void *)reading; /* its first member */
	struct archive_reader *r = j->reader;
	bool mine = true;

	(void)pthread_mutex_lock(&r->lock);
	if (r->current != j) {
		unqueue(r, j);
	} else if (j->st == ST_AGAIN) {
		r->given_up = true; /* the thread frees it */
		mine = false;
	} else {
		r->current = NULL;
		(void)pthread_cond_signal(&r->wake);
	}
	(void)pthread_mutex_unlock(&r->lock);
	if (mine) {
		free_reading(j);
	}
}

enum status archive_reader_begin(struct archive_reader *r, const struct archive_request *request,
				 struct archive_reading **out)
{
	struct reading *j;

	if (!r->running) {
		r->running = thread_start(&r->thread, "archive-read", run, r);
	}
	j = r->running ? mem_calloc(1, sizeof *j) : NULL;
	if (j == NULL) {
		return ST_NO_MEMORY;
	}
	j->base.abandon = abandon;
	j->reader = r;
	j->request = *request;
	j->st = ST_AGAIN;
	(void)pthread_mutex_lock(&r->lock);
	*r->last = j;
	r->last = &j->next;
	(void)pthread_cond_signal(&r->wake);
	(void)pthread_mutex_unlock(&r->lock);
	*out = &j->base;
	return ST_OK;
}

enum status archive_reader_take(struct archive_reading *reading, struct buf *out)
{
	struct reading *j = (struct reading *)(void *)reading;
	struct archive_reader *r = j->reader;
	enum status st;

	(void)pthread_mutex_lock(&r->lock);
	st = j->st;
	(void)pthread_mutex_unlock(&r->lock);
	if (st == ST_AGAIN) {
		return st;
	}
	if (st == ST_OK && out->len == 0) {
		struct buf empty = *out;

		*out = j->reply; /* half a gigabyte at worst is not copied for nothing */
		j->reply = empty;
	} else if (st == ST_OK) {
		st = buf_append(out, j->reply.data, j->reply.len);
	}
	abandon(reading);
	return st;
}
