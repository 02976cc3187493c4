/* cairn-slot get: one key, whole. */
#include "tools/emit_json.h"
#include "tools/slot_verbs.h"

#include <inttypes.h>

enum { GET_TEXT, GET_JSON, GET_RESP, GET_RAW };

static enum status take_to_out(void *arg, struct slice bytes, uint64_t commands)
{
	(void)commands;
	out_bytes(arg, bytes);
	return ST_OK;
}

static void print_meta(struct out *o, const struct key_record *r, uint64_t count, uint64_t bytes,
		       bool json)
{
	const char *form = r->meta.form == FORM_LARGE ? "large" : "inline";

	if (json) {
		json_begin(o);
		json_u64(o, "slot", r->slot);
		json_bytes(o, "key", r->name);
		json_text(o, "type", value_type_text(r->meta.type));
		json_text(o, "form", form);
		json_u64(o, "len", count);
		json_u64(o, "bytes", bytes);
		json_u64(o, "flags", r->meta.flags);
		if (r->meta.form == FORM_LARGE) {
			json_u64(o, "id", r->meta.id);
		}
		if (r->meta.expire_at_ms != 0) {
			json_u64(o, "expires", r->meta.expire_at_ms);
		}
		if (r->meta.fields_timed > 0) {
			json_u64(o, "timed", r->meta.fields_timed);
			json_u64(o, "first", r->meta.fields_at_ms);
		}
		return;
	}
	out_text(o, "key=");
	out_quoted(o, r->name, 0);
	out_printf(o, " slot=%u type=%s form=%s len=%" PRIu64 " bytes=%" PRIu64 " flags=%u",
		   r->slot, value_type_text(r->meta.type), form, count, bytes, r->meta.flags);
	if (r->meta.form == FORM_LARGE) {
		out_printf(o, " id=%" PRIu64, r->meta.id);
	}
	out_text(o, " expires=");
	if (r->meta.expire_at_ms == 0) {
		out_text(o, "-");
	} else {
		out_time(o, r->meta.expire_at_ms);
	}
	if (r->meta.fields_timed > 0) {
		out_printf(o, " timed=%" PRIu64 " first=", r->meta.fields_timed);
		out_time(o, r->meta.fields_at_ms);
	}
	out_text(o, "\n");
}

/* Values one per line; raw leaves out quotes, and ends only elements with a newline. */
static enum status print_lines(struct out *o, const struct view *v, const struct key_record *r,
			       bool raw)
{
	struct value_walk w;
	struct slice name, value;
	bool string = r->meta.type == TYPE_STRING;
	uint64_t n = 0;
	enum status st = value_open(v, r, &w);

	while (st == ST_OK) {
		st = value_next(&w, &name, &value);
		if (st != ST_OK) {
			break;
		}
		if (r->meta.type == TYPE_STREAM) {
			print_stream_entry(o, name, value, raw);
			continue;
		}
		if (raw) {
			if (value_has_names(r->meta.type)) {
				out_bytes(o, name);
				out_text(o, "\n");
			}
			out_bytes(o, value);
			out_text(o, string ? "" : "\n");
			continue;
		}
		if (r->meta.type == TYPE_LIST) {
			out_printf(o, "%" PRIu64 " ", n++);
		} else if (value_has_names(r->meta.type)) {
			out_quoted(o, name, 0);
			out_text(o, " ");
		}
		out_quoted(o, value, 0);
		if (w.field_at_ms != 0) {
			out_text(o, " expires=");
			out_time(o, w.field_at_ms);
		}
		out_text(o, "\n");
	}
	value_close(&w);
	return st == ST_END ? ST_OK : st;
}

/* A long string is one quoted word although it is read in pieces. */
static enum status print_text(struct out *o, const struct view *v, const struct key_record *r)
{
	struct buf whole = {0};
	enum status st;

	if (r->meta.type != TYPE_STRING) {
		return print_lines(o, v, r, false);
	}
	st = value_string(v, r, &whole);
	if (st == ST_OK) {
		out_quoted(o, buf_slice(&whole), 0);
		out_text(o, "\n");
	}
	buf_deinit(&whole);
	return st;
}

static enum status print(struct tool *t, const struct view *v, const struct key_record *r,
			 int format, bool meta)
{
	struct resp_sink sink = {.take = take_to_out, .arg = &t->out};
	uint64_t bytes = 0, count = 0;
	enum status st = value_count(r, &count);

	if (st == ST_OK) {
		st = slot_value_bytes(v, r, &bytes);
	}
	if (st != ST_OK) {
		return st;
	}
	if (format == GET_JSON) {
		print_meta(&t->out, r, count, bytes, true);
		if (!meta) {
			st = emit_json_value(&t->out, v, r);
		}
		json_end(&t->out);
	} else if (meta) {
		print_meta(&t->out, r, count, bytes, false);
	} else if (format == GET_RESP) {
		st = emit_resp(&sink, v, r);
		if (st == ST_OK) {
			st = resp_flush(&sink);
		}
		resp_sink_deinit(&sink);
	} else if (format == GET_RAW) {
		st = print_lines(&t->out, v, r, true);
	} else {
		st = print_text(&t->out, v, r);
	}
	return st;
}

int slot_get(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "ENV KEY",
	    "Prints the value of KEY: a string as a quoted word, collections one element per\n"
	    "line; resp prints the commands that make the key. Exit 1 when there is no such key.",
	    2, 2};
	struct slot_env_options options = SLOT_ENV_INIT;
	bool meta = false, quoted = false;
	int format = GET_TEXT;
	const struct option_row rows[] = {
	    {"meta", 0, OPT_FLAG, &meta, NULL, "what is known of the key, without the value", NULL},
	    {"quoted-input", 0, OPT_FLAG, &quoted, NULL,
	     "KEY is a quoted word as the tools print them, with\n\\xHH for any byte", NULL},
	    {"format", 0, OPT_CHOICE, &format, "FORMAT", "text, json, resp or raw",
	     "text,json,resp,raw"},
	    SLOT_ENV_OPTIONS(&options),
	    {0}};
	struct slot_env env;
	struct key_record record;
	struct store_key key;
	struct slice name;
	size_t operands;
	enum status st;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON) {
		name = slice_str(argv[2]);
		/* What is decoded is never longer than what stands there. */
		if (quoted && !parse_quoted(argv[2], (uint8_t *)argv[2], &name.len)) {
			code = tool_fail(t, EXIT_USAGE, "'%s' is not a quoted word", argv[2]);
		}
	}
	if (code == EXIT_GO_ON) {
		code = slot_env_open(t, argv[1], &options, &env);
	}
	if (code != EXIT_GO_ON) {
		return code;
	}
	store_key_of_key(&key, name);
	st = key_record_get(&env.view, name, &record);
	if (st == ST_OK) {
		st = print(t, &env.view, &record, format, meta);
	}
	code = st == ST_NOT_FOUND ? tool_fail(t, EXIT_FINDINGS, "no such key in slot %u", key.slot)
				  : slot_report(t, st, store_key_slice(&key));
	slot_env_close(&env);
	return code;
}
