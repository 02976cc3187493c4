/* LATENCY: spikes by event, and histograms of command times. */
#include "net/command/command_groups.h"
#include "net/command/dispatch_state.h"

enum { GRAPH_HEIGHT = 4, HISTOGRAM_USEC_MAX = 1 << 24 };

static void cmd_latency_latest(struct command_ctx *ctx)
{
	struct latency_log *log = &ctx->dispatch->latency;

	resp_array(ctx->reply, log->len);
	for (size_t i = 0; i < log->len; i++) {
		const struct latency_event *e = &log->events[i];
		const struct latency_sample *last = latency_sample_at(e, e->len - 1);

		resp_array(ctx->reply, 4);
		resp_bulk_str(ctx->reply, e->name);
		resp_int(ctx->reply, (int64_t)last->at_s);
		resp_int(ctx->reply, last->ms);
		resp_int(ctx->reply, e->max_ms);
	}
}

static void cmd_latency_history(struct command_ctx *ctx)
{
	const struct latency_event *e = latency_find(&ctx->dispatch->latency, ctx->argv[2]);
	size_t len = e == NULL ? 0 : e->len;

	resp_array(ctx->reply, len);
	for (size_t i = 0; i < len; i++) {
		const struct latency_sample *s = latency_sample_at(e, i);

		resp_array(ctx->reply, 2);
		resp_int(ctx->reply, (int64_t)s->at_s);
		resp_int(ctx->reply, s->ms);
	}
}

static void cmd_latency_reset(struct command_ctx *ctx)
{
	struct latency_log *log = &ctx->dispatch->latency;
	int64_t count = 0;

	if (ctx->argc == 2) {
		count = (int64_t)log->len;
		log->len = 0;
	}
	for (size_t i = 2; i < ctx->argc; i++) {
		struct latency_event *e = latency_find(log, ctx->argv[i]);

		if (e != NULL) {
			latency_forget(log, e);
			count++;
		}
	}
	resp_int(ctx->reply, count);
}

/* A bar chart of an event's samples, the oldest on the left. */
static void cmd_latency_graph(struct command_ctx *ctx)
{
	const struct latency_event *e = latency_find(&ctx->dispatch->latency, ctx->argv[2]);
	uint32_t high = 0, low = UINT32_MAX;
	struct buf text = {0};
	enum status st;

	if (e == NULL) {
		resp_error(ctx->reply, "ERR No samples available for event '%.*s'",
			   (int)ctx->argv[2].len, (const char *)ctx->argv[2].data);
		return;
	}
	for (size_t i = 0; i < e->len; i++) {
		uint32_t ms = latency_sample_at(e, i)->ms;

		high = ms > high ? ms : high;
		low = ms < low ? ms : low;
	}
	st = buf_printf(&text, "%s - high %u ms, low %u ms (all time high %u ms)\n", e->name, high,
			low, e->max_ms);
	for (unsigned row = GRAPH_HEIGHT; row > 0 && st == ST_OK; row--) {
		for (size_t i = 0; i < e->len && st == ST_OK; i++) {
			uint64_t ms = latency_sample_at(e, i)->ms;
			bool filled = ms * GRAPH_HEIGHT > (uint64_t)high * (row - 1);

			st = buf_append(&text, filled ? "#" : " ", 1);
		}
		if (st == ST_OK) {
			st = buf_append(&text, "\n", 1);
		}
	}
	if (st == ST_OK) {
		resp_verbatim(ctx->reply, "txt", buf_slice(&text));
	} else {
		command_reply_status(ctx, st);
	}
	buf_deinit(&text);
}

static void cmd_latency_doctor(struct command_ctx *ctx)
{
	const struct latency_log *log = &ctx->dispatch->latency;
	struct buf text = {0};
	enum status st = ST_OK;

	if (log->threshold_ms == 0) {
		st = buf_printf(&text, "Latency is not monitored. CONFIG SET "
				       "latency-monitor-threshold <milliseconds> turns it on.\n");
	} else if (log->len == 0) {
		st = buf_printf(&text, "No latency above %llu ms was seen.\n",
				(unsigned long long)log->threshold_ms);
	}
	for (size_t i = 0; log->threshold_ms != 0 && i < log->len && st == ST_OK; i++) {
		const struct latency_event *e = &log->events[i];
		uint64_t sum = 0;

		for (size_t k = 0; k < e->len; k++) {
			sum += latency_sample_at(e, k)->ms;
		}
		st = buf_printf(&text, "%s: %zu spikes kept, %llu ms on average, worst %u ms.\n",
				e->name, e->len, (unsigned long long)(sum / e->len), e->max_ms);
	}
	if (st == ST_OK && log->threshold_ms != 0 && log->len > 0) {
		st = buf_printf(&text, "Look at SLOWLOG GET for the commands, and at INFO wal and "
				       "INFO storage for the disk.\n");
	}
	if (st == ST_OK) {
		resp_verbatim(ctx->reply, "txt", buf_slice(&text));
	} else {
		command_reply_status(ctx, st);
	}
	buf_deinit(&text);
}

