/* Stream commands on consumer groups: XGROUP, XACK, XPENDING, and what others need of a group. */
#include "net/command/cmd_stream.h"
#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/notify.h"

/* Texts in errors end at their first NUL, as in Redis. */
static int shown(struct slice text)
{
	return text.len == 0 ? 0 : (int)strnlen((const char *)text.data, text.len);
}

static void reply_no_group(struct command_ctx *ctx, size_t key, size_t group)
{
	resp_error(ctx->reply, "NOGROUP No such key '%.*s' or consumer group '%.*s'",
		   shown(ctx->argv[key]), (const char *)ctx->argv[key].data,
		   shown(ctx->argv[group]), (const char *)ctx->argv[group].data);
}

bool stream_lookup_group(struct command_ctx *ctx, struct store_key *key, struct stream *s,
			 struct stream_group *g)
{
	bool found;
	enum status st;

	if (!stream_lookup_counted(ctx, 1, key, s, &found)) {
		return false;
	}
	st = found ? stream_group_get(s, ctx->argv[2], g) : ST_NOT_FOUND;
	if (st == ST_NOT_FOUND) {
		reply_no_group(ctx, 1, 2);
	} else if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
	return st == ST_OK;
}

enum status stream_use_consumer(struct command_ctx *ctx, struct stream *s, struct stream_group *g,
				struct slice name, struct stream_consumer *out)
{
	enum status st = stream_consumer_get(s, g, name, out);

	if (st == ST_NOT_FOUND) {
		st = stream_consumer_create(s, g, name, ctx->now_ms, out);
		command_event(ctx, EVENT_STREAM, "xgroup-createconsumer", s->key->name);
	}
	out->seen_ms = ctx->now_ms;
	return st;
}

/* --- how far a group has come --- */

enum status stream_has_gaps(const struct stream *s, struct stream_id from, bool *out)
{
	struct stream_id first;
	enum status st = ST_OK;

	*out = stream_length(s) > 0 && !stream_id_is_zero(s->max_deleted) &&
	       stream_id_compare(from, s->max_deleted) <= 0;
	if (*out) {
		st = stream_edge(s, false, &first);
		*out = stream_id_compare(first, s->max_deleted) <= 0;
	}
	return st;
}

enum status stream_distance(const struct stream *s, struct stream_id id, int64_t *out)
{
	uint64_t added = stream_entries_added(s);
	struct stream_id first;
	int to_last = stream_id_compare(id, stream_last_id(s)), to_first;
	enum status st = stream_edge(s, false, &first);

	*out = STREAM_READS_UNKNOWN;
	if (st != ST_OK) {
		return st;
	}
	if (added == 0) {
		*out = 0;
	} else if (to_last == 0 || (stream_length(s) == 0 && to_last < 0)) {
		*out = (int64_t)added;
	} else if (to_last < 0 && (stream_id_is_zero(s->max_deleted) ||
				   stream_id_compare(s->max_deleted, first) < 0)) {
		/* Nothing is missing behind the first entry. */
		to_first = stream_id_compare(id, first);
		if (to_first <= 0) {
			*out = (int64_t)(added - stream_length(s)) + (to_first == 0);
		}
	}
	return ST_OK;
}

/* --- XGROUP --- */

struct group_options {
	bool make_stream;
	int64_t entries_read;
};

/* Options from argument 5 on. False: the error reply was sent. */
static bool group_options(struct command_ctx *ctx, bool creates, struct group_options *o)
{
	*o = (struct group_options){.entries_read = STREAM_READS_UNKNOWN};
	for (size_t i = 5; i < ctx->argc; i++) {
		if (creates && command_arg_is(ctx, i, "mkstream")) {
			o->make_stream = true;
		} else if (command_arg_is(ctx, i, "entriesread") && i + 1 < ctx->argc) {
			if (!command_arg_int(ctx, ++i, &o->entries_read, NULL)) {
				return false;
			}
			if (o->entries_read < STREAM_READS_UNKNOWN) {
				resp_error(ctx->reply,
					   "ERR value for ENTRIESREAD must be positive or -1");
				return false;
			}
		} else {
			command_reply_bad_subcommand(ctx);
			return false;
		}
	}
	return true;
}

static void reply_no_key(struct command_ctx *ctx)
{
	resp_error(ctx->reply,
		   "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you "
		   "may want to use the MKSTREAM option to create an empty stream "
		   "automatically.");
}

/* The stream of argv[2] and its group argv[3]. *has_group NULL: it has to be there. False: the
 * error reply was sent. */
static bool lookup_for_group(struct command_ctx *ctx, struct store_key *key, struct stream *s,
			     struct stream_group *g, bool *has_group)
{
	bool found;
	enum status st;

