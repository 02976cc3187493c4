/* CLUSTER SLOT-STATS: what is known of each slot that this node's shard serves. */
#include "engine/base/alloc.h"
#include "net/command/cmd_cluster.h"
#include "net/command/dispatch_state.h"

#include <stdlib.h>

enum metric { KEY_COUNT, CPU_USEC, BYTES_IN, BYTES_OUT, METRICS };

static const char *const metric_names[METRICS] = {"key-count", "cpu-usec", "network-bytes-in",
						  "network-bytes-out"};

struct slot_line {
	uint64_t metrics[METRICS];
	uint64_t order; /* the one that it is sorted by, as the smallest comes first */
	uint16_t slot;
};

static void reply_slot(struct resp_writer *w, const struct slot_line *s, size_t metrics)
{
	resp_array(w, 2);
	resp_int(w, s->slot);
	resp_map(w, metrics);
	for (size_t i = 0; i < metrics; i++) {
		resp_bulk_str(w, metric_names[i]);
		resp_int(w, (int64_t)s->metrics[i]);
	}
}

static struct slot_line measure(struct command_ctx *ctx, uint16_t slot)
{
	struct slot_line line = {.metrics = {engine_slot_keys(ctx->engine, slot)}, .slot = slot};
	const struct slot_load *load = ctx->dispatch->slot_loads.of;

	if (load != NULL) {
		load += slot;
		line.metrics[CPU_USEC] = command_stats_usec(&ctx->dispatch->stats, load->ticks);
		line.metrics[BYTES_IN] = load->bytes_in;
		line.metrics[BYTES_OUT] = load->bytes_out;
	}
	return line;
}

/* The slots between two that this node, or its primary, serves; room for SLOTS. */
static size_t measure_slots(struct command_ctx *ctx, const struct cluster *c, unsigned from,
			    unsigned to, struct slot_line *out)
{
	unsigned slot = from, first, last;
	struct cluster_view_node me;
	size_t n = 0;
	uint16_t place;

	(void)cluster_view_node(c, 0, &me);
	place = me.primary != VIEW_NO_NODE ? me.primary : me.place;
	while (slot <= to && cluster_view_next_slots_of(c, place, &slot, &first, &last)) {
		for (unsigned s = first; s <= last && s <= to; s++) {
			out[n++] = measure(ctx, (uint16_t)s);
		}
	}
	return n;
}

static int by_order(const void *a, const void *b)
{
	const struct slot_line *x = a, *y = b;

	if (x->order != y->order) {
		return x->order < y->order ? -1 : 1;
	}
	return x->slot < y->slot ? -1 : 1;
}

struct stats_request {
	uint16_t from, to;
	int64_t limit;
	enum metric order; /* METRICS: by number */
	bool ascending;
};

/* How many metrics there are: the others are counted when that is switched on. */
static size_t metrics_shown(const struct command_ctx *ctx)
{
	return ctx->dispatch->slot_loads.of != NULL ? METRICS : KEY_COUNT + 1;
}

/* False: the error has been sent. */
static bool order_options(struct command_ctx *ctx, struct stats_request *q)
{
	bool limited = false, ordered = false;

	for (size_t i = 0; i < metrics_shown(ctx); i++) {
		if (command_arg_is(ctx, 3, metric_names[i])) {
			q->order = (enum metric)i;
		}
	}
	if (q->order == METRICS) {
		resp_error(ctx->reply, "ERR unrecognized sort metric for ORDERBY.");
		return false;
	}
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
			q->ascending = command_arg_is(ctx, i, "asc");
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
	}
	return true;
}

bool cluster_arg_range(struct command_ctx *ctx, size_t arg, uint16_t *from, uint16_t *to)
{
	static const char wrong[] = "ERR Invalid or out of range slot";

	if (!cluster_arg_slot(ctx, arg, wrong, from) ||
	    !cluster_arg_slot(ctx, arg + 1, wrong, to)) {
		return false;
	}
	if (*from > *to) {
		resp_error(ctx->reply,
			   "ERR Start slot number %u is greater than end slot number %u", *from,
			   *to);
		return false;
	}
	return true;
}

static bool stats_options(struct command_ctx *ctx, struct stats_request *q)
{
	if (command_arg_is(ctx, 2, "orderby")) {
		return order_options(ctx, q);
	}
	if (ctx->argc != 5 || !command_arg_is(ctx, 2, "slotsrange")) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return false;
	}
	return cluster_arg_range(ctx, 3, &q->from, &q->to);
}

void cmd_cluster_slot_stats(struct command_ctx *ctx)
{
	const struct cluster *c = cluster_of(ctx);
	struct stats_request q = {.to = SLOTS - 1, .limit = SLOTS, .order = METRICS};
	struct slot_line *slots;
	size_t n;

	if (c == NULL || !stats_options(ctx, &q)) {
		return;
	}
	slots = mem_alloc(SLOTS * sizeof *slots);
	if (slots == NULL) {
		command_reply_status(ctx, ST_NO_MEMORY);
		return;
	}
	n = measure_slots(ctx, c, q.from, q.to, slots);
	if (q.order != METRICS) {
		for (size_t i = 0; i < n; i++) {
			slots[i].order =
			    q.ascending ? slots[i].metrics[q.order] : ~slots[i].metrics[q.order];
		}
		qsort(slots, n, sizeof *slots, by_order);
	}
	n = n < (size_t)q.limit ? n : (size_t)q.limit;
	resp_array(ctx->reply, n);
	for (size_t i = 0; i < n; i++) {
		reply_slot(ctx->reply, &slots[i], metrics_shown(ctx));
	}
	mem_free(slots);
}
