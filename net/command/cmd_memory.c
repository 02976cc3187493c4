/* MEMORY: what the node's own memory is used for, and what a key takes. */
#include "engine/base/alloc.h"
#include "engine/types/named_walk.h"
#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/dispatch_state.h"

enum { SAMPLES_DEFAULT = 5, ELEMENT_OVERHEAD = 16 };

/* Average bytes of the first samples elements of a large collection (0: of all). */
static enum status sample_elements(struct command_ctx *ctx, const struct store_key *key,
				   const struct meta *m, int64_t samples, uint64_t *average)
{
	bool named = type_is_named(m->type);
	struct ks_iter it = {0};
	struct slice name, value;
	uint64_t order, bytes = 0, n = 0;
	enum status st =
	    named ? ks_fields_open(ctx->engine, key->slot, m->id, 0, &it)
		  : ks_elems_open(ctx->engine, key->slot, m->id, slice_of(NULL, 0), false, &it);

	while (st == ST_OK && (samples == 0 || n < (uint64_t)samples)) {
		st = named ? ks_fields_next(&it, &order, &name, &value)
			   : ks_elems_next(&it, &name, &value);
		if (st == ST_OK) {
			bytes += ELEM_PREFIX_LEN + name.len + value.len + ELEMENT_OVERHEAD;
			n++;
		}
	}
	ks_iter_close(&it);
	*average = n == 0 ? 0 : bytes / n;
	return st == ST_END ? ST_OK : st;
}

static void cmd_memory_usage(struct command_ctx *ctx)
{
	int64_t samples = SAMPLES_DEFAULT;
	struct store_key key;
	struct meta m;
	uint64_t bytes, average;
	enum status st;

	for (size_t i = 3; i < ctx->argc; i += 2) {
		if (!command_arg_is(ctx, i, "samples") || i + 1 >= ctx->argc) {
			resp_error(ctx->reply, ERR_SYNTAX);
			return;
		}
		if (!command_arg_int(ctx, i + 1, &samples, NULL)) {
			return;
		}
		if (samples < 0) {
			resp_error(ctx->reply, ERR_SYNTAX);
			return;
		}
	}
	st = command_lookup_any(ctx, 2, &key, &m);
	if (st == ST_NOT_FOUND) {
		resp_null(ctx->reply);
	}
	if (st != ST_OK) {
		return;
	}
	bytes = (uint64_t)key.len + META_HEADER_MAX + ELEMENT_OVERHEAD;
	if (m.form == FORM_INLINE) {
		bytes += m.payload.len;
	} else if (m.type == TYPE_STRING) {
		bytes += META_LARGE_LEN + m.count; /* whose count is its length */
	} else {
		st = sample_elements(ctx, &key, &m, samples, &average);
		if (st != ST_OK) {
			command_reply_status(ctx, st);
			return;
		}
		bytes += META_LARGE_LEN + average * m.count;
	}
	resp_int(ctx->reply, (int64_t)bytes);
}

static void stat_int(struct resp_writer *w, const char *name, int64_t v)
{
	resp_bulk_str(w, name);
	resp_int(w, v);
}

static void stat_double(struct resp_writer *w, const char *name, double v)
{
	resp_bulk_str(w, name);
	resp_double(w, v);
}

/* The allocator's, as INFO memory has them: what was asked of it, and what the process has. */
static void stats_of_allocator(struct resp_writer *w, uint64_t used, uint64_t rss)
{
	double ratio = used == 0 ? 0 : (double)rss / (double)used;
	int64_t extra = (int64_t)rss - (int64_t)used;

	stat_int(w, "allocator.allocated", (int64_t)used);
	stat_int(w, "allocator.active", (int64_t)used);
	stat_int(w, "allocator.resident", (int64_t)rss);
	stat_double(w, "allocator-fragmentation.ratio", 1);
	stat_int(w, "allocator-fragmentation.bytes", 0);
	stat_double(w, "allocator-rss.ratio", ratio);
	stat_int(w, "allocator-rss.bytes", extra);
	stat_double(w, "rss-overhead.ratio", 1);
	stat_int(w, "rss-overhead.bytes", 0);
	stat_double(w, "fragmentation", ratio);
	stat_int(w, "fragmentation.bytes", extra);
}

