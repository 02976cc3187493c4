/* Items between the receiver's thread and the executor. */
#include "net/repl_queue.h"

#include "engine/base/alloc.h"
#include "engine/base/waiting.h"

void repl_queue_init(struct repl_queue *q)
{
	*q = (struct repl_queue){0};
	(void)pthread_mutex_init(&q->lock, NULL);
	waiting_cond_init(&q->room);
}

void repl_queue_deinit(struct repl_queue *q)
{
	while (q->first != NULL) {
		struct repl_item *item = q->first;

		q->first = item->next;
		repl_item_destroy(item);
	}
	(void)pthread_mutex_destroy(&q->lock);
	(void)pthread_cond_destroy(&q->room);
}

struct repl_item *repl_item_create(enum repl_item_kind kind)
{
	struct repl_item *item = mem_calloc(1, sizeof *item);

	if (item != NULL) {
		item->kind = kind;
	}
	return item;
}

void repl_item_destroy(struct repl_item *item)
{
	buf_deinit(&item->stored);
	buf_deinit(&item->records);
	buf_deinit(&item->dictionary);
	mem_free(item);
}

static size_t item_bytes(const struct repl_item *item)
{
	return sizeof *item + item->stored.len + item->records.len + item->dictionary.len;
}

bool repl_queue_push(struct repl_queue *q, struct repl_item *item)
{
	bool first;

	(void)pthread_mutex_lock(&q->lock);
	first = q->last == NULL;
	if (first) {
		q->first = item;
	} else {
		q->last->next = item;
	}
	q->last = item;
	q->bytes += item_bytes(item);
	(void)pthread_mutex_unlock(&q->lock);
	return first;
}

bool repl_queue_full(struct repl_queue *q, size_t bytes_max, uint64_t us)
{
	bool full;

	(void)pthread_mutex_lock(&q->lock);
	if (q->bytes > bytes_max) {
		waiting_cond_us(&q->room, &q->lock, us);
	}
	full = q->bytes > bytes_max;
	(void)pthread_mutex_unlock(&q->lock);
	return full;
}

struct repl_item *repl_queue_peek(struct repl_queue *q)
{
	struct repl_item *item;

	(void)pthread_mutex_lock(&q->lock);
	item = q->first;
	(void)pthread_mutex_unlock(&q->lock);
	return item;
}

void repl_queue_drop(struct repl_queue *q)
{
	struct repl_item *item;

	(void)pthread_mutex_lock(&q->lock);
	item = q->first;
	q->first = item->next;
	if (q->first == NULL) {
		q->last = NULL;
	}
	q->bytes -= item_bytes(item);
	(void)pthread_cond_signal(&q->room);
	(void)pthread_mutex_unlock(&q->lock);
	repl_item_destroy(item);
}
