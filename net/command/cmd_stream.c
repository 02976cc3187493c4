/* Stream commands on entries: adding, reading ranges, removing. What a stream is in storage:
 * engine/types/type_stream.h. */
#include "net/command/cmd_stream.h"

#include "net/command/command_groups.h"
#include "net/command/command_host.h"
#include "net/command/notify.h"

enum {
	ENTRY_BYTES_MAX = 1 << 30,
	/* What Redis keeps together, and so removes together where it need not be exact. */
	ENTRIES_TOGETHER = 100,
	APPROXIMATE_LIMIT = 100 * ENTRIES_TOGETHER,
};

/* Opens what a lookup that ended with st has found. */
static bool open_found(struct command_ctx *ctx, enum status st, const struct store_key *key,
		       const struct meta *m, struct stream *s, bool *found)
{
	if (st == ST_OK && m->type != TYPE_STREAM) {
		command_reply_status(ctx, ST_WRONG_TYPE);
		return false;
	}
	*found = st == ST_OK;
	if (st == ST_NOT_FOUND) {
		return true;
	}
	if (st != ST_OK) {
		return false;
	}
	st = stream_open(s, ctx->engine, key, m);
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
	return st == ST_OK;
}

bool stream_lookup(struct command_ctx *ctx, size_t arg, struct store_key *key, struct stream *s,
		   bool *found)
{
	struct meta m;
	enum status st = command_lookup_any(ctx, arg, key, &m);

	return open_found(ctx, st, key, &m, s, found);
}

bool stream_lookup_counted(struct command_ctx *ctx, size_t arg, struct store_key *key,
			   struct stream *s, bool *found)
{
	struct meta m;
	enum status st = command_lookup_counted(ctx, arg, key, &m);

	return open_found(ctx, st, key, &m, s, found);
}

void stream_finish(struct command_ctx *ctx, struct stream *s, enum status st)
{
	if (st == ST_OK) {
		st = stream_save(s);
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
	}
}

/* --- trimming --- */

enum trim_by { TRIM_NOT, TRIM_LENGTH, TRIM_ID };

struct add_options {
	enum trim_by by;
	bool approximate, no_create, id_given, auto_seq;
	int64_t max_len, limit;
	struct stream_id min_id, id;
};

/* MAXLEN or MINID at *i, which moves to its last argument. False: the error reply was sent. */
static bool trim_option(struct command_ctx *ctx, size_t *i, struct add_options *o)
{
	bool by_length = command_arg_is(ctx, *i, "maxlen");

	if (o->by != TRIM_NOT) {
		resp_error(ctx->reply, "ERR syntax error, MAXLEN and MINID options at the same "
				       "time are not compatible");
		return false;
	}
	o->approximate = false;
	if (ctx->argc - *i > 2 && (slice_eq(ctx->argv[*i + 1], slice_str("~")) ||
				   slice_eq(ctx->argv[*i + 1], slice_str("=")))) {
		o->approximate = ctx->argv[*i + 1].data[0] == '~';
		*i += 1;
	}
	*i += 1;
	o->by = by_length ? TRIM_LENGTH : TRIM_ID;
	if (!by_length) {
		return stream_arg_id(ctx, *i, STREAM_ID_STRICT, 0, NULL, &o->min_id);
	}
	if (!command_arg_int(ctx, *i, &o->max_len, NULL)) {
		return false;
	}
	if (o->max_len < 0) {
		resp_error(ctx->reply, "ERR The MAXLEN argument must be >= 0.");
		return false;
	}
	return true;
}

/* What fits together, and the limit of work. False: the error reply was sent. */
static bool trim_options_fit(struct command_ctx *ctx, struct add_options *o, bool adds,
			     bool limit_given)
{
	if (o->limit != 0 && o->by == TRIM_NOT) {
		resp_error(ctx->reply, "ERR syntax error, LIMIT cannot be used without specifying "
				       "a trimming strategy");
		return false;
	}
	if (!adds && o->by == TRIM_NOT) {
		resp_error(ctx->reply,
			   "ERR syntax error, XTRIM must be called with a trimming strategy");
		return false;
	}
	if (limit_given && !o->approximate) {
		resp_error(ctx->reply, "ERR syntax error, LIMIT cannot be used without the special "
				       "~ option");
		return false;
	}
	if (!limit_given) {
		o->limit = o->approximate ? APPROXIMATE_LIMIT : 0;
	}
	return true;
}