static void reply_histogram(struct command_ctx *ctx, const struct command_entry *entry)
{
	const struct command_stats *stats = &ctx->dispatch->stats;
	const struct command_record *r = &stats->records[entry->index];
	uint64_t before = 0;
	size_t mark, rows = 0;

	resp_bulk_str(ctx->reply, entry->full_name);
	resp_map(ctx->reply, 2);
	resp_bulk_str(ctx->reply, "calls");
	resp_int(ctx->reply, (int64_t)r->timed);
	resp_bulk_str(ctx->reply, "histogram_usec");
	mark = resp_deferred_begin(ctx->reply);
	for (int64_t usec = 1; usec <= HISTOGRAM_USEC_MAX && before < r->timed; usec *= 2) {
		uint64_t below = usec == HISTOGRAM_USEC_MAX
				     ? r->timed
				     : command_record_below(stats, r, (double)usec);

		if (below > before) {
			resp_int(ctx->reply, usec);
			resp_int(ctx->reply, (int64_t)below);
			rows++;
			before = below;
		}
	}
	resp_deferred_end(ctx->reply, mark, '%', rows);
}

/* Replies for a command, or a container's subcommands, that has been called; returns how many. */
static size_t histogram_of(struct command_ctx *ctx, const struct command_entry *entry)
{
	size_t n = 0;

	if (ctx->dispatch->stats.records[entry->index].timed > 0) {
		reply_histogram(ctx, entry);
		n++;
	}
	for (size_t i = 0; i < entry->subs_count; i++) {
		if (ctx->dispatch->stats.records[entry->subs[i].index].timed > 0) {
			reply_histogram(ctx, &entry->subs[i]);
			n++;
		}
	}
	return n;
}

static void cmd_latency_histogram(struct command_ctx *ctx)
{
	const struct command_table *t = &ctx->dispatch->table;
	size_t mark = resp_deferred_begin(ctx->reply);
	size_t n = 0;

	for (size_t i = 0; ctx->argc == 2 && i < t->top_count; i++) {
		n += histogram_of(ctx, &t->entries[i]);
	}
	for (size_t i = 2; i < ctx->argc; i++) {
		const struct command_entry *e = command_table_find_full(t, ctx->argv[i]);

		n += e == NULL ? 0 : histogram_of(ctx, e);
	}
	resp_deferred_end(ctx->reply, mark, '%', n);
}

static void cmd_latency_help(struct command_ctx *ctx)
{
	static const char *const lines[] = {
	    "DOCTOR",
	    "    What the recorded spikes say, in words.",
	    "GRAPH <event>",
	    "    A bar chart of an event's spikes.",
	    "HISTOGRAM [<command> ...]",
	    "    How long commands took: calls at or below so many microseconds.",
	    "HISTORY <event>",
	    "    Time and milliseconds of an event's spikes.",
	    "LATEST",
	    "    Each event's last and worst spike.",
	    "RESET [<event> ...]",
	    "    Forget events, all by default.",
	    NULL};

	command_reply_help(ctx, lines);
}

#define LATENCY_COMMON CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE

const struct command subcommands_latency[] = {
    {"doctor", 2, LATENCY_COMMON, NO_KEYS, cmd_latency_doctor, NULL},
    {"graph", 3, LATENCY_COMMON, NO_KEYS, cmd_latency_graph, NULL},
    {"help", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_latency_help, NULL},
    {"histogram", -2, LATENCY_COMMON, NO_KEYS, cmd_latency_histogram, NULL},
    {"history", 3, LATENCY_COMMON, NO_KEYS, cmd_latency_history, NULL},
    {"latest", 2, LATENCY_COMMON, NO_KEYS, cmd_latency_latest, NULL},
    {"reset", -2, LATENCY_COMMON, NO_KEYS, cmd_latency_reset, NULL},
    {.name = NULL},
};
