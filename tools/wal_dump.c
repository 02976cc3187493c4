/* cairn-wal dump: the records that pass the filter: a line per operation, their bytes, or commands
 * with their effect. */
#include "engine/export/translate.h"
#include "engine/types/hash_expiry.h"
#include "tools/op_line.h"
#include "tools/wal_filter.h"
#include "tools/wal_verbs.h"

#include <inttypes.h>

enum { DUMP_TEXT, DUMP_JSON, DUMP_RESP, DUMP_HEX };

enum { HEX_COLUMNS = 16, HEX_SPLIT = 8, FOLLOW_MS = 1000 };

struct dump {
	struct tool *t;
	struct wal_filter filter;
	struct id_map map;
	struct translator translator; /* DUMP_RESP: has the map instead */
	struct resp_sink sink;
	uint64_t limit, value_max, printed;
	int format;
	bool no_value, follow;
};

/* --- values: strings and elements as they are, small collections element by element --- */

static bool is_collection(const struct op_facts *f)
{
	return f->has_meta && f->meta.form == FORM_INLINE && f->meta.type != TYPE_STRING &&
	       value_has_decoder(f->meta.type);
}

/* Bytes of a value, elements of a collection. */
static uint64_t length_of(const struct op_facts *f)
{
	struct key_record record = {.meta = f->meta};
	uint64_t count = 0;

	if (!is_collection(f)) {
		return f->value.len;
	}
	return value_count(&record, &count) == ST_OK ? count : 0;
}

/* Calls each for the elements until more than value_max bytes were given; false: that was so. */
static bool walk_elements(struct dump *d, const struct op_facts *f,
			  void (*each)(struct out *o, bool first, const struct slice *name,
				       struct slice value))
{
	static const struct view nothing;
	struct key_record record = {.name = f->key, .slot = f->slot, .meta = f->meta};
	struct value_walk w;
	struct slice name, value;
	bool named = value_has_names(f->meta.type), first = true;
	uint64_t bytes = 0;
	enum status st = value_open(&nothing, &record, &w);

	while (st == ST_OK && (st = value_next(&w, &name, &value)) == ST_OK) {
		bytes += name.len + value.len;
		if (d->value_max != 0 && bytes > d->value_max) {
			break;
		}
		each(&d->t->out, first, named ? &name : NULL, value);
		first = false;
	}
	value_close(&w);
	return st != ST_OK;
}

static void text_element(struct out *o, bool first, const struct slice *name, struct slice value)
{
	out_text(o, first ? "" : " ");
	if (name != NULL) {
		out_quoted(o, *name, 0);
		out_text(o, ":");
	}
	out_quoted(o, value, 0);
}

static void json_element_of(struct out *o, bool first, const struct slice *name, struct slice value)
{
	(void)first;
	if (name != NULL) {
		json_array(o, NULL);
		json_bytes(o, NULL, *name);
		json_bytes(o, NULL, value);
		json_close(o, ']');
	} else {
		json_bytes(o, NULL, value);
	}
}

/* When fields of a hash expire: those of them that the record is about. */
static void print_times(struct out *o, struct slice bucket)
{
	struct slice field;
	uint64_t at;

	out_text(o, " times=[");
	for (bool first = true; hash_bucket_next(&bucket, &field, &at) == ST_OK; first = false) {
		out_text(o, first ? "" : " ");
		out_quoted(o, field, 0);
		out_printf(o, ":%" PRIu64, at);
	}
	out_text(o, "]");
}

static void json_times(struct out *o, struct slice bucket)
{
	struct slice field;
	uint64_t at;

	json_array(o, "times");
	while (hash_bucket_next(&bucket, &field, &at) == ST_OK) {
		json_array(o, NULL);
		json_bytes(o, NULL, field);
		json_u64(o, NULL, at);
		json_close(o, ']');
	}
	json_close(o, ']');
}

static void print_value(struct dump *d, const struct op_facts *f)
{
	struct out *o = &d->t->out;
	char score[VALUE_SCORE_MAX];

	if (f->is_times) {
		print_times(o, f->value);
		return;
	}
	out_text(o, " value=");
	if (f->is_score && value_score_text(f->value, score) == ST_OK) {
		out_text(o, score);
		return;
	}
	if (!is_collection(f)) {
		out_quoted(o, f->value, d->value_max);
		return;
	}
	out_text(o, "[");
	out_text(o, walk_elements(d, f, text_element) ? "]" : "]...");
}