/* Options of XADD (up to its ID, at *at) or XTRIM. False: the error reply was sent. */
static bool parse_options(struct command_ctx *ctx, bool adds, struct add_options *o, size_t *at)
{
	bool limit_given = false;
	size_t i = 2;

	for (; i < ctx->argc; i++) {
		bool more = i + 1 < ctx->argc;

		if (adds && slice_eq(ctx->argv[i], slice_str("*"))) {
			break;
		}
		if (more && (command_arg_is(ctx, i, "maxlen") || command_arg_is(ctx, i, "minid"))) {
			if (!trim_option(ctx, &i, o)) {
				return false;
			}
		} else if (more && command_arg_is(ctx, i, "limit")) {
			if (!command_arg_int(ctx, ++i, &o->limit, NULL)) {
				return false;
			}
			if (o->limit < 0) {
				resp_error(ctx->reply, "ERR The LIMIT argument must be >= 0.");
				return false;
			}
			limit_given = true;
		} else if (adds && command_arg_is(ctx, i, "nomkstream")) {
			o->no_create = true;
		} else if (adds) {
			if (!stream_arg_id(ctx, i, STREAM_ID_STRICT, 0, &o->auto_seq, &o->id)) {
				return false;
			}
			o->id_given = true;
			break;
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
	}
	*at = i;
	return trim_options_fit(ctx, o, adds, limit_given);
}

/* Number of entries before an ID, counted up to most. */
static enum status count_before(const struct stream *s, struct stream_id id, uint64_t most,
				uint64_t *out)
{
	struct stream_iter it;
	struct stream_id ignored;
	struct slice value;
	enum status st;

	*out = 0;
	if (!stream_id_previous(&id)) {
		return ST_OK;
	}
	st = stream_iter_open(s, STREAM_ID_MIN, id, false, &it);
	while (st == ST_OK && *out < most) {
		st = stream_iter_next(&it, &ignored, &value);
		*out += st == ST_OK;
	}
	stream_iter_close(&it);
	return st == ST_END ? ST_OK : st;
}

/* Approximately: as many whole hundreds as are too much, or all, as Redis, which removes node by
 * node. */
static enum status trim(struct stream *s, const struct add_options *o, uint64_t *removed)
{
	struct stream_id to = STREAM_ID_MAX;
	uint64_t too_many = UINT64_MAX, most = o->limit > 0 ? (uint64_t)o->limit : UINT64_MAX;
	enum status st = ST_OK;

	*removed = 0;
	if (o->by == TRIM_LENGTH) {
		uint64_t keep = (uint64_t)o->max_len;

		too_many = stream_length(s) > keep ? stream_length(s) - keep : 0;
	} else {
		to = o->min_id;
		if (!stream_id_previous(&to)) {
			return ST_OK;
		}
		if (o->approximate) {
			st = count_before(s, o->min_id, most, &too_many);
		}
	}
	too_many = too_many < most ? too_many : most;
	if (o->approximate && too_many < stream_length(s)) {
		too_many -= too_many % ENTRIES_TOGETHER;
	}
	if (st != ST_OK || too_many == 0) {
		return st;
	}
	return stream_remove_range(s, STREAM_ID_MIN, to, too_many, removed);
}

static void cmd_xtrim(struct command_ctx *ctx)
{
	struct add_options o = {0};
	struct store_key key;
	struct stream s;
	uint64_t removed = 0;
	size_t at;
	bool found;
	enum status st = ST_OK;

	if (!parse_options(ctx, false, &o, &at) || !stream_lookup(ctx, 1, &key, &s, &found)) {
		return;
	}
	if (found) {
		st = trim(&s, &o, &removed);
		if (st == ST_OK) {
			st = stream_save(&s);
		}
		if (removed > 0) {
			command_event(ctx, EVENT_STREAM, "xtrim", key.name);
		}
	}
	if (st != ST_OK) {
		command_reply_status(ctx, st);
		return;
	}
	resp_int(ctx->reply, (int64_t)removed);
}

/* --- adding --- */

/* The new entry's ID. False: there is none that is greater than the last one. */
static bool new_id(const struct command_ctx *ctx, const struct stream *s,
		   const struct add_options *o, struct stream_id *out)
{
	struct stream_id last = stream_last_id(s);

	*out = o->id;
	if (!o->id_given) {
		*out = (struct stream_id){ctx->now_ms, 0};
		if (ctx->now_ms <= last.ms) {
			*out = last;
			return stream_id_next(out);
		}
	} else if (o->auto_seq && o->id.ms == last.ms) {
		if (last.seq == UINT64_MAX) {
			return false;
		}
		out->seq = last.seq + 1;
	}
	return stream_id_compare(*out, last) > 0;
}

static bool fields_fit(const struct command_ctx *ctx, size_t first)
{
	uint64_t bytes = 0;

	for (size_t i = first; i < ctx->argc; i++) {
		bytes += ctx->argv[i].len;
	}
	return bytes <= ENTRY_BYTES_MAX;
}

/* Adds the entry whose fields begin at argument first, and replies. */
static void add(struct command_ctx *ctx, struct stream *s, const struct add_options *o,
		size_t first)
{
	struct stream_id id, last = stream_last_id(s);
	uint64_t removed = 0;
	enum status st;

	if (last.ms == UINT64_MAX && last.seq == UINT64_MAX) {
		resp_error(ctx->reply, "ERR The stream has exhausted the last possible ID, unable "
				       "to add more items");
		return;
	}
	if (!new_id(ctx, s, o, &id)) {
		resp_error(ctx->reply, "ERR The ID specified in XADD is equal or smaller than the "
				       "target stream top item");
		return;
	}
	if (!fields_fit(ctx, first)) {
		resp_error(ctx->reply, "ERR Elements are too large to be stored");
		return;
	}
	stream_reply_id(ctx, id);
	st = stream_append(s, id, ctx->argv + first, ctx->argc - first);
	if (st == ST_OK && o->by != TRIM_NOT) {
		st = trim(s, o, &removed);
	}
	stream_finish(ctx, s, st);
	command_event(ctx, EVENT_STREAM, "xadd", s->key->name);
	if (removed > 0) {
		command_event(ctx, EVENT_STREAM, "xtrim", s->key->name);
	}
}

static void cmd_xadd(struct command_ctx *ctx)
{
	struct add_options o = {0};
	struct store_key key;
	struct stream s;
	size_t at, fields;
	bool found;
	enum status st;

	if (!parse_options(ctx, true, &o, &at)) {
		return;
	}
	fields = at + 1 < ctx->argc ? ctx->argc - at - 1 : 0;
	if (fields < 2 || fields % 2 != 0) {
		resp_error(ctx->reply, "ERR wrong number of arguments for 'xadd' command");
		return;
	}
	if (o.id_given && !o.auto_seq && stream_id_is_zero(o.id)) {
		resp_error(ctx->reply, "ERR The ID specified in XADD must be greater than 0-0");
		return;
	}
	if (!stream_lookup(ctx, 1, &key, &s, &found)) {
		return;
	}
	if (!found) {
		if (o.no_create) {
			resp_null(ctx->reply);
			return;
		}
		st = stream_open(&s, ctx->engine, &key, NULL);
		if (st != ST_OK) {
			command_reply_status(ctx, st);
			return;
		}
	}
	add(ctx, &s, &o, at + 1);
}

/* --- reading --- */

static void cmd_xlen(struct command_ctx *ctx)
{
	struct store_key key;
	struct stream s;
	bool found;

	if (stream_lookup(ctx, 1, &key, &s, &found)) {
		resp_int(ctx->reply, found ? (int64_t)stream_length(&s) : 0);
	}
}

static void range(struct command_ctx *ctx, bool reverse)
{
	struct store_key key;
	struct stream s;
	struct stream_id from, to;
	int64_t count = -1;
	bool found;

	if (!stream_arg_bound(ctx, reverse ? 3 : 2, false, &from) ||
	    !stream_arg_bound(ctx, reverse ? 2 : 3, true, &to)) {
		return;
	}
	for (size_t i = 4; i < ctx->argc; i += 2) {
		if (i + 1 >= ctx->argc || !command_arg_is(ctx, i, "count")) {
			resp_error(ctx->reply, ERR_SYNTAX);
			return;
		}
		if (!command_arg_int(ctx, i + 1, &count, NULL)) {
			return;
		}
		count = count < 0 ? 0 : count;
	}
	if (!stream_lookup(ctx, 1, &key, &s, &found)) {
		return;
	}
	if (!found) {
		resp_array(ctx->reply, 0);
	} else if (count == 0) {
		resp_null_array(ctx->reply);
	} else {
		enum status st = stream_reply_range(ctx, &s, from, to, reverse,
						    count < 0 ? 0 : (uint64_t)count, NULL);

		if (st != ST_OK) {
			command_reply_status(ctx, st);
		}
	}
}

static void cmd_xrange(struct command_ctx *ctx)
{
	range(ctx, false);
}

static void cmd_xrevrange(struct command_ctx *ctx)
{
	range(ctx, true);
}

/* --- changes --- */

static void cmd_xdel(struct command_ctx *ctx)
{
	struct store_key key;
	struct stream s;
	struct buf ids = {0};
	int64_t removed = 0;
	bool found, existed;
	enum status st = ST_OK;

	if (!stream_lookup(ctx, 1, &key, &s, &found)) {
		return;
	}
	if (!found) {
		resp_int(ctx->reply, 0);
		return;
	}
	if (stream_args_ids(ctx, 2, &ids)) {
		for (size_t at = 0; st == ST_OK && at < ids.len; at += sizeof(struct stream_id)) {
			struct stream_id id;

			memcpy(&id, ids.data + at, sizeof id);
			st = stream_delete(&s, id, &existed);
			removed += st == ST_OK && existed;
		}
		resp_int(ctx->reply, removed);
		stream_finish(ctx, &s, st);
		if (removed > 0) {
			command_event(ctx, EVENT_STREAM, "xdel", key.name);
		}
	}
	buf_deinit(&ids);
}

struct setid_options {
	struct stream_id id, max_deleted;
	int64_t entries_added; /* -1: not given */
};

/* False: the error reply was sent. */
static bool setid_options(struct command_ctx *ctx, struct setid_options *o)
{
	if (!stream_arg_id(ctx, 2, STREAM_ID_STRICT, 0, NULL, &o->id)) {
		return false;
	}
	for (size_t i = 3; i < ctx->argc; i += 2) {
		bool more = i + 1 < ctx->argc;

		if (more && command_arg_is(ctx, i, "entriesadded")) {
			if (!command_arg_int(ctx, i + 1, &o->entries_added, NULL)) {
				return false;
			}
			if (o->entries_added < 0) {
				resp_error(ctx->reply, "ERR entries_added must be positive");
				return false;
			}
		} else if (more && command_arg_is(ctx, i, "maxdeletedid")) {
			if (!stream_arg_id(ctx, i + 1, STREAM_ID_STRICT, 0, NULL,
					   &o->max_deleted)) {
				return false;
			}
			if (stream_id_compare(o->id, o->max_deleted) < 0) {
				resp_error(ctx->reply, "ERR The ID specified in XSETID is smaller "
						       "than the provided max_deleted_entry_id");
				return false;
			}
		} else {
			resp_error(ctx->reply, ERR_SYNTAX);
			return false;
		}
	}
	return true;
}

/* What XSETID asks for may contradict what is there; NULL: it does not. */
static enum status setid_error(const struct stream *s, const struct setid_options *o,
			       const char **error)
{
	struct stream_id last;
	enum status st = stream_edge(s, true, &last);

	*error = NULL;
	if (stream_id_compare(o->id, s->max_deleted) < 0) {
		*error = "ERR The ID specified in XSETID is smaller than current "
			 "max_deleted_entry_id";
	} else if (stream_length(s) > 0 && stream_id_compare(o->id, last) < 0) {
		*error = "ERR The ID specified in XSETID is smaller than the target stream top "
			 "item";
	} else if (stream_length(s) > 0 && o->entries_added >= 0 &&
		   stream_length(s) > (uint64_t)o->entries_added) {
		*error = "ERR The entries_added specified in XSETID is smaller than the target "
			 "stream length";
	}
	return st;
}

static void cmd_xsetid(struct command_ctx *ctx)
{
	struct setid_options o = {.entries_added = -1};
	struct store_key key;
	struct stream s;
	const char *error;
	bool found;
	enum status st;

	if (!setid_options(ctx, &o) || !stream_lookup(ctx, 1, &key, &s, &found)) {
		return;
	}
	if (!found) {
		resp_error(ctx->reply, ERR_NO_KEY);
		return;
	}
	st = setid_error(&s, &o, &error);
	if (st == ST_OK && error != NULL) {
		resp_error(ctx->reply, "%s", error);
		return;
	}
	stream_set_last_id(&s, o.id);
	if (o.entries_added >= 0) {
		s.removed = (uint64_t)o.entries_added - stream_length(&s);
		s.extra_changed = true;
	}
	if (!stream_id_is_zero(o.max_deleted)) {
		s.max_deleted = o.max_deleted;
		s.extra_changed = true;
	}
	resp_ok(ctx->reply);
	stream_finish(ctx, &s, st);
	command_event(ctx, EVENT_STREAM, "xsetid", key.name);
}

/* --- the table --- */

enum {
	WRITE_FAST = CMD_WRITE | CMD_FAST,
	READ_RANGE = CMD_READONLY | CMD_TOUCH_RANGE,
};

const struct command commands_stream[] = {
    {"xack", -4, WRITE_FAST, KEYS(1, 1, 1), cmd_xack, NULL},
    {"xadd", -5, WRITE_FAST | CMD_DENYOOM, KEYS(1, 1, 1), cmd_xadd, NULL},
    {"xautoclaim", -6, WRITE_FAST | CMD_TOUCH_RANGE, KEYS(1, 1, 1), cmd_xautoclaim, NULL},
    {"xclaim", -6, WRITE_FAST, KEYS(1, 1, 1), cmd_xclaim, NULL},
    {"xdel", -3, WRITE_FAST, KEYS(1, 1, 1), cmd_xdel, NULL},
    {"xgroup", -2, 0, NO_KEYS, NULL, subcommands_xgroup},
    {"xinfo", -2, 0, NO_KEYS, NULL, subcommands_xinfo},
    {"xlen", 2, CMD_READONLY | CMD_FAST, KEYS(1, 1, 1), cmd_xlen, NULL},
    {"xpending", -3, READ_RANGE, KEYS(1, 1, 1), cmd_xpending, NULL},
    {"xrange", -4, READ_RANGE, KEYS(1, 1, 1), cmd_xrange, NULL},
    {"xread", -4, CMD_READONLY | CMD_BLOCKING | CMD_MOVABLE_KEYS, NO_KEYS, cmd_xread, NULL},
    {"xreadgroup", -7, CMD_WRITE | CMD_BLOCKING | CMD_MOVABLE_KEYS, NO_KEYS, cmd_xreadgroup, NULL},
    {"xrevrange", -4, READ_RANGE, KEYS(1, 1, 1), cmd_xrevrange, NULL},
    {"xsetid", -3, WRITE_FAST | CMD_DENYOOM, KEYS(1, 1, 1), cmd_xsetid, NULL},
    {"xtrim", -4, CMD_WRITE, KEYS(1, 1, 1), cmd_xtrim, NULL},
    {NULL, 0, 0, NO_KEYS, NULL, NULL},
};
