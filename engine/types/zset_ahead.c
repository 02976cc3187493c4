/* Ways down the trees of sorted sets, one level after the other for all of them. What is read here
 * is believed no further than to go on from; the commands look for themselves. */
#include "engine/types/zset_ahead.h"

#include "engine/base/invariant.h"
#include "engine/types/zset_tree.h"

#include <math.h>

/* One way down. */
struct way {
	const struct zset_ahead_item *item;
	double score;
	uint64_t number; /* of the node that is looked at next */
	unsigned level;
	bool ended;
};

struct ways {
	struct engine *e;
	size_t count, arrived;
	uint64_t last_leaf;
	struct way at[AHEAD_MAX];
};

void zset_ahead_add(struct zset_ahead *z, struct engine *e, int element, struct slice member,
		    enum zset_ahead_kind kind, double score)
{
	struct zset_ahead_item *item = &z->items[z->count];

	INVARIANT(z->count < AHEAD_MAX); /* no more elements are noted either */
	ahead_follow(e, element, &item->set, &item->slot);
	if (item->set.type != TYPE_ZSET || item->set.count == 0) {
		return;
	}
	item->element = element;
	item->kind = kind;
	item->score = score;
	item->member = member;
	z->count++;
}

/* The child of an inner node where an element belongs. Of long names the beginning decides. */
static uint64_t child_of(const struct zset_view *v, double score, struct slice member)
{
	uint32_t low = 1, high = v->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		double there = zset_view_score(v, middle);
		struct zset_name name;
		bool passes = there < score;

		if (there == score) {
			passes = zset_view_name(v, middle, &name) == ST_OK &&
				 slice_cmp(name.text, member) <= 0;
		}
		if (passes) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return zset_view_child(v, low - 1);
}

/* The store key of a record of the tree that a way goes through. */
static void record_key(const struct way *w, enum zset_record record, struct store_key *key)
{
	uint8_t subkey[ZSET_KEY_LEN];

	zset_subkey(subkey, record, w->number);
	store_key_of_elem(key, w->item->slot, w->item->set.id, slice_of(subkey, sizeof subkey));
}

static bool same_node(const struct way *a, const struct way *b)
{
	return !a->ended && a->number == b->number && a->level == b->level &&
	       a->item->set.id == b->item->set.id;
}

/* What the counts above leaves hold is written, or added up, with every change. Those further up
 * are few, and in the cache. */
static void fetch_counts(struct ways *ways)
{
	struct store_key keys[AHEAD_MAX];
	struct slice values[AHEAD_MAX];
	size_t n = 0;

	for (size_t i = 0; i < ways->count; i++) {
		const struct way *w = &ways->at[i];

		if (!w->ended && w->level == 1 && (i == 0 || !same_node(w - 1, w))) {
			record_key(w, ZSET_COUNTS, &keys[n++]);
		}
	}
	ahead_peek(ways->e, keys, n, values);
}

/* From a node to the child. */
static void descend(struct way *w, struct slice node)
{
	struct zset_view v;

	w->ended = node.data == NULL || zset_view_open(node, true, &v) != ST_OK;
	if (!w->ended) {
		w->number = child_of(&v, w->score, w->item->member);
		w->level--;
		w->ended = w->number >= ZSET_NUMBER_LIMIT;
	}
}

/* One step down for each way. False: all have ended. */
static bool step(struct ways *ways)
{
	struct store_key keys[AHEAD_MAX];
	struct slice values[AHEAD_MAX];
	size_t which[AHEAD_MAX], n = 0;

	for (size_t i = 0; i < ways->count; i++) {
		const struct way *w = &ways->at[i];

		if (w->ended) {
			continue;
		}
		if (i == 0 || !same_node(w - 1, w)) {
			record_key(w, w->level == 0 ? ZSET_LEAF : ZSET_INNER, &keys[n++]);
		}
		which[i] = n - 1;
	}
	if (n == 0) {
		return false;
	}
	ahead_peek(ways->e, keys, n, values);
	fetch_counts(ways);
	for (size_t i = 0; i < ways->count; i++) {
		struct way *w = &ways->at[i];

		if (w->ended) {
			continue;
		}
		if (w->level > 0) {
			descend(w, values[which[i]]);
		} else {
			ways->arrived += values[which[i]].data != NULL;
			ways->last_leaf = w->number;
			w->ended = true;
		}
	}
	return true;
}

static void run(struct ways *ways)
{
	unsigned most = ZSET_HEIGHT_MAX + 1;

	while (most-- > 0 && step(ways)) {
	}
	ways->count = 0;
}

static void begin(struct ways *ways, struct zset_ahead_item *item, double score)
{
	struct zset_tree tree = {.m = &item->set};

	if (isnan(score)) {
		return;
	}
	if (ways->count == AHEAD_MAX) {
		run(ways);
	}
	ways->at[ways->count++] = (struct way){
	    .item = item,
	    .score = score,
	    .number = zset_tree_root(&tree),
	    .level = zset_tree_height(&tree),
	};
}

size_t zset_ahead_fetch(struct zset_ahead *z, struct engine *e)
{
	struct ways ways;

	ways.e = e;
	ways.count = 0;
	ways.arrived = 0;
	ways.last_leaf = 0;
	/* One way alone would wait just as long here. */
	for (size_t i = 0; z->count > 1 && i < z->count; i++) {
		struct zset_ahead_item *item = &z->items[i];
		struct slice stored = ahead_value(e, item->element);
		double now = 0;
		/* The score stands last, whatever is kept of a long name in front of it. */
		bool there =
		    stored.len >= ZSET_SCORE_LEN &&
		    zset_score_get(slice_skip(stored, stored.len - ZSET_SCORE_LEN), &now) == ST_OK;

		if (there) {
			begin(&ways, item, now);
		}
		if (item->kind == ZSET_AHEAD_SET) {
			begin(&ways, item, item->score);
		} else if (item->kind == ZSET_AHEAD_ADD) {
			begin(&ways, item, now + item->score);
		}
	}
	run(&ways);
	z->last_leaf = ways.last_leaf;
	z->count = 0;
	return ways.arrived;
}