static void print_value_json(struct dump *d, const struct op_facts *f)
{
	struct out *o = &d->t->out;
	char score[VALUE_SCORE_MAX];
	bool whole;

	if (f->is_times) {
		json_times(o, f->value);
		return;
	}
	if (f->is_score && value_score_text(f->value, score) == ST_OK) {
		json_text(o, "value", score);
		return;
	}
	if (is_collection(f)) {
		json_array(o, "value");
		whole = walk_elements(d, f, json_element_of);
		json_close(o, ']');
	} else {
		whole = d->value_max == 0 || f->value.len <= d->value_max;
		json_bytes_max(o, "value", f->value, d->value_max);
	}
	if (!whole) {
		json_bool(o, "truncated", true);
	}
}

/* --- lines --- */

static void print_text(struct dump *d, const struct wal_record *rec, const struct log_place *p,
		       const struct wal_op *op, const struct op_facts *f)
{
	struct out *o = &d->t->out;

	op_line_text(o, p->epoch, rec, op, f, d->value_max);
	if (f->has_value) {
		out_printf(o, " len=%" PRIu64, length_of(f));
		if (!d->no_value) {
			print_value(d, f);
		}
	}
	if (f->has_meta && f->meta.expire_at_ms != 0) {
		out_printf(o, " expires=%" PRIu64, f->meta.expire_at_ms);
	}
	if (f->has_meta && f->meta.fields_timed > 0) {
		out_printf(o, " timed=%" PRIu64 " first=%" PRIu64, f->meta.fields_timed,
			   f->meta.fields_at_ms);
	}
	out_printf(o, " client=%" PRIu64 " frame=%s@%" PRIu64 "\n", rec->client_id, p->file,
		   p->off);
}

static void print_json(struct dump *d, const struct wal_record *rec, const struct log_place *p,
		       const struct wal_op *op, const struct op_facts *f)
{
	struct out *o = &d->t->out;

	op_line_json(o, p->epoch, rec, op, f);
	if (f->has_value) {
		json_u64(o, "len", length_of(f));
		if (!d->no_value) {
			print_value_json(d, f);
		}
	}
	if (f->has_meta && f->meta.expire_at_ms != 0) {
		json_u64(o, "expires", f->meta.expire_at_ms);
	}
	if (f->has_meta && f->meta.fields_timed > 0) {
		json_u64(o, "timed", f->meta.fields_timed);
		json_u64(o, "first", f->meta.fields_at_ms);
	}
	json_u64(o, "client", rec->client_id);
	json_text(o, "file", p->file);
	json_u64(o, "off", p->off);
	json_end(o);
}

static void print_hex(struct dump *d, const struct wal_record *rec, const struct log_place *p)
{
	struct out *o = &d->t->out;

	out_printf(o, "%" PRIu64 ":%012" PRIu64 " ", p->epoch, rec->lsn);
	out_time(o, rec->time_ms);
	out_text(o, " ");
	out_word(o, rec->cmd);
	out_printf(o, " bytes=%zu frame=%s@%" PRIu64 "\n", rec->whole.len, p->file, p->off);
	for (size_t at = 0; at < rec->whole.len; at += HEX_COLUMNS) {
		size_t n = rec->whole.len - at < HEX_COLUMNS ? rec->whole.len - at : HEX_COLUMNS;
		const uint8_t *row = rec->whole.data + at;
		char shown[HEX_COLUMNS + 1] = {0};

		out_printf(o, "  %08zx ", at);
		for (size_t i = 0; i < HEX_COLUMNS; i++) {
			out_text(o, i == HEX_SPLIT ? " " : "");
			if (i < n) {
				out_printf(o, " %02x", row[i]);
				shown[i] = row[i] >= 0x20 && row[i] < 0x7f ? (char)row[i] : '.';
			} else {
				out_text(o, "   ");
			}
		}
		out_printf(o, "  |%s|\n", shown);
	}
}

/* One operation; for a record as a whole the first that passes is enough. */
static void print_op(struct dump *d, const struct wal_record *rec, const struct log_place *place,
		     const struct wal_op *op, const struct op_facts *facts, uint64_t before)
{
	if (d->format == DUMP_JSON) {
		print_json(d, rec, place, op, facts);
	} else if (d->format == DUMP_TEXT) {
		print_text(d, rec, place, op, facts);
	} else if (d->printed == before) {
		print_hex(d, rec, place);
	}
	d->printed++;
}

static enum status dump_record(struct dump *d, const struct wal_record *rec,
			       const struct log_place *place)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	uint64_t before = d->printed;
	enum status st = id_map_learn(&d->map, rec);

	while (st == ST_OK && (st = wal_op_next(&ops, &op)) == ST_OK) {
		struct op_facts facts;

		st = op_facts_of(&d->map, &op, &facts);
		if (st == ST_OK && wal_filter_op(&d->filter, &facts)) {
			print_op(d, rec, place, &op, &facts, before);
		}
	}
	id_map_settle(&d->map, rec);
	return st == ST_END ? ST_OK : st;
}

