/* Writing keys as RESP commands. */
#include "engine/export/emit.h"

#include "engine/export/emit_stream.h"

#include <inttypes.h>
#include <stdio.h>

enum { BATCH_ITEMS = 128, BATCH_BYTES = 256 * 1024, SINK_BYTES = 256 * 1024 };

static enum status put_header(struct resp_sink *sink, char kind, uint64_t n)
{
	return buf_printf(&sink->pending, "%c%" PRIu64 "\r\n", kind, n);
}

static enum status put_bulk(struct resp_sink *sink, struct slice bytes)
{
	enum status st = put_header(sink, '$', bytes.len);

	if (st == ST_OK) {
		st = buf_append(&sink->pending, bytes.data, bytes.len);
	}
	return st == ST_OK ? buf_append(&sink->pending, "\r\n", 2) : st;
}

static enum status end_command(struct resp_sink *sink)
{
	sink->pending_commands++;
	sink->commands++;
	return sink->pending.len < SINK_BYTES ? ST_OK : resp_flush(sink);
}

enum status resp_flush(struct resp_sink *sink)
{
	enum status st = ST_OK;

	if (sink->pending.len > 0) {
		st = sink->take(sink->arg, buf_slice(&sink->pending), sink->pending_commands);
		sink->pending.len = 0;
		sink->pending_commands = 0;
		buf_shrink(&sink->pending, 4 * SINK_BYTES);
	}
	return st;
}

void resp_sink_deinit(struct resp_sink *sink)
{
	buf_deinit(&sink->pending);
}

enum status resp_encoded(struct resp_sink *sink, struct slice bytes, uint64_t commands)
{
	enum status st = buf_append(&sink->pending, bytes.data, bytes.len);

	if (st != ST_OK) {
		return st;
	}
	sink->pending_commands += commands;
	sink->commands += commands;
	return sink->pending.len < SINK_BYTES ? ST_OK : resp_flush(sink);
}

enum status resp_command(struct resp_sink *sink, const struct slice *argv, size_t argc)
{
	size_t start = sink->pending.len;
	enum status st = put_header(sink, '*', argc);

	for (size_t i = 0; st == ST_OK && i < argc; i++) {
		st = put_bulk(sink, argv[i]);
	}
	if (st != ST_OK) {
		sink->pending.len = start;
		return st;
	}
	return end_command(sink);
}

enum status emit_resp_del(struct resp_sink *sink, struct slice key)
{
	struct slice argv[2] = {slice_str("DEL"), key};

	return resp_command(sink, argv, 2);
}

enum status emit_resp_expiry(struct resp_sink *sink, struct slice key, uint64_t expire_at_ms)
{
	char text[24];
	struct slice argv[3] = {slice_str("PERSIST"), key};

	if (expire_at_ms == 0) {
		return resp_command(sink, argv, 2);
	}
	(void)snprintf(text, sizeof text, "%" PRIu64, expire_at_ms);
	argv[0] = slice_str("PEXPIREAT");
	argv[2] = slice_str(text);
	return resp_command(sink, argv, 3);
}

enum status emit_resp_field_expiry(struct resp_sink *sink, struct slice key, struct slice field,
				   uint64_t at_ms)
{
	char text[24];
	struct slice argv[6] = {slice_str("HPEXPIREAT"), key,
				slice_of(NULL, 0),	 slice_str("FIELDS"),
				slice_str("1"),		 field};

	if (sink->plain_fields) {
		return ST_OK;
	}
	(void)snprintf(text, sizeof text, "%" PRIu64, at_ms);
	argv[2] = slice_str(text);
	return resp_command(sink, argv, 6);
}

/* One command, put together where it goes out from. */
static enum status emit_string(struct resp_sink *sink, const struct view *v,
			       const struct key_record *record)
{
	bool expires = record->meta.expire_at_ms != 0;
	struct value_walk w;
	struct slice name, piece;
	char text[24];
	uint64_t len;
	size_t start = sink->pending.len;
	enum status st = value_count(record, &len);

	if (st == ST_OK) {
		st = put_header(sink, '*', expires ? 5 : 3);
	}
	if (st == ST_OK) {
		st = put_bulk(sink, slice_str("SET"));
	}
	if (st == ST_OK) {
		st = put_bulk(sink, record->name);
	}
	if (st == ST_OK) {
		st = put_header(sink, '$', len);
	}
	if (st != ST_OK) {
		sink->pending.len = start;
		return st;
	}
	st = value_open(v, record, &w);
	while (st == ST_OK) {
		st = value_next(&w, &name, &piece);
		if (st == ST_OK) {
			st = buf_append(&sink->pending, piece.data, piece.len);
		}
	}
	value_close(&w);
	st = st == ST_END ? buf_append(&sink->pending, "\r\n", 2) : st;
	if (st == ST_OK && expires) {
		snprintf(text, sizeof text, "%" PRIu64, record->meta.expire_at_ms);
		st = put_bulk(sink, slice_str("PXAT"));
		if (st == ST_OK) {
			st = put_bulk(sink, slice_str(text));
		}
	}
	if (st != ST_OK) {
		sink->pending.len = start; /* half a command would spoil all that follows */
		return st;
	}
	return end_command(sink);
}

