/* XREAD and XREADGROUP: entries of several streams, new ones or a consumer's own, waiting for them
 * if need be (net/command/blocked.h). */
#include "net/command/blocked.h"
#include "net/command/cmd_stream.h"
#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/dispatch_state.h"

struct read_request {
	bool by_group, no_ack, blocks, group_given;
	size_t group, consumer; /* arguments */
	size_t first, streams;	/* first key; how many there are. IDs follow the keys */
	uint64_t count;		/* 0: all */
	uint64_t deadline_ms;
	struct buf ids; /* of struct stream_id; STREAM_ID_MAX: > */
};

/* --- arguments --- */

static bool only_by_group(struct command_ctx *ctx, const struct read_request *r, const char *word)
{
	if (!r->by_group) {
		resp_error(
		    ctx->reply,
		    "ERR The %s option is only supported by XREADGROUP. You called XREAD instead.",
		    word);
	}
	return r->by_group;
}

static int shown(struct slice text)
{
	return text.len == 0 ? 0 : (int)strnlen((const char *)text.data, text.len);
}

/* STREAMS at argument i. False: the error reply was sent. */
static bool parse_streams(struct command_ctx *ctx, struct read_request *r, size_t i)
{
	r->first = i + 1;
	r->streams = ctx->argc - r->first;
	if (r->streams % 2 != 0) {
		resp_error(ctx->reply,
			   "ERR Unbalanced '%s' list of streams: for each stream key an ID or '%c' "
			   "must be specified.",
			   ctx->full_name, r->by_group ? '>' : '$');
		return false;
	}
	r->streams /= 2;
	return true;
}

/* One option at *i, which moves to its last argument. False: the error reply was sent. */
static bool parse_option(struct command_ctx *ctx, struct read_request *r, size_t *i)
{
	size_t more = ctx->argc - *i - 1;
	int64_t count;

	if (more > 0 && command_arg_is(ctx, *i, "block")) {
		if (dispatch_is_busy(ctx->dispatch)) {
			resp_error(ctx->reply,
				   "ERR %.*s command is not allowed with BLOCK option from scripts",
				   shown(ctx->argv[0]), (const char *)ctx->argv[0].data);
			return false;
		}
		r->blocks = true;
		return command_arg_deadline(ctx, ++*i, &r->deadline_ms);
	}
	if (more > 0 && command_arg_is(ctx, *i, "count")) {
		if (!command_arg_int(ctx, ++*i, &count, NULL)) {
			return false;
		}
		r->count = count < 0 ? 0 : (uint64_t)count;
		return true;
	}
	if (more > 1 && command_arg_is(ctx, *i, "group")) {
		r->group = *i + 1;
		r->consumer = *i + 2;
		r->group_given = true;
		*i += 2;
		return only_by_group(ctx, r, "GROUP");
	}
	if (command_arg_is(ctx, *i, "noack")) {
		r->no_ack = true;
		return only_by_group(ctx, r, "NOACK");
	}
	resp_error(ctx->reply, ERR_SYNTAX);
	return false;
}

/* Everything up to the keys. False: the error reply was sent. */
static bool parse_read(struct command_ctx *ctx, struct read_request *r)
{
	for (size_t i = 1; i < ctx->argc && r->first == 0; i++) {
		if (i + 1 < ctx->argc && command_arg_is(ctx, i, "streams")) {
			if (!parse_streams(ctx, r, i)) {
				return false;
			}
		} else if (!parse_option(ctx, r, &i)) {
			return false;
		}
	}
	if (r->first == 0) {
		resp_error(ctx->reply, ERR_SYNTAX);
		return false;
	}
	if (r->by_group && !r->group_given) {
		resp_error(ctx->reply, "ERR Missing GROUP option for XREADGROUP");
		return false;
	}
	return true;
}

