/* CLUSTER SLOT-STATS: what is known of each slot that this node's shard serves. */
#include "engine/base/alloc.h"
#include "net/command/cmd_cluster.h"

#include <stdlib.h>

struct slot_count {
	uint64_t keys;
	uint16_t slot;
};

static void reply_slot(struct resp_writer *w, const struct slot_count *s)
{
	resp_array(w, 2);
	resp_int(w, s->slot);
	resp_map(w, 1);
	resp_bulk_str(w, "key-count");
	resp_int(w, (int64_t)s->keys);
}

/* The slots between two that this node, or its primary, serves; room for SLOTS. */
static size_t count_slots(struct command_ctx *ctx, const struct cluster *c, unsigned from,
			  unsigned to, struct slot_count *out)
{
	unsigned slot = from, first, last;
	struct cluster_view_node me;
	size_t n = 0;
	uint16_t place;

	(void)cluster_view_node(c, 0, &me);
	place = me.primary != VIEW_NO_NODE ? me.primary : me.place;
	while (slot <= to && cluster_view_next_slots_of(c, place, &slot, &first, &last)) {
		for (unsigned s = first; s <= last && s <= to; s++) {
			out[n++] = (struct slot_count){engine_slot_keys(ctx->engine, (uint16_t)s),
						       (uint16_t)s};
		}
	}
	return n;
}

static int most_first(const void *a, const void *b)
{
	const struct slot_count *x = a, *y = b;

	if (x->keys != y->keys) {
		return x->keys > y->keys ? -1 : 1;
	}
	return x->slot < y->slot ? -1 : 1;
}

static int least_first(const void *a, const void *b)
{
	const struct slot_count *x = a, *y = b;

	if (x->keys != y->keys) {
		return x->keys < y->keys ? -1 : 1;
	}
	return x->slot < y->slot ? -1 : 1;
}

struct stats_request {
	uint16_t from, to;
	int64_t limit;
	int (*order)(const void *, const void *); /* NULL: by number */
};

/* False: the error has been sent. */
static bool order_options(struct command_ctx *ctx, struct stats_request *q)
{
	bool limited = false, ordered = false;

	if (!command_arg_is(ctx, 3, "key-count")) {
		resp_error(ctx->reply, "ERR unrecognized sort metric for ORDERBY.");
		return false;
	}
	q->order = most_first;
	for (size_t i = 4; i < ctx->argc; i++) {
		if (!limited && command_arg_is(ctx, i, "limit") && i + 1 < ctx->argc) {
			limited = true;
			if (!command_arg_int(ctx, ++i, &q->limit, NULL)) {
				return false;
			}
			if (q->limit < 1 || q->limit > SLOTS) {
				resp_error(ctx->reply, "ERR Limit has to lie in between 1 and "
						       "16384 (maximum number of slots).");
				return false;
			}
		} else if (!ordered &&
			   (command_arg_is(ctx, i, "asc") || command_arg_is(ctx, i, "desc"))) {
			ordered = true;
			q->order = command_arg_is(ctx, i, "asc") ? least_first : most_first;
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
	}
	return true;
}

static bool stats_options(struct command_ctx *ctx, struct stats_request *q)
{
	static const char wrong[] = "ERR Invalid or out of range slot";

	if (command_arg_is(ctx, 2, "orderby")) {
		return order_options(ctx, q);
	}
	if (ctx->argc != 5 || !command_arg_is(ctx, 2, "slotsrange")) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return false;
	}
	if (!cluster_arg_slot(ctx, 3, wrong, &q->from) ||
	    !cluster_arg_slot(ctx, 4, wrong, &q->to)) {
		return false;
	}
	if (q->from > q->to) {
		resp_error(ctx->reply,
			   "ERR Start slot number %u is greater than end slot number %u", q->from,
			   q->to);
		return false;
	}
	return true;
}

void cmd_cluster_slot_stats(struct command_ctx *ctx)
{
	const struct cluster *c = cluster_of(ctx);
	struct stats_request q = {.to = SLOTS - 1, .limit = SLOTS};
	struct slot_count *slots;
	size_t n;

	if (c == NULL || !stats_options(ctx, &q)) {
		return;
	}
	slots = mem_alloc(SLOTS * sizeof *slots);
	if (slots == NULL) {
		command_reply_status(ctx, ST_NO_MEMORY);
		return;
	}
	n = count_slots(ctx, c, q.from, q.to, slots);
	if (q.order != NULL && n > 1) {
		qsort(slots, n, sizeof *slots, q.order);
	}
	n = n < (size_t)q.limit ? n : (size_t)q.limit;
	resp_array(ctx->reply, n);
	for (size_t i = 0; i < n; i++) {
		reply_slot(ctx->reply, &slots[i]);
	}
	mem_free(slots);
}
