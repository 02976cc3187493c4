/* Stream IDs, intervals and entries as arguments and replies. */
#include "net/command/cmd_stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ID_TEXT_MAX = 127 }; /* bytes of an argument; an ID takes 41 at most */

/* A number of an ID, as Redis reads it: what is no strict integer may still be one to strtoull. */
static bool parse_part(const char *text, uint64_t *out)
{
	int64_t v;
	char *end;

	if (parse_int(slice_str(text), &v)) {
		*out = (uint64_t)v;
		return v >= 0;
	}
	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && *text != 0 && *end == 0;
}

bool stream_parse_id(struct slice text, enum stream_id_form form, uint64_t missing_seq,
		     bool *auto_seq, struct stream_id *out)
{
	char copy[ID_TEXT_MAX + 1];
	char *dash;

	if (text.len == 0 || text.len > ID_TEXT_MAX) {
		return false;
	}
	memcpy(copy, text.data, text.len);
	copy[text.len] = 0;
	if (strcmp(copy, "-") == 0 || strcmp(copy, "+") == 0) {
		*out = copy[0] == '-' ? STREAM_ID_MIN : STREAM_ID_MAX;
		return form == STREAM_ID_ANY;
	}
	dash = strchr(copy, '-');
	if (dash != NULL) {
		*dash++ = 0;
	}
	out->seq = missing_seq;
	if (!parse_part(copy, &out->ms)) {
		return false;
	}
	if (dash != NULL && auto_seq != NULL && strcmp(dash, "*") == 0) {
		out->seq = 0;
		*auto_seq = true;
		return true;
	}
	return dash == NULL || parse_part(dash, &out->seq);
}

bool stream_arg_id(struct command_ctx *ctx, size_t arg, enum stream_id_form form,
		   uint64_t missing_seq, bool *auto_seq, struct stream_id *out)
{
	if (stream_parse_id(ctx->argv[arg], form, missing_seq, auto_seq, out)) {
		return true;
	}
	resp_error(ctx->reply, "ERR Invalid stream ID specified as stream command argument");
	return false;
}

bool stream_args_ids(struct command_ctx *ctx, size_t first, struct buf *ids)
{
	ids->len = 0;
	for (size_t i = first; i < ctx->argc; i++) {
		struct stream_id id;

		if (!stream_arg_id(ctx, i, STREAM_ID_STRICT, 0, NULL, &id)) {
			return false;
		}
		if (buf_append(ids, &id, sizeof id) != ST_OK) {
			command_reply_status(ctx, ST_NO_MEMORY);
			return false;
		}
	}
	return true;
}

bool stream_arg_bound(struct command_ctx *ctx, size_t arg, bool end, struct stream_id *out)
{
	struct slice text = ctx->argv[arg];
	bool excluded = text.len > 1 && text.data[0] == '(';

	if (!stream_parse_id(excluded ? slice_skip(text, 1) : text,
			     excluded ? STREAM_ID_STRICT : STREAM_ID_ANY, end ? UINT64_MAX : 0,
			     NULL, out)) {
		resp_error(ctx->reply,
			   "ERR Invalid stream ID specified as stream command argument");
		return false;
	}
	if (excluded && !(end ? stream_id_previous(out) : stream_id_next(out))) {
		resp_error(ctx->reply, "ERR invalid %s ID for the interval", end ? "end" : "start");
		return false;
	}
	return true;
}

void stream_reply_id(struct command_ctx *ctx, struct stream_id id)
{
	char text[48];
	int n = snprintf(text, sizeof text, "%" PRIu64 "-%" PRIu64, id.ms, id.seq);

	resp_bulk(ctx->reply, slice_of(text, (size_t)n));
}

enum status stream_reply_entry(struct command_ctx *ctx, struct stream_id id, struct slice value)
{
	struct slice text;
	size_t count;
	enum status st = stream_entry_count(value, &count);

	if (st != ST_OK) {
		return st;
	}
	resp_array(ctx->reply, 2);
	stream_reply_id(ctx, id);
	resp_array(ctx->reply, count);
	while (stream_entry_next(&value, &text)) {
		resp_bulk(ctx->reply, text);
	}
	return ST_OK;
}

enum status stream_reply_range(struct command_ctx *ctx, const struct stream *s,
			       struct stream_id from, struct stream_id to, bool reverse,
			       uint64_t count, struct buf *ids)
{
	struct stream_iter it;
	struct stream_id id;
	struct slice value;
	size_t mark = resp_deferred_begin(ctx->reply), n = 0;
	enum status st = stream_iter_open(s, from, to, reverse, &it);

	while (st == ST_OK && (count == 0 || n < count)) {
		st = stream_iter_next(&it, &id, &value);
		if (st == ST_OK) {
			st = stream_reply_entry(ctx, id, value);
		}
		if (st == ST_OK && ids != NULL) {
			st = buf_append(ids, &id, sizeof id);
		}
		n += st == ST_OK;
	}
	stream_iter_close(&it);
	resp_deferred_end(ctx->reply, mark, '*', n);
	return st == ST_END ? ST_OK : st;
}
