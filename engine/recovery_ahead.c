/* A ring of batches between the thread that reads the log and the one that applies it. */
#include "engine/recovery_ahead.h"

#include "engine/base/alloc.h"
#include "engine/base/planted.h"
#include "engine/base/thread.h"
#include "engine/engine_impl.h"

enum {
	BATCHES = 8,
	FREE_MIN = 4, /* batches that must be free before a reader that found none goes on */
	BATCH_BYTES = 64 * 1024, /* of operations copied; a longer record is lent */
};

struct recovery_ahead {
	struct wal_reader *r;
	uint64_t expected, seed;
	uint64_t wrong_lsn; /* recovery_ahead_end */
	/* What is left of the present record, and its LSN. Borrows the reader. */
	struct slice rest;
	uint64_t lsn;

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more, room;
	uint64_t filled, taken, returned; /* batches; each is in one state after the other */
	bool stop;
	struct recovery_batch *ring[BATCHES];
};

/* Adds operations of *ops, which advances, as far as there is room. */
static enum status add_ops(const struct recovery_ahead *a, struct recovery_batch *b,
			   struct slice *ops)
{
	while (ops->len > 0 && b->count < RECOVERY_BATCH_MAX) {
		struct recovery_item *item = &b->items[b->count];
		enum status st = wal_op_next(ops, &item->op);

		if (st == ST_OK) {
			st = apply_key(&item->op, &item->key);
		}
		if (st != ST_OK) {
			return st;
		}
		item->hash = memtable_hash(store_key_slice(&item->key), a->seed);
		item->lsn = a->lsn;
		b->count++;
	}
	return ST_OK;
}

/* Adds what it can of the present record. The reader's bytes last for one frame only, so they are
 * copied, but for those of a long record: that one has a batch of its own and is waited for. False:
 * no room. */
static bool add_rest(struct recovery_ahead *a, struct recovery_batch *b)
{
	struct slice ops = a->rest;
	size_t len = ops.len;

	if (b->lent || b->count == RECOVERY_BATCH_MAX) {
		return false;
	}
	if (len > BATCH_BYTES - b->bytes.len) {
		if (len <= BATCH_BYTES || b->count > 0) {
			return false;
		}
		b->lent = true;
	} else if (len > 0) {
		memcpy(b->bytes.data + b->bytes.len, ops.data, len);
		ops = slice_of(b->bytes.data + b->bytes.len, len);
		b->bytes.len += len;
	}
	b->stop = add_ops(a, b, &ops);
	if (b->stop != ST_OK) {
		return true;
	}
	a->rest = slice_skip(a->rest, len - ops.len);
	b->whole = a->rest.len == 0;
	if (b->whole) {
		b->records++;
		b->last_lsn = a->lsn;
	}
	return true;
}

static void fill(struct recovery_ahead *a, struct recovery_batch *b)
{
	b->count = b->records = 0;
	b->bytes.len = 0;
	b->lent = false;
	b->whole = true;
	b->stop = buf_reserve(&b->bytes, BATCH_BYTES);
	while (b->stop == ST_OK) {
		struct wal_record rec;

		if (a->rest.len > 0) {
			if (!add_rest(a, b)) {
				break;
			}
			continue;
		}
		/* A lent record's bytes end with the next look at the log. */
		if (b->lent || b->count == RECOVERY_BATCH_MAX) {
			break;
		}
		b->stop = wal_reader_next(a->r, &rec);
		if (b->stop != ST_OK) {
			break;
		}
		if (rec.lsn != a->expected && !PLANTED(40)) {
			a->wrong_lsn = rec.lsn;
			b->stop = ST_CORRUPT;
			break;
		}
		a->expected++;
		a->lsn = rec.lsn;
		a->rest = rec.ops;
		if (rec.ops.len == 0) { /* nothing to apply, but it counts */
			b->records++;
			b->last_lsn = rec.lsn;
		}
	}
	wal_reader_end(a->r, &b->end);
}

static void *run(void *arg)
{
	struct recovery_ahead *a = arg;

	(void)pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		struct recovery_batch *b = a->ring[a->filled % BATCHES];

		if (a->filled - a->returned == BATCHES) {
			while (!a->stop && a->filled - a->returned > BATCHES - FREE_MIN) {
				(void)pthread_cond_wait(&a->room, &a->lock);
			}
			continue;
		}
		(void)pthread_mutex_unlock(&a->lock);
		fill(a, b);
		(void)pthread_mutex_lock(&a->lock);
		a->filled++;
		(void)pthread_cond_signal(&a->more);
		while (b->lent && a->returned < a->filled && !a->stop) {
			(void)pthread_cond_wait(&a->room, &a->lock);
		}
		if (b->stop != ST_OK) {
			break;
		}
	}
	(void)pthread_mutex_unlock(&a->lock);
	return NULL;
}

static void destroy(struct recovery_ahead *a)
{
	for (int i = 0; i < BATCHES; i++) {
		if (a->ring[i] != NULL) {
			buf_deinit(&a->ring[i]->bytes);
			mem_free(a->ring[i]);
		}
	}
	(void)pthread_cond_destroy(&a->more);
	(void)pthread_cond_destroy(&a->room);
	(void)pthread_mutex_destroy(&a->lock);
	mem_free(a);
}

enum status recovery_ahead_start(struct wal_reader *r, uint64_t from_lsn, uint64_t seed,
				 struct recovery_ahead **out)
{
	struct recovery_ahead *a = mem_calloc(1, sizeof *a);
	bool memory = a != NULL;

	if (!memory) {
		return ST_NO_MEMORY;
	}
	a->r = r;
	a->expected = from_lsn;
	a->seed = seed;
	(void)pthread_mutex_init(&a->lock, NULL);
	(void)pthread_cond_init(&a->more, NULL);
	(void)pthread_cond_init(&a->room, NULL);
	for (int i = 0; memory && i < BATCHES; i++) {
		a->ring[i] = mem_alloc(sizeof *a->ring[i]);
		memory = a->ring[i] != NULL;
		if (memory) {
			a->ring[i]->bytes = (struct buf){0};
		}
	}
	if (!memory || !thread_start(&a->thread, "recovery", run, a)) {
		destroy(a);
		return ST_NO_MEMORY;
	}
	*out = a;
	return ST_OK;
}

struct recovery_batch *recovery_ahead_next(struct recovery_ahead *a)
{
	struct recovery_batch *b;

	(void)pthread_mutex_lock(&a->lock);
	if (a->returned < a->taken) {
		a->returned++;
		if (a->filled - a->returned <= BATCHES - FREE_MIN) {
			(void)pthread_cond_signal(&a->room);
		}
	}
	while (a->filled == a->taken) {
		(void)pthread_cond_wait(&a->more, &a->lock);
	}
	b = a->ring[a->taken % BATCHES];
	a->taken++;
	(void)pthread_mutex_unlock(&a->lock);
	return b;
}

uint64_t recovery_ahead_end(struct recovery_ahead *a)
{
	uint64_t wrong;

	if (a == NULL) {
		return 0;
	}
	(void)pthread_mutex_lock(&a->lock);
	a->stop = true;
	(void)pthread_cond_signal(&a->room);
	(void)pthread_mutex_unlock(&a->lock);
	(void)pthread_join(a->thread, NULL);
	wrong = a->wrong_lsn;
	destroy(a);
	return wrong;
}
