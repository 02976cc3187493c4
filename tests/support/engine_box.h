/* An engine in a temporary directory, and random events of its life between the steps of a test:
 * ends of turns, checkpoints, restarts. */
#ifndef CAIRN_TESTS_SUPPORT_ENGINE_BOX_H
#define CAIRN_TESTS_SUPPORT_ENGINE_BOX_H

#include "engine/base/rng.h"
#include "engine/engine.h"

enum { BOX_VALUE_MAX = 4096 };

struct engine_box {
	char dir[64];
	struct engine *e;
	struct rng rng;
	uint64_t now_ms;
	uint64_t seed;	       /* of a new engine's ids; set before it is opened */
	uint64_t memtable_max; /* bytes; 0: 8 MiB. Set before it is opened */
	bool open;	       /* a batch is */
	/* engine_options.touched and .expired, when set. */
	void (*touched)(void *arg, const struct store_key *key);
	void (*expired)(void *arg, struct slice key, enum expiry_news news);
	void *touched_arg;
};

/* Opens a new engine in $TMPDIR or /tmp; asserts on failure. */
void engine_box_open(struct engine_box *b, uint64_t seed);
/* Closes it and removes its directory. */
void engine_box_close(struct engine_box *b);

/* Opens what is in b->dir, which no engine has open; error as engine_open. */
enum status engine_box_try(struct engine_box *b, struct buf *error);

/* Closes and opens again what is there. */
void engine_box_restart(struct engine_box *b);

/* A finished checkpoint: all that was written so far is in the store. */
void engine_box_checkpoint(struct engine_box *b);

/* Waits until an element is gone, as those of a dropped collection go after a checkpoint; asserts
 * that it happens within a minute. */
void engine_box_await_gone(struct engine_box *b, uint16_t slot, uint64_t id, struct slice field);

/* One in four times ends the turn, more rarely begins or finishes a checkpoint, rarely restarts.
 * Not inside a batch. */
void engine_box_live(struct engine_box *b);

void engine_box_begin(struct engine_box *b);
void engine_box_commit(struct engine_box *b);
void engine_box_rollback(struct engine_box *b);

/* The bytes that number v stands for, in dst of BOX_VALUE_MAX: no two are equal; most short, some a
 * few hundred bytes, few thousands. */
struct slice engine_box_value(uint32_t v, uint8_t *dst);

#endif