/* The group of the stream at argument i. False: the error reply was sent. */
static bool find_group(struct command_ctx *ctx, const struct read_request *r, size_t i,
		       const struct stream *s, bool found, struct stream_group *g)
{
	enum status st =
	    found ? stream_group_get(s, ctx->argv[r->group], g) : (enum status)ST_NOT_FOUND;

	if (st == ST_NOT_FOUND) {
		resp_error(ctx->reply,
			   "NOGROUP No such key '%.*s' or consumer group '%.*s' in XREADGROUP with "
			   "GROUP option",
			   shown(ctx->argv[i]), (const char *)ctx->argv[i].data,
			   shown(ctx->argv[r->group]), (const char *)ctx->argv[r->group].data);
	} else if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
	return st == ST_OK;
}

/* The ID that argument arg gives for stream s. False: the error reply was sent. */
static bool resolve_id(struct command_ctx *ctx, const struct read_request *r, size_t arg,
		       const struct stream *s, bool found, struct stream_id *out)
{
	if (slice_eq(ctx->argv[arg], slice_str("$"))) {
		if (r->by_group) {
			resp_error(ctx->reply,
				   "ERR The $ ID is meaningless in the context of XREADGROUP: you "
				   "want to read the history of this consumer by specifying a "
				   "proper ID, or use the > ID to get new messages. The $ ID would "
				   "just return an empty result set.");
		}
		*out = found ? stream_last_id(s) : STREAM_ID_MIN;
		return !r->by_group;
	}
	if (slice_eq(ctx->argv[arg], slice_str(">"))) {
		if (!r->by_group) {
			resp_error(ctx->reply,
				   "ERR The > ID can be specified only when calling XREADGROUP "
				   "using the GROUP <group> <consumer> option.");
		}
		*out = STREAM_ID_MAX;
		return r->by_group;
	}
	return stream_arg_id(ctx, arg, STREAM_ID_STRICT, 0, NULL, out);
}

/* The stream at argument i; a request that waits is counted once. False: the error reply was sent.
 */
static bool lookup(struct command_ctx *ctx, size_t i, struct store_key *key, struct stream *s,
		   bool *found)
{
	return command_block_memo(ctx).len == 0 ? stream_lookup_counted(ctx, i, key, s, found)
						: stream_lookup(ctx, i, key, s, found);
}

/* All IDs; those of $ as they were when the request came first. False: the error reply was sent. */
static bool resolve_ids(struct command_ctx *ctx, struct read_request *r)
{
	struct slice memo = command_block_memo(ctx);

	for (size_t i = 0; i < r->streams; i++) {
		struct store_key key;
		struct stream s;
		struct stream_group g;
		struct stream_id id;
		bool found;

		if (!lookup(ctx, r->first + i, &key, &s, &found) ||
		    (r->by_group && !find_group(ctx, r, r->first + i, &s, found, &g)) ||
		    !resolve_id(ctx, r, r->first + r->streams + i, &s, found, &id)) {
			return false;
		}
		if (memo.len == r->streams * sizeof id) {
			memcpy(&id, memo.data + i * sizeof id, sizeof id);
		}
		if (buf_append(&r->ids, &id, sizeof id) != ST_OK) {
			command_reply_status(ctx, ST_NO_MEMORY);
			return false;
		}
	}
	return true;
}

static struct stream_id id_of(const struct read_request *r, size_t i)
{
	struct stream_id id;

	memcpy(&id, r->ids.data + i * sizeof id, sizeof id);
	return id;
}

/* --- replies --- */

struct read_reply {
	size_t mark, streams; /* that have something */
};

static void begin_stream(struct command_ctx *ctx, struct read_reply *reply, struct slice key)
{
	if (reply->streams++ == 0) {
		reply->mark = resp_deferred_begin(ctx->reply);
	}
	if (ctx->reply->proto == 2) {
		resp_array(ctx->reply, 2);
	}
	resp_bulk(ctx->reply, key);
}

/* --- XREADGROUP --- */

/* What the group knows of its progress, once it has been given the entry of that ID. */
static enum status advance(const struct stream *s, struct stream_group *g, struct stream_id id)
{
	bool gaps = false;
	enum status st;

