/* cairn-wal dump: one line per operation of each record that passes the filter. */
#include "tools/wal_filter.h"
#include "tools/wal_verbs.h"

#include <inttypes.h>

struct dump {
	struct tool *t;
	struct wal_filter filter;
	struct id_map map;
	uint64_t limit, value_max, printed;
	int format;
	bool no_value;
};

static void print_text(struct dump *d, const struct wal_record *rec, const struct log_place *p,
		       const struct wal_op *op, const struct op_facts *f)
{
	struct out *o = &d->t->out;

	out_printf(o, "%" PRIu64 ":%012" PRIu64 " ", p->epoch, rec->lsn);
	out_time(o, rec->time_ms);
	if (f->has_slot) {
		out_printf(o, " slot=%u", f->slot);
	}
	out_printf(o, " %.*s op=%s", (int)rec->cmd.len, (const char *)rec->cmd.data,
		   wal_op_kind_text(op->kind));
	if (f->has_key) {
		out_text(o, " key=");
		out_quoted(o, f->key, 0);
	}
	if (f->has_type) {
		out_printf(o, " type=%s", value_type_text(f->type));
	}
	if (f->has_sub) {
		out_text(o, " sub=");
		out_quoted(o, f->sub, d->value_max);
	}
	if (f->has_value) {
		out_printf(o, " len=%zu", f->value.len);
		if (!d->no_value) {
			out_text(o, " value=");
			out_quoted(o, f->value, d->value_max);
		}
	}
	if (f->has_meta && f->meta.expire_at_ms != 0) {
		out_printf(o, " expire_at_ms=%" PRIu64, f->meta.expire_at_ms);
	}
	out_printf(o, " client=%" PRIu64 " frame=%s@%" PRIu64 "\n", rec->client_id, p->file,
		   p->off);
}

static void print_json(struct dump *d, const struct wal_record *rec, const struct log_place *p,
		       const struct wal_op *op, const struct op_facts *f)
{
	struct out *o = &d->t->out;

	json_begin(o);
	json_u64(o, "epoch", p->epoch);
	json_u64(o, "lsn", rec->lsn);
	json_u64(o, "ts", rec->time_ms);
	json_bytes(o, "cmd", rec->cmd);
	json_text(o, "op", wal_op_kind_text(op->kind));
	if (f->has_slot) {
		json_u64(o, "slot", f->slot);
	}
	if (f->has_key) {
		json_bytes(o, "key", f->key);
	}
	if (f->has_type) {
		json_text(o, "type", value_type_text(f->type));
	}
	if (f->has_sub) {
		json_bytes(o, "sub", f->sub);
	}
	if (f->has_value && !d->no_value) {
		json_bytes_max(o, "value", f->value, d->value_max);
	}
	if (f->has_meta && f->meta.expire_at_ms != 0) {
		json_u64(o, "expire_at_ms", f->meta.expire_at_ms);
	}
	json_u64(o, "client", rec->client_id);
	json_text(o, "file", p->file);
	json_u64(o, "off", p->off);
	json_end(o);
}

static enum status dump_record(struct dump *d, const struct wal_record *rec,
			       const struct log_place *place)
{
	struct slice ops = rec->ops;
	struct wal_op op;
	enum status st = id_map_learn(&d->map, rec);

	while (st == ST_OK && (st = wal_op_next(&ops, &op)) == ST_OK) {
		struct op_facts facts;

		st = op_facts_of(&d->map, &op, rec->lsn, &facts);
		if (st != ST_OK || !wal_filter_op(&d->filter, &facts)) {
			continue;
		}
		if (d->format == 1) {
			print_json(d, rec, place, &op, &facts);
		} else {
			print_text(d, rec, place, &op, &facts);
		}
		d->printed++;
	}
	return st == ST_END ? ST_OK : st;
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
	while (records < d->limit && (st = log_next(log, &rec, &place)) == ST_OK) {
		if (wal_filter_past(&d->filter, &rec, &place)) {
			return EXIT_CLEAN;
		}
		if (!wal_filter_record(&d->filter, &rec, &place)) {
			st = id_map_learn(&d->map, &rec);
		} else {
			uint64_t before = d->printed;

			st = dump_record(d, &rec, &place);
			records += d->printed > before;
		}
		if (st != ST_OK) {
			return tool_fail(d->t, tool_exit_of(st), "record %" PRIu64 ": %s", rec.lsn,
					 status_text(st));
		}
	}
	return records >= d->limit ? EXIT_CLEAN : log_report(log, st);
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
	    WAL_FILTER_OPTIONS(&d.filter),
	    {"limit", 'n', OPT_U64, &d.limit, "N", "at most N records", NULL},
	    {"no-value", 0, OPT_FLAG, &d.no_value, NULL, "leave values out", NULL},
	    {"value-max", 0, OPT_SIZE, &d.value_max, "BYTES", "show this much of a value; 0: all",
	     NULL},
	    {"format", 0, OPT_CHOICE, &d.format, "FORMAT", "text or json", "text,json"},
	    {0}};
	struct log_source *log = NULL;
	size_t operands;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON) {
		code = log_open(t, argv + 1, operands, &log);
	}
	if (code == EXIT_GO_ON) {
		code = run(&d, log);
	}
	id_map_deinit(&d.map);
	log_close(log);
	return code;
}
