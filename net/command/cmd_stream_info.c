/* XINFO: what a stream, its groups and their consumers are like. */
#include "net/command/cmd_stream.h"
#include "net/command/command_groups.h"
#include "net/command/command_host.h"

enum { FULL_COUNT = 10, ENTRIES_PER_NODE = 100 };

/* The stream of argv[2]. False: the error reply was sent. */
static bool lookup(struct command_ctx *ctx, struct store_key *key, struct stream *s)
{
	bool found;

	if (!stream_lookup(ctx, 2, key, s, &found)) {
		return false;
	}
	if (!found) {
		resp_error(ctx->reply, ERR_NO_KEY);
	}
	return found;
}

static void field(struct command_ctx *ctx, const char *name)
{
	resp_bulk_str(ctx->reply, name);
}

static void int_field(struct command_ctx *ctx, const char *name, int64_t v)
{
	field(ctx, name);
	resp_int(ctx->reply, v);
}

static void id_field(struct command_ctx *ctx, const char *name, struct stream_id id)
{
	field(ctx, name);
	stream_reply_id(ctx, id);
}

static int64_t since(const struct command_ctx *ctx, uint64_t ms)
{
	return ctx->now_ms > ms ? (int64_t)(ctx->now_ms - ms) : 0;
}

/* --- groups --- */

/* How many entries the group has not been given yet, where that can be told. */
static enum status reply_lag(struct command_ctx *ctx, const struct stream *s,
			     const struct stream_group *g)
{
	uint64_t added = stream_entries_added(s);
	int64_t read = g->entries_read;
	bool gaps = false;
	enum status st;

	field(ctx, "lag");
	if (added == 0) {
		resp_int(ctx->reply, 0);
		return ST_OK;
	}
	st = stream_has_gaps(s, g->last_id, &gaps);
	if (st == ST_OK && (read == STREAM_READS_UNKNOWN || gaps)) {
		st = stream_distance(s, g->last_id, &read);
	}
	if (st == ST_OK && read != STREAM_READS_UNKNOWN) {
		resp_int(ctx->reply, (int64_t)added - read);
	} else {
		resp_null(ctx->reply);
	}
	return st;
}

static void reads_field(struct command_ctx *ctx, const struct stream_group *g)
{
	field(ctx, "entries-read");
	if (g->entries_read == STREAM_READS_UNKNOWN) {
		resp_null(ctx->reply);
	} else {
		resp_int(ctx->reply, g->entries_read);
	}
}

static enum status reply_group(struct command_ctx *ctx, const struct stream *s,
			       const struct stream_group *g)
{
	resp_map(ctx->reply, 6);
	field(ctx, "name");
	resp_bulk(ctx->reply, g->name);
	int_field(ctx, "consumers", (int64_t)g->consumers);
	int_field(ctx, "pending", (int64_t)g->pending);
	id_field(ctx, "last-delivered-id", g->last_id);
	reads_field(ctx, g);
	return reply_lag(ctx, s, g);
}

typedef enum status (*group_fn)(struct command_ctx *ctx, const struct stream *s,
				const struct stream_group *g);

/* An array of all groups. */
static enum status reply_groups(struct command_ctx *ctx, const struct stream *s, group_fn reply)
{
	size_t mark = resp_deferred_begin(ctx->reply), n = 0;
	struct stream_group g;
	struct ks_iter it;
	enum status st = stream_groups_open(s, &it);

	while (st == ST_OK) {
		st = stream_groups_next(&it, &g);
		if (st == ST_OK) {
			st = reply(ctx, s, &g);
			n++;
		}
	}
	ks_iter_close(&it);
	resp_deferred_end(ctx->reply, mark, '*', n);
	return st == ST_END ? ST_OK : st;
}