	if (stream_id_compare(id, g->last_id) <= 0) {
		return ST_OK;
	}
	st = stream_has_gaps(s, id, &gaps);
	if (st != ST_OK) {
		return st;
	}
	if (g->entries_read != STREAM_READS_UNKNOWN && !gaps) {
		g->entries_read++;
	} else if (stream_entries_added(s) > 0) {
		st = stream_distance(s, id, &g->entries_read);
	}
	g->last_id = id;
	return st;
}

/* Entries that were just given to a consumer are pending from now on. */
static enum status deliver(struct command_ctx *ctx, const struct read_request *r, struct stream *s,
			   struct stream_group *g, struct stream_consumer *c, const struct buf *ids)
{
	enum status st = ST_OK;

	for (size_t at = 0; st == ST_OK && at < ids->len; at += sizeof(struct stream_id)) {
		struct stream_pending p, old;
		enum status had;

		memcpy(&p.id, ids->data + at, sizeof p.id);
		st = advance(s, g, p.id);
		if (st != ST_OK || r->no_ack) {
			continue;
		}
		p.consumer = c->number;
		p.time_ms = ctx->now_ms;
		p.deliveries = 1;
		had = stream_pending_get(s, g, p.id, &old);
		if (had != ST_OK && had != ST_NOT_FOUND) {
			return had;
		}
		st = stream_pending_put(s, g, c, had == ST_OK ? &old : NULL, &p);
	}
	if (ids->len > 0) {
		c->active_ms = (int64_t)ctx->now_ms;
	}
	return st;
}

/* The consumer's own entries behind an ID, once more. */
static enum status reply_history(struct command_ctx *ctx, const struct read_request *r,
				 const struct stream *s, const struct stream_group *g,
				 const struct stream_consumer *c, struct stream_id from,
				 struct buf *again)
{
	size_t mark = resp_deferred_begin(ctx->reply), n = 0;
	struct stream_pending_iter it;
	struct stream_pending p;
	enum status st = stream_pending_open(s, g, c->number, from, &it);

	while (st == ST_OK && (r->count == 0 || n < r->count)) {
		struct slice value;

		st = stream_pending_next(&it, &p);
		if (st != ST_OK) {
			break;
		}
		n++;
		st = stream_get(s, p.id, &value);
		if (st == ST_NOT_FOUND) { /* removed meanwhile */
			resp_array(ctx->reply, 2);
			stream_reply_id(ctx, p.id);
			resp_null_array(ctx->reply);
			st = ST_OK;
		} else if (st == ST_OK) {
			st = stream_reply_entry(ctx, p.id, value);
			if (st == ST_OK) {
				st = buf_append(again, &p, sizeof p);
			}
		}
	}
	stream_pending_close(&it);
	resp_deferred_end(ctx->reply, mark, '*', n);
	return st == ST_END ? ST_OK : st;
}

static enum status read_history(struct command_ctx *ctx, const struct read_request *r,
				struct stream *s, struct stream_group *g, struct stream_consumer *c,
				struct stream_id from)
{
	struct buf again = {0};
	enum status st = reply_history(ctx, r, s, g, c, from, &again);

	for (size_t at = 0; st == ST_OK && at < again.len; at += sizeof(struct stream_pending)) {
		struct stream_pending p;

		memcpy(&p, again.data + at, sizeof p);
		p.time_ms = ctx->now_ms;
		p.deliveries++;
		st = stream_pending_put(s, g, c, &p, &p);
	}
	buf_deinit(&again);
	return st;
}

static enum status read_new(struct command_ctx *ctx, const struct read_request *r, struct stream *s,
			    struct stream_group *g, struct stream_consumer *c,
			    struct stream_id from)
{
	struct buf ids = {0};
	enum status st = stream_reply_range(ctx, s, from, STREAM_ID_MAX, false, r->count, &ids);

	if (st == ST_OK) {
		st = deliver(ctx, r, s, g, c, &ids);
	}
	buf_deinit(&ids);
	return st;
}