	if (!stream_lookup(ctx, 2, key, s, &found)) {
		return false;
	}
	if (!found) {
		reply_no_key(ctx);
		return false;
	}
	st = stream_group_get(s, ctx->argv[3], g);
	if (has_group != NULL) {
		*has_group = st == ST_OK;
		st = st == ST_NOT_FOUND ? ST_OK : st;
	}
	if (st == ST_NOT_FOUND) {
		resp_error(ctx->reply, "NOGROUP No such consumer group '%.*s' for key name '%.*s'",
			   shown(ctx->argv[3]), (const char *)ctx->argv[3].data,
			   shown(ctx->argv[2]), (const char *)ctx->argv[2].data);
	} else if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
	return st == ST_OK;
}

/* argv[4] as the last delivered ID; $: the stream's last. False: the error reply was sent. */
static bool arg_group_id(struct command_ctx *ctx, const struct stream *s, enum stream_id_form form,
			 struct stream_id *out)
{
	if (slice_eq(ctx->argv[4], slice_str("$"))) {
		*out = s != NULL ? stream_last_id(s) : STREAM_ID_MIN;
		return true;
	}
	return stream_arg_id(ctx, 4, form, 0, NULL, out);
}

static void cmd_xgroup_create(struct command_ctx *ctx)
{
	struct group_options o;
	struct store_key key;
	struct stream s;
	struct stream_group g;
	struct stream_id id;
	bool found;
	enum status st = ST_OK;

	if (!group_options(ctx, true, &o) || !stream_lookup(ctx, 2, &key, &s, &found)) {
		return;
	}
	if (!found && !o.make_stream) {
		reply_no_key(ctx);
		return;
	}
	if (!arg_group_id(ctx, found ? &s : NULL, STREAM_ID_STRICT, &id)) {
		return;
	}
	if (!found) {
		st = stream_open(&s, ctx->engine, &key, NULL);
	}
	if (st == ST_OK) {
		st = stream_group_get(&s, ctx->argv[3], &g);
	}
	if (st == ST_OK) {
		resp_error(ctx->reply, "BUSYGROUP Consumer Group name already exists");
		return;
	}
	if (st == ST_NOT_FOUND) {
		st = stream_group_create(&s, ctx->argv[3], id, o.entries_read, &g);
	}
	resp_ok(ctx->reply);
	stream_finish(ctx, &s, st);
	command_event(ctx, EVENT_STREAM, "xgroup-create", key.name);
}

static void cmd_xgroup_setid(struct command_ctx *ctx)
{
	struct group_options o;
	struct store_key key;
	struct stream s;
	struct stream_group g;

	if (!group_options(ctx, false, &o) || !lookup_for_group(ctx, &key, &s, &g, NULL) ||
	    !arg_group_id(ctx, &s, STREAM_ID_ANY, &g.last_id)) {
		return;
	}
	g.entries_read = o.entries_read;
	resp_ok(ctx->reply);
	stream_finish(ctx, &s, stream_group_put(&s, &g));
	command_event(ctx, EVENT_STREAM, "xgroup-setid", key.name);
}

static void cmd_xgroup_destroy(struct command_ctx *ctx)
{
	struct store_key key;
	struct stream s;
	struct stream_group g;
	bool has_group;

	if (!lookup_for_group(ctx, &key, &s, &g, &has_group)) {
		return;
	}
	resp_int(ctx->reply, has_group);
	if (has_group) {
		stream_finish(ctx, &s, stream_group_destroy(&s, &g));
		command_event(ctx, EVENT_STREAM, "xgroup-destroy", key.name);
	}
}

static void cmd_xgroup_createconsumer(struct command_ctx *ctx)
{
	struct store_key key;
	struct stream s;
	struct stream_group g;
	struct stream_consumer c;
	enum status st;

	if (!lookup_for_group(ctx, &key, &s, &g, NULL)) {
		return;
	}
	st = stream_consumer_get(&s, &g, ctx->argv[4], &c);
	resp_int(ctx->reply, st == ST_NOT_FOUND);
	if (st == ST_NOT_FOUND) {
		st = stream_consumer_create(&s, &g, ctx->argv[4], ctx->now_ms, &c);
		command_event(ctx, EVENT_STREAM, "xgroup-createconsumer", key.name);
	}
	stream_finish(ctx, &s, st);
}

static void cmd_xgroup_delconsumer(struct command_ctx *ctx)
{
	struct store_key key;
	struct stream s;
	struct stream_group g;
	struct stream_consumer c;
	enum status st;

	if (!lookup_for_group(ctx, &key, &s, &g, NULL)) {
		return;
	}
	st = stream_consumer_get(&s, &g, ctx->argv[4], &c);
	if (st == ST_NOT_FOUND) {
		resp_int(ctx->reply, 0);
		return;
	}
	if (st == ST_OK) {
		resp_int(ctx->reply, (int64_t)c.pending);
		st = stream_consumer_delete(&s, &g, &c);
		command_event(ctx, EVENT_STREAM, "xgroup-delconsumer", key.name);
	}
	stream_finish(ctx, &s, st);
}

