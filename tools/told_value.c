/* Whole values from three sources. */
#include "tools/told_value.h"

#include "engine/base/alloc.h"
#include "tools/told_stream.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdlib.h>

enum { SCORE_TEXT = 40, TIME_TEXT = 24, READER_ARGS = 6 };

void told_deinit(struct told_value *t)
{
	byte_list_deinit(&t->items);
	mem_free(t->sorted);
	*t = (struct told_value){0};
}

/* Items of an element. */
static size_t width_of(enum value_type type)
{
	return type == TYPE_HASH ? 3 : value_has_names(type) || type == TYPE_STREAM ? 2 : 1;
}

/* --- order --- */

static int by_item(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Items that come in an order of their own: all but those of sets; of a stream, its entries. */
static size_t ordered_items(const struct told_value *t, size_t count)
{
	size_t i = 0;

	if (t->type == TYPE_STRING || t->type == TYPE_LIST) {
		return count;
	}
	while (t->type == TYPE_STREAM && i < count && told_stream_is_entry(t->sorted[i])) {
		i += width_of(t->type);
	}
	return i;
}

/* Those with names by these, which are all different. */
static enum status sort_items(struct told_value *t)
{
	size_t count = byte_list_count(&t->items), width = width_of(t->type), from;

	t->sorted = byte_list_slices(&t->items);
	if (t->sorted == NULL) {
		return count == 0 ? ST_OK : ST_NO_MEMORY;
	}
	from = ordered_items(t, count);
	if (from < count) {
		qsort(t->sorted + from, (count - from) / width, width * sizeof *t->sorted, by_item);
	}
	return ST_OK;
}

/* A score in one form, whoever wrote it. */
static enum status add_score(struct told_value *t, struct slice text)
{
	char in[SCORE_TEXT] = "", out[SCORE_TEXT];
	int n;

	memcpy(in, text.data, text.len < sizeof in ? text.len : sizeof in - 1);
	n = snprintf(out, sizeof out, "%.17g", strtod(in, NULL));
	return byte_list_add(&t->items, slice_of(out, (size_t)n));
}

static enum status add_item(struct told_value *t, struct slice item)
{
	bool is_score = t->type == TYPE_ZSET && byte_list_count(&t->items) % 2 == 1;

	return is_score ? add_score(t, item) : byte_list_add(&t->items, item);
}

static enum status add_time(struct told_value *t, uint64_t at_ms)
{
	char text[TIME_TEXT];
	int n = snprintf(text, sizeof text, "%" PRIu64, at_ms);

	return byte_list_add(&t->items, slice_of(text, (size_t)n));
}

/* --- a view --- */

static enum status walk(const struct view *v, const struct key_record *record,
			struct told_value *out)
{
	struct value_walk w;
	struct slice name, value;
	enum status st = value_open(v, record, &w);

	while (st == ST_OK && (st = value_next(&w, &name, &value)) == ST_OK) {
		if (value_has_names(out->type)) {
			st = add_item(out, name);
		}
		if (st == ST_OK) {
			st = add_item(out, value);
		}
		if (st == ST_OK && out->type == TYPE_HASH) {
			st = add_time(out, w.field_at_ms);
		}
	}
	value_close(&w);
	return st == ST_END ? ST_OK : st;
}

static enum status string_of(const struct view *v, const struct key_record *record,
			     struct told_value *out)
{
	struct buf whole = {0};
	enum status st = value_string(v, record, &whole);

	if (st == ST_OK) {
		st = byte_list_add(&out->items, buf_slice(&whole));
	}
	buf_deinit(&whole);
	return st;
}

enum status told_of_view(const struct view *v, struct slice key, struct told_value *out)
{
	struct key_record record;
	enum status st;

	told_deinit(out);
	st = key_record_get(v, key, &record);
	if (st == ST_NOT_FOUND) {
		out->state = TOLD_ABSENT;
		return ST_OK;
	}
	if (st == ST_OK) {
		out->type = record.meta.type;
		out->expire_at_ms = record.meta.expire_at_ms;
		st = out->type == TYPE_STRING	? string_of(v, &record, out)
		     : out->type == TYPE_STREAM ? told_stream_of_view(v, &record, &out->items)
						: walk(v, &record, out);
	}
	if (st == ST_OK) {
		st = sort_items(out);
	}
	if (st == ST_OK) {
		out->state = TOLD_PRESENT;
		return ST_OK;
	}
	told_deinit(out);
	return st == ST_CORRUPT || st == ST_WRONG_TYPE ? ST_OK : st;
}

/* --- a running node --- */

/* The commands that read each type. */
static const struct {
	const char *type;
	enum value_type number;
	size_t argc;
	const char *argv[READER_ARGS]; /* NULL: the key */
} readers[] = {
    {"string", TYPE_STRING, 2, {"GET"}},
    {"list", TYPE_LIST, 4, {"LRANGE", NULL, "0", "-1"}},
    {"hash", TYPE_HASH, 2, {"HGETALL"}},
    {"set", TYPE_SET, 2, {"SMEMBERS"}},
    {"zset", TYPE_ZSET, 5, {"ZRANGE", NULL, "0", "-1", "WITHSCORES"}},
    {"stream", TYPE_STREAM, 6, {"XINFO", "STREAM", NULL, "FULL", "COUNT", "0"}},
};

static enum status ask(struct live_node *n, const char *command, struct slice key, redisReply **out,
		       struct buf *error)
{
	struct slice argv[2] = {slice_str(command), key};

	return live_node_ask(n, argv, 2, out, error);
}

static enum status take_reply(const redisReply *reply, struct told_value *out)
{
	enum status st = ST_OK;

	if (reply->type == REDIS_REPLY_STRING) {
		st = add_item(out, slice_of(reply->str, reply->len));
	}
	for (size_t i = 0; st == ST_OK && i < reply->elements; i++) {
		st = add_item(out, slice_of(reply->element[i]->str, reply->element[i]->len));
	}
	return st;
}

enum { ASKED_AT_ONCE = LIVE_ARGS_MAX - 4 };

/* Asks when fields of a hash, given as pairs with their values, expire; *times NULL: the node has
 * no such command. */
static enum status ask_times(struct live_node *n, struct slice key, redisReply *const *pairs,
			     size_t fields, redisReply **times, struct buf *error)
{
	struct slice argv[LIVE_ARGS_MAX];
	size_t mark = error->len;
	char number[TIME_TEXT];
	enum status st;

	*times = NULL;
	(void)snprintf(number, sizeof number, "%zu", fields);
	argv[0] = slice_str("HPEXPIRETIME");
	argv[1] = key;
	argv[2] = slice_str("FIELDS");
	argv[3] = slice_str(number);
	for (size_t i = 0; i < fields; i++) {
		argv[4 + i] = slice_of(pairs[2 * i]->str, pairs[2 * i]->len);
	}
	st = live_node_ask(n, argv, 4 + fields, times, error);
	if (st == ST_READ_ONLY) {
		error->len = mark;
		return ST_OK;
	}
	return st;
}

static enum status take_some(struct told_value *out, redisReply *const *pairs, size_t fields,
			     const redisReply *times)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < fields; i++) {
		const redisReply *name = pairs[2 * i], *value = pairs[2 * i + 1];
		int64_t at = times != NULL && i < times->elements ? times->element[i]->integer : 0;

		st = add_item(out, slice_of(name->str, name->len));
		if (st == ST_OK) {
			st = add_item(out, slice_of(value->str, value->len));
		}
		if (st == ST_OK) {
			st = add_time(out, at > 0 ? (uint64_t)at : 0);
		}
	}
	return st;
}

