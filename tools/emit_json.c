/* Writing keys as JSON, and the entries of streams as text. */
#include "tools/emit_json.h"

void json_stream_entry(struct out *o, struct slice subkey, struct slice value)
{
	char id[STREAM_ID_TEXT_MAX];
	struct slice text;

	if (!stream_entry_text(subkey, id)) {
		return;
	}
	json_array(o, NULL);
	json_text(o, NULL, id);
	json_array(o, NULL);
	while (stream_entry_next(&value, &text)) {
		json_bytes(o, NULL, text);
	}
	json_close(o, ']');
	json_close(o, ']');
}

void print_stream_entry(struct out *o, struct slice subkey, struct slice value, bool raw)
{
	char id[STREAM_ID_TEXT_MAX];
	struct slice text;

	if (!stream_entry_text(subkey, id)) {
		return;
	}
	out_text(o, id);
	while (stream_entry_next(&value, &text)) {
		out_text(o, raw ? "\n" : " ");
		if (raw) {
			out_bytes(o, text);
		} else {
			out_quoted(o, text, 0);
		}
	}
	out_text(o, "\n");
}

static enum status json_whole_string(struct out *o, const struct view *v,
				     const struct key_record *record)
{
	struct buf text = {0};
	enum status st = value_string(v, record, &text);

	if (st == ST_OK) {
		json_bytes(o, "value", buf_slice(&text));
	}
	buf_deinit(&text);
	return st;
}

enum status emit_json_value(struct out *o, const struct view *v, const struct key_record *record)
{
	struct value_walk w;
	struct slice name, value;
	enum status st;

	if (record->meta.type == TYPE_STRING) {
		return json_whole_string(o, v, record);
	}
	st = value_open(v, record, &w);
	if (st != ST_OK) {
		return st;
	}
	json_array(o, "value");
	while (st == ST_OK) {
		st = value_next(&w, &name, &value);
		if (st == ST_OK && record->meta.type == TYPE_STREAM) {
			json_stream_entry(o, name, value);
		} else if (st == ST_OK && value_has_names(record->meta.type)) {
			json_array(o, NULL);
			json_bytes(o, NULL, name);
			json_bytes(o, NULL, value);
			if (w.field_at_ms != 0) {
				json_u64(o, NULL, w.field_at_ms);
			}
			json_close(o, ']');
		} else if (st == ST_OK) {
			json_bytes(o, NULL, value);
		}
	}
	json_close(o, ']');
	value_close(&w);
	return st == ST_END ? ST_OK : st;
}

void emit_json_library(struct out *o, const struct library *l)
{
	json_bytes(o, "library", library_name(l));
	json_bytes(o, "code", library_code(l));
}