static void cmd_xgroup_help(struct command_ctx *ctx)
{
	static const char *const lines[] = {
	    "CREATE <key> <group> (<id>|$) [MKSTREAM] [ENTRIESREAD <number>]",
	    "    Make a consumer group that has been given everything up to the ID.",
	    "CREATECONSUMER <key> <group> <consumer>",
	    "    Make a consumer.",
	    "DELCONSUMER <key> <group> <consumer>",
	    "    Remove a consumer and what it has not acknowledged.",
	    "DESTROY <key> <group>",
	    "    Remove a consumer group.",
	    "SETID <key> <group> (<id>|$) [ENTRIESREAD <number>]",
	    "    Set up to where the group has been given entries.",
	    NULL};

	command_reply_help(ctx, lines);
}

const struct command subcommands_xgroup[] = {
    {"create", -5, CMD_WRITE | CMD_DENYOOM, KEYS(2, 2, 1), cmd_xgroup_create, NULL},
    {"createconsumer", 5, CMD_WRITE | CMD_DENYOOM, KEYS(2, 2, 1), cmd_xgroup_createconsumer, NULL},
    {"delconsumer", 5, CMD_WRITE, KEYS(2, 2, 1), cmd_xgroup_delconsumer, NULL},
    {"destroy", 4, CMD_WRITE, KEYS(2, 2, 1), cmd_xgroup_destroy, NULL},
    {"help", 2, CMD_LOADING | CMD_STALE, NO_KEYS, cmd_xgroup_help, NULL},
    {"setid", -5, CMD_WRITE, KEYS(2, 2, 1), cmd_xgroup_setid, NULL},
    {NULL, 0, 0, NO_KEYS, NULL, NULL},
};

/* --- XACK --- */

static enum status ack(struct stream *s, struct stream_group *g, const struct buf *ids,
		       int64_t *acked)
{
	enum status st = ST_OK;

	for (size_t at = 0; st == ST_OK && at < ids->len; at += sizeof(struct stream_id)) {
		struct stream_pending p;
		struct stream_id id;

		memcpy(&id, ids->data + at, sizeof id);
		st = stream_pending_get(s, g, id, &p);
		if (st == ST_OK) {
			st = stream_pending_delete(s, g, &p);
			*acked += st == ST_OK;
		} else if (st == ST_NOT_FOUND) {
			st = ST_OK;
		}
	}
	return st == ST_OK && *acked > 0 ? stream_group_put(s, g) : st;
}

void cmd_xack(struct command_ctx *ctx)
{
	struct store_key key;
	struct stream s;
	struct stream_group g;
	struct buf ids = {0};
	int64_t acked = 0;
	bool found;
	enum status st;

	if (!stream_lookup_counted(ctx, 1, &key, &s, &found)) {
		return;
	}
	st = found ? stream_group_get(&s, ctx->argv[2], &g) : ST_NOT_FOUND;
	if (st == ST_NOT_FOUND) {
		resp_int(ctx->reply, 0);
		return;
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	if (stream_args_ids(ctx, 3, &ids)) {
		st = ack(&s, &g, &ids, &acked);
		resp_int(ctx->reply, acked);
		stream_finish(ctx, &s, st);
	}
	buf_deinit(&ids);
}

/* --- XPENDING --- */

struct pending_query {
	struct stream_id from, to;
	int64_t count, min_idle;
	size_t consumer; /* argument; 0: all */
};

/* False: the error reply was sent. */
static bool parse_pending(struct command_ctx *ctx, struct pending_query *q)
{
	size_t at = 3;

	if (ctx->argc != 3 && (ctx->argc < 6 || ctx->argc > 9)) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return false;
	}
	if (ctx->argc == 3) {
		return true;
	}
	if (command_arg_is(ctx, 3, "idle")) {
		if (!command_arg_int(ctx, 4, &q->min_idle, NULL)) {
			return false;
		}
		if (ctx->argc < 8) {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
		at = 5;
	}
	if (!command_arg_int(ctx, at + 2, &q->count, NULL) ||
	    !stream_arg_bound(ctx, at, false, &q->from) ||
	    !stream_arg_bound(ctx, at + 1, true, &q->to)) {
		return false;
	}
	q->consumer = at + 3 < ctx->argc ? at + 3 : 0;
	return true;
}

/* Consumers that have pending entries, and how many. */
static enum status reply_counts(struct command_ctx *ctx, const struct stream *s,
				const struct stream_group *g)
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
		if (st == ST_OK && c.pending > 0) {
			resp_array(ctx->reply, 2);
			resp_bulk(ctx->reply, c.name);
			resp_bulk_int(ctx->reply, (int64_t)c.pending);
			n++;
		}
	}
	ks_iter_close(&it);
	resp_deferred_end(ctx->reply, mark, '*', n);
	return st == ST_END ? ST_OK : st;
}