/* Fields with their values and when they expire. */
static enum status take_fields(struct live_node *n, struct slice key, const redisReply *pairs,
			       struct told_value *out, struct buf *error)
{
	size_t fields = pairs->elements / 2;
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < fields; i += ASKED_AT_ONCE) {
		size_t some = fields - i < ASKED_AT_ONCE ? fields - i : ASKED_AT_ONCE;
		redisReply *times;

		st = ask_times(n, key, pairs->element + 2 * i, some, &times, error);
		if (st == ST_OK) {
			st = take_some(out, pairs->element + 2 * i, some, times);
			live_node_free(times);
		}
	}
	return st;
}

static enum status read_value(struct live_node *n, size_t reader, struct slice key,
			      struct told_value *out, struct buf *error)
{
	struct slice argv[READER_ARGS];
	redisReply *reply;
	enum status st;

	for (size_t i = 0; i < readers[reader].argc; i++) {
		const char *word = readers[reader].argv[i];

		argv[i] = word == NULL ? key : slice_str(word);
	}
	out->type = readers[reader].number;
	st = live_node_ask(n, argv, readers[reader].argc, &reply, error);
	if (st == ST_OK) {
		st = out->type == TYPE_HASH	? take_fields(n, key, reply, out, error)
		     : out->type == TYPE_STREAM ? told_stream_of_reply(reply, &out->items)
						: take_reply(reply, out);
		live_node_free(reply);
	}
	if (st == ST_OK) {
		st = ask(n, "PEXPIRETIME", key, &reply, error);
	}
	if (st == ST_OK) {
		out->expire_at_ms = reply->integer > 0 ? (uint64_t)reply->integer : 0;
		/* It may have gone between the questions. */
		out->state = reply->integer == -2 ? TOLD_ABSENT : TOLD_PRESENT;
		live_node_free(reply);
		st = sort_items(out);
	}
	return st;
}

