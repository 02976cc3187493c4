/* Making and ending a dispatch, its settings, its statistics, and the watches that changes break.
 */
#include "engine/ahead.h"
#include "engine/base/alloc.h"
#include "net/command/dispatch_state.h"
#include "net/command/migrate_job.h"
#include "net/command/notify.h"
#include "net/command/script_run.h"
#include "net/command/secret_args.h"

enum {
	QUEUE_BYTES_DEFAULT = 1 << 30,
	HASH_ENTRIES_DEFAULT = 512,
	HASH_VALUE_DEFAULT = 64,
	ZSET_ENTRIES_DEFAULT = 128,
	ZSET_VALUE_DEFAULT = 64,
	SET_INTSET_DEFAULT = 512,
	SET_ENTRIES_DEFAULT = 128,
	SET_VALUE_DEFAULT = 64,
	LIST_SIZE_DEFAULT = -2,
	HLL_SPARSE_DEFAULT = 3000,
	SLOW_USEC_DEFAULT = 10000,
	SLOWLOG_LEN_DEFAULT = 128,
	ACLLOG_LEN_DEFAULT = 128,
	BUSY_MS_DEFAULT = 5000,
	CALIBRATE_MS = 1000,
	TRACKED_MAX_DEFAULT = 1000000,
};

enum status dispatch_create(const struct dispatch_options *opts, struct dispatch **out)
{
	struct dispatch *d = mem_calloc(1, sizeof *d);
	enum status st;

	if (d == NULL) {
		return ST_NO_MEMORY;
	}
	d->engine = opts->engine;
	d->host = opts->host;
	d->clock = opts->clock != NULL ? opts->clock : clock_system();
	d->queue_bytes_max = QUEUE_BYTES_DEFAULT;
	rng_seed(&d->rng, d->clock->wall_ms(d->clock->ctx) ^ clock_ticks());
	d->scripts = scripts_create();
	st = d->scripts != NULL ? command_table_init(&d->table) : ST_NO_MEMORY;
	if (st == ST_OK) {
		st = acl_init(&d->acl, &d->table);
	}
	if (st == ST_OK) {
		st = command_stats_init(&d->stats, d->table.count, d->clock);
	}
	if (st != ST_OK) {
		dispatch_destroy(d);
		return st;
	}
	*out = d;
	return ST_OK;
}

void dispatch_destroy(struct dispatch *d)
{
	if (d == NULL) {
		return;
	}
	slowlog_reset(&d->slowlog);
	watch_table_deinit(&d->watches);
	blocked_table_deinit(&d->blocked);
	pubsub_deinit(&d->pubsub);
	acl_deinit(&d->acl);
	acl_log_set_max(&d->acl_log, 0);
	tracking_deinit(&d->tracking);
	buf_deinit(&d->events);
	buf_deinit(&d->scratch);
	buf_deinit(&d->monitored);
	scripts_destroy(d->scripts);
	(void)!slot_loads_enable(&d->slot_loads, false);
	buf_deinit(&d->message);
	buf_deinit(&d->behind_reply);
	command_stats_deinit(&d->stats);
	command_table_deinit(&d->table);
	mem_free(d->cold);
	mem_free(d->route_keys);
	mem_free(d);
}

enum status dispatch_rename(struct dispatch *d, const char *from, const char *to)
{
	return command_table_rename(&d->table, slice_str(from), slice_str(to));
}

void dispatch_set_engine(struct dispatch *d, struct engine *e)
{
	d->engine = e;
	functions_forget(&d->scripts->functions);
	(void)!functions_sync(
	    d); /* so that the log tells at the start; else when they are needed */
}

static int64_t setting_int(struct dispatch *d, const char *name, int64_t missing)
{
	const char *text = d->host->ops->config_value(d->host, name);
	int64_t v;

	return text != NULL && parse_int(slice_str(text), &v) ? v : missing;
}

/* Notes a request that looks for its member's place in a sorted set's order. Where a score stands
 * in front, the member is to get that or to be moved by it. */
