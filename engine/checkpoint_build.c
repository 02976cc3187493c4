/* Digests of slots that have none are built while the checkpoint thread has nothing else to do. */
#include "engine/base/logger.h"
#include "engine/checkpoint_impl.h"

#include <inttypes.h>

enum {
	BUILD_BYTES = 1 << 20, /* read in one step while digests are built */
	BUILD_PAUSE_MS = 20,   /* between two such steps at least, and */
	BUILD_REST = 3,	       /* as many times as long as the last one took */
};

void checkpoint_build_digests(struct checkpoint *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->build_wanted = true;
	(void)pthread_cond_signal(&c->wake);
	(void)pthread_mutex_unlock(&c->lock);
}

uint32_t checkpoint_take_built(struct checkpoint *c, struct digest_built out[DIGEST_BUILT_MAX])
{
	uint32_t n;

	if (atomic_load(&c->built_count) == 0) {
		return 0;
	}
	(void)pthread_mutex_lock(&c->lock);
	n = atomic_load(&c->built_count);
	memcpy(out, c->built, n * sizeof *out);
	atomic_store(&c->built_count, 0);
	(void)pthread_cond_signal(&c->wake); /* it goes on */
	(void)pthread_mutex_unlock(&c->lock);
	return n;
}

bool checkpoint_may_build(const struct checkpoint *c)
{
	return c->build_wanted && atomic_load(&c->phase) == CHECKPOINT_IDLE &&
	       atomic_load(&c->built_count) == 0;
}

static void end_building(struct checkpoint *c, enum status st)
{
	if (st != ST_NOT_FOUND) {
		logger(LOG_LVL_WARNING,
		       "building the digests of slots failed: %s; it begins anew with the next "
		       "start",
		       status_text(st));
		if (drain_load(c->drain, c->reader) != ST_OK) {
			checkpoint_set_error(c, ST_IO);
			atomic_store(&c->phase, CHECKPOINT_FAILED);
		}
	} else if (c->builder.built > 0) {
		logger(LOG_LVL_NOTICE, "the digests of %" PRIu64 " slots were built",
		       c->builder.built);
	}
	(void)pthread_mutex_lock(&c->lock);
	c->build_wanted = false;
	(void)pthread_mutex_unlock(&c->lock);
}

static void tell_begin(struct checkpoint *c)
{
	uint32_t left = digest_builder_left(&c->builder, c->drain);

	if (left > 0) {
		logger(LOG_LVL_NOTICE,
		       "%" PRIu32 " slots have no digest yet: they are built in the background",
		       left);
	}
	c->build_told = true;
}

uint32_t checkpoint_build(struct checkpoint *c)
{
	struct digest_built built[DIGEST_BUILT_MAX];
	uint64_t began_us = checkpoint_now_us(c), rest;
	uint32_t n = 0;
	enum status st;

	if (!c->build_told) {
		tell_begin(c);
	}
	st = digest_builder_step(&c->builder, c->drain, c->reader, BUILD_BYTES, built, &n);
	if (checkpoint_retryable(st)) {
		st = drain_load(c->drain, c->reader);
		if (st == ST_OK) {
			return c->opts.retry_ms;
		}
	}
	if (st != ST_OK) {
		end_building(c, st);
		return 0;
	}
	(void)pthread_mutex_lock(&c->lock);
	memcpy(c->built, built, n * sizeof *built);
	atomic_store(&c->built_count, n);
	(void)pthread_mutex_unlock(&c->lock);
	checkpoint_committed(c);
	c->opts.notify(c->opts.arg);
	rest = BUILD_REST * (checkpoint_now_us(c) - began_us) / 1000;
	return rest > BUILD_PAUSE_MS ? (uint32_t)rest : BUILD_PAUSE_MS;
}