enum status told_of_node(struct live_node *n, struct slice key, struct told_value *out,
			 struct buf *error)
{
	size_t reader, count = sizeof readers / sizeof *readers;
	redisReply *reply;
	enum status st;

	told_deinit(out);
	st = ask(n, "TYPE", key, &reply, error);
	if (st != ST_OK) {
		return st;
	}
	for (reader = 0; reader < count; reader++) {
		if (strcmp(reply->str, readers[reader].type) == 0) {
			break;
		}
	}
	out->state = strcmp(reply->str, "none") == 0 ? TOLD_ABSENT : TOLD_UNKNOWN;
	live_node_free(reply);
	return reader < count ? read_value(n, reader, key, out, error) : ST_OK;
}

/* --- comparing --- */

/* The number in a field's third item, which has no end of its own. */
static uint64_t time_of(struct slice text)
{
	uint64_t at = 0;

	for (size_t i = 0; i < text.len; i++) {
		at = at * 10 + (uint64_t)(text.data[i] - '0');
	}
	return at;
}

/* The first element from item i on that is to be seen; count: there is none. */
static size_t next_seen(const struct told_value *t, size_t i, uint64_t now_ms)
{
	size_t count = byte_list_count(&t->items);

	while (t->type == TYPE_HASH && i < count) {
		uint64_t at = time_of(t->sorted[i + 2]);

		if (at == 0 || at > now_ms) {
			break;
		}
		i += 3;
	}
	return i;
}

static bool present(const struct told_value *t, uint64_t now_ms)
{
	return t->state == TOLD_PRESENT && (t->expire_at_ms == 0 || t->expire_at_ms > now_ms) &&
	       (t->type != TYPE_HASH || next_seen(t, 0, now_ms) < byte_list_count(&t->items));
}

/* Whether both have the same elements, without fields whose time has come. */
static bool same_items(const struct told_value *a, const struct told_value *b, uint64_t now_ms)
{
	size_t width = width_of(a->type), i = next_seen(a, 0, now_ms), k = next_seen(b, 0, now_ms);
	size_t a_count = byte_list_count(&a->items), b_count = byte_list_count(&b->items);

	while (i < a_count && k < b_count) {
		for (size_t n = 0; n < width; n++) {
			if (!slice_eq(a->sorted[i + n], b->sorted[k + n])) {
				return false;
			}
		}
		i = next_seen(a, i + width, now_ms);
		k = next_seen(b, k + width, now_ms);
	}
	return i >= a_count && k >= b_count;
}