/* The last pending entry's ID. Entries come forward only; who asks for the last one walks down. */
static enum status last_pending(const struct stream *s, const struct stream_group *g,
				struct stream_id *out)
{
	struct stream_subkey k;
	struct ks_iter it = {0};
	struct slice subkey, ignored;
	enum status st;

	stream_subkey_init(&k, STREAM_PENDING);
	stream_subkey_number(&k, g->number + 1);
	st = ks_elems_open(s->engine, s->key->slot, s->meta.id, stream_subkey_slice(&k), true, &it);
	if (st == ST_OK) {
		st = ks_elems_next(&it, &subkey, &ignored);
	}
	if (st == ST_OK) {
		stream_subkey_init(&k, STREAM_PENDING);
		stream_subkey_number(&k, g->number);
		if (!slice_has_prefix(subkey, stream_subkey_slice(&k)) ||
		    subkey.len != k.len + STREAM_ID_LEN) {
			st = ST_CORRUPT;
		} else {
			*out = stream_id_at(subkey.data + k.len);
		}
	}
	ks_iter_close(&it);
	return st == ST_END ? ST_CORRUPT : st;
}

static enum status reply_summary(struct command_ctx *ctx, const struct stream *s,
				 const struct stream_group *g)
{
	struct stream_pending_iter it;
	struct stream_pending first;
	struct stream_id last = STREAM_ID_MIN;
	enum status st;

	resp_array(ctx->reply, 4);
	resp_int(ctx->reply, (int64_t)g->pending);
	if (g->pending == 0) {
		resp_null(ctx->reply);
		resp_null(ctx->reply);
		resp_null_array(ctx->reply);
		return ST_OK;
	}
	st = stream_pending_open(s, g, 0, STREAM_ID_MIN, &it);
	if (st == ST_OK) {
		st = stream_pending_next(&it, &first);
	}
	stream_pending_close(&it);
	if (st == ST_OK) {
		stream_reply_id(ctx, first.id);
		st = last_pending(s, g, &last);
	}
	stream_reply_id(ctx, last);
	return st == ST_OK ? reply_counts(ctx, s, g) : st == ST_END ? ST_CORRUPT : st;
}

static enum status reply_pending(struct command_ctx *ctx, const struct stream *s,
				 const struct stream_group *g, uint64_t consumer,
				 const struct pending_query *q)
{
	size_t mark = resp_deferred_begin(ctx->reply), n = 0;
	struct stream_pending_iter it;
	struct stream_pending p;
	enum status st = stream_pending_open(s, g, consumer, q->from, &it);

	while (st == ST_OK && q->count > 0 && n < (uint64_t)q->count) {
		struct stream_consumer c;
		int64_t idle;

		st = stream_pending_next(&it, &p);
		if (st == ST_OK && stream_id_compare(p.id, q->to) > 0) {
			st = ST_END;
		}
		if (st != ST_OK) {
			break;
		}
		idle = (int64_t)ctx->now_ms - (int64_t)p.time_ms;
		if (q->min_idle != 0 && idle < q->min_idle) {
			continue;
		}
		st = stream_consumer_of(s, g, p.consumer, &c);
		if (st == ST_OK) {
			resp_array(ctx->reply, 4);
			stream_reply_id(ctx, p.id);
			resp_bulk(ctx->reply, c.name);
			resp_int(ctx->reply, idle < 0 ? 0 : idle);
			resp_int(ctx->reply, (int64_t)p.deliveries);
			n++;
		}
	}
	stream_pending_close(&it);
	resp_deferred_end(ctx->reply, mark, '*', n);
	return st == ST_END ? ST_OK : st;
}

void cmd_xpending(struct command_ctx *ctx)
{
	struct pending_query q = {0};
	struct stream_consumer c = {0};
	struct store_key key;
	struct stream s;
	struct stream_group g;
	enum status st = ST_OK;

	if (!parse_pending(ctx, &q) || !stream_lookup_group(ctx, &key, &s, &g)) {
		return;
	}
	if (ctx->argc == 3) {
		st = reply_summary(ctx, &s, &g);
	} else {
		if (q.consumer != 0) {
			st = stream_consumer_get(&s, &g, ctx->argv[q.consumer], &c);
		}
		if (st == ST_NOT_FOUND) {
			resp_array(ctx->reply, 0);
			return;
		}
		if (st == ST_OK) {
			st = reply_pending(ctx, &s, &g, c.number, &q);
		}
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}