static void order_ahead(struct dispatch *d, const struct command *cmd, int element,
			const struct slice rest[2])
{
	double score = 0;
	bool scored =
	    (cmd->flags & CMD_DENYOOM) != 0 && rest[1].data != NULL && parse_float(rest[0], &score);
	bool adds = strcmp(cmd->name, "zincrby") == 0;
	enum zset_ahead_kind kind = ZSET_AHEAD_FIND;

	if (scored) {
		kind = adds ? ZSET_AHEAD_ADD : ZSET_AHEAD_SET;
	}
	zset_ahead_add(&d->zset_ahead, d->engine, element, rest[scored], kind, score);
}

void dispatch_ahead_fetch(struct dispatch *d)
{
	(void)ahead_fetch(d->engine);
	(void)zset_ahead_fetch(&d->zset_ahead, d->engine);
}

void dispatch_ahead(struct dispatch *d, struct slice name, struct slice key,
		    const struct slice rest[2])
{
	const struct command_entry *entry = command_table_find(&d->table, name);
	unsigned flags = entry != NULL ? entry->cmd->flags : 0;

	if (entry == NULL || entry->cmd->keys.first != 1 || (flags & CMD_PUBSUB) != 0) {
		return;
	}
	if ((flags & CMD_TOUCH_ARGS) != 0) {
		int element = ahead_add_element(d->engine, key, rest, true);

		if (element >= 0 && (flags & CMD_ORDER) != 0) {
			order_ahead(d, entry->cmd, element, rest);
		}
	} else if ((flags & (CMD_LEFT_END | CMD_RIGHT_END)) != 0) {
		ahead_add_list_end(d->engine, key, (flags & CMD_LEFT_END) != 0,
				   (flags & CMD_DENYOOM) == 0);
	} else {
		ahead_add(d->engine, key, (flags & CMD_BLIND) == 0);
	}
}

void dispatch_config_changed(struct dispatch *d)
{
	const char *tracking = d->host->ops->config_value(d->host, "latency-tracking"), *by_slot;
	const char *channels = d->host->ops->config_value(d->host, "acl-pubsub-default");
	int64_t queue = setting_int(d, "client-query-buffer-limit", QUEUE_BYTES_DEFAULT);

	d->stats.histograms = tracking == NULL || strcmp(tracking, "no") != 0;
	d->queue_bytes_max = queue > 0 ? (size_t)queue : QUEUE_BYTES_DEFAULT;
	d->host->hash_max_listpack_entries =
	    (uint64_t)setting_int(d, "hash-max-listpack-entries", HASH_ENTRIES_DEFAULT);
	d->host->hash_max_listpack_value =
	    (uint64_t)setting_int(d, "hash-max-listpack-value", HASH_VALUE_DEFAULT);
	d->host->zset_max_listpack_entries =
	    (uint64_t)setting_int(d, "zset-max-listpack-entries", ZSET_ENTRIES_DEFAULT);
	d->host->zset_max_listpack_value =
	    (uint64_t)setting_int(d, "zset-max-listpack-value", ZSET_VALUE_DEFAULT);
	d->host->set_max_intset_entries =
	    (uint64_t)setting_int(d, "set-max-intset-entries", SET_INTSET_DEFAULT);
	d->host->set_max_listpack_entries =
	    (uint64_t)setting_int(d, "set-max-listpack-entries", SET_ENTRIES_DEFAULT);
	d->host->set_max_listpack_value =
	    (uint64_t)setting_int(d, "set-max-listpack-value", SET_VALUE_DEFAULT);
	d->host->list_max_listpack_size =
	    setting_int(d, "list-max-listpack-size", LIST_SIZE_DEFAULT);
	d->host->hll_sparse_max_bytes =
	    (uint64_t)setting_int(d, "hll-sparse-max-bytes", HLL_SPARSE_DEFAULT);
	d->host->events =
	    notify_classes(d->host->ops->config_value(d->host, "notify-keyspace-events"));
	d->host->tracked_max =
	    (uint64_t)setting_int(d, "tracking-table-max-keys", TRACKED_MAX_DEFAULT);
	d->slow_usec = setting_int(d, "slowlog-log-slower-than", SLOW_USEC_DEFAULT);
	slowlog_set_max(&d->slowlog,
			(size_t)setting_int(d, "slowlog-max-len", SLOWLOG_LEN_DEFAULT));
	acl_log_set_max(&d->acl_log, (size_t)setting_int(d, "acllog-max-len", ACLLOG_LEN_DEFAULT));
	d->acl.channels_open = channels != NULL && strcmp(channels, "allchannels") == 0;
	d->busy_ms = (uint64_t)setting_int(d, "busy-reply-threshold", BUSY_MS_DEFAULT);
	d->latency.threshold_ms = (uint64_t)setting_int(d, "latency-monitor-threshold", 0);
	by_slot = d->host->ops->config_value(d->host, "cluster-slot-stats-enabled");
	/* Without memory for it the reply shows that nothing is counted. */
	(void)!slot_loads_enable(&d->slot_loads, d->host->cluster != NULL && by_slot != NULL &&
						     strcmp(by_slot, "yes") == 0);
	d->settings_known = true;
	dispatch_calibrate(d);
}