bool told_eq(const struct told_value *a, const struct told_value *b, uint64_t now_ms)
{
	if (a->state == TOLD_UNKNOWN || b->state == TOLD_UNKNOWN) {
		return false;
	}
	if (!present(a, now_ms) || !present(b, now_ms)) {
		return present(a, now_ms) == present(b, now_ms);
	}
	return a->type == b->type && a->expire_at_ms == b->expire_at_ms && same_items(a, b, now_ms);
}

/* --- printing --- */

/* How many items are shown: as many as value_max bytes have room for. */
static size_t shown_items(const struct told_value *t, size_t value_max)
{
	size_t count = byte_list_count(&t->items), bytes = 0, i;

	for (i = 0; i < count && (value_max == 0 || bytes < value_max); i++) {
		bytes += t->sorted[i].len;
	}
	return i - i % width_of(t->type);
}

/* The third item of a field. */
static void print_time(struct out *o, struct slice text)
{
	if (!slice_eq(text, slice_str("0"))) {
		out_printf(o, "@%.*s", (int)text.len, (const char *)text.data);
	}
}

void told_print(struct out *o, const char *name, const struct told_value *t, size_t value_max)
{
	size_t width = width_of(t->type), shown;

	out_printf(o, " %s=", name);
	if (t->state != TOLD_PRESENT) {
		out_text(o, t->state == TOLD_ABSENT ? "none" : "unknown");
		return;
	}
	if (t->type == TYPE_STRING) {
		out_quoted(o, t->sorted[0], value_max);
	} else {
		shown = shown_items(t, value_max);
		out_printf(o, "%s[", value_type_text(t->type));
		for (size_t i = 0; i < shown; i++) {
			if (i % width == 2) {
				print_time(o, t->sorted[i]);
				continue;
			}
			out_text(o, i == 0 ? "" : i % width == 1 ? ":" : " ");
			out_quoted(o, t->sorted[i], value_max);
		}
		out_text(o, shown < byte_list_count(&t->items) ? "]..." : "]");
	}
	if (t->expire_at_ms != 0) {
		out_printf(o, " %s_expires=%" PRIu64, name, t->expire_at_ms);
	}
}

static bool json_items(struct out *o, const struct told_value *t, size_t value_max)
{
	size_t shown = shown_items(t, value_max);
	size_t width = width_of(t->type);

	json_array(o, "value");
	for (size_t i = 0; i < shown; i += width) {
		if (width > 1) {
			json_array(o, NULL);
			json_bytes(o, NULL, t->sorted[i]);
			json_bytes(o, NULL, t->sorted[i + 1]);
			if (width == 3 && !slice_eq(t->sorted[i + 2], slice_str("0"))) {
				json_u64(o, NULL, time_of(t->sorted[i + 2]));
			}
			json_close(o, ']');
		} else {
			json_bytes(o, NULL, t->sorted[i]);
		}
	}
	json_close(o, ']');
	return shown == byte_list_count(&t->items);
}

void told_json(struct out *o, const char *name, const struct told_value *t, size_t value_max)
{
	bool whole = true;

	if (t->state == TOLD_ABSENT) {
		json_null(o, name);
	}
	if (t->state != TOLD_PRESENT) {
		return;
	}
	json_object(o, name);
	json_text(o, "type", value_type_text(t->type));
	if (t->type == TYPE_STRING) {
		whole = value_max == 0 || t->sorted[0].len <= value_max;
		json_bytes_max(o, "value", t->sorted[0], value_max);
	} else {
		whole = json_items(o, t, value_max);
	}
	if (t->expire_at_ms != 0) {
		json_u64(o, "expires", t->expire_at_ms);
	}
	if (!whole) {
		json_bool(o, "truncated", true);
	}
	json_close(o, '}');
}
