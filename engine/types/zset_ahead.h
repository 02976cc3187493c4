/* Sorted sets of requests that have arrived but not run yet: the nodes of their trees that these
 * will look at are fetched into the CPU's cache, for all requests at once (engine/ahead.h). In a
 * large set they are what a command waits for. Executor thread. */
#ifndef CAIRN_ENGINE_TYPES_ZSET_AHEAD_H
#define CAIRN_ENGINE_TYPES_ZSET_AHEAD_H

#include "engine/ahead.h"
#include "engine/key_codec.h"

/* What a request does with its member. */
enum zset_ahead_kind {
	ZSET_AHEAD_FIND, /* looks for its place, or takes it out */
	ZSET_AHEAD_SET,	 /* gives it a score */
	ZSET_AHEAD_ADD,	 /* adds to its score */
};

/* Requests noted; private but for last_leaf. Zeroed: none. */
struct zset_ahead {
	size_t count;
	uint64_t last_leaf; /* the node where the last way ended */
	struct zset_ahead_item {
		int element;
		uint16_t slot;
		enum zset_ahead_kind kind;
		double score;
		struct slice member;
		struct meta set;
	} items[AHEAD_MAX];
};

/* Notes a request about the member that ahead_add_element has just given the number element. member
 * stays borrowed until zset_ahead_fetch. score: of SET and ADD. */
void zset_ahead_add(struct zset_ahead *z, struct engine *e, int element, struct slice member,
		    enum zset_ahead_kind kind, double score);

/* After ahead_fetch: walks down the trees, and forgets the requests. Returns how many ways went
 * down to a leaf. */
size_t zset_ahead_fetch(struct zset_ahead *z, struct engine *e);

#endif