void dispatch_calibrate(struct dispatch *d)
{
	uint64_t slow = UINT64_MAX;
	size_t used = mem_used();

	command_stats_calibrate(&d->stats);
	if (d->slow_usec >= 0) {
		slow = (uint64_t)d->slow_usec;
	}
	if (d->latency.threshold_ms > 0 && d->latency.threshold_ms * 1000 < slow) {
		slow = d->latency.threshold_ms * 1000;
	}
	d->slow_ticks = slow > UINT32_MAX * UINT64_C(1000000)
			    ? UINT64_MAX
			    : (uint64_t)((double)slow * d->stats.ticks_per_us);
	d->memory_peak = used > d->memory_peak ? used : d->memory_peak;
}

/* The request with its passwords hidden, in an array that the caller frees; NULL: it has none, or
 * there is no memory (then *hidden is false). */
static struct slice *without_secrets(const struct command_ctx *ctx, bool *hidden)
{
	struct slice *argv;

	*hidden = true;
	if (!command_has_secrets(ctx->full_name)) {
		return NULL;
	}
	argv = mem_alloc(ctx->argc * sizeof *argv);
	*hidden = argv != NULL;
	for (size_t i = 0; argv != NULL && i < ctx->argc; i++) {
		argv[i] = command_arg_is_secret(ctx->full_name, ctx->argv, ctx->argc, i)
			      ? slice_str(SECRET_SHOWN)
			      : ctx->argv[i];
	}
	return argv;
}

static void add_slow(struct dispatch *d, const struct command_ctx *ctx, uint64_t usec)
{
	const struct session *s = ctx->session;
	bool hidden;
	struct slice *argv = without_secrets(ctx, &hidden);

	if (hidden) {
		slowlog_add(&d->slowlog, argv != NULL ? argv : ctx->argv, ctx->argc,
			    ctx->now_ms / 1000, usec, slice_str(s->addr),
			    slice_str(s->name != NULL ? s->name : ""));
	}
	mem_free(argv);
}

void dispatch_note_slow(struct dispatch *d, const struct command_ctx *ctx, uint64_t ticks)
{
	uint64_t usec = command_stats_usec(&d->stats, ticks);

	if (d->slow_usec >= 0 && usec >= (uint64_t)d->slow_usec &&
	    (ctx->cmd->flags & CMD_SKIP_SLOWLOG) == 0) {
		add_slow(d, ctx, usec);
	}
	latency_add(&d->latency, (ctx->cmd->flags & CMD_FAST) != 0 ? "fast-command" : "command",
		    ctx->now_ms / 1000, usec / 1000);
}