/* One element's arguments; returns how many. scores: what a sorted set's texts are kept in until
 * the command is put together. */
static size_t put_element(enum value_type type, struct slice *argv, struct slice name,
			  struct slice value, char score[VALUE_SCORE_MAX])
{
	if (type == TYPE_ZSET) {
		memcpy(score, value.data, value.len);
		argv[0] = slice_of(score, value.len);
		argv[1] = name;
		return 2;
	}
	if (value_has_names(type)) {
		argv[0] = name;
		argv[1] = value;
		return 2;
	}
	argv[0] = value;
	return 1;
}

/* The command that adds elements to a collection. */
static const char *adding(enum value_type type)
{
	switch (type) {
	case TYPE_HASH:
		return "HSET";
	case TYPE_SET:
		return "SADD";
	case TYPE_ZSET:
		return "ZADD";
	default:
		return "RPUSH";
	}
}

/* Elements that go into one command. */
struct element_batch {
	struct slice argv[2 + 2 * BATCH_ITEMS];
	char scores[BATCH_ITEMS][VALUE_SCORE_MAX];
	uint64_t at_ms[BATCH_ITEMS]; /* of a hash's fields */
	size_t argc, bytes;
	bool timed; /* any of them expires */
};

static void add_element(struct element_batch *b, enum value_type type, const struct value_walk *w,
			struct slice name, struct slice value)
{
	size_t n = (b->argc - 2) / 2 % BATCH_ITEMS;

	b->argc += put_element(type, b->argv + b->argc, name, value, b->scores[n]);
	b->bytes += name.len + value.len;
	b->at_ms[n] = w->field_at_ms;
	b->timed |= w->field_at_ms != 0;
}

static enum status send_elements(struct resp_sink *sink, struct element_batch *b)
{
	enum status st = resp_command(sink, b->argv, b->argc);

	for (size_t i = 2; st == ST_OK && b->timed && i < b->argc; i += 2) {
		uint64_t at = b->at_ms[(i - 2) / 2];

		st = at != 0 ? emit_resp_field_expiry(sink, b->argv[1], b->argv[i], at) : ST_OK;
	}
	b->argc = 2;
	b->bytes = 0;
	b->timed = false;
	return st;
}

/* Collections: elements in commands of bounded size. */
static enum status emit_elements(struct resp_sink *sink, const struct view *v,
				 const struct key_record *record)
{
	enum value_type type = record->meta.type;
	struct element_batch b = {.argc = 2};
	struct value_walk w;
	enum status st = value_open(v, record, &w);

	b.argv[0] = slice_str(adding(type));
	b.argv[1] = record->name;
	while (st == ST_OK) {
		struct slice name, value;

		st = value_next(&w, &name, &value);
		if (st == ST_OK) {
			add_element(&b, type, &w, name, value);
		}
		if (b.argc > 2 &&
		    (st == ST_END || b.argc + 2 > 2 + 2 * BATCH_ITEMS || b.bytes > BATCH_BYTES)) {
			enum status sent = send_elements(sink, &b);

			st = sent != ST_OK ? sent : st;
		}
	}
	value_close(&w);
	return st == ST_END ? ST_OK : st;
}

enum status emit_resp(struct resp_sink *sink, const struct view *v, const struct key_record *record)
{
	enum status st;

	if (record->meta.type == TYPE_STRING) {
		return emit_string(sink, v, record);
	}
	if (!value_has_decoder(record->meta.type)) {
		return ST_WRONG_TYPE;
	}
	st = emit_resp_del(sink, record->name);
	if (st == ST_OK) {
		st = record->meta.type == TYPE_STREAM ? emit_stream(sink, v, record)
						      : emit_elements(sink, v, record);
	}
	return st == ST_OK && record->meta.expire_at_ms != 0
		   ? emit_resp_expiry(sink, record->name, record->meta.expire_at_ms)
		   : st;
}

/* --- libraries of functions --- */

enum status emit_resp_library(struct resp_sink *sink, struct slice code)
{
	struct slice argv[] = {slice_str("FUNCTION"), slice_str("LOAD"), slice_str("REPLACE"),
			       code};

	return resp_command(sink, argv, 4);
}

enum status emit_resp_library_del(struct resp_sink *sink, struct slice name, bool known)
{
	struct slice argv[] = {slice_str("FUNCTION"), slice_str("DELETE"), name};
	struct buf stub = {0};
	enum status st = ST_OK;

	if (!known) {
		st = buf_printf(&stub,
				"#!lua name=%.*s\n"
				"redis.register_function('cairn_removed_%.*s', function() end)",
				(int)name.len, (const char *)name.data, (int)name.len,
				(const char *)name.data);
		if (st == ST_OK) {
			st = emit_resp_library(sink, buf_slice(&stub));
		}
		buf_deinit(&stub);
	}
	return st == ST_OK ? resp_command(sink, argv, 3) : st;
}

enum status emit_resp_library_flush(struct resp_sink *sink)
{
	struct slice argv[] = {slice_str("FUNCTION"), slice_str("FLUSH")};

	return resp_command(sink, argv, 2);
}

enum status emit_resp_libraries(struct resp_sink *sink, const struct library_set *set)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < set->count; i++) {
		st = emit_resp_library(sink, library_code(set->items[i]));
	}
	return st;
}