/* One stream for its group's consumer. */
static enum status read_by_group(struct command_ctx *ctx, const struct read_request *r, size_t i,
				 struct stream *s, struct read_reply *reply)
{
	struct stream_id from = id_of(r, i), last;
	bool history = stream_id_compare(from, STREAM_ID_MAX) != 0;
	struct stream_group g;
	struct stream_consumer c;
	enum status st = stream_group_get(s, ctx->argv[r->group], &g);

	if (st == ST_OK) {
		st = stream_use_consumer(ctx, s, &g, ctx->argv[r->consumer], &c);
	}
	if (st == ST_OK) {
		st = stream_edge(s, true, &last);
	}
	if (st == ST_OK && history) {
		begin_stream(ctx, reply, ctx->argv[r->first + i]);
		(void)stream_id_next(&from);
		st = read_history(ctx, r, s, &g, &c, from);
	} else if (st == ST_OK && stream_length(s) > 0 && stream_id_compare(last, g.last_id) > 0) {
		begin_stream(ctx, reply, ctx->argv[r->first + i]);
		from = g.last_id;
		(void)stream_id_next(&from);
		st = read_new(ctx, r, s, &g, &c, from);
		if (st == ST_OK) {
			st = stream_group_put(s, &g);
		}
	} else if (st == ST_OK && command_block_memo(ctx).len > 0 && !s->changed) {
		return ST_OK; /* it waits on: a write would have it, and others, run once more */
	}
	if (st == ST_OK) {
		st = stream_consumer_put(s, &g, &c);
	}
	return st == ST_OK ? stream_save(s) : st;
}

/* --- both --- */

static enum status read_alone(struct command_ctx *ctx, const struct read_request *r, size_t i,
			      const struct stream *s, struct read_reply *reply)
{
	struct stream_id from = id_of(r, i), last;
	enum status st = stream_edge(s, true, &last);

	if (st != ST_OK || stream_length(s) == 0 || stream_id_compare(last, from) <= 0) {
		return st;
	}
	begin_stream(ctx, reply, ctx->argv[r->first + i]);
	(void)stream_id_next(&from);
	return stream_reply_range(ctx, s, from, STREAM_ID_MAX, false, r->count, NULL);
}

/* Waits for an entry, or answers that there is none. */
static void wait_or_nothing(struct command_ctx *ctx, const struct read_request *r)
{
	struct blocking b = {.type = TYPE_STREAM,
			     .keys = ctx->argv + r->first,
			     .keys_count = r->streams,
			     .deadline_ms = r->deadline_ms,
			     .any_change = r->by_group,
			     .memo = buf_slice(&r->ids)};

	if (!r->blocks || !command_block(ctx, &b)) {
		resp_null_array(ctx->reply);
	}
}

static void read_all(struct command_ctx *ctx, const struct read_request *r)
{
	struct read_reply reply = {0};
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < r->streams; i++) {
		struct store_key key;
		struct stream s;
		bool found;

		if (!lookup(ctx, r->first + i, &key, &s, &found)) {
			return;
		}
		if (found) {
			st = r->by_group ? read_by_group(ctx, r, i, &s, &reply)
					 : read_alone(ctx, r, i, &s, &reply);
		}
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	} else if (reply.streams > 0) {
		resp_deferred_end(ctx->reply, reply.mark, ctx->reply->proto == 2 ? '*' : '%',
				  reply.streams);
	} else {
		wait_or_nothing(ctx, r);
	}
}

static void read_streams(struct command_ctx *ctx, bool by_group)
{
	struct read_request r = {.by_group = by_group};

	if (parse_read(ctx, &r) && resolve_ids(ctx, &r)) {
		read_all(ctx, &r);
	}
	buf_deinit(&r.ids);
}

void cmd_xread(struct command_ctx *ctx)
{
	read_streams(ctx, false);
}

void cmd_xreadgroup(struct command_ctx *ctx)
{
	read_streams(ctx, true);
}