static bool key_exists(void *arg, struct slice name)
{
	struct dispatch *d = arg;
	struct store_key key;
	struct meta meta;

	store_key_of_key(&key, name);
	return ks_lookup(d->engine, &key, &meta) == ST_OK;
}

void dispatch_touched(void *dispatch, const struct store_key *key)
{
	struct dispatch *d = dispatch;

	if (d->migrations != NULL) {
		migration_touched(d, key);
	}
	if (d->blocked.keys.count > 0) {
		if (key != NULL) {
			blocked_touched(&d->blocked, key->name);
		} else {
			blocked_touched_all(&d->blocked);
		}
	}
	if (d->tracking.clients != NULL) {
		tracking_touched(d, key);
	}
	if (d->in_command && key != NULL && (d->host->events & (EVENT_NEW | EVENT_EXPIRED)) != 0) {
		notify_before_write(d, key);
	}
	if (d->watches.keys.count == 0) {
		return;
	}
	if (key == NULL) {
		watch_flushed(&d->watches, key_exists, d);
		return;
	}
	/* Outside of commands only the expiry cycle changes keys. */
	watch_touched(&d->watches, key->name, !d->in_command);
}

void dispatch_turn_end(struct dispatch *d)
{
	if (d->events.len > 0) {
		notify_deliver(d, engine_last_lsn(d->engine));
	}
	if (d->tracking.clients != NULL) {
		tracking_turn_end(d);
	}
}

void dispatch_check_watched_expiry(struct dispatch *d, struct session *s)
{
	for (struct watched_key *w = s->watches; w != NULL && !s->watch_broken;
	     w = w->next_of_session) {
		struct slice name = slice_of(w->name, w->len);

		if (w->live && !key_exists(d, name)) {
			s->watch_broken = true;
		}
	}
}

void dispatch_each_command_stat(const struct dispatch *d,
				void (*each)(void *arg, const char *name,
					     const struct command_stat *stat),
				void *arg)
{
	for (size_t i = 0; i < d->table.count; i++) {
		const struct command_record *r = &d->stats.records[i];
		struct command_stat stat = {.calls = r->calls,
					    .usec = command_stats_usec(&d->stats, r->ticks),
					    .rejected = r->rejected,
					    .failed = r->failed};

		if (r->calls > 0 || r->rejected > 0 || r->failed > 0) {
			each(arg, d->table.entries[i].full_name, &stat);
		}
	}
}

void dispatch_each_error_stat(const struct dispatch *d,
			      void (*each)(void *arg, const char *code, uint64_t count), void *arg)
{
	for (size_t i = 0; i < d->stats.errors_len; i++) {
		each(arg, d->stats.errors[i].code, d->stats.errors[i].count);
	}
}

void dispatch_stats_reset(struct dispatch *d)
{
	command_stats_reset(&d->stats);
	slot_loads_reset(&d->slot_loads);
	memset(d->acl_log.counts, 0, sizeof d->acl_log.counts);
}

const struct command *dispatch_lookup(const struct dispatch *d, struct slice name)
{
	const struct command_entry *entry = command_table_find_full(&d->table, name);

	return entry == NULL ? NULL : entry->cmd;
}

static void calibrate(struct dispatch *d, uint64_t now_ms)
{
	if (!d->settings_known) {
		dispatch_config_changed(d);
	} else {
		dispatch_calibrate(d);
	}
	d->calibrated_ms = now_ms;
}

void dispatch_begin(struct dispatch *d, struct session *s, uint64_t now_ms, bool may_wait)
{
	if (now_ms - d->calibrated_ms > (uint64_t)CALIBRATE_MS) {
		calibrate(d, now_ms);
	}
	d->may_wait = may_wait;
	d->running = s;
	/* Events tell what was there, so that also blind writes look. */
	d->probes = (d->host->events & (EVENT_NEW | EVENT_EXPIRED)) != 0;
	if (s->user == NULL) {
		acl_enter(d->acl.standard, s);
	}
}