static void cmd_xinfo_groups(struct command_ctx *ctx)
{
	struct store_key key;
	struct stream s;
	enum status st;

	if (!lookup(ctx, &key, &s)) {
		return;
	}
	st = reply_groups(ctx, &s, reply_group);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

/* --- consumers --- */

typedef enum status (*consumer_fn)(struct command_ctx *ctx, const struct stream *s,
				   const struct stream_group *g, const struct stream_consumer *c);

/* An array of a group's consumers. */
static enum status reply_consumers(struct command_ctx *ctx, const struct stream *s,
				   const struct stream_group *g, consumer_fn reply)
{
	size_t mark = resp_deferred_begin(ctx->reply), n = 0;
	struct stream_consumer c;
	struct ks_iter it;
	uint64_t number;
	enum status st = stream_consumers_open(s, g, &it);

	while (st == ST_OK) {
		st = stream_consumers_next(&it, g, &number);
		if (st == ST_OK) {
			st = stream_consumer_of(s, g, number, &c);
		}
		if (st == ST_OK) {
			st = reply(ctx, s, g, &c);
			n++;
		}
	}
	ks_iter_close(&it);
	resp_deferred_end(ctx->reply, mark, '*', n);
	return st == ST_END ? ST_OK : st;
}

static enum status reply_consumer(struct command_ctx *ctx, const struct stream *s,
				  const struct stream_group *g, const struct stream_consumer *c)
{
	(void)s;
	(void)g;
	resp_map(ctx->reply, 4);
	field(ctx, "name");
	resp_bulk(ctx->reply, c->name);
	int_field(ctx, "pending", (int64_t)c->pending);
	int_field(ctx, "idle", since(ctx, c->seen_ms));
	int_field(ctx, "inactive", c->active_ms < 0 ? -1 : since(ctx, (uint64_t)c->active_ms));
	return ST_OK;
}

static void cmd_xinfo_consumers(struct command_ctx *ctx)
{
	struct store_key key;
	struct stream s;
	struct stream_group g;
	enum status st;

	if (!lookup(ctx, &key, &s)) {
		return;
	}
	st = stream_group_get(&s, ctx->argv[3], &g);
	if (st == ST_NOT_FOUND) {
		struct slice group = ctx->argv[3], name = ctx->argv[2];

		resp_error(ctx->reply, "NOGROUP No such consumer group '%.*s' for key name '%.*s'",
			   group.len == 0 ? 0 : (int)strnlen((const char *)group.data, group.len),
			   (const char *)group.data,
			   name.len == 0 ? 0 : (int)strnlen((const char *)name.data, name.len),
			   (const char *)name.data);
		return;
	}
	if (st == ST_OK) {
		st = reply_consumers(ctx, &s, &g, reply_consumer);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

/* --- FULL --- */

/* How many of each list FULL shows, 0: all. Handed down by way of the request. */
static uint64_t full_count(const struct command_ctx *ctx)
{
	int64_t count = FULL_COUNT;

	if (ctx->argc == 6 && (!parse_int(ctx->argv[5], &count) || count < 0)) {
		count = FULL_COUNT;
	}
	return (uint64_t)count;
}

/* Pending entries of a group (consumer 0, with the consumer's name) or of a consumer. */
static enum status full_pending(struct command_ctx *ctx, const struct stream *s,
				const struct stream_group *g, uint64_t consumer)
{
	size_t mark = resp_deferred_begin(ctx->reply), n = 0;
	uint64_t most = full_count(ctx);
	struct stream_pending_iter it;
	struct stream_pending p;
	struct stream_consumer c;
	enum status st = stream_pending_open(s, g, consumer, STREAM_ID_MIN, &it);

	while (st == ST_OK && (most == 0 || n < most)) {
		st = stream_pending_next(&it, &p);
		if (st == ST_OK && consumer == 0) {
			st = stream_consumer_of(s, g, p.consumer, &c);
		}
		if (st != ST_OK) {
			break;
		}
		resp_array(ctx->reply, consumer == 0 ? 4 : 3);
		stream_reply_id(ctx, p.id);
		if (consumer == 0) {
			resp_bulk(ctx->reply, c.name);
		}
		resp_int(ctx->reply, (int64_t)p.time_ms);
		resp_int(ctx->reply, (int64_t)p.deliveries);
		n++;
	}
	stream_pending_close(&it);
	resp_deferred_end(ctx->reply, mark, '*', n);
	return st == ST_END ? ST_OK : st;
}

static enum status full_consumer(struct command_ctx *ctx, const struct stream *s,
				 const struct stream_group *g, const struct stream_consumer *c)
{
	resp_map(ctx->reply, 5);
	field(ctx, "name");
	resp_bulk(ctx->reply, c->name);
	int_field(ctx, "seen-time", (int64_t)c->seen_ms);
	int_field(ctx, "active-time", c->active_ms);
	int_field(ctx, "pel-count", (int64_t)c->pending);
	field(ctx, "pending");
	return full_pending(ctx, s, g, c->number);
}

static enum status full_group(struct command_ctx *ctx, const struct stream *s,
			      const struct stream_group *g)
{
	enum status st;

	resp_map(ctx->reply, 7);
	field(ctx, "name");
	resp_bulk(ctx->reply, g->name);
	id_field(ctx, "last-delivered-id", g->last_id);
	reads_field(ctx, g);
	st = reply_lag(ctx, s, g);
	if (st != ST_OK) {
		return st;
	}
	int_field(ctx, "pel-count", (int64_t)g->pending);
	field(ctx, "pending");
	st = full_pending(ctx, s, g, 0);
	if (st != ST_OK) {
		return st;
	}
	field(ctx, "consumers");
	return reply_consumers(ctx, s, g, full_consumer);
}

static enum status full(struct command_ctx *ctx, const struct stream *s)
{
	enum status st;

	field(ctx, "entries");
	st = stream_reply_range(ctx, s, STREAM_ID_MIN, STREAM_ID_MAX, false, full_count(ctx), NULL);
	if (st != ST_OK) {
		return st;
	}
	field(ctx, "groups");
	return reply_groups(ctx, s, full_group);
}

/* --- STREAM --- */

static enum status edge_field(struct command_ctx *ctx, const struct stream *s, const char *name,
			      bool last)
{
	struct stream_id id;
	struct slice value;
	enum status st = stream_edge(s, last, &id);

	field(ctx, name);
	if (st == ST_OK && stream_length(s) == 0) {
		resp_null(ctx->reply);
		return ST_OK;
	}
	if (st == ST_OK) {
		st = stream_get(s, id, &value);
	}
	return st == ST_OK ? stream_reply_entry(ctx, id, value) : st;
}

static enum status count_groups(const struct stream *s, int64_t *out)
{
	struct stream_group g;
	struct ks_iter it;
	enum status st = stream_groups_open(s, &it);

	*out = 0;
	while (st == ST_OK) {
		st = stream_groups_next(&it, &g);
		*out += st == ST_OK;
	}
	ks_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

static enum status summary(struct command_ctx *ctx, const struct stream *s)
{
	int64_t groups;
	enum status st = count_groups(s, &groups);

	int_field(ctx, "groups", groups);
	if (st == ST_OK) {
		st = edge_field(ctx, s, "first-entry", false);
	}
	return st == ST_OK ? edge_field(ctx, s, "last-entry", true) : st;
}

/* True when the options make sense; false: the error reply was sent. */
static bool stream_options(struct command_ctx *ctx)
{
	int64_t ignored;

	if (ctx->argc == 3) {
		return true;
	}
	if ((ctx->argc != 4 && ctx->argc != 6) || !command_arg_is(ctx, 3, "full") ||
	    (ctx->argc == 6 && !command_arg_is(ctx, 4, "count"))) {
		command_reply_bad_subcommand(ctx);
		return false;
	}
	return ctx->argc == 4 || command_arg_int(ctx, 5, &ignored, NULL);
}

static void cmd_xinfo_stream(struct command_ctx *ctx)
{
	struct store_key key;
	struct stream s;
	struct stream_id first;
	int64_t nodes;
	enum status st;

	if (!lookup(ctx, &key, &s) || !stream_options(ctx)) {
		return;
	}
	st = stream_edge(&s, false, &first);
	/* As Redis would have them, were all its nodes full. */
	nodes = (int64_t)((stream_length(&s) + ENTRIES_PER_NODE - 1) / ENTRIES_PER_NODE);
	resp_map(ctx->reply, ctx->argc > 3 ? 9 : 10);
	int_field(ctx, "length", (int64_t)stream_length(&s));
	int_field(ctx, "radix-tree-keys", nodes);
	int_field(ctx, "radix-tree-nodes", nodes + 1);
	id_field(ctx, "last-generated-id", stream_last_id(&s));
	id_field(ctx, "max-deleted-entry-id", s.max_deleted);
	int_field(ctx, "entries-added", (int64_t)stream_entries_added(&s));
	id_field(ctx, "recorded-first-entry-id", first);
	if (st == ST_OK) {
		st = ctx->argc > 3 ? full(ctx, &s) : summary(ctx, &s);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

static void cmd_xinfo_help(struct command_ctx *ctx)
{
	static const char *const lines[] = {
	    "CONSUMERS <key> <group>",
	    "    The consumers of a group.",
	    "GROUPS <key>",
	    "    The consumer groups of a stream.",
	    "STREAM <key> [FULL [COUNT <count>]]",
	    "    The stream itself, FULL with entries, groups and what is pending.",
	    NULL};

	command_reply_help(ctx, lines);
}

const struct command subcommands_xinfo[] = {
    {"consumers", 4, CMD_READONLY, KEYS(2, 2, 1), cmd_xinfo_consumers, NULL},
    {"groups", 3, CMD_READONLY, KEYS(2, 2, 1), cmd_xinfo_groups, NULL},
    {"help", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_xinfo_help, NULL},
    {"stream", -3, CMD_READONLY, KEYS(2, 2, 1), cmd_xinfo_stream, NULL},
    {NULL, 0, 0, NO_KEYS, NULL, NULL},
};