static void cmd_memory_stats(struct command_ctx *ctx)
{
	enum { NAMES = 18, NAMES_OF_ALLOCATOR = 11 };
	struct resp_writer *w = ctx->reply;
	struct dispatch *d = ctx->dispatch;
	struct process_facts facts = {0};
	struct script_stats scripts;
	struct engine_stats stats;
	int64_t used, peak, tables, keys = (int64_t)engine_keys(ctx->engine);

	if (ctx->host->ops->process != NULL) {
		ctx->host->ops->process(ctx->host, &facts);
	}
	dispatch_script_stats(d, &scripts);
	engine_stats(ctx->engine, &stats);
	tables = (int64_t)(stats.memtable_bytes + stats.memtable_frozen_bytes);
	used = (int64_t)mem_used() + tables;
	peak = (int64_t)d->memory_peak > used ? (int64_t)d->memory_peak : used;
	resp_map(w, NAMES + NAMES_OF_ALLOCATOR);
	stat_int(w, "peak.allocated", peak);
	stat_int(w, "total.allocated", used);
	stat_int(w, "startup.allocated", 0);
	stat_int(w, "replication.backlog", 0);
	stat_int(w, "clients.slaves", 0);
	stat_int(w, "clients.normal", 0);
	stat_int(w, "cluster.links", (int64_t)ctx->host->cluster_link_bytes);
	stat_int(w, "aof.buffer", (int64_t)stats.wal.pending_bytes);
	stat_int(w, "lua.caches", (int64_t)scripts.scripts_bytes);
	stat_int(w, "functions.caches", (int64_t)scripts.libraries_bytes);
	stat_int(w, "overhead.total", used - tables);
	stat_int(w, "keys.count", keys);
	stat_int(w, "keys.bytes-per-key", keys == 0 ? 0 : tables / keys);
	stat_int(w, "dataset.bytes", tables);
	stat_double(w, "dataset.percentage", used == 0 ? 0 : (double)tables * 100 / (double)used);
	stat_double(w, "peak.percentage", peak == 0 ? 0 : (double)used * 100 / (double)peak);
	stat_int(w, "memtable.max", (int64_t)stats.memtable_max);
	stat_int(w, "memtable.entries", (int64_t)stats.memtable_entries);
	stats_of_allocator(w, (uint64_t)used, facts.rss_bytes);
}

static void cmd_memory_doctor(struct command_ctx *ctx)
{
	struct engine_stats stats;
	struct buf text = {0};
	enum status st;

	engine_stats(ctx->engine, &stats);
	if (stats.memtable_bytes > stats.memtable_max / 2 && stats.memtable_frozen_bytes > 0) {
		st = buf_printf(&text,
				"Writes come faster than checkpoints take them to disk: %llu of "
				"%llu bytes of the memtable are used while another is being "
				"drained, so writers are slowed. A larger memtable-max evens out "
				"bursts; a faster disk helps in the long run.\n",
				(unsigned long long)stats.memtable_bytes,
				(unsigned long long)stats.memtable_max);
	} else {
		st = buf_printf(&text, "Nothing unusual: memory use is bounded by memtable-max, "
				       "and checkpoints keep up with writes.\n");
	}
	if (st == ST_OK) {
		resp_verbatim(ctx->reply, "txt", buf_slice(&text));
	} else {
		command_reply_status(ctx, st);
	}
	buf_deinit(&text);
}

static void cmd_memory_malloc_stats(struct command_ctx *ctx)
{
	resp_bulk_str(ctx->reply, "Stats not supported for the current allocator");
}

static void cmd_memory_purge(struct command_ctx *ctx)
{
	mem_trim();
	resp_ok(ctx->reply);
}

static void cmd_memory_help(struct command_ctx *ctx)
{
	static const char *const lines[] = {
	    "DOCTOR",
	    "    Whether anything about memory needs care.",
	    "MALLOC-STATS",
	    "    What the allocator says of itself.",
	    "PURGE",
	    "    Give free memory back to the system.",
	    "STATS",
	    "    Memory use by purpose.",
	    "USAGE <key> [SAMPLES <count>]",
	    "    Bytes that a key takes in the store, guessed from so many elements (0: all).",
	    NULL};

	command_reply_help(ctx, lines);
}

const struct command subcommands_memory[] = {
    {"doctor", 2, 0, NO_KEYS, cmd_memory_doctor, NULL},
    {"help", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_memory_help, NULL},
    {"malloc-stats", 2, 0, NO_KEYS, cmd_memory_malloc_stats, NULL},
    {"purge", 2, 0, NO_KEYS, cmd_memory_purge, NULL},
    {"stats", 2, CMD_COUNTS, NO_KEYS, cmd_memory_stats, NULL},
    {"usage", -3, CMD_READONLY, KEYS(2, 2, 1), cmd_memory_usage, NULL},
    {.name = NULL},
};
