/* cairn-wal stats: what fills a log. */
#include "engine/base/alloc.h"
#include "tools/tally.h"
#include "tools/wal_filter.h"
#include "tools/wal_verbs.h"

#include <inttypes.h>

enum by { BY_CMD, BY_SLOT, BY_TYPE, BY_PREFIX, BY_MINUTE };

enum { MINUTE_MS = 60000, NAME_LEN = 32 };

static enum status count_op(struct tally *tally, enum by by, const struct wal_record *rec,
			    const struct op_facts *f, uint64_t bytes)
{
	char name[NAME_LEN];
	struct slice key = slice_str("-");

	switch (by) {
	case BY_CMD:
		key = rec->cmd;
		break;
	case BY_SLOT:
		(void)snprintf(name, sizeof name, "%u", f->slot);
		key = f->has_slot ? slice_str(name) : key;
		break;
	case BY_TYPE:
		key = f->has_type     ? slice_str(value_type_text(f->type))
		      : f->is_library ? slice_str("library")
				      : key;
		break;
	case BY_PREFIX:
		key = f->has_key ? tally_prefix(f->key) : key;
		break;
	case BY_MINUTE: {
		struct utc u = utc_of_ms(rec->time_ms / MINUTE_MS * MINUTE_MS);

		(void)snprintf(name, sizeof name, "%04d-%02d-%02dT%02d:%02dZ", u.year, u.month,
			       u.day, u.hour, u.minute);
		key = slice_str(name);
		break;
	}
	}
	return tally_add(tally, key, bytes, 0);
}

static enum status count_record(struct tally *tally, struct id_map *map,
				const struct wal_filter *filter, enum by by,
				const struct wal_record *rec)
{
	struct slice ops = rec->ops, before;
	struct wal_op op;
	enum status st = id_map_learn(map, rec);

	while (st == ST_OK) {
		struct op_facts facts;

		before = ops;
		st = wal_op_next(&ops, &op);
		if (st == ST_OK) {
			st = op_facts_of(map, &op, &facts);
		}
		if (st == ST_OK && wal_filter_op(filter, &facts)) {
			st = count_op(tally, by, rec, &facts, before.len - ops.len);
		}
	}
	id_map_settle(map, rec);
	return st == ST_END ? ST_OK : st;
}

static int print(struct tool *t, const struct tally *tally, uint64_t top, bool json)
{
	struct tally_row **rows;

	if (tally_sorted(tally, TALLY_BY_BYTES, &rows) != ST_OK) {
		return tool_fail(t, EXIT_IO, "out of memory");
	}
	for (size_t i = 0; rows != NULL && i < tally->used && (top == 0 || i < top); i++) {
		struct slice name = slice_of(rows[i]->name, rows[i]->name_len);

		if (json) {
			json_begin(&t->out);
			json_bytes(&t->out, "name", name);
			json_u64(&t->out, "operations", rows[i]->count);
			json_u64(&t->out, "bytes", rows[i]->bytes);
			json_u64(&t->out, "largest", rows[i]->max_bytes);
			json_end(&t->out);
		} else {
			out_printf(&t->out,
				   "operations=%" PRIu64 " bytes=%" PRIu64 " largest=%" PRIu64
				   " name=",
				   rows[i]->count, rows[i]->bytes, rows[i]->max_bytes);
			out_quoted(&t->out, name, 0);
			out_text(&t->out, "\n");
		}
	}
	mem_free(rows);
	return EXIT_GO_ON;
}

int wal_stats(struct tool *t, int argc, char **argv)
{
	static const struct verb_usage usage = {
	    "DIR|FILE...", "Sums the operations of a log, uncompressed, largest first.", 1, 1024};
	struct wal_filter filter = WAL_FILTER_INIT;
	struct tally tally = {0};
	struct id_map map = {0};
	uint64_t top = 20;
	int format = 0, by = BY_CMD;
	const struct option_row rows[] = {
	    {"by", 0, OPT_CHOICE, &by, "WHAT", "cmd, slot, type, prefix or minute",
	     "cmd,slot,type,prefix,minute"},
	    {"top", 0, OPT_U64, &top, "N", "at most N lines (default 20, 0: all)", NULL},
	    WAL_POSITION_OPTIONS(&filter),
	    WAL_FILTER_OPTIONS(&filter),
	    {"format", 0, OPT_CHOICE, &format, "FORMAT", "text or json", "text,json"},
	    {0}};
	struct log_source *log = NULL;
	struct log_place place;
	struct wal_record rec;
	size_t operands;
	enum status st = ST_OK;
	int code = args_parse(t, &usage, rows, argc, argv, &operands);

	if (code == EXIT_GO_ON) {
		code = log_open(t, argv + 1, operands, &log);
	}
	if (code == EXIT_GO_ON) {
		code = log_seek(log, 0, false);
	}
	while (code == EXIT_GO_ON && (st = log_next(log, &rec, &place)) == ST_OK) {
		if (wal_filter_past(&filter, &rec, &place)) {
			st = ST_END;
			break;
		}
		if (wal_filter_record(&filter, &rec, &place)) {
			st = count_record(&tally, &map, &filter, (enum by)by, &rec);
		} else {
			st = id_map_learn(&map, &rec);
			id_map_settle(&map, &rec);
		}
		if (st != ST_OK) {
			code = log_bad_record(log, st, &rec, &place);
		}
	}
	if (code == EXIT_GO_ON) {
		code = print(t, &tally, top, format == 1);
	}
	if (code == EXIT_GO_ON) {
		code = st == ST_END ? EXIT_CLEAN : log_report(log, st);
	}
	tally_deinit(&tally);
	id_map_deinit(&map);
	log_close(log);
	return code;
}