static enum status take_resp(void *arg, struct slice bytes, uint64_t commands)
{
	struct dump *d = arg;

	d->printed += commands;
	out_bytes(&d->t->out, bytes);
	return ST_OK;
}

static enum status dump_resp(struct dump *d, const struct wal_record *rec)
{
	enum status st = translate_record(&d->translator, rec, &d->sink);

	return st == ST_OK ? resp_flush(&d->sink) : st;
}

static enum status take_record(struct dump *d, const struct wal_record *rec,
			       const struct log_place *place)
{
	bool wanted = wal_filter_record(&d->filter, rec, place);

	if (d->format == DUMP_RESP) {
		return wanted ? dump_resp(d, rec) : translate_skip(&d->translator, rec);
	}
	if (!wanted) {
		enum status st = id_map_learn(&d->map, rec);

		id_map_settle(&d->map, rec);
		return st;
	}
	return dump_record(d, rec, place);
}

/* The next record; with --follow also one that is still to be written. */
static enum status next_record(struct dump *d, struct log_source *log, struct wal_record *rec,
			       struct log_place *place)
{
	enum status st = log_next(log, rec, place);

	while (d->follow && (st == ST_END || st == ST_TORN)) {
		out_flush(&d->t->out);
		if (d->t->out.failed) {
			return ST_END;
		}
		if (log_wait(log, FOLLOW_MS)) {
			st = log_next(log, rec, place);
		}
	}
	return st;
}

static int run(struct dump *d, struct log_source *log)
{
	struct log_place place;
	struct wal_record rec;
	uint64_t records = 0;
	enum status st = ST_OK;
	int code = log_seek(log, 0, false);

	if (code != EXIT_GO_ON) {
		return code;
	}
	/* Read from the beginning, so that the keys of large collections are known. */
	while (records < d->limit && (st = next_record(d, log, &rec, &place)) == ST_OK) {
		uint64_t before = d->printed;

		if (wal_filter_past(&d->filter, &rec, &place)) {
			return EXIT_CLEAN;
		}
		st = take_record(d, &rec, &place);
		if (st != ST_OK) {
			return log_bad_record(log, st, &rec, &place);
		}
		records += d->printed > before;
	}
	return records >= d->limit ? EXIT_CLEAN : log_report(log, st);
}

static int run_resp(struct dump *d, struct log_source *log)
{
	const struct log_segment *segments;
	size_t count;
	int code;

	segments = log_segments(log, &count);
	d->sink = (struct resp_sink){.take = take_resp, .arg = d};
	if (translate_init(&d->translator, wal_filter_choice(&d->filter),
			   segments[0].first_lsn == 1, 0) != ST_OK) {
		return tool_fail(d->t, EXIT_IO, "out of memory");
	}
	code = run(d, log);
	if (d->translator.left_out > 0 && code == EXIT_CLEAN) {
		code =
		    tool_fail(d->t, EXIT_FINDINGS,
			      "%" PRIu64 " changes have no command: to lists and strings that were "
			      "there before the log begins",
			      d->translator.left_out);
	}
	translate_deinit(&d->translator);
	resp_sink_deinit(&d->sink);
	return code;
}

int wal_dump(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "DIR|FILE...",
	    "Prints the operations of a log, one per line, oldest first. The operands are data\n"
	    "directories, log folders or segment files.",
	    1, 1024};
	struct dump d = {.t = t, .filter = WAL_FILTER_INIT, .limit = UINT64_MAX, .value_max = 256};
	const struct option_row rows[] = {
	    WAL_POSITION_OPTIONS(&d.filter),
	    {"limit", 'n', OPT_U64, &d.limit, "N", "at most N records", NULL},
	    {"follow", 'f', OPT_FLAG, &d.follow, NULL, "wait for more at the end of the log", NULL},
	    WAL_FILTER_OPTIONS(&d.filter),
	    {"no-value", 0, OPT_FLAG, &d.no_value, NULL, "leave values out", NULL},
	    {"value-max", 0, OPT_SIZE, &d.value_max, "BYTES",
	     "show this much of a value (default 256; 0: all)", NULL},
	    {"format", 0, OPT_CHOICE, &d.format, "FORMAT",
	     "text, json, resp (commands with the\nrecords' effect) or hex", "text,json,resp,hex"},
	    {0}};
	struct log_source *log = NULL;
	size_t operands;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON) {
		code = log_open(t, argv + 1, operands, &log);
	}
	if (code == EXIT_GO_ON) {
		code = d.format == DUMP_RESP ? run_resp(&d, log) : run(&d, log);
	}
	id_map_deinit(&d.map);
	log_close(log);
	return code;
}
